# Writes a C++ file that holds the images of LIST (lines of NAME ARCHITECTURE PATH; architecture 0 is PTX) and the
# table of cuda/host/images.h over them.
file(STRINGS ${LIST} lines)
set(blocks "")
set(rows "")
set(number 0)
foreach(line ${lines})
  string(REGEX MATCH "^([^ ]+) ([^ ]+) (.+)$" _ "${line}")
  set(name ${CMAKE_MATCH_1})
  set(architecture ${CMAKE_MATCH_2})
  set(path ${CMAKE_MATCH_3})
  string(APPEND blocks "__asm__(\".section .rodata\\n.balign 64\\nimage_${number}:\\n.incbin \\\"${path}\\\"\\n\"\n"
    "        \"image_${number}_end:\\n.byte 0\\n.previous\\n\");\n"
    "extern \"C\" __attribute__((visibility(\"hidden\"))) const char image_${number}[], image_${number}_end[];\n")
  string(APPEND rows "    {\"${name}\", ${architecture}, image_${number}, image_${number}_end},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${INDEX} "// Made by cuda/images/index.cmake.\n#include \"host/images.h\"\n\n${blocks}\n"
  "namespace transfusion::cuda {\n\nconst Image images[] = {\n${rows}};\nconst int image_count = ${number};\n\n"
  "}  // namespace transfusion::cuda\n")
