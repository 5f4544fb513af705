# What sanitizers ask of the compiler and the linker. At -O1 stacks are closer to the source, and
# Highway's code for every target compiles twice as fast.
set(TRANSFUSION_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread")
if(TRANSFUSION_SANITIZE)
  set(sanitizer_link_options -fsanitize=${TRANSFUSION_SANITIZE})
  set(sanitizer_options -O1 -g1 ${sanitizer_link_options} -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()
