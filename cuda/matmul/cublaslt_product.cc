#include "matmul/cublaslt_product.h"

#include <cstring>
#include <memory>
#include <optional>

#include "host/cublaslt.h"
#include "host/cuda_device.h"

namespace transfusion::cuda {
namespace {

using namespace cublaslt;

// What NVIDIA advises for Hopper; other GPUs need less.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;
constexpr uint32_t kAlignment = 16;

struct Failed : std::runtime_error {
  Failed(const CublasLt& library, const char* function, StatusCode status)
      : runtime_error("cuBLASLt " + library.version() + ": " + function + ": " +
                      library.functions().GetStatusName(status)) {}
};

template <class Object>
using Owned = std::unique_ptr<std::remove_pointer_t<Object>, StatusCode (*)(Object)>;

// A product as cuBLASLt is told of it. Its matrices are column-major: what we call y it sees transposed, y' =
// b' a', so that b is its first operand.
class Description {
 public:
  Description(const CublasLt& library, const DenseProduct& product) : library_(library) {
    MatmulDesc made = nullptr;
    check(library.functions().MatmulDescCreate(&made, kCompute32F, cublaslt::kF32),
          "cublasLtMatmulDescCreate");
    matmul_.reset(made);
    set(kTransA, product.transpose_b ? kT : kN);
    set(kTransB, product.transpose_a ? kT : kN);
    if (product.output.bias) {
      set(cublaslt::kEpilogue, kBias);
      set(kBiasPointer, product.output.bias);
    }
    const i64 batch = product.batch, m = product.m, n = product.n, k = product.k;
    first_ = layout(kBf16, product.b_stride(), product.transpose_b ? n : k, batch, k * n);
    second_ = layout(kBf16, product.a_stride(), product.transpose_a ? k : m, batch, m * k);
    y_ = layout(product.output.is_bf16 ? kBf16 : cublaslt::kF32, n, m, batch, product.output.batch_stride);
  }
  std::vector<Algorithm> propose(int most) const {
    const Functions& functions = library_.functions();
    Preference made = nullptr;
    check(functions.MatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
    const Owned<Preference> preference(made, functions.MatmulPreferenceDestroy);
    const auto prefer = [&](PreferenceAttribute attribute, auto value) {
      check(functions.MatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
            "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(kMaxWorkspaceBytes, uint64_t{kWorkspaceBytes});
    prefer(kReductionSchemeMask, static_cast<uint32_t>(kInComputeType));
    for (const auto attribute : {kMinAlignmentA, kMinAlignmentB, kMinAlignmentC, kMinAlignmentD})
      prefer(attribute, kAlignment);
    std::vector<HeuristicResult> results(static_cast<size_t>(most));
    int found = 0;
    const auto status =
        functions.MatmulAlgoGetHeuristic(library_.handle(), matmul_.get(), first_.get(), second_.get(),
                                         y_.get(), y_.get(), preference.get(), most, results.data(), &found);
    if (status == kNotSupported) return {};
    check(status, "cublasLtMatmulAlgoGetHeuristic");
    std::vector<Algorithm> algorithms;
    for (int i = 0; i < found; ++i)
      if (results[static_cast<size_t>(i)].state == kSuccess)
        algorithms.push_back(results[static_cast<size_t>(i)].algorithm);
    return algorithms;
  }

  // What an algorithm needs of workspace; nothing where it does not compute this product.
  std::optional<size_t> try_algorithm(const Algorithm& algorithm) const {
    HeuristicResult result{};
    if (check_algorithm(algorithm, result) != kSuccess) return {};
    return result.workspace_bytes;
  }

  size_t workspace_of(const Algorithm& algorithm) const {
    HeuristicResult result{};
    check(check_algorithm(algorithm, result), "cublasLtMatmulAlgoCheck");
    return result.workspace_bytes;
  }

  void launch(const DenseProduct& product, const Algorithm& algorithm, void* workspace,
              size_t workspace_bytes, CUstream stream) const {
    const Output& output = product.output;
    const float one = 1, beta = output.addend ? 1 : 0;
    const void* addend = output.addend ? output.addend : output.y;
    check(library_.functions().Matmul(library_.handle(), matmul_.get(), &one, product.b, first_.get(),
                                      product.a, second_.get(), &beta, addend, y_.get(), output.y, y_.get(),
                                      &algorithm, workspace, workspace_bytes, stream),
          "cublasLtMatmul");
  }

 private:
  StatusCode check_algorithm(const Algorithm& algorithm, HeuristicResult& result) const {
    return library_.functions().MatmulAlgoCheck(library_.handle(), matmul_.get(), first_.get(), second_.get(),
                                                y_.get(), y_.get(), &algorithm, &result);
  }

  void check(StatusCode status, const char* function) const {
    if (status != kSuccess) throw Failed(library_, function, status);
  }

  template <class Value>
  void set(MatmulDescAttribute attribute, Value value) {
    check(library_.functions().MatmulDescSetAttribute(matmul_.get(), attribute, &value, sizeof value),
          "cublasLtMatmulDescSetAttribute");
  }

  // Columns of `rows` elements, which lie one after the other.
  Owned<MatrixLayout> layout(DataType type, i64 rows, i64 columns, i64 batch, i64 batch_stride) {
    const Functions& functions = library_.functions();
    MatrixLayout made = nullptr;
    check(functions.MatrixLayoutCreate(&made, type, static_cast<uint64_t>(rows),
                                       static_cast<uint64_t>(columns), rows),
          "cublasLtMatrixLayoutCreate");
    Owned<MatrixLayout> owned(made, functions.MatrixLayoutDestroy);
    if (batch == 1) return owned;
    const auto set = [&](MatrixLayoutAttribute attribute, auto value) {
      check(functions.MatrixLayoutSetAttribute(made, attribute, &value, sizeof value),
            "cublasLtMatrixLayoutSetAttribute");
    };
    set(kBatchCount, static_cast<int32_t>(batch));
    set(kStridedBatchOffset, int64_t{batch_stride});
    return owned;
  }

  const CublasLt& library_;
  Owned<MatmulDesc> matmul_{nullptr, library_.functions().MatmulDescDestroy};
  Owned<MatrixLayout> first_{nullptr, library_.functions().MatrixLayoutDestroy},
      second_{nullptr, library_.functions().MatrixLayoutDestroy},
      y_{nullptr, library_.functions().MatrixLayoutDestroy};
};

// As algorithms are asked for: their choice depends on where a bias lies, which may differ from run to run.
DenseProduct least_aligned(DenseProduct product) {
  if (product.output.bias) product.output.bias = reinterpret_cast<const void*>(uintptr_t{kAlignment});
  return product;
}

Algorithm algorithm_of(const ProductWay& way) {
  Algorithm algorithm;
  static_assert(sizeof algorithm == sizeof way.algorithm);
  std::memcpy(&algorithm, way.algorithm.data(), sizeof algorithm);
  return algorithm;
}

}  // namespace

bool library_computes(const DenseProduct& product) {
  const Output& output = product.output;
  if (product.dtype != DType::bf16 || !product.is_aligned() || !output.vectors || !aligned({output.addend}))
    return false;
  // The rest is not what matmul asks for, but what convolutions may.
  if (output.stride != product.n) return false;
  return !output.bias || (product.batch == 1 && output.rows_of_bias >= product.m && output.bias_vectors);
}

std::vector<ProductWay> library_ways(Context& context, const DenseProduct& product, int most) {
  const CublasLt& library = CudaDevice::of(context).cublaslt();
  std::vector<ProductWay> ways;
  if (!library.is_there() || !library_computes(product)) return ways;
  for (const Algorithm& algorithm : Description(library, least_aligned(product)).propose(most)) {
    ProductWay& way = ways.emplace_back();
    way.kind = ProductWay::library;
    std::memcpy(way.algorithm.data(), &algorithm, sizeof algorithm);
  }
  return ways;
}

bool library_takes(Context& context, const DenseProduct& product, const ProductWay& way) {
  const CublasLt& library = CudaDevice::of(context).cublaslt();
  if (!library.is_there() || !library_computes(product)) return false;
  const auto workspace_bytes = Description(library, least_aligned(product)).try_algorithm(algorithm_of(way));
  return workspace_bytes && *workspace_bytes <= kWorkspaceBytes;
}

Status launch_library(Context& context, const DenseProduct& product, const ProductWay& way) {
  CudaDevice& device = CudaDevice::of(context);
  const CublasLt& library = device.cublaslt();
  if (!library.is_there()) return fail("cuBLASLt was chosen for it: %s", library.problem().c_str());
  const Description description(library, product);
  const Algorithm algorithm = algorithm_of(way);
  const size_t workspace_bytes = description.workspace_of(algorithm);
  void* workspace = workspace_bytes > 0 ? context.scratch<char>(static_cast<i64>(workspace_bytes)) : nullptr;
  return device.give("cuBLASLt", [&](CUstream stream) {
    description.launch(product, algorithm, workspace, workspace_bytes, stream);
  });
}

}  // namespace transfusion::cuda
