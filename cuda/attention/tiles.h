// What the kernels of attention share: the shape of a call, and the tiles that its work is cut into. Only the
// device knows how long the sequences are, so that it makes the list of tiles; the host knows how many there
// may be at most, and launches a block for each.
#pragma once

#include "divider.h"
#include "kernel.h"
#include "shared/tile_class.h"

namespace transfusion::cuda {

// T queries of H heads on K keys of G heads, all of size D. The rows of a sequence and key head are its
// (query, head of the group) pairs, queries outermost: what shares keys lies side by side.
struct AttentionShape {
  i64 T, K, B;
  i32 H, G, D, group;      // group = H / G
  NarrowDivider by_group;  // of rows
  const i32 *key_start, *key_end, *query_rows, *key_rows;
  u64 versions[4];  // of what these four hold
};

// Sums over more keys than these, counted from a sequence's first, begin anew at every multiple of it and are
// joined in order: so may several blocks share a row without changing its bits.
inline constexpr i32 kChunk = 512;

// A tile of rows or keys, by where it begins in its sequence; of rows perhaps for one chunk of its keys
// alone.
struct AttentionTile {
  i32 sequence, first;
  i32 part, parts;  // of the chunks with keys that its rows see; 0 of 1: all of them
};

// Instead of a sequence: there is nothing to do; or the call's spans are wrong, and its results are NaN.
inline constexpr i32 kNoTile = -1, kRejected = -2;

struct TileList {
  AttentionTile* tiles = nullptr;
  i32 capacity = 0;
  i32 size = 0;   // rows or keys of a tile
  i32 split = 0;  // sequences of up to so many tiles of rows have one for each chunk, in order
};

// What is wrong with the spans of a call, for all that are refused because of it.
struct SpanFault {
  FailureRecord* found = nullptr;  // in memory of the device
  Failures failures;               // of this call
};

struct AttentionArguments {
  AttentionShape shape;
  TileList rows;
  SpanFault fault;
  f32* chunks;     // sums of chunks, where there may be more than one: of each block, as its kernel has them
  void *y, *y_lo;  // y_lo may be null
  f32* lse;        // [H, T]
  const void *q, *k, *v;
  f32 exponent;   // |scale| log2(e), above zero: of exponents in base 2
  bool negative;  // the sign of scale
  bool aligned;   // rows begin at multiples of 16 bytes
};

struct AttentionBackwardArguments {
  AttentionShape shape;
  TileList rows, keys;
  SpanFault fault;
  void *dq, *dk, *dv;
  const void *dy, *q, *k, *v;
  const f32 *lse, *delta;  // [H, T]
  f32 scale, exponent;     // scale log2(e): of exponents in base 2
  bool aligned;            // rows begin at multiples of 16 bytes
};

// Of the forms without tensor cores, see simt_tile.cuh.
namespace simt {
inline constexpr int kTile = 64;      // rows and keys of a block
inline constexpr int kColumns = 128;  // of heads: blocks side by side compute larger ones
inline constexpr int kThreads = 256;
}  // namespace simt

#ifndef __CUDACC__

AttentionShape attention_shape(const TensorView& q, const TensorView& k, const In& key_start,
                               const In& key_end, const In& query_rows, const In& key_rows);

// Lists of the tiles of a call's rows, and of its keys and the slots that no sequence has, as yet without
// them.
TileList row_tiles(const AttentionShape& shape, i32 size, i32 split = 0);
TileList key_tiles(const AttentionShape& shape, i32 size);

// Checks the spans on the device and lists the tiles, once for all calls in a row with the same spans. A list
// without capacity is not wanted.
Status cut_attention(Context& context, const AttentionShape& shape, TileList& rows, TileList& keys,
                     SpanFault& fault);

// The forms without tensor cores: of f32, and of heads of any size.
Status attention_simt(Context& context, DType dtype, AttentionArguments arguments);
Status attention_backward_simt(Context& context, DType dtype, AttentionBackwardArguments arguments);

#endif

}  // namespace transfusion::cuda
