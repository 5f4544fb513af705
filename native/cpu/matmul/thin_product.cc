// y [M, N] = x [M, K] w [N, K]^T + bias for a few rows, where reading w from memory is all that takes time: a
// block of its rows is read once, a vector of each at a time, and transposed in registers. A vector then
// holds a sum of each column, over ascending k as in oneDNN's products.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/matmul/thin_product.cc"
#include <hwy/foreach_target.h>

#include "cpu/matmul/thin_product.h"
#include "cpu/simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// How many words ahead of where a row is read it is asked for: the CPU does not look so far ahead by itself.
constexpr i64 kAhead = 256;
constexpr i64 kTile = kMaxLanes * kMaxLanes;

// oneDNN 2.6 adds up chains of so many products (AVX-512, found by comparing bits): so do we, that a row's
// result does not depend on how many are beside it.
i64 ChainDepth(i64 K) { return K <= 1024 ? 512 : 1024; }

// Pairs of bf16 for CPUs that multiply no bf16: both are widened once they are in registers.
struct WidenedPairs {
  static constexpr i64 kDepth = 2;
  static HWY_INLINE Vec MulAdd(Vec a, Vec b, Vec sum) {
    sum = hn::MulAdd(FirstOfPairs(a), FirstOfPairs(b), sum);
    return hn::MulAdd(SecondOfPairs(a), SecondOfPairs(b), sum);
  }
};

// D elements of each row of a matrix.
template <class T>
struct MatrixRows {
  const T* base;
  i64 stride, D;

  const T* operator[](i64 row) const { return base + row * stride; }
  MatrixRows part(i64 begin, i64 width) const { return {base + begin, stride, width}; }
};

// columns[c] = word begin + c of `count` rows, zeros beyond their ends and in lanes beyond them.
template <class Words, class T>
HWY_INLINE void LoadWords(Vec* columns, const MatrixRows<T>& rows, i64 row, i64 count, i64 begin) {
  constexpr bool kAreWords = Words::kDepth * sizeof(T) == sizeof(float);
  const i64 first = begin * Words::kDepth, width = std::min(lanes() * Words::kDepth, rows.D - first);
  if (kAreWords && count == lanes() && width == lanes() * Words::kDepth && rows.stride % Words::kDepth == 0) {
    const float* from = reinterpret_cast<const float*>(rows[row]) + begin;
    const i64 stride = rows.stride / Words::kDepth, ahead = begin + kAhead;
    // After a row's end comes what the next block begins with.
    const float* next = from + (ahead < stride ? kAhead : kAhead - stride + count * stride);
    for (i64 i = 0; i < count; ++i) __builtin_prefetch(next + i * stride, 0, 2);
    return LoadColumns(columns, from, stride);
  }
  HWY_ALIGN float loaded[kTile];
  ZeroTile(loaded + count * lanes(), lanes(), lanes() - count);
  LoadTile<Words>(loaded, lanes(), rows.part(first, width), row, count);
  LoadColumns(columns, loaded, lanes());
}

// sums [M, lanes()] += (or =, at the start) x [M, lanes()] columns.
template <class Words, int M>
HWY_INLINE void AddProducts(float* sums, bool start, const float* x, i64 stride, const Vec* columns) {
  Vec total[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) total[m] = start ? zero() : load(sums + m * lanes());
#pragma GCC unroll 16
  for (int c = 0; c < kLanes; ++c)
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) total[m] = Words::MulAdd(set(x[m * stride + c]), columns[c], total[m]);
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) store(total[m], sums + m * lanes());
}

template <class Words>
HWY_INLINE void AddProducts(float* sums, bool start, const float* x, i64 stride, i64 M, const Vec* columns) {
  i64 m = 0;
  for (; m + 8 <= M; m += 8)
    AddProducts<Words, 8>(sums + m * lanes(), start, x + m * stride, stride, columns);
  for (; m + 4 <= M; m += 4)
    AddProducts<Words, 4>(sums + m * lanes(), start, x + m * stride, stride, columns);
  for (; m < M; ++m) AddProducts<Words, 1>(sums + m * lanes(), start, x + m * stride, stride, columns);
}

// y[n] = sums[n] + bias[n].
template <class Y, class T>
HWY_INLINE void StoreSums(Y* y, const T* bias, const float* sums, i64 count) {
  for_each(count, [&](i64 n, auto io) HWY_ATTR {
    const Vec sum = io.load(sums + n);
    io.store(bias ? hn::Add(sum, io.load(bias + n)) : sum, y + n);
  });
}

template <class Words, class T, class Y>
void ThinProduct(Context& context, Y* y, const T* x, const T* w, const T* bias, i64 M, i64 N, i64 K) {
  const i64 block = lanes(), depth = words<Words>(K), stride = padded_words<Words>(K);
  float* x_words = context.scratch<float>(M * stride);
  LoadTile<Words>(x_words, stride, MatrixRows<T>{x, K, K}, 0, M);

  const MatrixRows<T> rows{w, K, K};
  const i64 chain = ChainDepth(K) / Words::kDepth;
  const auto multiply = [&](i64 row) HWY_ATTR {
    HWY_ALIGN float sums[kThinRows * kMaxLanes], chain_sums[kThinRows * kMaxLanes];
    const i64 count = std::min(block, N - row);
    ZeroTile(sums, block, M);
    for (i64 begin = 0; begin < depth; begin += block) {
      Vec columns[kMaxLanes];
      LoadWords<Words>(columns, rows, row, count, begin);
      AddProducts<Words>(chain_sums, begin % chain == 0, x_words + begin, stride, M, columns);
      if (begin + block < depth && (begin + block) % chain != 0) continue;
      for (i64 i = 0; i < M * block; i += block)
        store(hn::Add(load(sums + i), load(chain_sums + i)), sums + i);
    }
    for (i64 m = 0; m < M; ++m)
      StoreSums(y + m * N + row, bias ? bias + row : nullptr, sums + m * block, count);
  };
  // Each thread reads one stretch of w, and what it asks for ahead is its own.
#pragma omp parallel for schedule(static)
  for (i64 row = 0; row < N; row += block) multiply(row);
}

Status ThinProductOf(Context& context, const TensorView& y, const TensorView& x, const TensorView& w,
                     const TensorView& bias) {
  return with_float(w, [&](auto input) HWY_ATTR {
    return with_float(y, [&](auto output) HWY_ATTR {
      using T = decltype(input);
      using Y = decltype(output);
      const auto data = [](const TensorView& tensor) { return static_cast<const T*>(tensor.data); };
      with_words<T, WidenedPairs>([&](auto words) HWY_ATTR {
        ThinProduct<decltype(words)>(context, static_cast<Y*>(y.data), data(x), data(w), data(bias),
                                     y.dim(-2), y.dim(-1), x.dim(-1));
      });
      return ok();
    });
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(ThinProductOf);

Status thin_product(Context& context, const TensorView& y, const TensorView& x, const TensorView& w,
                    const TensorView& bias) {
  return HWY_DYNAMIC_DISPATCH(ThinProductOf)(context, y, x, w, bias);
}

}  // namespace transfusion::cpu
#endif
