// Where the rows of an attention call lie, and what its tiles may see.
#pragma once

#include "attention/tiles.h"
#include "device/convert.cuh"

namespace transfusion::cuda {

inline constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// One instruction, where a product of 64 bits takes four.
__device__ __forceinline__ u64 wide_product(uint32_t a, uint32_t b) { return static_cast<u64>(a) * b; }

// A sequence, or slots of keys that no sequence has: sequence number B before the first, B + 1 behind the
// last.
struct AttentionSequence {
  i64 key0;  // its first rows in tensors
  i32 query0;
  i32 queries, keys;
  const i32 *key_start, *key_end;  // of its queries

  __device__ AttentionSequence(const AttentionShape& shape, i32 b) {
    const bool unused = b >= shape.B;
    query0 = unused ? 0 : shape.query_rows[b];
    queries = unused ? 0 : shape.query_rows[b + 1] - query0;
    key0 = b == shape.B ? 0 : shape.key_rows[unused ? shape.B : b];
    keys = static_cast<i32>((b == shape.B + 1 ? shape.K : shape.key_rows[unused ? 0 : b + 1]) - key0);
    key_start = shape.key_start + query0;
    key_end = shape.key_end + query0;
  }

  // Whether one of queries [q0, q1) sees the key.
  __device__ bool sees(i32 q0, i32 q1, i32 key) const {
    const i64 first = q0 + first_above(key_end + q0, q1 - q0, key);
    return first < q1 && key_start[first] <= key;
  }
};

// Up to `rows` rows, (query, head of the group) pairs, of one sequence and key head, from `first` on.
struct RowTile {
  const AttentionShape& shape;
  i32 first, count;  // rows there are

  __device__ RowTile(const AttentionShape& shape, const AttentionSequence& sequence, i32 first, i32 rows)
      : shape(shape), first(first), count(min(rows, sequence.queries * shape.group - first)) {}

  __device__ i32 query(i32 row) const {
    uint32_t rest = static_cast<uint32_t>(first + row);
    return static_cast<i32>(shape.by_group.divide(rest));
  }
  __device__ i32 end_query() const { return query(count - 1) + 1; }

  // Where the row begins in tensors [T, H, D], and its place in tensors [H, T].
  struct Place {
    i64 elements, statistic;
  };
  __device__ Place place(const AttentionSequence& sequence, i32 g, i32 row) const {
    uint32_t rest = static_cast<uint32_t>(first + row);
    const uint32_t query = static_cast<uint32_t>(sequence.query0) + shape.by_group.divide(rest);
    const uint32_t head = g * shape.group + rest;
    return {static_cast<i64>(wide_product(query, shape.H * shape.D) + wide_product(head, shape.D)),
            static_cast<i64>(wide_product(head, static_cast<uint32_t>(shape.T))) + query};
  }
};

// What is wrong with the spans of a refused call, by one thread of the grid.
__device__ inline void report(const SpanFault& fault) {
  if (blockIdx.x != 0 || blockIdx.y != 0 || blockIdx.z != 0 || threadIdx.x != 0) return;
  *fault.failures.record = *fault.found;
}

// Writes NaN to what a refused call should have computed; all blocks of the grid take part.
template <class T>
__device__ void write_nan(T* y, i64 count) {
  const i64 block = static_cast<i64>(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const i64 step = static_cast<i64>(gridDim.x) * gridDim.y * gridDim.z * blockDim.x;
  for (i64 i = block * blockDim.x + threadIdx.x; i < count; i += step) y[i] = from_float<T>(NAN);
}
template <class T>
__device__ void reject(const AttentionArguments& arguments) {
  report(arguments.fault);
  const AttentionShape& shape = arguments.shape;
  write_nan(static_cast<T*>(arguments.y), shape.T * shape.H * shape.D);
  if (arguments.y_lo) write_nan(static_cast<T*>(arguments.y_lo), shape.T * shape.H * shape.D);
  write_nan(arguments.lse, shape.T * shape.H);
}

template <class T>
__device__ void reject_keys(const AttentionBackwardArguments& arguments) {
  const i64 elements = arguments.shape.K * arguments.shape.G * arguments.shape.D;
  write_nan(static_cast<T*>(arguments.dk), elements);
  write_nan(static_cast<T*>(arguments.dv), elements);
}
template <class T>
__device__ void reject_queries(const AttentionBackwardArguments& arguments) {
  report(arguments.fault);
  write_nan(static_cast<T*>(arguments.dq), arguments.shape.T * arguments.shape.H * arguments.shape.D);
}

}  // namespace transfusion::cuda
