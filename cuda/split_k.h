// Products with few tiles and a long K, which are those of weight gradients: K is cut into splits, whose sums go
// to scratch and are joined in order by a second kernel.
#pragma once

#include "host/launch.h"
#include "product.h"

namespace transfusion::cuda {

// How many splits K is cut into where there are `blocks` tiles: by the shape alone, so that results are the
// same on every GPU.
int choose_splits(i64 blocks, i64 k);

class SplitSums {
 public:
  // Sets the partition's split_depth. y and addend are dense, and there is no bias, where there are several
  // splits.
  SplitSums(Context& context, const Output& output, Partition& partition, int splits);

  int count() const { return splits_; }
  // Of the product's kernel.
  Output output(const Partition& partition) const;
  // Launches what joins them.
  Status join() const;

 private:
  static constexpr i64 kSplitGranule = 32;  // the largest depth of a tile

  Context& context_;
  Output output_;
  i64 count_;  // of elements of y
  int splits_;
  float* sums_ = nullptr;
};

}  // namespace transfusion::cuda
