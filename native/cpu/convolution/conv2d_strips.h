// A convolution of one image cut into strips of rows, so that its threads share the image. The cut depends on
// the shape alone. Strips of y (in the backward pass of x: of dx) are contiguous and disjoint; the rows of
// the other side that they see overlap:
//
//   y rows    0 1 2 | 3 4 5 | 6 7 8      kernel 3 x 3, padding 1
//   x rows    0 .. 3  2 .. 6  5 .. 8     with a row of padding above the first strip and below the last one
#pragma once

#include <algorithm>
#include <compare>
#include <vector>

#include "cpu/runtime/parallel.h"
#include "kernel_types.h"

namespace transfusion::cpu::conv2d_primitive {

enum class Pass { forward, backward_input, backward_weight };

// One oneDNN primitive: of `images` images at once.
struct Convolution {
  Pass pass;
  i64 images, height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width;
  i64 stride, padding_top, padding_left, groups;
  DType dtype;
  bool has_bias, has_residual;
  int threads;  // that pack weights
  i64 strips;   // that each image is cut into, at most

  // Zeros that the windows see below and right of the image.
  i64 padding_bottom() const { return padding_after(height, kernel_height, out_height, padding_top); }
  i64 padding_right() const { return padding_after(width, kernel_width, out_width, padding_left); }
  // Of one image.
  i64 products() const {
    return out_height * out_width * out_channels * kernel_height * kernel_width * channels / groups;
  }
  auto operator<=>(const Convolution&) const = default;

 private:
  i64 padding_after(i64 size, i64 window, i64 places, i64 before) const {
    return std::max<i64>(0, (places - 1) * stride + window - before - size);
  }
};

// A part of an image: the convolution of x's rows from x_row on to y's rows from y_row on.
struct Strip {
  i64 x_row, y_row;
  Convolution convolution;
};

inline Strip strip_of(const Convolution& whole, i64 x_begin, i64 x_end, i64 y_begin, i64 y_end) {
  Strip strip{x_begin, y_begin, whole};
  strip.convolution.height = x_end - x_begin;
  strip.convolution.out_height = y_end - y_begin;
  strip.convolution.padding_top = whole.padding_top + x_begin - y_begin * whole.stride;
  return strip;
}

// The strip that writes rows [begin, end).
inline Strip strip_of_rows(const Convolution& c, i64 begin, i64 end) {
  if (c.pass == Pass::backward_input) {
    const i64 first = ceil_div(std::max<i64>(0, begin + c.padding_top - c.kernel_height + 1), c.stride);
    const i64 last = (end - 1 + c.padding_top) / c.stride;
    return strip_of(c, begin, end, first, std::min(c.out_height, last + 1));
  }
  const i64 first = std::max<i64>(0, begin * c.stride - c.padding_top);
  const i64 last = (end - 1) * c.stride - c.padding_top + c.kernel_height;
  return strip_of(c, first, std::min(c.height, last), begin, end);
}

// From the first row to the last one; the whole image where its windows leave gaps or rows over.
inline std::vector<Strip> strips_of(const Convolution& whole) {
  const std::vector<Strip> uncut{{0, 0, whole}};
  if (whole.strips <= 1 || whole.kernel_height < whole.stride) return uncut;
  const i64 rows = whole.pass == Pass::backward_input ? whole.height : whole.out_height;
  const Partition cut(rows, ceil_div(rows, whole.strips), whole.stride);
  std::vector<Strip> strips;
  for (i64 i = 0; i < cut.count; ++i) {
    const Strip strip = strip_of_rows(whole, cut.begin(i), cut.begin(i) + cut.width(i));
    if (strip.convolution.height <= 0 || strip.convolution.out_height <= 0) return uncut;
    strips.push_back(strip);
  }
  return strips;
}

}  // namespace transfusion::cpu::conv2d_primitive
