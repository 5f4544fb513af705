// The first chunk of each image: see image_chunks.h.
// One block: it finds what is wrong with image_rows, and adds up the images' chunks.
#include "diffusion/image_chunks.h"
#ifdef __CUDACC__
#include "device/failure.cuh"
#include "device/reduce.cuh"
#else
#include "host/launch.h"
#include "shared/image_rows.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

// Of image_rows: which of the rules does not hold, as the argument that is reported.
enum ImageRowsRule { kBeginsWith0, kNeverDecreases, kEndsWithRows };

struct CutImagesArguments {
  i64* first_chunk;
  const i32* image_rows;
  i64 images, rows, channels;
  Failures failures;
};

#ifdef __CUDACC__

KERNEL(cut_images, CutImagesArguments, kThreads) {
  const i32* rows = arguments.image_rows;
  const i64 images = arguments.images;
  __shared__ int first_decrease;
  __shared__ bool failed;
  if (threadIdx.x == 0) first_decrease = INT32_MAX;
  __syncthreads();
  for (i64 i = threadIdx.x; i < images; i += kThreads)
    if (rows[i + 1] < rows[i]) atomicMin(&first_decrease, static_cast<int>(i + 1));
  __syncthreads();
  if (threadIdx.x == 0) {
    const int decrease = first_decrease;
    failed = true;
    if (rows[0] != 0) {
      report_failure(arguments.failures, kBeginsWith0, 0, rows[0]);
    } else if (decrease != INT32_MAX) {
      arguments.failures.record->low = rows[decrease - 1];
      report_failure(arguments.failures, kNeverDecreases, decrease, rows[decrease]);
    } else if (rows[images] != arguments.rows) {
      report_failure(arguments.failures, kEndsWithRows, images, rows[images]);
    } else {
      failed = false;
    }
    if (failed) arguments.first_chunk[0] = -1;
  }
  __syncthreads();
  if (failed) return;
  i64 chunks = 0;
  for (i64 first = 0; first < images; first += kThreads) {
    const i64 image = first + threadIdx.x;
    i64 of_image = 0;
    if (image < images)
      of_image =
          ((i64{rows[image + 1]} - rows[image]) * arguments.channels + kChunkElements - 1) / kChunkElements;
    const Scan<i64> scan = scan_block<kThreads>(of_image);
    if (image < images) arguments.first_chunk[image] = chunks + scan.before;
    chunks += scan.total;
  }
  if (threadIdx.x == 0) arguments.first_chunk[images] = chunks;
}

#else

constexpr Kernel<CutImagesArguments> cut_images_kernel("image_chunks", "cut_images", kThreads);

Status cut_images(Context& context, ImageChunks& chunks, const In& image_rows, i64 S, i64 C) {
  const i64 images = image_rows.elements() - 1;
  i64* first_chunk = context.scratch<i64>(images + 1);
  chunks = {image_rows.as<i32>(), first_chunk, images, C, S * C, ceil_div(S * C, kChunkElements) + images};
  const auto describe = [S](const FailureRecord& record) {
    switch (record.argument()) {
      case kBeginsWith0:
        return fail_first_image_row(record.value());
      case kNeverDecreases:
        return fail_image_row(record.index(), static_cast<i32>(record.low), record.value());
      default:
        return fail_last_image_row(record.index(), S, record.value());
    }
  };
  return launch(context, cut_images_kernel, {},
                {first_chunk, chunks.image_rows, images, S, C, expect_failures(context, describe)});
}

#endif

}  // namespace transfusion::cuda
