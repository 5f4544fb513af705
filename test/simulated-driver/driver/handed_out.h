// What calls that take addresses ask of them.
#pragma once

#include "driver/call.h"

namespace simulated {

// Refuses what is not, as far as the call can know, `bytes` of memory that is handed out and not freed.
HandedOut& memory_at(uint64_t address, size_t bytes, const char* argument);
// Null where an address is pageable memory of the host.
HandedOut* pinned_at(const void* address, size_t bytes);
// What begins at the address. Refuses what is freed already.
HandedOut& memory_to_free(uint64_t address);

}  // namespace simulated
