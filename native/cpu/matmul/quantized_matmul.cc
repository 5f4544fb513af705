// y [M, N] = x [M, K] w [N, K]^T + bias [N], w of a block dtype. Each row of x is rounded to int8 in groups
// of 32 (Int8Scale). With s, v, b the scales, values and minima of w's row n, and d, u, those of x's row m:
//
//   total = 0
//   for each group g, in order:
//     for each part p of the group whose values share a scale (two in q6_k, else one):
//       total = total + float(sum of u v, exact) (d[g] s[p])
//     total = total + b[g] (d[g] float(sum of u, exact))          where w has minima
//   y = total + bias[n]                                           int8: total s + bias[n], with s[p] = 1
//
// each operation rounded by itself, so that neither M, N, threads nor the CPU can change a bit. Parallel over
// blocks of rows of w. There is no backward pass: such weights are for inference.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/matmul/quantized_matmul.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/matmul/quantized_kernel.h"
#include "cpu/matmul/quantized_reference.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2

// One group of x; quantize_group of quantized_rows.h in vectors.
template <class X>
HWY_INLINE void QuantizeGroup(const QuantizedRows& rows, i64 group, const X* x) {
  constexpr int kVectors = static_cast<int>(kQuantGroup) / kMaxLanes;
  Vec values[kVectors];
  Ints largest = hn::Zero(i32_tag);
  const Ints magnitude = hn::Set(i32_tag, 0x7fffffff);
  for (int i = 0; i < kVectors; ++i) {
    values[i] = load(x + i * kMaxLanes);
    largest = hn::Max(largest, hn::And(hn::BitCast(i32_tag, values[i]), magnitude));
  }
  const i32 bits = hn::GetLane(hn::MaxOfLanes(i32_tag, largest));
  const Int8Scale scale = Int8Scale::of(static_cast<uint32_t>(bits));
  rows.scales[group] = scale.scale;
  int8_t* to = rows.values + group * kQuantGroup;
  if (scale.factor == 0) {
    std::memset(to, 0, static_cast<size_t>(kQuantGroup));
    rows.sums[2 * group] = rows.sums[2 * group + 1] = 0;
    return;
  }
  const Vec factor = set(scale.factor);
  Ints sums[2] = {hn::Zero(i32_tag), hn::Zero(i32_tag)};
  for (int i = 0; i < kVectors; ++i) {
    const Ints rounded = hn::NearestInt(hn::Mul(values[i], factor));
    sums[2 * i / kVectors] = hn::Add(sums[2 * i / kVectors], rounded);
    const hn::Rebind<int8_t, I32> bytes;
    hn::StoreU(hn::DemoteTo(bytes, rounded), bytes, to + i * kMaxLanes);
  }
  for (int half = 0; half < 2; ++half)
    rows.sums[2 * group + half] = hn::GetLane(hn::SumOfLanes(i32_tag, sums[half]));
}

template <class Blocks, class X, class Y>
void Multiply(Context& context, Y* y, const QuantizedRows& x, const uint8_t* w, const X* bias, i64 N, i64 K) {
  const i64 stride = row_bytes(Blocks::kDType, K), blocks = ceil_div(N, lanes());
  const i64 vectors = 3 * x.groups + (x.M > kSideBySide ? kColumns * x.groups : 0) + 1;
  const i64 rest = round_up(ceil_div(lanes() * stride, static_cast<i64>(sizeof(f32))), lanes());
  const i64 own = vectors * lanes() + rest;
  f32* scratch = context.scratch<f32>(omp_get_max_threads() * own);
  // Static: each thread reads contiguous rows of w, and prefetches only what it reads itself.
#pragma omp parallel for schedule(static)
  for (i64 block = 0; block < blocks; ++block) {
    f32* at = scratch + omp_get_thread_num() * own;
    f32* minima = at + 2 * x.groups * lanes() + lanes();
    f32* tile = minima + x.groups * lanes();
    const RowsOfWeights rows{at, minima, reinterpret_cast<int32_t*>(tile)};
    const i64 first = block * lanes(), count = std::min(lanes(), N - first);
    const uint8_t* from = w + first * stride;
    if (count < lanes()) {
      auto* copy = reinterpret_cast<uint8_t*>(at + own - rest);
      std::memset(copy, 0, static_cast<size_t>(lanes() * stride));
      std::memcpy(copy, from, static_cast<size_t>(count * stride));
      from = copy;
    }
    MultiplyBlock<Blocks>(x, rows, from, stride, K, [&](i64 m, const f32* totals) HWY_ATTR {
      Y* to = y + m * N + first;
      for_each(count, [&](i64 n, auto io) HWY_ATTR {
        const Vec total = load(totals + n);
        io.store(bias ? hn::Add(total, io.load(bias + first + n)) : total, to + n);
      });
    });
  }
}

#else

template <class X>
void QuantizeGroup(const QuantizedRows& rows, i64 group, const X* x) {
  quantize_group(rows, group, x, kQuantGroup);
}

template <class Blocks, class X, class Y>
void Multiply(Context& context, Y* y, const QuantizedRows& x, const uint8_t* w, const X* bias, i64 N, i64 K) {
  reference::multiply(context, Blocks{}, y, x, w, bias, N, K);
}

#endif

template <class X>
void QuantizeRows(const QuantizedRows& rows, const X* x, i64 K) {
  parallel_for(rows.M * rows.groups, row_grain(kQuantGroup), [&](i64 begin, i64 end) HWY_ATTR {
    for (i64 group = begin; group < end; ++group) {
      const i64 m = group / rows.groups, k = group % rows.groups * kQuantGroup;
      if (k + kQuantGroup <= K)
        QuantizeGroup(rows, group, x + m * K + k);
      else
        quantize_group(rows, group, x + m * K + k, K - k);
    }
  });
}

Status QuantizedMatmul(Context& context, Out y, In x, InAny w, InOptional bias) {
  const i64 M = x.dim(0), K = x.dim(1), N = w.dim(0);
  const QuantizedRows rows = QuantizedRows::in_scratch(context, M, K);
  return with_float(x, [&](auto x_element) HWY_ATTR {
    using X = decltype(x_element);
    QuantizeRows(rows, x.as<X>(), K);
    return with_float(y, [&](auto y_element) HWY_ATTR {
      using Y = decltype(y_element);
      return with_blocks(w.dtype, [&](auto blocks) HWY_ATTR {
        if (K == 0)
          reference::multiply(context, blocks, y.as<Y>(), rows, w.as<uint8_t>(), bias.as<X>(), N, K);
        else
          Multiply<decltype(blocks)>(context, y.as<Y>(), rows, w.as<uint8_t>(), bias.as<X>(), N, K);
        return ok();
      });
    });
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(QuantizedMatmul);

Status quantized_matmul(Context& context, Out y, In x, InAny w, InOptional bias) {
#if HWY_ARCH_X86 && (HWY_TARGETS & HWY_AVX3) && (HWY_TARGETS & HWY_AVX2)
  // The first CPUs with AVX-512 have no products of int8. Found out once: CPUID, which Highway executes each
  // time, takes 20 us on a virtual machine.
  static const bool falls_back = (hwy::SupportedTargets() & HWY_AVX3) && !has_int8_products();
  if (falls_back) return N_AVX2::QuantizedMatmul(context, y, x, w, bias);
#endif
  return HWY_DYNAMIC_DISPATCH(QuantizedMatmul)(context, y, x, w, bias);
}

}  // namespace transfusion::cpu
#endif
