// The sums of chunks of keys, in memory: of earlier ones, while a warp computes the next; or of several
// blocks, until they are joined.
#pragma once

#include "attention/head_tile.cuh"
#include "attention/online_softmax.cuh"

namespace transfusion::cuda {

// Of kCount times 16 rows by kColumns of each warp of a block. Each thread has what it has of the sums.
template <int kCount, int kColumns, int kThreads>
class KeptSums {
 public:
  using Sums = WarpSums16<kCount, kColumns>;
  using Softmax = OnlineSoftmax[kCount][2];

  // Where those of block x of the grid begin, in this row of blocks.
  static __device__ __forceinline__ f32* of_block(f32* chunks, unsigned x) {
    return chunks + (static_cast<i64>(x) * gridDim.y + blockIdx.y) * (4 * kCount * kOfRows * kThreads);
  }
  __device__ __forceinline__ explicit KeptSums(f32* of_block)
      : place_(reinterpret_cast<float4*>(of_block) + threadIdx.x) {}

  // Keeps finished sums, and begins anew.
  __device__ __forceinline__ void keep(Sums& sums, Softmax& softmax) const {
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
#pragma unroll
      for (int i = 0; i < kOfRows; ++i) at(m, i) = pack(sums, softmax, m, i);
      softmax[m][0] = softmax[m][1] = {};
#pragma unroll
      for (float(&four)[4] : sums[m]) four[0] = four[1] = four[2] = four[3] = 0;
    }
  }

  __device__ __forceinline__ void read(Sums& sums, Softmax& softmax) const {
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
      unpack(softmax[m], at(m, 0));
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j) {
        const float4 four = at(m, 1 + j);
        sums[m][j][0] = four.x, sums[m][j][1] = four.y, sums[m][j][2] = four.z, sums[m][j][3] = four.w;
      }
    }
  }

  // Joins finished sums to those that are kept, of earlier keys.
  __device__ __forceinline__ void join_to_kept(Sums& sums, Softmax& softmax, float exponent) const {
    join(sums, softmax, exponent, [&](int m, int i) { return at(m, i); });
  }
  // Joins those that are kept, of later keys, to finished sums.
  __device__ __forceinline__ void join_kept(Sums& sums, Softmax& softmax, float exponent) const {
    Sums later;
    Softmax later_softmax;
    read(later, later_softmax);
    join(later, later_softmax, exponent, [&](int m, int i) { return pack(sums, softmax, m, i); });
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
      softmax[m][0] = later_softmax[m][0], softmax[m][1] = later_softmax[m][1];
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[m][j][i] = later[m][j][i];
    }
  }

 private:
  static constexpr int kOfRows = 1 + kColumns / 8;  // of a thread, for 16 rows: m and l, then sums

  __device__ __forceinline__ float4& at(int m, int i) const { return place_[(m * kOfRows + i) * kThreads]; }

  static __device__ __forceinline__ float4 pack(const Sums& sums, const Softmax& softmax, int m, int i) {
    if (i == 0) return {softmax[m][0].m, softmax[m][0].l, softmax[m][1].m, softmax[m][1].l};
    const float(&four)[4] = sums[m][i - 1];
    return {four[0], four[1], four[2], four[3]};
  }
  static __device__ __forceinline__ void unpack(OnlineSoftmax (&rows)[2], float4 kept) {
    rows[0].m = kept.x, rows[0].l = kept.y, rows[1].m = kept.z, rows[1].l = kept.w;
  }

  // earlier(m, i): as they are kept.
  template <class Earlier>
  static __device__ __forceinline__ void join(Sums& sums, Softmax& softmax, float exponent,
                                              const Earlier& earlier) {
#pragma unroll
    for (int m = 0; m < kCount; ++m) {
      OnlineSoftmax rows[2];
      unpack(rows, earlier(m, 0));
      const float2 factors[2] = {softmax[m][0].join(rows[0], exponent),
                                 softmax[m][1].join(rows[1], exponent)};
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j) {
        // Else all of them come at once, into registers that there are not.
        if (j % 2 == 0) __threadfence_block();
        float(&four)[4] = sums[m][j];
        const float4 before = earlier(m, 1 + j);
        four[0] = OnlineSoftmax::join(before.x, four[0], factors[0]);
        four[1] = OnlineSoftmax::join(before.y, four[1], factors[0]);
        four[2] = OnlineSoftmax::join(before.z, four[2], factors[1]);
        four[3] = OnlineSoftmax::join(before.w, four[3], factors[1]);
      }
    }
  }

  float4* place_;
};

}  // namespace transfusion::cuda
