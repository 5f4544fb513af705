// The part of cuBLASLt's C interface that we call, as cublasLt.h has it from 12.0 on: the library is found at
// run time, and its header need not be there. cublaslt_api_check.cc compares both where it is.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>

namespace transfusion::cuda::cublaslt {

using Handle = struct HandleOpaque*;
using MatmulDesc = struct MatmulDescOpaque*;
using MatrixLayout = struct MatrixLayoutOpaque*;
using Preference = struct PreferenceOpaque*;

enum StatusCode : int {
  kSuccess = 0,
  kNotInitialized = 1,
  kAllocFailed = 3,
  kInvalidValue = 7,
  kExecutionFailed = 13,
  kNotSupported = 15
};
enum DataType : int { kF32 = 0, kBf16 = 14 };
enum ComputeType : int { kCompute32F = 68 };  // f32 sums; of bf16 operands, products of tensor cores
enum Operation : int32_t { kN = 0, kT = 1 };
enum Epilogue : uint32_t { kDefault = 1, kBias = 4 };
// How the sums of a K that is split are joined. Without a bit of it, K is not split; of the others some join
// them in y's type.
enum ReductionScheme : uint32_t { kInPlace = 1, kInComputeType = 2, kInOutputType = 4 };

enum MatmulDescAttribute : int { kTransA = 3, kTransB = 4, kEpilogue = 7, kBiasPointer = 8 };
enum MatrixLayoutAttribute : int { kBatchCount = 5, kStridedBatchOffset = 6 };
enum PreferenceAttribute : int {
  kMaxWorkspaceBytes = 1,
  kReductionSchemeMask = 3,
  kMinAlignmentA = 5,
  kMinAlignmentB = 6,
  kMinAlignmentC = 7,
  kMinAlignmentD = 8
};

struct Algorithm {
  uint64_t data[8];
};

struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  StatusCode state;
  float waves;
  int reserved[4];
};

}  // namespace transfusion::cuda::cublaslt

// F(name behind cublasLt, result, arguments).
#define TRANSFUSION_CUBLASLT_FUNCTIONS(F)                                                                  \
  F(GetVersion, size_t, ())                                                                                \
  F(GetStatusName, const char*, (StatusCode))                                                              \
  F(Create, StatusCode, (Handle*))                                                                         \
  F(MatmulDescCreate, StatusCode, (MatmulDesc*, ComputeType, DataType))                                    \
  F(MatmulDescDestroy, StatusCode, (MatmulDesc))                                                           \
  F(MatmulDescSetAttribute, StatusCode, (MatmulDesc, MatmulDescAttribute, const void*, size_t))            \
  F(MatrixLayoutCreate, StatusCode,                                                                        \
    (MatrixLayout*, DataType, uint64_t rows, uint64_t columns, int64_t stride))                            \
  F(MatrixLayoutDestroy, StatusCode, (MatrixLayout))                                                       \
  F(MatrixLayoutSetAttribute, StatusCode, (MatrixLayout, MatrixLayoutAttribute, const void*, size_t))      \
  F(MatmulPreferenceCreate, StatusCode, (Preference*))                                                     \
  F(MatmulPreferenceDestroy, StatusCode, (Preference))                                                     \
  F(MatmulPreferenceSetAttribute, StatusCode, (Preference, PreferenceAttribute, const void*, size_t))      \
  F(MatmulAlgoGetHeuristic, StatusCode,                                                                    \
    (Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d, Preference,       \
     int wanted, HeuristicResult*, int* found))                                                            \
  F(MatmulAlgoCheck, StatusCode,                                                                           \
    (Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d, const Algorithm*, \
     HeuristicResult*))                                                                                    \
  F(Matmul, StatusCode,                                                                                    \
    (Handle, MatmulDesc, const void* alpha, const void* a, MatrixLayout, const void* b, MatrixLayout,      \
     const void* beta, const void* c, MatrixLayout, void* d, MatrixLayout, const Algorithm*,               \
     void* workspace, size_t workspace_bytes, CUstream))
