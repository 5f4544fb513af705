// patchify: an image of sizes[i] = height, width becomes (height / patch) (width / patch) rows of patch^2 C
// values: patches row by row of their grid, and in a patch its pixels row by row, each with its C channels.
// unpatchify is the inverse; each is the other's backward. Parallel over patches.
#include <algorithm>

#include "cpu/cpu.h"
#include "cpu/runtime/parallel.h"

namespace transfusion::cpu {
namespace {

struct Images {
  i64 count;
  // Of each image, and at [count] of all: where it begins.
  i64 *first_pixel, *first_patch;
};

Status measure(Context& context, const In& sizes, i64 patch, i64 S, Images& images) {
  images.count = sizes.dim(0);
  images.first_pixel = context.scratch<i64>(images.count + 1);
  images.first_patch = context.scratch<i64>(images.count + 1);
  i64 pixels = 0;
  for (i64 image = 0; image < images.count; ++image) {
    images.first_pixel[image] = pixels;
    images.first_patch[image] = pixels / (patch * patch);
    const i32* size = sizes.as<i32>() + 2 * image;
    for (int axis = 0; axis < 2; ++axis)
      if (size[axis] < 0 || size[axis] % patch != 0)
        return fail("sizes[%lld, %d] must be at least 0 and a multiple of the patch size %lld, received %d",
                    static_cast<long long>(image), axis, static_cast<long long>(patch), size[axis]);
    pixels += i64{size[0]} * size[1];
  }
  images.first_pixel[images.count] = pixels;
  images.first_patch[images.count] = pixels / (patch * patch);
  if (pixels == S) return ok();
  return fail("sizes must add up to %lld pixels, received %lld", static_cast<long long>(S),
              static_cast<long long>(pixels));
}

// Copies each patch's runs of `run` bytes between their two places: copy(in pixels, in patches).
template <class Copy>
void for_each_run(const Images& images, const In& sizes, i64 patch, i64 run, const Copy& copy) {
  const i64 P = images.first_patch[images.count], patch_bytes = patch * run;
  parallel_for(P, std::max<i64>(1, 65536 / std::max<i64>(1, patch_bytes)), [&](i64 begin, i64 end) {
    const i64* after = std::upper_bound(images.first_patch, images.first_patch + images.count + 1, begin);
    i64 image = after - images.first_patch - 1;
    for (i64 p = begin; p < end; ++p) {
      while (p >= images.first_patch[image + 1]) ++image;
      const i64 grid_width = sizes.as<i32>()[2 * image + 1] / patch;
      const i64 place = p - images.first_patch[image];
      const i64 grid_row = place / grid_width, grid_column = place % grid_width;
      // In runs of `patch` pixels, of which a row of the image has grid_width.
      const i64 first_run = images.first_pixel[image] / patch + grid_row * patch * grid_width + grid_column;
      for (i64 row = 0; row < patch; ++row)
        copy((first_run + row * grid_width) * run, p * patch_bytes + row * run);
    }
  });
}

}  // namespace

Status patchify(Context& context, Out patches, In pixels, In sizes, i64 patch) {
  Images images;
  if (const Status status = measure(context, sizes, patch, pixels.dim(0), images); status.failed)
    return status;
  const i64 run = patch * pixels.dim(1) * static_cast<i64>(dtype_size(pixels.dtype));
  for_each_run(images, sizes, patch, run, [&](i64 in_pixels, i64 in_patches) {
    std::memcpy(patches.as<char>() + in_patches, pixels.as<char>() + in_pixels, static_cast<size_t>(run));
  });
  return ok();
}

Status unpatchify(Context& context, Out pixels, In patches, In sizes, i64 patch) {
  Images images;
  if (const Status status = measure(context, sizes, patch, pixels.dim(0), images); status.failed)
    return status;
  const i64 run = patch * pixels.dim(1) * static_cast<i64>(dtype_size(pixels.dtype));
  for_each_run(images, sizes, patch, run, [&](i64 in_pixels, i64 in_patches) {
    std::memcpy(pixels.as<char>() + in_pixels, patches.as<char>() + in_patches, static_cast<size_t>(run));
  });
  return ok();
}

}  // namespace transfusion::cpu
