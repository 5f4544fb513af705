// The entry points of the simulated cuBLASLt: those that the backend calls, with the answers of the real one.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "cublaslt/algorithms.h"
#include "cublaslt/driver.h"
#include "cublaslt/product_call.h"

namespace simulated {
namespace {

using namespace cublaslt;

std::mutex mutex;
std::set<const void*>& objects() {
  static auto& all = *new std::set<const void*>;
  return all;
}

[[noreturn]] void refuse(StatusCode code, const std::string& what) { throw LtRefusal{code, what}; }

const char* name_of(StatusCode code) {
  switch (code) {
    case kSuccess:
      return "CUBLAS_STATUS_SUCCESS";
    case kNotInitialized:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case kInvalidValue:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case kExecutionFailed:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case kNotSupported:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_ALLOC_FAILED";
  }
}

template <class Body>
StatusCode answer(const char* function, Body body) {
  try {
    body();
    return kSuccess;
  } catch (const LtRefusal& refusal) {
    std::fprintf(stderr, "simulated cuBLASLt: %s: %s: %s\n", function, name_of(refusal.code),
                 refusal.what.c_str());
    return refusal.code;
  }
}

template <class Object>
void make(Object** target, const Object& object) {
  if (!target) refuse(kInvalidValue, "the place of the new object is null");
  *target = new Object(object);
  add_object(*target);
}

template <class Object>
StatusCode destroy(const char* function, Object* object) {
  return answer(function, [&] {
    expect_object(object, "object");
    remove_object(object);
    delete object;
  });
}

// A member that an attribute sets.
struct Member {
  int attribute;
  void* data;
  size_t bytes;
};
template <class Value>
Member member(int attribute, Value& value) {
  return {attribute, &value, sizeof value};
}

StatusCode set(const char* function, const void* object, int attribute, const void* value, size_t bytes,
               std::initializer_list<Member> members) {
  return answer(function, [&] {
    expect_object(object, "object");
    for (const Member& member : members) {
      if (member.attribute != attribute) continue;
      if (!value || bytes != member.bytes)
        refuse(kInvalidValue, "attribute " + std::to_string(attribute) + " has " +
                                  std::to_string(member.bytes) + " bytes, received " +
                                  (value ? std::to_string(bytes) : "null"));
      std::memcpy(member.data, value, bytes);
      return;
    }
    refuse(kInvalidValue, "no attribute " + std::to_string(attribute));
  });
}

// Of the context that is current.
HandleOpaque make_handle() {
  HandleOpaque handle{};
  if (!driver().get_current || driver().get_current(&handle.context) != CUDA_SUCCESS || !handle.context)
    refuse(kNotInitialized, "no context is current");
  std::ifstream file(SIMULATED_CUBLASLT_PTX, std::ios::binary);
  std::vector<char> ptx{std::istreambuf_iterator<char>(file), {}};
  ptx.push_back(0);
  CUlibrary library = nullptr;
  if (driver().load_library(&library, ptx.data(), nullptr, nullptr, 0, nullptr, nullptr, 0) != CUDA_SUCCESS ||
      driver().get_kernel(&handle.product, library, "simulated_cublaslt_product") != CUDA_SUCCESS ||
      driver().get_kernel(&handle.join, library, "simulated_cublaslt_join") != CUDA_SUCCESS)
    refuse(kNotInitialized, "its kernels cannot be loaded from " SIMULATED_CUBLASLT_PTX);
  return handle;
}

void expect_handle(Handle handle) {
  if (!handle) refuse(kNotInitialized, "the handle is null");
  expect_object(handle, "handle");
  CUcontext current = nullptr;
  driver().get_current(&current);
  if (current != handle->context)
    refuse(kNotInitialized, "the handle's context is not current on this thread");
}

}  // namespace

void add_object(void* object) {
  std::lock_guard lock(mutex);
  objects().insert(object);
}

void remove_object(void* object) {
  std::lock_guard lock(mutex);
  objects().erase(object);
}

void expect_object(const void* object, const char* kind) {
  std::lock_guard lock(mutex);
  if (!objects().contains(object))
    refuse(kInvalidValue, std::string("no ") + kind + ", or one that was destroyed");
}

#define ENTRY(name) extern "C" __attribute__((visibility("default"))) StatusCode cublasLt##name

extern "C" __attribute__((visibility("default"))) size_t cublasLtGetVersion() { return version(); }
extern "C" __attribute__((visibility("default"))) const char* cublasLtGetStatusName(StatusCode code) {
  return name_of(code);
}

ENTRY(Create)(Handle* handle) {
  return answer("cublasLtCreate", [&] { make(handle, make_handle()); });
}

ENTRY(MatmulDescCreate)(MatmulDesc* desc, ComputeType compute, DataType scale) {
  return answer("cublasLtMatmulDescCreate", [&] { make(desc, MatmulDescOpaque{compute, scale}); });
}
ENTRY(MatmulDescDestroy)(MatmulDesc desc) { return destroy("cublasLtMatmulDescDestroy", desc); }
ENTRY(MatmulDescSetAttribute)
(MatmulDesc desc, MatmulDescAttribute attribute, const void* value, size_t bytes) {
  return set("cublasLtMatmulDescSetAttribute", desc, attribute, value, bytes,
             {member(kTransA, desc->transpose_a), member(kTransB, desc->transpose_b),
              member(kEpilogue, desc->epilogue), member(kBiasPointer, desc->bias)});
}

ENTRY(MatrixLayoutCreate)
(MatrixLayout* layout, DataType type, uint64_t rows, uint64_t columns, int64_t stride) {
  return answer("cublasLtMatrixLayoutCreate", [&] {
    make(layout, MatrixLayoutOpaque{type, rows, columns, stride});
  });
}
ENTRY(MatrixLayoutDestroy)(MatrixLayout layout) { return destroy("cublasLtMatrixLayoutDestroy", layout); }
ENTRY(MatrixLayoutSetAttribute)
(MatrixLayout layout, MatrixLayoutAttribute attribute, const void* value, size_t bytes) {
  return set("cublasLtMatrixLayoutSetAttribute", layout, attribute, value, bytes,
             {member(kBatchCount, layout->batch), member(kStridedBatchOffset, layout->batch_stride)});
}

ENTRY(MatmulPreferenceCreate)(Preference* preference) {
  return answer("cublasLtMatmulPreferenceCreate", [&] { make(preference, PreferenceOpaque{}); });
}
ENTRY(MatmulPreferenceDestroy)(Preference preference) {
  return destroy("cublasLtMatmulPreferenceDestroy", preference);
}
ENTRY(MatmulPreferenceSetAttribute)
(Preference preference, PreferenceAttribute attribute, const void* value, size_t bytes) {
  uint32_t(&alignment)[4] = preference->alignment;
  return set("cublasLtMatmulPreferenceSetAttribute", preference, attribute, value, bytes,
             {member(kMaxWorkspaceBytes, preference->workspace_bytes),
              member(kReductionSchemeMask, preference->reduction_mask), member(kMinAlignmentA, alignment[0]),
              member(kMinAlignmentB, alignment[1]), member(kMinAlignmentC, alignment[2]),
              member(kMinAlignmentD, alignment[3])});
}

ENTRY(MatmulAlgoGetHeuristic)
(Handle handle, MatmulDesc desc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d,
 Preference preference, int wanted, HeuristicResult* results, int* found) {
  return answer("cublasLtMatmulAlgoGetHeuristic", [&] {
    expect_handle(handle);
    expect_object(preference, "preference");
    if (wanted < 1 || !results || !found) refuse(kInvalidValue, "no place for results");
    const ProductCall call(desc, a, b, c, d);
    *found = 0;
    for (int number = 0; number < kAlgorithmCount && *found < wanted; ++number)
      if (call.allows(number, preference))
        results[(*found)++] = {ProductCall::algorithm(number), call.workspace_of(number), kSuccess, 1, {}};
    if (*found == 0) refuse(kNotSupported, "no algorithm is allowed");
  });
}

ENTRY(MatmulAlgoCheck)
(Handle handle, MatmulDesc desc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d,
 const Algorithm* algorithm, HeuristicResult* result) {
  return answer("cublasLtMatmulAlgoCheck", [&] {
    expect_handle(handle);
    if (!algorithm || !result) refuse(kInvalidValue, "algorithm or result is null");
    const ProductCall call(desc, a, b, c, d);
    *result = {*algorithm, call.workspace_of(ProductCall::number_of(*algorithm)), kSuccess, 1, {}};
  });
}

ENTRY(Matmul)
(Handle handle, MatmulDesc desc, const void* alpha, const void* a, MatrixLayout a_layout, const void* b,
 MatrixLayout b_layout, const void* beta, const void* c, MatrixLayout c_layout, void* d,
 MatrixLayout d_layout, const Algorithm* algorithm, void* workspace, size_t workspace_bytes,
 CUstream stream) {
  return answer("cublasLtMatmul", [&] {
    expect_handle(handle);
    if (!algorithm)
      refuse(kInvalidValue, "the algorithm is null: which one is taken may differ between runs");
    const Pointers pointers{a, b, c, d, static_cast<const float*>(alpha), static_cast<const float*>(beta)};
    ProductCall(desc, a_layout, b_layout, c_layout, d_layout)
        .launch(handle, pointers, *algorithm, workspace, workspace_bytes, stream);
  });
}

}  // namespace simulated
