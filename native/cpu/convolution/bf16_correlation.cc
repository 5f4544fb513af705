// dw[tap] [O, C] = dy^T [O, positions] x [positions, C], x begun tap's shift later (conv2d_taps.h). A part of
// the positions, bands of images laid end to end, is packed once for all taps: dy and x as pairs of
// neighbouring positions, x from the first one for even shifts and from the second one for odd ones. Where
// there are matrix registers both are packed as tiles, dy turned; otherwise pairs [positions, channels] are
// multiplied by vectors.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/bf16_correlation.cc"
#include <hwy/foreach_target.h>
// clang-format off: these need foreach_target.h first
#include <utility>

#include "cpu/convolution/bf16_correlation.h"
#include "cpu/convolution/conv2d_taps.h"
#include "cpu/matmul/amx_operand.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

constexpr i64 kPartPositions = 1024;
// Words of the depth that vectors add up before they add that to the sums: longer chains round more often,
// and x's words stay in the first cache.
constexpr i64 kChainWords = 128;

// How bands become parts, and one thread's scratch.
template <class Words>
struct Part {
  Taps taps;
  i64 bands, depth, x_depth;  // depths in whole steps; x's with what the last shift adds
  i64 rows, columns;          // of a tap's sums, in whole strips
  bf16 *dy, *x;               // [depth, O], [x_depth + 1, C]
  float *left, *even, *odd;   // packed
  float* sums;    // of tiles [taps, row pairs, column pairs, kSide, kSide], or [taps, rows, columns]
  float* chains;  // of vectors, of a tap: [rows, columns]

  Part(const Correlation& shape, i64 chunk_images) : taps(shape, kPartPositions) {
    const i64 most = std::max<i64>(1, kPartPositions / band_positions());
    bands = std::min(most, chunk_images * taps.bands());
    depth = round_up(bands * band_positions(), kTileDepth);
    x_depth = round_up(depth + taps.shift(taps.count() - 1), kTileDepth);
    rows = round_up(taps.out_channels, kTileRows), columns = round_up(taps.channels, kTileRows);
  }
  // Rows of x between a band's first one and the next one's. Below whole images lies what pads the next one
  // above; bands of one image have in common what both see.
  i64 band_rows() const {
    return taps.bands() == 1 ? taps.height + taps.top : taps.band_rows() + taps.kernel_height - 1;
  }
  i64 band_positions() const { return band_rows() * taps.row(); }
  // In words.
  i64 left_size() const { return rows * depth / 2; }
  i64 right_size() const { return columns * x_depth / 2; }
  // A last strip is read whole, over its end.
  i64 dy_size() const { return ceil_div(depth * taps.out_channels, 2) + kTileRows; }
  i64 x_size() const { return ceil_div((x_depth + 1) * taps.channels, 2) + kTileRows; }
  i64 sums_size() const {
    if (!Words::kTiled) return taps.count() * rows * columns;
    return taps.count() * round_up(rows, kSide) * round_up(columns, kSide);
  }
  i64 chains_size() const { return Words::kTiled ? 0 : rows * columns; }
  i64 scratch_size() const {
    return dy_size() + x_size() + left_size() + 2 * right_size() + sums_size() + chains_size();
  }
  // x from `shift` on.
  const float* shifted(i64 shift, i64 stride) const { return (shift % 2 ? odd : even) + shift / 2 * stride; }

  void use(float* scratch) {
    const auto take = [&](i64 count) { return std::exchange(scratch, scratch + count); };
    dy = reinterpret_cast<bf16*>(take(dy_size()));
    x = reinterpret_cast<bf16*>(take(x_size()));
    left = take(left_size()), even = take(right_size()), odd = take(right_size());
    sums = take(sums_size()), chains = take(chains_size());
  }
};

// Lays `count` bands from `first` on, counted over images, end to end.
template <class Words>
void LoadPart(const Part<Words>& part, const bf16* dy, const bf16* x, i64 first, i64 count) {
  const Taps& taps = part.taps;
  bf16* dy_to = part.dy;
  bf16* x_to = std::fill_n(part.x, taps.left * taps.channels, bf16{});
  for (i64 i = first; i < first + count; ++i) {
    const i64 image = i / taps.bands();
    const Band band(taps, i % taps.bands());
    const i64 above = band.begin - taps.top;
    x_to = pad_between(x_to, x + image * taps.height * taps.width * taps.channels, taps, above,
                       above + part.band_rows());
    bf16* dy_end = dy_to + part.band_positions() * taps.out_channels;
    dy_to = spread_rows(dy_to, dy + image * taps.out_height * taps.out_width * taps.out_channels, taps, band);
    dy_to = std::fill_n(dy_to, dy_end - dy_to, bf16{});
  }
  std::fill(dy_to, part.dy + part.depth * taps.out_channels, bf16{});
  std::fill(x_to, part.x + (part.x_depth + 1) * taps.channels, bf16{});
}

// All strips of an operand, as tiles.
template <bool kRight>
void PackTiles(float* to, const bf16* from, i64 lines, i64 depth) {
  const AmxLines all{from, lines, depth, lines, true};
  for (i64 step = 0; step < all.steps(); ++step)
    for (i64 strip = 0; strip < all.strips(); ++strip)
      PackTile<kRight>(to + (strip * all.steps() + step) * kTileWords, all, strip, step);
}

// to [depth / 2, whole strips of lines]
void PackPairs(float* to, const bf16* from, i64 lines, i64 depth) {
  const i64 stride = round_up(lines, kTileRows);
  for (i64 position = 0; position < depth; position += kTileDepth)
    for (i64 line = 0; line < lines; line += kTileRows)
      Pairs::PairTile(to + position / 2 * stride + line, stride, from + position * lines + line, lines);
}

template <class Words>
void PackPart(const Part<Words>& part) {
  const i64 O = part.taps.out_channels, C = part.taps.channels;
  if constexpr (Words::kTiled) {
    PackTiles<false>(part.left, part.dy, O, part.depth);
    PackTiles<true>(part.even, part.x, C, part.x_depth);
    PackTiles<true>(part.odd, part.x + C, C, part.x_depth);
  } else {
    PackPairs(part.left, part.dy, O, part.depth);
    PackPairs(part.even, part.x, C, part.x_depth);
    PackPairs(part.odd, part.x + C, C, part.x_depth);
  }
}

void AddPart(const Part<TiledPairs>& part, bool add) {
  const i64 steps = part.depth / kTileDepth, x_steps = part.x_depth / kTileDepth;
  const auto strip = [](const float* data, i64 line, i64 steps) {
    return TileStrip{data + line / kTileRows * steps * kTileWords, kTileRows, kTileWords};
  };
  float* sums = part.sums;
  for (i64 tap = 0; tap < part.taps.count(); ++tap) {
    const float* x = part.shifted(part.taps.shift(tap), kTileRows);
    for (i64 row = 0; row < part.rows; row += kSide)
      for (i64 column = 0; column < part.columns; column += kSide, sums += kSide * kSide) {
        const TileStrip a[2] = {strip(part.left, row, steps), strip(part.left, row + kTileRows, steps)};
        const TileStrip b[2] = {strip(x, column, x_steps), strip(x, column + kTileRows, x_steps)};
        MultiplyTiles(sums, kSide, add, a, b, row + kTileRows < part.rows, column + kTileRows < part.columns,
                      steps);
      }
  }
}

void AddPart(const Part<Pairs>& part, bool add) {
  const i64 words = part.depth / 2, O = part.taps.out_channels, stride = part.columns;
  for (i64 tap = 0; tap < part.taps.count(); ++tap) {
    const float* x = part.shifted(part.taps.shift(tap), stride);
    float* sums = part.sums + tap * part.rows * stride;
    for (i64 begin = 0; begin < words; begin += kChainWords) {
      const bool first = !add && begin == 0;
      Product<Pairs>(first ? sums : part.chains, stride, Transposed{part.left + begin * part.rows, part.rows},
                     x + begin * stride, stride, O, stride, std::min(kChainWords, words - begin), false);
      for (i64 i = 0; i < O * stride && !first; i += lanes())
        store(hn::Add(load(sums + i), load(part.chains + i)), sums + i);
    }
  }
}

// The sums as dw lies, [O, taps, C].
void StoreSums(float* to, const Part<TiledPairs>& part) {
  const Taps& taps = part.taps;
  const float* block = part.sums;
  for (i64 tap = 0; tap < taps.count(); ++tap)
    for (i64 row = 0; row < taps.out_channels; row += kSide)
      for (i64 column = 0; column < taps.channels; column += kSide, block += kSide * kSide)
        for (i64 i = 0; i < std::min(kSide, taps.out_channels - row); ++i)
          std::copy_n(block + i * kSide, std::min(kSide, taps.channels - column),
                      to + ((row + i) * taps.count() + tap) * taps.channels + column);
}

void StoreSums(float* to, const Part<Pairs>& part) {
  const Taps& taps = part.taps;
  for (i64 row = 0; row < taps.out_channels; ++row)
    for (i64 tap = 0; tap < taps.count(); ++tap, to += taps.channels)
      std::copy_n(part.sums + (tap * part.rows + row) * part.columns, taps.channels, to);
}

template <class Words>
void Correlate(Context& context, const Correlation& shape, i64 chunk_images, float* dweight, const bf16* dy,
               const bf16* x) {
  const Part<Words> layout(shape, chunk_images);
  const Taps& taps = layout.taps;
  const i64 size = taps.out_channels * taps.count() * taps.channels;
  const i64 chunks = ceil_div(shape.images, chunk_images);
  float* partials = context.scratch<float>(chunks * size);
  parallel_tasks(context, chunks, layout.scratch_size(), [&](i64 chunk, float* scratch) HWY_ATTR {
    const Registers<Words> registers;
    Part<Words> part = layout;
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
}

Status BackwardWeight(Context& context, const Correlation& shape, i64 chunk_images, float* dweight,
                      const bf16* dy, const bf16* x) {
  with_tiled_words<bf16>([&](auto words) HWY_ATTR {
    if constexpr (!std::is_same_v<decltype(words), Floats>)
      Correlate<decltype(words)>(context, shape, chunk_images, dweight, dy, x);
  });
  return ok();
}

#else

Status BackwardWeight(Context&, const Correlation&, i64, float*, const bf16*, const bf16*) {
  return fail("this CPU multiplies no bf16");
}

#endif
}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(BackwardWeight);

bool correlates_in_pairs(const Correlation& shape) {
  // Measured: the sums of all taps have to stay in the second cache.
  constexpr i64 kMostWeights = 9 * 128 * 128;
  const i64 weights = shape.kernel_height * shape.kernel_width * shape.channels * shape.out_channels;
  return has_native_bf16() && is_worth_taps(shape) && weights <= kMostWeights;
}

Status bf16_correlate_backward_weight(Context& context, const Correlation& shape, i64 chunk_images,
                                      float* dweight, const bf16* dy, const bf16* x) {
  return HWY_DYNAMIC_DISPATCH(BackwardWeight)(context, shape, chunk_images, dweight, dy, x);
}

}  // namespace transfusion::cpu
#endif
