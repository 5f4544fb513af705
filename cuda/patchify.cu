// patchify: an image of sizes[i] = height, width becomes (height / patch) (width / patch) rows of patch^2 C
// values: patches row by row of their grid, and in a patch its pixels row by row, each with its C channels.
// unpatchify is the inverse; each is the other's backward. One block finds where images begin; then one
// thread for a unit of 16 bytes where the rows of a patch are whole ones.
#include "divider.h"
#include "units.h"
#ifdef __CUDACC__
#include "device/failure.cuh"
#else
#include "cuda_kernels.h"
#endif

namespace transfusion::cuda {

constexpr int kThreads = 256;

struct MeasureImagesArguments {
  const i32* sizes;
  i64* first_pixels;  // [images + 1]; the last of them is -1 if sizes are wrong
  i64 images, pixels, patch;
  Failures failures;
};

struct PatchifyArguments {
  void* y;
  const void* x;
  const i32* sizes;
  const i64* first_pixels;
  i64 images, units;  // units: of all patches
  // Units of a row of a patch, such rows of a patch.
  Divider row_units, patch;
  uint32_t poison;
};

// What the failure of a size is about: one of them, or their sum.
constexpr int kOneSize = 0, kAllSizes = 1;

#ifdef __CUDACC__

KERNEL(measure_images, MeasureImagesArguments, kThreads) {
  __shared__ i64 sums[kThreads];
  const int thread = threadIdx.x;
  i64 before = 0;
  bool valid = true;
  for (i64 begin = 0; begin < arguments.images; begin += kThreads) {
    const i64 image = begin + thread;
    i64 own = image < arguments.images ? 1 : 0;
    for (int axis = 0; axis < 2 && image < arguments.images; ++axis) {
      const i32 size = arguments.sizes[2 * image + axis];
      if (size < 0 || size % arguments.patch != 0) {
        report_failure(arguments.failures, kOneSize, 2 * image + axis, size);
        valid = false;
      }
      own *= size;
    }
    i64 sum = own;
    for (int distance = 1; distance < kThreads; distance *= 2) {
      sums[thread] = sum;
      __syncthreads();
      if (thread >= distance) sum += sums[thread - distance];
      __syncthreads();
    }
    if (image < arguments.images) arguments.first_pixels[image] = before + sum - own;
    sums[thread] = sum;
    __syncthreads();
    before += sums[kThreads - 1];
    __syncthreads();
  }
  valid = __syncthreads_and(valid);
  if (thread > 0) return;
  if (valid && before != arguments.pixels) {
    arguments.failures.record->low = before;
    report_failure(arguments.failures, kAllSizes, 0, 0);
    valid = false;
  }
  arguments.first_pixels[arguments.images] = valid ? before : -1;
}

// Units in the order of the patches, and where they lie among those of the pixels.
template <class Unit, bool kToPatches>
__device__ void move_patches(const PatchifyArguments& arguments) {
  const i64 unit = static_cast<i64>(blockIdx.x) * kThreads + threadIdx.x;
  if (unit >= arguments.units) return;
  Unit* y = static_cast<Unit*>(arguments.y);
  const Unit* x = static_cast<const Unit*>(arguments.x);
  if (arguments.first_pixels[arguments.images] < 0) {
    y[unit] = repeat_word<Unit>(arguments.poison);
    return;
  }
  i64 column = unit;
  i64 row = arguments.row_units.divide(column);
  const i64 place = arguments.patch.divide(row), patch = arguments.patch.divisor;
  const i64 first_of_patch = place * patch * patch;
  // The last image that begins at or before the patch has it: images without pixels begin where the next one
  // does.
  i64 image = 0, end = arguments.images;
  while (end - image > 1) {
    const i64 middle = image + (end - image) / 2;
    if (arguments.first_pixels[middle] <= first_of_patch)
      image = middle;
    else
      end = middle;
  }
  const i64 first_pixel = arguments.first_pixels[image], row_units = arguments.row_units.divisor;
  const uint32_t width = static_cast<uint32_t>(arguments.sizes[2 * image + 1] / static_cast<i32>(patch));
  const uint32_t patch_of_image = static_cast<uint32_t>(place - first_pixel / (patch * patch));
  const i64 grid_row = patch_of_image / width, grid_column = patch_of_image % width;
  // In rows of patches, of which a row of the image has `width`.
  const i64 among_rows = first_pixel / patch + (grid_row * patch + row) * width + grid_column;
  const i64 among_pixels = among_rows * row_units + column;
  if (kToPatches)
    y[unit] = x[among_pixels];
  else
    y[among_pixels] = x[unit];
}

KERNEL(patchify_16, PatchifyArguments, kThreads) { move_patches<Unit16, true>(arguments); }
KERNEL(patchify_4, PatchifyArguments, kThreads) { move_patches<Unit4, true>(arguments); }
KERNEL(patchify_2, PatchifyArguments, kThreads) { move_patches<Unit2, true>(arguments); }
KERNEL(unpatchify_16, PatchifyArguments, kThreads) { move_patches<Unit16, false>(arguments); }
KERNEL(unpatchify_4, PatchifyArguments, kThreads) { move_patches<Unit4, false>(arguments); }
KERNEL(unpatchify_2, PatchifyArguments, kThreads) { move_patches<Unit2, false>(arguments); }

#else

constexpr Kernel<MeasureImagesArguments> measure_images("patchify", "measure_images", kThreads);
UNIT_KERNELS(patchify_kernel, PatchifyArguments, "patchify", "patchify", kThreads)
UNIT_KERNELS(unpatchify_kernel, PatchifyArguments, "patchify", "unpatchify", kThreads)

namespace {

using KernelOfUnit = const Kernel<PatchifyArguments>& (*)(i64 unit);

Status launch_patches(Context& context, KernelOfUnit kernel, const TensorView& y, const TensorView& x,
                      const TensorView& pixels, const In& sizes, i64 patch) {
  const i64 images = sizes.dim(0), S = pixels.dim(0);
  const Failures failures = expect_failures(context, [patch, S](const FailureRecord& record) {
    if (record.argument() == kOneSize)
      return fail("sizes[%lld, %d] must be at least 0 and a multiple of the patch size %lld, received %d",
                  static_cast<long long>(record.index() / 2), static_cast<int>(record.index() % 2),
                  static_cast<long long>(patch), record.value());
    return fail("sizes must add up to %lld pixels, received %lld", static_cast<long long>(S),
                static_cast<long long>(record.low));
  });
  i64* first_pixels = context.scratch<i64>(images + 1);
  const Status status =
      launch(context, measure_images, {1}, {sizes.as<i32>(), first_pixels, images, S, patch, failures});
  if (status.failed) return status;
  const i64 row_bytes = patch * pixels.dim(1) * static_cast<i64>(dtype_size(pixels.dtype));
  const i64 unit = unit_bytes({y.data, x.data}, {row_bytes}), units = static_cast<i64>(pixels.bytes()) / unit;
  return launch(context, kernel(unit), {ceil_div(units, kThreads)},
                {y.data, x.data, sizes.as<i32>(), first_pixels, images, units,
                 Divider(row_bytes / unit, units), Divider(patch, units), poison(pixels.dtype)});
}

}  // namespace

Status patchify(Context& context, Out patches, In pixels, In sizes, i64 patch) {
  return launch_patches(context, patchify_kernel, patches, pixels, pixels, sizes, patch);
}

Status unpatchify(Context& context, Out pixels, In patches, In sizes, i64 patch) {
  return launch_patches(context, unpatchify_kernel, pixels, patches, pixels, sizes, patch);
}

#endif

}  // namespace transfusion::cuda
