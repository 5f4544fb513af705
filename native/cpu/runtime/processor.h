// The processor's features, and the threads and SIMD target that kernels run with.
#pragma once

namespace transfusion::cpu {

// The highest SIMD target in use: "AVX3", "AVX2", "SCALAR", "NEON" ...
const char* simd_name();
// Detects what the CPU has, and applies TRANSFUSION_SIMD=avx512|avx2|baseline, which forces dispatch (ours
// and oneDNN's) down; called once, before any kernel.
void choose_simd();
// True where bf16 products run in hardware and dispatch is not forced below it.
bool has_native_bf16();
// True where AVX-512 multiplies bytes in hardware (VNNI) and dispatch is not forced below it.
bool has_int8_products();
// As has_native_bf16(), for inner loops: such CPUs round f32 to bf16 in an instruction.
extern bool rounds_natively;
// True where the CPU has Intel AMX for bf16, the system lets the process use it, and dispatch is not forced
// below.
bool has_amx();
int processor_count();
// Both run on the stream's thread.
void set_threads(int threads);
// Asks Linux for long time slices for the kernels' threads. Kernels keep every processor busy, and a thread
// with shorter slices than theirs, JavaScript's, gets its turn at once when it wakes up, instead of at the
// end of a slice; besides, long slices cost kernels fewer interruptions. TRANSFUSION_TIME_SLICE=milliseconds,
// 20 by default, at most 100; 0 leaves them as they are. Called once, before any kernel: OpenMP's threads
// inherit it.
void lengthen_time_slice();

}  // namespace transfusion::cpu
