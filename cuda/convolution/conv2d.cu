// y[n, i, j, o] = bias[o] + residual[n, i, j, o] + sum_{u, v, c} x[n, s i + u - p, s j + v - p, c] weight[o,
// u, v, c], s the stride, p the padding, with zeros outside the image and c over the channels of o's group;
// bias may be [n, o]. Channels last.
//
// Each pass is a product of matrices for every group, tiled as matmul.cu's, of which one operand or both are
// gathered as tiles are loaded (patches.h), P places of the result and K' taps:
//   y        [P, O]    = patches of x [P, K' C]              weight^T [K' C, O]
//   dx       [P, C]    = transposed patches of dy [P, K' O]  weight [K' O, C], its rows by tap
//   dweight  [O, K' C] += dy^T [O, P]                        patches of x [P, K' C]
// Only dweight's sums are split (split_k.h): an image is convolved alike whatever images are beside it. Kept
// for the backward pass: x.
#include "convolution/patches.h"
#include "matmul/product.h"
#include "matmul/tile_shapes.h"
#ifdef __CUDACC__
#include "device/gather.cuh"
#include "device/mma_tile.cuh"
#include "device/simt_tile.cuh"
#else
#include <algorithm>
#include <climits>

#include "cuda_kernels.h"
#include "matmul/dense_product.h"
#include "matmul/split_k.h"
#include "matmul/tile_choice.h"
#endif

namespace transfusion::cuda {

struct Conv2dArguments {
  PatchesArguments patches;
  Operand dense;          // weight [O, K' C]; of dweight: dy [P, O]
  TapRowsArguments taps;  // of dx alone
  Output output;
  Partition partition;
  bool aligned;  // all operands, of f32
};

#ifdef __CUDACC__

template <class Tile, bool kAligned>
__device__ __forceinline__ void conv2d_bf16(const Conv2dArguments& arguments) {
  const Partition& partition = arguments.partition;
  const Place place = place_of_block<Tile::kM, Tile::kN>(partition);
  using Matrix = Patches<bf16, false>;
  GatherLoader<Tile::kM, true, Tile::kThreads, kAligned, Matrix> a(
      Matrix(arguments.patches, place.matrix), place.row, partition.m, place.k_begin, place.k_end);
  DenseLoader<Tile::kN, true, Tile::kThreads, kAligned ? 16 : 2> b(
      arguments.dense, place.matrix, place.column, partition.n, place.k_begin, place.k_end);
  WarpSums<Tile> sums;
  multiply_tiles<Tile, true, true>(sums, a, b, k_tiles(place));
  store_tile(sums, arguments.output, partition, place);
}

template <class Tile, bool kAligned>
__device__ __forceinline__ void conv2d_backward_input_bf16(const Conv2dArguments& arguments) {
  const Partition& partition = arguments.partition;
  const Place place = place_of_block<Tile::kM, Tile::kN>(partition);
  using Matrix = Patches<bf16, true>;
  GatherLoader<Tile::kM, true, Tile::kThreads, kAligned, Matrix> a(
      Matrix(arguments.patches, place.matrix), place.row, partition.m, place.k_begin, place.k_end);
  GatherLoader<Tile::kN, false, Tile::kThreads, kAligned, TapRows<bf16>> b(
      TapRows<bf16>(arguments.taps, place.matrix), place.column, partition.n, place.k_begin, place.k_end);
  WarpSums<Tile> sums;
  multiply_tiles<Tile, true, false>(sums, a, b, k_tiles(place));
  store_tile(sums, arguments.output, partition, place);
}

template <class Tile, bool kAligned>
__device__ __forceinline__ void conv2d_backward_weight_bf16(const Conv2dArguments& arguments) {
  const Partition& partition = arguments.partition;
  const Place place = place_of_block<Tile::kM, Tile::kN>(partition);
  using Matrix = Patches<bf16, false>;
  DenseLoader<Tile::kM, false, Tile::kThreads, kAligned ? 16 : 2> a(arguments.dense, place.matrix, place.row,
                                                                    partition.m, place.k_begin, place.k_end);
  GatherLoader<Tile::kN, false, Tile::kThreads, kAligned, Matrix> b(
      Matrix(arguments.patches, place.matrix), place.column, partition.n, place.k_begin, place.k_end);
  WarpSums<Tile> sums;
  multiply_tiles<Tile, false, false>(sums, a, b, k_tiles(place));
  store_tile(sums, arguments.output, partition, place);
}

#define CONV2D_BF16(pass)                                                                                   \
  KERNEL(pass##_small, Conv2dArguments, SmallMmaTile::kThreads) { pass<SmallMmaTile, true>(arguments); }    \
  KERNEL(pass##_medium, Conv2dArguments, GatherMmaTile::kThreads) { pass<GatherMmaTile, true>(arguments); } \
  KERNEL(pass##_guarded, Conv2dArguments, SmallMmaTile::kThreads) { pass<SmallMmaTile, false>(arguments); }

CONV2D_BF16(conv2d_bf16)
CONV2D_BF16(conv2d_backward_input_bf16)
CONV2D_BF16(conv2d_backward_weight_bf16)

KERNEL(conv2d_f32, Conv2dArguments, SmallSimtTile::kThreads) {
  const Place place = place_of_block<SmallSimtTile::kM, SmallSimtTile::kN>(arguments.partition);
  const Patches<f32, false> patches(arguments.patches, place.matrix);
  const GatherFloats<Patches<f32, false>, true> a{patches, arguments.partition.m, place.k_end,
                                                  arguments.aligned};
  const DenseFloats b(arguments.dense, true, arguments.aligned, place.matrix, arguments.partition.n,
                      place.k_end);
  multiply_floats<SmallSimtTile>(a, b, arguments.output, arguments.partition, place);
}

KERNEL(conv2d_backward_input_f32, Conv2dArguments, SmallSimtTile::kThreads) {
  const Place place = place_of_block<SmallSimtTile::kM, SmallSimtTile::kN>(arguments.partition);
  const Patches<f32, true> patches(arguments.patches, place.matrix);
  const TapRows<f32> taps(arguments.taps, place.matrix);
  const GatherFloats<Patches<f32, true>, true> a{patches, arguments.partition.m, place.k_end,
                                                 arguments.aligned};
  const GatherFloats<TapRows<f32>, false> b{taps, arguments.partition.n, place.k_end, arguments.aligned};
  multiply_floats<SmallSimtTile>(a, b, arguments.output, arguments.partition, place);
}

KERNEL(conv2d_backward_weight_f32, Conv2dArguments, SmallSimtTile::kThreads) {
  const Place place = place_of_block<SmallSimtTile::kM, SmallSimtTile::kN>(arguments.partition);
  const Patches<f32, false> patches(arguments.patches, place.matrix);
  const DenseFloats a(arguments.dense, false, arguments.aligned, place.matrix, arguments.partition.m,
                      place.k_end);
  const GatherFloats<Patches<f32, false>, false> b{patches, arguments.partition.n, place.k_end,
                                                   arguments.aligned};
  multiply_floats<SmallSimtTile>(a, b, arguments.output, arguments.partition, place);
}

#else

namespace {

using Conv2dKernel = Kernel<Conv2dArguments>;

// Of one pass.
struct Kernels {
  Conv2dKernel f32, small, medium, guarded;
};

#define CONV2D_KERNELS(pass)                                         \
  {                                                                  \
    {"conv2d", #pass "_f32", SmallSimtTile::kThreads},               \
        {"conv2d", #pass "_bf16_small", SmallMmaTile::kThreads},     \
        {"conv2d", #pass "_bf16_medium", GatherMmaTile::kThreads}, { \
      "conv2d", #pass "_bf16_guarded", SmallMmaTile::kThreads        \
    }                                                                \
  }
constexpr Kernels kForward = CONV2D_KERNELS(conv2d);
constexpr Kernels kBackwardInput = CONV2D_KERNELS(conv2d_backward_input);
constexpr Kernels kBackwardWeight = CONV2D_KERNELS(conv2d_backward_weight);

// x [images, height, width, groups * channels], y [images, out_height, out_width, groups * outputs]; channels
// and outputs are those of a group.
struct Shape {
  i64 images, height, width, channels, out_height, out_width, outputs, kernel_height, kernel_width;
  i64 stride, padding, groups;

  Shape(const TensorView& x, const TensorView& weight, const TensorView& y, i64 stride, i64 padding,
        i64 groups)
      : images(x.dim(0)),
        height(x.dim(1)),
        width(x.dim(2)),
        channels(weight.dim(3)),
        out_height(y.dim(1)),
        out_width(y.dim(2)),
        outputs(weight.dim(0) / groups),
        kernel_height(weight.dim(1)),
        kernel_width(weight.dim(2)),
        stride(stride),
        padding(padding),
        groups(groups) {}

  i64 taps() const { return kernel_height * kernel_width; }
  i64 pixels() const { return images * height * width; }
  i64 places() const { return images * out_height * out_width; }
  // Whether each place sees one pixel, its own: patches are the images themselves.
  bool is_dense() const { return taps() == 1 && stride == 1 && padding == 0 && groups == 1; }
};

Status check_size(const Shape& shape) {
  const i64 most = std::max({shape.pixels(), shape.places(), shape.taps() * shape.channels,
                             shape.taps() * shape.outputs, shape.height + shape.kernel_height});
  if (most <= INT_MAX) return ok();
  return fail("images must have at most %d pixels together, and windows as many weights, received %lld",
              INT_MAX, static_cast<long long>(most));
}

PatchesArguments patches_of(const Shape& shape, const void* images, bool transposed) {
  const i64 channels = transposed ? shape.outputs : shape.channels;
  PatchesArguments patches{};
  patches.images = images;
  patches.pixel_stride = shape.groups * channels;
  patches.group_stride = channels;
  patches.height = static_cast<int>(transposed ? shape.out_height : shape.height);
  patches.width = static_cast<int>(transposed ? shape.out_width : shape.width);
  patches.stride = static_cast<int>(shape.stride);
  patches.padding = static_cast<int>(shape.padding);
  patches.result_height = NarrowDivider(transposed ? shape.height : shape.out_height);
  patches.result_width = NarrowDivider(transposed ? shape.width : shape.out_width);
  patches.channels = NarrowDivider(channels);
  patches.kernel_width = NarrowDivider(shape.kernel_width);
  patches.by_stride = NarrowDivider(shape.stride);
  return patches;
}

// Of y [rows, groups, columns].
Output output_of(const TensorView& y, const void* addend, i64 groups, i64 columns) {
  Output output{};
  output.y = y.data;
  output.addend = addend;
  output.stride = groups * columns;
  output.batch_stride = columns;
  output.rows_of_bias = 1;
  output.is_bf16 = y.dtype == DType::bf16;
  output.vectors = columns * static_cast<i64>(dtype_size(y.dtype)) % 16 == 0 && aligned({y.data, addend});
  return output;
}

// y [M, N] of each group, K deep, in as many splits as are wanted.
Status launch_pass(Context& context, const Kernels& kernels, Conv2dArguments& arguments, const Output& output,
                   DType dtype, i64 groups, i64 m, i64 n, i64 k, int wanted_splits) {
  const bool is_bf16 = dtype == DType::bf16;
  const TileChoice tile = is_bf16 ? choose_tile(context, kGatherTiles,
                                                arguments.aligned ? TileChoice::kMedium : TileChoice::kSmall,
                                                m, n, groups * wanted_splits)
                                  : kSimtTiles[0];
  arguments.partition = partition_of(tile, m, n, k, groups);
  const SplitSums splits(context, output, arguments.partition, wanted_splits);
  arguments.output = splits.output();
  const Conv2dKernel& kernel = !is_bf16                           ? kernels.f32
                               : !arguments.aligned               ? kernels.guarded
                               : tile.size == TileChoice::kMedium ? kernels.medium
                                                                  : kernels.small;
  const Status status =
      launch(context, kernel, grid_of(arguments.partition, splits.count()), arguments, tile.shared_bytes);
  return status.failed ? status : splits.join();
}

bool whole_vectors(DType dtype, std::initializer_list<i64> sizes) {
  const i64 vector = 16 / static_cast<i64>(dtype_size(dtype));
  return std::all_of(sizes.begin(), sizes.end(), [&](i64 size) { return size % vector == 0; });
}

}  // namespace

Status conv2d(Context& context, Out y, In x, In weight, InOptional bias, InOptional residual, i64 stride,
              i64 padding, i64 groups) {
  if (y.elements() == 0) return ok();
  const Shape shape(x, weight, y, stride, padding, groups);
  if (const Status status = check_size(shape); status.failed) return status;
  const i64 depth = shape.taps() * shape.channels;
  Output output = output_of(y, residual.data, groups, shape.outputs);
  output.bias = bias.data;
  output.bias_stride = groups * shape.outputs;
  output.bias_batch_stride = shape.outputs;
  output.rows_of_bias =
      static_cast<int>(bias.rank == 2 ? shape.out_height * shape.out_width : shape.places());
  output.bias_is_bf16 = bias.dtype == DType::bf16;
  output.bias_vectors = whole_vectors(y.dtype, {shape.outputs}) && aligned({bias.data});

  if (shape.is_dense())
    return launch_product(context, {x.dtype, x.data, weight.data, 1, shape.places(), shape.outputs, depth,
                                    false, true, output});

  Conv2dArguments arguments{};
  arguments.patches = patches_of(shape, x.data, false);
  arguments.dense = {weight.data, depth, shape.outputs * depth};
  arguments.aligned = whole_vectors(x.dtype, {shape.channels}) && aligned({x.data, weight.data});
  return launch_pass(context, kForward, arguments, output, x.dtype, groups, shape.places(), shape.outputs,
                     depth, 1);
}

Status conv2d_backward_input(Context& context, Out dx, In dy, In weight, i64 stride, i64 padding,
                             i64 groups) {
  if (dx.elements() == 0) return ok();
  const Shape shape(dx, weight, dy, stride, padding, groups);
  if (const Status status = check_size(shape); status.failed) return status;
  const Output output = output_of(dx, nullptr, groups, shape.channels);
  const i64 filter = shape.taps() * shape.channels;
  if (shape.is_dense())
    return launch_product(context, {dy.dtype, dy.data, weight.data, 1, shape.pixels(), shape.channels,
                                    shape.outputs, false, false, output});

  Conv2dArguments arguments{};
  arguments.patches = patches_of(shape, dy.data, true);
  arguments.taps = {weight.data, shape.outputs * filter, filter, static_cast<int>(shape.channels),
                    NarrowDivider(shape.outputs)};
  arguments.aligned =
      whole_vectors(dy.dtype, {shape.channels, shape.outputs}) && aligned({dy.data, weight.data});
  return launch_pass(context, kBackwardInput, arguments, output, dy.dtype, groups, shape.pixels(),
                     shape.channels, shape.taps() * shape.outputs, 1);
}

Status conv2d_backward_weight(Context& context, Acc dweight, In dy, In x, i64 stride, i64 padding,
                              i64 groups) {
  if (!dweight.present() || x.elements() == 0) return ok();
  const Shape shape(x, dweight, dy, stride, padding, groups);
  if (const Status status = check_size(shape); status.failed) return status;
  const i64 m = shape.outputs, n = shape.taps() * shape.channels, k = shape.places();
  Output output = output_of(dweight, dweight.data, 1, n);
  output.batch_stride = m * n;
  if (shape.is_dense())
    return launch_product(context, {x.dtype, dy.data, x.data, 1, m, n, k, true, false, output});

  Conv2dArguments arguments{};
  arguments.patches = patches_of(shape, x.data, false);
  arguments.dense = {dy.data, groups * shape.outputs, shape.outputs};
  arguments.aligned = whole_vectors(x.dtype, {shape.channels, shape.outputs}) && aligned({dy.data, x.data});
  return launch_pass(context, kBackwardWeight, arguments, output, x.dtype, groups, m, n, k,
                     choose_splits(groups, m, n, k));
}

#endif

}  // namespace transfusion::cuda
