// y = addend + sums[0] + sums[1] + .., of the splits of a product.
// One thread for an element: as many loads as there are splits, each of them consecutive over a warp.
#include "matmul/product.h"
#ifdef __CUDACC__
#include "device/convert.cuh"
#else
#include <algorithm>

#include "matmul/split_k.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct JoinSplitsArguments {
  void* y;
  const void* addend;  // like y, or null
  const float* sums;   // [splits, count]
  i64 count;
  int splits;
};

#ifdef __CUDACC__

template <class T>
__device__ void join_splits(const JoinSplitsArguments& arguments) {
  const i64 at = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= arguments.count) return;
  const float* sums = arguments.sums + at;
  float total = 0;
#pragma unroll 4
  for (int split = 0; split < arguments.splits; ++split) total += sums[split * arguments.count];
  if (arguments.addend) total += to_float(static_cast<const T*>(arguments.addend)[at]);
  static_cast<T*>(arguments.y)[at] = from_float<T>(total);
}

KERNEL(join_splits_f32, JoinSplitsArguments, kThreads) { join_splits<f32>(arguments); }
KERNEL(join_splits_bf16, JoinSplitsArguments, kThreads) { join_splits<bf16>(arguments); }

#else

FLOAT_KERNELS(join_splits_kernel, JoinSplitsArguments, "split_k", "join_splits", kThreads)

namespace {

// Blocks that are enough for any GPU, and the K that is worth it to write a split's sums and read them again.
constexpr i64 kEnoughBlocks = 128;
constexpr i64 kLeastDepth = 512;

}  // namespace

int choose_splits(i64 batch, i64 m, i64 n, i64 k) {
  const i64 blocks = batch * ceil_div(m, 128) * ceil_div(n, 128);
  return static_cast<int>(std::max<i64>(1, std::min(kEnoughBlocks / blocks, k / kLeastDepth)));
}

SplitSums::SplitSums(Context& context, const Output& output, Partition& partition, int splits)
    : context_(context),
      output_(output),
      split_output_(output),
      count_(static_cast<i64>(partition.batch) * partition.m * partition.n) {
  if (splits == 1) return;
  partition.split_depth = ceil_div(ceil_div(partition.k, splits), kSplitGranule) * kSplitGranule;
  splits_ = static_cast<int>(ceil_div(partition.k, partition.split_depth));
  split_output_ = {};
  split_output_.y = context.scratch<float>(splits_ * count_);
  split_output_.stride = partition.n;
  split_output_.batch_stride = static_cast<i64>(partition.m) * partition.n;
  split_output_.split_stride = count_;
  split_output_.vectors = partition.n % 4 == 0;
}

Status SplitSums::join() const {
  if (splits_ == 1) return ok();
  return launch(context_, join_splits_kernel(output_.is_bf16 ? DType::bf16 : DType::f32),
                {ceil_div(count_, kThreads)},
                {output_.y, output_.addend, static_cast<const float*>(split_output_.y), count_, splits_});
}

#endif

}  // namespace transfusion::cuda
