// N images of as many values each, one after the other: [N, ..].
#pragma once

#include <algorithm>

#include "cpu/runtime/parallel.h"

namespace transfusion::cpu {

// Their values, cut into chunks that each lie in one image. The cut depends on an image's size only.
struct EqualImages {
  i64 images, values, chunks;  // the latter two of one image

  EqualImages(i64 images, i64 values)
      : images(images), values(values), chunks(ceil_div(values, kChunkValues)) {}

  static constexpr i64 kChunkValues = 8192;

  i64 all_chunks() const { return images * chunks; }

  // Calls body(chunk, image, begin, end), on any thread, for values begin .. end - 1 of the image; begin is a
  // multiple of kChunkValues.
  template <class Body>
  void for_each(const Body& body) const {
    parallel_for(all_chunks(), 1, [&](i64 chunk, i64) {
      const i64 begin = chunk % chunks * kChunkValues;
      body(chunk, chunk / chunks, begin, std::min(values, begin + kChunkValues));
    });
  }

  // sums [N] = `scale` times the sums of the images' partial sums, which are joined in order.
  void join(float* sums, const float* partials, float scale) const {
    for (i64 image = 0; image < images; ++image) {
      float sum = 0;
      for (i64 chunk = image * chunks; chunk < (image + 1) * chunks; ++chunk) sum += partials[chunk];
      sums[image] = scale * sum;
    }
  }
};

}  // namespace transfusion::cpu
