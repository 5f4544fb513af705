// Convolutions of stride 1 as implicit GEMMs: products with the matrices of im2col, which are never written.
// Rows of x, padded with zeros, are laid end to end as one matrix [positions, channels]. What tap (u, v) of
// the kernel sees from all positions is this same matrix, begun u rows and v pixels later. For an image 3
// wide, a kernel 3 x 3 and padding 1, with one zero (.) between rows, which pads the end of one and the
// beginning of the next:
//
//   positions of padded x    . . . . | . a b c | . d e f | . g h i | . . . . | . .     row() = 4
//   tap (0, 0)               begins at shift 0:   y[0, 0] sees '.',  y[1, 1] sees a
//   tap (1, 2)               begins at shift 6:   y[0, 0] sees  b,   y[1, 1] sees f
//
//   y [positions, O] = sum over taps of x[shift(tap) ..] [positions, C] w[tap] [C, O]
//
// So k^2 products read one copy of x, where im2col would write k^2 of them. Of each 4 positions of y one lies
// in the padding; it is computed too and left out.
#pragma once

#include <algorithm>

#include "cpu/convolution/conv2d_gemm.h"
#include "cpu/runtime/parallel.h"

namespace transfusion::cpu {

// y[i, j, o] = sum_{u, v, c} x[i + u - top, j + v - left, c] w[u, v][c, o], in bands of y's rows.
struct ImplicitGemm {
  i64 height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width, top, left;
  i64 band_positions;  // at most, unless a row has more

  ImplicitGemm(const Conv2dShape& s, i64 band_positions)
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
  // Distance of rows in the padded x, and so in y: what pads the end of a row pads the beginning of the next.
  i64 row() const { return width + std::max(left, right()); }
  i64 taps() const { return kernel_height * kernel_width; }
  // Where a tap's matrix begins, in positions of the padded x.
  i64 shift(i64 tap) const { return tap / kernel_width * row() + tap % kernel_width; }
  i64 band_rows() const {
    return ceil_div(out_height, ceil_div(out_height, std::max<i64>(1, band_positions / row())));
  }
  i64 bands() const { return ceil_div(out_height, band_rows()); }
  // Of the padded x that a band's windows see.
  i64 padded_positions() const { return left + (band_rows() + kernel_height - 1) * row() + right(); }
};

// Rows [begin, end) of y.
struct Band {
  i64 begin, end;
  Band(const ImplicitGemm& gemm, i64 index)
      : begin(index * gemm.band_rows()), end(std::min(gemm.out_height, begin + gemm.band_rows())) {}
  i64 rows() const { return end - begin; }
};

// Writes rows [begin, end) of the image x, each followed by its padding, rows above and below the image as
// zeros. Returns the end of what was written.
template <class T>
T* pad_input_rows(T* to, const T* x, const ImplicitGemm& gemm, i64 begin, i64 end) {
  const i64 row = gemm.row() * gemm.channels, inside = gemm.width * gemm.channels;
  for (i64 i = begin; i < end; ++i) {
    const bool present = i >= 0 && i < gemm.height;
    if (present) to = std::copy_n(x + i * inside, inside, to);
    to = std::fill_n(to, present ? row - inside : row, T{});
  }
  return to;
}

// Writes the padded x that a band's windows see. Returns the end of what was written.
template <class T>
T* pad_input_band(T* to, const T* x, const ImplicitGemm& gemm, const Band& band) {
  to = std::fill_n(to, gemm.left * gemm.channels, T{});
  to = pad_input_rows(to, x, gemm, band.begin - gemm.top, band.end - gemm.top + gemm.kernel_height - 1);
  return std::fill_n(to, gemm.right() * gemm.channels, T{});
}

// Writes the band's rows of the image y at the distance of x's padded rows, with zeros between. Returns the
// end of what was written.
template <class T>
T* pad_output_rows(T* to, const T* y, const ImplicitGemm& gemm, const Band& band) {
  const i64 row = gemm.row() * gemm.out_channels, inside = gemm.out_width * gemm.out_channels;
  for (i64 i = band.begin; i < band.end; ++i) {
    to = std::copy_n(y + i * inside, inside, to);
    to = std::fill_n(to, row - inside, T{});
  }
  return to;
}

// Bands, counted over all images, of one partial sum of a weight gradient: of chunk_images images, or parts
// of few images.
inline i64 bands_of_chunk(const ImplicitGemm& gemm, i64 images, i64 chunk_images) {
  if (chunk_images > 1) return chunk_images * gemm.bands();
  return ceil_div(gemm.bands(), chunks_of_image(images));
}

// Whether products are large enough to be worth it, and the padding is less than the kernel.
inline bool has_enough_channels(const Conv2dShape& s) {
  return std::min(s.channels, s.out_channels) >= 16 && s.padding < std::min(s.kernel_height, s.kernel_width);
}

}  // namespace transfusion::cpu
