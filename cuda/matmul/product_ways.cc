#include "matmul/product_ways.h"

#include "matmul/cublaslt_product.h"

namespace transfusion::cuda {
namespace {

// Multiplications of a product from which on cuBLASLt is chosen unmeasured: about 10 us of an A100.
constexpr double kLargeProduct = 0x1p30;

ProductShape shape_of(const DenseProduct& product) {
  const Output& output = product.output;
  ProductShape shape;
  shape.dtype = product.dtype;
  shape.y_dtype = output.is_bf16 ? DType::bf16 : DType::f32;
  shape.transpose_a = product.transpose_a;
  shape.transpose_b = product.transpose_b;
  shape.bias = output.bias != nullptr;
  shape.accumulate = output.addend != nullptr;
  shape.aligned = product.is_aligned();
  shape.batch = product.batch;
  shape.m = product.m;
  shape.n = product.n;
  shape.k = product.k;
  return shape;
}

std::span<const TileChoice> tiles_of(const DenseProduct& product) {
  if (product.dtype == DType::f32) return kSimtTiles;
  // Elements that come through registers want twice the threads.
  return product.unit() == 2 ? std::span<const TileChoice>(kGatherTiles) : kMmaTiles;
}

TileChoice::Size largest_tile(const DenseProduct& product) {
  if (product.dtype == DType::f32) return TileChoice::kLarge;
  if (product.transpose_a && product.transpose_b) return TileChoice::kSmall;
  return product.is_aligned() ? TileChoice::kLarge : TileChoice::kMedium;
}

ProductWay choose_unmeasured(Context& context, const DenseProduct& product) {
  const double work =
      static_cast<double>(product.batch * product.m) * static_cast<double>(product.n * product.k);
  if (work < kLargeProduct) return {};
  const auto ways = library_ways(context, product, 1);
  return ways.empty() ? ProductWay{} : ways.front();
}

bool is_possible(Context& context, const DenseProduct& product, const ProductWay& way) {
  if (way.kind == ProductWay::library) return library_takes(context, product, way);
  return tile_of(context, product, way, 1).has_value();
}

}  // namespace

ProductWay way_of(Context& context, const DenseProduct& product) {
  if (!context.products) return {};
  const ProductWay way = context.products->take(shape_of(product), [&](const ProductWay* nearest) {
    return nearest && is_possible(context, product, *nearest) ? *nearest
                                                              : choose_unmeasured(context, product);
  });
  // Two products of one shape may differ in what only the library asks for: where y lies, say.
  return way.kind == ProductWay::library && !library_computes(product) ? ProductWay{} : way;
}

std::optional<TileChoice> tile_of(Context& context, const DenseProduct& product, const ProductWay& way,
                                  int splits) {
  const std::span<const TileChoice> tiles = tiles_of(product);
  const TileChoice::Size largest = largest_tile(product);
  if (way.kind == ProductWay::fixed)
    return choose_tile(context, tiles, largest, product.m, product.n, product.batch * splits);
  for (const TileChoice& tile : tiles)
    if (static_cast<int>(tile.size) == way.kind - ProductWay::small && fits(context, tile, largest))
      return tile;
  return {};
}

}  // namespace transfusion::cuda
