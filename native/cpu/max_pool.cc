// y[n, i, j, c] = max_{u, v} x[n, i window + u, j window + v, c] over whole windows, channels last.
// Backward: dx is dy at the first place of the largest value, 0 elsewhere. NaN counts as the largest, of
// several the last, as in PyTorch. Parallel over rows of windows. Kept for backward: x.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/max_pool.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// Images [N, H, W, C] of which N h rows of w whole windows are pooled.
struct Windows {
  i64 N, H, W, C, h, w, window;

  Windows(const TensorView& x, const TensorView& y, i64 window)
      : N(x.dim(0)), H(x.dim(1)), W(x.dim(2)), C(x.dim(3)), h(y.dim(1)), w(y.dim(2)), window(window) {}

  // Of the window in row i, column j: its first element in x.
  i64 first(i64 n, i64 i, i64 j) const { return ((n * H + i * window) * W + j * window) * C; }

  // Calls body(n, i) for each of `rows` rows of windows of all images, on any thread.
  template <class Body>
  void for_each_row(i64 rows, const Body& body) const {
    parallel_for(N * rows, row_grain(window * W * C), [&](i64 begin, i64 end) {
      for (i64 row = begin; row < end; ++row) body(row / rows, row % rows);
    });
  }
};

// Whether v takes the place of the largest value before it.
HWY_INLINE auto Exceeds(Vec v, Vec largest) { return hn::Or(hn::Gt(v, largest), hn::IsNaN(v)); }

Status MaxPool(Context&, Out y, In x, i64 window) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Windows windows(x, y, window);
    const i64 C = windows.C, row_step = windows.W * C;
    windows.for_each_row(windows.h, [&](i64 n, i64 i) HWY_ATTR {
      T* target = y.as<T>() + (n * windows.h + i) * windows.w * C;
      for (i64 j = 0; j < windows.w; ++j) {
        const T* first = x.as<T>() + windows.first(n, i, j);
        for_each(C, [&](i64 c, auto io) HWY_ATTR {
          Vec largest = io.stream(first + c);
          for (i64 u = 0; u < window; ++u)
            for (i64 v = u == 0 ? 1 : 0; v < window; ++v) {
              const Vec value = io.stream(first + u * row_step + v * C + c);
              largest = hn::IfThenElse(Exceeds(value, largest), value, largest);
            }
          io.store(largest, target + j * C + c);
        });
      }
    });
    return ok();
  });
}

Status MaxPoolBackward(Context&, Out dx, In dy, In x, i64 window) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Windows windows(x, dy, window);
    const i64 C = windows.C, row_step = windows.W * C;
    // The last row and column of windows may be in part beyond the image: nothing of them is pooled.
    windows.for_each_row(ceil_div(windows.H, window), [&](i64 n, i64 i) HWY_ATTR {
      T* row = dx.as<T>() + windows.first(n, i, 0);
      const i64 rows = std::min(window, windows.H - i * window);
      const i64 pooled = rows == window ? windows.w * window : 0;
      for (i64 u = 0; u < rows; ++u)
        std::memset(row + u * row_step + pooled * C, 0,
                    static_cast<size_t>((windows.W - pooled) * C) * sizeof(T));
      if (pooled == 0) return;
      const T* source = dy.as<T>() + (n * windows.h + i) * windows.w * C;
      for (i64 j = 0; j < windows.w; ++j) {
        const T* first = x.as<T>() + windows.first(n, i, j);
        T* target = row + j * window * C;
        for_each(C, [&](i64 c, auto io) HWY_ATTR {
          Vec largest = io.stream(first + c), place = zero();
          for (i64 u = 0; u < window; ++u)
            for (i64 v = u == 0 ? 1 : 0; v < window; ++v) {
              const Vec value = io.stream(first + u * row_step + v * C + c);
              const auto exceeds = Exceeds(value, largest);
              largest = hn::IfThenElse(exceeds, value, largest);
              place = hn::IfThenElse(exceeds, set(static_cast<float>(u * window + v)), place);
            }
          const Vec gradient = io.stream(source + j * C + c);
          for (i64 u = 0; u < window; ++u)
            for (i64 v = 0; v < window; ++v) {
              const auto chosen = hn::Eq(place, set(static_cast<float>(u * window + v)));
              io.store(hn::IfThenElseZero(chosen, gradient), target + u * row_step + v * C + c);
            }
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

HWY_EXPORT(MaxPool);
HWY_EXPORT(MaxPoolBackward);

Status max_pool(Context& context, Out y, In x, i64 window) {
  return HWY_DYNAMIC_DISPATCH(MaxPool)(context, y, x, window);
}

Status max_pool_backward(Context& context, Out dx, In dy, In x, i64 window) {
  return HWY_DYNAMIC_DISPATCH(MaxPoolBackward)(context, dx, dy, x, window);
}

}  // namespace transfusion::cpu
#endif
