// Ways of computing a product of matrices, of which a device may know several, and which of them the products
// of a piece of work take.
#pragma once

#include <array>
#include <compare>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel_types.h"

namespace transfusion {

// All that a choice may depend on: y [batch, m, n] = a [batch, m, k] b [batch, k, n], plus a row of biases,
// plus what is added to.
struct ProductShape {
  DType dtype = DType::f32;  // of a and b
  DType y_dtype = DType::f32;
  bool transpose_a = false, transpose_b = false;
  bool bias = false, accumulate = false;
  bool aligned = false;  // all rows of a and b are whole runs of 16 bytes, at multiples of 16
  i64 batch = 1, m = 0, n = 0, k = 0;

  friend auto operator<=>(const ProductShape&, const ProductShape&) = default;
};

// `fixed`: in the tiles that a rule takes. These, small, medium and large tiles give the same bits; the
// library, cuBLASLt, has algorithms of its own.
struct ProductWay {
  enum Kind { fixed, small, medium, large, library };
  Kind kind = fixed;
  std::array<u64, 8> algorithm{};  // as the library's version that it came from knows it

  friend bool operator==(const ProductWay&, const ProductWay&) = default;
};

inline constexpr const char* kProductWayNames[] = {"fixed", "small", "medium", "large", "cublaslt"};

// "large"; "cublaslt 0123..": with the algorithm as 128 hexadecimal digits.
inline std::string to_text(const ProductWay& way) {
  std::string text = kProductWayNames[way.kind];
  if (way.kind != ProductWay::library) return text;
  text += ' ';
  for (const u64 word : way.algorithm) {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(word));
    text += digits;
  }
  return text;
}

// What to_text made; nothing of other texts.
inline std::optional<ProductWay> product_way(const std::string& text) {
  ProductWay way;
  for (const auto kind : {ProductWay::fixed, ProductWay::small, ProductWay::medium, ProductWay::large}) {
    way.kind = kind;
    if (text == kProductWayNames[kind]) return way;
  }
  way.kind = ProductWay::library;
  const std::string prefix = std::string(kProductWayNames[way.kind]) + ' ';
  if (text.size() != prefix.size() + 16 * way.algorithm.size() || text.rfind(prefix, 0) != 0) return {};
  if (text.find_first_not_of("0123456789abcdef", prefix.size()) != std::string::npos) return {};
  for (size_t i = 0; i < way.algorithm.size(); ++i)
    way.algorithm[i] = std::stoull(text.substr(prefix.size() + 16 * i, 16), nullptr, 16);
  return way;
}

// One way of a product, as measured.
struct ProductTime {
  ProductWay way;
  double milliseconds;  // the median
};

// The ways that the products of a piece of work take: those that were set, and those that the device has
// chosen as shapes came for the first time. Any thread.
class ProductChoices {
 public:
  struct Choice {
    ProductWay way;
    bool measured = false;  // it stands for shapes that differ in the length of a batch alone
    u64 calls = 0;
  };

  void set(const ProductShape& shape, const ProductWay& way, bool measured) {
    std::lock_guard lock(mutex_);
    Choice& choice = choices_[shape];
    choice.way = way;
    choice.measured = measured;
  }

  // The way of a call. Of a shape that has none, choose(nearest) gives it: the way of the measured shape of
  // nearest length, at most twice as long or short; null: there is none.
  template <class Choose>
  ProductWay take(const ProductShape& shape, const Choose& choose) {
    std::lock_guard lock(mutex_);
    auto found = choices_.find(shape);
    if (found == choices_.end()) {
      const Choice chosen{choose(nearest(shape))};
      if (choices_.size() >= kMost)
        std::erase_if(choices_, [](const auto& item) { return !item.second.measured; });
      found = choices_.emplace(shape, chosen).first;
    }
    ++found->second.calls;
    return found->second.way;
  }

  std::map<ProductShape, Choice> list() const {
    std::lock_guard lock(mutex_);
    return choices_;
  }

 private:
  // Each length of a batch has choices of its own. They are made again, as they were, where they were
  // forgotten.
  static constexpr size_t kMost = 4096;

  // Batches differ in how many positions they have: rows of y, or what weight gradients sum over.
  static i64& length(ProductShape& shape) { return shape.transpose_a ? shape.k : shape.m; }

  const ProductWay* nearest(const ProductShape& shape) const {
    ProductShape wanted = shape;
    const double wanted_length = static_cast<double>(std::exchange(length(wanted), 0));
    const ProductWay* best = nullptr;
    double least = 2;
    for (const auto& [other, choice] : choices_) {
      if (!choice.measured) continue;
      ProductShape rest = other;
      const double ratio = static_cast<double>(std::exchange(length(rest), 0)) / wanted_length;
      const double distance = ratio < 1 ? 1 / ratio : ratio;
      if (rest != wanted || distance > least || (best && distance == least)) continue;
      best = &choice.way;
      least = distance;
    }
    return best;
  }

  mutable std::mutex mutex_;
  std::map<ProductShape, Choice> choices_;
};

}  // namespace transfusion
