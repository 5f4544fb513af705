#include "cpu/convolution/conv2d_products.h"

#include <omp.h>

#include <algorithm>
#include <atomic>

#include "cpu/convolution/conv2d_taps.h"
#include "cpu/runtime/onednn.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/processor.h"

namespace transfusion::cpu {
namespace {

// What a product reads and writes stays in the cache.
constexpr i64 kBandPositions = 256;
// Chunks of images that weight gradients are partial sums over.
constexpr i64 kChunks = 16;

Taps taps_of(const Correlation& shape) { return {shape, kBandPositions}; }

// Of dy to dx: the window turned about.
Taps backward_taps_of(const Correlation& s) {
  Taps taps(s, kBandPositions);
  std::swap(taps.height, taps.out_height);
  std::swap(taps.width, taps.out_width);
  std::swap(taps.channels, taps.out_channels);
  taps.top = s.kernel_height - 1 - s.padding;
  taps.left = s.kernel_width - 1 - s.padding;
  return taps;
}

i64 padded_size(const Taps& taps) { return taps.padded_positions() * taps.channels; }
i64 wide_size(const Taps& taps) { return taps.band_rows() * taps.row() * taps.out_channels; }

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
      context, images * bands, padded_size(taps) + wide_size(taps), [&](i64 task, float* scratch) {
        const i64 image = task / bands;
        const Band band(taps, task % bands);
        float* wide = scratch + padded_size(taps);
        pad_rows(scratch, x + image * image_size, taps, band);
        bool done = true;
        for (i64 tap = 0; tap < taps.count() && done; ++tap)
          done = onednn::multiply(false, weights.transposed, band.rows() * taps.row(), taps.out_channels,
                                  taps.channels, scratch + taps.shift(tap) * taps.channels, taps.channels,
                                  weights.at(taps, tap), weights.row, tap > 0, wide, taps.out_channels);
        finish(wide, image, band);
        return done;
      });
}

}  // namespace

bool correlates_by_products(const Correlation& shape) {
  return !onednn::may_use(dnnl::cpu_isa::avx512_core) && is_worth_taps(shape);
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
  const i64 floats = padded_size(taps) + wide_size(taps);
  const Status status = for_tasks(context, chunks, floats, [&](i64 chunk, float* scratch) {
    float *wide = scratch + padded_size(taps), *sum = sums + chunk * size;
    const i64 first = chunk * chunk_images, last = std::min(shape.images, first + chunk_images);
    bool done = true;
    for (i64 part = 0; part < (last - first) * taps.bands(); ++part) {
      const i64 image = first + part / taps.bands();
      const Band band(taps, part % taps.bands());
      pad_rows(scratch, x + image * taps.height * taps.width * C, taps, band);
      spread_rows(wide, dy + image * taps.out_height * taps.out_width * O, taps, band);
      for (i64 tap = 0; tap < taps.count() && done; ++tap)
        done = onednn::multiply(true, false, O, C, band.rows() * taps.row(), wide, O,
                                scratch + taps.shift(tap) * C, C, part > 0, sum + tap * C, taps.count() * C);
    }
    return done;
  });
  if (status.failed) return status;
  add_partials(dweight, sums, chunks, size);
  return ok();
}

}  // namespace transfusion::cpu
