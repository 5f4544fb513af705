// Where the rows of an attention call lie, and what its tiles may see.
#pragma once

#include "attention_tiles.h"
#include "device/convert.cuh"

namespace transfusion::cuda {

inline constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// A sequence, or slots of keys that no sequence has: sequence number B before the first, B + 1 behind the
// last.
struct AttentionSequence {
  i64 query0, key0;  // its first rows in tensors
  i32 queries, keys;
  const i32 *key_start, *key_end;  // of its queries

  __device__ AttentionSequence(const AttentionShape& shape, i32 b) {
    const bool unused = b >= shape.B;
    query0 = unused ? 0 : shape.query_rows[b];
    queries = unused ? 0 : static_cast<i32>(shape.query_rows[b + 1] - query0);
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

// Up to kRows rows, (query, head of the group) pairs, of one sequence and key head, from `first` on.
struct RowTile {
  i32 first_query, first_head, count;  // of the first row; rows there are
  i32 group;

  __device__ RowTile(const AttentionShape& shape, const AttentionSequence& sequence, i32 first, i32 rows)
      : first_query(first / shape.group),
        first_head(first % shape.group),
        count(min(rows, sequence.queries * shape.group - first)),
        group(shape.group) {}

  __device__ i32 query(i32 row) const { return first_query + (first_head + row) / group; }
  __device__ i32 head(i32 row) const { return (first_head + row) % group; }
  __device__ i32 end_query() const { return query(count - 1) + 1; }
};

// Writes NaN to what a refused call should have computed; all blocks of the grid take part.
template <class T>
__device__ void write_nan(T* y, i64 count) {
  const i64 block = static_cast<i64>(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const i64 step = static_cast<i64>(gridDim.x) * gridDim.y * gridDim.z * blockDim.x;
  for (i64 i = block * blockDim.x + threadIdx.x; i < count; i += step) y[i] = from_float<T>(NAN);
}

}  // namespace transfusion::cuda
