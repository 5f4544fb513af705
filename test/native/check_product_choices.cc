// Choices of how products are computed: their text, which ones stand for other lengths, and how many are
// kept.
#include "host.h"

using namespace transfusion;

namespace {

ProductWay tile(ProductWay::Kind kind) {
  ProductWay way;
  way.kind = kind;
  return way;
}

ProductShape rows(i64 m) {
  ProductShape shape;
  shape.m = m;
  shape.n = shape.k = 64;
  return shape;
}

// The way that a shape gets where none is chosen for it: of a measured one, else medium tiles.
ProductWay taken(ProductChoices& choices, const ProductShape& shape) {
  return choices.take(
      shape, [](const ProductWay* nearest) { return nearest ? *nearest : tile(ProductWay::medium); });
}

void check_text() {
  ProductWay library = tile(ProductWay::library);
  for (size_t i = 0; i < library.algorithm.size(); ++i) library.algorithm[i] = ~u64{0} - i;
  for (const ProductWay& way :
       {tile(ProductWay::fixed), tile(ProductWay::small), tile(ProductWay::large), library})
    check(product_way(to_text(way)) == way, "a way is not what its text says");
  const std::string text = to_text(library);
  for (const std::string& other :
       {std::string(), std::string("Small"), text + "0", text.substr(1), "cublaslt " + text})
    check(!product_way(other), "a text is taken that is of no way");
}

void check_lengths() {
  ProductChoices choices;
  choices.set(rows(100), tile(ProductWay::small), true);
  choices.set(rows(300), tile(ProductWay::large), true);
  choices.set(rows(170), tile(ProductWay::fixed), false);
  check(taken(choices, rows(170)).kind == ProductWay::fixed, "what was set is not taken");
  check(taken(choices, rows(160)).kind == ProductWay::small, "100 is not the nearest of 160");
  check(taken(choices, rows(180)).kind == ProductWay::large, "300 is not the nearest of 180");
  check(taken(choices, rows(50)).kind == ProductWay::small, "half as long is not near");
  check(taken(choices, rows(49)).kind == ProductWay::medium, "less than half as long is near");
  check(taken(choices, rows(601)).kind == ProductWay::medium, "more than twice as long is near");
  ProductShape other = rows(100);
  other.bias = true;
  check(taken(choices, other).kind == ProductWay::medium, "another product is near");
  check(choices.list().at(other).calls == 1 && choices.list().at(rows(100)).calls == 0,
        "calls are miscounted");
}

void check_bound() {
  ProductChoices choices;
  choices.set(rows(1), tile(ProductWay::small), true);
  for (i64 m = 1000; m < 20000; ++m) taken(choices, rows(m));
  check(choices.list().size() <= 4096, "choices of ever more lengths are kept");
  check(choices.list().contains(rows(1)), "what was measured is forgotten");
}

}  // namespace

int main() {
  check_text();
  check_lengths();
  check_bound();
  return failures == 0 ? 0 : 1;
}
