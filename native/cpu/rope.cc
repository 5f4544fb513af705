// angle[t, i] = positions[t, axes[i]] frequencies[i], table = cos, then sin of it.  For a head x of q or k:
//   y_i = x_i cos_i - x_{i + D/2} sin_i,  y_{i + D/2} = x_{i + D/2} cos_i + x_i sin_i   (i < D/2; v is
//   copied)
// Backward is the rotation by -angle. Parallel over tokens. Kept for backward: the table.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/rope.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/simd/cos_sin.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

// Rotates `heads` heads of x by `direction` (1 or -1) times the angles of one token.
template <class T>
void Rotate(T* y, const T* x, const float* table, i64 heads, i64 D, float direction) {
  const i64 half = D / 2;
  const Vec sign = set(direction);
  for (i64 h = 0; h < heads; ++h, x += D, y += D) {
    for_each(half, [&](i64 i, auto io) HWY_ATTR {
      const Vec cosine = io.load(table + i), sine = hn::Mul(sign, io.load(table + half + i));
      const Vec first = io.stream(x + i), second = io.stream(x + half + i);
      io.store(hn::NegMulAdd(second, sine, hn::Mul(first, cosine)), y + i);
      io.store(hn::MulAdd(first, sine, hn::Mul(second, cosine)), y + half + i);
    });
  }
}

Status SplitRope(Context&, Out q, Out k, Out v, In qkv, In table) {
  return with_float(qkv, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 tokens = qkv.dim(0), H = q.dim(1), G = k.dim(1), D = qkv.dim(2);
    parallel_for(tokens, row_grain((H + 2 * G) * D), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        const T* x = qkv.as<T>() + t * (H + 2 * G) * D;
        const float* angles = table.as<float>() + t * D;
        Rotate(q.as<T>() + t * H * D, x, angles, H, D, 1);
        Rotate(k.as<T>() + t * G * D, x + H * D, angles, G, D, 1);
        std::memcpy(v.as<T>() + t * G * D, x + (H + G) * D, static_cast<size_t>(G * D) * sizeof(T));
      }
    });
    return ok();
  });
}

Status SplitRopeBackward(Context&, Out dqkv, In dq, In dk, In dv, In table) {
  return with_float(dqkv, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 tokens = dqkv.dim(0), H = dq.dim(1), G = dk.dim(1), D = dqkv.dim(2);
    parallel_for(tokens, row_grain((H + 2 * G) * D), [&](i64 begin, i64 end) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) {
        T* dx = dqkv.as<T>() + t * (H + 2 * G) * D;
        const float* angles = table.as<float>() + t * D;
        Rotate(dx, dq.as<T>() + t * H * D, angles, H, D, -1);
        Rotate(dx + H * D, dk.as<T>() + t * G * D, angles, G, D, -1);
        std::memcpy(dx + (H + G) * D, dv.as<T>() + t * G * D, static_cast<size_t>(G * D) * sizeof(T));
      }
    });
    return ok();
  });
}

Status RopeTable(Out table, In positions, In frequencies, In axes) {
  const i64 tokens = positions.dim(0), A = positions.dim(1), half = frequencies.dim(0);
  parallel_for(tokens, 64, [&](i64 begin, i64 end) HWY_ATTR {
    for (i64 t = begin; t < end; ++t) {
      float* row = table.as<float>() + t * 2 * half;
      const float* position = positions.as<float>() + t * A;
      CosSinOfTurns(row, row + half, half, [&](i64 i) HWY_ATTR {
        return static_cast<double>(position[axes.as<i32>()[i]]) * frequencies.as<float>()[i] / kTwoPi;
      });
    }
  });
  return ok();
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(SplitRope);
HWY_EXPORT(SplitRopeBackward);
HWY_EXPORT(RopeTable);

Status split_rope(Context& context, Out q, Out k, Out v, In qkv, In table) {
  return HWY_DYNAMIC_DISPATCH(SplitRope)(context, q, k, v, qkv, table);
}

Status split_rope_backward(Context& context, Out dqkv, In dq, In dk, In dv, In table) {
  return HWY_DYNAMIC_DISPATCH(SplitRopeBackward)(context, dqkv, dq, dk, dv, table);
}

Status rope_table(Context&, Out table, In positions, In frequencies, In axes) {
  const i64 A = positions.dim(1);
  for (i64 i = 0; i < axes.dim(0); ++i) {
    const i32 axis = axes.as<i32>()[i];
    if (axis < 0 || axis >= A)
      return fail("axes[%lld] must be in 0..%lld, received %d", static_cast<long long>(i),
                  static_cast<long long>(A - 1), axis);
  }
  return HWY_DYNAMIC_DISPATCH(RopeTable)(table, positions, frequencies, axes);
}

}  // namespace transfusion::cpu
#endif
