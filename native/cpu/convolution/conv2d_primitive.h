// oneDNN's convolutions, each on one thread, made once for each shape.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <compare>

#include "cpu/runtime/lru_cache.h"
#include "cpu/runtime/onednn.h"
#include "cpu/runtime/packed_cache.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/processor.h"

namespace transfusion::cpu::conv2d_primitive {

inline constexpr size_t kCachedPrimitives = 512;
inline constexpr size_t kPackedBytes = size_t{1} << 30;

enum class Pass { forward, backward_input, backward_weight };

// One oneDNN primitive: of `images` images at once.
struct Convolution {
  Pass pass;
  i64 images, height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width;
  i64 stride, padding, groups;
  DType dtype;
  bool has_bias, has_residual;
  int threads;  // that pack weights

  // Zeros that the windows see after the image, along one axis.
  i64 padding_after(i64 size, i64 window, i64 places) const {
    return std::max<i64>(0, (places - 1) * stride + window - padding - size);
  }
  auto operator<=>(const Convolution&) const = default;
};

struct Executable {
  dnnl::primitive primitive;
  dnnl::memory::desc x, weight, packed, bias, y, scratch;

  explicit Executable(const Convolution& c) {
    const onednn::OneThread one;
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

    const onednn::Window window{{c.stride, c.stride},
                                {c.padding, c.padding},
                                {c.padding_after(c.height, c.kernel_height, c.out_height),
                                 c.padding_after(c.width, c.kernel_width, c.out_width)}};
    const auto attributes = onednn::attributes(c.has_residual);  // y holds the residual
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
inline const Executable& executable(const Convolution& convolution) {
  // Kernels run on the stream's thread alone.
  static auto& cache = *new LruCache<Convolution, Executable>(kCachedPrimitives);
  return cache.get(convolution, [](const Convolution& c) { return Executable(c); });
}

using Arguments = std::unordered_map<int, dnnl::memory>;

inline dnnl::memory at(const dnnl::memory::desc& desc, void* data) {
  return dnnl::memory(desc, onednn::engine(), data);
}

// Copies weights from one format to another, with all threads.
inline void reorder(const dnnl::memory::desc& from, void* source, const dnnl::memory::desc& to,
                    void* target) {
  dnnl::memory in = at(from, source), out = at(to, target);
  dnnl::reorder(in, out).execute(onednn::stream(), in, out);
  onednn::stream().wait();
}

// The weights in the format that the convolution's primitive prefers.
inline void* packed_weights(Context& context, const Convolution& convolution, const Executable& executable,
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
    const onednn::OneThread one;
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

}  // namespace transfusion::cpu::conv2d_primitive
