// Which threads share a row of a matrix: a warp where its registers hold the row, else a block.
#pragma once

#include "kernel.h"
#ifndef __CUDACC__
#include "host/launch.h"
#endif

namespace transfusion::cuda {

struct WarpRows {
  static constexpr int kThreads = 32, kElements = 32;  // of a row; elements that a thread holds
  static constexpr int kBlock = 128, kBlockRows = kBlock / kThreads;
  static constexpr i64 kColumns = kThreads * kElements;
};
struct BlockRows {
  static constexpr int kThreads = 256, kElements = 16;
  static constexpr int kBlock = kThreads, kBlockRows = 1;
  static constexpr i64 kColumns = kThreads * kElements;
};

#ifdef __CUDACC__

// NAME_warp_f32, NAME_warp_bf16, NAME_block_f32 and NAME_block_bf16 of a device function of the same name.
#define ROW_KERNELS(name, Arguments)                                                          \
  KERNEL(name##_warp_f32, Arguments, WarpRows::kBlock) { name<f32, WarpRows>(arguments); }    \
  KERNEL(name##_warp_bf16, Arguments, WarpRows::kBlock) { name<bf16, WarpRows>(arguments); }  \
  KERNEL(name##_block_f32, Arguments, BlockRows::kBlock) { name<f32, BlockRows>(arguments); } \
  KERNEL(name##_block_bf16, Arguments, BlockRows::kBlock) { name<bf16, BlockRows>(arguments); }

#else

// The same kernels by the dtype and the columns of a row.
#define ROW_KERNELS(variable, Arguments, image, name)                                        \
  FLOAT_KERNELS(variable##_warp, Arguments, image, name "_warp", WarpRows::kBlock)           \
  FLOAT_KERNELS(variable##_block, Arguments, image, name "_block", BlockRows::kBlock)        \
  static const Kernel<Arguments>& variable(DType dtype, i64 columns) {                       \
    return columns <= WarpRows::kColumns ? variable##_warp(dtype) : variable##_block(dtype); \
  }

// Blocks for all rows, if each works on as many at a time as it can.
inline i64 row_blocks(i64 rows, i64 columns) {
  return ceil_div(rows, columns <= WarpRows::kColumns ? WarpRows::kBlockRows : BlockRows::kBlockRows);
}

// Whether rows of so many columns, the first of them at one of the addresses, may be read 16 bytes at a time.
inline bool aligned_rows(std::initializer_list<const void*> addresses, i64 columns, DType dtype) {
  return aligned(addresses) && columns * static_cast<i64>(dtype_size(dtype)) % 16 == 0;
}

#endif

}  // namespace transfusion::cuda
