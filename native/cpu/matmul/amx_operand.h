// An operand of a product as tiles of matrix registers: where it lies, or packed. Compiled once per SIMD
// target as simd.h is.
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

// The rows of a left operand or the columns of a right one: `lines` of `depth` elements that are multiplied
// with the other's. In memory a line's elements follow each other, or lie across: then those of one depth do.
struct AmxLines {
  const bf16* data;
  i64 lines, depth, stride;
  bool across;

  i64 steps() const { return ceil_div(depth, kTileDepth); }
  i64 strips() const { return ceil_div(lines, kTileRows); }
  // Of a matrix that lies so many of these behind.
  AmxLines matrix(i64 i) const { return {data + i * lines * depth, lines, depth, stride, across}; }
};

// Rows so far apart, 8 KiB, share too few places of the caches.
constexpr i64 kCrowdedStride = 4096;

// `count` rows of `width` elements in a tile of `rows` rows of `row_elements`, and zeros.
HWY_INLINE void StageRows(bf16* to, i64 row_elements, i64 rows, const bf16* from, i64 stride, i64 count,
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

// The tile of lines 16 strip .. and of depth 32 step ..: [lines, words], or [words, lines] for a right
// operand.
template <bool kRight>
void PackTile(float* to, const AmxLines& x, i64 strip, i64 step) {
  const i64 line = strip * kTileRows, depth = step * kTileDepth;
  const i64 lines = std::min(kTileRows, x.lines - line), deep = std::min(kTileDepth, x.depth - depth);
  const bf16* from = x.data + (x.across ? depth * x.stride + line : line * x.stride + depth);
  i64 stride = x.stride;
  HWY_ALIGN bf16 staged[2 * kTileWords];
  if (lines < kTileRows || deep < kTileDepth) {
    if (x.across)
      StageRows(staged, kTileRows, kTileDepth, from, stride, deep, lines);
    else
      StageRows(staged, kTileDepth, kTileRows, from, stride, lines, deep);
    from = staged;
    stride = x.across ? kTileRows : kTileDepth;
  }
  HWY_ALIGN float words[kTileWords];
  if (x.across) {
    Pairs::PairTile(kRight ? to : words, kTileRows, from, stride);
    if (!kRight) TransposeWords(to, words, kTileRows);
  } else if (kRight) {
    // Rows of an odd stride are not made of words.
    for (i64 i = 0; i < kTileRows; ++i) std::memcpy(words + i * kTileRows, from + i * stride, 64);
    TransposeWords(to, words, kTileRows);
  } else {
    for (i64 i = 0; i < kTileRows; ++i) std::memcpy(to + i * kTileRows, from + i * stride, 64);
  }
}

// All strips of an operand, of `matrices` that lie behind each other: of each, those before `packed_from` are
// read where they lie. The others are packed part by part of the depth: what a block reads at a time lies
// together, not at strides of whole KiB.
template <bool kRight>
struct AmxOperand {
  AmxLines lines;
  i64 matrices;
  Cuts parts;  // in steps
  i64 packed_from = 0;
  float* packed;

  AmxOperand(Context& context, const AmxLines& lines, i64 matrices, const Cuts& parts)
      : lines(lines), matrices(matrices), parts(parts) {
    const bool lies_as_tiles = !kRight && !lines.across && lines.depth % kTileDepth == 0 &&
                               lines.stride % 2 == 0 && lines.stride % kCrowdedStride != 0;
    if (lies_as_tiles) packed_from = lines.lines / kTileRows;
    packed = context.scratch<float>(matrices * packed_tiles() * kTileWords);
  }
  i64 packed_strips() const { return lines.strips() - packed_from; }
  // Of one matrix.
  i64 packed_tiles() const { return packed_strips() * lines.steps(); }
  float* packed_tile(i64 matrix, i64 strip, i64 part, i64 step) const {
    const i64 before = parts.begin(part) * packed_strips() + (strip - packed_from) * parts.width(part);
    return packed + (matrix * packed_tiles() + before + step) * kTileWords;
  }
  // Packs, in the order in which the operand lies; no bits depend on it.
  void pack() const {
    const i64 steps = lines.steps(), strips = packed_strips(), tiles = packed_tiles();
    parallel_for(matrices * tiles, 64, [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 i = begin; i < end; ++i) {
        const i64 matrix = i / tiles, tile = i % tiles;
        const i64 strip = packed_from + (lines.across ? tile % strips : tile / steps);
        const i64 step = lines.across ? tile / strips : tile % steps;
        PackTile<kRight>(packed_tile(matrix, strip, step / parts.part, step % parts.part),
                         lines.matrix(matrix), strip, step);
      }
    });
  }
  // One part of one matrix.
  struct Part {
    i64 packed_from, lying_stride, packed_distance;
    const float *lying, *packed;

    HWY_INLINE TileStrip strip(i64 i) const {
      if (i < packed_from) return {lying + i * kTileRows * lying_stride, lying_stride, kTileRows};
      return {packed + (i - packed_from) * packed_distance, kTileRows, kTileWords};
    }
  };
  Part part(i64 matrix, i64 i) const {
    return {.packed_from = packed_from,
            .lying_stride = lines.stride / 2,
            .packed_distance = parts.width(i) * kTileWords,
            .lying = reinterpret_cast<const float*>(lines.matrix(matrix).data) + parts.begin(i) * kTileRows,
            .packed = packed_tile(matrix, packed_from, i, 0)};
  }
};

#endif
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
