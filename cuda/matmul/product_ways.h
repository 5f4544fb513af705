// Which way a product takes: by a fixed rule, or as the choices of a piece of work (product_choices.h) have
// it.
#pragma once

#include <optional>
#include <span>

#include "matmul/dense_product.h"
#include "matmul/tile_choice.h"
#include "product_choices.h"

namespace transfusion::cuda {

// The way of a product of this command. Where its work has choices and none for this shape, cuBLASLt's first
// algorithm is chosen for what is large, and for the rest tiles by the fixed rule.
ProductWay way_of(Context& context, const DenseProduct& product);

// The tile of a way that is none of the library's; nothing where the product, or the GPU, has no such tile.
// `splits`: of K.
std::optional<TileChoice> tile_of(Context& context, const DenseProduct& product, const ProductWay& way,
                                  int splits);

// See Device::measure_product.
std::vector<ProductTime> measure_product(Context& context, const ProductShape& shape, int samples);

}  // namespace transfusion::cuda
