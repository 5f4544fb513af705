// sum_to: y = scale (sum of x over the axes in which y has size 1).  broadcast_to: y = scale x, repeated;
// each is the other's backward.  sum_rows, y[c] += sum_t x[t, c], is column_sums.cu's. In sum_to x is seen as
// outer axes that are kept, in y's order, and axes that are summed; the innermost one is of one or the other
// kind. Where there are few sums they are cut by shape into parts, whose sums are summed by a second launch.
#include "strided_index.h"
#ifdef __CUDACC__
#include "device/reduce.cuh"
#include "device/vectors.cuh"
#else
#include <algorithm>
#include <bit>

#include "column_sums.h"
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct SumArguments {
  void* y;  // [outputs, parts] or, where the innermost axis is kept, [outputs, parts, columns]
  const void* x;
  i64 outputs, columns;
  StridedIndex<1> kept, summed;
  i64 terms, part_terms;  // of a sum, and of a part of it
  Divider parts, column_blocks;
  // Threads that share a part, a power of two: up to a warp, or the block. Where the innermost axis is kept:
  // that share a row, up to a warp.
  int group;
  f32 scale;
  bool vectors;
};

struct BroadcastToArguments {
  void* y;
  const void* x;
  i64 count;
  f32 scale;
  BroadcastIndex<1> index;
};

#ifdef __CUDACC__

template <int kCount>
__device__ __forceinline__ float sum_of(const Floats<kCount>& floats) {
  float sum = 0;
#pragma unroll
  for (float value : floats.values) sum += value;
  return sum;
}

// A group of threads for each part.
template <class Y, class X>
__device__ void sum_innermost(const SumArguments& arguments) {
  const int group = arguments.group, lane = threadIdx.x % group;
  const i64 task = (static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x) / group;
  i64 part = task;
  const i64 output = arguments.parts.divide(part);
  float sum = 0;
  if (output < arguments.outputs) {
    const X* x = static_cast<const X*>(arguments.x) + arguments.kept.offset(output);
    const i64 begin = part * arguments.part_terms;
    const i64 end = min(begin + arguments.part_terms, arguments.terms);
    const auto add = [&](auto access) {
      for (i64 i = begin + lane * access.kSize; i < end; i += group * access.kSize)
        sum += sum_of(access.load(x + arguments.summed.offset(i)));
    };
    if (arguments.vectors)
      add(Access<kVectorSize<X>>());
    else
      add(Access<1>());
  }
  if (group == kThreads) {
    sum = reduce_block<kThreads>(sum, Sum());
  } else {
    for (int distance = group / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
  }
  if (lane == 0 && output < arguments.outputs)
    static_cast<Y*>(arguments.y)[task] = from_float<Y>(arguments.scale * sum);
}

KERNEL(sum_innermost_f32_f32, SumArguments, kThreads) { sum_innermost<f32, f32>(arguments); }
KERNEL(sum_innermost_f32_bf16, SumArguments, kThreads) { sum_innermost<f32, bf16>(arguments); }
KERNEL(sum_innermost_bf16_f32, SumArguments, kThreads) { sum_innermost<bf16, f32>(arguments); }
KERNEL(sum_innermost_bf16_bf16, SumArguments, kThreads) { sum_innermost<bf16, bf16>(arguments); }

// A block for a part of some columns: `group` threads side by side, each with a vector of columns, and
// kThreads / group rows of them that take every so many terms.
template <class Y, class X, int kSize>
__device__ __forceinline__ void sum_columns_by(const SumArguments& arguments, Access<kSize> access,
                                               float* shared) {
  const int group = arguments.group, lane = threadIdx.x % group, row = threadIdx.x / group;
  i64 block = blockIdx.x;
  i64 part = arguments.column_blocks.divide(block);
  const i64 row_of_y = part, output = arguments.parts.divide(part);
  const i64 column = (block * group + lane) * kSize;
  const X* x = static_cast<const X*>(arguments.x) + arguments.kept.offset(output) + column;
  const i64 begin = part * arguments.part_terms;
  const i64 end = min(begin + arguments.part_terms, arguments.terms);
  auto sums = access.repeat(0);
  if (column < arguments.columns)
    for (i64 term = begin + row; term < end; term += kThreads / group)
      sums = map(Sum(), sums, access.load(x + arguments.summed.offset(term)));

#pragma unroll
  for (int i = 0; i < kSize; ++i) shared[i * kThreads + threadIdx.x] = sums.values[i];
  for (int rows = kThreads / group / 2; rows > 0; rows /= 2) {
    __syncthreads();
    if (row >= rows) continue;
#pragma unroll
    for (int i = 0; i < kSize; ++i)
      shared[i * kThreads + threadIdx.x] += shared[i * kThreads + threadIdx.x + rows * group];
  }
  if (row > 0 || column >= arguments.columns) return;
#pragma unroll
  for (int i = 0; i < kSize; ++i) sums.values[i] = arguments.scale * shared[i * kThreads + threadIdx.x];
  access.store(static_cast<Y*>(arguments.y) + row_of_y * arguments.columns + column, sums);
}

template <class Y, class X>
__device__ void sum_columns(const SumArguments& arguments) {
  __shared__ float shared[kVectorSize<X> * kThreads];
  if (arguments.vectors)
    sum_columns_by<Y, X>(arguments, Access<kVectorSize<X>>(), shared);
  else
    sum_columns_by<Y, X>(arguments, Access<1>(), shared);
}

KERNEL(sum_columns_f32_f32, SumArguments, kThreads) { sum_columns<f32, f32>(arguments); }
KERNEL(sum_columns_f32_bf16, SumArguments, kThreads) { sum_columns<f32, bf16>(arguments); }
KERNEL(sum_columns_bf16_f32, SumArguments, kThreads) { sum_columns<bf16, f32>(arguments); }
KERNEL(sum_columns_bf16_bf16, SumArguments, kThreads) { sum_columns<bf16, bf16>(arguments); }

template <class T>
__device__ void broadcast_to(const BroadcastToArguments& arguments) {
  const float scale = arguments.scale;
  const BroadcastIndex<1>& index = arguments.index;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, index.vectors, [&](i64 i, auto access) {
    const T* x = static_cast<const T*>(arguments.x) + index.offset(i);
    const auto values = index.repeats(0) ? access.repeat(to_float(*x)) : access.load(x);
    access.store(static_cast<T*>(arguments.y) + i, map([=](float value) { return scale * value; }, values));
  });
}

KERNEL(broadcast_to_f32, BroadcastToArguments, kThreads) { broadcast_to<f32>(arguments); }
KERNEL(broadcast_to_bf16, BroadcastToArguments, kThreads) { broadcast_to<bf16>(arguments); }

#else

FLOAT_PAIR_KERNELS(innermost_kernel, SumArguments, "reduce", "sum_innermost", kThreads)
FLOAT_PAIR_KERNELS(columns_kernel, SumArguments, "reduce", "sum_columns", kThreads)
FLOAT_KERNELS(broadcast_to_kernel, BroadcastToArguments, "reduce", "broadcast_to", kThreads)

namespace {

// Blocks that keep any GPU busy, and terms that are worth one.
constexpr i64 kLanes = 32, kBlocks = 1024, kTermsOfBlock = 4096, kRowsOfBlock = 64;

// Sums that are to be done: axes of x are kept or summed.
struct Sums {
  TensorView y;
  const void* x;
  DType x_dtype;
  i64 outputs = 1, columns = 1, terms = 1;
  bool keeps_innermost;
  StridedIndex<1> kept = {}, summed = {};
  bool aligned_rows;  // the innermost axis is whole vectors
  f32 scale;
  bool may_be_cut = true;

  Sums(const TensorView& y, const TensorView& x, f32 scale)
      : y(y), x(x.data), x_dtype(x.dtype), scale(scale) {
    const BroadcastLoops<1> loops(x, {&y});
    keeps_innermost = loops.strides[0][0] != 0;
    if (keeps_innermost) columns = loops.sizes[0];
    aligned_rows = loops.sizes[0] % vector_size(x.dtype) == 0;
    i64 stride = 1;
    for (int axis = 0; axis < loops.rank; ++axis) {
      const bool keeps = loops.strides[0][axis] != 0;
      if (axis > 0 || !keeps) {
        StridedIndex<1>& index = keeps ? kept : summed;
        index.sizes[index.rank] = Divider(loops.sizes[axis], x.elements());
        index.strides[0][index.rank++] = stride;
        (keeps ? outputs : terms) *= loops.sizes[axis];
      }
      stride *= loops.sizes[axis];
    }
  }

  // Sums of the parts [outputs, parts, columns] of these.
  static Sums of_parts(const Sums& whole, const f32* sums, i64 parts) {
    Sums result = whole;
    result.x = sums;
    result.x_dtype = DType::f32;
    result.terms = parts;
    result.may_be_cut = false;
    result.kept.rank = result.summed.rank = 1;
    result.kept.strides[0][0] = parts * whole.columns;
    result.summed.strides[0][0] = whole.columns;
    result.aligned_rows = (whole.keeps_innermost ? whole.columns : parts) % vector_size(DType::f32) == 0;
    return result;
  }
};

Status launch_sums(Context& context, const Sums& sums) {
  const i64 width = aligned({sums.x, sums.y.data}) && sums.aligned_rows ? vector_size(sums.x_dtype) : 1;
  const i64 vectors = ceil_div(sums.keeps_innermost ? sums.columns : sums.terms, width);
  i64 group = std::min<i64>(kLanes, static_cast<i64>(std::bit_ceil(static_cast<u64>(vectors))));
  if (sums.keeps_innermost) {
    // Narrower blocks, down to those of a whole line, where there are few of them.
    while (group > 8 && sums.outputs * ceil_div(vectors, group) < kBlocks / 8) group /= 2;
  } else if (vectors > (sums.outputs < kBlocks ? 4 : 64) * kLanes) {
    // Longer than a warp goes through alone, of few sums sooner.
    group = kThreads;
  }
  const i64 column_blocks = sums.keeps_innermost ? ceil_div(vectors, group) : 1;
  const i64 blocks =
      sums.keeps_innermost ? sums.outputs * column_blocks : ceil_div(sums.outputs * group, kThreads);
  const i64 most_parts = ceil_div(sums.terms, sums.keeps_innermost ? kRowsOfBlock : kTermsOfBlock);
  const i64 parts = sums.may_be_cut ? std::max<i64>(1, std::min(most_parts, kBlocks / blocks)) : 1;

  SumArguments arguments = {};
  arguments.x = sums.x;
  arguments.outputs = sums.outputs;
  arguments.columns = sums.columns;
  arguments.kept = sums.kept;
  arguments.summed = sums.summed;
  arguments.terms = sums.terms;
  arguments.part_terms = ceil_div(ceil_div(sums.terms, parts), width) * width;  // whole vectors
  const i64 tasks = sums.outputs * parts;
  arguments.parts = Divider(parts, tasks + kThreads);
  arguments.column_blocks = Divider(column_blocks, tasks * column_blocks);
  arguments.group = static_cast<int>(group);
  arguments.vectors = width > 1;
  arguments.y = sums.y.data;
  arguments.scale = sums.scale;
  DType y_dtype = sums.y.dtype;
  f32* partial_sums = nullptr;
  if (parts > 1) {
    partial_sums = context.scratch<f32>(tasks * sums.columns);
    arguments.y = partial_sums;
    y_dtype = DType::f32;
    arguments.scale = 1;
  }
  const auto& kernel =
      sums.keeps_innermost ? columns_kernel(y_dtype, sums.x_dtype) : innermost_kernel(y_dtype, sums.x_dtype);
  const i64 grid = sums.keeps_innermost ? tasks * column_blocks : ceil_div(tasks * group, kThreads);
  const Status status = launch(context, kernel, {grid}, arguments);
  if (status.failed || parts == 1) return status;
  return launch_sums(context, Sums::of_parts(sums, partial_sums, parts));
}

}  // namespace

Status sum_to(Context& context, Out y, In x, f32 scale) { return launch_sums(context, Sums(y, x, scale)); }

Status sum_rows(Context& context, Acc y, In x) {
  return y.present() ? add_column_sums(context, y.as<f32>(), x.data, x.dtype, x.rows(), x.dim(-1)) : ok();
}

Status broadcast_to(Context& context, Out y, In x, f32 scale) {
  const int width = vector_size(y.dtype);
  return launch(context, broadcast_to_kernel(y.dtype), {ceil_div(y.elements(), kThreads * width)},
                {y.data, x.data, y.elements(), scale, {y, {&x}, width}});
}

#endif

}  // namespace transfusion::cuda
