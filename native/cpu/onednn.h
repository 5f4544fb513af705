// All that differs between oneDNN 2.6 and 3.x, and what every user of it shares: one engine, one stream.
#pragma once

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

inline dnnl::memory::data_type data_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return dnnl::memory::data_type::f32;
    case DType::bf16:
      return dnnl::memory::data_type::bf16;
    case DType::i32:
      return dnnl::memory::data_type::s32;
  }
  return dnnl::memory::data_type::undef;
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
