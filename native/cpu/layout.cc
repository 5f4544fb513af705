// concat, slice: copies along the middle axis of [outer, n, inner]; each is the other's backward.
// transpose: two axes change places, seen as [a, n0, b, n1, c] -> [a, n1, b, n0, c]; its own backward.
// Parallel over runs of the output.
#include "cpu/cpu.h"
#include "cpu/parallel.h"

namespace transfusion::cpu {

namespace {

// `count` blocks of `bytes`, each at its own stride.
void copy_blocks(char* y, i64 y_stride, const char* x, i64 x_stride, i64 count, i64 bytes) {
  parallel_for(count * bytes, 4 * row_grain(1), [&](i64 begin, i64 end) {
    while (begin < end) {
      const i64 block = begin / bytes, offset = begin % bytes, part = std::min(bytes - offset, end - begin);
      std::memcpy(y + block * y_stride + offset, x + block * x_stride + offset, static_cast<size_t>(part));
      begin += part;
    }
  });
}

i64 product(const TensorView& x, i64 begin, i64 end) {
  i64 result = 1;
  for (i64 axis = begin; axis < end; ++axis) result *= x.shape[axis];
  return result;
}

// [rows, columns] -> [columns, rows], in tiles that stay in cache; x's rows are `x_stride` apart, y's
// `y_stride`.
template <class T>
void transpose_matrix(T* y, i64 y_stride, const T* x, i64 x_stride, i64 rows, i64 columns) {
  constexpr i64 kTile = 32;
  for (i64 row = 0; row < rows; row += kTile)
    for (i64 column = 0; column < columns; column += kTile)
      for (i64 j = column; j < std::min(columns, column + kTile); ++j)
        for (i64 i = row; i < std::min(rows, row + kTile); ++i) y[j * y_stride + i] = x[i * x_stride + j];
}

template <class T>
void transpose_elements(T* y, const T* x, i64 a, i64 n0, i64 b, i64 n1) {
  constexpr i64 kRows = 64;
  const i64 bands = ceil_div(n0, kRows);
  parallel_for(a * b * bands, row_grain(kRows * n1), [&](i64 begin, i64 end) {
    for (i64 task = begin; task < end; ++task) {
      const i64 row = task % bands * kRows, j = task / bands % b, outer = task / bands / b;
      transpose_matrix(y + (outer * n1 * b + j) * n0 + row, b * n0, x + ((outer * n0 + row) * b + j) * n1,
                       b * n1, std::min(kRows, n0 - row), n1);
    }
  });
}

void transpose_runs(char* y, const char* x, i64 a, i64 n0, i64 b, i64 n1, i64 bytes) {
  parallel_for(a * n1 * b * n0, row_grain(bytes / 4), [&](i64 begin, i64 end) {
    for (i64 run = begin; run < end; ++run) {
      const i64 i = run % n0, j = run / n0 % b, k = run / n0 / b % n1, outer = run / n0 / b / n1;
      std::memcpy(y + run * bytes, x + (((outer * n0 + i) * b + j) * n1 + k) * bytes,
                  static_cast<size_t>(bytes));
    }
  });
}

}  // namespace

Status concat(Context&, Out y, InList xs) {
  const i64 outer = y.dim(0), y_stride = y.dim(1) * y.dim(2) * static_cast<i64>(dtype_size(y.dtype));
  char* target = y.as<char>();
  for (i64 n = 0; n < xs.count; ++n) {
    const In& x = xs.items[n];
    const i64 bytes = x.dim(1) * x.dim(2) * static_cast<i64>(dtype_size(x.dtype));
    copy_blocks(target, y_stride, x.as<char>(), bytes, outer, bytes);
    target += bytes;
  }
  return ok();
}

Status slice(Context&, Out y, In x, i64 start) {
  const i64 step = x.dim(2) * static_cast<i64>(dtype_size(x.dtype));
  copy_blocks(y.as<char>(), y.dim(1) * step, x.as<char>() + start * step, x.dim(1) * step, y.dim(0),
              y.dim(1) * step);
  return ok();
}

Status transpose(Context&, Out y, In x, i64 axis0, i64 axis1) {
  const i64 first = std::min(axis0, axis1), second = std::max(axis0, axis1);
  const i64 a = product(x, 0, first), n0 = x.shape[first], b = product(x, first + 1, second);
  const i64 n1 = x.shape[second], c = product(x, second + 1, x.rank);
  if (c > 1)
    transpose_runs(y.as<char>(), x.as<char>(), a, n0, b, n1, c * static_cast<i64>(dtype_size(x.dtype)));
  else if (dtype_size(x.dtype) == 4)
    transpose_elements(y.as<uint32_t>(), x.as<uint32_t>(), a, n0, b, n1);
  else
    transpose_elements(y.as<uint16_t>(), x.as<uint16_t>(), a, n0, b, n1);
  return ok();
}

}  // namespace transfusion::cpu
