// dw[tap] [O, C] = dy^T [O, positions] x[shift(tap) ..] [positions, C], an implicit GEMM (implicit_gemm.h)
// whose K runs over positions. Parallel over chunks of images, or of few images' bands; their partial sums
// are added up in order. A chunk takes the positions in parts, bands of images laid end to end. A part is
// packed once for all taps: dy and x as pairs of neighbouring positions, x twice, from its first position for
// even shifts and from its second one for odd ones. With AMX both are packed as tiles, dy transposed;
// otherwise vectors multiply pairs [positions / 2, channels]. Nothing is kept for the backward pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/bf16_weight_gradient.cc"
#include <hwy/foreach_target.h>
// clang-format off: these need foreach_target.h first
#include <utility>

#include "cpu/convolution/bf16_weight_gradient.h"
#include "cpu/convolution/implicit_gemm.h"
#include "cpu/matmul/amx_operand.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

constexpr i64 kPartPositions = 1024;
// Words of the depth that vectors add up before they add that to the sums: longer block_sums round more
// often, and x's words stay in the first cache.
constexpr i64 kKBlockWords = 128;

// How bands become parts, with one thread's scratch.
template <class Words>
struct Part {
  ImplicitGemm gemm;
  i64 bands, depth, x_depth;  // in whole steps; x_depth: with the last tap's shift
  i64 rows, columns;          // of a tap's sums, in whole panels
  bf16 *dy, *x;               // [depth, O], [x_depth + 1, C]
  float *left, *even, *odd;   // packed
  float* sums;  // of tiles [taps, row pairs, column pairs, kRegisterBlock, kRegisterBlock], or [taps, rows,
                // columns]
  float* block_sums;  // of vectors, of a block of K of one tap: [rows, columns]

  Part(const ImplicitGemm& gemm, i64 chunk_bands) : gemm(gemm) {
    bands = std::clamp<i64>(kPartPositions / band_positions(), 1, chunk_bands);
    depth = round_up(bands * band_positions(), kTileDepth);
    x_depth = round_up(depth + gemm.shift(gemm.taps() - 1), kTileDepth);
    rows = round_up(gemm.out_channels, kTileRows), columns = round_up(gemm.channels, kTileRows);
  }
  // Rows of x from the first one of a band to that of the next. Whole images share the rows of padding
  // between them; bands of one image overlap in the rows that the windows of both see.
  i64 band_rows() const {
    return gemm.bands() == 1 ? gemm.height + gemm.top : gemm.band_rows() + gemm.kernel_height - 1;
  }
  i64 band_positions() const { return band_rows() * gemm.row(); }
  // In words.
  i64 left_size() const { return rows * depth / 2; }
  i64 right_size() const { return columns * x_depth / 2; }
  // The last panel is read to its full size, past the end of the data.
  i64 dy_size() const { return ceil_div(depth * gemm.out_channels, 2) + kTileRows; }
  i64 x_size() const { return ceil_div((x_depth + 1) * gemm.channels, 2) + kTileRows; }
  i64 sums_size() const {
    if (!Words::kAmx) return gemm.taps() * rows * columns;
    return gemm.taps() * round_up(rows, kRegisterBlock) * round_up(columns, kRegisterBlock);
  }
  i64 block_sums_size() const { return Words::kAmx ? 0 : rows * columns; }
  i64 scratch_size() const {
    return dy_size() + x_size() + left_size() + 2 * right_size() + sums_size() + block_sums_size();
  }
  // x from `shift` on.
  const float* shifted(i64 shift, i64 stride) const { return (shift % 2 ? odd : even) + shift / 2 * stride; }

  void use(float* scratch) {
    const auto take = [&](i64 count) { return std::exchange(scratch, scratch + count); };
    dy = reinterpret_cast<bf16*>(take(dy_size()));
    x = reinterpret_cast<bf16*>(take(x_size()));
    left = take(left_size()), even = take(right_size()), odd = take(right_size());
    sums = take(sums_size()), block_sums = take(block_sums_size());
  }
};

// Lays `count` bands of dy and x end to end, from `first` on, counted over all images.
template <class Words>
void LoadPart(const Part<Words>& part, const bf16* dy, const bf16* x, i64 first, i64 count) {
  const ImplicitGemm& gemm = part.gemm;
  bf16* dy_to = part.dy;
  bf16* x_to = std::fill_n(part.x, gemm.left * gemm.channels, bf16{});
  for (i64 i = first; i < first + count; ++i) {
    const i64 image = i / gemm.bands();
    const Band band(gemm, i % gemm.bands());
    const i64 above = band.begin - gemm.top;
    x_to = pad_input_rows(x_to, x + image * gemm.height * gemm.width * gemm.channels, gemm, above,
                          above + part.band_rows());
    bf16* dy_end = dy_to + part.band_positions() * gemm.out_channels;
    dy_to =
        pad_output_rows(dy_to, dy + image * gemm.out_height * gemm.out_width * gemm.out_channels, gemm, band);
    dy_to = std::fill_n(dy_to, dy_end - dy_to, bf16{});
  }
  std::fill(dy_to, part.dy + part.depth * gemm.out_channels, bf16{});
  std::fill(x_to, part.x + (part.x_depth + 1) * gemm.channels, bf16{});
}

// All panels of an operand, as tiles.
template <bool kRight>
void PackTiles(float* to, const bf16* from, i64 lines, i64 depth) {
  const OperandMatrix all{from, lines, depth, lines, true};
  for (i64 step = 0; step < all.steps(); ++step)
    for (i64 panel = 0; panel < all.panels(); ++panel)
      PackTile<kRight>(to + (panel * all.steps() + step) * kTileWords, all, panel, step);
}

// to [depth / 2, whole panels of lines]
void PackPairs(float* to, const bf16* from, i64 lines, i64 depth) {
  const i64 stride = round_up(lines, kTileRows);
  for (i64 position = 0; position < depth; position += kTileDepth)
    for (i64 line = 0; line < lines; line += kTileRows)
      Bf16Pairs::PairTile(to + position / 2 * stride + line, stride, from + position * lines + line, lines);
}

template <class Words>
void PackPart(const Part<Words>& part) {
  const i64 O = part.gemm.out_channels, C = part.gemm.channels;
  if constexpr (Words::kAmx) {
    PackTiles<false>(part.left, part.dy, O, part.depth);
    PackTiles<true>(part.even, part.x, C, part.x_depth);
    PackTiles<true>(part.odd, part.x + C, C, part.x_depth);
  } else {
    PackPairs(part.left, part.dy, O, part.depth);
    PackPairs(part.even, part.x, C, part.x_depth);
    PackPairs(part.odd, part.x + C, C, part.x_depth);
  }
}

void AddPart(const Part<AmxPairs>& part, bool add) {
  const i64 steps = part.depth / kTileDepth, x_steps = part.x_depth / kTileDepth;
  const auto panel = [](const float* data, i64 line, i64 steps) {
    return TilePanel{data + line / kTileRows * steps * kTileWords, kTileRows, kTileWords};
  };
  float* sums = part.sums;
  for (i64 tap = 0; tap < part.gemm.taps(); ++tap) {
    const float* x = part.shifted(part.gemm.shift(tap), kTileRows);
    for (i64 row = 0; row < part.rows; row += kRegisterBlock)
      for (i64 column = 0; column < part.columns;
           column += kRegisterBlock, sums += kRegisterBlock * kRegisterBlock) {
        const TilePanel a[2] = {panel(part.left, row, steps), panel(part.left, row + kTileRows, steps)};
        const TilePanel b[2] = {panel(x, column, x_steps), panel(x, column + kTileRows, x_steps)};
        MultiplyTiles(sums, kRegisterBlock, add, a, b, row + kTileRows < part.rows,
                      column + kTileRows < part.columns, steps);
      }
  }
}

void AddPart(const Part<Bf16Pairs>& part, bool add) {
  const i64 words = part.depth / 2, O = part.gemm.out_channels, stride = part.columns;
  for (i64 tap = 0; tap < part.gemm.taps(); ++tap) {
    const float* x = part.shifted(part.gemm.shift(tap), stride);
    float* sums = part.sums + tap * part.rows * stride;
    for (i64 begin = 0; begin < words; begin += kKBlockWords) {
      const bool first = !add && begin == 0;
      Product<Bf16Pairs>(first ? sums : part.block_sums, stride,
                         Transposed{part.left + begin * part.rows, part.rows}, x + begin * stride, stride, O,
                         stride, std::min(kKBlockWords, words - begin), false);
      for (i64 i = 0; i < O * stride && !first; i += lanes())
        store(hn::Add(load(sums + i), load(part.block_sums + i)), sums + i);
    }
  }
}

// The sums in dw's order, [O, taps, C].
void StoreSums(float* to, const Part<AmxPairs>& part) {
  const ImplicitGemm& gemm = part.gemm;
  const float* block = part.sums;
  for (i64 tap = 0; tap < gemm.taps(); ++tap)
    for (i64 row = 0; row < gemm.out_channels; row += kRegisterBlock)
      for (i64 column = 0; column < gemm.channels;
           column += kRegisterBlock, block += kRegisterBlock * kRegisterBlock)
        for (i64 i = 0; i < std::min(kRegisterBlock, gemm.out_channels - row); ++i)
          std::copy_n(block + i * kRegisterBlock, std::min(kRegisterBlock, gemm.channels - column),
                      to + ((row + i) * gemm.taps() + tap) * gemm.channels + column);
}

void StoreSums(float* to, const Part<Bf16Pairs>& part) {
  const ImplicitGemm& gemm = part.gemm;
  for (i64 row = 0; row < gemm.out_channels; ++row)
    for (i64 tap = 0; tap < gemm.taps(); ++tap, to += gemm.channels)
      std::copy_n(part.sums + (tap * part.rows + row) * part.columns, gemm.channels, to);
}

template <class Words>
void WeightGradient(Context& context, const Conv2dShape& shape, i64 chunk_images, float* dweight,
                    const bf16* dy, const bf16* x) {
  const ImplicitGemm gemm(shape, kPartPositions);
  const i64 chunk_bands = bands_of_chunk(gemm, shape.images, chunk_images);
  const Part<Words> layout(gemm, chunk_bands);
  const i64 size = gemm.out_channels * gemm.taps() * gemm.channels;
  const i64 total = shape.images * gemm.bands(), chunks = ceil_div(total, chunk_bands);
  float* partials = context.scratch<float>(chunks * size);
  parallel_tasks(context, chunks, layout.scratch_size(), [&](i64 chunk, float* scratch) HWY_ATTR {
    const TileConfigFor<Words> tile_config;
    Part<Words> part = layout;
    part.use(scratch);
    const i64 begin = chunk * chunk_bands, end = std::min(total, begin + chunk_bands);
    for (i64 first = begin; first < end; first += part.bands) {
      LoadPart(part, dy, x, first, std::min(part.bands, end - first));
      PackPart(part);
      AddPart(part, first > begin);
    }
    StoreSums(partials + chunk * size, part);
  });
  add_partials(dweight, partials, chunks, size);
}

Status BackwardWeight(Context& context, const Conv2dShape& shape, i64 chunk_images, float* dweight,
                      const bf16* dy, const bf16* x) {
  with_amx_words<bf16>([&](auto words) HWY_ATTR {
    if constexpr (!std::is_same_v<decltype(words), F32Words>)
      WeightGradient<decltype(words)>(context, shape, chunk_images, dweight, dy, x);
  });
  return ok();
}

#else

// Highway's dispatch table has an entry for every target; callers ask prefers_bf16_weight_gradient() first.
Status BackwardWeight(Context&, const Conv2dShape&, i64, float*, const bf16*, const bf16*) {
  return fail("needs a CPU that multiplies bf16");
}

#endif
}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(BackwardWeight);

bool prefers_bf16_weight_gradient(const Conv2dShape& shape) {
  // Measured: the sums of all taps have to stay in the second cache.
  constexpr i64 kMaxWeights = 9 * 128 * 128;
  const i64 weights = shape.kernel_height * shape.kernel_width * shape.channels * shape.out_channels;
  return has_native_bf16() && has_enough_channels(shape) && weights <= kMaxWeights;
}

Status bf16_conv2d_backward_weight(Context& context, const Conv2dShape& shape, i64 chunk_images,
                                   float* dweight, const bf16* dy, const bf16* x) {
  return HWY_DYNAMIC_DISPATCH(BackwardWeight)(context, shape, chunk_images, dweight, dy, x);
}

}  // namespace transfusion::cpu
#endif
