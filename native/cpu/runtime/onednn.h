// All that differs between oneDNN 2.6 and 3.x, and what every user of it shares: one engine, one stream.
#pragma once

#include <omp.h>

#include <exception>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernel_types.h"

namespace transfusion::cpu::onednn {

// Left undestroyed on purpose: at exit a kernel may still run.
inline const dnnl::engine& engine() {
  static const auto& engine = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
inline dnnl::stream& stream() {
  static auto& stream = *new dnnl::stream(engine());
  return stream;
}

// Whether the CPU has these instructions and no limit forbids them to oneDNN.
inline bool may_use(dnnl::cpu_isa isa) {
  const auto wanted = static_cast<unsigned>(isa);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

// While one lives, oneDNN, which asks OpenMP for the number of threads when it makes a primitive and when it
// runs one, uses a single thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// c = a b of row-major f32 matrices, or += where `add`. Returns whether oneDNN could compute it. It runs on
// one thread in the scope of a OneThread.
inline bool multiply(bool transpose_a, bool transpose_b, i64 m, i64 n, i64 k, const float* a, i64 lda,
                     const float* b, i64 ldb, bool add, float* c, i64 ldc) {
  return dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb,
                    add ? 1.0f : 0.0f, c, ldc) == dnnl_success;
}
inline Status status_of_products(bool failed) {
  return failed ? fail("oneDNN could not compute a product of f32 matrices") : ok();
}

// Attributes of a primitive whose scratch we give it, and which adds to its result where `adds`. (A binary
// post-op would add the wrong elements in oneDNN 2.6's convolutions for AVX2 and before.)
inline dnnl::primitive_attr attributes(bool adds) {
  dnnl::primitive_attr result;
  result.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (adds) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    result.set_post_ops(sum);
  }
  return result;
}

inline dnnl::memory::data_type data_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return dnnl::memory::data_type::f32;
    case DType::bf16:
      return dnnl::memory::data_type::bf16;
    case DType::i32:
      return dnnl::memory::data_type::s32;
    default:
      return dnnl::memory::data_type::undef;  // no kernel gives it block dtypes
  }
}

// dst = src weights + bias; an empty bias descriptor means none.
inline dnnl::matmul::primitive_desc matmul_primitive_desc(const dnnl::memory::desc& src,
                                                          const dnnl::memory::desc& weights,
                                                          const dnnl::memory::desc& bias,
                                                          const dnnl::memory::desc& dst,
                                                          const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), src, weights, bias, dst, attributes};
#else
  return {dnnl::matmul::desc(src, weights, bias, dst), attributes, engine()};
#endif
}

// A convolution's two-dimensional window.
struct Window {
  dnnl::memory::dims strides, padding_before, padding_after;
};

inline constexpr auto kDirect = dnnl::algorithm::convolution_direct;

// dst = src * weights + bias; an empty bias descriptor means none.
inline dnnl::convolution_forward::primitive_desc convolution_primitive_desc(
    const dnnl::memory::desc& src, const dnnl::memory::desc& weights, const dnnl::memory::desc& bias,
    const dnnl::memory::desc& dst, const Window& w, const dnnl::primitive_attr& attributes) {
  const auto kind = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),        kind,      kDirect, src, weights, bias, dst, w.strides, w.padding_before,
          w.padding_after, attributes};
#else
  return {{kind, kDirect, src, weights, bias, dst, w.strides, w.padding_before, w.padding_after},
          attributes,
          engine()};
#endif
}

inline dnnl::convolution_backward_data::primitive_desc convolution_backward_data_primitive_desc(
    const dnnl::memory::desc& src, const dnnl::memory::desc& weights, const dnnl::memory::desc& dst,
    const Window& w, const dnnl::primitive_attr& attributes) {
  const auto forward = convolution_primitive_desc(src, weights, {}, dst, w, attributes);
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),         kDirect,         src,     weights,   dst, w.strides,
          w.padding_before, w.padding_after, forward, attributes};
#else
  return {{kDirect, src, weights, dst, w.strides, w.padding_before, w.padding_after},
          attributes,
          engine(),
          forward};
#endif
}

// The gradient's dtype is that of `weights`; the forward pass has the activations' dtype throughout.
inline dnnl::convolution_backward_weights::primitive_desc convolution_backward_weights_primitive_desc(
    const dnnl::memory::desc& src, const dnnl::memory::desc& weights, const dnnl::memory::desc& dst,
    const Window& w, const dnnl::primitive_attr& attributes, const dnnl::memory::desc& forward_weights) {
  const auto forward = convolution_primitive_desc(src, forward_weights, {}, dst, w, attributes);
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),         kDirect,         src,     weights,   dst, w.strides,
          w.padding_before, w.padding_after, forward, attributes};
#else
  return {{kDirect, src, weights, dst, w.strides, w.padding_before, w.padding_after},
          attributes,
          engine(),
          forward};
#endif
}

// Runs body() and turns oneDNN's exceptions, which must not cross the kernel table, into a status.
template <class Body>
Status guarded(const Body& body) {
  try {
    body();
    return ok();
  } catch (const std::exception& error) {
    return fail("oneDNN: %s", error.what());
  }
}

}  // namespace transfusion::cpu::onednn
