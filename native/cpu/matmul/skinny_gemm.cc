// y [M, N] = x [M, K] w [N, K]^T + bias for a few rows, where the time goes into reading w from memory. A
// block of lanes() rows of w is read once, a vector of each row at a time, and transposed in registers: lane
// n of a vector then belongs to y's column n, and each sum is one lane's. Parallel over columns of y. Nothing
// is kept for the backward pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/matmul/skinny_gemm.cc"
#include <hwy/foreach_target.h>

#include "cpu/matmul/skinny_gemm.h"
#include "cpu/simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// Words by which reading a row is prefetched: hardware prefetchers do not run so far ahead.
constexpr i64 kPrefetchWords = 256;
// Not a single float in scalar code: GCC 12 would see writes past its end.
constexpr i64 kTile = std::max(4, kMaxLanes* kMaxLanes);

// The order of a sum. A row's result must have the same bits however many rows are beside it: a token's
// logits may not depend on which other requests are decoded with it. As soon as M exceeds kMaxSkinnyRows,
// oneDNN computes the product, so this kernel adds in oneDNN's order. oneDNN's AVX-512 kernels take K in
// blocks of KBlock(K). Within a block the sum is one chain of fused multiply-adds from zero, over ascending
// k; the blocks' sums are added to the total, in order. For K = 2560, where KBlock is 1024:
//
//   total = 0
//   for (block = 0; block < 2560; block += 1024)        k in 0..1023, 1024..2047, 2048..2559
//     sum = 0
//     for (k = block; k < min(block + 1024, 2560); ++k) sum = fma(x[m][k], w[n][k], sum)
//     total = total + sum
//   y[m][n] = total + bias[n]
//
// With bf16 a multiply-add takes a pair, k and k + 1 (VDPBF16PS), as in oneDNN. Each lane does this for one n
// by itself. So neither M, the lane, the number of threads nor the block of rows that w's row is in can
// change a bit: they decide only which sums are computed side by side. A sum split over lanes or threads
// would be joined in another order and round differently.
//
// oneDNN 2.6's blocks of K, found by comparing bits:
i64 KBlock(i64 K) { return K <= 1024 ? 512 : 1024; }

// Pairs of bf16 on CPUs that multiply no bf16: both are widened once they are in registers.
struct WidenedPairs {
  static constexpr i64 kDepth = 2;
  static HWY_INLINE Vec MulAdd(Vec a, Vec b, Vec sum) {
    sum = hn::MulAdd(FirstOfPairs(a), FirstOfPairs(b), sum);
    return hn::MulAdd(SecondOfPairs(a), SecondOfPairs(b), sum);
  }
};

// Rows of a matrix, or D columns of them.
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
    const i64 stride = rows.stride / Words::kDepth, ahead = begin + kPrefetchWords;
    // After a row's end comes what the next block begins with.
    const float* next = from + (ahead < stride ? kPrefetchWords : kPrefetchWords - stride + count * stride);
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
  for (int c = 0; c < kMaxLanes; ++c)
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
void SkinnyGemm(Context& context, Y* y, const T* x, const T* w, const T* bias, i64 M, i64 N, i64 K) {
  const i64 width = lanes(), depth = words<Words>(K), stride = padded_words<Words>(K);
  float* x_words = context.scratch<float>(M * stride);
  LoadTile<Words>(x_words, stride, MatrixRows<T>{x, K, K}, 0, M);

  const MatrixRows<T> rows{w, K, K};
  const i64 k_block = KBlock(K) / Words::kDepth;
  const auto multiply = [&](i64 row) HWY_ATTR {
    HWY_ALIGN float sums[kMaxSkinnyRows * kMaxLanes], block_sums[kMaxSkinnyRows * kMaxLanes];
    const i64 count = std::min(width, N - row);
    ZeroTile(sums, width, M);
    for (i64 begin = 0; begin < depth; begin += width) {
      Vec columns[kMaxLanes];
      LoadWords<Words>(columns, rows, row, count, begin);
      AddProducts<Words>(block_sums, begin % k_block == 0, x_words + begin, stride, M, columns);
      if (begin + width < depth && (begin + width) % k_block != 0) continue;
      for (i64 i = 0; i < M * width; i += width)
        store(hn::Add(load(sums + i), load(block_sums + i)), sums + i);
    }
    for (i64 m = 0; m < M; ++m)
      StoreSums(y + m * N + row, bias ? bias + row : nullptr, sums + m * width, count);
  };
  // Static: each thread reads contiguous rows of w, and prefetches only what it reads itself.
#pragma omp parallel for schedule(static)
  for (i64 row = 0; row < N; row += width) multiply(row);
}

Status SkinnyGemmAny(Context& context, const TensorView& y, const TensorView& x, const TensorView& w,
                     const TensorView& bias) {
  return with_float(w, [&](auto input) HWY_ATTR {
    return with_float(y, [&](auto output) HWY_ATTR {
      using T = decltype(input);
      using Y = decltype(output);
      const auto data = [](const TensorView& tensor) { return static_cast<const T*>(tensor.data); };
      with_words<T, WidenedPairs>([&](auto words) HWY_ATTR {
        SkinnyGemm<decltype(words)>(context, static_cast<Y*>(y.data), data(x), data(w), data(bias), y.dim(-2),
                                    y.dim(-1), x.dim(-1));
      });
      return ok();
    });
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(SkinnyGemmAny);

Status skinny_gemm(Context& context, const TensorView& y, const TensorView& x, const TensorView& w,
                   const TensorView& bias) {
  return HWY_DYNAMIC_DISPATCH(SkinnyGemmAny)(context, y, x, w, bias);
}

}  // namespace transfusion::cpu
#endif
