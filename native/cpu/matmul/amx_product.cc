// Blocks of y, each a sum over all depth in steps of a tile, in ascending order: no bits depend on threads,
// nor a row's on how many rows there are. Both operands are packed as tiles first, unless they lie as such. A
// block goes over the depth in parts that stay in the caches, and asks for the next part's operands
// meanwhile: the third cache is too slow to wait for. Where few rows meet many columns, as in decoding, y's
// transpose is computed: then the larger operand, a matrix of weights, is the left one, whose tiles are read
// where they lie.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/matmul/amx_product.cc"
#include <hwy/foreach_target.h>

#include "cpu/matmul/amx_operand.h"
#include "cpu/matmul/amx_product.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

constexpr i64 kFewRows = 64;
// A block of y, of 128 KiB of sums, and a part of its depth.
constexpr i64 kMostRows = 128, kMostColumns = 256, kMostSteps = 8;

template <class Y>
struct Result {
  Y* y;
  i64 rows, columns;
  const bf16* bias;
  bool accumulate;

  Result matrix(i64 i) const { return {y + i * rows * columns, rows, columns, bias, accumulate}; }
  // A block of sums [kSide, kSide].
  HWY_INLINE void store_block(i64 row, i64 column, const float* sums) const {
    if (accumulate)
      store_rows(row, column, sums,
                 [&](Vec sum, const Y* to, i64, auto io) HWY_ATTR { return hn::Add(sum, io.load(to)); });
    else if (bias)
      store_rows(row, column, sums, [&](Vec sum, const Y*, i64 i, auto io) HWY_ATTR {
        return hn::Add(sum, io.load(bias + column + i));
      });
    else
      store_rows(row, column, sums, [&](Vec sum, const Y*, i64, auto) HWY_ATTR { return sum; });
  }
  // Or of their transpose.
  HWY_INLINE void store_transposed(i64 row, i64 column, const float* sums) const {
    HWY_ALIGN float turned[kSide * kSide];
    TransposeTile(turned, kSide, sums, kSide, kSide, rows - row > kTileRows ? kSide : kTileRows);
    store_block(row, column, turned);
  }

 private:
  // y = value(sum, where y lies, column in the block, io).
  template <class Value>
  HWY_INLINE void store_rows(i64 row, i64 column, const float* sums, const Value& value) const {
    const i64 height = std::min(kSide, rows - row), width = std::min(kSide, columns - column);
    Y* to = y + row * columns + column;
    for (i64 i = 0; i < height; ++i, to += columns, sums += kSide) {
      const auto at = [&](i64 j, auto io) HWY_ATTR { return value(io.load(sums + j), to + j, j, io); };
      if (width < kSide) {
        for_each(width, [&](i64 j, auto io) HWY_ATTR { io.store(at(j, io), to + j); });
      } else if constexpr (sizeof(Y) == sizeof(bf16)) {
        store(Pairs::Round(at(0, Full{}), at(lanes(), Full{})), reinterpret_cast<float*>(to));
      } else {
        store(at(0, Full{}), to);
        store(at(lanes(), Full{}), to + lanes());
      }
    }
  }
};

// How a product becomes blocks and these parts of its depth. Where rows outnumber columns, blocks beside each
// other come first, otherwise those below each other: of the larger operand little is read again.
struct Blocks {
  i64 matrices;
  Cuts rows, columns, parts;

  // One block over one part.
  struct Stage {
    i64 matrix, row, rows, column, columns, part;
    // Pairs of strips.
    i64 row_pairs() const { return ceil_div(rows, kSide); }
    i64 column_pairs() const { return ceil_div(columns, kSide); }
  };

  // Every thread gets as many blocks.
  Blocks(const Cuts& parts, i64 lines, i64 across, i64 matrices, i64 threads)
      : matrices(matrices),
        rows(lines, kMostRows, kSide),
        columns(across, kMostColumns, kSide),
        parts(parts) {
    const auto idle = [&] { return round_up(count(), threads) - count(); };
    while (count() < 2 * threads || 8 * idle() > count()) {
      Cuts& wider = columns.part < rows.part ? rows : columns;
      if (wider.part <= kSide) break;
      wider = Cuts(wider.size, wider.part / 2, kSide);
    }
  }

  i64 count() const { return matrices * rows.count * columns.count; }
  Stage stage(i64 i) const {
    const i64 block = i / parts.count, matrix = block / (rows.count * columns.count);
    const i64 place = block % (rows.count * columns.count);
    const bool beside = rows.size > columns.size;
    const i64 row = beside ? place / columns.count : place % rows.count;
    const i64 column = beside ? place % columns.count : place / rows.count;
    return {matrix,         rows.begin(row), rows.width(row), columns.begin(column), columns.width(column),
            i % parts.count};
  }
};

// Sums [kSide, kSide] (+)= the products of the strips from `left` and `right` on in a part of the depth.
template <class A, class B, class Ahead>
HWY_INLINE void MultiplyBlock(float* sums, bool add, const A& a, const B& b, i64 left, i64 right,
                              bool two_left, bool two_right, i64 steps, const Ahead& ahead) {
  const TileStrip as[2] = {a.strip(left), a.strip(left + two_left)};
  const TileStrip bs[2] = {b.strip(right), b.strip(right + two_right)};
  MultiplyTiles(sums, kSide, add, as, bs, two_left, two_right, steps, {}, ahead);
}

// Share i of `shares` of the rows of the two strips at `line`.
template <class Part>
HWY_INLINE void TakeShare(TileStrip* strips, i64* rows, const Part& part, i64 line, i64 i, i64 shares) {
  const i64 share = ceil_div(kTileRows, shares), first = i * share;
  for (i64 n = 0; n < 2; ++n) {
    strips[n] = part.strip(line / kTileRows + n).below(first);
    rows[n] = std::min(share, kTileRows - first);
  }
}

// A stage's sums, by pairs of strips [columns, rows, kSide, kSide]: each calls store(row, column, its sums)
// when it is done, and asks for its share of what `next` multiplies, if there is one.
template <class Store>
HWY_INLINE void MultiplyStage(float* sums, const AmxOperand<false>& a, const AmxOperand<true>& b,
                              const Blocks::Stage& now, const Blocks::Stage* next, const Store& store) {
  const auto a_now = a.part(now.matrix, now.part);
  const auto b_now = b.part(now.matrix, now.part);
  const Blocks::Stage& then = next ? *next : now;
  const auto a_then = a.part(then.matrix, then.part);
  const auto b_then = b.part(then.matrix, then.part);
  const i64 steps = a.parts.width(now.part);
  for (i64 column = 0; column < now.columns; column += kSide)
    for (i64 row = 0; row < now.rows; row += kSide, sums += kSide * kSide) {
      StripsAhead<4> ahead{};
      if (next && row < then.rows)
        TakeShare(ahead.strips, ahead.rows, a_then, then.row + row, column / kSide, now.column_pairs());
      if (next && column < then.columns)
        TakeShare(ahead.strips + 2, ahead.rows + 2, b_then, then.column + column, row / kSide,
                  now.row_pairs());
      const i64 y_row = now.row + row, y_column = now.column + column;
      MultiplyBlock(sums, now.part > 0, a_now, b_now, y_row / kTileRows, y_column / kTileRows,
                    row + kTileRows < now.rows, column + kTileRows < now.columns, steps, ahead);
      if (now.part + 1 == a.parts.count) store(y_row, y_column, sums);
    }
}

template <class Y>
void Multiply(Context& context, const Result<Y>& result, const AmxLines& left, const AmxLines& right,
              i64 matrices) {
  const Cuts parts(left.steps(), kMostSteps, 1);
  const AmxOperand<false> a(context, left, matrices, parts);
  const AmxOperand<true> b(context, right, matrices, parts);
  a.pack();
  b.pack();
  const i64 threads = omp_get_max_threads();
  const Blocks blocks(parts, left.lines, right.lines, matrices, threads);
  // Neighbours in one task, as one block asks for the next one's operands.
  const i64 neighbours = std::max<i64>(1, blocks.count() / (8 * threads));
  const auto multiply = [&](i64 task, float* sums) HWY_ATTR {
    const TileRegisters registers;
    const i64 end = std::min(blocks.count(), (task + 1) * neighbours) * parts.count;
    for (i64 i = task * neighbours * parts.count; i < end; ++i) {
      const Blocks::Stage now = blocks.stage(i), next = blocks.stage(i + 1);
      MultiplyStage(sums, a, b, now, i + 1 < end ? &next : nullptr,
                    [&](i64 row, i64 column, const float* block)
                        HWY_ATTR { result.matrix(now.matrix).store_block(row, column, block); });
    }
  };
  parallel_tasks(context, ceil_div(blocks.count(), neighbours), blocks.rows.part * blocks.columns.part,
                 multiply);
}

// y^T = w x^T: `weights` is read once.
template <class Y>
void MultiplyFew(Context& context, const Result<Y>& result, const AmxLines& weights, const AmxLines& x) {
  const Cuts whole(weights.steps(), weights.steps(), 1);
  const AmxOperand<false> w(context, weights, 1, whole);
  const AmxOperand<true> few(context, x, 1, whole);
  w.pack();
  few.pack();
  const auto left = w.part(0, 0);
  const auto right = few.part(0, 0);
#pragma omp parallel
  {
    const TileRegisters registers;
    HWY_ALIGN float sums[kSide * kSide];
    // Each thread reads one stretch of the weights.
#pragma omp for schedule(static)
    for (i64 line = 0; line < weights.lines; line += kSide)
      for (i64 row = 0; row < x.lines; row += kSide) {
        MultiplyBlock(sums, false, left, right, line / kTileRows, row / kTileRows,
                      line + kTileRows < weights.lines, row + kTileRows < x.lines, weights.steps(),
                      StripsAhead<0>{});
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
