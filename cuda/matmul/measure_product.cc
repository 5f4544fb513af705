// The tuner's measurements: each way of a product on matrices of random numbers.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "host/cuda_device.h"
#include "matmul/cublaslt_product.h"
#include "matmul/product_ways.h"

namespace transfusion::cuda {
namespace {

// Of cuBLASLt's proposals.
constexpr int kMostLibraryWays = 4;
// A sample is of as many products as take this long, at most kMostRuns.
constexpr double kSampleMilliseconds = 1;
constexpr int kMostRuns = 20;

// Memory of a device, for one measurement.
class Matrix {
 public:
  Matrix(Device& device, i64 elements, DType dtype, std::vector<HostBuffer>& staging)
      : device_(device), bytes_(static_cast<size_t>(elements) * dtype_size(dtype)) {
    data_ = device.allocate(std::max<size_t>(bytes_, 1));
    if (!data_)
      throw std::runtime_error("no memory is left for " + std::to_string(bytes_) + " bytes of a matrix");
    fill(dtype, staging);
  }
  ~Matrix() { device_.free(data_, bytes_); }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;

  void* data() const { return data_; }

 private:
  // Random: a GPU computes with zeros faster, as it takes less power. The same piece over and over.
  void fill(DType dtype, std::vector<HostBuffer>& staging) {
    const size_t piece = std::min(bytes_, size_t{1} << 20);
    const HostBuffer values = device_.allocate_host(piece);
    std::mt19937 engine(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (size_t i = 0; i < piece / dtype_size(dtype); ++i) {
      const float value = uniform(engine);
      uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof bits);
      if (dtype == DType::bf16)
        static_cast<uint16_t*>(values.data.get())[i] = static_cast<uint16_t>(bits >> 16);
      else
        static_cast<float*>(values.data.get())[i] = value;
    }
    for (size_t at = 0; at < bytes_; at += piece)
      device_.upload(static_cast<char*>(data_) + at, {values.data, std::min(piece, bytes_ - at)});
    staging.push_back(values);
  }

  Device& device_;
  const size_t bytes_;
  void* data_ = nullptr;
};

// The ways of a product in which it is computed rightly.
std::vector<ProductWay> ways_of(Context& context, const DenseProduct& product) {
  std::vector<ProductWay> ways;
  for (const auto kind : {ProductWay::small, ProductWay::medium, ProductWay::large}) {
    ProductWay way;
    way.kind = kind;
    if (tile_of(context, product, way, 1)) ways.push_back(way);
  }
  const auto library = library_ways(context, product, kMostLibraryWays);
  ways.insert(ways.end(), library.begin(), library.end());
  return ways;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The context's choices, of which a command has none while it measures.
class ChoicesOf {
 public:
  ChoicesOf(Context& context, ProductChoices& choices) : context_(context) { context.products = &choices; }
  ~ChoicesOf() { context_.products = nullptr; }
  ChoicesOf(const ChoicesOf&) = delete;
  ChoicesOf& operator=(const ChoicesOf&) = delete;

 private:
  Context& context_;
};

// Of one way, per product.
double time_of(Context& context, const DenseProduct& product, const ProductShape& shape,
               const ProductWay& way, int runs) {
  ProductChoices choices;
  choices.set(shape, way, true);
  const ChoicesOf set(context, choices);
  const double milliseconds = CudaDevice::of(context).time([&] {
    Status status;
    for (int run = 0; run < runs && !status.failed; ++run) status = launch_product(context, product);
    return status;
  });
  return milliseconds / runs;
}

}  // namespace

std::vector<ProductTime> measure_product(Context& context, const ProductShape& shape, int samples) {
  CudaDevice& device = CudaDevice::of(context);
  std::vector<HostBuffer> staging;
  const Matrix a(device, shape.batch * shape.m * shape.k + 1, shape.dtype, staging);
  const Matrix b(device, shape.batch * shape.k * shape.n, shape.dtype, staging);
  const Matrix y(device, shape.batch * shape.m * shape.n, shape.y_dtype, staging);
  const Matrix bias(device, shape.n, shape.y_dtype, staging);

  DenseProduct product{shape.dtype, a.data(), b.data(),          shape.batch,       shape.m,
                       shape.n,     shape.k,  shape.transpose_a, shape.transpose_b, {}};
  if (!shape.aligned && product.is_aligned())
    product.a = static_cast<const char*>(a.data()) + dtype_size(shape.dtype);
  product.output = dense_output(y.data(), shape.y_dtype, shape.m, shape.n);
  if (shape.accumulate) product.output.addend = y.data();
  if (shape.bias) add_bias(product.output, bias.data(), shape.y_dtype, shape.m, shape.n);

  const std::vector<ProductWay> ways = ways_of(context, product);
  std::vector<int> runs;
  std::vector<std::vector<double>> times(ways.size());
  for (const ProductWay& way : ways) {
    time_of(context, product, shape, way, 1);  // loads the kernel
    const double once = time_of(context, product, shape, way, 1);
    runs.push_back(static_cast<int>(
        std::clamp(std::ceil(kSampleMilliseconds / std::max(once, 1e-6)), 1.0, double{kMostRuns})));
  }
  // In turns: clocks of a GPU change as it warms up.
  for (int sample = 0; sample < samples; ++sample)
    for (size_t i = 0; i < ways.size(); ++i)
      times[i].push_back(time_of(context, product, shape, ways[i], runs[i]));
  std::vector<ProductTime> result;
  for (size_t i = 0; i < ways.size(); ++i) result.push_back({ways[i], median(times[i])});
  return result;
}

}  // namespace transfusion::cuda
