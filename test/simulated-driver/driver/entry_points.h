// The functions that cuGetProcAddress gives, by name and the version of CUDA that brought their signature.
#pragma once

#include <span>

#include "driver/cuda_api.h"

namespace simulated {

struct EntryPoint {
  const char* name;
  int version;
  void* function;
};

#define ENTRY(name, version, function) \
  EntryPoint { #name, version, reinterpret_cast < void*>(static_cast <PFN_##name##_v##version>(function)) }

using EntryPoints = std::span<const EntryPoint>;
EntryPoints device_entries();
EntryPoints context_entries();
EntryPoints memory_entries();
EntryPoints pool_entries();
EntryPoints host_memory_entries();
EntryPoints copy_entries();
EntryPoints stream_entries();
EntryPoints event_entries();
EntryPoints module_entries();
EntryPoints function_entries();
EntryPoints launch_entries();

}  // namespace simulated
