// y[n, i, j, o] = bias[o] + residual[n, i, j, o] + sum_{u, v, c} x[n, s i + u - p, s j + v - p, c] weight[o,
// u, v, c], s the stride, p the padding, with zeros outside the image and c over the channels of o's group;
// bias may be [n, o]. Computed by oneDNN on activations as they lie, channels last, with weights packed into
// the format that it prefers; some shapes by winograd.cc, conv2d_gemm.cc and bf16_weight_gradient.cc. bf16 is
// widened to f32 where the CPU has no bf16 products.
//
// No sum may depend on the number of threads or on the other images: each strip of an image's rows is a
// primitive made for one thread. Parallel over strips. Weight gradients are partial sums over chunks of
// images, or strips of few images, cut by shape and added up in order. Kept for the backward pass: x.
#include "cpu/convolution/bf16_weight_gradient.h"
#include "cpu/convolution/conv2d_gemm.h"
#include "cpu/convolution/conv2d_primitive.h"
#include "cpu/convolution/winograd.h"
#include "cpu/runtime/convert.h"

namespace transfusion::cpu {
namespace {

using namespace conv2d_primitive;

// Of a tensor [N, ..].
i64 image_bytes(const TensorView& tensor) { return static_cast<i64>(tensor.bytes()) / tensor.dim(0); }
void* image(const TensorView& tensor, i64 index) {
  return static_cast<char*>(tensor.data) + index * image_bytes(tensor);
}
// Of a tensor [N, H, ..].
void* image_row(const TensorView& tensor, i64 index, i64 row) {
  return static_cast<char*>(image(tensor, index)) + row * (image_bytes(tensor) / tensor.dim(1));
}

// A strip has so many products at least (about a millisecond): shorter ones read the weights too often.
constexpr i64 kStripProducts = i64{1} << 26;
constexpr i64 kMaxStrips = 16;

Convolution convolution_of(Pass pass, const TensorView& x, const TensorView& weight, const TensorView& y,
                           i64 stride, i64 padding, i64 groups) {
  Convolution one{.pass = pass,
                  .images = 1,
                  .height = x.dim(1),
                  .width = x.dim(2),
                  .channels = x.dim(3),
                  .out_height = y.dim(1),
                  .out_width = y.dim(2),
                  .out_channels = y.dim(3),
                  .kernel_height = weight.dim(1),
                  .kernel_width = weight.dim(2),
                  .stride = stride,
                  .padding_top = padding,
                  .padding_left = padding,
                  .groups = groups,
                  .dtype = x.dtype,
                  .has_bias = false,
                  .has_residual = false,
                  .threads = omp_get_max_threads(),
                  .strips = 1};
  one.strips = std::clamp<i64>(one.products() / kStripProducts, 1, kMaxStrips);
  return one;
}

bool must_widen(const TensorView& tensor) { return tensor.dtype == DType::bf16 && !has_native_bf16(); }

Status widen_all(Context& context, std::initializer_list<TensorView*> tensors) {
  for (TensorView* tensor : tensors)
    if (const Status status = widen(context, *tensor); status.failed) return status;
  return ok();
}

// Brings a result that was computed in f32 to its own dtype.
Status finish(Context& context, const TensorView& y, const TensorView& result, const Status& status) {
  return status.failed || result.data == y.data ? status : convert(context, y, result);
}

// dweight += the gradients of the strips of `count` chunks of part.images images each, from image `first` on.
void add_chunks(Context& context, const Convolution& part, const TensorView& dweight, const TensorView& dy,
                const TensorView& x, i64 first, i64 count) {
  const Plan& plan = plan_of(part);
  const auto& [packed, weight] = std::tie(plan.of_any().packed, plan.of_any().weight);
  const i64 size = static_cast<i64>(packed.get_size() / sizeof(float));
  const i64 step = round_up(size, 16);  // whole cache lines
  float* sums = context.scratch<float>(count * plan.strips() * step);
  run_each(context, plan, count, [&](i64 i, i64 s, const Strip& strip, const Executable& convolution) {
    const i64 begin = first + i * part.images;
    float* partial = sums + (i * plan.strips() + s) * step;
    return Arguments{{DNNL_ARG_SRC, at(convolution.x, image_row(x, begin, strip.x_row))},
                     {DNNL_ARG_DIFF_DST, at(convolution.y, image_row(dy, begin, strip.y_row))},
                     {DNNL_ARG_DIFF_WEIGHTS, at(convolution.packed, partial)}};
  });
  parallel_for(size, 4096, [&](i64 begin, i64 end) {
    for (i64 chunk = 1; chunk < count * plan.strips(); ++chunk)
      for (i64 i = begin; i < end; ++i) sums[i] += sums[chunk * step + i];
  });
  const float* sum = sums;
  if (packed != weight) {
    float* unpacked = context.scratch<float>(dweight.elements());
    reorder(packed, sums, weight, unpacked);
    sum = unpacked;
  }
  float* target = static_cast<float*>(dweight.data);
  parallel_for(dweight.elements(), 16384, [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) target[i] += sum[i];
  });
}

Conv2dShape conv2d_shape_of(const TensorView& x, const TensorView& weight, const TensorView& y, i64 padding) {
  return {x.dim(0), x.dim(1), x.dim(2),      x.dim(3),      y.dim(1),
          y.dim(2), y.dim(3), weight.dim(1), weight.dim(2), padding};
}

// Whether it is what the implicit GEMMs compute: as many zeros after an image as before it.
bool is_plain(const Conv2dShape& shape, i64 stride, i64 groups) {
  const auto fits = [&](i64 size, i64 window, i64 places) {
    return places == size + 2 * shape.padding - window + 1;
  };
  return stride == 1 && groups == 1 && fits(shape.height, shape.kernel_height, shape.out_height) &&
         fits(shape.width, shape.kernel_width, shape.out_width);
}

bool by_winograd(const Conv2dShape& shape, DType dtype, i64 stride, i64 groups) {
  return dtype == DType::f32 && is_plain(shape, stride, groups) && prefers_winograd(shape);
}

bool by_gemm(const Conv2dShape& shape, i64 stride, i64 groups) {
  return is_plain(shape, stride, groups) && prefers_gemm(shape);
}

// Chunks enough for many threads, but not so many that their partial sums need more than 16 MiB, or 8 chunks.
i64 images_of_chunk(i64 images, i64 weights, i64 most_chunks) {
  return ceil_div(images, std::clamp<i64>((i64{1} << 22) / weights, 8, most_chunks));
}

}  // namespace

Status conv2d(Context& context, Out y, In x, In weight, InOptional bias, InOptional residual, i64 stride,
              i64 padding, i64 groups) {
  if (y.elements() == 0) return ok();
  TensorView result = y;
  if (must_widen(x)) {
    if (const Status status = widen_all(context, {&x, &weight, &bias, &residual}); status.failed)
      return status;
    result = scratch_like(context, y, DType::f32);
  }
  const Conv2dShape shape = conv2d_shape_of(x, weight, y, padding);
  if (by_winograd(shape, x.dtype, stride, groups))
    return finish(context, y, result,
                  winograd_conv2d(context, shape, static_cast<float*>(result.data), x.as<float>(), weight,
                                  bias.as<float>(), bias.rank == 2, residual.as<float>()));
  if (by_gemm(shape, stride, groups))
    return finish(context, y, result,
                  gemm_conv2d(context, shape, static_cast<float*>(result.data), x.as<float>(),
                              weight.as<float>(), bias.as<float>(), bias.rank == 2, residual.as<float>()));
  Convolution one = convolution_of(Pass::forward, x, weight, y, stride, padding, groups);
  one.has_bias = bias.present();
  one.has_residual = residual.present();
  const Status status = onednn::guarded([&] {
    const Plan& plan = plan_of(one);
    void* packed = packed_weights(context, one, plan.of_any(), weight, x.dim(0));
    run_each(context, plan, x.dim(0), [&](i64 i, i64, const Strip& strip, const Executable& convolution) {
      void* to = image_row(result, i, strip.y_row);
      Arguments arguments{{DNNL_ARG_SRC, at(convolution.x, image_row(x, i, strip.x_row))},
                          {DNNL_ARG_WEIGHTS, at(convolution.packed, packed)},
                          {DNNL_ARG_DST, at(convolution.y, to)}};
      if (bias.present())
        arguments.emplace(DNNL_ARG_BIAS, at(convolution.bias, bias.rank == 2 ? image(bias, i) : bias.data));
      if (residual.present()) std::memcpy(to, image_row(residual, i, strip.y_row), convolution.y.get_size());
      return arguments;
    });
  });
  return finish(context, y, result, status);
}

Status conv2d_backward_input(Context& context, Out dx, In dy, In weight, i64 stride, i64 padding,
                             i64 groups) {
  if (dx.elements() == 0) return ok();
  TensorView result = dx;
  if (must_widen(dy)) {
    if (const Status status = widen_all(context, {&dy, &weight}); status.failed) return status;
    result = scratch_like(context, dx, DType::f32);
  }
  const Conv2dShape shape = conv2d_shape_of(dx, weight, dy, padding);
  if (by_winograd(shape, dy.dtype, stride, groups))
    return finish(context, dx, result,
                  winograd_conv2d_backward_input(context, shape, static_cast<float*>(result.data),
                                                 dy.as<float>(), weight));
  if (by_gemm(shape, stride, groups))
    return finish(context, dx, result,
                  gemm_conv2d_backward_input(context, shape, static_cast<float*>(result.data), dy.as<float>(),
                                             weight.as<float>()));
  const Convolution one = convolution_of(Pass::backward_input, result, weight, dy, stride, padding, groups);
  const Status status = onednn::guarded([&] {
    const Plan& plan = plan_of(one);
    void* packed = packed_weights(context, one, plan.of_any(), weight, dx.dim(0));
    run_each(context, plan, dx.dim(0), [&](i64 i, i64, const Strip& strip, const Executable& convolution) {
      return Arguments{{DNNL_ARG_DIFF_DST, at(convolution.y, image_row(dy, i, strip.y_row))},
                       {DNNL_ARG_WEIGHTS, at(convolution.packed, packed)},
                       {DNNL_ARG_DIFF_SRC, at(convolution.x, image_row(result, i, strip.x_row))}};
    });
  });
  return finish(context, dx, result, status);
}

Status conv2d_backward_weight(Context& context, Acc dweight, In dy, In x, i64 stride, i64 padding,
                              i64 groups) {
  if (!dweight.present() || x.elements() == 0) return ok();
  if (must_widen(x))
    if (const Status status = widen_all(context, {&dy, &x}); status.failed) return status;
  const Conv2dShape shape = conv2d_shape_of(x, dweight, dy, padding);
  const auto chunk_images = [&](i64 most) { return images_of_chunk(x.dim(0), dweight.elements(), most); };
  if (is_plain(shape, stride, groups) && prefers_winograd_weight_gradient(shape, x.dtype))
    return winograd_conv2d_backward_weight(context, shape, dweight.as<float>(), dy, x);
  if (x.dtype == DType::bf16 && is_plain(shape, stride, groups) && prefers_bf16_weight_gradient(shape))
    return bf16_conv2d_backward_weight(context, shape, chunk_images(16), dweight.as<float>(), dy.as<bf16>(),
                                       x.as<bf16>());
  if (by_gemm(shape, stride, groups))
    return gemm_conv2d_backward_weight(context, shape, dweight.as<float>(), dy.as<float>(), x.as<float>());
  Convolution part = convolution_of(Pass::backward_weight, x, dweight, dy, stride, padding, groups);
  part.images = chunk_images(64);
  part.strips = std::min(part.strips, part.images > 1 ? 1 : chunks_of_image(x.dim(0)));
  const i64 whole = x.dim(0) / part.images, rest = x.dim(0) % part.images;
  return onednn::guarded([&] {
    add_chunks(context, part, dweight, dy, x, 0, whole);
    if (rest == 0) return;
    part.images = rest;
    add_chunks(context, part, dweight, dy, x, x.dim(0) - rest, 1);
  });
}

}  // namespace transfusion::cpu
