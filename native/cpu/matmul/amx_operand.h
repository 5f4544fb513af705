// An operand of a bf16 product as tiles for AMX: read where it lies in memory, or packed. Compiled once per
// SIMD target as simd.h is.
#if defined(TRANSFUSION_AMX_OPERAND_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_AMX_OPERAND_H
#undef TRANSFUSION_AMX_OPERAND_H
#else
#define TRANSFUSION_AMX_OPERAND_H
#endif

#include "cpu/simd/amx.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

// An operand in memory: mn rows of a left one (M), or columns of a right one (N), of `depth` elements along K
// each. K-major: the elements along K are neighbours in memory; else MN-major: those of one k are.
struct OperandMatrix {
  const bf16* data;
  i64 mn, depth, stride;
  bool mn_major;

  i64 steps() const { return ceil_div(depth, kTileDepth); }
  i64 panels() const { return ceil_div(mn, kTileRows); }
  // The i-th of a batch.
  OperandMatrix matrix(i64 i) const { return {data + i * mn * depth, mn, depth, stride, mn_major}; }
};

// Rows 8 KiB apart compete for the same few sets of the caches.
constexpr i64 kAliasingStride = 4096;

// A tile [rows, row_elements] of `count` rows of `width` elements, padded with zeros.
HWY_INLINE void CopyPadded(bf16* to, i64 row_elements, i64 rows, const bf16* from, i64 stride, i64 count,
                           i64 width) {
  std::memset(to, 0, static_cast<size_t>(rows * row_elements) * sizeof(bf16));
  for (i64 i = 0; i < count; ++i)
    std::memcpy(to + i * row_elements, from + i * stride, static_cast<size_t>(width) * sizeof(bf16));
}

HWY_INLINE void TransposeWords(float* to, const float* from, i64 stride) {
  Vec columns[kMaxLanes];
  TransposeRegisters(columns, from, stride);
#pragma GCC unroll 16
  for (i64 i = 0; i < kTileRows; ++i) store(columns[i], to + i * kTileRows);
}

// The tile of rows (columns) 16 panel .. and of k 32 step ..: words [row, k / 2], or for a right operand
// [k / 2, column].
template <bool kRight>
void PackTile(float* to, const OperandMatrix& x, i64 panel, i64 step) {
  const i64 mn = panel * kTileRows, depth = step * kTileDepth;
  const i64 count = std::min(kTileRows, x.mn - mn), width = std::min(kTileDepth, x.depth - depth);
  const bf16* from = x.data + (x.mn_major ? depth * x.stride + mn : mn * x.stride + depth);
  i64 stride = x.stride;
  HWY_ALIGN bf16 staged[2 * kTileWords];
  if (count < kTileRows || width < kTileDepth) {
    if (x.mn_major)
      CopyPadded(staged, kTileRows, kTileDepth, from, stride, width, count);
    else
      CopyPadded(staged, kTileDepth, kTileRows, from, stride, count, width);
    from = staged;
    stride = x.mn_major ? kTileRows : kTileDepth;
  }
  HWY_ALIGN float words[kTileWords];
  if (x.mn_major) {
    Bf16Pairs::PairTile(kRight ? to : words, kTileRows, from, stride);
    if (!kRight) TransposeWords(to, words, kTileRows);
  } else if (kRight) {
    // Where the stride is odd, rows are not aligned to words.
    for (i64 i = 0; i < kTileRows; ++i) std::memcpy(words + i * kTileRows, from + i * stride, 64);
    TransposeWords(to, words, kTileRows);
  } else {
    for (i64 i = 0; i < kTileRows; ++i) std::memcpy(to + i * kTileRows, from + i * stride, 64);
  }
}

// All panels of an operand, of a batch of `matrices`. In each, the panels before `packed_from` are read where
// they lie. The others are packed, one block of K after the other, so that what a block of the product reads
// at a time is contiguous, not at strides of whole KiB.
template <bool kRight>
struct AmxOperand {
  OperandMatrix source;
  i64 matrices;
  Partition k_blocks;  // of K, in steps
  i64 packed_from = 0;
  float* packed;

  AmxOperand(Context& context, const OperandMatrix& source, i64 matrices, const Partition& k_blocks)
      : source(source), matrices(matrices), k_blocks(k_blocks) {
    const bool is_tiled = !kRight && !source.mn_major && source.depth % kTileDepth == 0 &&
                          source.stride % 2 == 0 && source.stride % kAliasingStride != 0;
    if (is_tiled) packed_from = source.mn / kTileRows;
    packed = context.scratch<float>(matrices * packed_tiles() * kTileWords);
  }
  i64 packed_panels() const { return source.panels() - packed_from; }
  // Of one matrix.
  i64 packed_tiles() const { return packed_panels() * source.steps(); }
  float* packed_tile(i64 matrix, i64 panel, i64 k_block, i64 step) const {
    const i64 before =
        k_blocks.begin(k_block) * packed_panels() + (panel - packed_from) * k_blocks.width(k_block);
    return packed + (matrix * packed_tiles() + before + step) * kTileWords;
  }
  // Packs in the order in which the operand lies in memory; no result depends on the order.
  void pack() const {
    const i64 steps = source.steps(), panels = packed_panels(), tiles = packed_tiles();
    parallel_for(matrices * tiles, 64, [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 i = begin; i < end; ++i) {
        const i64 matrix = i / tiles, tile = i % tiles;
        const i64 panel = packed_from + (source.mn_major ? tile % panels : tile / steps);
        const i64 step = source.mn_major ? tile / panels : tile % steps;
        PackTile<kRight>(packed_tile(matrix, panel, step / k_blocks.chunk, step % k_blocks.chunk),
                         source.matrix(matrix), panel, step);
      }
    });
  }
  // The panels of one matrix within one block of K.
  struct KBlock {
    i64 packed_from, source_stride, packed_stride;
    const float *in_place, *packed;

    HWY_INLINE TilePanel panel(i64 i) const {
      if (i < packed_from) return {in_place + i * kTileRows * source_stride, source_stride, kTileRows};
      return {packed + (i - packed_from) * packed_stride, kTileRows, kTileWords};
    }
  };
  KBlock k_block(i64 matrix, i64 i) const {
    return {.packed_from = packed_from,
            .source_stride = source.stride / 2,
            .packed_stride = k_blocks.width(i) * kTileWords,
            .in_place =
                reinterpret_cast<const float*>(source.matrix(matrix).data) + k_blocks.begin(i) * kTileRows,
            .packed = packed_tile(matrix, packed_from, i, 0)};
  }
};

#endif
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
