#include "cpu/runtime/processor.h"

#include <hwy/highway.h>
#include <omp.h>

#ifdef __linux__
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "cpu/runtime/onednn.h"

namespace transfusion::cpu {

const char* simd_name() {
  const auto targets = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(targets & -targets);  // the best target has the lowest bit
}

namespace {

void apply_simd_override() {
  const char* name = std::getenv("TRANSFUSION_SIMD");
  if (!name || !*name) return;
  // AVX-512, with its bf16 instructions where there are, without AMX.
  if (std::strcmp(name, "avx512") == 0) return void(dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16));
  const bool avx2 = std::strcmp(name, "avx2") == 0;
  // Highway's best targets have the lowest bits: everything below the one wanted is switched off.
  hwy::DisableTargets((avx2 ? HWY_AVX2 : HWY_SCALAR) - 1);
  dnnl::set_max_cpu_isa(avx2 ? dnnl::cpu_isa::avx2 : dnnl::cpu_isa::sse41);
}

}  // namespace

bool rounds_natively = false;

void choose_simd() {
  apply_simd_override();
  rounds_natively = has_native_bf16();
}

bool has_native_bf16() { return onednn::may_use(dnnl::cpu_isa::avx512_core_bf16); }

bool has_int8_products() { return onednn::may_use(dnnl::cpu_isa::avx512_core_vnni); }

bool has_amx() {
#if defined(__linux__) && defined(__x86_64__)
  static const bool granted = [] {
    constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return onednn::may_use(dnnl::cpu_isa::avx512_core_amx) &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return granted;
#else
  return false;
#endif
}

int processor_count() { return omp_get_num_procs(); }

void set_threads(int threads) { omp_set_num_threads(threads); }

void lengthen_time_slice() {
#if defined(__linux__) && defined(SYS_sched_setattr)
  const char* text = std::getenv("TRANSFUSION_TIME_SLICE");
  char* end = nullptr;
  const double asked = text ? std::strtod(text, &end) : 0;
  const double milliseconds = end != text && asked >= 0 && asked <= 100 ? asked : 20;
  // Whoever has chosen another policy knows better.
  if (milliseconds == 0 || sched_getscheduler(0) != SCHED_OTHER) return;
  // The kernel's sched_attr, which C libraries declare since 2025 only.
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice, deadline, period;  // ns
  } attributes{};
  attributes.size = sizeof attributes;
  attributes.policy = SCHED_OTHER;
  attributes.nice = getpriority(PRIO_PROCESS, 0);  // of this thread
  attributes.slice = static_cast<uint64_t>(milliseconds * 1e6);
  // Linux before 6.12 takes no notice; a refusal changes nothing but how soon others are served.
  syscall(SYS_sched_setattr, 0, &attributes, 0u);
#endif
}

}  // namespace transfusion::cpu
