// Convolutions by Winograd's F(2 x 2, 3 x 3) (Lavin and Gray, 2016; transforms: winograd_tiles.h). With tiles
// t of 2 x 2 results, and 16 points of each, a convolution is 16 products of matrices,
//
//   m[point] [tiles, O] = v[point] [tiles, C] u[point] [C, O],   v of x, u of the weights, m gives y
//
// dx is the same of dy and the weights turned by 180 degrees; dweight is du[point] = w[point]^T v[point],
// with w of dy, back to 3 x 3. Parallel over blocks of tiles, all of whose points stay in the second cache;
// weight gradients over blocks of du, one part of the tiles after the other. Matrices that stand on the right
// of a product are in panels of 64 columns. Kept for the backward pass: x.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/winograd.cc"
#include <hwy/foreach_target.h>
// clang-format off: these need foreach_target.h first
#include "cpu/convolution/winograd.h"
#include "cpu/convolution/winograd_tiles.h"
#include "cpu/runtime/packed_cache.h"
#include "cpu/simd/tile.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {
namespace {

constexpr i64 kPanel = 64;
// Tiles of a block: its products have as many rows, a multiple of those that they keep in registers.
constexpr i64 kBlockTiles = 48;
// Rows of weights that are transformed at a time.
constexpr i64 kFilterRows = 16;
// Tiles whose products are added up before they are added to the sums: longer chains round more.
constexpr i64 kChainTiles = 128;
// Floats of a part's points: they are read once for each panel of du.
constexpr i64 kPartFloats = i64{1} << 22;

i64 panels(i64 columns) { return ceil_div(columns, kPanel); }
i64 panel_width(i64 columns, i64 panel) { return std::min(kPanel, columns - panel * kPanel); }
// Rows of points lie a cache line further apart than they are long: strides of whole KiB share few cache
// sets.
i64 apart(i64 floats) { return round_up(floats, 16) + 16; }

// One product of all channels of x with those of y, in which order ever they play these parts.
struct Filters {
  const float* weight;  // [O, 3, 3, C]
  i64 outputs, inputs;
  bool backward;  // x's gradients from y's: rows are outputs, taps are turned

  i64 rows() const { return backward ? outputs : inputs; }
  i64 columns() const { return backward ? inputs : outputs; }
  i64 transformed_size() const { return panels(columns()) * kPoints * rows() * kPanel; }
  const float* tap(i64 output, i64 tap) const { return weight + (output * 9 + tap) * inputs; }
};

// to [kFilterRows, kPanel] = one tap of rows from `row` on and columns from `column` on, padded with zeros.
void StageTap(float* to, const Filters& f, i64 tap, i64 row, i64 column) {
  const i64 rows = std::min(kFilterRows, f.rows() - row), columns = std::min(kPanel, f.columns() - column);
  if (!f.backward && rows == kFilterRows && columns == kPanel)
    return TransposeTile(to, kPanel, f.tap(column, tap) + row, 9 * f.inputs, kPanel, kFilterRows);
  std::fill_n(to, kFilterRows * kPanel, 0.0f);
  for (i64 i = 0; i < rows; ++i)
    if (f.backward)
      std::copy_n(f.tap(row + i, 8 - tap) + column, columns, to + i * kPanel);
    else
      for (i64 j = 0; j < columns; ++j) to[i * kPanel + j] = f.tap(column + j, tap)[row + i];
}

// u [panels, 16, rows, kPanel]
void TransformAllFilters(Context& context, float* u, const Filters& f) {
  const i64 blocks = ceil_div(f.rows(), kFilterRows), tap_size = kFilterRows * kPanel;
  parallel_tasks(context, panels(f.columns()) * blocks, 9 * tap_size, [&](i64 task, float* taps) HWY_ATTR {
    const i64 panel = task / blocks, row = task % blocks * kFilterRows;
    for (i64 tap = 0; tap < 9; ++tap) StageTap(taps + tap * tap_size, f, tap, row, panel * kPanel);
    TransformFilters(u + (panel * kPoints * f.rows() + row) * kPanel, f.rows() * kPanel, taps, tap_size,
                     std::min(kFilterRows, f.rows() - row) * kPanel);
  });
}

struct Key {
  i64 outputs, inputs;
  bool backward;
  auto operator<=>(const Key&) const = default;
};

const float* TransformedFilters(Context& context, const Filters& filters, const In& weight, i64 rows) {
  static auto& cache = *new PackedCache<Key>(512, size_t{1} << 30);
  const size_t bytes = static_cast<size_t>(filters.transformed_size()) * sizeof(float);
  return static_cast<const float*>(
      cache.get(context, {filters.outputs, filters.inputs, filters.backward}, weight, rows, bytes,
                [&](void* u) { TransformAllFilters(context, static_cast<float*>(u), filters); }));
}

struct Added {
  const float* bias;
  bool bias_of_image;
  const float* residual;
};

// `shape` is that of what is computed, from its inputs to its results.
void Convolve(Context& context, const Conv2dShape& shape, float* y, const float* x, const float* u,
              const Added& added) {
  const auto inputs = ImageTiles<const float, 4>::of_inputs(x, shape);
  const auto results = ImageTiles<float, 2>::of_results(y, shape);
  const auto residuals = ImageTiles<const float, 2>::of_results(added.residual, shape);
  const i64 C = shape.channels, O = shape.out_channels;
  const Partition blocks(shape.images * inputs.rows * inputs.columns, kBlockTiles, 1);
  const i64 v_stride = apart(kBlockTiles * C), m_stride = apart(kBlockTiles * kPanel);
  const i64 floats = kPoints * (v_stride + m_stride) + C;
  parallel_tasks(context, blocks.count, floats, [&](i64 block, float* v) HWY_ATTR {
    float *m = v + kPoints * v_stride, *zeros = std::fill_n(m + kPoints * m_stride, C, 0.0f) - C;
    const i64 begin = blocks.begin(block), tiles = blocks.width(block);
    for (i64 t = 0; t < tiles; ++t) {
      const float* pixels[16];
      inputs.pixels(pixels, begin + t, zeros);
      TransformInputTile(v + t * C, v_stride, pixels, 0, C);
    }
    for (i64 panel = 0; panel < panels(O); ++panel) {
      const i64 first = panel * kPanel, width = panel_width(O, panel);
      for (i64 point = 0; point < kPoints; ++point)
        Product<F32Words>(m + point * m_stride, kPanel, AsIs{v + point * v_stride, C},
                          u + (panel * kPoints + point) * C * kPanel, kPanel, tiles, width, C, false);
      for (i64 t = 0; t < tiles; ++t) {
        float* pixels[4];
        const float* residual[4] = {};
        results.pixels(pixels, begin + t, nullptr);
        if (added.residual) residuals.pixels(residual, begin + t, nullptr);
        const float* bias = added.bias_of_image ? added.bias + inputs.image(begin + t) * O : added.bias;
        TransformOutputTile(pixels, first, m + t * kPanel, m_stride, width, bias, residual);
      }
    }
  });
}

Status Forward(Context& context, const Conv2dShape& shape, float* y, const float* x, const In& weight,
               const float* bias, bool bias_of_image, const float* residual) {
  const Filters filters{weight.as<float>(), shape.out_channels, shape.channels, false};
  const i64 rows = shape.images * shape.out_height * shape.out_width;
  const float* u = TransformedFilters(context, filters, weight, rows);
  Convolve(context, shape, y, x, u, {bias, bias_of_image, residual});
  return ok();
}

Status BackwardInput(Context& context, const Conv2dShape& s, float* dx, const float* dy, const In& weight) {
  const Filters filters{weight.as<float>(), s.out_channels, s.channels, true};
  const float* u = TransformedFilters(context, filters, weight, s.images * s.height * s.width);
  const Conv2dShape shape{s.images, s.out_height, s.out_width,     s.out_channels, s.height,
                          s.width,  s.channels,   s.kernel_height, s.kernel_width, 2 - s.padding};
  Convolve(context, shape, dx, dy, u, {});
  return ok();
}

// The points of `tiles` tiles from `begin` on, in panels: [panels, 16, tiles, kPanel]. transform(to,
// point_stride, pixels, first channel, channels) writes those of one tile and panel.
template <class T, i64 side, class Transform>
void TransformTiles(float* to, const ImageTiles<const T, side>& from, i64 begin, i64 tiles, const T* zeros,
                    const Transform& transform) {
  parallel_for(tiles, 16, [&](i64 first, i64 last) HWY_ATTR {
    for (i64 t = first; t < last; ++t) {
      const T* pixels[side * side];
      from.pixels(pixels, begin + t, zeros);
      for (i64 panel = 0; panel < panels(from.channels); ++panel)
        transform(to + (panel * kPoints * tiles + t) * kPanel, tiles * kPanel, pixels, panel * kPanel,
                  panel_width(from.channels, panel));
    }
  });
}

// du [panels of O, panels of C, 16, kPanel, kPanel] += w^T v, or = for the first part of the tiles.
void AddPart(Context& context, float* du, bool is_first, const float* w, const float* v, i64 tiles, i64 O,
             i64 C) {
  const i64 tasks = panels(O) * panels(C) * kPoints, points_size = tiles * kPanel;
  parallel_tasks(context, tasks, kPanel * kPanel, [&](i64 task, float* sums) HWY_ATTR {
    const i64 point = task % kPoints, c = task / kPoints % panels(C), o = task / kPoints / panels(C);
    float* to = du + task * kPanel * kPanel;
    const i64 rows = panel_width(O, o);
    const float *left = w + (o * kPoints + point) * points_size,
                *right = v + (c * kPoints + point) * points_size;
    for (i64 begin = 0; begin < tiles; begin += kChainTiles) {
      const bool starts = is_first && begin == 0;
      Product<F32Words>(starts ? to : sums, kPanel, Transposed{left + begin * kPanel, kPanel},
                        right + begin * kPanel, kPanel, rows, panel_width(C, c),
                        std::min(kChainTiles, tiles - begin), false);
      for (i64 i = 0; i < rows * kPanel && !starts; i += lanes())
        store(hn::Add(load(to + i), load(sums + i)), to + i);
    }
  });
}

template <class T>
void WeightGradient(Context& context, const Conv2dShape& shape, float* dweight, const T* dy, const T* x) {
  const i64 O = shape.out_channels, C = shape.channels;
  const auto inputs = ImageTiles<const T, 4>::of_inputs(x, shape);
  const auto results = ImageTiles<const T, 2>::of_results(dy, shape);
  const i64 tile_floats = kPoints * kPanel * (panels(O) + panels(C));
  const Partition parts(shape.images * inputs.rows * inputs.columns,
                        std::max(kBlockTiles, kPartFloats / tile_floats), 1);
  float* w = context.scratch<float>(parts.chunk * tile_floats);
  float* v = w + parts.chunk * kPoints * kPanel * panels(O);
  float* du = context.scratch<float>(panels(O) * panels(C) * kPoints * kPanel * kPanel);
  T* zeros = context.scratch<T>(std::max(O, C));
  std::fill_n(zeros, std::max(O, C), T{});
  for (i64 part = 0; part < parts.count; ++part) {
    const i64 begin = parts.begin(part), tiles = parts.width(part);
    const auto transform_input = [](auto&&... given) HWY_ATTR { TransformInputTile(given...); };
    const auto transform_gradient = [](auto&&... given) HWY_ATTR { TransformGradientTile(given...); };
    TransformTiles<T>(v, inputs, begin, tiles, zeros, transform_input);
    TransformTiles<T>(w, results, begin, tiles, zeros, transform_gradient);
    AddPart(context, du, part == 0, w, v, tiles, O, C);
  }
  parallel_for(O, 4, [&](i64 first, i64 last) HWY_ATTR {
    for (i64 o = first; o < last; ++o)
      for (i64 c = 0; c < panels(C); ++c) {
        const float* from = du + ((o / kPanel * panels(C) + c) * kPoints * kPanel + o % kPanel) * kPanel;
        AddFilterGradients(dweight + o * 9 * C + c * kPanel, C, from, kPanel * kPanel, panel_width(C, c));
      }
  });
}

Status BackwardWeight(Context& context, const Conv2dShape& shape, float* dweight, const In& dy, const In& x) {
  if (x.dtype == DType::bf16)
    WeightGradient(context, shape, dweight, dy.as<bf16>(), x.as<bf16>());
  else
    WeightGradient(context, shape, dweight, dy.as<float>(), x.as<float>());
  return ok();
}

}  // namespace
}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(Forward);
HWY_EXPORT(BackwardInput);
HWY_EXPORT(BackwardWeight);

bool prefers_winograd(const Conv2dShape& shape) {
  // Of images of 3 x 3 and less, direct products skip more taps in the padding.
  return shape.kernel_height == 3 && shape.kernel_width == 3 &&
         std::min(shape.channels, shape.out_channels) >= 32 &&
         std::min(shape.out_height, shape.out_width) >= 4;
}

bool prefers_winograd_weight_gradient(const Conv2dShape& shape, DType dtype) {
  // Measured: up to 64 channels pairs of bf16 are as fast, and AMX is in all.
  const bool is_faster_in_bf16 = !has_amx() && shape.channels * shape.out_channels > 64 * 64;
  return prefers_winograd(shape) && (dtype == DType::f32 || is_faster_in_bf16);
}

Status winograd_conv2d(Context& context, const Conv2dShape& shape, float* y, const float* x, const In& weight,
                       const float* bias, bool bias_of_image, const float* residual) {
  return HWY_DYNAMIC_DISPATCH(Forward)(context, shape, y, x, weight, bias, bias_of_image, residual);
}

Status winograd_conv2d_backward_input(Context& context, const Conv2dShape& shape, float* dx, const float* dy,
                                      const In& weight) {
  return HWY_DYNAMIC_DISPATCH(BackwardInput)(context, shape, dx, dy, weight);
}

Status winograd_conv2d_backward_weight(Context& context, const Conv2dShape& shape, float* dweight,
                                       const In& dy, const In& x) {
  return HWY_DYNAMIC_DISPATCH(BackwardWeight)(context, shape, dweight, dy, x);
}

}  // namespace transfusion::cpu
#endif
