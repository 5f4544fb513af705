// target [columns] = or += sums over the rows of x: see column_sums.h.
// A block sums a chunk of rows for a tile of columns. Its threads stand in a rectangle: a row of them covers
// the tile, 16 bytes each, and each of them takes every so-manieth row; their sums are joined in a tree.
#include "kernel.h"
#ifdef __CUDACC__
#include "device/elements.cuh"
#include "device/thread_rectangle.cuh"
#else
#include <algorithm>

#include "column_sums.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct ColumnSumsArguments {
  float* target;  // [chunks, columns]
  const void* x;
  i64 rows, columns;
  i64 chunk_rows;
  int tile_threads;  // that stand side by side: a power of two
  bool add, vectors;
};

#ifdef __CUDACC__

template <class T>
__device__ void column_sums(const ColumnSumsArguments& arguments) {
  constexpr int N = Vector<T>::kSize;
  const int width = arguments.tile_threads, thread = threadIdx.x;
  const i64 columns = arguments.columns, chunk = blockIdx.y;
  const i64 column = (static_cast<i64>(blockIdx.x) * width + thread % width) * N;
  const i64 begin = chunk * arguments.chunk_rows + thread / width, step = kThreads / width;
  const i64 end = min(arguments.rows, (chunk + 1) * arguments.chunk_rows);
  const T* x = static_cast<const T*>(arguments.x) + column;
  float sums[N] = {};
#pragma unroll 4
  for (i64 row = begin; row < end; row += step) {
    float values[N];
    load_run(values, x + row * columns, columns - column, arguments.vectors);
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] += values[i];
  }
  join_thread_rows<kThreads>(sums, width);
  if (thread >= width) return;
  float* target = arguments.target + chunk * columns + column;
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (column + i < columns) target[i] = arguments.add ? target[i] + sums[i] : sums[i];
}

KERNEL(column_sums_f32, ColumnSumsArguments, kThreads) { column_sums<f32>(arguments); }
KERNEL(column_sums_bf16, ColumnSumsArguments, kThreads) { column_sums<bf16>(arguments); }

#else

FLOAT_KERNELS(column_sums_kernel, ColumnSumsArguments, "column_sums", "column_sums", kThreads)

namespace {

// How a matrix is cut for one stage.
struct Cut {
  i64 tiles, chunks;
  ColumnSumsArguments arguments;

  Cut(float* target, const void* x, DType dtype, i64 rows, i64 columns, i64 most_chunks, bool add) {
    const i64 per_thread = 16 / static_cast<i64>(dtype_size(dtype));
    // Of few rows narrow tiles, so that there are more of them.
    int width = 1;
    while (width * per_thread < columns && width < (rows > 1024 ? 32 : 8)) width *= 2;
    tiles = ceil_div(columns, width * per_thread);
    const i64 rows_of_threads = 16 * kThreads / width;
    chunks = std::clamp<i64>(ceil_div(rows, rows_of_threads), 1, std::max<i64>(1, most_chunks / tiles));
    const i64 chunk_rows = ceil_div(rows, chunks);
    chunks = ceil_div(rows, chunk_rows);
    const bool vectors = aligned({x}) && columns % per_thread == 0;
    arguments = {target, x, rows, columns, chunk_rows, width, add, vectors};
  }
};

}  // namespace

Status add_column_sums(Context& context, float* target, const void* x, DType dtype, i64 rows, i64 columns) {
  if (rows == 0 || columns == 0) return ok();
  Cut cut(target, x, dtype, rows, columns, kGradientBlocks, true);
  if (cut.chunks > 1) {
    float* partials = context.scratch<float>(cut.chunks * columns);
    cut.arguments.target = partials;
    cut.arguments.add = false;
    if (const Status status =
            launch(context, column_sums_kernel(dtype), {cut.tiles, cut.chunks}, cut.arguments);
        status.failed)
      return status;
    cut = Cut(target, partials, DType::f32, cut.chunks, columns, 1, true);
    dtype = DType::f32;
  }
  return launch(context, column_sums_kernel(dtype), {cut.tiles, cut.chunks}, cut.arguments);
}

#endif

}  // namespace transfusion::cuda
