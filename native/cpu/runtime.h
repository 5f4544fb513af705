// What the process knows of its processor, and the threads and SIMD target that kernels run with.
#pragma once

namespace transfusion::cpu {

// The highest SIMD target in use: "AVX3", "AVX2", "SCALAR", "NEON" ...
const char* simd_name();
// TRANSFUSION_SIMD=avx2|baseline forces dispatch (ours and oneDNN's) down; called once, before any kernel.
void apply_simd_override();
// True where bf16 products run in hardware and dispatch is not forced below it.
bool has_native_bf16();
int processor_count();
// Runs on the stream's thread.
void set_threads(int threads);

}  // namespace transfusion::cpu
