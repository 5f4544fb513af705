// What convolutions gather of images and of weights, as matrices that are never written.
#pragma once

#include "divider.h"

namespace transfusion::cuda {

// The rows of a matrix are places of a result [images, rows, columns], its columns the taps of the window and
// the channels of each: [u, v, c]. Place (i, j) and tap (u, v) see pixel
//   (stride i + u - padding, stride j + v - padding)       of a convolution's input,
//   ((i + padding - u) / stride, (j + padding - v) / stride)  of its output, where that divides: the
//   transposed
// one, whose result is the input.
struct PatchesArguments {
  const void* images;
  i64 pixel_stride, group_stride;  // in elements
  int height, width;               // of the images
  int stride, padding;
  NarrowDivider result_height, result_width, channels, kernel_width, by_stride;
};

// The rows of a matrix are [tap, o], its columns c of a group's weight [O, taps, C].
struct TapRowsArguments {
  const void* weight;
  i64 group_stride, output_stride;
  int channels;
  NarrowDivider outputs;
};

}  // namespace transfusion::cuda
