// The transforms of Winograd's F(2 x 2, 3 x 3), with vectors over channels; compiled once per SIMD target as
// simd.h is. Elements of transformed tiles are called points, of which a tile of x, of y or of weights
// has 16.
//
//   y = A^T [(G g G^T) (B^T d B)] A     products element by element; d: 4 x 4 pixels of x, y: 2 x 2, g: 3 x 3
//
//         1  0 -1  0          1   0   0
//   B^T = 0  1  1  0      G = .5  .5  .5      A^T = 1  1  1  0
//         0 -1  1  0          .5 -.5  .5            0  1 -1 -1
//         0  1  0 -1          0   0   1
#if defined(TRANSFUSION_WINOGRAD_TILES_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSFUSION_WINOGRAD_TILES_H
#undef TRANSFUSION_WINOGRAD_TILES_H
#else
#define TRANSFUSION_WINOGRAD_TILES_H
#endif

#include "cpu/convolution/conv2d_gemm.h"
#include "cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace transfusion::cpu::HWY_NAMESPACE {

constexpr i64 kPoints = 16;

HWY_INLINE void TransformPixels(Vec (&to)[4], Vec d0, Vec d1, Vec d2, Vec d3) {
  to[0] = hn::Sub(d0, d2), to[1] = hn::Add(d1, d2), to[2] = hn::Sub(d2, d1), to[3] = hn::Sub(d1, d3);
}

HWY_INLINE void TransformFilter(Vec (&to)[4], Vec g0, Vec g1, Vec g2) {
  const Vec half = set(0.5f), outer = hn::Mul(hn::Add(g0, g2), half), middle = hn::Mul(g1, half);
  to[0] = g0, to[1] = hn::Add(outer, middle), to[2] = hn::Sub(outer, middle), to[3] = g2;
}
HWY_INLINE void TransformFilterBack(Vec (&to)[3], Vec u0, Vec u1, Vec u2, Vec u3) {
  const Vec half = set(0.5f), outer = hn::Mul(hn::Add(u1, u2), half);
  to[0] = hn::Add(u0, outer), to[1] = hn::Mul(hn::Sub(u1, u2), half), to[2] = hn::Add(outer, u3);
}

HWY_INLINE void TransformResults(Vec (&to)[2], Vec m0, Vec m1, Vec m2, Vec m3) {
  to[0] = hn::Add(hn::Add(m0, m1), m2), to[1] = hn::Sub(hn::Sub(m1, m2), m3);
}
HWY_INLINE void TransformResultsBack(Vec (&to)[4], Vec y0, Vec y1) {
  to[0] = y0, to[1] = hn::Add(y0, y1), to[2] = hn::Sub(y0, y1), to[3] = hn::Neg(y1);
}

// The tiles of images [images, height, width, channels]: side x side pixels, 2 apart, the first of each image
// beginning `padding` above and left of it. There are as many as y has tiles of 2 x 2.
template <class T, i64 side>
struct ImageTiles {
  T* data;
  i64 height, width, channels, padding, rows, columns;

  static ImageTiles of_inputs(T* x, const Conv2dShape& s) {
    return {x, s.height, s.width, s.channels, s.padding, ceil_div(s.out_height, 2), ceil_div(s.out_width, 2)};
  }
  static ImageTiles of_results(T* y, const Conv2dShape& s) {
    return {
        y, s.out_height, s.out_width, s.out_channels, 0, ceil_div(s.out_height, 2), ceil_div(s.out_width, 2)};
  }
  i64 image(i64 tile) const { return tile / (rows * columns); }
  // Pixels of a tile, or `outside` for those that are not in the image.
  void pixels(T* (&to)[side * side], i64 tile, T* outside) const {
    const i64 top = 2 * (tile / columns % rows) - padding, left = 2 * (tile % columns) - padding;
    T* const base = data + image(tile) * height * width * channels;
    for (i64 i = 0; i < side; ++i)
      for (i64 j = 0; j < side; ++j) {
        const i64 row = top + i, column = left + j;
        const bool inside = row >= 0 && row < height && column >= 0 && column < width;
        to[side * i + j] = inside ? base + (row * width + column) * channels : outside;
      }
  }
};

// The points of 4 x 4 pixels of x, `channels` of them from `first` on: B^T d B.
template <class T>
void TransformInputTile(float* to, i64 point_stride, const T* const (&pixels)[16], i64 first, i64 channels) {
  for_each(channels, [&](i64 c, auto io) HWY_ATTR {
    Vec rows[4][4], points[4];
#pragma GCC unroll 4
    for (i64 j = 0; j < 4; ++j) {
      const auto pixel = [&](i64 i) HWY_ATTR { return io.load(pixels[4 * i + j] + first + c); };
      TransformPixels(rows[j], pixel(0), pixel(1), pixel(2), pixel(3));
    }
#pragma GCC unroll 4
    for (i64 i = 0; i < 4; ++i) {
      TransformPixels(points, rows[0][i], rows[1][i], rows[2][i], rows[3][i]);
#pragma GCC unroll 4
      for (i64 j = 0; j < 4; ++j) io.store(points[j], to + (4 * i + j) * point_stride + c);
    }
  });
}

// The points of 2 x 2 gradients of y: A dy A^T.
template <class T>
void TransformGradientTile(float* to, i64 point_stride, const T* const (&pixels)[4], i64 first,
                           i64 channels) {
  for_each(channels, [&](i64 c, auto io) HWY_ATTR {
    Vec rows[2][4], points[4];
#pragma GCC unroll 2
    for (i64 j = 0; j < 2; ++j) {
      const auto pixel = [&](i64 i) HWY_ATTR { return io.load(pixels[2 * i + j] + first + c); };
      TransformResultsBack(rows[j], pixel(0), pixel(1));
    }
#pragma GCC unroll 4
    for (i64 i = 0; i < 4; ++i) {
      TransformResultsBack(points, rows[0][i], rows[1][i]);
#pragma GCC unroll 4
      for (i64 j = 0; j < 4; ++j) io.store(points[j], to + (4 * i + j) * point_stride + c);
    }
  });
}

// 2 x 2 pixels of y from sums over channels: A^T m A + bias + residual. Pixels outside of the image are null.
HWY_INLINE void TransformOutputTile(float* const (&pixels)[4], i64 first, const float* from, i64 point_stride,
                                    i64 channels, const float* bias, const float* const (&residuals)[4]) {
  for_each(channels, [&](i64 c, auto io) HWY_ATTR {
    Vec rows[4][2], results[2];
#pragma GCC unroll 4
    for (i64 j = 0; j < 4; ++j) {
      const auto point = [&](i64 i) HWY_ATTR { return io.load(from + (4 * i + j) * point_stride + c); };
      TransformResults(rows[j], point(0), point(1), point(2), point(3));
    }
    const Vec added = bias ? io.load(bias + first + c) : zero();
#pragma GCC unroll 2
    for (i64 i = 0; i < 2; ++i) {
      TransformResults(results, rows[0][i], rows[1][i], rows[2][i], rows[3][i]);
#pragma GCC unroll 2
      for (i64 j = 0; j < 2; ++j) {
        if (!pixels[2 * i + j]) continue;
        Vec y = hn::Add(results[j], added);
        if (const float* residual = residuals[2 * i + j]) y = hn::Add(y, io.load(residual + first + c));
        io.store(y, pixels[2 * i + j] + first + c);
      }
    }
  });
}

// The points of filters, G g G^T: taps [9, count] to [16, count], both with their strides.
HWY_INLINE void TransformFilters(float* to, i64 point_stride, const float* taps, i64 tap_stride, i64 count) {
  for_each(count, [&](i64 c, auto io) HWY_ATTR {
    Vec rows[3][4], points[4];
#pragma GCC unroll 3
    for (i64 v = 0; v < 3; ++v) {
      const auto tap = [&](i64 u) HWY_ATTR { return io.load(taps + (3 * u + v) * tap_stride + c); };
      TransformFilter(rows[v], tap(0), tap(1), tap(2));
    }
#pragma GCC unroll 4
    for (i64 i = 0; i < 4; ++i) {
      TransformFilter(points, rows[0][i], rows[1][i], rows[2][i]);
#pragma GCC unroll 4
      for (i64 j = 0; j < 4; ++j) io.store(points[j], to + (4 * i + j) * point_stride + c);
    }
  });
}

// Gradients of filters from those of their points: taps += G^T du G.
HWY_INLINE void AddFilterGradients(float* taps, i64 tap_stride, const float* from, i64 point_stride,
                                   i64 count) {
  for_each(count, [&](i64 c, auto io) HWY_ATTR {
    Vec rows[4][3], results[3];
#pragma GCC unroll 4
    for (i64 j = 0; j < 4; ++j) {
      const auto point = [&](i64 i) HWY_ATTR { return io.load(from + (4 * i + j) * point_stride + c); };
      TransformFilterBack(rows[j], point(0), point(1), point(2), point(3));
    }
#pragma GCC unroll 3
    for (i64 u = 0; u < 3; ++u) {
      TransformFilterBack(results, rows[0][u], rows[1][u], rows[2][u], rows[3][u]);
#pragma GCC unroll 3
      for (i64 v = 0; v < 3; ++v) {
        float* at = taps + (3 * u + v) * tap_stride + c;
        io.store(hn::Add(io.load(at), results[v]), at);
      }
    }
  });
}

}  // namespace transfusion::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
