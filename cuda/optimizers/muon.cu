// The elementwise parts of a Muon step (Jordan et al. 2024); products of matrices make the rest.
//   muon_momentum:   m = beta m + (1 - beta) g,  d = beta m + (1 - beta) g (Nesterov),  direction = d / |d|
//                    with g = factor gradient and |d| the norm of the matrix; zeros when the norm of all
//                    gradients is not finite, and m as it was
//   muon_polynomial: p = constant I + linear gram + quadratic square
//   muon_update:     p -= learning_rate (scale direction + weight_decay p), unless the norm is not finite;
//                    rounded = p in bf16, where it is wanted
// |d| is cut by the number of elements alone; its partial sums are joined in order, in f64.
#include "kernel.h"
#include "optimizers/square_sums.h"
#ifdef __CUDACC__
#include "device/vectors.cuh"
#else
#include "cuda_kernels.h"
#include "host/launch.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct MuonMomentumArguments {
  f32* momentum;
  double* partials;
  const f32 *gradients, *clip;
  i64 count;
  f32 beta;
  bool aligned;
};

struct MuonDirectionArguments {
  void* direction;
  const f32* momentum;
  const double* partials;
  const f32 *gradients, *clip;
  i64 count;
  int partial_count;
  f32 beta;
  bool aligned;
};

struct MuonPolynomialArguments {
  void* p;
  const void *gram, *square;
  i64 count, size;  // elements of all matrices, and rows of each
  f32 constant, linear, quadratic;
  bool aligned;
};

struct MuonUpdateArguments {
  f32* parameters;
  bf16* rounded;  // or null
  const void* direction;
  const f32* clip;
  i64 count;
  f32 rate, decay_factor;
  bool aligned;
};

#ifdef __CUDACC__

// (1 - beta) g of the gradients from i on.
template <class Arguments, class Access>
__device__ __forceinline__ auto weighted_gradients(const Arguments& arguments, i64 i, Access access) {
  const float weight = (1 - arguments.beta) * arguments.clip[1];
  return map([=](float gradient) { return weight * gradient; }, access.load(arguments.gradients + i));
}

KERNEL(muon_momentum, MuonMomentumArguments, kSquareThreads) {
  if (arguments.clip[2] == 0) return;
  const float beta = arguments.beta;
  const auto advance = [&](float m, float weighted) { return beta * m + weighted; };
  const double sum = sum_squares(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    const auto weighted = weighted_gradients(arguments, i, access);
    const auto next = map(advance, access.load(arguments.momentum + i), weighted);
    access.store(arguments.momentum + i, next);
    return map(advance, next, weighted);
  });
  if (threadIdx.x == 0) arguments.partials[blockIdx.x] = sum;
}

template <class T>
__device__ void muon_direction(const MuonDirectionArguments& arguments) {
  const bool finite = arguments.clip[2] != 0;
  float inverse_norm = 0;
  if (finite) {
    const double sum = join_squares(arguments.partials, arguments.partial_count);
    if (sum != 0) inverse_norm = static_cast<float>(1 / sqrt(sum));
  }
  for_each_vector_in_turn<kSquareThreads, kVectorSize<f32, T>>(
      arguments.count, arguments.aligned, [&](i64 i, auto access) {
        T* target = static_cast<T*>(arguments.direction) + i;
        if (!finite) return access.store(target, access.repeat(0));
        access.store(
            target,
            map([&](float m, float weighted) { return inverse_norm * (arguments.beta * m + weighted); },
                access.load(arguments.momentum + i), weighted_gradients(arguments, i, access)));
      });
}

KERNEL(muon_direction_f32, MuonDirectionArguments, kSquareThreads) { muon_direction<f32>(arguments); }
KERNEL(muon_direction_bf16, MuonDirectionArguments, kSquareThreads) { muon_direction<bf16>(arguments); }

template <class T>
__device__ void muon_polynomial(const MuonPolynomialArguments& arguments) {
  const i64 size = arguments.size;
  for_each_vector<kThreads, kVectorSize<T>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    const auto gram = access.load(static_cast<const T*>(arguments.gram) + i);
    const auto square = access.load(static_cast<const T*>(arguments.square) + i);
    auto p =
        map([&](float g, float s) { return arguments.quadratic * s + arguments.linear * g; }, gram, square);
    // Of the matrix that begins at a row's first element, element column is on the diagonal in that row.
    i64 row = i / size, column = i - row * size;
    row %= size;
#pragma unroll
    for (int k = 0; k < access.kSize; ++k) {
      if (column == row) p.values[k] += arguments.constant;
      if (++column == size) {
        column = 0;
        row = row + 1 == size ? 0 : row + 1;
      }
    }
    access.store(static_cast<T*>(arguments.p) + i, p);
  });
}

KERNEL(muon_polynomial_f32, MuonPolynomialArguments, kThreads) { muon_polynomial<f32>(arguments); }
KERNEL(muon_polynomial_bf16, MuonPolynomialArguments, kThreads) { muon_polynomial<bf16>(arguments); }

template <class T>
__device__ void muon_update(const MuonUpdateArguments& arguments) {
  if (arguments.clip[2] == 0) return;
  for_each_vector<kThreads, kVectorSize<f32, T>>(arguments.count, arguments.aligned, [&](i64 i, auto access) {
    const auto update = [&](float p, float direction) {
      return arguments.decay_factor * p - arguments.rate * direction;
    };
    const auto updated = map(update, access.load(arguments.parameters + i),
                             access.load(static_cast<const T*>(arguments.direction) + i));
    access.store(arguments.parameters + i, updated);
    if (arguments.rounded) access.store(arguments.rounded + i, updated);
  });
}

KERNEL(muon_update_f32, MuonUpdateArguments, kThreads) { muon_update<f32>(arguments); }
KERNEL(muon_update_bf16, MuonUpdateArguments, kThreads) { muon_update<bf16>(arguments); }

#else

constexpr Kernel<MuonMomentumArguments> muon_momentum_kernel("muon", "muon_momentum", kSquareThreads);
FLOAT_KERNELS(muon_direction_kernel, MuonDirectionArguments, "muon", "muon_direction", kSquareThreads)
FLOAT_KERNELS(muon_polynomial_kernel, MuonPolynomialArguments, "muon", "muon_polynomial", kThreads)
FLOAT_KERNELS(muon_update_kernel, MuonUpdateArguments, "muon", "muon_update", kThreads)

Status muon_momentum(Context& context, State momentum, Out direction, In gradients, In clip, f32 beta) {
  const i64 count = momentum.elements(), blocks = square_blocks(count);
  double* partials = context.scratch<double>(blocks);
  const bool vectors = aligned({momentum.data, gradients.data});
  const Status status =
      launch(context, muon_momentum_kernel, {blocks},
             {momentum.as<f32>(), partials, gradients.as<f32>(), clip.as<f32>(), count, beta, vectors});
  if (status.failed) return status;
  const i64 needed = ceil_div(count, kSquareThreads * vector_size(DType::f32, direction.dtype));
  return launch(context, muon_direction_kernel(direction.dtype), {resident_blocks(context, needed)},
                {direction.data, momentum.as<f32>(), partials, gradients.as<f32>(), clip.as<f32>(), count,
                 static_cast<int>(blocks), beta, vectors && aligned({direction.data})});
}

Status muon_polynomial(Context& context, Out p, In gram, In square, f32 constant, f32 linear, f32 quadratic) {
  const i64 count = gram.elements();
  return launch(context, muon_polynomial_kernel(gram.dtype),
                {ceil_div(count, kThreads * vector_size(gram.dtype))},
                {p.data, gram.data, square.data, count, gram.dim(-1), constant, linear, quadratic,
                 aligned({p.data, gram.data, square.data})});
}

Status muon_update(Context& context, State parameters, StateOut rounded, In direction, In clip,
                   f32 learning_rate, f32 scale, f32 weight_decay) {
  const i64 count = parameters.elements();
  return launch(
      context, muon_update_kernel(direction.dtype),
      {ceil_div(count, kThreads * vector_size(DType::f32, direction.dtype))},
      {parameters.as<f32>(), rounded.as<bf16>(), direction.data, clip.as<f32>(), count, learning_rate * scale,
       1 - learning_rate * weight_decay, aligned({parameters.data, rounded.data, direction.data})});
}

#endif

}  // namespace transfusion::cuda
