// What the cases of check_gpu are written with: tensors with their values on the host, kernels called on a
// GPU one after the other, results compared with float64 references.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cuda_library.h"

namespace transfusion::check {

using Shape = std::vector<i64>;

i64 elements_of(const Shape& shape);

// Values as the type of the elements holds them.
struct Values {
  Shape shape;
  DType dtype = DType::f32;
  std::vector<double> data;

  double operator[](i64 i) const { return data[static_cast<size_t>(i)]; }
  double& operator[](i64 i) { return data[static_cast<size_t>(i)]; }
};

double round_to(DType dtype, double value);

// How far results may be from the reference: see test/tolerances.ts.
enum class Tolerance { exact, elementwise, reduction };

struct Result {
  std::string name;
  double error = 0, allowed = 0;  // of the tensor in which they are nearest
  double milliseconds = 0;        // on the GPU
  std::string failure;            // why it could not be compared
  bool holds() const { return failure.empty() && error <= allowed; }
};

// A GPU that is ready for work.
class Gpu {
 public:
  Gpu(const CudaLibrary& library, int ordinal);

  const KernelTable& kernels() const { return *library_.kernels; }
  Device& device() { return *device_; }
  // Waits for what was given, and throws what it found wrong. Milliseconds since start().
  void start() { device_->start_timing(); }
  double finish();

 private:
  static Device* open(const CudaLibrary& library, int ordinal);

  const CudaLibrary& library_;
  Device* const device_;  // as everywhere, until the process ends
};

// One case while it runs.
class Run {
 public:
  Run(Gpu& gpu, std::string name);
  ~Run();

  // Uniform in -scale .. scale.
  Values random(Shape shape, DType dtype, double scale = 1);
  // Integers low .. high.
  Values random_integers(Shape shape, i64 low, i64 high);
  static Values zeros(Shape shape, DType dtype = DType::f32);

  In in(const Values& values) { return view<In>(values); }
  InOptional in_optional(const Values& values) { return view<InOptional>(values); }
  InOut in_out(const Values& values) { return view<InOut>(values); }
  Acc acc(const Values& values) { return view<Acc>(values); }
  State state(const Values& values) { return view<State>(values); }
  Out out(const Shape& shape, DType dtype);

  template <class Kernel, class... Arguments>
  void call(Kernel kernel, const Arguments&... arguments) {
    gpu_.start();
    const Status status = kernel(gpu_.device().context(), arguments...);
    result_.milliseconds += gpu_.finish();
    if (status.failed) throw std::runtime_error(status.message);
  }
  const KernelTable& kernels() const { return gpu_.kernels(); }

  Values read(const TensorView& view);
  // `reference`: unrounded.
  void expect(const TensorView& view, const std::vector<double>& reference, Tolerance tolerance);

  Result& result() { return result_; }

 private:
  void* allocate(size_t bytes);
  void upload(void* target, const Values& values);
  template <class View>
  View view(const Values& values) {
    View view;
    static_cast<TensorView&>(view) = place(values.shape, values.dtype);
    upload(view.data, values);
    return view;
  }
  TensorView place(const Shape& shape, DType dtype);

  Gpu& gpu_;
  Result result_;
  std::mt19937_64 engine_{1};
  std::vector<std::pair<void*, size_t>> allocated_;
  std::vector<HostBuffer> uploaded_;  // what the GPU copies later
};

struct Case {
  std::string name;
  std::function<void(Run&)> run;
};

// One file each.
void add_elementwise_cases(std::vector<Case>& cases);
void add_matmul_cases(std::vector<Case>& cases);
void add_norm_cases(std::vector<Case>& cases);
void add_attention_cases(std::vector<Case>& cases);
void add_loss_cases(std::vector<Case>& cases);
void add_convolution_cases(std::vector<Case>& cases);
void add_row_cases(std::vector<Case>& cases);
void add_optimizer_cases(std::vector<Case>& cases);

inline const char* name_of(DType dtype) { return dtype == DType::bf16 ? "bf16" : "f32"; }

}  // namespace transfusion::check
