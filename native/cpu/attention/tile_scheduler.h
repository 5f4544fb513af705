// The tiles of an attention call in the order in which tasks take them.
#pragma once

#include <omp.h>

#include <vector>

#include "cpu/attention/shape.h"

namespace transfusion::cpu {

struct SequenceTile {
  i64 sequence, tile;
};

// The tiles of all sequences, ceil(length(sequence) / size) each: the first tile of every sequence, then the
// second ones, and so on.
template <class Length>
std::vector<SequenceTile> sequence_tiles(i64 sequences, i64 size, const Length& length) {
  std::vector<SequenceTile> tiles;
  for (i64 sequence = 0; sequence < sequences; ++sequence)
    for (i64 tile = 0; tile * size < length(sequence); ++tile) tiles.push_back({sequence, tile});
  std::stable_sort(tiles.begin(), tiles.end(),
                   [](const SequenceTile& a, const SequenceTile& b) { return a.tile < b.tile; });
  return tiles;
}

// How many tiles of one key head a task may take, at most `most`: few enough for every thread to get several
// tasks, and not more than an interval is long. It decides how often what a task has loaded is used again,
// and no result depends on it.
template <class Length>
i64 tiles_per_task(const AttentionShape& shape, i64 size, i64 most, const Length& length) {
  constexpr i64 kTasksPerThread = 8;
  i64 tiles = 0, pairs = 0;
  for (i64 b = 0; b < shape.B; ++b) tiles += length(b) / size;
  for (i64 t = 0; t < shape.T; ++t) pairs += shape.key_end[t] - shape.key_start[t];
  const i64 share = tiles * shape.G / (kTasksPerThread * omp_get_max_threads());
  const i64 interval = pairs / (std::max<i64>(1, shape.T) * size);
  return std::clamp<i64>(std::min(share, interval), 1, most);
}

// Runs the tiles of all sequences and key heads as parallel tasks. floats(tiles) is the scratch of a task of
// so many tiles; body(task, tiles, key head, scratch) computes that many, or those left of the sequence, from
// task.tile * tiles on.
template <class Length, class F32Words, class Body>
void parallel_tiles(Context& context, const AttentionShape& shape, i64 size, i64 most, const Length& length,
                    const F32Words& floats, const Body& body) {
  const i64 tiles = tiles_per_task(shape, size, most, length);
  const auto tasks = sequence_tiles(shape.B, tiles * size, length);
  parallel_tasks(
      context, static_cast<i64>(tasks.size()) * shape.G, floats(tiles),
      [&](i64 task, float* scratch) { body(tasks[task / shape.G], tiles, task % shape.G, scratch); });
}

}  // namespace transfusion::cpu
