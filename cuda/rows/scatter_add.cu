// y[rows[i]] += x[i]: see rows/rows.h. The same sums in the same order at every run, without atomics on
// floats: windows of the list of rows in the order of y are summed, each thread some columns. Sums of which
// other windows have a part go to scratch and are joined in order of the windows.
#include "divider.h"
#include "rows/row_list.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "rows/rows.h"
#endif

namespace transfusion::cuda {

// Of a block, and places of the list that it walks along.
constexpr int kThreads = 128, kWindow = 32;

struct AddRowsArguments {
  void* y;
  const void* x;
  RowList list;
  i64 count, R, C;
  Divider column_blocks;
  // [windows, 2, C]: of the row of y that an earlier window began, and of the one that later windows go on
  // with.
  float* partial_sums;
  bool vectors;
};

#ifdef __CUDACC__

template <class Y, int kCount>
__device__ __forceinline__ void add_to_row(const AddRowsArguments& arguments, Access<kCount> access, i32 row,
                                           i64 column, const Floats<kCount>& sums) {
  Y* y = static_cast<Y*>(arguments.y) + row * arguments.C + column;
  access.store(y, map([](float a, float b) { return a + b; }, access.load(y), sums));
}

// What a block sums, [begin, end) of the list from `column` on, and whether its first and last row are also
// of other windows.
struct Window {
  i64 number, begin, end, column;
  bool continues, goes_on;

  __device__ Window(const AddRowsArguments& arguments, int width) {
    i64 block = blockIdx.x;
    number = arguments.column_blocks.divide(block);
    column = (block * kThreads + threadIdx.x) * width;
    begin = number * kWindow;
    end = min(begin + kWindow, arguments.count);
    const i32* keys = arguments.list.keys;
    continues = begin > 0 && keys[begin - 1] == keys[begin];
    goes_on = end < arguments.count && keys[end - 1] == keys[end];
  }
};

template <class Y, class X, int kCount>
__device__ __forceinline__ void add_window(const AddRowsArguments& arguments, Access<kCount> access) {
  const Window window(arguments, kCount);
  const i64 column = window.column, C = arguments.C;
  if (column >= C) return;
  const auto partial = [&](int which) {
    return arguments.partial_sums + (window.number * 2 + which) * C + column;
  };
  auto sums = access.repeat(0);
  bool continues = window.continues;
  for (i64 place = window.begin; place < window.end; ++place) {
    const i32 key = arguments.list.keys[place], source = arguments.list.sources[place];
    if (key == arguments.R) break;
    const auto values = source < 0 ? access.repeat(NAN)
                                   : access.load(static_cast<const X*>(arguments.x) + source * C + column);
    sums = map([](float a, float b) { return a + b; }, sums, values);
    const bool ends = place + 1 == window.end;
    if (!ends && arguments.list.keys[place + 1] == key) continue;
    if (continues)
      access.store(partial(0), sums);
    else if (ends && window.goes_on)
      access.store(partial(1), sums);
    else
      add_to_row<Y>(arguments, access, key, column, sums);
    continues = false;
    sums = access.repeat(0);
  }
}

// For the windows in which a row of y begins that does not end there.
template <class Y, int kCount>
__device__ __forceinline__ void join_windows(const AddRowsArguments& arguments, Access<kCount> access) {
  const Window first(arguments, kCount);
  const i64 column = first.column, C = arguments.C;
  if (column >= C) return;
  const i32 key = arguments.list.keys[first.end - 1];
  if (!first.goes_on || key == arguments.R) return;
  if (first.continues && arguments.list.keys[first.begin] == key) return;
  const float* partial = arguments.partial_sums + (first.number * 2 + 1) * C + column;
  auto sums = access.load(partial);
  partial -= C;
  for (i64 begin = first.end; begin < arguments.count && arguments.list.keys[begin] == key;
       begin += kWindow) {
    partial += 2 * C;
    sums = map([](float a, float b) { return a + b; }, sums, access.load(partial));
  }
  add_to_row<Y>(arguments, access, key, column, sums);
}

template <class Y, class X>
__device__ void add_rows(const AddRowsArguments& arguments) {
  if (arguments.vectors)
    add_window<Y, X>(arguments, Access<kVectorSize<Y, X>>());
  else
    add_window<Y, X>(arguments, Access<1>());
}

KERNEL(add_rows_f32_f32, AddRowsArguments, kThreads) { add_rows<f32, f32>(arguments); }
KERNEL(add_rows_f32_bf16, AddRowsArguments, kThreads) { add_rows<f32, bf16>(arguments); }
KERNEL(add_rows_bf16_f32, AddRowsArguments, kThreads) { add_rows<bf16, f32>(arguments); }
KERNEL(add_rows_bf16_bf16, AddRowsArguments, kThreads) { add_rows<bf16, bf16>(arguments); }

template <class Y>
__device__ void join_rows(const AddRowsArguments& arguments) {
  if (arguments.vectors)
    join_windows<Y>(arguments, Access<kVectorSize<f32>>());
  else
    join_windows<Y>(arguments, Access<1>());
}

KERNEL(join_rows_f32, AddRowsArguments, kThreads) { join_rows<f32>(arguments); }
KERNEL(join_rows_bf16, AddRowsArguments, kThreads) { join_rows<bf16>(arguments); }

#else

FLOAT_PAIR_KERNELS(add_rows_kernel, AddRowsArguments, "scatter_add", "add_rows", kThreads)
FLOAT_KERNELS(join_rows_kernel, AddRowsArguments, "scatter_add", "join_rows", kThreads)

Status add_rows(Context& context, const TensorView& y, const TensorView& x, const TensorView& rows,
                const char* argument) {
  const i64 R = y.dim(0), C = row_elements(y), count = rows.elements(), windows = ceil_div(count, kWindow);
  if (count == 0) return ok();
  RowList list;
  if (const Status status = sort_rows(context, list, rows, R, expect_indices(context, argument, R));
      status.failed)
    return status;
  const bool vectors = C % vector_size(y.dtype, x.dtype) == 0 && aligned({y.data, x.data});
  AddRowsArguments arguments = {y.data, x.data, list, count, R, C, {}, nullptr, vectors};
  if (windows > 1) arguments.partial_sums = context.scratch<float>(2 * windows * C);
  const auto launch_over_columns = [&](const Kernel<AddRowsArguments>& kernel, i64 width) {
    const i64 column_blocks = ceil_div(C, kThreads * (vectors ? width : 1));
    arguments.column_blocks = Divider(column_blocks, windows * column_blocks);
    return launch(context, kernel, {windows * column_blocks}, arguments);
  };
  const Status status = launch_over_columns(add_rows_kernel(y.dtype, x.dtype), vector_size(y.dtype, x.dtype));
  if (status.failed || windows == 1) return status;
  return launch_over_columns(join_rows_kernel(y.dtype), vector_size(DType::f32));
}

#endif

}  // namespace transfusion::cuda
