// Compares tile_class.h with what the intervals say pair by pair, over random documents, images and caches.
#include "shared/tile_class.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

using namespace transfusion;

namespace {

struct Spans {
  std::vector<i32> start, end;
  i64 queries() const { return static_cast<i64>(start.size()); }
  bool visible(i64 query, i64 key) const { return start[query] <= key && key < end[query]; }
};

// Documents in a row, each with images, some of them side by side or of one position. Some queries are left
// out, as where a cache holds their keys already: intervals may then leave gaps.
Spans random_spans(std::mt19937& random, i64& keys) {
  const auto below = [&](i64 limit) { return static_cast<i64>(random() % static_cast<u64>(limit)); };
  Spans spans;
  const bool gaps = below(3) == 0;
  keys = 0;
  for (i64 documents = 1 + below(4); documents > 0; --documents) {
    const i64 first = keys, last = first + 1 + below(40);
    while (keys < last) {
      const i64 part = std::min(last, keys + 1 + below(9));
      const bool image = below(2) == 0;
      for (i64 key = keys; key < part; ++key) {
        if (gaps && below(3) > 0) continue;
        spans.start.push_back(static_cast<i32>(first));
        spans.end.push_back(static_cast<i32>(image ? part : key + 1));
      }
      keys = part;
    }
  }
  return spans;
}

bool check_tile(const Spans& spans, i64 q0, i64 q1, i64 k0, i64 k1, bool gaps) {
  i64 pairs = 0;
  for (i64 query = q0; query < q1; ++query)
    for (i64 key = k0; key < k1; ++key) pairs += spans.visible(query, key);
  const TileClass found = classify_tile(spans.start.data(), spans.end.data(), q0, q1, k0, k1);
  if (found == TileClass::full) return pairs == (q1 - q0) * (k1 - k0);
  if (found == TileClass::empty) return pairs == 0;
  return pairs < (q1 - q0) * (k1 - k0) && (pairs > 0 || gaps);
}

bool check_columns(const Spans& spans, i64 k0, i64 k1, bool gaps) {
  i64 begin = spans.queries(), end = 0;
  for (i64 query = 0; query < spans.queries(); ++query)
    for (i64 key = k0; key < k1; ++key)
      if (spans.visible(query, key)) {
        begin = std::min(begin, query);
        end = query + 1;
      }
  const QueryRange found = queries_of_keys(spans.start.data(), spans.end.data(), spans.queries(), k0, k1);
  if (begin >= end) return gaps || found.begin >= found.end;
  return found.begin == begin && found.end == end;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  const auto range = [&](i64 limit) {
    const i64 a = random() % static_cast<u64>(limit), b = random() % static_cast<u64>(limit);
    return QueryRange{std::min(a, b), std::max(a, b) + 1};
  };
  for (int round = 0; round < 2000; ++round) {
    i64 keys;
    const Spans spans = random_spans(random, keys);
    if (spans.queries() == 0) continue;
    const bool gaps = spans.queries() < keys;
    for (int tile = 0; tile < 50; ++tile) {
      const QueryRange q = range(spans.queries()), k = range(keys);
      if (check_tile(spans, q.begin, q.end, k.begin, k.end, gaps) &&
          check_columns(spans, k.begin, k.end, gaps))
        continue;
      std::printf("round %d: queries %lld..%lld, keys %lld..%lld\n", round, static_cast<long long>(q.begin),
                  static_cast<long long>(q.end), static_cast<long long>(k.begin),
                  static_cast<long long>(k.end));
      return 1;
    }
  }
  return 0;
}
