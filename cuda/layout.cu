// concat, slice: copies along the middle axis of [outer, n, inner]; each is the other's backward.
// One thread for a unit of 16 bytes where runs are whole ones.
#include "strided_index.h"
#include "units.h"
#ifndef __CUDACC__
#include "cuda_kernels.h"
#include "strided_copy.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct CopyArguments {
  void* y;
  const void* x;
  i64 units;
  StridedIndex<2> index;  // of y and x, in units
};

#ifdef __CUDACC__

template <class Unit>
__device__ void copy_strided(const CopyArguments& arguments) {
  const i64 i = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= arguments.units) return;
  i64 offsets[2];
  arguments.index.offsets(i, offsets);
  static_cast<Unit*>(arguments.y)[offsets[0]] = static_cast<const Unit*>(arguments.x)[offsets[1]];
}

KERNEL(copy_strided_16, CopyArguments, kThreads) { copy_strided<Unit16>(arguments); }
KERNEL(copy_strided_4, CopyArguments, kThreads) { copy_strided<Unit4>(arguments); }
KERNEL(copy_strided_2, CopyArguments, kThreads) { copy_strided<Unit2>(arguments); }

#else

UNIT_KERNELS(copy_kernel, CopyArguments, "layout", "copy_strided", kThreads)

Status copy_strided(Context& context, void* y, const void* x, DType dtype,
                    std::initializer_list<CopyAxis> axes) {
  const i64 bytes = static_cast<i64>(dtype_size(dtype));
  const CopyAxis* const inner = std::end(axes) - 1;
  i64 unit = unit_bytes({y, x}, {inner->size * bytes}), units = inner->size * bytes;
  for (const CopyAxis* axis = std::begin(axes); axis != inner; ++axis) {
    unit = std::min(unit, unit_bytes({}, {axis->y_stride * bytes, axis->x_stride * bytes}));
    units *= axis->size;
  }
  units /= unit;
  CopyArguments arguments = {y, x, units, {}};
  const auto push = [&](i64 size, i64 y_stride, i64 x_stride) {
    StridedIndex<2>& index = arguments.index;
    index.sizes[index.rank] = Divider(size, units);
    index.strides[0][index.rank] = y_stride;
    index.strides[1][index.rank++] = x_stride;
  };
  push(inner->size * bytes / unit, 1, 1);
  for (const CopyAxis* axis = inner; axis-- != std::begin(axes);)
    push(axis->size, axis->y_stride * bytes / unit, axis->x_stride * bytes / unit);
  return launch(context, copy_kernel(unit), {ceil_div(units, kThreads)}, arguments);
}

Status concat(Context& context, Out y, InList xs) {
  const i64 inner = y.dim(2), y_stride = y.dim(1) * inner;
  char* target = y.as<char>();
  for (i64 n = 0; n < xs.count; ++n) {
    const In& x = xs.items[n];
    const i64 run = x.dim(1) * inner;
    const Status status =
        copy_strided(context, target, x.data, y.dtype, {{y.dim(0), y_stride, run}, {run, 1, 1}});
    if (status.failed) return status;
    target += run * static_cast<i64>(dtype_size(y.dtype));
  }
  return ok();
}

Status slice(Context& context, Out y, In x, i64 start) {
  const i64 inner = x.dim(2), run = y.dim(1) * inner;
  const char* source = x.as<char>() + start * inner * static_cast<i64>(dtype_size(x.dtype));
  return copy_strided(context, y.data, source, x.dtype, {{y.dim(0), run, x.dim(1) * inner}, {run, 1, 1}});
}

#endif

}  // namespace transfusion::cuda
