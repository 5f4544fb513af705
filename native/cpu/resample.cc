// Channels last, with factor = the larger image's height / the smaller one's:
// upsample_nearest: y[n, i, j, c] = scale x[n, i / factor, j / factor, c].
// sum_pool: y[n, i, j, c] = scale sum_{u, v} x[n, i factor + u, j factor + v, c]. Each is the other's
// backward. Parallel over rows of the smaller image.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/resample.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// The rows of all images of the smaller tensor: W pixels of C channels each.
struct Rows {
  i64 count, W, C, factor;

  Rows(const TensorView& small, const TensorView& large)
      : count(small.dim(0) * small.dim(1)),
        W(small.dim(2)),
        C(small.dim(3)),
        factor(small.elements() ? large.dim(2) / W : 1) {}

  // Calls body(row), on any thread.
  template <class Body>
  void for_each(const Body& body) const {
    parallel_for(count, row_grain(W * C * factor * factor), [&](i64 begin, i64 end) {
      for (i64 row = begin; row < end; ++row) body(row);
    });
  }
};

Status UpsampleNearest(Context&, Out y, In x, f32 scale) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Rows rows(x, y);
    const i64 C = rows.C, factor = rows.factor, wide = rows.W * factor * C;
    const Vec multiplier = set(scale);
    rows.for_each([&](i64 row) HWY_ATTR {
      T* target = y.as<T>() + row * factor * wide;
      for (i64 j = 0; j < rows.W; ++j) {
        const T* pixel = x.as<T>() + (row * rows.W + j) * C;
        for_each(C, [&](i64 c, auto io) HWY_ATTR {
          const Vec value = hn::Mul(io.stream(pixel + c), multiplier);
          for (i64 v = 0; v < factor; ++v) io.store(value, target + (j * factor + v) * C + c);
        });
      }
      for (i64 u = 1; u < factor; ++u)
        std::memcpy(target + u * wide, target, static_cast<size_t>(wide) * sizeof(T));
    });
    return ok();
  });
}

Status SumPool(Context&, Out y, In x, f32 scale) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Rows rows(y, x);
    const i64 C = rows.C, factor = rows.factor, wide = rows.W * factor * C;
    const Vec multiplier = set(scale);
    rows.for_each([&](i64 row) HWY_ATTR {
      for (i64 j = 0; j < rows.W; ++j) {
        const T* block = x.as<T>() + row * factor * wide + j * factor * C;
        T* pixel = y.as<T>() + (row * rows.W + j) * C;
        for_each(C, [&](i64 c, auto io) HWY_ATTR {
          Vec sum = zero();
          for (i64 u = 0; u < factor; ++u)
            for (i64 v = 0; v < factor; ++v) sum = hn::Add(sum, io.stream(block + u * wide + v * C + c));
          io.store(hn::Mul(sum, multiplier), pixel + c);
        });
      }
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(UpsampleNearest);
HWY_EXPORT(SumPool);

Status upsample_nearest(Context& context, Out y, In x, f32 scale) {
  return HWY_DYNAMIC_DISPATCH(UpsampleNearest)(context, y, x, scale);
}

Status sum_pool(Context& context, Out y, In x, f32 scale) {
  return HWY_DYNAMIC_DISPATCH(SumPool)(context, y, x, scale);
}

}  // namespace transfusion::cpu
#endif
