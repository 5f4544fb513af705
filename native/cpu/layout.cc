// concat, slice: copies along the middle axis of [outer, n, inner]; each is the other's backward.
// Parallel over runs of the output.
#include "cpu/cpu.h"
#include "cpu/runtime/parallel.h"

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

}  // namespace transfusion::cpu
