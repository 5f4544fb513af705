// Of each token's heads: n = x rstd weight with rstd = 1 / sqrt(mean x^2 + eps), where queries and keys have
// weights; then split_rope (rope.cu) of n, written to the row that `rows` has for the token.
// Backward, with g the gradient rotated back and u = x rstd:  dweight += g u,
//   dx = rstd (g weight - u mean(g weight u)).
// Neighbouring threads, a power of two of them up to a warp, share a head: each has a run of each of its
// halves. Backward a fixed number of blocks work on head after head where weights have gradients, each of
// which sums its heads' terms; their sums are then joined. Kept for backward: qkv and rstd, if there are
// weights, and the table.
#include "divider.h"
#ifdef __CUDACC__
#include "device/elements.cuh"
#include "device/failure.cuh"
#else
#include <algorithm>

#include "column_sums.h"
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256, kLanes = 32, kWarps = kThreads / kLanes;

struct HeadsArguments {
  void *q, *k, *v, *qkv;  // forward read from qkv, backward written to it
  const void* x;          // qkv of the forward pass
  const void *query_weight, *key_weight;
  f32* rstd;                         // [R, H + G], or null: no weights
  f32 *dquery_weight, *dkey_weight;  // [blocks, D], or null
  const f32* table;
  const i32* rows;  // or null
  i64 count;        // of heads of all rows
  i64 T, H, G, half;
  int lanes;  // threads of a head
  Divider heads;
  f32 eps;
  bool vectors;
  Failures failures;
};

#ifdef __CUDACC__

// One head of one row, as its threads see it.
template <class T>
struct Head {
  static constexpr int kRun = 16 / static_cast<int>(sizeof(T));
  bool exists, placed;  // placed: has a token
  i64 row, head, token;
  const T* weight;
  bool rotates, is_query;

  __device__ __forceinline__ Head(const HeadsArguments& arguments, i64 item) {
    const i64 H = arguments.H, G = arguments.G;
    exists = item < arguments.count;
    head = exists ? item : 0;
    row = arguments.heads.divide(head);
    token = arguments.rows ? arguments.rows[row] : row;
    placed = exists && token >= 0 && token < arguments.T;
    if (exists && !placed && head == 0 && threadIdx.x % arguments.lanes == 0)
      check_index(arguments.failures, row, static_cast<i32>(token), arguments.T);
    is_query = head < H;
    rotates = head < H + G;
    weight = static_cast<const T*>(is_query  ? arguments.query_weight
                                   : rotates ? arguments.key_weight
                                             : nullptr);
  }

  // Where q, k or v has it.
  __device__ __forceinline__ T* part(const HeadsArguments& arguments) const {
    const i64 H = arguments.H, G = arguments.G, D = 2 * arguments.half;
    return is_query  ? static_cast<T*>(arguments.q) + (token * H + head) * D
           : rotates ? static_cast<T*>(arguments.k) + (token * G + head - H) * D
                     : static_cast<T*>(arguments.v) + (token * G + head - H - G) * D;
  }
};

// A run of each half of a head.
template <class T>
struct Pairs {
  static constexpr int kRun = Head<T>::kRun;
  float a[kRun], b[kRun];

  template <class Source>
  __device__ __forceinline__ void load(const Source* source, i64 first, i64 half, bool vectors) {
    load_run(a, source + first, half - first, vectors);
    load_run(b, source + half + first, half - first, vectors);
  }
  __device__ __forceinline__ void store(T* target, i64 first, i64 half, bool vectors) const {
    store_run(target + first, a, half - first, vectors);
    store_run(target + half + first, b, half - first, vectors);
  }
  __device__ __forceinline__ void scale(float factor) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) a[i] *= factor, b[i] *= factor;
  }
  __device__ __forceinline__ void multiply(const Pairs& other) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) a[i] *= other.a[i], b[i] *= other.b[i];
  }
  __device__ __forceinline__ float dot(const Pairs& other) const {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kRun; ++i) sum += a[i] * other.a[i] + b[i] * other.b[i];
    return sum;
  }
  // By the angles, cosines and sines, times 1 or -1.
  __device__ __forceinline__ void rotate(const Pairs& angles, float direction) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const float first = a[i], second = b[i], sine = direction * angles.b[i];
      a[i] = first * angles.a[i] - second * sine;
      b[i] = second * angles.a[i] + first * sine;
    }
  }
};

// Over the threads that share a head, for all of them; whole warps call it.
__device__ __forceinline__ float reduce_head(float value, int lanes) {
  for (int distance = lanes / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

template <class T>
__device__ void split_norm_rope(const HeadsArguments& arguments) {
  using Values = Pairs<T>;
  const i64 half = arguments.half, D = 2 * half;
  const bool vectors = arguments.vectors;
  const int lanes = arguments.lanes, lane = static_cast<int>(threadIdx.x) % lanes;
  const i64 item = static_cast<i64>(blockIdx.x) * (kThreads / lanes) + threadIdx.x / lanes;
  const i64 step = lanes * Values::kRun, last = (half - 1) / step * step + lane * Values::kRun;
  const Head<T> head(arguments, item);
  const T* source = static_cast<const T*>(arguments.qkv) + item * D;
  Values x, other;
  float squares = 0;
  if (head.exists)
    for (i64 first = head.weight ? lane * Values::kRun : last; first <= last; first += step) {
      x.load(source, first, half, vectors);
      squares += x.dot(x);
    }
  float rstd = 1;
  if (arguments.rstd) {
    squares = reduce_head(squares, lanes);
    if (head.exists && head.weight) {
      rstd = 1 / sqrtf(squares / static_cast<float>(D) + arguments.eps);
      if (lane == 0) arguments.rstd[head.row * (arguments.H + arguments.G) + head.head] = rstd;
    }
  }
  if (!head.placed) return;
  T* target = head.part(arguments);
  // From the last tile, which is still held, to the first.
  for (i64 first = last; first >= 0; first -= step) {
    if (first != last) x.load(source, first, half, vectors);
    if (head.weight) {
      x.scale(rstd);
      other.load(head.weight, first, half, vectors);
      x.multiply(other);
    }
    if (head.rotates) {
      other.load(arguments.table + head.token * D, first, half, vectors);
      x.rotate(other, 1);
    }
    x.store(target, first, half, vectors);
  }
}

// The blocks of one y have one tile of each head: as many elements as its threads hold.
template <class T>
__device__ void split_norm_rope_backward(const HeadsArguments& arguments) {
  using Values = Pairs<T>;
  constexpr int kRun = Values::kRun;
  const i64 half = arguments.half, D = 2 * half;
  const bool vectors = arguments.vectors;
  const int lanes = arguments.lanes, lane = static_cast<int>(threadIdx.x) % lanes;
  const i64 block_heads = kThreads / lanes, step = lanes * kRun, tiles = gridDim.y;
  const i64 own = blockIdx.y * step + lane * kRun;
  Values of_queries = {}, of_keys = {};
  for (i64 base = blockIdx.x * block_heads; base < arguments.count; base += gridDim.x * block_heads) {
    const i64 item = base + threadIdx.x / lanes;
    const Head<T> head(arguments, item);
    const bool normed = head.placed && head.weight;
    const float rstd = normed ? arguments.rstd[head.row * (arguments.H + arguments.G) + head.head] : 1;
    Values g = {}, u, weight;
    float products = 0;
    // The own tile is the last, and then still held.
    for (i64 tile = normed ? 1 : tiles; head.placed && tile <= tiles; ++tile) {
      const i64 first = (blockIdx.y + tile) % tiles * step + lane * kRun;
      g.load(head.part(arguments), first, half, vectors);
      if (head.rotates) {
        Values angles;
        angles.load(arguments.table + head.token * D, first, half, vectors);
        g.rotate(angles, -1);
      }
      if (!normed) continue;
      u.load(static_cast<const T*>(arguments.x) + item * D, first, half, vectors);
      u.scale(rstd);
      weight.load(head.weight, first, half, vectors);
      Values terms = g;
      terms.multiply(u);
      products += terms.dot(weight);
    }
    const float mean = arguments.rstd ? reduce_head(products, lanes) / static_cast<float>(D) : 0;
    if (!head.exists) continue;
    if (normed) {
      // Both by their values: chosen by reference they would lie in memory.
      const auto add = [&](Values& sums, bool own) {
#pragma unroll
        for (int i = 0; i < kRun; ++i) {
          sums.a[i] += own ? g.a[i] * u.a[i] : 0;
          sums.b[i] += own ? g.b[i] * u.b[i] : 0;
        }
      };
      add(of_queries, head.is_query);
      add(of_keys, !head.is_query);
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        g.a[i] = rstd * (g.a[i] * weight.a[i] - u.a[i] * mean);
        g.b[i] = rstd * (g.b[i] * weight.b[i] - u.b[i] * mean);
      }
    }
    g.store(static_cast<T*>(arguments.qkv) + item * D, own, half, vectors);
  }
  // The sums of the heads that a warp has worked on side by side, then of the block's warps.
  __shared__ float of_warps[kWarps][2 * kRun * kLanes];
  const auto finish = [&](Values& sums, f32* partials) {
    if (!partials) return;
    for (int distance = lanes; distance < kLanes; distance *= 2) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        sums.a[i] += __shfl_xor_sync(~0u, sums.a[i], distance);
        sums.b[i] += __shfl_xor_sync(~0u, sums.b[i], distance);
      }
    }
    const int warp = static_cast<int>(threadIdx.x) / kLanes, thread = static_cast<int>(threadIdx.x) % kLanes;
    if (thread < lanes) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        of_warps[warp][i * lanes + thread] = sums.a[i];
        of_warps[warp][(kRun + i) * lanes + thread] = sums.b[i];
      }
    }
    __syncthreads();
    f32* target = partials + blockIdx.x * D;
    for (int index = static_cast<int>(threadIdx.x); index < lanes * 2 * kRun; index += kThreads) {
      const int element = index / lanes, of_lane = index % lanes;
      const i64 pair = blockIdx.y * step + of_lane * kRun + element % kRun;
      if (pair >= half) continue;
      float sum = 0;
      for (int from = 0; from < kWarps; ++from) sum += of_warps[from][index];
      target[(element < kRun ? 0 : half) + pair] = sum;
    }
    __syncthreads();
  };
  finish(of_queries, arguments.dquery_weight);
  finish(of_keys, arguments.dkey_weight);
}

KERNEL(split_norm_rope_f32, HeadsArguments, kThreads) { split_norm_rope<f32>(arguments); }
KERNEL(split_norm_rope_bf16, HeadsArguments, kThreads) { split_norm_rope<bf16>(arguments); }
KERNEL(split_norm_rope_backward_f32, HeadsArguments, kThreads) { split_norm_rope_backward<f32>(arguments); }
KERNEL(split_norm_rope_backward_bf16, HeadsArguments, kThreads) { split_norm_rope_backward<bf16>(arguments); }

#else

FLOAT_KERNELS(forward_kernel, HeadsArguments, "split_norm_rope", "split_norm_rope", kThreads)
FLOAT_KERNELS(backward_kernel, HeadsArguments, "split_norm_rope", "split_norm_rope_backward", kThreads)

namespace {

HeadsArguments arguments_of(Context& context, const TensorView& q, const TensorView& k, const TensorView& v,
                            const TensorView& qkv, const In& table, const InOptional& rows,
                            const InOptional& query_weight, const InOptional& key_weight) {
  const i64 H = q.dim(1), G = k.dim(1), half = qkv.dim(2) / 2, count = qkv.dim(0) * (H + 2 * G);
  const i64 run = vector_size(qkv.dtype);
  int lanes = 1;
  while (lanes < kLanes && lanes * run < half) lanes *= 2;
  HeadsArguments arguments = {};
  arguments.q = q.data, arguments.k = k.data, arguments.v = v.data, arguments.qkv = qkv.data;
  arguments.query_weight = query_weight.data, arguments.key_weight = key_weight.data;
  arguments.table = table.as<f32>();
  arguments.rows = rows.as<i32>();
  arguments.count = count, arguments.T = q.dim(0);
  arguments.H = H, arguments.G = G, arguments.half = half;
  arguments.lanes = lanes;
  arguments.heads = Divider(H + 2 * G, count);
  arguments.vectors = half % run == 0 && aligned({q.data, k.data, v.data, qkv.data, table.data,
                                                  query_weight.data, key_weight.data});
  if (rows.present()) arguments.failures = expect_indices(context, "rows", q.dim(0));
  return arguments;
}

}  // namespace

Status split_norm_rope(Context& context, Part q, Part k, Part v, OutOptional rstd, In qkv, In table,
                       InOptional rows, InOptional query_weight, InOptional key_weight, f32 eps) {
  HeadsArguments arguments = arguments_of(context, q, k, v, qkv, table, rows, query_weight, key_weight);
  arguments.rstd = rstd.as<f32>();
  arguments.eps = eps;
  return launch(context, forward_kernel(qkv.dtype), {ceil_div(arguments.count, kThreads / arguments.lanes)},
                arguments);
}

Status split_norm_rope_backward(Context& context, Out dqkv, Acc dquery_weight, Acc dkey_weight, In dq, In dk,
                                In dv, In table, InOptional rows, InOptional qkv, InOptional query_weight,
                                InOptional key_weight, InOptional rstd) {
  HeadsArguments arguments = arguments_of(context, dq, dk, dv, dqkv, table, rows, query_weight, key_weight);
  const i64 D = 2 * arguments.half;
  arguments.x = qkv.data;
  arguments.vectors = arguments.vectors && aligned({qkv.data});
  arguments.rstd = static_cast<f32*>(rstd.data);
  i64 blocks = ceil_div(arguments.count, kThreads / arguments.lanes);
  if (dquery_weight.present() || dkey_weight.present()) blocks = std::min(blocks, kGradientBlocks);
  if (dquery_weight.present()) arguments.dquery_weight = context.scratch<f32>(blocks * D);
  if (dkey_weight.present()) arguments.dkey_weight = context.scratch<f32>(blocks * D);
  const i64 tiles = ceil_div(arguments.half, arguments.lanes * vector_size(dqkv.dtype));
  if (const Status status = launch(context, backward_kernel(dqkv.dtype), {blocks, tiles}, arguments);
      status.failed)
    return status;
  if (dquery_weight.present())
    if (const Status status =
            add_column_sums(context, dquery_weight.as<f32>(), arguments.dquery_weight, DType::f32, blocks, D);
        status.failed)
      return status;
  if (!dkey_weight.present()) return ok();
  return add_column_sums(context, dkey_weight.as<f32>(), arguments.dkey_weight, DType::f32, blocks, D);
}

#endif

}  // namespace transfusion::cuda
