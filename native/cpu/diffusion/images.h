// Images of any sizes in a row: image i owns rows image_rows[i] .. image_rows[i + 1] - 1 of a tensor [S, C].
#pragma once

#include <algorithm>

#include "cpu/runtime/parallel.h"
#include "kernel_types.h"
#include "shared/image_rows.h"

namespace transfusion::cpu {

// image_rows [N + 1] cut all S rows into images: they begin with 0, never decrease and end with S.
inline Status check_image_rows(const In& image_rows, i64 S) {
  const i32* rows = image_rows.as<i32>();
  const i64 last = image_rows.elements() - 1;
  if (rows[0] != 0) return fail_first_image_row(rows[0]);
  for (i64 i = 1; i <= last; ++i)
    if (rows[i] < rows[i - 1]) return fail_image_row(i, rows[i - 1], rows[i]);
  if (rows[last] != S) return fail_last_image_row(last, S, rows[last]);
  return ok();
}

// All images' elements, cut into chunks that each lie in one image. The cut depends on the images' sizes
// only.
class ImageChunks {
 public:
  ImageChunks(Context& context, const In& image_rows, i64 C)
      : rows_(image_rows.as<i32>()),
        images_(image_rows.elements() - 1),
        channels_(C),
        first_chunk_(context.scratch<i64>(images_ + 1)) {
    first_chunk_[0] = 0;
    for (i64 image = 0; image < images_; ++image)
      first_chunk_[image + 1] = first_chunk_[image] + ceil_div(elements(image), kElements);
  }

  i64 images() const { return images_; }
  i64 count() const { return first_chunk_[images_]; }
  i64 first_chunk(i64 image) const { return first_chunk_[image]; }
  i64 elements(i64 image) const { return (i64{rows_[image + 1]} - rows_[image]) * channels_; }
  // Where the image begins in [S, C].
  i64 offset(i64 image) const { return rows_[image] * channels_; }

  static constexpr i64 kElements = 8192;

  // Calls body(chunk, image, begin, end), on any thread, for elements begin .. end - 1 of the image; begin is
  // a multiple of kElements.
  template <class Body>
  void for_each(const Body& body) const {
    parallel_for(count(), 1, [&](i64 chunk, i64) {
      const i64 image = std::upper_bound(first_chunk_, first_chunk_ + images_ + 1, chunk) - first_chunk_ - 1;
      const i64 begin = (chunk - first_chunk_[image]) * kElements;
      body(chunk, image, begin, std::min(elements(image), begin + kElements));
    });
  }

 private:
  const i32* rows_;
  i64 images_, channels_;
  i64* first_chunk_;
};

}  // namespace transfusion::cpu
