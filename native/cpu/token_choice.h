// Which token of a row is taken: drawn from all, or from the most probable ones (top-k, then top-p of what it
// left, then min-p).
#pragma once

#include <algorithm>

#include "kernel_types.h"
#include "shared/token_failures.h"

namespace transfusion::cpu {

// Writes the ids that were found, or names the first row that has none.
inline Status write_ids(Out ids, const i32* found) {
  for (i64 row = 0; row < ids.elements(); ++row)
    if (found[row] < 0) return fail_token(row, found[row]);
  std::copy_n(found, ids.elements(), ids.as<i32>());
  return ok();
}

struct Candidate {
  float weight;
  i32 id;
  // The order of a heap: the most probable first; of equals the lowest id.
  bool operator<(const Candidate& other) const {
    return weight < other.weight || (weight == other.weight && id > other.id);
  }
};

// The first of `count` weights at which their running sum passes `target`; rounding aside one is always
// found.
template <class WeightAt>
i64 first_beyond(double target, i64 count, const WeightAt& weight_at) {
  i64 last = 0;
  double sum = 0;
  for (i64 i = 0; i < count; ++i) {
    if (weight_at(i) == 0) continue;
    last = i;
    sum += weight_at(i);
    if (sum > target) break;
  }
  return last;
}

// A token of probability proportional to its weight; u in [0, 1).
inline i32 draw_token(const float* weights, i64 V, double u) {
  double total = 0;
  for (i64 id = 0; id < V; ++id) total += weights[id];
  return static_cast<i32>(first_beyond(u * total, V, [&](i64 id) { return weights[id]; }));
}

// The same among the top_k most probable tokens (0: all), of these the fewest most probable whose weights
// reach top_p of theirs together, and of these the ones of at least the weight min_p, which the most probable
// has. `candidates` has room for V.
inline i32 draw_likely_token(const float* weights, i64 V, i64 top_k, double top_p, float min_p, double u,
                             Candidate* candidates) {
  i64 count = 0;
  double total = 0;
  for (i64 id = 0; id < V; ++id) {
    if (weights[id] == 0) continue;
    candidates[count++] = {weights[id], static_cast<i32>(id)};
    total += weights[id];
  }
  std::make_heap(candidates, candidates + count);
  // The k most probable go to the end of the array, the first of them last.
  const auto ranked = [&](i64 rank) { return candidates[count - 1 - rank]; };
  i64 kept = 0;
  double mass = 0;
  const auto keep_next = [&] {
    std::pop_heap(candidates, candidates + count - kept);
    mass += ranked(kept++).weight;
  };
  if (top_k > 0 && top_k < count) {
    while (kept < top_k) keep_next();
    total = mass;
    if (top_p < 1)
      for (mass = 0, kept = 0; kept < top_k && mass < top_p * total;) mass += ranked(kept++).weight;
  } else {
    while (kept < count && mass < top_p * total) keep_next();
  }
  if (ranked(kept - 1).weight < min_p)
    for (mass = 0, kept = 0; ranked(kept).weight >= min_p;) mass += ranked(kept++).weight;
  return ranked(first_beyond(u * mass, kept, [&](i64 rank) { return ranked(rank).weight; })).id;
}

}  // namespace transfusion::cpu
