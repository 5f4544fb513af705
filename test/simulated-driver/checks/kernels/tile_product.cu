// A product of matrices with asynchronous copies in three stages, in its right form and with one thing wrong,
// for check_faults.cc.
#include "tile_product.h"

#include "device/instructions.cuh"

namespace simulated {

using namespace transfusion::cuda;

enum class Wrong {
  right_product,
  barrier_left_out,
  wait_left_out,
  wait_one_late,
  stage_too_early,
  row_misaligned,
  rows_left_out,
  source_written,
  source_past_the_end,
  part_of_a_warp,
};

constexpr int kInner = 32, kStages = 3;
// Rows in shared memory are 16 bytes longer: addresses of 8 rows lie in different banks.
constexpr int kRowA = kInner + 8, kRowB = kTile + 8;

struct Stage {
  uint16_t a[kTile * kRowA], b[kInner * kRowB + 8];
};

template <Wrong kWrong>
__device__ void load_stage(const ProductArguments& arguments, Stage& stage, int k) {
  for (int chunk = threadIdx.x; chunk < kTile * kInner / 8; chunk += kTileThreads) {
    const int row = chunk / (kInner / 8), column = chunk % (kInner / 8) * 8;
    // barrier_left_out stage_too_early
    copy_async_16(shared_address(stage.a + row * kRowA + column),
                  arguments.a + static_cast<int64_t>(row) * arguments.inner + k + column, 16);
  }
  for (int chunk = threadIdx.x; chunk < kInner * kTile / 8; chunk += kTileThreads) {
    const int row = chunk / (kTile / 8), column = chunk % (kTile / 8) * 8;
    if (kWrong == Wrong::rows_left_out && row == 17) continue;
    const int skew = kWrong == Wrong::row_misaligned ? 4 : 0;
    const int beyond = kWrong == Wrong::source_past_the_end ? 1 : 0;
    // row_misaligned source_past_the_end barrier_left_out stage_too_early
    copy_async_16(shared_address(stage.b + row * kRowB + column + skew),
                  arguments.b + static_cast<int64_t>(k + row + beyond) * kTile + column, 16);
  }
}

// 16 rows of c.
__device__ void multiply_stage(const Stage& stage, float (&sums)[kTile / 8][4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int k = 0; k < kInner; k += 16) {
    uint32_t a[4];
    // barrier_left_out wait_left_out wait_one_late stage_too_early
    load_matrices(a, shared_address(stage.a + (warp * 16 + lane % 16) * kRowA + k + lane / 16 * 8));
    for (int column = 0; column < kTile; column += 16) {
      uint32_t b[4];
      // barrier_left_out wait_left_out wait_one_late stage_too_early rows_left_out
      load_matrices_transposed(b, shared_address(stage.b + (k + lane % 16) * kRowB + column + lane / 16 * 8));
      multiply_add(sums[column / 8], a, b[0], b[1]);
      multiply_add(sums[column / 8 + 1], a, b[2], b[3]);
    }
  }
}

template <Wrong kWrong>
__device__ void tile_product(const ProductArguments& arguments) {
  __shared__ __align__(16) Stage stages[kStages];
  const int steps = arguments.inner / kInner;
  for (int step = 0; step < kStages - 1; ++step) {
    if (step < steps) load_stage<kWrong>(arguments, stages[step], step * kInner);
    commit_copies();
  }
  float sums[kTile / 8][4] = {};
  for (int step = 0; step < steps; ++step) {
    if constexpr (kWrong == Wrong::wait_one_late)
      wait_for_copies<kStages - 1>();
    else if constexpr (kWrong != Wrong::wait_left_out)
      // source_written
      wait_for_copies<kStages - 2>();
    // part_of_a_warp
    if constexpr (kWrong != Wrong::barrier_left_out) __syncthreads();
    const int next = step + kStages - 1;
    const int target = kWrong == Wrong::stage_too_early ? step : next;
    if (next < steps) load_stage<kWrong>(arguments, stages[target % kStages], next * kInner);
    commit_copies();
    if (kWrong == Wrong::source_written && threadIdx.x == 0 && next < steps)
      arguments.a[next * kInner] = 0x3f80;
    // part_of_a_warp
    if (kWrong != Wrong::part_of_a_warp || threadIdx.x % 32 < 24)
      multiply_stage(stages[step % kStages], sums);
  }
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int column = 0; column < kTile / 8; ++column)
    for (int i = 0; i < 4; ++i)
      arguments.c[(warp * 16 + i / 2 * 8 + lane / 4) * kTile + column * 8 + lane % 4 * 2 + i % 2] =
          sums[column][i];
}

#define TILE_PRODUCT(name)                                       \
  extern "C" __global__ void __launch_bounds__(kTileThreads)     \
      name(const __grid_constant__ ProductArguments arguments) { \
    tile_product<Wrong::name>(arguments);                        \
  }

TILE_PRODUCT(right_product)
TILE_PRODUCT(barrier_left_out)
TILE_PRODUCT(wait_left_out)
TILE_PRODUCT(wait_one_late)
TILE_PRODUCT(stage_too_early)
TILE_PRODUCT(row_misaligned)
TILE_PRODUCT(rows_left_out)
TILE_PRODUCT(source_written)
TILE_PRODUCT(source_past_the_end)
TILE_PRODUCT(part_of_a_warp)

}  // namespace simulated
