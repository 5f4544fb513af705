// gather: y[i] = x[rows[i]].  scatter: y[rows[i]] += x[i].  write: y[rows[i]] = x[i], the last one stays.
// Gathering is parallel over i. Scattering first lists, for each row of y, what is added to it, and is then
// parallel over blocks of y, as writing is. The backward of one is the other.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/rows.cc"
#include <hwy/foreach_target.h>

#include "cpu/cpu.h"
#include "cpu/rows.h"
#include "cpu/runtime/check.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

constexpr i64 kBlock = 256;

// order [starts[r], starts[r + 1]): the rows of x that are added to row r of y.
template <class Y, class X>
void AddRows(Y* y, const X* x, const i32* order, const i64* starts, i64 R, i64 C) {
  const i64 blocks = ceil_div(C, kBlock);
  parallel_for(R * blocks, row_grain(kBlock), [&](i64 begin, i64 end) HWY_ATTR {
    HWY_ALIGN float sums[kBlock];
    for (i64 task = begin; task < end; ++task) {
      const i64 r = task / blocks, column = task % blocks * kBlock, width = std::min(kBlock, C - column);
      if (starts[r] == starts[r + 1]) continue;
      Y* target = y + r * C + column;
      if (starts[r + 1] == starts[r] + 1) {
        const X* source = x + order[starts[r]] * C + column;
        for_each(width, [&](i64 c, auto io) HWY_ATTR {
          io.store(hn::Add(io.load(target + c), io.load(source + c)), target + c);
        });
        continue;
      }
      for_each(width, [&](i64 c, auto io) HWY_ATTR { io.store(io.load(target + c), sums + c); });
      for (i64 i = starts[r]; i < starts[r + 1]; ++i) {
        const X* source = x + order[i] * C + column;
        for_each(width, [&](i64 c, auto io) HWY_ATTR {
          io.store(hn::Add(io.load(sums + c), io.load(source + c)), sums + c);
        });
      }
      for_each(width, [&](i64 c, auto io) HWY_ATTR { io.store(io.load(sums + c), target + c); });
    }
  });
}

Status ScatterAdd(const TensorView& y, const TensorView& x, const i32* order, const i64* starts, i64 R,
                  i64 C) {
  return with_float(y, [&](auto y_element) HWY_ATTR {
    return with_float(x, [&](auto x_element) HWY_ATTR {
      AddRows(static_cast<decltype(y_element)*>(y.data), static_cast<const decltype(x_element)*>(x.data),
              order, starts, R, C);
      return ok();
    });
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transfusion::cpu {

HWY_EXPORT(ScatterAdd);

namespace {

// Bytes of rows to write that are worth a thread of their own.
constexpr i64 kBlockBytes = 1 << 16;

// Elements of a row: of all axes but the first.
i64 row_elements(const TensorView& x) {
  i64 count = 1;
  for (int axis = 1; axis < x.rank; ++axis) count *= x.shape[axis];
  return count;
}

}  // namespace

Status take_rows(const TensorView& y, const TensorView& x, const TensorView& rows, const char* argument) {
  if (const Status status = check_indices(rows, x.dim(0), argument); status.failed) return status;
  const i64 bytes = row_elements(x) * static_cast<i64>(dtype_size(x.dtype));
  parallel_for(rows.elements(), row_grain(row_elements(x)), [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) {
      const i32 row = static_cast<const i32*>(rows.data)[i];
      char* target = static_cast<char*>(y.data) + i * bytes;
      if (row < 0)
        std::memset(target, 0, static_cast<size_t>(bytes));
      else
        std::memcpy(target, static_cast<const char*>(x.data) + row * bytes, static_cast<size_t>(bytes));
    }
  });
  return ok();
}

Status add_rows(Context& context, const TensorView& y, const TensorView& x, const TensorView& rows,
                const char* argument) {
  const i64 R = y.dim(0), count = rows.elements();
  if (const Status status = check_indices(rows, R, argument); status.failed) return status;
  const i32* numbers = static_cast<const i32*>(rows.data);
  i64* starts = context.scratch<i64>(R + 2);
  i32* order = context.scratch<i32>(count);
  // A stable counting sort: counts are kept two places on, so that after the last pass starts[r] is r's own.
  std::fill_n(starts, R + 2, 0);
  for (i64 i = 0; i < count; ++i)
    if (numbers[i] >= 0) ++starts[numbers[i] + 2];
  for (i64 r = 2; r < R + 2; ++r) starts[r] += starts[r - 1];
  for (i64 i = 0; i < count; ++i)
    if (numbers[i] >= 0) order[starts[numbers[i] + 1]++] = static_cast<i32>(i);
  return HWY_DYNAMIC_DISPATCH(ScatterAdd)(y, x, order, starts, R, row_elements(y));
}

Status gather_rows(Context&, Out y, In x, In rows) { return take_rows(y, x, rows, "rows"); }

Status scatter_add_rows(Context& context, InOut y, In x, In rows) {
  return add_rows(context, y, x, rows, "rows");
}

Status write_rows(Context&, InOut y, In x, In rows) {
  if (const Status status = check_indices(rows, y.dim(0), "rows"); status.failed) return status;
  const i64 R = y.dim(0), bytes = row_elements(y) * static_cast<i64>(dtype_size(y.dtype));
  // Each task looks through all rows for those in its block of y.
  const i64 blocks = std::clamp<i64>(rows.elements() * bytes / kBlockBytes, 1, 16);
  parallel_for(R, std::max<i64>(1, ceil_div(R, blocks)), [&](i64 begin, i64 end) {
    for (i64 i = 0; i < rows.elements(); ++i) {
      const i32 row = rows.as<i32>()[i];
      if (begin <= row && row < end)
        std::memcpy(y.as<char>() + row * bytes, x.as<char>() + i * bytes, static_cast<size_t>(bytes));
    }
  });
  return ok();
}

}  // namespace transfusion::cpu
#endif
