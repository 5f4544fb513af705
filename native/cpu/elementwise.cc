// y = a + b, y = a b (broadcast), y = factor x, y = value, y += x, y = x in another dtype.
// Parallel over runs of the output; nothing is kept for backward.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/elementwise.cc"
#include <hwy/foreach_target.h>

#include "cpu/broadcast.h"
#include "cpu/cpu.h"
#include "cpu/quantize.h"
#include "cpu/simd/scalar.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

struct Sum {
  HWY_INLINE Vec operator()(Vec a, Vec b) const { return hn::Add(a, b); }
};
struct Product {
  HWY_INLINE Vec operator()(Vec a, Vec b) const { return hn::Mul(a, b); }
};

template <class Combine, class Y, class T>
void CombineRun(Y* y, const T* a, const T* b, i64 count, bool repeat_a, bool repeat_b) {
  const Combine combine;
  if (repeat_a) std::swap(a, b);  // both operations commute
  if (repeat_a || repeat_b) {
    const Vec repeated = set(to_float(*b));
    for_each(count, [&](i64 i, auto io) HWY_ATTR { io.store(combine(io.stream(a + i), repeated), y + i); });
  } else {
    for_each(count,
             [&](i64 i, auto io) HWY_ATTR { io.store(combine(io.stream(a + i), io.stream(b + i)), y + i); });
  }
}

template <class Combine>
Status Binary(Out y, In a, In b) {
  return with_float(y, [&](auto y_element) HWY_ATTR {
    using Y = decltype(y_element);
    return with_float(a, [&](auto element) HWY_ATTR {
      using T = decltype(element);
      const Broadcast<2> broadcast(y, {&a, &b});
      parallel_for(y.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
        broadcast.runs(begin, end, [&](i64 position, i64 count, const i64* offsets) HWY_ATTR {
          CombineRun<Combine>(y.as<Y>() + position, a.as<T>() + offsets[0], b.as<T>() + offsets[1], count,
                              broadcast.repeats(0), broadcast.repeats(1));
        });
      });
      return ok();
    });
  });
}

Status Add(Context&, Out y, In a, In b) { return Binary<Sum>(y, a, b); }
Status Mul(Context&, Out y, In a, In b) { return Binary<Product>(y, a, b); }

Status Scale(Context&, Out y, In x, f32 factor) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    parallel_for(x.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
      const Vec factors = set(factor);
      for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
        io.store(hn::Mul(io.stream(x.as<T>() + begin + i), factors), y.as<T>() + begin + i);
      });
    });
    return ok();
  });
}

Status Cast(Context&, OutAny y, InAny x) {
  if (x.dtype == y.dtype) {
    parallel_for(static_cast<i64>(x.bytes()), 4 * row_grain(1), [&](i64 begin, i64 end) {
      std::memcpy(y.as<char>() + begin, x.as<char>() + begin, static_cast<size_t>(end - begin));
    });
    return ok();
  }
  return with_float(y, [&](auto y_element) HWY_ATTR {
    using Y = decltype(y_element);
    if (x.dtype == DType::i32) {
      parallel_for(x.elements(), row_grain(1), [&](i64 begin, i64 end) {
        for (i64 i = begin; i < end; ++i) store_float(static_cast<float>(x.as<i32>()[i]), y.as<Y>() + i);
      });
      return ok();
    }
    return with_float(x, [&](auto x_element) HWY_ATTR {
      using X = decltype(x_element);
      parallel_for(x.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
        for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
          io.store(io.stream(x.as<X>() + begin + i), y.as<Y>() + begin + i);
        });
      });
      return ok();
    });
  });
}

Status Accumulate(Context&, InOut y, In x) {
  return with_float(y, [&](auto y_element) HWY_ATTR {
    using Y = decltype(y_element);
    return with_float(x, [&](auto x_element) HWY_ATTR {
      using X = decltype(x_element);
      parallel_for(y.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
        for_each(end - begin, [&](i64 i, auto io) HWY_ATTR {
          Y* target = y.as<Y>() + begin + i;
          io.store(hn::Add(io.stream(target), io.stream(x.as<X>() + begin + i)), target);
        });
      });
      return ok();
    });
  });
}

// Fills `bytes` from an aligned address on with stores that bypass the caches.
void FillNonTemporal(uint32_t* y, uint32_t word, i64 bytes) {
  parallel_for(bytes, 4 * row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
    const auto words = hn::Set(U32(), word);
    const i64 step = lanes() * static_cast<i64>(sizeof(word));
    i64 at = begin;
    for (; at + step <= end; at += step) hn::Stream(words, U32(), y + at / 4);
    hwy::FlushStream();
    if (at < end) std::memcpy(reinterpret_cast<char*>(y) + at, &words, static_cast<size_t>(end - at));
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Add);
HWY_EXPORT(Mul);
HWY_EXPORT(Scale);
HWY_EXPORT(Cast);
HWY_EXPORT(Accumulate);

Status add(Context& context, Out y, In a, In b) { return HWY_DYNAMIC_DISPATCH(Add)(context, y, a, b); }

Status mul(Context& context, Out y, In a, In b) { return HWY_DYNAMIC_DISPATCH(Mul)(context, y, a, b); }

Status scale(Context& context, Out y, In x, f32 factor) {
  return HWY_DYNAMIC_DISPATCH(Scale)(context, y, x, factor);
}

Status cast(Context& context, OutAny y, InAny x) {
  if (x.dtype != y.dtype && is_blocks(x.dtype)) return dequantize(y, x);
  if (x.dtype != y.dtype && is_blocks(y.dtype)) return quantize(y, x);
  return HWY_DYNAMIC_DISPATCH(Cast)(context, y, x);
}

Status accumulate(Context& context, InOut y, In x) { return HWY_DYNAMIC_DISPATCH(Accumulate)(context, y, x); }

HWY_EXPORT(FillNonTemporal);

Status fill(Context&, Out y, f32 value) {
  const auto fill_with = [&](auto element) {
    using T = decltype(element);
    const i64 bytes = static_cast<i64>(y.bytes());
    // A view may begin anywhere.
    if (bytes >= kNonTemporalBytes && reinterpret_cast<uintptr_t>(y.data) % HWY_MAX_BYTES == 0) {
      T elements[sizeof(uint32_t) / sizeof(T)];
      std::fill(std::begin(elements), std::end(elements), element);
      uint32_t word;
      std::memcpy(&word, elements, sizeof word);
      HWY_DYNAMIC_DISPATCH(FillNonTemporal)(y.as<uint32_t>(), word, bytes);
      return ok();
    }
    parallel_for(y.elements(), row_grain(1),
                 [&](i64 begin, i64 end) { std::fill(y.as<T>() + begin, y.as<T>() + end, element); });
    return ok();
  };
  if (y.dtype == DType::f32) return fill_with(value);
  if (y.dtype == DType::i32) return fill_with(static_cast<i32>(value));
  bf16 rounded;
  store_float(value, &rounded);
  return fill_with(rounded);
}

Status zero(Context& context, Part y) {
  Out whole;
  static_cast<TensorView&>(whole) = y;
  return fill(context, whole, 0);
}

}  // namespace transfusion::cpu
#endif
