// The shape of an attention call: its sequences, packed end to end, and the interval of keys that each query
// sees.
#pragma once

#include "cpu/runtime/parallel.h"
#include "kernel_types.h"
#include "shared/tile_class.h"

namespace transfusion::cpu {

// Scores are kept in units of log 2.
inline constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// The rows of one sequence and key head in a tensor [T, heads, D].
template <class T>
struct HeadRows {
  T* base;
  i64 group, token_stride, D;

  // `first` is the sequence's first token; key tensors have one head in a group.
  HeadRows(T* data, i64 first, i64 heads, i64 key_head, i64 group, i64 D)
      : base(data + (first * heads + key_head * group) * D), group(group), token_stride(heads * D), D(D) {}

  // Divisions would cost as much as loading a short row.
  T* operator[](i64 row) const {
    if (group == 1) return base + row * token_stride;
    return base + row / group * token_stride + row % group * D;
  }
};

// A block of scores that is computed at once: rows [row, row + rows) against keys [begin, end).
struct ScoreBlock {
  i64 row, rows, begin, end;
  bool masked;  // not every row sees every key
};

// The intervals of visible keys in one sequence, by query; rows are (query, head of the group) pairs.
struct KeyIntervals {
  const i32 *start, *end;
  i64 group;

  i64 query(i64 row) const { return group == 1 ? row : row / group; }

  // Cuts rows [row, row_end) against keys [begin, key_end) into blocks: a single one where all rows see the
  // same, else `step` rows at a time with the keys that some of them may see.
  template <class Body>
  void for_each_block(i64 row, i64 row_end, i64 step, i64 begin, i64 key_end, const Body& body) const {
    const i64 first = query(row), last = query(row_end - 1);
    begin = std::max<i64>(begin, start[first]);
    key_end = std::min<i64>(key_end, end[last]);
    if (begin >= key_end) return;
    if (classify_tile(start, end, first, last + 1, begin, key_end) == TileClass::full)
      return body(ScoreBlock{row, row_end - row, begin, key_end, false});
    for (i64 r = row; r < row_end; r += step) {
      const i64 r_end = std::min(row_end, r + step), q0 = query(r), q1 = query(r_end - 1) + 1;
      const i64 k0 = std::max<i64>(begin, start[q0]), k1 = std::min<i64>(key_end, end[q1 - 1]);
      if (k0 >= k1) continue;
      body(ScoreBlock{r, r_end - r, k0, k1, classify_tile(start, end, q0, q1, k0, k1) != TileClass::full});
    }
  }

  // Calls visible(k0, k1) for the runs of keys in [begin, key_end) that some of queries [q0, q1) see and
  // hidden(k0, k1) for the runs between. Hidden keys are slots that may hold anything, NaN too: they must not
  // be read.
  template <class Visible, class Hidden>
  void for_each_run(i64 q0, i64 q1, i64 begin, i64 key_end, const Visible& visible,
                    const Hidden& hidden) const {
    for (i64 q = q0; q < q1 && begin < key_end; ++q) {
      const i64 k0 = std::max<i64>(start[q], begin), k1 = std::min<i64>(end[q], key_end);
      if (k0 >= k1) continue;
      if (begin < k0) hidden(begin, k0);
      visible(k0, k1);
      begin = k1;
    }
    if (begin < key_end) hidden(begin, key_end);
  }
};

// T queries of H heads on K keys of G heads, all of size D: group = H / G query heads share one key head
// (GQA). The rows of a sequence and key head are its (query, head of the group) pairs, queries outermost.
// query_rows and key_rows [B + 1] are FlashAttention's cu_seqlens_q and cu_seqlens_k: where each sequence
// begins.
struct AttentionShape {
  i64 T, H, K, G, D, B, group;
  const i32 *key_start, *key_end, *query_rows, *key_rows;

  AttentionShape(const In& q, const In& k, const In& key_start, const In& key_end, const In& query_rows,
                 const In& key_rows);

  // Fails where query_rows or key_rows do not cut the tokens into sequences, or an interval leaves its
  // sequence.
  Status check() const;

  i64 queries(i64 sequence) const { return query_rows[sequence + 1] - query_rows[sequence]; }
  i64 keys(i64 sequence) const { return key_rows[sequence + 1] - key_rows[sequence]; }
  i64 rows(i64 sequence) const { return queries(sequence) * group; }
  KeyIntervals intervals(i64 sequence) const {
    return {key_start + query_rows[sequence], key_end + query_rows[sequence], group};
  }
};

}  // namespace transfusion::cpu
