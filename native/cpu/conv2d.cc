// y[n, i, j, o] = bias[o] + residual[n, i, j, o] + sum_{u, v, c} x[n, s i + u - p, s j + v - p, c] weight[o,
// u, v, c], s the stride, p the padding, with zeros outside the image and c over the channels of o's group;
// bias may be [n, o]. oneDNN computes it on activations as they lie, channels last; weights are packed into
// the format that it asks for. bf16 is widened to f32 where the CPU has no bf16 products.
//
// No sum may depend on the number of threads or on the other images: each image is a primitive made for one
// thread, and images are divided among threads. Weight gradients are partial sums over chunks of images, cut
// by shape and added up in order.
#include <omp.h>

#include <atomic>
#include <compare>

#include "cpu/convert.h"
#include "cpu/lru_cache.h"
#include "cpu/onednn.h"
#include "cpu/packed_cache.h"
#include "cpu/parallel.h"
#include "cpu/runtime.h"

namespace transfusion::cpu {
namespace {

constexpr size_t kCachedPrimitives = 512;
constexpr size_t kPackedBytes = size_t{1} << 30;

enum class Pass { forward, backward_input, backward_weight };

// One oneDNN primitive: of `images` images at once.
struct Convolution {
  Pass pass;
  i64 images, height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width;
  i64 stride, padding, groups;
  DType dtype;
  bool has_bias, has_residual;
  int threads;  // that pack weights
  auto operator<=>(const Convolution&) const = default;
};

// oneDNN asks for the number of threads when it makes a primitive and when it runs one.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

struct Executable {
  dnnl::primitive primitive;
  dnnl::memory::desc x, weight, packed, bias, y, scratch;

  explicit Executable(const Convolution& c) {
    const OneThread one;
    const auto dtype = onednn::data_type(c.dtype);
    const auto nhwc = dnnl::memory::format_tag::nhwc;
    x = {{c.images, c.channels, c.height, c.width}, dtype, nhwc};
    y = {{c.images, c.out_channels, c.out_height, c.out_width}, dtype, nhwc};
    if (c.has_bias) bias = {{c.out_channels}, dtype, dnnl::memory::format_tag::a};

    // [groups, O / groups, C / groups, Kh, Kw] for oneDNN, which lies in memory as [O, Kh, Kw, C / groups].
    const i64 inputs = c.channels / c.groups, row = c.kernel_width * inputs, filter = c.kernel_height * row;
    dnnl::memory::dims shape{c.groups, c.out_channels / c.groups, inputs, c.kernel_height, c.kernel_width};
    dnnl::memory::dims strides{c.out_channels / c.groups * filter, filter, 1, row, inputs};
    if (c.groups == 1) {
      shape.erase(shape.begin());
      strides.erase(strides.begin());
    }
    const auto any = [&](dnnl::memory::data_type type) {
      return dnnl::memory::desc(shape, type, dnnl::memory::format_tag::any);
    };
    const auto f32 = dnnl::memory::data_type::f32;
    weight = {shape, c.pass == Pass::backward_weight ? f32 : dtype, strides};

    const onednn::Window window{{c.stride, c.stride}, {c.padding, c.padding}};
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (c.has_residual) {
      // To what y holds. A binary post-op adds the wrong elements in oneDNN 2.6's kernels for AVX2 and
      // before.
      dnnl::post_ops add;
      add.append_sum(1.0f);
      attributes.set_post_ops(add);
    }
    if (c.pass == Pass::forward) {
      const auto made = onednn::convolution_primitive_desc(x, any(dtype), bias, y, window, attributes);
      primitive = dnnl::convolution_forward(made);
      packed = made.weights_desc();
      scratch = made.scratchpad_desc();
    } else if (c.pass == Pass::backward_input) {
      const auto made =
          onednn::convolution_backward_data_primitive_desc(x, any(dtype), y, window, attributes);
      primitive = dnnl::convolution_backward_data(made);
      packed = made.weights_desc();
      scratch = made.scratchpad_desc();
    } else {
      const auto made =
          onednn::convolution_backward_weights_primitive_desc(x, any(f32), y, window, attributes, any(dtype));
      primitive = dnnl::convolution_backward_weights(made);
      packed = made.diff_weights_desc();
      scratch = made.scratchpad_desc();
    }
  }
};

// Valid until the next call.
const Executable& executable(const Convolution& convolution) {
  // Kernels run on the stream's thread alone.
  static auto& cache = *new LruCache<Convolution, Executable>(kCachedPrimitives);
  return cache.get(convolution, [](const Convolution& c) { return Executable(c); });
}

using Arguments = std::unordered_map<int, dnnl::memory>;

dnnl::memory at(const dnnl::memory::desc& desc, void* data) {
  return dnnl::memory(desc, onednn::engine(), data);
}

// Copies weights from one format to another, with all threads.
void reorder(const dnnl::memory::desc& from, void* source, const dnnl::memory::desc& to, void* target) {
  dnnl::memory in = at(from, source), out = at(to, target);
  dnnl::reorder(in, out).execute(onednn::stream(), in, out);
  onednn::stream().wait();
}

// The weights as the primitive of this convolution wants them.
void* packed_weights(Context& context, const Convolution& convolution, const Executable& executable,
                     const In& weight) {
  if (executable.packed == executable.weight) return weight.data;
  static auto& cache = *new PackedCache<Convolution>(kCachedPrimitives, kPackedBytes);
  return cache.get(context, convolution, weight, executable.packed.get_size(),
                   [&](void* packed) { reorder(executable.weight, weight.data, executable.packed, packed); });
}

// Runs a primitive `count` times, each on one thread; arguments(i) are the i-th's without scratch.
template <class ArgumentsOf>
void run_each(Context& context, const Executable& executable, i64 count, const ArgumentsOf& arguments) {
  const i64 bytes = ceil_div(static_cast<i64>(executable.scratch.get_size()), 64) * 64;
  char* scratch = context.scratch<char>(bytes * omp_get_max_threads());
  std::atomic<bool> failed = false;
  Status status;
  parallel_for(count, 1, [&](i64 begin, i64 end) {
    const OneThread one;
    const Status chunk_status = onednn::guarded([&] {
      dnnl::stream stream(onednn::engine());
      for (i64 i = begin; i < end; ++i) {
        Arguments given = arguments(i);
        given.emplace(DNNL_ARG_SCRATCHPAD, at(executable.scratch, scratch + omp_get_thread_num() * bytes));
        executable.primitive.execute(stream, given);
        stream.wait();
      }
    });
    if (chunk_status.failed && !failed.exchange(true)) status = chunk_status;
  });
  if (status.failed) throw std::runtime_error(status.message);
}

// Of a tensor [N, ..].
i64 image_bytes(const TensorView& tensor) { return static_cast<i64>(tensor.bytes()) / tensor.dim(0); }
void* image(const TensorView& tensor, i64 index) {
  return static_cast<char*>(tensor.data) + index * image_bytes(tensor);
}

Convolution convolution_of(Pass pass, const TensorView& x, const TensorView& weight, const TensorView& y,
                           i64 stride, i64 padding, i64 groups) {
  return {.pass = pass,
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
          .padding = padding,
          .groups = groups,
          .dtype = x.dtype,
          .has_bias = false,
          .has_residual = false,
          .threads = omp_get_max_threads()};
}

bool must_widen(const TensorView& tensor) { return tensor.dtype == DType::bf16 && !has_native_bf16(); }

Status widen_all(Context& context, std::initializer_list<TensorView*> tensors) {
  for (TensorView* tensor : tensors)
    if (const Status status = widen(context, *tensor); status.failed) return status;
  return ok();
}

// dweight += the gradients of `count` chunks of part.images images each, from image `first` on.
void add_chunks(Context& context, const Convolution& part, const TensorView& dweight, const TensorView& dy,
                const TensorView& x, i64 first, i64 count) {
  const Executable& convolution = executable(part);
  const i64 size = static_cast<i64>(convolution.packed.get_size() / sizeof(float));
  const i64 step = ceil_div(size, 16) * 16;  // whole cache lines
  float* sums = context.scratch<float>(count * step);
  run_each(context, convolution, count, [&](i64 i) {
    const i64 begin = first + i * part.images;
    return Arguments{{DNNL_ARG_SRC, at(convolution.x, image(x, begin))},
                     {DNNL_ARG_DIFF_DST, at(convolution.y, image(dy, begin))},
                     {DNNL_ARG_DIFF_WEIGHTS, at(convolution.packed, sums + i * step)}};
  });
  parallel_for(size, 4096, [&](i64 begin, i64 end) {
    for (i64 chunk = 1; chunk < count; ++chunk)
      for (i64 i = begin; i < end; ++i) sums[i] += sums[chunk * step + i];
  });
  const float* sum = sums;
  if (convolution.packed != convolution.weight) {
    float* unpacked = context.scratch<float>(dweight.elements());
    reorder(convolution.packed, sums, convolution.weight, unpacked);
    sum = unpacked;
  }
  float* target = static_cast<float*>(dweight.data);
  parallel_for(dweight.elements(), 16384, [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) target[i] += sum[i];
  });
}

// Chunks enough for many threads, but not so many that their partial sums need more than 16 MiB, or 8 chunks.
i64 images_of_chunk(i64 images, i64 weights) {
  return ceil_div(images, std::clamp<i64>((i64{1} << 22) / weights, 8, 64));
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
  Convolution one = convolution_of(Pass::forward, x, weight, y, stride, padding, groups);
  one.has_bias = bias.present();
  one.has_residual = residual.present();
  const Status status = onednn::guarded([&] {
    const Executable& convolution = executable(one);
    void* packed = packed_weights(context, one, convolution, weight);
    run_each(context, convolution, x.dim(0), [&](i64 i) {
      Arguments arguments{{DNNL_ARG_SRC, at(convolution.x, image(x, i))},
                          {DNNL_ARG_WEIGHTS, at(convolution.packed, packed)},
                          {DNNL_ARG_DST, at(convolution.y, image(result, i))}};
      if (bias.present())
        arguments.emplace(DNNL_ARG_BIAS, at(convolution.bias, bias.rank == 2 ? image(bias, i) : bias.data));
      if (residual.present())
        std::memcpy(image(result, i), image(residual, i), static_cast<size_t>(image_bytes(result)));
      return arguments;
    });
  });
  return status.failed || result.data == y.data ? status : convert(context, y, result);
}

Status conv2d_backward_input(Context& context, Out dx, In dy, In weight, i64 stride, i64 padding,
                             i64 groups) {
  if (dx.elements() == 0) return ok();
  TensorView result = dx;
  if (must_widen(dy)) {
    if (const Status status = widen_all(context, {&dy, &weight}); status.failed) return status;
    result = scratch_like(context, dx, DType::f32);
  }
  const Convolution one = convolution_of(Pass::backward_input, result, weight, dy, stride, padding, groups);
  const Status status = onednn::guarded([&] {
    const Executable& convolution = executable(one);
    void* packed = packed_weights(context, one, convolution, weight);
    run_each(context, convolution, dx.dim(0), [&](i64 i) {
      return Arguments{{DNNL_ARG_DIFF_DST, at(convolution.y, image(dy, i))},
                       {DNNL_ARG_WEIGHTS, at(convolution.packed, packed)},
                       {DNNL_ARG_DIFF_SRC, at(convolution.x, image(result, i))}};
    });
  });
  return status.failed || result.data == dx.data ? status : convert(context, dx, result);
}

Status conv2d_backward_weight(Context& context, Acc dweight, In dy, In x, i64 stride, i64 padding,
                              i64 groups) {
  if (!dweight.present() || x.elements() == 0) return ok();
  if (must_widen(x))
    if (const Status status = widen_all(context, {&dy, &x}); status.failed) return status;
  Convolution part = convolution_of(Pass::backward_weight, x, dweight, dy, stride, padding, groups);
  part.images = images_of_chunk(x.dim(0), dweight.elements());
  const i64 whole = x.dim(0) / part.images, rest = x.dim(0) % part.images;
  return onednn::guarded([&] {
    add_chunks(context, part, dweight, dy, x, 0, whole);
    if (rest == 0) return;
    part.images = rest;
    add_chunks(context, part, dweight, dy, x, x.dim(0) - rest, 1);
  });
}

}  // namespace transfusion::cpu
