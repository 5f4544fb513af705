// y = a b (+ bias, + y) in blocks of y on AMX (simd/amx.h). Each sum runs over all of K in steps of 32, in
// ascending order: no result depends on the number of threads, nor a row's on how many rows there are. Both
// operands are packed as tiles first, unless they lie in memory as such. Parallel over blocks of y. A block
// takes K in blocks that fit the caches, and prefetches the next one's operands into the second cache
// meanwhile: the third is too slow to wait for. For few rows, as in decoding, y^T = b^T a^T is computed: then
// the larger operand, a matrix of weights, is the left one, whose tiles need no packing. Nothing is kept for
// the backward pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/matmul/amx_gemm.cc"
#include <hwy/foreach_target.h>

#include "cpu/matmul/amx_gemm.h"
#include "cpu/matmul/amx_operand.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

constexpr i64 kMaxSkinnyRows = 64;
// A block of y has 128 KiB of sums. kMaxSteps: of a block of K.
constexpr i64 kMaxRows = 128, kMaxColumns = 256, kMaxSteps = 8;

// How sums become y.
template <class Y>
struct Epilogue {
  Y* y;
  i64 rows, columns;
  const bf16* bias;
  bool accumulate;

  Epilogue matrix(i64 i) const { return {y + i * rows * columns, rows, columns, bias, accumulate}; }
  // A block of sums [kRegisterBlock, kRegisterBlock].
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
    HWY_ALIGN float transposed[kRegisterBlock * kRegisterBlock];
    TransposeTile(transposed, kRegisterBlock, sums, kRegisterBlock, kRegisterBlock,
                  rows - row > kTileRows ? kRegisterBlock : kTileRows);
    store_block(row, column, transposed);
  }

 private:
  // y = value(sum, where y lies, column in the block, io).
  template <class Value>
  HWY_INLINE void store_rows(i64 row, i64 column, const float* sums, const Value& value) const {
    const i64 height = std::min(kRegisterBlock, rows - row),
              width = std::min(kRegisterBlock, columns - column);
    Y* to = y + row * columns + column;
    for (i64 i = 0; i < height; ++i, to += columns, sums += kRegisterBlock) {
      const auto at = [&](i64 j, auto io) HWY_ATTR { return value(io.load(sums + j), to + j, j, io); };
      if (width < kRegisterBlock) {
        for_each(width, [&](i64 j, auto io) HWY_ATTR { io.store(at(j, io), to + j); });
      } else if constexpr (sizeof(Y) == sizeof(bf16)) {
        store(Bf16Pairs::Round(at(0, Full{}), at(lanes(), Full{})), reinterpret_cast<float*>(to));
      } else {
        store(at(0, Full{}), to);
        store(at(lanes(), Full{}), to + lanes());
      }
    }
  }
};

// The order of blocks of y and of K: along the rows of blocks where y has more rows than columns, otherwise
// along the columns, so that little of the larger operand is read twice.
struct Blocks {
  i64 matrices;
  Partition rows, columns, k_blocks;

  // One block of y over one block of K.
  struct Stage {
    i64 matrix, row, rows, column, columns, k_block;
    // Panels are multiplied two by two.
    i64 row_pairs() const { return ceil_div(rows, kRegisterBlock); }
    i64 column_pairs() const { return ceil_div(columns, kRegisterBlock); }
  };

  // Blocks are halved until threads can share them evenly.
  Blocks(const Partition& k_blocks, i64 M, i64 N, i64 matrices, i64 threads)
      : matrices(matrices),
        rows(M, kMaxRows, kRegisterBlock),
        columns(N, kMaxColumns, kRegisterBlock),
        k_blocks(k_blocks) {
    const auto idle = [&] { return round_up(count(), threads) - count(); };
    while (count() < 2 * threads || 8 * idle() > count()) {
      Partition& wider = columns.chunk < rows.chunk ? rows : columns;
      if (wider.chunk <= kRegisterBlock) break;
      wider = Partition(wider.size, wider.chunk / 2, kRegisterBlock);
    }
  }

  i64 count() const { return matrices * rows.count * columns.count; }
  Stage stage(i64 i) const {
    const i64 block = i / k_blocks.count, matrix = block / (rows.count * columns.count);
    const i64 place = block % (rows.count * columns.count);
    const bool beside = rows.size > columns.size;
    const i64 row = beside ? place / columns.count : place % rows.count;
    const i64 column = beside ? place % columns.count : place / rows.count;
    return {matrix,
            rows.begin(row),
            rows.width(row),
            columns.begin(column),
            columns.width(column),
            i % k_blocks.count};
  }
};

// sums [kRegisterBlock, kRegisterBlock] = the product of one or two panels of a from `left` on and of b from
// `right` on, within a block of K; or += where `add`.
template <class A, class B, class Prefetch>
HWY_INLINE void MultiplyBlock(float* sums, bool add, const A& a, const B& b, i64 left, i64 right,
                              bool two_left, bool two_right, i64 steps, const Prefetch& prefetch) {
  const TilePanel as[2] = {a.panel(left), a.panel(left + two_left)};
  const TilePanel bs[2] = {b.panel(right), b.panel(right + two_right)};
  MultiplyTiles(sums, kRegisterBlock, add, as, bs, two_left, two_right, steps, {}, prefetch);
}

// Share i of `shares` of the rows of the two panels from row (column) mn on.
template <class KBlock>
HWY_INLINE void ShareOfRows(TilePanel* panels, i64* rows, const KBlock& k_block, i64 column, i64 i,
                            i64 shares) {
  const i64 share = ceil_div(kTileRows, shares), first = i * share;
  for (i64 n = 0; n < 2; ++n) {
    panels[n] = k_block.panel(column / kTileRows + n).advance_rows(first);
    rows[n] = std::min(share, kTileRows - first);
  }
}

// A stage's sums, in register blocks [columns, rows, kRegisterBlock, kRegisterBlock]. Each prefetches its
// share of what `next` multiplies, if there is one, and calls store(row, column, its sums) after the last
// block of K.
template <class Store>
HWY_INLINE void MultiplyStage(float* sums, const AmxOperand<false>& a, const AmxOperand<true>& b,
                              const Blocks::Stage& current, const Blocks::Stage* next, const Store& store) {
  const auto a_current = a.k_block(current.matrix, current.k_block);
  const auto b_current = b.k_block(current.matrix, current.k_block);
  const Blocks::Stage& upcoming = next ? *next : current;
  const auto a_next = a.k_block(upcoming.matrix, upcoming.k_block);
  const auto b_next = b.k_block(upcoming.matrix, upcoming.k_block);
  const i64 steps = a.k_blocks.width(current.k_block);
  for (i64 column = 0; column < current.columns; column += kRegisterBlock)
    for (i64 row = 0; row < current.rows; row += kRegisterBlock, sums += kRegisterBlock * kRegisterBlock) {
      PanelPrefetch<4> prefetch{};
      if (next && row < upcoming.rows)
        ShareOfRows(prefetch.panels, prefetch.rows, a_next, upcoming.row + row, column / kRegisterBlock,
                    current.column_pairs());
      if (next && column < upcoming.columns)
        ShareOfRows(prefetch.panels + 2, prefetch.rows + 2, b_next, upcoming.column + column,
                    row / kRegisterBlock, current.row_pairs());
      const i64 y_row = current.row + row, y_column = current.column + column;
      MultiplyBlock(sums, current.k_block > 0, a_current, b_current, y_row / kTileRows, y_column / kTileRows,
                    row + kTileRows < current.rows, column + kTileRows < current.columns, steps, prefetch);
      if (current.k_block + 1 == a.k_blocks.count) store(y_row, y_column, sums);
    }
}

template <class Y>
void Multiply(Context& context, const Epilogue<Y>& epilogue, const OperandMatrix& left,
              const OperandMatrix& right, i64 matrices) {
  const Partition k_blocks(left.steps(), kMaxSteps, 1);
  const AmxOperand<false> a(context, left, matrices, k_blocks);
  const AmxOperand<true> b(context, right, matrices, k_blocks);
  a.pack();
  b.pack();
  const i64 threads = omp_get_max_threads();
  const Blocks blocks(k_blocks, left.mn, right.mn, matrices, threads);
  // A task takes neighbours, as each block prefetches the next one's operands.
  const i64 neighbours = std::max<i64>(1, blocks.count() / (8 * threads));
  const auto multiply = [&](i64 task, float* sums) HWY_ATTR {
    const TileConfig tile_config;
    const i64 end = std::min(blocks.count(), (task + 1) * neighbours) * k_blocks.count;
    for (i64 i = task * neighbours * k_blocks.count; i < end; ++i) {
      const Blocks::Stage current = blocks.stage(i), next = blocks.stage(i + 1);
      MultiplyStage(sums, a, b, current, i + 1 < end ? &next : nullptr,
                    [&](i64 row, i64 column, const float* block)
                        HWY_ATTR { epilogue.matrix(current.matrix).store_block(row, column, block); });
    }
  };
  parallel_tasks(context, ceil_div(blocks.count(), neighbours), blocks.rows.chunk * blocks.columns.chunk,
                 multiply);
}

// y^T = w x^T: `weights` is read once.
template <class Y>
void MultiplySkinny(Context& context, const Epilogue<Y>& epilogue, const OperandMatrix& weights,
                    const OperandMatrix& x) {
  const Partition whole_k(weights.steps(), weights.steps(), 1);
  const AmxOperand<false> w(context, weights, 1, whole_k);
  const AmxOperand<true> few(context, x, 1, whole_k);
  w.pack();
  few.pack();
  const auto left = w.k_block(0, 0);
  const auto right = few.k_block(0, 0);
#pragma omp parallel
  {
    const TileConfig tile_config;
    HWY_ALIGN float sums[kRegisterBlock * kRegisterBlock];
    // Each thread reads contiguous rows of the weights.
#pragma omp for schedule(static)
    for (i64 column = 0; column < weights.mn; column += kRegisterBlock)
      for (i64 row = 0; row < x.mn; row += kRegisterBlock) {
        MultiplyBlock(sums, false, left, right, column / kTileRows, row / kTileRows,
                      column + kTileRows < weights.mn, row + kTileRows < x.mn, weights.steps(),
                      PanelPrefetch<0>{});
        epilogue.store_transposed(row, column, sums);
      }
  }
}

Status AmxGemm(Context& context, const TensorView& y, const TensorView& a, const TensorView& b,
               const TensorView& bias, bool transpose_a, bool transpose_b, bool accumulate) {
  const i64 M = y.dim(-2), N = y.dim(-1), K = a.dim(transpose_a ? -2 : -1);
  const i64 matrices = y.rank == 3 ? y.dim(0) : 1;
  const auto operand = [&](const TensorView& tensor, i64 mn, bool mn_major) {
    return OperandMatrix{static_cast<const bf16*>(tensor.data), mn, K, mn_major ? mn : K, mn_major};
  };
  const OperandMatrix left = operand(a, M, transpose_a), right = operand(b, N, !transpose_b);
  return with_float(y, [&](auto element) HWY_ATTR {
    using Y = decltype(element);
    const Epilogue<Y> epilogue{static_cast<Y*>(y.data), M, N, static_cast<const bf16*>(bias.data),
                               accumulate};
    if (matrices == 1 && M <= kMaxSkinnyRows && transpose_b)
      MultiplySkinny(context, epilogue, right, left);
    else
      Multiply(context, epilogue, left, right, matrices);
    return ok();
  });
}

#else

// Highway's dispatch table has an entry for every target; callers ask has_amx() first.
Status AmxGemm(Context&, const TensorView&, const TensorView&, const TensorView&, const TensorView&, bool,
               bool, bool) {
  return fail("needs a CPU with AMX");
}

#endif
}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(AmxGemm);

Status amx_gemm(Context& context, const TensorView& y, const TensorView& a, const TensorView& b,
                const TensorView& bias, bool transpose_a, bool transpose_b, bool accumulate) {
  return HWY_DYNAMIC_DISPATCH(AmxGemm)(context, y, a, b, bias, transpose_a, transpose_b, accumulate);
}

}  // namespace transfusion::cpu
#endif
