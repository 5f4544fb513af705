// A block of rows of one key head on tensor cores: what it loads, what it sees, and how it stores.
#pragma once

#include "attention/head_tile.cuh"
#include "attention/rows.cuh"

namespace transfusion::cuda {

extern __shared__ __align__(128) char dynamic_shared[];

__device__ __forceinline__ bool same_chunk(i32 a, i32 b) { return (a ^ b) < kChunk; }

// What rounding y to bf16 loses: y_lo.
__device__ __forceinline__ float lost_by_rounding(float y) { return y - to_float(from_float<bf16>(y)); }

// kRows rows against tiles of kKeys keys. Warps take kRowsOfWarp each, and begin again at the first. Where
// the intervals of rows are not kept in shared memory, tiles that need a mask read them again.
template <int kWidth, int kRows, int kRowsOfWarp, int kKeys, int kThreads, bool kKeepSpans = true>
struct RowBlock {
  static constexpr int kCount = kRowsOfWarp / 16;
  using Scores = WarpSums16<kCount, kKeys>;
  using Sums = WarpSums16<kCount, kWidth>;

  // What the main loop needs for every tile is kept in registers.
  const AttentionShape& shape;
  const bool aligned;
  int2* const spans;  // [kRows] in shared memory, where kKeepSpans: the interval of each row
  uint32_t key_row;   // of the sequence's first key
  i32 begin, end;     // of the keys that some row sees
  bool gaps;          // intervals leave some between them out

  // The rest is in shared memory, and read again wherever it is asked for: else the compiler keeps it, and
  // what it computes of it, in registers that the main loop has not got.
  struct Rest {
    AttentionTile at;
    i32 count;               // rows there are
    i32 all_begin, all_end;  // of the keys that all rows see: a tile of no others needs no mask
    bool gaps;
  };
  static __device__ __forceinline__ volatile Rest& rest() {
    __shared__ Rest rest;
    return rest;
  }

  // Ends with a barrier.
  __device__ __forceinline__ RowBlock(const AttentionShape& shape, const AttentionTile& at, bool aligned,
                                      int2* spans)
      : shape(shape), aligned(aligned), spans(spans) {
    const AttentionSequence sequence(shape, at.sequence);
    const RowTile rows(shape, sequence, at.first, kRows);
    key_row = static_cast<uint32_t>(sequence.key0);
    const i32 first = rows.query(0), last = rows.end_query() - 1;
    begin = sequence.key_start[first], end = sequence.key_end[last];
    if (threadIdx.x == 0) {
      rest().at.sequence = at.sequence, rest().at.first = at.first, rest().count = rows.count;
      rest().all_begin = sequence.key_start[last], rest().all_end = sequence.key_end[first];
      rest().gaps = false;
    }
    __syncthreads();
    for (int row = threadIdx.x; row < kRows; row += kThreads) {
      int2 span = {0, 0};  // of rows beyond the last
      if (row < rows.count) {
        const i32 query = rows.query(row);
        span = {sequence.key_start[query], sequence.key_end[query]};
        if (query < last && sequence.key_start[query + 1] > span.y) rest().gaps = true;
      }
      if constexpr (kKeepSpans) spans[row] = span;
    }
    __syncthreads();
    gaps = rest().gaps;
  }

  __device__ __forceinline__ AttentionSequence sequence() const { return {shape, rest().at.sequence}; }
  __device__ __forceinline__ RowTile rows(const AttentionSequence& sequence) const {
    return {shape, sequence, rest().at.first, kRows};
  }
  __device__ __forceinline__ i32 count() const { return rest().count; }

  // Leaves the keys of other chunks out; `part`: which of those with keys that are seen.
  __device__ __forceinline__ void keep_chunk(i32 part) {
    const i32 first = (begin / kChunk + part) * kChunk;
    begin = max(begin, first), end = min(end, first + kChunk);
  }

  // The first of this warp's rows.
  __device__ __forceinline__ int first_row() const {
    return static_cast<int>(threadIdx.x) / 32 * kRowsOfWarp % kRows;
  }
  // The row of this lane's elements [m][j][2 half], [2 half + 1] of scores and sums; element i = 0 or 1 of
  // them is column 8 j + lane_column() + i.
  __device__ __forceinline__ int lane_row(int m, int half) const {
    return first_row() + 16 * m + 8 * half + static_cast<int>(threadIdx.x) % 32 / 4;
  }
  static __device__ __forceinline__ int lane_column() { return static_cast<int>(threadIdx.x) % 4 * 2; }

  // Where a row is in tensors [H, T].
  __device__ __forceinline__ i64 statistic(int row) const {
    const AttentionSequence sequence = this->sequence();
    return rows(sequence).place(sequence, blockIdx.y, row).statistic;
  }

  // Loads the rows of a tensor [T, H, D].
  __device__ __forceinline__ void load_rows(uint32_t tile, const void* tensor) const {
    const AttentionSequence sequence = this->sequence();
    const RowTile rows = this->rows(sequence);
    const auto row_at = [&](int row) -> const bf16* {
      if (row >= rows.count) return nullptr;
      return static_cast<const bf16*>(tensor) + rows.place(sequence, blockIdx.y, row).elements;
    };
    if (aligned)
      copy_head_rows<kWidth, kRows, kThreads>(tile, shape.D, row_at);
    else
      load_head_rows<kWidth, kRows, kThreads>(tile, shape.D, row_at);
  }

  // Loads a tile of keys or values; zeros for those that no row sees, which may hold anything.
  __device__ __forceinline__ void load_keys(uint32_t tile, const void* tensor, i32 key0) const {
    const uint32_t stride = static_cast<uint32_t>(shape.G) * shape.D;
    const bf16* first = static_cast<const bf16*>(tensor) + wide_product(key_row + key0, stride) +
                        static_cast<i64>(blockIdx.y) * shape.D;
    const i32 low = begin - key0, high = end - key0;
    if (aligned && !gaps)
      copy_head_rows<kWidth, kKeys, kThreads>(tile, shape.D, first, stride, low, high);
    else
      load_seen_keys(tile, first, stride, key0);
  }

  __device__ __forceinline__ void load_seen_keys(uint32_t tile, const bf16* first, uint32_t stride,
                                                 i32 key0) const {
    const AttentionSequence sequence = this->sequence();
    const RowTile rows = this->rows(sequence);
    const i32 q0 = rows.query(0), q1 = rows.end_query();
    load_head_rows<kWidth, kKeys, kThreads>(tile, shape.D, [&](int row) {
      const bool seen = gaps ? sequence.sees(q0, q1, key0 + row) : key0 + row >= begin && key0 + row < end;
      return seen ? first + wide_product(row, stride) : nullptr;
    });
  }

  // The first tile from the one at `key0` on with keys that are seen.
  __device__ __forceinline__ i32 next_tile(i32 key0) const {
    if (!gaps || key0 >= end) return key0;
    const AttentionSequence sequence = this->sequence();
    const RowTile rows = this->rows(sequence);
    const i32 q0 = rows.query(0);
    const i64 query = q0 + first_above(sequence.key_end + q0, rows.end_query() - q0, key0);
    return max(key0, sequence.key_start[query] / kKeys * kKeys);
  }

  // The interval of a row.
  __device__ __forceinline__ int2 span_of(int row) const {
    if constexpr (kKeepSpans) return spans[row];
    if (row >= count()) return {0, 0};
    const AttentionSequence sequence = this->sequence();
    const i32 query = rows(sequence).query(row);
    return {sequence.key_start[query], sequence.key_end[query]};
  }

  // Calls body(m, j, i) for the lane's elements of a tile of scores that their rows do not see.
  template <class Body>
  __device__ __forceinline__ void for_each_hidden(i32 key0, const Body& body) const {
    if (key0 >= rest().all_begin && key0 + kKeys <= rest().all_end) return;
#pragma unroll
    for (int m = 0; m < kCount; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int2 span = span_of(lane_row(m, half));
#pragma unroll
        for (int j = 0; j < kKeys / 8; ++j)
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const i32 key = key0 + j * 8 + lane_column() + i;
            if (key < span.x || key >= span.y) body(m, j, 2 * half + i);
          }
      }
  }

  // Stores 16 rows of a tile, from `first` on, to a tensor [T, H, D].
  __device__ __forceinline__ void store_tile_rows(uint32_t tile, void* tensor, int first) const {
    const AttentionSequence sequence = this->sequence();
    const RowTile rows = this->rows(sequence);
    store_head_rows<kWidth>(tile, first, shape.D, aligned, [&](int row) -> bf16* {
      if (row >= rows.count) return nullptr;
      return static_cast<bf16*>(tensor) + rows.place(sequence, blockIdx.y, row).elements;
    });
  }

  // Stores 16 of the warp's rows of sums, by way of those rows of a tile that no other warp reads.
  template <class Value>
  __device__ __forceinline__ void store_rows(uint32_t tile, void* tensor, int m, const Sums& sums,
                                             const Value& value) const {
    const int first = first_row() + 16 * m;
    __syncwarp();
    write_head_rows<kWidth>(tile, first, sums[m], value);
    __syncwarp();
    store_tile_rows(tile, tensor, first);
  }
};

}  // namespace transfusion::cuda
