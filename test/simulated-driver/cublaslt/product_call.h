// A product as callers describe it: checked, and launched.
#pragma once

#include "cublaslt/objects.h"

namespace simulated {

struct Pointers {
  const void *a, *b, *c;
  void* d;
  const float *alpha, *beta;
};

class ProductCall {
 public:
  // Refuses what the real library does, and what this one cannot.
  ProductCall(cublaslt::MatmulDesc desc, cublaslt::MatrixLayout a, cublaslt::MatrixLayout b,
              cublaslt::MatrixLayout c, cublaslt::MatrixLayout d);

  // Algorithms by their numbers, see algorithms.h.
  bool allows(int number, cublaslt::Preference preference) const;
  size_t workspace_of(int number) const;
  static cublaslt::Algorithm algorithm(int number);
  // Refuses what is none of this version's.
  static int number_of(const cublaslt::Algorithm& algorithm);

  void launch(cublaslt::Handle handle, const Pointers& pointers, const cublaslt::Algorithm& algorithm,
              void* workspace, size_t workspace_bytes, CUstream stream) const;

 private:
  const cublaslt::MatmulDesc desc_;
  const cublaslt::MatrixLayout a_, b_, c_, d_;
  uint64_t m_ = 0, n_ = 0, k_ = 0;  // of d = op(a) op(b)
};

}  // namespace simulated
