#include "cpu/conv2d_products.h"

#include <omp.h>

#include <algorithm>
#include <atomic>

#include "cpu/onednn.h"
#include "cpu/parallel.h"
#include "cpu/runtime.h"

namespace transfusion::cpu {
namespace {

// Positions of a band: what a product reads and writes stays in the cache.
constexpr i64 kBandPositions = 256;
// Chunks of images that weight gradients are partial sums over.
constexpr i64 kChunks = 16;

// y[i, j, o] = sum_{u, v, c} x[i + u - top, j + v - left, c] w[u, v][c, o]
struct Taps {
  i64 height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width, top, left;

  i64 right() const { return kernel_width - 1 - left; }
  // Rows of x lie so far apart once they are padded, and so do those of y: what pads a row's end pads the
  // next one's beginning.
  i64 row() const { return width + std::max(left, right()); }
  i64 count() const { return kernel_height * kernel_width; }
  // In elements of the padded x.
  i64 shift(i64 tap) const { return (tap / kernel_width * row() + tap % kernel_width) * channels; }
  i64 band_rows() const {
    return ceil_div(out_height, ceil_div(out_height, std::max<i64>(1, kBandPositions / row())));
  }
  i64 bands() const { return ceil_div(out_height, band_rows()); }
  i64 padded_size() const { return (left + (band_rows() + kernel_height - 1) * row() + right()) * channels; }
  i64 wide_size() const { return band_rows() * row() * out_channels; }
};

Taps taps_of(const Correlation& s) {
  return {s.height,       s.width,         s.channels,     s.out_height, s.out_width,
          s.out_channels, s.kernel_height, s.kernel_width, s.padding,    s.padding};
}

// Of dy to dx: the window turned about.
Taps backward_taps_of(const Correlation& s) {
  return {s.out_height,
          s.out_width,
          s.out_channels,
          s.height,
          s.width,
          s.channels,
          s.kernel_height,
          s.kernel_width,
          s.kernel_height - 1 - s.padding,
          s.kernel_width - 1 - s.padding};
}

// Rows [begin, end) of y.
struct Band {
  i64 begin, end;
  Band(const Taps& taps, i64 index)
      : begin(index * taps.band_rows()), end(std::min(taps.out_height, begin + taps.band_rows())) {}
  i64 rows() const { return end - begin; }
};

// What the window sees from a band, zeros around the image.
void pad_rows(float* to, const float* x, const Taps& taps, const Band& band) {
  const i64 row = taps.row() * taps.channels, inside = taps.width * taps.channels;
  to = std::fill_n(to, taps.left * taps.channels, 0.0f);
  for (i64 i = band.begin - taps.top; i < band.end - taps.top + taps.kernel_height - 1; ++i) {
    const bool present = i >= 0 && i < taps.height;
    if (present) to = std::copy_n(x + i * inside, inside, to);
    to = std::fill_n(to, present ? row - inside : row, 0.0f);
  }
  std::fill_n(to, taps.right() * taps.channels, 0.0f);
}

// Calls body(task, scratch) -> bool for each task, with `floats` floats of its thread's own.
template <class Body>
Status for_tasks(Context& context, i64 tasks, i64 floats, const Body& body) {
  float* scratch = context.scratch<float>(omp_get_max_threads() * floats);
  std::atomic<bool> failed = false;
  parallel_for(tasks, 1, [&](i64 begin, i64 end) {
    const onednn::OneThread one;
    for (i64 task = begin; task < end; ++task)
      if (!body(task, scratch + omp_get_thread_num() * floats)) failed = true;
  });
  return onednn::status_of_products(failed);
}

// One of the taps' weights: [channels, out_channels], or transposed.
struct Weights {
  const float* data;
  bool transposed, turned;
  i64 tap_elements, row;

  const float* at(const Taps& taps, i64 tap) const {
    return data + (turned ? taps.count() - 1 - tap : tap) * tap_elements;
  }
};

// finish(wide, image, band) takes the band's sums, [rows, taps.row(), out_channels].
template <class Finish>
Status correlate_bands(Context& context, i64 images, const Taps& taps, const float* x, const Weights& weights,
                       const Finish& finish) {
  const i64 bands = taps.bands(), image_size = taps.height * taps.width * taps.channels;
  return for_tasks(
      context, images * bands, taps.padded_size() + taps.wide_size(), [&](i64 task, float* scratch) {
        const i64 image = task / bands;
        const Band band(taps, task % bands);
        float* wide = scratch + taps.padded_size();
        pad_rows(scratch, x + image * image_size, taps, band);
        bool done = true;
        for (i64 tap = 0; tap < taps.count() && done; ++tap)
          done = onednn::multiply(false, weights.transposed, band.rows() * taps.row(), taps.out_channels,
                                  taps.channels, scratch + taps.shift(tap), taps.channels,
                                  weights.at(taps, tap), weights.row, tap > 0, wide, taps.out_channels);
        finish(wide, image, band);
        return done;
      });
}

}  // namespace

bool correlates_by_products(const Correlation& s) {
  return !onednn::may_use(dnnl::cpu_isa::avx512_core) && std::min(s.channels, s.out_channels) >= 16 &&
         s.padding < std::min(s.kernel_height, s.kernel_width);
}

Status correlate(Context& context, const Correlation& shape, float* y, const float* x, const float* weight,
                 const float* bias, bool bias_of_image, const float* residual) {
  const Taps taps = taps_of(shape);
  const i64 O = taps.out_channels, row = taps.out_width * O;
  const Weights weights{weight, true, false, taps.channels, taps.count() * taps.channels};
  return correlate_bands(context, shape.images, taps, x, weights,
                         [&](const float* wide, i64 image, const Band& band) {
                           const float* added = bias ? bias + (bias_of_image ? image * O : 0) : nullptr;
                           for (i64 i = band.begin; i < band.end; ++i, wide += taps.row() * O) {
                             const i64 at = (image * taps.out_height + i) * row;
                             std::copy_n(wide, row, y + at);
                             for (i64 j = 0; added && j < taps.out_width; ++j)
                               for (i64 o = 0; o < O; ++o) y[at + j * O + o] += added[o];
                             for (i64 k = 0; residual && k < row; ++k) y[at + k] += residual[at + k];
                           }
                         });
}

Status correlate_backward_input(Context& context, const Correlation& shape, float* dx, const float* dy,
                                const float* weight) {
  const Taps taps = backward_taps_of(shape);
  const i64 row = taps.out_width * taps.out_channels;
  const Weights weights{weight, false, true, taps.out_channels, taps.count() * taps.out_channels};
  return correlate_bands(context, shape.images, taps, dy, weights,
                         [&](const float* wide, i64 image, const Band& band) {
                           for (i64 i = band.begin; i < band.end; ++i, wide += taps.row() * taps.out_channels)
                             std::copy_n(wide, row, dx + (image * taps.out_height + i) * row);
                         });
}

Status correlate_backward_weight(Context& context, const Correlation& shape, float* dweight, const float* dy,
                                 const float* x) {
  const Taps taps = taps_of(shape);
  const i64 O = taps.out_channels, C = taps.channels, size = O * taps.count() * C;
  const i64 chunk_images = ceil_div(shape.images, kChunks), chunks = ceil_div(shape.images, chunk_images);
  float* sums = context.scratch<float>(chunks * size);
  const i64 floats = taps.padded_size() + taps.wide_size();
  const Status status = for_tasks(context, chunks, floats, [&](i64 chunk, float* scratch) {
    float *wide = scratch + taps.padded_size(), *sum = sums + chunk * size;
    const i64 first = chunk * chunk_images, last = std::min(shape.images, first + chunk_images);
    bool done = true;
    for (i64 part = 0; part < (last - first) * taps.bands(); ++part) {
      const i64 image = first + part / taps.bands();
      const Band band(taps, part % taps.bands());
      pad_rows(scratch, x + image * taps.height * taps.width * C, taps, band);
      // dy with zeros where x is padded.
      std::fill_n(wide, band.rows() * taps.row() * O, 0.0f);
      for (i64 i = band.begin; i < band.end; ++i)
        std::copy_n(dy + (image * taps.out_height + i) * taps.out_width * O, taps.out_width * O,
                    wide + (i - band.begin) * taps.row() * O);
      for (i64 tap = 0; tap < taps.count() && done; ++tap)
        done = onednn::multiply(true, false, O, C, band.rows() * taps.row(), wide, O,
                                scratch + taps.shift(tap), C, part > 0, sum + tap * C, taps.count() * C);
    }
    return done;
  });
  if (status.failed) return status;
  add_partials(dweight, sums, chunks, size);
  return ok();
}

}  // namespace transfusion::cpu
