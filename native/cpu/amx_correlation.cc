// dw[tap] [O, C] = dy^T [O, positions] x [positions, C], x begun tap's shift later (conv2d_taps.h). A part of
// the positions, bands of images laid end to end, is packed as tiles once for all taps: dy turned, x as pairs
// of neighbouring positions, from the first one for even shifts and from the second one for odd ones.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/amx_correlation.cc"
#include <hwy/foreach_target.h>
// clang-format off: these need foreach_target.h first
#include <utility>

#include "cpu/amx_correlation.h"
#include "cpu/amx_operand.h"
#include "cpu/conv2d_taps.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

constexpr i64 kPartPositions = 1024;

// How bands become parts, and one thread's scratch.
struct Part {
  Taps taps;
  i64 bands, depth, x_depth;  // depths in whole steps; x's with what the last shift adds
  i64 strips, x_strips;
  bf16 *dy, *x;              // [depth, O], [x_depth + 1, C]
  float *left, *even, *odd;  // packed
  float* sums;               // [taps, pairs of strips, pairs of x_strips, kSide, kSide]

  explicit Part(const Correlation& shape) : taps(shape, kPartPositions) {
    bands = std::max<i64>(1, kPartPositions / taps.padded_positions());
    depth = round_up(bands * taps.padded_positions(), kTileDepth);
    x_depth = round_up(depth + taps.shift(taps.count() - 1), kTileDepth);
    strips = ceil_div(taps.out_channels, kTileRows), x_strips = ceil_div(taps.channels, kTileRows);
  }
  // In words.
  i64 left_size() const { return strips * kTileRows * depth / 2; }
  i64 right_size() const { return x_strips * kTileRows * x_depth / 2; }
  i64 dy_size() const { return ceil_div(depth * taps.out_channels, 2); }
  i64 x_size() const { return ceil_div((x_depth + 1) * taps.channels, 2); }
  i64 sums_size() const { return taps.count() * ceil_div(strips, 2) * ceil_div(x_strips, 2) * kSide * kSide; }
  i64 scratch_size() const { return dy_size() + x_size() + left_size() + 2 * right_size() + sums_size(); }

  void use(float* scratch) {
    const auto take = [&](i64 count) { return std::exchange(scratch, scratch + count); };
    dy = reinterpret_cast<bf16*>(take(dy_size()));
    x = reinterpret_cast<bf16*>(take(x_size()));
    left = take(left_size()), even = take(right_size()), odd = take(right_size());
    sums = take(sums_size());
  }
};

// Lays `count` bands from `first` on, counted over images, end to end.
void LoadPart(const Part& part, const bf16* dy, const bf16* x, i64 first, i64 count) {
  const Taps& taps = part.taps;
  bf16 *dy_to = part.dy, *x_to = part.x;
  for (i64 i = first; i < first + count; ++i) {
    const i64 image = i / taps.bands();
    const Band band(taps, i % taps.bands());
    bf16* x_end = pad_rows(x_to, x + image * taps.height * taps.width * taps.channels, taps, band);
    bf16* dy_end =
        spread_rows(dy_to, dy + image * taps.out_height * taps.out_width * taps.out_channels, taps, band);
    const i64 positions = (x_end - x_to) / taps.channels;
    dy_to = std::fill_n(dy_end, dy_to + positions * taps.out_channels - dy_end, bf16{});
    x_to = x_end;
  }
  std::fill(dy_to, part.dy + part.depth * taps.out_channels, bf16{});
  std::fill(x_to, part.x + (part.x_depth + 1) * taps.channels, bf16{});
}

template <bool kRight>
void PackAll(float* to, const AmxLines& lines) {
  for (i64 step = 0; step < lines.steps(); ++step)
    for (i64 strip = 0; strip < lines.strips(); ++strip)
      PackTile<kRight>(to + (strip * lines.steps() + step) * kTileWords, lines, strip, step);
}

void PackPart(const Part& part) {
  const i64 O = part.taps.out_channels, C = part.taps.channels;
  PackAll<false>(part.left, {part.dy, O, part.depth, O, true});
  PackAll<true>(part.even, {part.x, C, part.x_depth, C, true});
  PackAll<true>(part.odd, {part.x + C, C, part.x_depth, C, true});
}

void AddPart(const Part& part, bool add) {
  const i64 steps = part.depth / kTileDepth, x_steps = part.x_depth / kTileDepth;
  const auto left = [&](i64 strip) {
    return TileStrip{part.left + strip * steps * kTileWords, kTileRows, kTileWords};
  };
  float* sums = part.sums;
  for (i64 tap = 0; tap < part.taps.count(); ++tap) {
    const i64 shift = part.taps.shift(tap);
    const float* x = (shift % 2 ? part.odd : part.even) + shift / 2 * kTileRows;
    const auto right = [&](i64 strip) {
      return TileStrip{x + strip * x_steps * kTileWords, kTileRows, kTileWords};
    };
    for (i64 row = 0; row < part.strips; row += 2)
      for (i64 column = 0; column < part.x_strips; column += 2, sums += kSide * kSide) {
        const TileStrip a[2] = {left(row), left(row + 1)}, b[2] = {right(column), right(column + 1)};
        MultiplyTiles(sums, kSide, add, a, b, row + 1 < part.strips, column + 1 < part.x_strips, steps);
      }
  }
}

// The sums as dw lies, [O, taps, C].
void StoreSums(float* to, const Part& part) {
  const Taps& taps = part.taps;
  const float* block = part.sums;
  for (i64 tap = 0; tap < taps.count(); ++tap)
    for (i64 row = 0; row < taps.out_channels; row += kSide)
      for (i64 column = 0; column < taps.channels; column += kSide, block += kSide * kSide)
        for (i64 i = 0; i < std::min(kSide, taps.out_channels - row); ++i)
          std::copy_n(block + i * kSide, std::min(kSide, taps.channels - column),
                      to + ((row + i) * taps.count() + tap) * taps.channels + column);
}

Status BackwardWeight(Context& context, const Correlation& shape, i64 chunk_images, float* dweight,
                      const bf16* dy, const bf16* x) {
  const Part layout(shape);
  const Taps& taps = layout.taps;
  const i64 size = taps.out_channels * taps.count() * taps.channels;
  const i64 chunks = ceil_div(shape.images, chunk_images);
  float* partials = context.scratch<float>(chunks * size);
  parallel_tasks(context, chunks, layout.scratch_size(), [&](i64 chunk, float* scratch) HWY_ATTR {
    const TileRegisters registers;
    Part part = layout;
    part.use(scratch);
    const i64 begin = chunk * chunk_images * taps.bands();
    const i64 end = std::min(shape.images, (chunk + 1) * chunk_images) * taps.bands();
    for (i64 first = begin; first < end; first += part.bands) {
      LoadPart(part, dy, x, first, std::min(part.bands, end - first));
      PackPart(part);
      AddPart(part, first > begin);
    }
    StoreSums(partials + chunk * size, part);
  });
  add_partials(dweight, partials, chunks, size);
  return ok();
}

#else

Status BackwardWeight(Context&, const Correlation&, i64, float*, const bf16*, const bf16*) {
  return fail("this CPU has no matrix registers");
}

#endif
}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(BackwardWeight);

bool correlates_in_tiles(const Correlation& shape) {
  // Measured: the sums of all taps have to stay in the second cache.
  constexpr i64 kMostWeights = 9 * 128 * 128;
  const i64 weights = shape.kernel_height * shape.kernel_width * shape.channels * shape.out_channels;
  return has_matrix_registers() && is_worth_taps(shape) && weights <= kMostWeights;
}

Status amx_correlate_backward_weight(Context& context, const Correlation& shape, i64 chunk_images,
                                     float* dweight, const bf16* dy, const bf16* x) {
  return HWY_DYNAMIC_DISPATCH(BackwardWeight)(context, shape, chunk_images, dweight, dy, x);
}

}  // namespace transfusion::cpu
#endif
