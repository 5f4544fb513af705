// The assembler takes the headers' text in, so that the hash is of the very files that this build includes.
#include "interface_hash.h"

// For the compiler's list of what is to be built again when a header changes.
#include "cuda_library.h"

#ifdef __ELF__
__asm__(
    ".pushsection .rodata\n"
    "interface_text:\n"
    ".incbin \"cuda_library.h\"\n"
    ".incbin \"device.h\"\n"
    ".incbin \"kernel_types.h\"\n"
    ".incbin \"kernels.h\"\n"
    ".incbin \"product_choices.h\"\n"
    "interface_text_end:\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" __attribute__((visibility("hidden"))) const char interface_text[], interface_text_end[];
#endif

namespace transfusion {

u64 interface_hash() {
#ifdef __ELF__
  // FNV-1a
  u64 hash = 0xcbf29ce484222325ull;
  for (const char* at = interface_text; at != interface_text_end; ++at)
    hash = (hash ^ static_cast<unsigned char>(*at)) * 0x100000001b3ull;
  return hash;
#else
  return 0;  // there is no CUDA
#endif
}

}  // namespace transfusion
