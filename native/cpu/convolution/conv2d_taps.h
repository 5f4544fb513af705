// A convolution of stride 1 as products of matrices: with rows of x padded with zeros and laid end to end,
// what tap (u, v) of the window sees of all positions is one matrix [positions, channels], begun u rows and v
// pixels later; positions in the padding are computed too, and left out.
#pragma once

#include <algorithm>

#include "cpu/convolution/conv2d_products.h"
#include "cpu/runtime/parallel.h"

namespace transfusion::cpu {

// y[i, j, o] = sum_{u, v, c} x[i + u - top, j + v - left, c] w[u, v][c, o], in bands of y's rows.
struct Taps {
  i64 height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width, top, left;
  i64 band_positions;  // at most, unless a row has more

  Taps(const Correlation& s, i64 band_positions)
      : height(s.height),
        width(s.width),
        channels(s.channels),
        out_height(s.out_height),
        out_width(s.out_width),
        out_channels(s.out_channels),
        kernel_height(s.kernel_height),
        kernel_width(s.kernel_width),
        top(s.padding),
        left(s.padding),
        band_positions(band_positions) {}
  i64 right() const { return kernel_width - 1 - left; }
  // Rows of x lie so far apart once they are padded, and so do those of y: what pads a row's end pads the
  // next one's beginning.
  i64 row() const { return width + std::max(left, right()); }
  i64 count() const { return kernel_height * kernel_width; }
  // In positions of the padded x.
  i64 shift(i64 tap) const { return tap / kernel_width * row() + tap % kernel_width; }
  i64 band_rows() const {
    return ceil_div(out_height, ceil_div(out_height, std::max<i64>(1, band_positions / row())));
  }
  i64 bands() const { return ceil_div(out_height, band_rows()); }
  // Of what the window sees from a band.
  i64 padded_positions() const { return left + (band_rows() + kernel_height - 1) * row() + right(); }
};

// Rows [begin, end) of y.
struct Band {
  i64 begin, end;
  Band(const Taps& taps, i64 index)
      : begin(index * taps.band_rows()), end(std::min(taps.out_height, begin + taps.band_rows())) {}
  i64 rows() const { return end - begin; }
};

// Rows [begin, end) of the image x, each with what pads its end; zeros above and below. Returns where that
// ends.
template <class T>
T* pad_between(T* to, const T* x, const Taps& taps, i64 begin, i64 end) {
  const i64 row = taps.row() * taps.channels, inside = taps.width * taps.channels;
  for (i64 i = begin; i < end; ++i) {
    const bool present = i >= 0 && i < taps.height;
    if (present) to = std::copy_n(x + i * inside, inside, to);
    to = std::fill_n(to, present ? row - inside : row, T{});
  }
  return to;
}

// What the window sees from a band, zeros around the image x; returns where that ends.
template <class T>
T* pad_rows(T* to, const T* x, const Taps& taps, const Band& band) {
  to = std::fill_n(to, taps.left * taps.channels, T{});
  to = pad_between(to, x, taps, band.begin - taps.top, band.end - taps.top + taps.kernel_height - 1);
  return std::fill_n(to, taps.right() * taps.channels, T{});
}

// The band's rows of the image y, zeros where x is padded; returns where that ends.
template <class T>
T* spread_rows(T* to, const T* y, const Taps& taps, const Band& band) {
  const i64 row = taps.row() * taps.out_channels, inside = taps.out_width * taps.out_channels;
  for (i64 i = band.begin; i < band.end; ++i) {
    to = std::copy_n(y + i * inside, inside, to);
    to = std::fill_n(to, row - inside, T{});
  }
  return to;
}

// Whether the products are large enough: not with few channels.
inline bool is_worth_taps(const Correlation& s) {
  return std::min(s.channels, s.out_channels) >= 16 && s.padding < std::min(s.kernel_height, s.kernel_width);
}

}  // namespace transfusion::cpu
