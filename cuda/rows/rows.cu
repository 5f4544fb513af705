// gather: y[i] = x[rows[i]].  write: y[rows[i]] = x[i], the last one stays.  scatter is in scatter_add.cu.
// The backward of gather is scatter, and of scatter gather. Rows are copied in units of 16 bytes where they
// are whole ones.
#include "divider.h"
#include "units.h"
#ifdef __CUDACC__
#include "device/failure.cuh"
#else
#include "cuda_kernels.h"
#include "rows/rows.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256, kLanes = 32;

struct GatherArguments {
  void* y;
  const void* x;
  const i32* rows;
  i64 units, R;
  Divider row_units;
  Failures failures;
  uint32_t poison;
};

struct WriteRowsArguments {
  void* y;
  const void* x;
  const i32* rows;
  i64 count, R, row_units;
  i32* last;  // [R], for each row of y the latest that is written to it, counted from 1; or null: look for it
  Failures failures;
};

#ifdef __CUDACC__

template <class Unit>
__device__ void gather_rows(const GatherArguments& arguments) {
  const i64 unit = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (unit >= arguments.units) return;
  i64 column = unit;
  const i64 i = arguments.row_units.divide(column);
  const i32 row = arguments.rows[i];
  Unit value = repeat_word<Unit>(0);
  if (row >= 0 && row < arguments.R) {
    value = static_cast<const Unit*>(arguments.x)[row * arguments.row_units.divisor + column];
  } else if (row != -1) {
    if (column == 0) check_index(arguments.failures, i, row, arguments.R);
    value = repeat_word<Unit>(arguments.poison);
  }
  static_cast<Unit*>(arguments.y)[unit] = value;
}

KERNEL(gather_rows_16, GatherArguments, kThreads) { gather_rows<Unit16>(arguments); }
KERNEL(gather_rows_4, GatherArguments, kThreads) { gather_rows<Unit4>(arguments); }
KERNEL(gather_rows_2, GatherArguments, kThreads) { gather_rows<Unit2>(arguments); }

KERNEL(find_last_rows, WriteRowsArguments, kThreads) {
  const i64 i = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= arguments.count) return;
  const i32 row = arguments.rows[i];
  if (row >= 0 && row < arguments.R) atomicMax(&arguments.last[row], static_cast<i32>(i + 1));
}

// A warp for each row of x.
template <class Unit>
__device__ void write_rows(const WriteRowsArguments& arguments) {
  const i64 i = (static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x) / kLanes;
  if (i >= arguments.count) return;
  const int lane = threadIdx.x % kLanes;
  const i32 row = arguments.rows[i];
  if (row < 0 || row >= arguments.R) {
    if (lane == 0) check_index(arguments.failures, i, row, arguments.R);
    return;
  }
  if (arguments.last) {
    if (arguments.last[row] != i + 1) return;
  } else {
    bool later = false;
    for (i64 other = i + 1 + lane; other < arguments.count; other += kLanes)
      later = later || arguments.rows[other] == row;
    if (__any_sync(~0u, later)) return;
  }
  Unit* y = static_cast<Unit*>(arguments.y) + row * arguments.row_units;
  const Unit* x = static_cast<const Unit*>(arguments.x) + i * arguments.row_units;
  for (i64 unit = lane; unit < arguments.row_units; unit += kLanes) y[unit] = x[unit];
}

KERNEL(write_rows_16, WriteRowsArguments, kThreads) { write_rows<Unit16>(arguments); }
KERNEL(write_rows_4, WriteRowsArguments, kThreads) { write_rows<Unit4>(arguments); }
KERNEL(write_rows_2, WriteRowsArguments, kThreads) { write_rows<Unit2>(arguments); }

#else

UNIT_KERNELS(gather_kernel, GatherArguments, "rows", "gather_rows", kThreads)
UNIT_KERNELS(write_kernel, WriteRowsArguments, "rows", "write_rows", kThreads)
constexpr Kernel<WriteRowsArguments> find_last_rows("rows", "find_last_rows", kThreads);

Status take_rows(Context& context, const TensorView& y, const TensorView& x, const TensorView& rows,
                 const char* argument) {
  const i64 bytes = row_elements(x) * static_cast<i64>(dtype_size(x.dtype));
  const i64 unit = unit_bytes({y.data, x.data}, {bytes}), units = rows.elements() * bytes / unit;
  return launch(context, gather_kernel(unit), {ceil_div(units, kThreads)},
                {y.data, x.data, static_cast<const i32*>(rows.data), units, x.dim(0),
                 Divider(bytes / unit, units), expect_indices(context, argument, x.dim(0)), poison(x.dtype)});
}

Status gather_rows(Context& context, Out y, In x, In rows) { return take_rows(context, y, x, rows, "rows"); }

Status scatter_add_rows(Context& context, InOut y, In x, In rows) {
  return add_rows(context, y, x, rows, "rows");
}

Status write_rows(Context& context, InOut y, In x, In rows) {
  // Above it every warp would look through too many rows.
  constexpr i64 kMostSearched = 2048;
  const i64 count = rows.elements(), R = y.dim(0);
  const i64 bytes = row_elements(y) * static_cast<i64>(dtype_size(y.dtype)),
            unit = unit_bytes({y.data, x.data}, {bytes});
  WriteRowsArguments arguments = {y.data, x.data,       rows.as<i32>(), count,
                                  R,      bytes / unit, nullptr,        expect_indices(context, "rows", R)};
  if (count > kMostSearched) {
    arguments.last = context.scratch<i32>(R);
    if (const Status status = set_zero(context, arguments.last, static_cast<size_t>(R) * sizeof(i32));
        status.failed)
      return status;
    if (const Status status = launch(context, find_last_rows, {ceil_div(count, kThreads)}, arguments);
        status.failed)
      return status;
  }
  return launch(context, write_kernel(unit), {ceil_div(count * kLanes, kThreads)}, arguments);
}

#endif

}  // namespace transfusion::cuda
