// What the cases of check_gpu are written with: tensors with their values on the host, kernels called on a
// GPU one after the other, results compared with float64 references, and times.
#pragma once

#include <functional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda_library.h"
#include "product_choices.h"

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

// Calls body(i) for 0 .. count - 1 on all of the machine's processors: references of large tensors.
void in_parallel(i64 count, const std::function<void(i64)>& body);

// The name of a kernel of the table.
const char* kernel_name(const KernelTable& table, const void* kernel);
std::vector<std::string> kernel_names();

// How far results may be from the reference: see test/tolerances.ts.
enum class Tolerance { exact, elementwise, reduction };

// What a call costs at least, for what it is measured against.
struct Work {
  double flops = 0, bytes = 0;
};

struct Result {
  std::string name;
  double error = 0, allowed = 0;  // of the tensor in which they are nearest
  double milliseconds = 0;        // of a call on the GPU: of the last run, or the median where it is measured
  double best_milliseconds = 0;   // where it is measured
  Work work;                      // likewise
  std::vector<ProductTime> ways;  // of a product, where they are measured
  std::set<std::string> kernels;  // that were called
  std::string failure;            // why it could not be compared
  bool device_ended = false;
  bool holds() const { return failure.empty() && error <= allowed; }
};

// The GPU does no more work in this process.
struct DeviceEnded : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A GPU that is ready for work.
class Gpu {
 public:
  Gpu(const CudaLibrary& library, int ordinal);

  const KernelTable& kernels() const { return *library_.kernels; }
  Device& device() { return *device_; }
  // Gives one command, waits for it, and throws what it found wrong. Milliseconds on the GPU.
  double run(const std::function<Status()>& command);
  // The same of `count` commands, one behind the other: milliseconds of one.
  double run_many(int count, const std::function<Status()>& command);

 private:
  static Device* open(const CudaLibrary& library, int ordinal);

  const CudaLibrary& library_;
  Device* const device_;  // as everywhere, until the process ends
};

// What of a case's size a machine can bear. `small`: also an interpreter of PTX; `real`: as models have them;
// `huge`: beyond 2^31 bytes.
enum class Size { small, real, huge };

// How a case is run.
struct Settings {
  bool quick = false;  // measures once
};

// One case while it runs.
class Run {
 public:
  Run(Gpu& gpu, std::string name, Settings settings);
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
  StateOut state_out(const Values& values) { return view<StateOut>(values); }
  Out out(const Shape& shape, DType dtype);
  // Normals times `scale` that are drawn on the GPU, [rows, C]: where size matters and values do not.
  Out noise(const Shape& shape, DType dtype, f32 scale = 1);

  // Calls a kernel twice with the same arguments, results being poisoned in between: they are to have the
  // same bits. For cases that are not huge.
  template <class Kernel, class... Arguments>
  void call(Kernel kernel, const Arguments&... arguments) {
    std::vector<Written> written;
    (collect(written, arguments), ...);
    note(reinterpret_cast<const void*>(kernel));
    call_twice(written, [&] { return kernel(gpu_.device().context(), arguments...); });
  }
  template <class Kernel, class... Arguments>
  void call_once(Kernel kernel, const Arguments&... arguments) {
    note(reinterpret_cast<const void*>(kernel));
    result_.milliseconds = gpu_.run([&] { return kernel(gpu_.device().context(), arguments...); });
  }
  // Times calls for about half a second.
  template <class Kernel, class... Arguments>
  void measure(const Work& work, Kernel kernel, const Arguments&... arguments) {
    note(reinterpret_cast<const void*>(kernel));
    time(work, [&] { return kernel(gpu_.device().context(), arguments...); });
  }
  // The call is to fail with this message, and the next one to work.
  template <class Kernel, class... Arguments>
  void expect_failure(const std::string& message, Kernel kernel, const Arguments&... arguments) {
    note(reinterpret_cast<const void*>(kernel));
    fail_with(message, [&] { return kernel(gpu_.device().context(), arguments...); });
  }
  const KernelTable& kernels() const { return gpu_.kernels(); }
  // The choices of products of the calls from here on; null: the fixed rule.
  void use(ProductChoices* choices) { gpu_.device().context().products = choices; }
  // The ways of a product, measured as the tuner does.
  const std::vector<ProductTime>& measure_ways(const ProductShape& shape, int samples);

  Values read(const TensorView& view);
  // `reference`: unrounded.
  void expect(const TensorView& view, const std::vector<double>& reference, Tolerance tolerance);
  // Of some elements alone: reference[i] is that of element places[i].
  void expect_some(const TensorView& view, const std::vector<i64>& places,
                   const std::vector<double>& reference, Tolerance tolerance);

  Result& result() { return result_; }

 private:
  // A tensor that a call writes; `kept`: what is there before counts.
  struct Written {
    TensorView view;
    bool kept;
  };
  using Command = std::function<Status()>;

  static void collect(std::vector<Written>& written, const Out& view) { written.push_back({view, false}); }
  static void collect(std::vector<Written>& written, const OutAny& view) { written.push_back({view, false}); }
  static void collect(std::vector<Written>& written, const OutOptional& view) {
    if (view.present()) written.push_back({view, false});
  }
  static void collect(std::vector<Written>& written, const Part& view) { written.push_back({view, false}); }
  static void collect(std::vector<Written>& written, const Acc& view) {
    if (view.present()) written.push_back({view, true});
  }
  static void collect(std::vector<Written>& written, const InOut& view) { written.push_back({view, true}); }
  static void collect(std::vector<Written>& written, const State& view) { written.push_back({view, true}); }
  static void collect(std::vector<Written>& written, const StateOut& view) {
    if (view.present()) written.push_back({view, true});
  }
  template <class Other>
  static void collect(std::vector<Written>&, const Other&) {}

  void note(const void* kernel) { result_.kernels.insert(kernel_name(kernels(), kernel)); }
  void call_twice(const std::vector<Written>& written, const Command& command);
  void time(const Work& work, const Command& command);
  void fail_with(const std::string& message, const Command& command);

  HostBuffer read_bytes(const TensorView& view);
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
  const Settings settings_;
  Result result_;
  double used_ = 0;  // of what is allowed
  std::mt19937_64 engine_{1};
  std::vector<std::pair<void*, size_t>> allocated_;
  std::vector<HostBuffer> uploaded_;  // what the GPU copies later
};

// What was written, to be read by another kernel.
inline In as_in(const TensorView& view) {
  In in;
  static_cast<TensorView&>(in) = view;
  return in;
}
inline InAny as_in_any(const TensorView& view) {
  InAny in;
  static_cast<TensorView&>(in) = view;
  return in;
}
inline OutAny as_out_any(const TensorView& view) {
  OutAny out;
  static_cast<TensorView&>(out) = view;
  return out;
}
// An output of which a call may as well write a part.
inline Part as_part(const TensorView& view) {
  Part part;
  static_cast<TensorView&>(part) = view;
  return part;
}
inline InOptional as_optional(const TensorView& view) {
  InOptional in;
  static_cast<TensorView&>(in) = view;
  return in;
}
// Rows [first, first + count) of a tensor, as a view of it.
TensorView rows_of(const TensorView& view, i64 first, i64 count);

struct Case {
  std::string name;
  std::function<void(Run&)> run;
  Size size = Size::small;
};

using Cases = std::vector<Case>;

// Whether results are right: a file each.
void add_elementwise_cases(Cases& cases);
void add_layout_cases(Cases& cases);
void add_matmul_cases(Cases& cases);
void add_product_way_cases(Cases& cases);
void add_norm_cases(Cases& cases);
void add_attention_cases(Cases& cases);
void add_loss_cases(Cases& cases);
void add_sampling_cases(Cases& cases);
void add_convolution_cases(Cases& cases);
void add_image_cases(Cases& cases);
void add_diffusion_cases(Cases& cases);
void add_autoencoder_cases(Cases& cases);
void add_row_cases(Cases& cases);
void add_quantized_cases(Cases& cases);
void add_rope_cases(Cases& cases);
void add_optimizer_cases(Cases& cases);
void add_muon_cases(Cases& cases);
void add_failure_cases(Cases& cases);
void add_huge_cases(Cases& cases);

// How long kernels take: of products, of attention, and of what memory's bandwidth bounds.
void add_product_times(Cases& cases);
void add_attention_times(Cases& cases);
void add_memory_times(Cases& cases);
// All ways of the products of add_product_times.
void add_product_way_times(Cases& cases);

inline const char* name_of(DType dtype) { return dtype == DType::bf16 ? "bf16" : "f32"; }

}  // namespace transfusion::check
