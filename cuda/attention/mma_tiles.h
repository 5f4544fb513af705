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

// Of dk and dv: warps own keys, all of them meet a tile of rows while the next one comes.
template <int kWidth_, int kKeysOfWarp_, int kWarps_, int kRows_>
struct KeyGradientTile {
  static constexpr int kWidth = kWidth_, kKeysOfWarp = kKeysOfWarp_, kWarps = kWarps_, kRows = kRows_;
  static constexpr int kKeys = kKeysOfWarp * kWarps, kThreads = 32 * kWarps;
  // k and v, later dk and dv; two stages of q, dy, and the lse, delta and interval of each row
  static constexpr int kK = 0, kV = kK + kKeys * kWidth * 2, kStage = kV + kKeys * kWidth * 2;
  static constexpr int kQ = 0, kDy = kQ + kRows * kWidth * 2, kLse = kDy + kRows * kWidth * 2;
  static constexpr int kDelta = kLse + kRows * 4, kSpans = kDelta + kRows * 4;
  static constexpr int kStageBytes = kSpans + kRows * 8, kSharedBytes = kStage + 2 * kStageBytes;
};

template <int kWidth>
using KeyGradient = KeyGradientTile < kWidth,
      kWidth<64 ? 32 : 16, 4, kWidth == 64 ? 64 : 32>;

// Of dq: warps own rows, all of them meet a tile of keys while the next one comes.
template <int kWidth_, int kRowsOfWarp_, int kWarps_, int kKeys_>
struct QueryGradientTile {
  static constexpr int kWidth = kWidth_, kRowsOfWarp = kRowsOfWarp_, kWarps = kWarps_, kKeys = kKeys_;
  static constexpr int kRows = kRowsOfWarp * kWarps, kThreads = 32 * kWarps;
  // q, later dq; dy; two stages of k; v; the interval of each row
  static constexpr int kStageBytes = kKeys * kWidth * 2;
  static constexpr int kQ = 0, kDy = kQ + kRows * kWidth * 2, kK = kDy + kRows * kWidth * 2;
  static constexpr int kV = kK + 2 * kStageBytes, kSpans = kV + kStageBytes;
  static constexpr int kSharedBytes = kSpans + kRows * 8;
};

template <int kWidth>
using QueryGradient = QueryGradientTile<kWidth, kWidth <= 64 ? 32 : 16, 4, 32>;

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
