#include "cpu/convolution/conv2d_gemm.h"

#include <omp.h>

#include <algorithm>
#include <atomic>

#include "cpu/convolution/implicit_gemm.h"
#include "cpu/runtime/onednn.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/processor.h"

namespace transfusion::cpu {
namespace {

// Positions of a band: few enough for what a product reads and writes to stay in the cache.
constexpr i64 kBandPositions = 256;
// Weight gradients are partial sums over so many chunks of images.
constexpr i64 kChunks = 16;

ImplicitGemm implicit_gemm_of(const Conv2dShape& shape) { return {shape, kBandPositions}; }

// From dy to dx: the kernel is rotated by 180 degrees.
ImplicitGemm backward_input_gemm_of(const Conv2dShape& s) {
  ImplicitGemm gemm(s, kBandPositions);
  std::swap(gemm.height, gemm.out_height);
  std::swap(gemm.width, gemm.out_width);
  std::swap(gemm.channels, gemm.out_channels);
  gemm.top = s.kernel_height - 1 - s.padding;
  gemm.left = s.kernel_width - 1 - s.padding;
  return gemm;
}

i64 padded_x_size(const ImplicitGemm& gemm) { return gemm.padded_positions() * gemm.channels; }
i64 padded_y_size(const ImplicitGemm& gemm) { return gemm.band_rows() * gemm.row() * gemm.out_channels; }

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

// The weights tap by tap: [channels, out_channels], or transposed.
struct Weights {
  const float* data;
  bool transposed, flipped;
  i64 tap_elements, row;

  const float* at(const ImplicitGemm& gemm, i64 tap) const {
    return data + (flipped ? gemm.taps() - 1 - tap : tap) * tap_elements;
  }
};

// finish(padded_y, image, band) takes the band's sums, [rows, gemm.row(), out_channels].
template <class Finish>
Status multiply_bands(Context& context, i64 images, const ImplicitGemm& gemm, const float* x,
                      const Weights& weights, const Finish& finish) {
  const i64 bands = gemm.bands(), image_size = gemm.height * gemm.width * gemm.channels;
  return for_tasks(
      context, images * bands, padded_x_size(gemm) + padded_y_size(gemm), [&](i64 task, float* scratch) {
        const i64 image = task / bands;
        const Band band(gemm, task % bands);
        float* padded_y = scratch + padded_x_size(gemm);
        pad_input_band(scratch, x + image * image_size, gemm, band);
        bool done = true;
        for (i64 tap = 0; tap < gemm.taps() && done; ++tap)
          done = onednn::multiply(false, weights.transposed, band.rows() * gemm.row(), gemm.out_channels,
                                  gemm.channels, scratch + gemm.shift(tap) * gemm.channels, gemm.channels,
                                  weights.at(gemm, tap), weights.row, tap > 0, padded_y, gemm.out_channels);
        finish(padded_y, image, band);
        return done;
      });
}

}  // namespace

bool prefers_gemm(const Conv2dShape& shape) {
  return !onednn::may_use(dnnl::cpu_isa::avx512_core) && has_enough_channels(shape);
}

Status gemm_conv2d(Context& context, const Conv2dShape& shape, float* y, const float* x, const float* weight,
                   const float* bias, bool bias_of_image, const float* residual) {
  const ImplicitGemm gemm = implicit_gemm_of(shape);
  const i64 O = gemm.out_channels, row = gemm.out_width * O;
  const Weights weights{weight, true, false, gemm.channels, gemm.taps() * gemm.channels};
  return multiply_bands(context, shape.images, gemm, x, weights,
                        [&](const float* padded_y, i64 image, const Band& band) {
                          const float* added = bias ? bias + (bias_of_image ? image * O : 0) : nullptr;
                          for (i64 i = band.begin; i < band.end; ++i, padded_y += gemm.row() * O) {
                            const i64 at = (image * gemm.out_height + i) * row;
                            std::copy_n(padded_y, row, y + at);
                            for (i64 j = 0; added && j < gemm.out_width; ++j)
                              for (i64 o = 0; o < O; ++o) y[at + j * O + o] += added[o];
                            for (i64 k = 0; residual && k < row; ++k) y[at + k] += residual[at + k];
                          }
                        });
}

Status gemm_conv2d_backward_input(Context& context, const Conv2dShape& shape, float* dx, const float* dy,
                                  const float* weight) {
  const ImplicitGemm gemm = backward_input_gemm_of(shape);
  const i64 row = gemm.out_width * gemm.out_channels;
  const Weights weights{weight, false, true, gemm.out_channels, gemm.taps() * gemm.out_channels};
  return multiply_bands(
      context, shape.images, gemm, dy, weights, [&](const float* padded_y, i64 image, const Band& band) {
        for (i64 i = band.begin; i < band.end; ++i, padded_y += gemm.row() * gemm.out_channels)
          std::copy_n(padded_y, row, dx + (image * gemm.out_height + i) * row);
      });
}

Status gemm_conv2d_backward_weight(Context& context, const Conv2dShape& shape, float* dweight,
                                   const float* dy, const float* x) {
  const ImplicitGemm gemm = implicit_gemm_of(shape);
  const i64 O = gemm.out_channels, C = gemm.channels, size = O * gemm.taps() * C;
  const i64 total = shape.images * gemm.bands();
  const i64 chunk_bands = bands_of_chunk(gemm, shape.images, ceil_div(shape.images, kChunks));
  const i64 chunks = ceil_div(total, chunk_bands);
  float* sums = context.scratch<float>(chunks * size);
  const i64 floats = padded_x_size(gemm) + padded_y_size(gemm);
  const Status status = for_tasks(context, chunks, floats, [&](i64 chunk, float* scratch) {
    float *padded_y = scratch + padded_x_size(gemm), *sum = sums + chunk * size;
    const i64 first = chunk * chunk_bands, last = std::min(total, first + chunk_bands);
    bool done = true;
    for (i64 part = first; part < last; ++part) {
      const i64 image = part / gemm.bands();
      const Band band(gemm, part % gemm.bands());
      pad_input_band(scratch, x + image * gemm.height * gemm.width * C, gemm, band);
      pad_output_rows(padded_y, dy + image * gemm.out_height * gemm.out_width * O, gemm, band);
      for (i64 tap = 0; tap < gemm.taps() && done; ++tap)
        done =
            onednn::multiply(true, false, O, C, band.rows() * gemm.row(), padded_y, O,
                             scratch + gemm.shift(tap) * C, C, part > first, sum + tap * C, gemm.taps() * C);
    }
    return done;
  });
  if (status.failed) return status;
  add_partials(dweight, sums, chunks, size);
  return ok();
}

}  // namespace transfusion::cpu
