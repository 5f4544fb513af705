// Which part of a tile of attention scores is visible. Each query sees one interval of keys, key_start[q] ..
// key_end[q], and neither bound ever decreases within a sequence, so that a tile's corners tell. The
// attention kernels of every backend cut their work by it.
#pragma once

#include "kernel_types.h"
#include "shared/host_device.h"

namespace transfusion {

enum class TileClass { empty, partial, full };

// Queries [q0, q1) against keys [k0, k1), neither of them empty. A partial tile may turn out to have no
// visible pair, where intervals leave a gap.
TRANSFUSION_HOST_DEVICE inline TileClass classify_tile(const i32* key_start, const i32* key_end, i64 q0,
                                                       i64 q1, i64 k0, i64 k1) {
  if (k1 <= key_start[q0] || k0 >= key_end[q1 - 1]) return TileClass::empty;
  if (k0 >= key_start[q1 - 1] && k1 <= key_end[q0]) return TileClass::full;
  return TileClass::partial;
}

// The first index in [0, count) whose bound is above `value`, or count; `bounds` never decreases.
TRANSFUSION_HOST_DEVICE inline i64 first_above(const i32* bounds, i64 count, i64 value) {
  i64 low = 0, high = count;
  while (low < high) {
    const i64 middle = low + (high - low) / 2;
    if (bounds[middle] > value)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

struct QueryRange {
  i64 begin, end;
};

// The column form: the queries, of `count`, that may see keys [k0, k1). All others see none of them.
TRANSFUSION_HOST_DEVICE inline QueryRange queries_of_keys(const i32* key_start, const i32* key_end, i64 count,
                                                          i64 k0, i64 k1) {
  return {first_above(key_end, count, k0), first_above(key_start, count, k1 - 1)};
}

}  // namespace transfusion
