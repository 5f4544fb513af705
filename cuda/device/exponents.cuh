// The largest value of a row and the sum of its exponents, in one pass: what softmax and cross-entropy need.
#pragma once

#include <numbers>

#include "device/row_tile.cuh"

namespace transfusion::cuda {

// e^x, good enough for values that were, or will be, rounded to T.
template <class T>
__device__ __forceinline__ float exp_for(float x) {
  if constexpr (sizeof(T) == 2)
    return fast_exp2(x * std::numbers::log2e_v<float>);
  else
    return expf(x);
}

// largest = max_i x_i, sum = sum_i exp(x_i - largest) of what was added; NaN and infinity come through.
struct Exponents {
  float largest = -INFINITY, sum = 0;

  // Before values of at most `value` are added.
  __device__ __forceinline__ void raise(float value) {
    const float before = largest;
    largest = Max()(before, value);
    if (before != largest) sum *= expf(before - largest);
  }
  // What exponents are taken relative to: of -infinity alone they are 0.
  __device__ __forceinline__ float base() const { return largest == -INFINITY ? 0 : largest; }
};

template <class T, class Rows>
__device__ __forceinline__ void add_exponents(Exponents& exponents, const RowTile<T, Rows>& x) {
  using Tile = RowTile<T, Rows>;
  float largest = -INFINITY;
  // Of NaN the sum tells.
  Tile::for_each([&](int run, int i) { largest = fmaxf(largest, x.values[run][i]); });
  exponents.raise(largest);
  const float base = exponents.base();
  float sum = 0;
  Tile::for_each([&](int run, int i) { sum += exp_for<T>(x.values[run][i] - base); });
  exponents.sum += sum;
}

// Of all threads that share a row.
template <class Rows>
__device__ __forceinline__ Exponents reduce_exponents(Exponents exponents) {
  exponents.raise(reduce_row<Rows>(exponents.largest, Max()));
  exponents.sum = reduce_row<Rows>(exponents.sum, Sum());
  return exponents;
}

}  // namespace transfusion::cuda
