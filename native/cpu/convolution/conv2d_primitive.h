// oneDNN's convolutions: each strip of an image on one thread, by primitives made once for each shape.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>

#include "cpu/convolution/conv2d_strips.h"
#include "cpu/runtime/lru_cache.h"
#include "cpu/runtime/onednn.h"
#include "cpu/runtime/packed_cache.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/processor.h"

namespace transfusion::cpu::conv2d_primitive {

inline constexpr size_t kCachedPlans = 512;
inline constexpr size_t kPackedBytes = size_t{1} << 30;

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

    const onednn::Window window{
        {c.stride, c.stride}, {c.padding_top, c.padding_left}, {c.padding_bottom(), c.padding_right()}};
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

// A convolution's strips and what computes each of them, with weights in one format.
class Plan {
 public:
  explicit Plan(const Convolution& whole) : Plan(strips_of(whole)) {
    const auto differs = [&](const Executable& other) { return other.packed != of_any().packed; };
    if (std::any_of(executables_.begin(), executables_.end(), differs)) *this = Plan({{0, 0, whole}});
  }
  i64 strips() const { return static_cast<i64>(strips_.size()); }
  const Strip& strip(i64 i) const { return strips_[static_cast<size_t>(i)]; }
  const Executable& executable(i64 i) const { return executables_[indices_[static_cast<size_t>(i)]]; }
  // What all strips share: the formats of weights and bias.
  const Executable& of_any() const { return executables_.front(); }
  // Of one thread, in whole cache lines.
  i64 scratch_bytes() const {
    size_t most = 0;
    for (const Executable& executable : executables_) most = std::max(most, executable.scratch.get_size());
    return round_up(static_cast<i64>(most), 64);
  }

 private:
  explicit Plan(std::vector<Strip> strips) : strips_(std::move(strips)) {
    std::vector<Convolution> made;
    for (const Strip& strip : strips_) {
      const auto found = std::find(made.begin(), made.end(), strip.convolution);
      indices_.push_back(static_cast<size_t>(found - made.begin()));
      if (found != made.end()) continue;
      made.push_back(strip.convolution);
      executables_.emplace_back(strip.convolution);
    }
  }

  std::vector<Strip> strips_;
  std::vector<Executable> executables_;  // the first and the last strip have padding that others do not have
  std::vector<size_t> indices_;          // by strip
};

// Valid until the next call.
inline const Plan& plan_of(const Convolution& convolution) {
  // Kernels run on the stream's thread alone.
  static auto& cache = *new LruCache<Convolution, Plan>(kCachedPlans);
  return cache.get(convolution, [](const Convolution& c) { return Plan(c); });
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

// The weights in the format that the convolution's primitives prefer, for so many images.
inline void* packed_weights(Context& context, const Convolution& convolution, const Executable& executable,
                            const In& weight, i64 images) {
  if (executable.packed == executable.weight) return weight.data;
  static auto& cache = *new PackedCache<Convolution>(kCachedPlans, kPackedBytes);
  const i64 rows = images * convolution.out_height * convolution.out_width;
  return cache.get(context, convolution, weight, rows, executable.packed.get_size(),
                   [&](void* packed) { reorder(executable.weight, weight.data, executable.packed, packed); });
}

// Runs every strip of `count` images (or chunks of them), each on one thread; arguments(i, s, strip,
// executable) are those of the s-th strip of the i-th, without scratch.
template <class ArgumentsOf>
void run_each(Context& context, const Plan& plan, i64 count, const ArgumentsOf& arguments) {
  const i64 bytes = plan.scratch_bytes();
  char* scratch = context.scratch<char>(bytes * omp_get_max_threads());
  std::atomic<bool> failed = false;
  Status status;
  parallel_for(count * plan.strips(), 1, [&](i64 begin, i64 end) {
    const onednn::OneThread one;
    const Status chunk_status = onednn::guarded([&] {
      dnnl::stream stream(onednn::engine());
      for (i64 i = begin; i < end; ++i) {
        const i64 s = i % plan.strips();
        const Executable& executable = plan.executable(s);
        Arguments given = arguments(i / plan.strips(), s, plan.strip(s), executable);
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
