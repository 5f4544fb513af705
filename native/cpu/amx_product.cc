// Blocks of y, each a sum over all depth in steps of a tile, in ascending order: no bits depend on threads,
// nor a row's on how many rows there are. Both operands are packed as tiles first, unless they lie as such. A
// block of y goes over the depth in parts whose right operand stays in the first cache. Where few rows meet
// many columns, as in decoding, y's transpose is computed: then
// the larger operand, a matrix of weights, is the left one, whose tiles are read where they lie.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/amx_product.cc"
#include <hwy/foreach_target.h>

#include "cpu/amx_operand.h"
#include "cpu/amx_product.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

constexpr i64 kBlockRows = 128;
constexpr i64 kFewRows = 64;
constexpr i64 kWidthSteps = 512 * 32;  // 1 MiB of the right operand
constexpr i64 kStepsAtOnce = 24;       // 48 KiB of the right operand

template <class Y>
struct Result {
  Y* y;
  i64 rows, columns;
  const bf16* bias;
  bool accumulate;

  Result matrix(i64 i) const { return {y + i * rows * columns, rows, columns, bias, accumulate}; }
  // y[row, column ..] = sums of up to kSide columns.
  HWY_INLINE void store_row(i64 row, i64 column, const float* sums) const {
    Y* to = y + row * columns + column;
    const i64 count = std::min(kSide, columns - column);
    const auto value = [&](i64 i, auto io) HWY_ATTR {
      Vec sum = load(sums + i);
      if (bias) sum = hn::Add(sum, io.load(bias + column + i));
      return accumulate ? hn::Add(sum, io.load(to + i)) : sum;
    };
    if constexpr (sizeof(Y) == sizeof(bf16))
      if (count == kSide)
        return store(Pairs::Round(value(0, Full{}), value(lanes(), Full{})), reinterpret_cast<float*>(to));
    for_each(count, [&](i64 i, auto io) HWY_ATTR { io.store(value(i, io), to + i); });
  }
  // A block of sums [kSide, kSide], or of their transpose.
  HWY_INLINE void store_block(i64 row, i64 column, const float* sums) const {
    for (i64 i = 0; i < std::min(kSide, rows - row); ++i) store_row(row + i, column, sums + i * kSide);
  }
  HWY_INLINE void store_transposed(i64 row, i64 column, const float* sums) const {
    HWY_ALIGN float turned[kSide * kSide];
    TransposeTile(turned, kSide, sums, kSide, kSide, rows - row > kTileRows ? kSide : kTileRows);
    store_block(row, column, turned);
  }
};

// One block of a matrix's sums (+)= steps [begin, end) of strips from `left` and `right` on.
HWY_INLINE void MultiplyBlock(float* sums, const AmxOperand<false>& a, const AmxOperand<true>& b, i64 matrix,
                              i64 left, i64 right, i64 begin, i64 end) {
  const bool two_left = left + 1 < a.lines.strips(), two_right = right + 1 < b.lines.strips();
  const TileStrip as[2] = {a.strip(matrix, left).after(begin), a.strip(matrix, left + two_left).after(begin)};
  const TileStrip bs[2] = {b.strip(matrix, right).after(begin),
                           b.strip(matrix, right + two_right).after(begin)};
  MultiplyTiles(sums, kSide, begin > 0, as, bs, two_left, two_right, end - begin);
}

template <class Y>
void Multiply(Context& context, const Result<Y>& result, const AmxLines& left, const AmxLines& right,
              i64 matrices) {
  const AmxOperand<false> a(context, left, matrices);
  const AmxOperand<true> b(context, right, matrices);
  a.pack();
  b.pack();
  const i64 steps = left.steps(), row_blocks = ceil_div(left.lines, kBlockRows);
  // As wide as the second cache keeps for all blocks of rows, and as leaves every thread some blocks.
  i64 width = 512;
  const auto blocks = [&] { return row_blocks * ceil_div(right.lines, width); };
  while (width > kSide && (width * steps > kWidthSteps || matrices * blocks() < 2 * omp_get_max_threads()))
    width /= 2;
  parallel_tasks(context, matrices * blocks(), kBlockRows * width, [&](i64 task, float* sums) HWY_ATTR {
    const TileRegisters registers;
    const i64 matrix = task / blocks(), place = task % blocks();
    const i64 row0 = place % row_blocks * kBlockRows, column0 = place / row_blocks * width;
    const i64 row_end = std::min(left.lines, row0 + kBlockRows);
    const i64 column_end = std::min(right.lines, column0 + width);
    const Result<Y> to = result.matrix(matrix);
    for (i64 begin = 0; begin < steps; begin += kStepsAtOnce) {
      const i64 end = std::min(steps, begin + kStepsAtOnce);
      float* block = sums;
      for (i64 column = column0; column < column_end; column += kSide)
        for (i64 row = row0; row < row_end; row += kSide, block += kSide * kSide) {
          MultiplyBlock(block, a, b, matrix, row / kTileRows, column / kTileRows, begin, end);
          if (end == steps) to.store_block(row, column, block);
        }
    }
  });
}

// y^T = w x^T: `weights` is read once.
template <class Y>
void MultiplyFew(Context& context, const Result<Y>& result, const AmxLines& weights, const AmxLines& x) {
  const AmxOperand<false> w(context, weights, 1);
  const AmxOperand<true> few(context, x, 1);
  w.pack();
  few.pack();
#pragma omp parallel
  {
    const TileRegisters registers;
    HWY_ALIGN float sums[kSide * kSide];
    // Each thread reads one stretch of the weights.
#pragma omp for schedule(static)
    for (i64 line = 0; line < weights.lines; line += kSide)
      for (i64 row = 0; row < x.lines; row += kSide) {
        MultiplyBlock(sums, w, few, 0, line / kTileRows, row / kTileRows, 0, weights.steps());
        result.store_transposed(row, line, sums);
      }
  }
}

Status AmxProduct(Context& context, const TensorView& y, const TensorView& a, const TensorView& b,
                  const TensorView& bias, bool transpose_a, bool transpose_b, bool accumulate) {
  const i64 M = y.dim(-2), N = y.dim(-1), K = a.dim(transpose_a ? -2 : -1);
  const i64 matrices = y.rank == 3 ? y.dim(0) : 1;
  const auto lines = [&](const TensorView& tensor, i64 count, bool across) {
    return AmxLines{static_cast<const bf16*>(tensor.data), count, K, across ? count : K, across};
  };
  const AmxLines left = lines(a, M, transpose_a), right = lines(b, N, !transpose_b);
  return with_float(y, [&](auto element) HWY_ATTR {
    using Y = decltype(element);
    const Result<Y> result{static_cast<Y*>(y.data), M, N, static_cast<const bf16*>(bias.data), accumulate};
    if (matrices == 1 && M <= kFewRows && transpose_b)
      MultiplyFew(context, result, right, left);
    else
      Multiply(context, result, left, right, matrices);
    return ok();
  });
}

#else

Status AmxProduct(Context&, const TensorView&, const TensorView&, const TensorView&, const TensorView&, bool,
                  bool, bool) {
  return fail("this CPU has no matrix registers");
}

#endif
}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(AmxProduct);

Status amx_product(Context& context, const TensorView& y, const TensorView& a, const TensorView& b,
                   const TensorView& bias, bool transpose_a, bool transpose_b, bool accumulate) {
  return HWY_DYNAMIC_DISPATCH(AmxProduct)(context, y, a, b, bias, transpose_a, transpose_b, accumulate);
}

}  // namespace transfusion::cpu
#endif
