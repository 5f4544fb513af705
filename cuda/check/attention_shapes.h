// Sequences as models pack them: text that sees its past, and images that see themselves whole.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "check/gpu.h"

namespace transfusion::check {

// `sequences` sequences of T queries together and K keys together. With as many keys as queries, every
// quarter of a sequence but the first ends with an image of half its length; else queries are the last
// positions.
struct AttentionShape {
  i64 T, K, H, G, D, sequences;
  bool causal = false;  // without images

  std::string name() const {
    return "[" + std::to_string(T) + (K == T ? "" : " of " + std::to_string(K)) + ", " + std::to_string(H) +
           " of " + std::to_string(G) + ", " + std::to_string(D) + "]" + (causal ? " causal" : "") +
           (sequences > 1 ? " in " + std::to_string(sequences) : "");
  }
};

struct Spans {
  Values key_start, key_end, query_rows, key_rows;

  explicit Spans(const AttentionShape& a)
      : key_start(Run::zeros({a.T}, DType::i32)),
        key_end(Run::zeros({a.T}, DType::i32)),
        query_rows(Run::zeros({a.sequences + 1}, DType::i32)),
        key_rows(Run::zeros({a.sequences + 1}, DType::i32)) {
    for (i64 b = 0; b < a.sequences; ++b) {
      const i64 begin = b * a.T / a.sequences, end = (b + 1) * a.T / a.sequences;
      const i64 keys = (b + 1) * a.K / a.sequences - b * a.K / a.sequences, length = end - begin;
      query_rows[b + 1] = static_cast<double>(end);
      key_rows[b + 1] = static_cast<double>((b + 1) * a.K / a.sequences);
      for (i64 place = 0; place < length; ++place) {
        const i64 quarter = std::max<i64>(2, (length + 3) / 4), within = place % quarter;
        const bool image = !a.causal && keys == length && place >= quarter && within >= quarter / 2;
        const i64 seen = image ? std::min(length, place - within + quarter) : place + 1;
        key_end[begin + place] = static_cast<double>(keys - length + seen);
      }
      sequence_of_query_.resize(static_cast<size_t>(end), b);
    }
  }

  // Rows of keys that a query sees: first .. second - 1.
  std::pair<i64, i64> keys_of(i64 query) const {
    const double first = key_rows[sequence_of_query_[static_cast<size_t>(query)]];
    return {static_cast<i64>(first + key_start[query]), static_cast<i64>(first + key_end[query])};
  }
  // Pairs of a query and a key that it sees.
  double pairs() const {
    double sum = 0;
    for (i64 t = 0; t < key_end.shape[0]; ++t) sum += key_end[t] - key_start[t];
    return sum;
  }

 private:
  std::vector<i64> sequence_of_query_;
};

}  // namespace transfusion::check
