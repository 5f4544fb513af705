#include "cpu/runtime.h"

#include <hwy/highway.h>
#include <omp.h>
#include <sched.h>

#include <cstdlib>
#include <cstring>

#include "cpu/onednn.h"

namespace transfusion::cpu {

const char* simd_name() {
  const auto targets = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(targets & -targets);  // the best target has the lowest bit
}

void apply_simd_override() {
  const char* name = std::getenv("TRANSFUSION_SIMD");
  if (!name) return;
  const bool avx2 = std::strcmp(name, "avx2") == 0;
  // Highway's best targets have the lowest bits: everything below the one wanted is switched off.
  hwy::DisableTargets((avx2 ? HWY_AVX2 : HWY_SCALAR) - 1);
  dnnl::set_max_cpu_isa(avx2 ? dnnl::cpu_isa::avx2 : dnnl::cpu_isa::sse41);
}

bool has_native_bf16() { return onednn::may_use(dnnl::cpu_isa::avx512_core_bf16); }

int processor_count() { return omp_get_num_procs(); }

void set_threads(int threads) { omp_set_num_threads(threads); }

}  // namespace transfusion::cpu
