#include "cublaslt/product_call.h"

#include "cublaslt/algorithms.h"
#include "cublaslt/driver.h"
#include "cublaslt/product.h"

namespace simulated {
namespace {

using namespace cublaslt;

constexpr uint64_t kMark = 0x73696d756c617465;  // of an algorithm that was made here

[[noreturn]] void refuse(StatusCode code, const std::string& what) { throw LtRefusal{code, what}; }

bool is_aligned(const void* address, uint64_t bytes) {
  return reinterpret_cast<uintptr_t>(address) % bytes == 0;
}

void expect(bool holds, const std::string& what) {
  if (!holds) refuse(kInvalidValue, what);
}

void expect_layout(const MatrixLayout layout, uint64_t rows, uint64_t columns, const char* name) {
  expect(layout->rows == rows && layout->columns == columns,
         std::string(name) + " is " + std::to_string(layout->rows) + " x " + std::to_string(layout->columns) +
             ", expected " + std::to_string(rows) + " x " + std::to_string(columns));
  expect(layout->stride >= static_cast<int64_t>(layout->rows),
         std::string(name) + ": its leading dimension is less than its rows");
}

}  // namespace

ProductCall::ProductCall(MatmulDesc desc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d)
    : desc_(desc), a_(a), b_(b), c_(c), d_(d) {
  expect_object(desc, "matmul descriptor");
  for (const auto layout : {a, b, c, d}) expect_object(layout, "matrix layout");
  const bool transpose_a = desc->transpose_a == kT, transpose_b = desc->transpose_b == kT;
  m_ = d->rows;
  n_ = d->columns;
  k_ = transpose_a ? a->rows : a->columns;
  expect(m_ > 0 && n_ > 0 && k_ > 0, "a matrix without elements");
  expect_layout(a, transpose_a ? k_ : m_, transpose_a ? m_ : k_, "A");
  expect_layout(b, transpose_b ? n_ : k_, transpose_b ? k_ : n_, "B");
  expect_layout(c, m_, n_, "C");
  expect_layout(d, m_, n_, "D");
  for (const auto layout : {a, b, c}) expect(layout->batch == d->batch, "batches of different sizes");
  expect(c->type == d->type && c->stride == d->stride && c->batch_stride == d->batch_stride,
         "C and D are not alike");
  if (desc->compute_type != kCompute32F || desc->scale_type != kF32 || a->type != kBf16 || b->type != kBf16 ||
      (d->type != kBf16 && d->type != kF32))
    refuse(kNotSupported, "types other than bf16, with sums in f32, and y of either");
  if (desc->epilogue != kDefault && desc->epilogue != kBias) refuse(kNotSupported, "this epilogue");
  if (desc->epilogue == kBias) expect(desc->bias, "BIAS_POINTER is null");
}

bool ProductCall::allows(int number, const Preference preference) const {
  const KnownAlgorithm& algorithm = kAlgorithms[number];
  if (algorithm.reduction && !(preference->reduction_mask & algorithm.reduction)) return false;
  for (const uint32_t alignment : preference->alignment)
    if (alignment < algorithm.alignment) return false;
  if (algorithm.bias_alignment &&
      (desc_->epilogue != kBias || !is_aligned(desc_->bias, algorithm.bias_alignment)))
    return false;
  return workspace_of(number) <= preference->workspace_bytes;
}

size_t ProductCall::workspace_of(int number) const {
  const KnownAlgorithm& algorithm = kAlgorithms[number];
  const size_t elements = static_cast<size_t>(d_->batch) * m_ * n_;
  const size_t sums =
      algorithm.splits > 1 ? static_cast<size_t>(algorithm.splits) * elements * sizeof(float) : 0;
  return sums + algorithm.extra_bytes;
}

Algorithm ProductCall::algorithm(int number) { return {{kMark, version(), static_cast<uint64_t>(number)}}; }

int ProductCall::number_of(const Algorithm& algorithm) {
  expect(algorithm.data[0] == kMark && algorithm.data[2] < kAlgorithmCount, "no algorithm that was proposed");
  expect(algorithm.data[1] == version(), "an algorithm of another version");
  return static_cast<int>(algorithm.data[2]);
}

void ProductCall::launch(Handle handle, const Pointers& pointers, const Algorithm& algorithm, void* workspace,
                         size_t workspace_bytes, CUstream stream) const {
  const int number = number_of(algorithm);
  const KnownAlgorithm& known = kAlgorithms[number];
  expect(pointers.alpha && pointers.beta && *pointers.alpha == 1, "alpha or beta is null, or alpha is not 1");
  for (const void* pointer : {pointers.a, pointers.b, pointers.c, static_cast<const void*>(pointers.d)})
    expect(pointer && is_aligned(pointer, known.alignment),
           "a matrix is null, or less aligned than was said");
  expect(desc_->epilogue != kBias || is_aligned(desc_->bias, 16), "a bias that is not aligned");
  expect(workspace_bytes >= workspace_of(number), "the workspace is too small");
  expect(workspace_of(number) == 0 || (workspace && is_aligned(workspace, 16)),
         "a workspace that is not aligned");

  ProductArguments arguments{};
  arguments.a = pointers.a;
  arguments.b = pointers.b;
  arguments.c = pointers.c;
  arguments.d = pointers.d;
  arguments.bias = desc_->epilogue == kBias ? desc_->bias : nullptr;
  arguments.m = static_cast<i64>(m_);
  arguments.n = static_cast<i64>(n_);
  arguments.k = static_cast<i64>(k_);
  arguments.splits = known.splits;
  arguments.split_depth = (arguments.k + known.splits - 1) / known.splits;
  arguments.sums = known.splits > 1 ? static_cast<float*>(workspace) : nullptr;
  arguments.a_stride = a_->stride;
  arguments.b_stride = b_->stride;
  arguments.d_stride = d_->stride;
  arguments.a_batch = a_->batch_stride;
  arguments.b_batch = b_->batch_stride;
  arguments.d_batch = d_->batch_stride;
  arguments.beta = *pointers.beta;
  arguments.batch = d_->batch;
  arguments.a_transposed = desc_->transpose_a == kT;
  arguments.b_transposed = desc_->transpose_b == kT;
  arguments.is_bf16 = d_->type == kBf16;
  arguments.backwards = known.backwards;

  const auto blocks = static_cast<unsigned>((m_ * n_ + kThreads - 1) / kThreads);
  const auto launch = [&](CUkernel kernel, int splits) {
    size_t bytes = sizeof arguments;
    void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &arguments, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                     CU_LAUNCH_PARAM_END};
    const CUresult result =
        driver().launch_kernel(reinterpret_cast<CUfunction>(kernel), blocks, static_cast<unsigned>(d_->batch),
                               static_cast<unsigned>(splits), kThreads, 1, 1, 0, stream, nullptr, extra);
    if (result != CUDA_SUCCESS) refuse(kExecutionFailed, "cuLaunchKernel: " + std::to_string(result));
  };
  launch(handle->product, known.splits);
  if (known.splits > 1) launch(handle->join, 1);
}

}  // namespace simulated
