#include "check/gpu.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <future>
#include <stdexcept>

namespace transfusion::check {
namespace {

uint16_t bits_of_bf16(double value) {
  const auto single = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &single, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double of_bf16(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

i64 elements_of(const Shape& shape) {
  i64 count = 1;
  for (const i64 size : shape) count *= size;
  return count;
}

double round_to(DType dtype, double value) {
  if (dtype == DType::f32) return static_cast<float>(value);
  return dtype == DType::bf16 ? of_bf16(bits_of_bf16(value)) : value;
}

Gpu::Gpu(const CudaLibrary& library, int ordinal) : library_(library), device_(open(library, ordinal)) {}

Device* Gpu::open(const CudaLibrary& library, int ordinal) {
  size_t memory_limit = 0;
  return library.open_device(ordinal, memory_limit).release();
}

double Gpu::finish() {
  std::promise<Outcome> done;
  device_->end([&](const Outcome& outcome) { done.set_value(outcome); });
  const Outcome outcome = done.get_future().get();
  if (outcome.status.failed) throw std::runtime_error(outcome.status.message);
  return std::chrono::duration<double, std::milli>(outcome.end - outcome.start).count();
}

Run::Run(Gpu& gpu, std::string name) : gpu_(gpu) { result_.name = std::move(name); }

Run::~Run() {
  for (const auto& [data, bytes] : allocated_) gpu_.device().free(data, bytes);
}

Values Run::random(Shape shape, DType dtype, double scale) {
  Values values = zeros(std::move(shape), dtype);
  std::uniform_real_distribution<double> uniform(-scale, scale);
  for (double& value : values.data) value = round_to(dtype, uniform(engine_));
  return values;
}

Values Run::random_integers(Shape shape, i64 low, i64 high) {
  Values values = zeros(std::move(shape), DType::i32);
  std::uniform_int_distribution<i64> uniform(low, high);
  for (double& value : values.data) value = static_cast<double>(uniform(engine_));
  return values;
}

Values Run::zeros(Shape shape, DType dtype) {
  const auto count = static_cast<size_t>(elements_of(shape));
  return {std::move(shape), dtype, std::vector<double>(count)};
}

void* Run::allocate(size_t bytes) {
  void* data = gpu_.device().allocate(bytes);
  if (!data) throw std::runtime_error("no memory is left on the GPU");
  allocated_.emplace_back(data, bytes);
  return data;
}

TensorView Run::place(const Shape& shape, DType dtype) {
  TensorView view;
  view.dtype = dtype;
  view.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), view.shape);
  view.data = allocate(std::max<size_t>(view.bytes(), 1));
  return view;
}

Out Run::out(const Shape& shape, DType dtype) {
  Out view;
  static_cast<TensorView&>(view) = place(shape, dtype);
  return view;
}

void Run::upload(void* target, const Values& values) {
  const HostBuffer buffer = gpu_.device().allocate_host(values.data.size() * dtype_size(values.dtype));
  for (size_t i = 0; i < values.data.size(); ++i) {
    const double value = values.data[i];
    if (values.dtype == DType::bf16)
      static_cast<uint16_t*>(buffer.data.get())[i] = bits_of_bf16(value);
    else if (values.dtype == DType::f32)
      static_cast<f32*>(buffer.data.get())[i] = static_cast<f32>(value);
    else
      static_cast<i32*>(buffer.data.get())[i] = static_cast<i32>(value);
  }
  gpu_.device().upload(target, buffer);
  uploaded_.push_back(buffer);
}

Values Run::read(const TensorView& view) {
  const HostBuffer buffer = gpu_.device().allocate_host(view.bytes());
  gpu_.start();
  gpu_.device().read(buffer, view.data);
  gpu_.finish();
  Values values = zeros(Shape(view.shape, view.shape + view.rank), view.dtype);
  for (size_t i = 0; i < values.data.size(); ++i) {
    if (view.dtype == DType::bf16)
      values.data[i] = of_bf16(static_cast<const uint16_t*>(buffer.data.get())[i]);
    else if (view.dtype == DType::f32)
      values.data[i] = static_cast<const f32*>(buffer.data.get())[i];
    else
      values.data[i] = static_cast<const i32*>(buffer.data.get())[i];
  }
  return values;
}

void Run::expect(const TensorView& view, const std::vector<double>& reference, Tolerance tolerance) {
  const Values values = read(view);
  if (values.data.size() != reference.size()) throw std::runtime_error("the reference has another size");
  double error = 0, largest = 0, rounding = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double difference = std::abs(values.data[i] - reference[i]);
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
    largest = std::max(largest, std::abs(reference[i]));
    rounding = std::max(rounding, std::abs(round_to(view.dtype, reference[i]) - reference[i]));
  }
  const double share = tolerance == Tolerance::exact ? 0 : tolerance == Tolerance::elementwise ? 1e-6 : 1e-5;
  const double allowed = share * largest + (view.dtype == DType::bf16 ? 2 * rounding : 0);
  // Of several tensors the one that is nearest to its limit, or furthest beyond it.
  const auto use = [](double error, double allowed) { return error == 0 ? 0 : error / allowed; };
  if (result_.allowed == 0 || use(error, allowed) >= use(result_.error, result_.allowed)) {
    result_.error = error;
    result_.allowed = allowed;
  }
}

}  // namespace transfusion::check
