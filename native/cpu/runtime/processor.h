// What the process knows of its processor, and the threads and SIMD target that kernels run with.
#pragma once

namespace transfusion::cpu {

// The highest SIMD target in use: "AVX3", "AVX2", "SCALAR", "NEON" ...
const char* simd_name();
// What the CPU has, and TRANSFUSION_SIMD=avx512|avx2|baseline, which forces dispatch (ours and oneDNN's)
// down; called once, before any kernel.
void choose_simd();
// True where bf16 products run in hardware and dispatch is not forced below it.
bool has_native_bf16();
// As has_native_bf16(), for inner loops: such CPUs round f32 to bf16 in an instruction.
extern bool rounds_natively;
// True where there are matrix registers for bf16 (Intel AMX), the system lets the process use them, and
// dispatch is not forced below.
bool has_matrix_registers();
int processor_count();
// Both run on the stream's thread.
void set_threads(int threads);
// Kernels keep every processor busy, and Linux lets a thread finish its slice of time before another that
// wakes up, JavaScript's, gets its turn, unless the other asks for shorter slices: so kernels ask for long
// ones, which cost them fewer interruptions besides. TRANSFUSION_TIME_SLICE=milliseconds, 20 by default, at
// most 100; 0 leaves them as they are. Called once, before any kernel: OpenMP's threads inherit it.
void lengthen_time_slice();

}  // namespace transfusion::cpu
