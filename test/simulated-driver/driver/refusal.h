// How a call ends that the real driver would not have done.
#pragma once

#include <string>

#include "driver/cuda_api.h"

namespace simulated {

// Thrown inside an entry point, which returns the code. What it says goes to stderr; nothing is said where
// the code is an answer that programs ask for, such as CUDA_ERROR_NOT_READY.
struct Refusal {
  CUresult code;
  std::string what;
};

[[noreturn]] void refuse(CUresult code);
[[noreturn]] __attribute__((format(printf, 2, 3))) void refuse(CUresult code, const char* format, ...);

// "simulated CUDA driver: cuLaunchKernel: CUDA_ERROR_INVALID_VALUE (1): ..."
void report(const char* function, CUresult code, const std::string& what);

// Null: no such code.
const char* error_name(CUresult code);
const char* error_text(CUresult code);

}  // namespace simulated
