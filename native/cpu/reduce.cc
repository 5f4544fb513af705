// sum_to: y = scale (sum of x over the axes in which y has size 1).  broadcast_to: y = scale x, repeated;
// each is the other's backward.  sum_rows: y[c] += sum_t x[t, c]. Sums are cut by shape into parts of at most
// 64 runs and 4096 columns, in parallel, and joined in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/reduce.cc"
#include <hwy/foreach_target.h>

#include "cpu/broadcast.h"
#include "cpu/cpu.h"
#include "cpu/simd/scalar.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

constexpr i64 kRuns = 64, kColumns = 4096;

// x as loops whose axes are each summed or kept. Runs are along the innermost axis, which is `inner` long.
struct Reduction {
  int rank;
  i64 sizes[kMaxRank + 1], strides[kMaxRank + 1];
  bool summed[kMaxRank + 1];
  i64 inner, kept = 1, runs = 1;  // kept: outputs of the outer axes; runs: summed for each of them

  Reduction(const TensorView& x, const TensorView& y) {
    const Broadcast<1> loops(x, {&y});
    rank = loops.rank;
    inner = loops.sizes[0];
    i64 stride = 1;
    for (int axis = 0; axis < rank; ++axis) {
      sizes[axis] = loops.sizes[axis];
      strides[axis] = stride;
      stride *= sizes[axis];
      summed[axis] = loops.strides[0][axis] == 0;
      if (axis > 0) (summed[axis] ? runs : kept) *= sizes[axis];
    }
  }

  // Where in x the index-th combination of the outer axes that are (not) summed begins.
  i64 offset(i64 index, bool of_summed) const {
    i64 result = 0;
    for (int axis = 1; axis < rank; ++axis) {
      if (summed[axis] != of_summed) continue;
      result += index % sizes[axis] * strides[axis];
      index /= sizes[axis];
    }
    return result;
  }
};

template <class T>
void AddRun(float* sums, const T* x, i64 n) {
  for_each(n,
           [&](i64 i, auto io) HWY_ATTR { io.store(hn::Add(io.load(sums + i), io.load(x + i)), sums + i); });
}

template <class T>
void SumTo(Context& context, T* y, const T* x, const Reduction& reduction, float scale) {
  const i64 inner = reduction.inner, blocks = ceil_div(inner, kColumns),
            chunks = ceil_div(reduction.runs, kRuns);
  // Each output row has `width` columns and is the sum of `parts` partial rows.
  const bool sums_runs = reduction.summed[0];
  const i64 width = sums_runs ? 1 : inner, parts = sums_runs ? chunks * blocks : chunks;
  float* partials = context.scratch<float>(reduction.kept * parts * width);
  const i64 grain = row_grain(std::min(reduction.runs, kRuns) * std::min(inner, kColumns));
  parallel_for(reduction.kept * chunks * blocks, grain, [&](i64 begin, i64 end) HWY_ATTR {
    for (i64 task = begin; task < end; ++task) {
      const i64 block = task % blocks, chunk = task / blocks % chunks, output = task / blocks / chunks;
      const i64 column = block * kColumns, columns = std::min(kColumns, inner - column);
      const T* source = x + reduction.offset(output, false) + column;
      float* partial = partials + (sums_runs ? task : (output * chunks + chunk) * inner + column);
      std::fill_n(partial, sums_runs ? 1 : columns, 0.0f);
      for (i64 run = chunk * kRuns; run < std::min(reduction.runs, (chunk + 1) * kRuns); ++run) {
        const T* values = source + reduction.offset(run, true);
        if (sums_runs)
          *partial += sum_run(values, columns);
        else
          AddRun(partial, values, columns);
      }
    }
  });
  parallel_for(reduction.kept * width, row_grain(parts), [&](i64 begin, i64 end) HWY_ATTR {
    while (begin < end) {
      const i64 output = begin / width, column = begin % width,
                columns = std::min(width - column, end - begin);
      const float* sources = partials + output * parts * width + column;
      for_each(columns, [&](i64 i, auto io) HWY_ATTR {
        Vec sum = zero();
        for (i64 part = 0; part < parts; ++part) sum = hn::Add(sum, io.load(sources + part * width + i));
        io.store(hn::Mul(sum, set(scale)), y + begin + i);
      });
      begin += columns;
    }
  });
}

Status SumToAny(Context& context, Out y, In x, f32 scale) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    SumTo(context, y.as<T>(), x.as<T>(), Reduction(x, y), scale);
    return ok();
  });
}

Status BroadcastTo(Context&, Out y, In x, f32 scale) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const Broadcast<1> broadcast(y, {&x});
    const Vec factor = set(scale);
    parallel_for(y.elements(), row_grain(1), [&](i64 begin, i64 end) HWY_ATTR {
      broadcast.runs(begin, end, [&](i64 position, i64 count, const i64* offsets) HWY_ATTR {
        const T* source = x.as<T>() + offsets[0];
        T* target = y.as<T>() + position;
        if (broadcast.repeats(0)) {
          const Vec value = set(to_float(*source) * scale);
          for_each(count, [&](i64 i, auto io) HWY_ATTR { io.store(value, target + i); });
        } else {
          for_each(count, [&](i64 i, auto io)
                              HWY_ATTR { io.store(hn::Mul(io.load(source + i), factor), target + i); });
        }
      });
    });
    return ok();
  });
}

Status SumRows(Context& context, Acc y, In x) {
  return with_float(x, [&](auto element) HWY_ATTR {
    using T = decltype(element);
    const i64 C = x.dim(-1);
    reduce_rows(context, x.rows(), C, y.as<float>(), [&](i64 begin, i64 end, float* partial) HWY_ATTR {
      for (i64 t = begin; t < end; ++t) AddRun(partial, x.as<T>() + t * C, C);
    });
    return ok();
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(SumToAny);
HWY_EXPORT(BroadcastTo);
HWY_EXPORT(SumRows);

Status sum_to(Context& context, Out y, In x, f32 scale) {
  return HWY_DYNAMIC_DISPATCH(SumToAny)(context, y, x, scale);
}

Status broadcast_to(Context& context, Out y, In x, f32 scale) {
  return HWY_DYNAMIC_DISPATCH(BroadcastTo)(context, y, x, scale);
}

Status sum_rows(Context& context, Acc y, In x) {
  return y.present() ? HWY_DYNAMIC_DISPATCH(SumRows)(context, y, x) : ok();
}

}  // namespace transfusion::cpu
#endif
