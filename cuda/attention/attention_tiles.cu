// The spans of an attention call, checked in the order of the CPU, and the tiles of its work. Both are kept
// for the other layers' calls, which have the same spans: whoever finds a list refused reports what was
// found. One block looks, so that it can tell the range too. Where there are many queries, other blocks have
// looked for the first wrong one before.
#include "attention/tiles.h"

#include "kernel.h"
#ifdef __CUDACC__
#include "device/failure.cuh"
#else
#include <algorithm>
#include <string>

#include "host/launch.h"
#include "shared/attention_spans.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 1024;

struct CheckSpansArguments {
  AttentionShape shape;
  u64* found;  // the first fault that each block finds
};

struct CutAttentionArguments {
  AttentionShape shape;
  const u64* found;
  i64 found_count;  // 0: nobody has looked at the queries
  TileList rows, keys;
  i64* first_tiles;      // [B + 3], of each sequence
  FailureRecord* fault;  // written where there is one
};

#ifdef __CUDACC__

namespace {

// Faults in the order in which the CPU meets them: what was checked, then where.
enum Check : u64 { kQueryRowsRise, kKeyRowsRise, kFirstQueryRow, kLastQueryRow, kQueries };
constexpr u64 kNoFault = ~u64{0};

__device__ u64 fault(Check check, i64 index, bool of_start = false) {
  return static_cast<u64>(check) << 56 | static_cast<u64>(index) << 1 | static_cast<u64>(of_start);
}

struct Range {
  i64 low, high;
  __device__ bool has(i64 value) const { return value >= low && value <= high; }
};

__device__ Range range_of_row(const i32* rows, i64 b, i64 limit) { return {b == 0 ? 0 : rows[b - 1], limit}; }

// The sequence of a query; any one if query_rows do not rise.
__device__ i64 sequence_of(const AttentionShape& shape, i64 query) {
  return first_above(shape.query_rows + 1, shape.B - 1, query);
}

// Ranges are nonsense, though read within bounds, where query_rows or key_rows are: those come first.
__device__ Range range_of_end(const AttentionShape& shape, i64 query) {
  const i64 b = sequence_of(shape, query);
  const bool first = query == 0 || query == shape.query_rows[b];
  return {first ? 1 : shape.key_end[query - 1], static_cast<i64>(shape.key_rows[b + 1]) - shape.key_rows[b]};
}
__device__ Range range_of_start(const AttentionShape& shape, i64 query) {
  const bool first = query == 0 || query == shape.query_rows[sequence_of(shape, query)];
  return {first ? 0 : shape.key_start[query - 1], static_cast<i64>(shape.key_end[query]) - 1};
}

__device__ u64 check_query(const AttentionShape& shape, i64 query) {
  if (!range_of_end(shape, query).has(shape.key_end[query])) return fault(kQueries, query);
  if (!range_of_start(shape, query).has(shape.key_start[query])) return fault(kQueries, query, true);
  return kNoFault;
}

// The first fault of a block, for all its threads.
__device__ u64 first_of_block(u64 found) {
  __shared__ unsigned long long first;
  if (threadIdx.x == 0) first = kNoFault;
  __syncthreads();
  if (found != kNoFault) atomicMin(&first, static_cast<unsigned long long>(found));
  __syncthreads();
  return first;
}

__device__ u64 find_fault(const CutAttentionArguments& arguments) {
  const AttentionShape& shape = arguments.shape;
  u64 found = kNoFault;
  for (i64 b = threadIdx.x; b <= shape.B; b += kThreads) {
    if (!range_of_row(shape.query_rows, b, shape.T).has(shape.query_rows[b]))
      found = min(found, fault(kQueryRowsRise, b));
    if (!range_of_row(shape.key_rows, b, shape.K).has(shape.key_rows[b]))
      found = min(found, fault(kKeyRowsRise, b));
    if (b == 0 && shape.query_rows[b] != 0) found = min(found, fault(kFirstQueryRow, b));
    if (b == shape.B && shape.query_rows[b] != shape.T) found = min(found, fault(kLastQueryRow, b));
  }
  for (i64 i = threadIdx.x; i < arguments.found_count; i += kThreads) found = min(found, arguments.found[i]);
  if (arguments.found_count == 0 && shape.B > 0)
    for (i64 query = threadIdx.x; query < shape.T; query += kThreads)
      found = min(found, check_query(shape, query));
  return first_of_block(found);
}

__device__ void record(const CutAttentionArguments& arguments, u64 found) {
  const AttentionShape& shape = arguments.shape;
  const auto say = [&](int argument, i64 index, i32 value, Range range) {
    *arguments.fault = {.low = range.low, .high = range.high};
    report_failure({arguments.fault}, argument, index, value);
  };
  const i64 index = static_cast<i64>(found >> 1 & (u64{1} << 55) - 1);
  switch (found >> 56) {
    case kQueryRowsRise:
      return say(0, index, shape.query_rows[index], range_of_row(shape.query_rows, index, shape.T));
    case kKeyRowsRise:
      return say(1, index, shape.key_rows[index], range_of_row(shape.key_rows, index, shape.K));
    case kFirstQueryRow:
      return say(0, index, shape.query_rows[index], {0, 0});
    case kLastQueryRow:
      return say(0, index, shape.query_rows[index], {shape.T, shape.T});
    default:
      if (found & 1) return say(3, index, shape.key_start[index], range_of_start(shape, index));
      return say(2, index, shape.key_end[index], range_of_end(shape, index));
  }
}

// The sum of `value` over the threads up to this one.
__device__ i64 sum_up_to(i64 value) {
  __shared__ i64 of_warps[kThreads / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int distance = 1; distance < 32; distance *= 2) {
    const i64 before = __shfl_up_sync(~0u, value, distance);
    if (lane >= distance) value += before;
  }
  if (lane == 31) of_warps[warp] = value;
  __syncthreads();
  for (int i = 0; i < warp; ++i) value += of_warps[i];
  __syncthreads();
  return value;
}

// Chunks with keys that rows [first, end) of a sequence see.
__device__ i32 chunks_of(const AttentionShape& shape, i64 b, i64 first, i64 end) {
  const i64 query0 = shape.query_rows[b];
  const i32 key_start = shape.key_start[query0 + first / shape.group];
  const i32 key_end = shape.key_end[query0 + (end - 1) / shape.group];
  return (key_end - 1) / kChunk - key_start / kChunk + 1;
}

__device__ i64 tiles_of(const TileList& list, i64 length) { return (length + list.size - 1) / list.size; }

// Tile `place` of those of sequence b; of a list that is split, with as many places for a tile as the
// sequence has chunks.
__device__ AttentionTile tile_of(const TileList& list, const AttentionShape& shape, i64 b, i64 length,
                                 i64 place) {
  const i32 sequence = static_cast<i32>(b);
  if (tiles_of(list, length) > list.split) return {sequence, static_cast<i32>(place * list.size), 0, 1};
  const i32 chunks = chunks_of(shape, b, 0, length), part = static_cast<i32>(place % chunks);
  const i64 first = place / chunks * list.size;
  const i32 parts = chunks_of(shape, b, first, min(length, first + list.size));
  if (part >= parts) return {kNoTile, 0, 0, 1};
  return {sequence, static_cast<i32>(first), part, parts};
}

// Lists the tiles of `sequences` sequences, of which number b has `length(b)` elements. `reversed`: the last
// tile first.
template <class Length>
__device__ void list_tiles(const TileList& list, const AttentionShape& shape, i64* first_tiles, i64 sequences,
                           bool reversed, const Length& length) {
  if (list.size == 0) return;
  __shared__ i64 total;
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  for (i64 base = 0; base < sequences; base += kThreads) {
    const i64 b = base + threadIdx.x;
    i64 count = b < sequences ? tiles_of(list, length(b)) : 0;
    if (count > 0 && count <= list.split) count *= chunks_of(shape, b, 0, length(b));
    const i64 end = total + sum_up_to(count);  // which ends with a barrier
    if (b < sequences) first_tiles[b] = end - count;
    if (threadIdx.x == kThreads - 1) total = end;
    __syncthreads();
  }
  const i64 count = total;
  for (i64 i = threadIdx.x; i < list.capacity; i += kThreads) {
    AttentionTile tile = {kNoTile, 0, 0, 1};
    if (i < count) {
      const i64 at = reversed ? count - 1 - i : i;
      // The last sequence that begins at or before it: those without tiles begin where the next one does.
      i64 low = 0, high = sequences;
      while (high - low > 1) {
        const i64 middle = low + (high - low) / 2;
        (first_tiles[middle] <= at ? low : high) = middle;
      }
      tile = tile_of(list, shape, low, length(low), at - first_tiles[low]);
    }
    list.tiles[i] = tile;
  }
  __syncthreads();
}

__device__ void reject(const TileList& list) {
  for (i64 i = threadIdx.x; i < list.capacity; i += kThreads) list.tiles[i] = {kRejected, 0, 0, 1};
}

}  // namespace

KERNEL(attention_check_spans, CheckSpansArguments, kThreads) {
  const i64 query = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  const u64 first =
      first_of_block(query < arguments.shape.T ? check_query(arguments.shape, query) : kNoFault);
  if (threadIdx.x == 0) arguments.found[blockIdx.x] = first;
}

KERNEL(attention_cut, CutAttentionArguments, kThreads) {
  const AttentionShape& shape = arguments.shape;
  if (const u64 found = find_fault(arguments); found != kNoFault) {
    if (threadIdx.x == 0) record(arguments, found);
    reject(arguments.rows);
    reject(arguments.keys);
    return;
  }
  // Queries at the end see most keys, keys at the beginning are seen by most queries: the longest work first.
  list_tiles(arguments.rows, shape, arguments.first_tiles, shape.B, arguments.rows.split == 0, [&](i64 b) {
    return static_cast<i64>(shape.query_rows[b + 1] - shape.query_rows[b]) * shape.group;
  });
  list_tiles(arguments.keys, shape, arguments.first_tiles, shape.B + 2, false, [&](i64 b) {
    const auto row = [&](i64 i) { return static_cast<i64>(shape.key_rows[i]); };
    if (b < shape.B) return row(b + 1) - row(b);
    return b == shape.B ? row(0) : shape.K - row(shape.B);
  });
}

#else

constexpr Kernel<CheckSpansArguments> check_spans_kernel("attention_tiles", "attention_check_spans",
                                                         kThreads);
constexpr Kernel<CutAttentionArguments> cut_kernel("attention_tiles", "attention_cut", kThreads);

AttentionShape attention_shape(const TensorView& q, const TensorView& k, const In& key_start,
                               const In& key_end, const In& query_rows, const In& key_rows) {
  const i64 H = q.dim(1), G = k.dim(1), group = H / std::max<i64>(1, G);
  return {.T = q.dim(0),
          .K = k.dim(0),
          .B = query_rows.dim(0) - 1,
          .H = static_cast<i32>(H),
          .G = static_cast<i32>(G),
          .D = static_cast<i32>(q.dim(2)),
          .group = static_cast<i32>(group),
          .by_group = NarrowDivider(std::max<i64>(1, group)),
          .key_start = key_start.as<i32>(),
          .key_end = key_end.as<i32>(),
          .query_rows = query_rows.as<i32>(),
          .key_rows = key_rows.as<i32>(),
          .versions = {key_start.version, key_end.version, query_rows.version, key_rows.version}};
}

TileList row_tiles(const AttentionShape& shape, i32 size, i32 split) {
  const i64 tiles = ceil_div(shape.T * shape.group, size) + shape.B;
  // A sequence of N keys has at most N / kChunk + 1 chunks.
  const i64 most = tiles + split * (shape.K / kChunk + shape.B);
  return {.capacity = static_cast<i32>(most), .size = size, .split = split};
}

TileList key_tiles(const AttentionShape& shape, i32 size) {
  return {.capacity = static_cast<i32>(ceil_div(shape.K, size) + shape.B + 2), .size = size};
}

namespace {

// All that the lists depend on.
std::string key_of(const AttentionShape& shape, const TileList& rows, const TileList& keys) {
  std::string key;
  const auto add = [&](const auto& value) {
    key.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const i32* const spans[] = {shape.key_start, shape.key_end, shape.query_rows, shape.key_rows};
  for (int i = 0; i < 4; ++i) {
    if (shape.versions[i] == 0) return {};
    add(spans[i]);
    add(shape.versions[i]);
  }
  for (const i64 size :
       {shape.T, shape.K, shape.B, i64{shape.group}, i64{rows.size}, i64{rows.split}, i64{keys.size}})
    add(size);
  return key;
}

Status list(Context& context, CutAttentionArguments arguments) {
  const AttentionShape& shape = arguments.shape;
  arguments.first_tiles = context.scratch<i64>(shape.B + 3);
  if (shape.T > kThreads && shape.B > 0) {
    const i64 blocks = ceil_div(shape.T, kThreads);
    u64* found = context.scratch<u64>(blocks);
    if (Status status = launch(context, check_spans_kernel, {blocks}, {shape, found}); status.failed)
      return status;
    arguments.found = found;
    arguments.found_count = blocks;
  }
  return launch(context, cut_kernel, {1}, arguments);
}

}  // namespace

Status cut_attention(Context& context, const AttentionShape& shape, TileList& rows, TileList& keys,
                     SpanFault& fault) {
  // The record, then the lists.
  static_assert(sizeof(FailureRecord) % alignof(AttentionTile) == 0);
  const size_t tiles = static_cast<size_t>(rows.capacity) + static_cast<size_t>(keys.capacity);
  const auto place = [&](void* data) {
    fault.found = static_cast<FailureRecord*>(data);
    rows.tiles = reinterpret_cast<AttentionTile*>(fault.found + 1);
    keys.tiles = rows.tiles + rows.capacity;
  };
  void* kept = nullptr;
  const auto make = [&](void* data) {
    place(data);
    return list(context, {.shape = shape,
                          .found = nullptr,
                          .found_count = 0,
                          .rows = rows,
                          .keys = keys,
                          .first_tiles = nullptr,
                          .fault = fault.found});
  };
  const size_t bytes = sizeof(FailureRecord) + tiles * sizeof(AttentionTile);
  if (Status status = keep(context, key_of(shape, rows, keys), bytes, kept, make); status.failed)
    return status;
  place(kept);
  fault.failures = expect_failures(context, [](const FailureRecord& record) {
    return span_out_of_range(static_cast<SpanArgument>(record.argument()), record.index(), record.value(),
                             record.low, record.high);
  });
  return ok();
}

#endif

}  // namespace transfusion::cuda
