// Tiles of attention on tensor cores, for both halves.
#pragma once

#include "attention/tiles.h"
#ifndef __CUDACC__
#include "host/launch.h"
#endif

namespace transfusion::cuda {

// Of the forward pass, for heads of up to kWidth elements: warps own rows, all of them meet a tile of keys.
template <int kWidth_, int kRowsOfWarp_, int kWarps_, int kKeys_>
struct ForwardTile {
  static constexpr int kWidth = kWidth_, kRowsOfWarp = kRowsOfWarp_, kWarps = kWarps_, kKeys = kKeys_;
  static constexpr int kRows = kRowsOfWarp * kWarps, kThreads = 32 * kWarps;
  // q, later y; k; v; the interval of each row
  static constexpr int kQ = 0, kK = kQ + kRows * kWidth * 2, kV = kK + kKeys * kWidth * 2;
  static constexpr int kSpans = kV + kKeys * kWidth * 2, kSharedBytes = kSpans + kRows * 8;
};

template <int kWidth>
using Forward = ForwardTile<kWidth, 32, 4, kWidth <= 96 ? 64 : 32>;

// Of the forward pass of a few rows, on the same tiles of keys: each warp owns 16 columns of the results,
// which all rows share, and several tiles of keys are on their way.
template <int kWidth_>
struct Decode {
  static constexpr int kWidth = kWidth_, kKeys = Forward<kWidth>::kKeys, kRows = 16, kStages = 4;
  // Tiles of a sequence's rows: of a denoised image, say, where few images leave most of a GPU idle.
  static constexpr int kMostTiles = 4;
  static constexpr int kThreads = 32 * (kWidth / 16);
  // q, later y; the interval of each row; stages of k and v
  static constexpr int kQ = 0, kSpans = kQ + kRows * kWidth * 2, kStage = kSpans + kRows * 8;
  static constexpr int kK = 0, kV = kKeys * kWidth * 2, kStageBytes = 2 * kV;
  static constexpr int kSharedBytes = kStage + kStages * kStageBytes;
};

// Of joining what Decode's blocks computed of the chunks of a row.
template <int kWidth>
struct Join : Decode<kWidth> {
  static constexpr int kSharedBytes = Decode<kWidth>::kStage;
};

// Of dk and dv: warps own keys, all of them meet a tile of rows. Of wide heads two warps own the same keys,
// since neither has registers for all of their gradients: each computes the scores of one half of the rows
// and the gradients of one half of the columns, every other 16. There memory holds two blocks of one stage of
// rows, else the next ones come to a second stage.
template <int kWidth_>
struct KeyGradient {
  static constexpr int kWidth = kWidth_, kSides = kWidth <= 64 ? 1 : 2, kStages = kWidth <= 64 ? 2 : 1;
  static constexpr int kKeysOfWarp = 32, kRowsOfSide = 32, kWarps = 4, kThreads = 32 * kWarps;
  static constexpr int kKeys = kKeysOfWarp * kWarps / kSides, kRows = kRowsOfSide * kSides;
  // k and v, later dk and dv; stages of q, dy, and the lse, delta and interval of each row; p and ds on their
  // way to the other side
  static constexpr int kK = 0, kV = kK + kKeys * kWidth * 2, kStage = kV + kKeys * kWidth * 2;
  static constexpr int kQ = 0, kDy = kQ + kRows * kWidth * 2, kLse = kDy + kRows * kWidth * 2;
  static constexpr int kDelta = kLse + kRows * 4, kSpans = kDelta + kRows * 4;
  static constexpr int kStageBytes = kSpans + kRows * 4, kP = kStage + kStages * kStageBytes;
  static constexpr int kSentBytes = kSides == 1 ? 0 : kWarps * kKeysOfWarp * kRowsOfSide * 2;
  static constexpr int kDs = kP + kSentBytes, kSharedBytes = kDs + kSentBytes;
};

// Of dq: warps own rows, all of them meet a tile of keys. Two blocks of heads of 128 fill an A100's shared
// memory.
template <int kWidth_>
struct QueryGradient {
  static constexpr int kWidth = kWidth_, kRowsOfWarp = 32, kWarps = 4, kKeys = 32;
  static constexpr int kRows = kRowsOfWarp * kWarps, kThreads = 32 * kWarps;
  // q, later dq; dy; k; v; the delta of each row
  static constexpr int kQ = 0, kDy = kQ + kRows * kWidth * 2, kK = kDy + kRows * kWidth * 2;
  static constexpr int kV = kK + kKeys * kWidth * 2, kDelta = kV + kKeys * kWidth * 2;
  static constexpr int kSharedBytes = kDelta + kRows * 4;
};

// Heads are padded to the next of these widths: X(width, ..) for each.
#define HEAD_WIDTHS(X, ...) \
  X(16, __VA_ARGS__) X(32, __VA_ARGS__) X(64, __VA_ARGS__) X(96, __VA_ARGS__) X(128, __VA_ARGS__)

// NAME_width, which is function<Tile<width>>(arguments).
#define HEAD_KERNEL(width, name, Arguments, Tile, function) \
  KERNEL(name##_##width, Arguments, Tile<width>::kThreads, 1) { function<Tile<width>>(arguments); }
// The same for the host, a HeadKernel; `extent` names what of Tile is the tile of a block.
#define HEAD_FORM(width, image, name, Tile, extent) \
  {{image, name "_" #width, Tile<width>::kThreads}, width, Tile<width>::extent, Tile<width>::kSharedBytes},

#ifndef __CUDACC__

inline constexpr i32 kMostWidth = 128;

// The place of heads of D elements among HEAD_WIDTHS.
inline int head_width(i32 D) {
  int place = 0;
#define COUNT(width, D) place += D > width;
  HEAD_WIDTHS(COUNT, D)
#undef COUNT
  return place;
}

// A kernel for one width.
template <class Arguments>
struct HeadKernel {
  Kernel<Arguments> kernel;
  i32 width;
  i32 tile;  // rows or keys of a block
  size_t shared_bytes;
};

// By width, for heads of D elements.
template <class Arguments, size_t kForms>
const HeadKernel<Arguments>& form_of(const HeadKernel<Arguments> (&forms)[kForms], i32 D) {
  return forms[head_width(D)];
}

// Room for the sums of chunks, `floats` of each block.
inline f32* chunk_sums(Context& context, const AttentionShape& shape, const TileList& rows, i64 floats) {
  return shape.K > kChunk ? context.scratch<f32>(floats * rows.capacity * shape.G) : nullptr;
}

// A block for each of `tiles` and key head.
template <class Arguments>
Status launch(Context& context, const HeadKernel<Arguments>& form, const TileList& tiles,
              const Arguments& arguments) {
  return launch(context, form.kernel, {tiles.capacity, arguments.shape.G}, arguments, form.shared_bytes);
}

// Of a few rows in each sequence, of up to `most_tiles` tiles: of others, blocks do not share keys.
Status attention_decode(Context& context, const AttentionArguments& arguments, i32 most_tiles);

// dk and dv, and dq, on tiles that are listed before.
i32 key_gradient_tile(i32 D);
i32 query_gradient_tile(i32 D);
Status attention_key_gradients(Context& context, const AttentionBackwardArguments& arguments);
Status attention_query_gradients(Context& context, const AttentionBackwardArguments& arguments);

#endif

}  // namespace transfusion::cuda
