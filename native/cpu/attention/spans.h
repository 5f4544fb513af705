// What the attention kernels share besides vector code: the call's sequences and intervals, checked, and its
// tiles in the order in which they are worked off.
#pragma once

#include <omp.h>

#include <vector>

#include "cpu/runtime/parallel.h"
#include "kernel_types.h"
#include "tile_class.h"

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

  // Divisions cost as much as a short row's load.
  T* operator[](i64 row) const {
    if (group == 1) return base + row * token_stride;
    return base + row / group * token_stride + row % group * D;
  }
};

// Scores of rows [row, row + rows) and keys [begin, end) that are worked on at once.
struct ScoreBlock {
  i64 row, rows, begin, end;
  bool masked;  // not every row sees every key
};

// The intervals of one sequence, asked by row.
struct RowSpans {
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

  // Calls visible(k0, k1) for the runs of keys in [begin, key_end) that queries [q0, q1) see and hidden(k0,
  // k1) for what lies between: it may hold anything and is not to be read.
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

// T queries of H heads on K keys of G heads, all of size D: group = H / G query heads read one key head. The
// rows of a sequence and key head are its (query, head of the group) pairs, queries outermost.
struct AttentionSpans {
  i64 T, H, K, G, D, B, group;
  const i32 *key_start, *key_end, *query_rows, *key_rows;

  AttentionSpans(const In& q, const In& k, const In& key_start, const In& key_end, const In& query_rows,
                 const In& key_rows);

  // Fails where rows do not cut queries and keys into sequences or an interval is not one of visible keys.
  Status check() const;

  i64 queries(i64 sequence) const { return query_rows[sequence + 1] - query_rows[sequence]; }
  i64 keys(i64 sequence) const { return key_rows[sequence + 1] - key_rows[sequence]; }
  i64 rows(i64 sequence) const { return queries(sequence) * group; }
  RowSpans spans(i64 sequence) const {
    return {key_start + query_rows[sequence], key_end + query_rows[sequence], group};
  }
};

struct SequenceTile {
  i64 sequence, tile;
};

// The tiles of all sequences, ceil(length(sequence) / size) each: all first ones, then all second ones ...
template <class Length>
std::vector<SequenceTile> sequence_tiles(i64 sequences, i64 size, const Length& length) {
  std::vector<SequenceTile> tiles;
  for (i64 sequence = 0; sequence < sequences; ++sequence)
    for (i64 tile = 0; tile * size < length(sequence); ++tile) tiles.push_back({sequence, tile});
  std::stable_sort(tiles.begin(), tiles.end(),
                   [](const SequenceTile& a, const SequenceTile& b) { return a.tile < b.tile; });
  return tiles;
}

// How many tiles of one key head a task may take, at most `most`: no more than leave every thread some tasks,
// or than an interval is long. No bits depend on it: it only decides how often what a task loads is used.
template <class Length>
i64 tiles_per_task(const AttentionSpans& shape, i64 size, i64 most, const Length& length) {
  constexpr i64 kTasksPerThread = 8;
  i64 tiles = 0, pairs = 0;
  for (i64 b = 0; b < shape.B; ++b) tiles += length(b) / size;
  for (i64 t = 0; t < shape.T; ++t) pairs += shape.key_end[t] - shape.key_start[t];
  const i64 share = tiles * shape.G / (kTasksPerThread * omp_get_max_threads());
  const i64 interval = pairs / (std::max<i64>(1, shape.T) * size);
  return std::clamp<i64>(std::min(share, interval), 1, most);
}

// Deals the tiles of all sequences and key heads out to tasks, as parallel_tasks does: floats(tiles) is the
// scratch of a task of so many tiles, and body(task, tiles, key head, scratch) takes that many, or what is
// left of the sequence, from task.tile * tiles on.
template <class Length, class Floats, class Body>
void parallel_tiles(Context& context, const AttentionSpans& shape, i64 size, i64 most, const Length& length,
                    const Floats& floats, const Body& body) {
  const i64 tiles = tiles_per_task(shape, size, most, length);
  const auto tasks = sequence_tiles(shape.B, tiles * size, length);
  parallel_tasks(
      context, static_cast<i64>(tasks.size()) * shape.G, floats(tiles),
      [&](i64 task, float* scratch) { body(tasks[task / shape.G], tiles, task % shape.G, scratch); });
}

}  // namespace transfusion::cpu
