#include "check/gpu.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <future>
#include <thread>

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

double element(const HostBuffer& values, DType dtype, size_t i) {
  const void* data = values.data.get();
  if (dtype == DType::bf16) return of_bf16(static_cast<const uint16_t*>(data)[i]);
  return dtype == DType::f32 ? static_cast<const f32*>(data)[i] : static_cast<const i32*>(data)[i];
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

void in_parallel(i64 count, const std::function<void(i64)>& body) {
  std::atomic<i64> next = 0;
  std::vector<std::jthread> threads;
  for (i64 t = std::min<i64>(count, std::thread::hardware_concurrency()); t > 0; --t)
    threads.emplace_back([&] {
      for (i64 i; (i = next++) < count;) body(i);
    });
}

const char* kernel_name(const KernelTable& table, const void* kernel) {
#define K(name, arguments) \
  if (reinterpret_cast<const void*>(table.name) == kernel) return #name;
  KERNELS(K)
#undef K
  throw std::logic_error("no kernel of the table");
}

std::vector<std::string> kernel_names() {
#define K(name, arguments) #name,
  return {KERNELS(K)};
#undef K
}

TensorView rows_of(const TensorView& view, i64 first, i64 count) {
  TensorView part = view;
  const size_t row = view.bytes() / static_cast<size_t>(view.shape[0]);
  part.data = static_cast<char*>(view.data) + static_cast<size_t>(first) * row;
  part.shape[0] = count;
  return part;
}

Gpu::Gpu(const CudaLibrary& library, int ordinal) : library_(library), device_(open(library, ordinal)) {}

Device* Gpu::open(const CudaLibrary& library, int ordinal) {
  size_t memory_limit = 0;
  return library.open_device(ordinal, memory_limit).release();
}

double Gpu::run(const std::function<Status()>& command) { return run_many(1, command); }

double Gpu::run_many(int count, const std::function<Status()>& command) {
  std::promise<Outcome> first, last;
  Status status;
  for (int i = 0; i < count; ++i) {
    if (i == 0 || i == count - 1) device_->start_timing();
    const Status launched = command();
    if (launched.failed) status = launched;
    device_->end(
        [&, i](const Outcome& outcome) {
          if (i == 0) first.set_value(outcome);
          if (i == count - 1) last.set_value(outcome);
        },
        i == count - 1);
  }
  const Outcome begun = first.get_future().get(), outcome = last.get_future().get();
  if (outcome.device_ended) throw DeviceEnded(outcome.status.message);
  if (status.failed) throw std::runtime_error(status.message);
  if (outcome.status.failed) throw std::runtime_error(outcome.status.message);
  return std::chrono::duration<double, std::milli>(outcome.end - begun.start).count() / count;
}

Run::Run(Gpu& gpu, std::string name, Settings settings) : gpu_(gpu), settings_(settings) {
  result_.name = std::move(name);
}

Run::~Run() {
  use(nullptr);
  for (const auto& [data, bytes] : allocated_) gpu_.device().free(data, bytes);
}

void Run::call_twice(const std::vector<Written>& written, const Command& command) {
  std::vector<HostBuffer> before, after;
  for (const Written& tensor : written)
    before.push_back(tensor.kept ? read_bytes(tensor.view)
                                 : gpu_.device().allocate_host(tensor.view.bytes()));
  gpu_.run(command);
  for (size_t i = 0; i < written.size(); ++i) {
    const Written& tensor = written[i];
    after.push_back(read_bytes(tensor.view));
    if (!tensor.kept) std::memset(before[i].data.get(), 0xff, before[i].bytes);  // NaN, and -1
    gpu_.device().upload(tensor.view.data, before[i]);
  }
  result_.milliseconds = gpu_.run(command);
  for (size_t i = 0; i < written.size(); ++i)
    if (std::memcmp(read_bytes(written[i].view).data.get(), after[i].data.get(), after[i].bytes) != 0)
      throw std::runtime_error("a second call gave other bits in its output " + std::to_string(i));
}

const std::vector<ProductTime>& Run::measure_ways(const ProductShape& shape, int samples) {
  result_.ways = gpu_.device().measure_product(shape, samples);
  if (result_.ways.empty()) throw std::runtime_error("the product has no way");
  result_.milliseconds = result_.best_milliseconds = result_.ways[0].milliseconds;
  for (const ProductTime& time : result_.ways)
    result_.best_milliseconds = std::min(result_.best_milliseconds, time.milliseconds);
  result_.work.flops =
      2. * static_cast<double>(shape.batch * shape.m) * static_cast<double>(shape.n * shape.k);
  return result_.ways;
}

void Run::time(const Work& work, const Command& command) {
  constexpr int kGroups = 9;
  constexpr double kMilliseconds = 400;
  const int groups = settings_.quick ? 1 : kGroups;
  double once = gpu_.run(command);
  if (!settings_.quick) once = gpu_.run_many(3, command);
  const int count =
      settings_.quick
          ? 1
          : static_cast<int>(std::clamp(kMilliseconds / kGroups / std::max(once, 1e-3), 1., 1000.));
  std::vector<double> times;
  for (int group = 0; group < groups; ++group) times.push_back(gpu_.run_many(count, command));
  std::sort(times.begin(), times.end());
  result_.milliseconds = times[times.size() / 2];
  result_.best_milliseconds = times[0];
  result_.work = work;
}

void Run::fail_with(const std::string& message, const Command& command) {
  std::string received = "no failure";
  try {
    gpu_.run(command);
  } catch (const DeviceEnded&) {
    throw;
  } catch (const std::exception& error) {
    received = error.what();
  }
  if (received != message) throw std::runtime_error("failed with '" + received + "', not '" + message + "'");
  const Out y = out({5}, DType::f32);
  gpu_.run([&] { return kernels().fill(gpu_.device().context(), y, 0.5f); });
  expect(y, std::vector<double>(5, 0.5), Tolerance::exact);
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

Out Run::noise(const Shape& shape, DType dtype, f32 scale) {
  const Out y = out(shape, dtype);
  Values rows = zeros({2}, DType::i32);
  rows[1] = static_cast<double>(y.rows());
  const In image_rows = in(rows), seeds = in(random_integers({1, 4}, 0, 1 << 30));
  gpu_.run([&] { return kernels().normal(gpu_.device().context(), y, image_rows, seeds, scale); });
  return y;
}

HostBuffer Run::read_bytes(const TensorView& view) {
  const HostBuffer buffer = gpu_.device().allocate_host(view.bytes());
  gpu_.run([&] {
    gpu_.device().read(buffer, view.data);
    return ok();
  });
  return buffer;
}

Values Run::read(const TensorView& view) {
  const HostBuffer buffer = read_bytes(view);
  Values values = zeros(Shape(view.shape, view.shape + view.rank), view.dtype);
  for (size_t i = 0; i < values.data.size(); ++i) values.data[i] = element(buffer, view.dtype, i);
  return values;
}

void Run::expect(const TensorView& view, const std::vector<double>& reference, Tolerance tolerance) {
  if (static_cast<size_t>(view.elements()) != reference.size())
    throw std::runtime_error("the reference has another size");
  std::vector<i64> places(reference.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<i64>(i);
  expect_some(view, places, reference, tolerance);
}

void Run::expect_some(const TensorView& view, const std::vector<i64>& places,
                      const std::vector<double>& reference, Tolerance tolerance) {
  const HostBuffer values = read_bytes(view);
  double error = 0, largest = 0, rounding = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    const double expected = reference[i];
    const double difference =
        std::abs(element(values, view.dtype, static_cast<size_t>(places[i])) - expected);
    // Not std::max, which would forget a NaN.
    error = difference <= error ? error : std::isnan(difference) ? INFINITY : difference;
    largest = std::max(largest, std::abs(expected));
    rounding = std::max(rounding, std::abs(round_to(view.dtype, expected) - expected));
  }
  const double share = tolerance == Tolerance::exact ? 0 : tolerance == Tolerance::elementwise ? 1e-6 : 1e-5;
  const double allowed = share * largest + (view.dtype == DType::bf16 ? 2 * rounding : 0);
  // Of several tensors the one that is nearest to its limit, or furthest beyond it.
  const double used = error == 0 ? 0 : error / allowed;
  if (used < used_) return;
  used_ = used;
  result_.error = error;
  result_.allowed = allowed;
}

}  // namespace transfusion::check
