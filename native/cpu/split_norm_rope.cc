// Of each token's heads: n = x rstd weight with rstd = 1 / sqrt(mean x^2 + eps), where queries and keys have
// weights; then split_rope (rope.cc) of n, written to the row that `rows` has for the token.
// Backward, with g the gradient rotated back and u = x rstd:  dweight += g u,
//   dx = rstd (g weight - u mean(g weight u)).
// Parallel over tokens; the weights' partial sums are joined in order. Kept for backward: qkv and rstd, if
// there are weights, and the table.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/split_norm_rope.cc"
#include <hwy/foreach_target.h>

#include <cmath>

#include "cpu/cpu.h"
#include "cpu/runtime/check.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// x [D] normalised, where there is a weight, and rotated by the angles.
template <class T>
void RotateHead(T* y, float* rstd, const T* x, const T* weight, const float* angles, i64 D, float eps) {
  const i64 half = D / 2;
  Vec factor = set(1);
  if (weight) {
    const Vec squares = sum_each(D, [&](Vec sum, i64 i, auto io) HWY_ATTR {
      const Vec v = io.load(x + i);
      return hn::MulAdd(v, v, sum);
    });
    *rstd = 1.0f / std::sqrt(sum_of(squares) / static_cast<float>(D) + eps);
    factor = set(*rstd);
  }
  for_each(half, [&](i64 i, auto io) HWY_ATTR {
    const Vec cosine = io.load(angles + i), sine = io.load(angles + half + i);
    Vec first = io.stream(x + i), second = io.stream(x + half + i);
    if (weight) {
      first = hn::Mul(hn::Mul(first, factor), io.load(weight + i));
      second = hn::Mul(hn::Mul(second, factor), io.load(weight + half + i));
    }
    io.store(hn::NegMulAdd(second, sine, hn::Mul(first, cosine)), y + i);
    io.store(hn::MulAdd(first, sine, hn::Mul(second, cosine)), y + half + i);
  });
}

// The gradient of RotateHead given dy [D]; dweight [D] may be null.
template <class T>
void RotateHeadBackward(T* dx, float* dweight, const T* dy, float rstd, const T* x, const T* weight,
                        const float* angles, i64 D) {
  const i64 half = D / 2;
  // Calls body(i, io, g of the first half, g of the second).
  const auto each_pair = [&](const auto& body) HWY_ATTR {
    for_each(half, [&](i64 i, auto io) HWY_ATTR {
      const Vec cosine = io.load(angles + i), sine = io.load(angles + half + i);
      const Vec first = io.load(dy + i), second = io.load(dy + half + i);
      body(i, io, hn::MulAdd(second, sine, hn::Mul(first, cosine)),
           hn::NegMulAdd(first, sine, hn::Mul(second, cosine)));
    });
  };
  if (!weight) {
    each_pair([&](i64 i, auto io, Vec first, Vec second) HWY_ATTR {
      io.store(first, dx + i);
      io.store(second, dx + half + i);
    });
    return;
  }
  const Vec factor = set(rstd);
  Vec products = zero();
  each_pair([&](i64 i, auto io, Vec first, Vec second) HWY_ATTR {
    const Vec a = hn::Mul(first, hn::Mul(io.load(x + i), factor));
    const Vec b = hn::Mul(second, hn::Mul(io.load(x + half + i), factor));
    if (dweight) {
      io.store(hn::Add(io.load(dweight + i), a), dweight + i);
      io.store(hn::Add(io.load(dweight + half + i), b), dweight + half + i);
    }
    products = hn::MulAdd(a, io.load(weight + i), products);
    products = hn::MulAdd(b, io.load(weight + half + i), products);
  });
  const Vec mean = set(sum_of(products) / static_cast<float>(D));
  each_pair([&](i64 i, auto io, Vec first, Vec second) HWY_ATTR {
    const auto gradient = [&](Vec g, i64 d) HWY_ATTR {
      const Vec normal = hn::Mul(io.load(x + d), factor);
      return hn::Mul(factor, hn::NegMulAdd(normal, mean, hn::Mul(g, io.load(weight + d))));
    };
    io.store(gradient(first, i), dx + i);
    io.store(gradient(second, half + i), dx + half + i);
  });
}

Status SplitNormRope(Context&, Part q, Part k, Part v, OutOptional rstd, In qkv, In table, InOptional rows,
                     InOptional query_weight, InOptional key_weight, f32 eps) {
  return with_float(qkv, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 H = q.dim(1), G = k.dim(1), D = qkv.dim(2);
    parallel_for(qkv.dim(0), row_grain((H + 2 * G) * D), [&](i64 begin, i64 end) HWY_ATTR {
      float unused;
      for (i64 r = begin; r < end; ++r) {
        const i64 token = rows.present() ? rows.as<i32>()[r] : r;
        if (token < 0) continue;
        const T* x = qkv.as<T>() + r * (H + 2 * G) * D;
        const float* angles = table.as<float>() + token * D;
        for (i64 h = 0; h < H + G; ++h, x += D) {
          T* y = h < H ? q.as<T>() + (token * H + h) * D : k.as<T>() + (token * G + h - H) * D;
          const T* weight = h < H ? query_weight.as<T>() : key_weight.as<T>();
          RotateHead(y, weight ? rstd.as<float>() + r * (H + G) + h : &unused, x, weight, angles, D, eps);
        }
        std::memcpy(v.as<T>() + token * G * D, x, static_cast<size_t>(G * D) * sizeof(T));
      }
    });
    return ok();
  });
}

Status SplitNormRopeBackward(Context& context, Out dqkv, Acc dquery_weight, Acc dkey_weight, In dq, In dk,
                             In dv, In table, InOptional rows, InOptional qkv, InOptional query_weight,
                             InOptional key_weight, InOptional rstd) {
  return with_float(dqkv, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 R = dqkv.dim(0), H = dq.dim(1), G = dk.dim(1), D = dqkv.dim(2), width = (H + 2 * G) * D;
    // partial [2 D]: of the queries' weight, then of the keys'; or null.
    const auto each_row = [&](i64 begin, i64 end, float* partial) HWY_ATTR {
      for (i64 r = begin; r < end; ++r) {
        const i64 token = rows.present() ? rows.as<i32>()[r] : r;
        T* dx = dqkv.as<T>() + r * width;
        if (token < 0) {
          std::memset(dx, 0, static_cast<size_t>(width) * sizeof(T));
          continue;
        }
        const T* x = qkv.as<T>() ? qkv.as<T>() + r * width : nullptr;
        const float* angles = table.as<float>() + token * D;
        for (i64 h = 0; h < H + G; ++h, dx += D) {
          const T* dy = h < H ? dq.as<T>() + (token * H + h) * D : dk.as<T>() + (token * G + h - H) * D;
          const T* weight = h < H ? query_weight.as<T>() : key_weight.as<T>();
          float* dweight = partial ? partial + (h < H ? 0 : D) : nullptr;
          RotateHeadBackward(dx, dweight, dy, weight ? rstd.as<float>()[r * (H + G) + h] : 1,
                             x ? x + h * D : nullptr, weight, angles, D);
        }
        std::memcpy(dx, dv.as<T>() + token * G * D, static_cast<size_t>(G * D) * sizeof(T));
      }
    };
    if (!dquery_weight.present() && !dkey_weight.present()) {
      parallel_for(R, row_grain(width), [&](i64 begin, i64 end) HWY_ATTR { each_row(begin, end, nullptr); });
      return ok();
    }
    float* sums = context.scratch<float>(2 * D);
    std::memset(sums, 0, static_cast<size_t>(2 * D) * sizeof(float));
    reduce_rows(context, R, 2 * D, sums, each_row);
    const auto add = [&](const Acc& target, const float* source) HWY_ATTR {
      if (!target.present()) return;
      float* to = target.as<float>();
      for_each(D, [&](i64 d, auto io)
                      HWY_ATTR { io.store(hn::Add(io.load(to + d), io.load(source + d)), to + d); });
    };
    add(dquery_weight, sums);
    add(dkey_weight, sums + D);
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(SplitNormRope);
HWY_EXPORT(SplitNormRopeBackward);

Status split_norm_rope(Context& context, Part q, Part k, Part v, OutOptional rstd, In qkv, In table,
                       InOptional rows, InOptional query_weight, InOptional key_weight, f32 eps) {
  if (rows.present())
    if (const Status status = check_indices(rows, q.dim(0), "rows"); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(SplitNormRope)(context, q, k, v, rstd, qkv, table, rows, query_weight,
                                             key_weight, eps);
}

Status split_norm_rope_backward(Context& context, Out dqkv, Acc dquery_weight, Acc dkey_weight, In dq, In dk,
                                In dv, In table, InOptional rows, InOptional qkv, InOptional query_weight,
                                InOptional key_weight, InOptional rstd) {
  if (rows.present())
    if (const Status status = check_indices(rows, dq.dim(0), "rows"); status.failed) return status;
  return HWY_DYNAMIC_DISPATCH(SplitNormRopeBackward)(context, dqkv, dquery_weight, dkey_weight, dq, dk, dv,
                                                     table, rows, qkv, query_weight, key_weight, rstd);
}

}  // namespace transfusion::cpu
#endif
