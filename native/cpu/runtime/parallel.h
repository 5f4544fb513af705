// Parallel loops and reductions. Work is cut by shape alone, never by the number of threads, so that no
// result depends on it.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernel_types.h"

namespace transfusion::cpu {

inline i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }
inline i64 round_up(i64 count, i64 step) { return ceil_div(count, step) * step; }
inline i64 round_down(i64 count, i64 step) { return count / step * step; }

// One dimension cut into `count` equal chunks of at most `max_chunk`, all but the last a multiple of `unit`.
struct Partition {
  i64 size, chunk, count;

  Partition(i64 size, i64 max_chunk, i64 unit) : size(size) {
    chunk = round_up(ceil_div(size, ceil_div(size, max_chunk)), unit);
    count = ceil_div(size, chunk);
  }
  i64 begin(i64 i) const { return i * chunk; }
  i64 width(i64 i) const { return std::min(chunk, size - begin(i)); }
};

// Calls body(begin, end) for chunks of `grain` items, in any order and on any thread.
template <class Body>
void parallel_for(i64 count, i64 grain, const Body& body) {
  const i64 chunks = ceil_div(count, grain);
  if (chunks <= 1) {
    if (count > 0) body(0, count);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1)
  for (i64 chunk = 0; chunk < chunks; ++chunk) body(chunk * grain, std::min(count, (chunk + 1) * grain));
}

// Calls body(task, scratch) for each task on any thread, with `floats` floats of that thread's own. Tasks
// begin in ascending order: one may wait for an earlier one.
template <class Body>
void parallel_tasks(Context& context, i64 count, i64 floats, const Body& body) {
  const int threads = static_cast<int>(std::min<i64>(count, omp_get_max_threads()));
  if (threads == 0) return;
  float* scratch = context.scratch<float>(threads * floats);
  std::atomic<i64> next = 0;
#pragma omp parallel num_threads(threads)
  {
    float* own = scratch + omp_get_thread_num() * floats;
    for (i64 task; (task = next.fetch_add(1)) < count;) body(task, own);
  }
}

// Results of so many bytes or more outgrow the caches: non-temporal stores then save reading the lines that
// are written.
inline constexpr i64 kNonTemporalBytes = 32 << 20;

// A grain that gives each chunk about 16k elements, for kernels bound by memory.
inline i64 row_grain(i64 row_elements) { return std::max<i64>(1, 16384 / std::max<i64>(1, row_elements)); }

// target [width] += each of the partial sums [chunks, width], in order.
inline void add_partials(float* target, const float* partials, i64 chunks, i64 width) {
  parallel_for(width, 1024, [&](i64 begin, i64 end) {
    for (i64 chunk = 0; chunk < chunks; ++chunk)
      for (i64 i = begin; i < end; ++i) target[i] += partials[chunk * width + i];
  });
}

// Sums over rows into f32 columns: body(begin, end, partial) adds rows [begin, end) to partial [width],
// zeroed. The cut depends on the shape only and partial sums are joined in order: target[i] += sum of
// partials.
template <class Body>
void reduce_rows(Context& context, i64 rows, i64 width, float* target, const Body& body) {
  const i64 chunk_rows = std::max<i64>(32, ceil_div(rows, 64));
  const i64 chunks = ceil_div(rows, chunk_rows);
  if (chunks == 0) return;
  float* partials = context.scratch<float>(chunks * width);
  parallel_for(chunks, 1, [&](i64 begin, i64 end) {
    for (i64 chunk = begin; chunk < end; ++chunk) {
      float* partial = partials + chunk * width;
      std::memset(partial, 0, static_cast<size_t>(width) * sizeof(float));
      body(chunk * chunk_rows, std::min(rows, (chunk + 1) * chunk_rows), partial);
    }
  });
  add_partials(target, partials, chunks, width);
}

}  // namespace transfusion::cpu
