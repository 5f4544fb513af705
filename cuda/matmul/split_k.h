// Products with few tiles and a long K, which are those of weight gradients: K is cut into splits, whose sums
// go to scratch and are joined in order by a second kernel.
#pragma once

#include "host/launch.h"
#include "matmul/product.h"

namespace transfusion::cuda {

// How many splits K is cut into: by the shape alone, so that results are the same on every GPU.
int choose_splits(i64 batch, i64 m, i64 n, i64 k);

class SplitSums {
 public:
  // Sets the partition's split_depth. y and addend are dense, and there is no bias, where there are several
  // splits.
  SplitSums(Context& context, const Output& output, Partition& partition, int splits);

  int count() const { return splits_; }
  // Of the product's kernel.
  const Output& output() const { return split_output_; }
  // Launches what joins them.
  Status join() const;

 private:
  static constexpr i64 kSplitGranule = 32;  // the largest depth of a tile

  Context& context_;
  Output output_, split_output_;
  i64 count_;  // of elements of y
  int splits_ = 1;
};

}  // namespace transfusion::cuda
