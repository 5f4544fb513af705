// Images of any sizes in a row: image i owns rows image_rows[i] .. image_rows[i + 1] - 1 of a tensor [S, C].
// Their elements are cut into chunks that each lie in one image; the cut depends on the images' sizes only.
#pragma once

#include "kernel.h"
#ifdef __CUDACC__
#include "device/elements.cuh"
#endif

namespace transfusion::cuda {

// A block of kChunkThreads for each chunk.
inline constexpr int kChunkThreads = 256;
inline constexpr i64 kChunkElements = 4096;

struct ImageChunks {
  const i32* image_rows;
  const i64* first_chunk;  // [images + 1]; the first is -1 where image_rows are wrong
  i64 images, channels;
  i64 elements;    // of all images
  i64 most_count;  // chunks are no more than these; the device knows how many
};

#ifdef __CUDACC__

// Elements begin .. end - 1 of an image, which begins at element `offset` of the tensor. Where image_rows are
// wrong there is no image, -1, and the chunks are those of the whole tensor, to be filled with NaN; nor is
// there one for an empty chunk.
struct ImageChunk {
  i64 image, offset, begin, end;

  // of_images[image], or NaN.
  __device__ __forceinline__ float of(const f32* of_images) const {
    return image < 0 ? NAN : of_images[image];
  }
};

__device__ __forceinline__ i64 elements_of(const ImageChunks& chunks, i64 image) {
  return (i64{chunks.image_rows[image + 1]} - chunks.image_rows[image]) * chunks.channels;
}

// This block's chunk: empty for blocks beyond the last.
__device__ __forceinline__ ImageChunk chunk_of_block(const ImageChunks& chunks) {
  const i64 index = blockIdx.x;
  if (chunks.first_chunk[0] < 0) {
    const i64 begin = index * kChunkElements;
    return {-1, 0, begin, min(chunks.elements, begin + kChunkElements)};
  }
  // The last image that begins at or before it, of which there is none for a chunk beyond the last.
  i64 low = 0, high = chunks.images;
  while (low < high) {
    const i64 middle = (low + high + 1) / 2;
    if (chunks.first_chunk[middle] <= index)
      low = middle;
    else
      high = middle - 1;
  }
  if (low == chunks.images) return {-1, 0, 0, 0};
  const i64 begin = (index - chunks.first_chunk[low]) * kChunkElements;
  return {low, chunks.image_rows[low] * chunks.channels, begin,
          min(elements_of(chunks, low), begin + kChunkElements)};
}

// Calls body(i, place, left, vectors) for runs of elements of a chunk, whose first is element i of the image
// and `place` of the tensor: of 16 bytes of T, or of the `left` elements to the chunk's end. `vectors`:
// whether they may be read so, which `aligned` says of the tensors.
template <class T, class Body>
__device__ __forceinline__ void for_each_run(const ImageChunk& chunk, bool aligned, const Body& body) {
  constexpr int kRun = Vector<T>::kSize;
  const bool vectors = aligned && chunk.offset % kRun == 0;
  for (i64 i = chunk.begin + threadIdx.x * kRun; i < chunk.end; i += kChunkThreads * kRun)
    body(i, chunk.offset + i, chunk.end - i, vectors);
}

#else

// Checks image_rows, which are to cut S rows, and cuts the images' elements, C in a row.
Status cut_images(Context& context, ImageChunks& chunks, const In& image_rows, i64 S, i64 C);

#endif

}  // namespace transfusion::cuda
