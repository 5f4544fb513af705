// N images of as many values each, one after the other: [N, ..]. Their values are cut into chunks that each
// lie in one image; the cut depends on an image's size only.
#pragma once

#include "kernel.h"

namespace transfusion::cuda {

// A block of kImageThreads for each chunk.
inline constexpr int kImageThreads = 256;
inline constexpr i64 kChunkValues = 4096;

struct EqualImages {
  i64 images, values, chunks;  // the latter two of one image

#ifndef __CUDACC__
  EqualImages(i64 images, i64 values)
      : images(images), values(values), chunks((values + kChunkValues - 1) / kChunkValues) {}
#endif
  TRANSFUSION_HOST_DEVICE i64 all_chunks() const { return images * chunks; }
};

#ifdef __CUDACC__

// Values begin .. end - 1 of an image, which begins at value `offset` of all.
struct ChunkOfImage {
  i64 image, offset, begin, end;
};

__device__ __forceinline__ ChunkOfImage chunk_of_block(const EqualImages& images) {
  const i64 image = blockIdx.x / images.chunks, begin = blockIdx.x % images.chunks * kChunkValues;
  return {image, image * images.values, begin, min(images.values, begin + kChunkValues)};
}

// Calls body(i, left) for runs of N values of a chunk, which begin at value i of the image; `left` are there
// to the chunk's end.
template <int N, class Body>
__device__ __forceinline__ void for_each_run(const ChunkOfImage& chunk, const Body& body) {
  for (i64 i = chunk.begin + threadIdx.x * N; i < chunk.end; i += kImageThreads * N) body(i, chunk.end - i);
}

#else

// sums [images] = `scale` times the sums of the images' partial sums, one for each chunk, which are joined in
// order.
Status join_image_sums(Context& context, f32* sums, const f32* partials, const EqualImages& images,
                       f32 scale);

#endif

}  // namespace transfusion::cuda
