// A stable radix sort of rows by the row of y that they belong to, by digits of 8 bits. For each digit, warps
// count the values of their segments, one block makes of the counts where each (value, segment) begins, and
// the warps place their segments' rows in order.
#include "rows/row_list.h"
#ifdef __CUDACC__
#include "device/failure.cuh"
#else
#include <bit>
#include <utility>
#endif

namespace transfusion::cuda {

constexpr int kLanes = 32;
// Elements of a warp, and values of a digit.
constexpr int kSegment = 1024, kDigitBits = 8, kDigits = 1 << kDigitBits;
constexpr int kThreads = 128, kWarps = kThreads / kLanes, kScanThreads = 1024;

struct SortArguments {
  const i32* rows;  // first pass: what to sort, else null
  RowList from, to;
  i64 count, R, segments;
  int shift;
  uint32_t* starts;  // [kDigits, segments]
  Failures failures;
};

#ifdef __CUDACC__

struct ListEntry {
  i32 key, source;
};

__device__ __forceinline__ ListEntry list_entry(const SortArguments& arguments, i64 i) {
  if (!arguments.rows) return {arguments.from.keys[i], arguments.from.sources[i]};
  const i32 row = arguments.rows[i], source = static_cast<i32>(i);
  if (row == -1) return {static_cast<i32>(arguments.R), source};
  if (row < 0 || row >= arguments.R) return {0, -1 - source};
  return {row, source};
}

__device__ __forceinline__ int digit_of(const SortArguments& arguments, i32 key) {
  return key >> arguments.shift & (kDigits - 1);
}

KERNEL(count_row_digits, SortArguments, kThreads) {
  __shared__ uint32_t counts[kWarps][kDigits];
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
  const i64 segment = static_cast<i64>(blockIdx.x) * (kWarps) + warp;
  if (segment >= arguments.segments) return;
  for (int digit = lane; digit < kDigits; digit += kLanes) counts[warp][digit] = 0;
  __syncwarp();
  const i64 end = min((segment + 1) * kSegment, arguments.count);
  for (i64 i = segment * kSegment + lane; i < end; i += kLanes) {
    if (arguments.rows) check_index(arguments.failures, i, arguments.rows[i], arguments.R);
    atomicAdd(&counts[warp][digit_of(arguments, list_entry(arguments, i).key)], 1u);
  }
  __syncwarp();
  for (int digit = lane; digit < kDigits; digit += kLanes)
    arguments.starts[digit * arguments.segments + segment] = counts[warp][digit];
}

// Replaces every count by the sum of those before it.
KERNEL(scan_row_digits, SortArguments, kScanThreads) {
  __shared__ uint32_t of_warps[kLanes];
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
  const i64 count = kDigits * arguments.segments;
  uint32_t before = 0;
  for (i64 begin = 0; begin < count; begin += kScanThreads) {
    const i64 i = begin + threadIdx.x;
    const uint32_t own = i < count ? arguments.starts[i] : 0;
    uint32_t sum = own;
#pragma unroll
    for (int distance = 1; distance < kLanes; distance *= 2) {
      const uint32_t other = __shfl_up_sync(~0u, sum, distance);
      if (lane >= distance) sum += other;
    }
    if (lane == kLanes - 1) of_warps[warp] = sum;
    __syncthreads();
    uint32_t of_warp = of_warps[lane];
#pragma unroll
    for (int distance = 1; distance < kLanes; distance *= 2) {
      const uint32_t other = __shfl_up_sync(~0u, of_warp, distance);
      if (lane >= distance) of_warp += other;
    }
    const uint32_t of_earlier_warps = __shfl_sync(~0u, of_warp, warp > 0 ? warp - 1 : 0);
    const uint32_t total = __shfl_sync(~0u, of_warp, kLanes - 1);
    if (i < count) arguments.starts[i] = before + (warp > 0 ? of_earlier_warps : 0) + sum - own;
    before += total;
    __syncthreads();
  }
}

KERNEL(place_rows, SortArguments, kThreads) {
  __shared__ uint32_t places[kWarps][kDigits];
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
  const i64 segment = static_cast<i64>(blockIdx.x) * (kWarps) + warp;
  if (segment >= arguments.segments) return;
  for (int digit = lane; digit < kDigits; digit += kLanes)
    places[warp][digit] = arguments.starts[digit * arguments.segments + segment];
  __syncwarp();
  const i64 end = min((segment + 1) * kSegment, arguments.count);
  for (i64 begin = segment * kSegment; begin < end; begin += kLanes) {
    const i64 i = begin + lane;
    const bool valid = i < end;
    const ListEntry entry = valid ? list_entry(arguments, i) : ListEntry{};
    const int digit = digit_of(arguments, entry.key);
    // The lanes with the same digit.
    uint32_t peers = __ballot_sync(~0u, valid);
#pragma unroll
    for (int bit = 0; bit < kDigitBits; ++bit) {
      const bool set = digit >> bit & 1;
      const uint32_t with = __ballot_sync(~0u, set);
      peers &= set ? with : ~with;
    }
    const uint32_t place = places[warp][digit] + __popc(peers & ((1u << lane) - 1));
    __syncwarp();
    if (valid) {
      // The last of the peers knows how many they are.
      if (peers >> lane == 1) places[warp][digit] = place + 1;
      arguments.to.keys[place] = entry.key;
      arguments.to.sources[place] = entry.source;
    }
    __syncwarp();
  }
}

#else

constexpr Kernel<SortArguments> count_row_digits("sort_rows", "count_row_digits", kThreads);
constexpr Kernel<SortArguments> scan_row_digits("sort_rows", "scan_row_digits", kScanThreads);
constexpr Kernel<SortArguments> place_rows("sort_rows", "place_rows", kThreads);

namespace {

RowList scratch_list(Context& context, i64 count) {
  return {context.scratch<i32>(count), context.scratch<i32>(count)};
}

}  // namespace

Status sort_rows(Context& context, RowList& list, const TensorView& rows, i64 R, Failures failures) {
  const i64 count = rows.elements(), segments = ceil_div(count, kSegment);
  const Grid grid = {ceil_div(segments, kWarps)};
  list = scratch_list(context, count);
  SortArguments arguments = {static_cast<const i32*>(rows.data),
                             {},
                             list,
                             count,
                             R,
                             segments,
                             0,
                             context.scratch<uint32_t>(kDigits * segments),
                             failures};
  const int bits = std::bit_width(static_cast<u64>(R));
  for (; arguments.shift == 0 || arguments.shift < bits; arguments.shift += kDigitBits) {
    if (arguments.shift > 0) {
      arguments.rows = nullptr;
      arguments.to = arguments.shift == kDigitBits ? scratch_list(context, count) : arguments.from;
      arguments.from = list;
    }
    list = arguments.to;
    for (const auto& [kernel, blocks] : {std::pair(&count_row_digits, grid),
                                         std::pair(&scan_row_digits, Grid()), std::pair(&place_rows, grid)})
      if (const Status status = launch(context, *kernel, blocks, arguments); status.failed) return status;
  }
  return ok();
}

#endif

}  // namespace transfusion::cuda
