#include "check/gpu.h"

namespace transfusion::check {
namespace {

struct Pictures {
  std::vector<std::pair<i64, i64>> sizes;  // height, width
  i64 channels, patch;
};

void check_patchify(Run& run, const Pictures& p, DType dtype) {
  Values sizes = Run::zeros({static_cast<i64>(p.sizes.size()), 2}, DType::i32);
  i64 S = 0;
  for (size_t n = 0; n < p.sizes.size(); ++n) {
    sizes.data[2 * n] = static_cast<double>(p.sizes[n].first);
    sizes.data[2 * n + 1] = static_cast<double>(p.sizes[n].second);
    S += p.sizes[n].first * p.sizes[n].second;
  }
  const i64 values = p.patch * p.patch * p.channels;
  const Values pixels = run.random({S, p.channels}, dtype);
  const In size_view = run.in(sizes);
  const Out patches = run.out({S / p.patch / p.patch, values}, dtype), back = run.out(pixels.shape, dtype);
  run.call(run.kernels().patchify, patches, run.in(pixels), size_view, p.patch);
  run.call(run.kernels().unpatchify, back, as_in(patches), size_view, p.patch);
  std::vector<double> expected;
  i64 first = 0;
  for (const auto& [height, width] : p.sizes) {
    for (i64 i = 0; i < height; i += p.patch)
      for (i64 j = 0; j < width; j += p.patch)
        for (i64 u = 0; u < p.patch; ++u)
          for (i64 v = 0; v < p.patch * p.channels; ++v)
            expected.push_back(pixels[(first + (i + u) * width + j) * p.channels + v]);
    first += height * width;
  }
  run.expect(patches, expected, Tolerance::exact);
  run.expect(back, pixels.data, Tolerance::exact);
}

void check_resample(Run& run, i64 N, i64 side, i64 factor, i64 C, DType dtype) {
  const i64 wide = side * factor;
  const Values small = run.random({N, side, side, C}, dtype), large = run.random({N, wide, wide, C}, dtype);
  const Out up = run.out(large.shape, dtype), down = run.out(small.shape, dtype);
  run.call(run.kernels().upsample_nearest, up, run.in(small), 0.75f);
  run.call(run.kernels().sum_pool, down, run.in(large), 0.25f);
  std::vector<double> ups(large.data.size()), downs(small.data.size());
  for (i64 i = 0; i < static_cast<i64>(ups.size()); ++i) {
    const i64 c = i % C, column = i / C % wide, row = i / C / wide % wide, n = i / C / wide / wide;
    const i64 from = ((n * side + row / factor) * side + column / factor) * C + c;
    ups[i] = 0.75 * small[from];
    downs[from] += 0.25 * large[i];
  }
  run.expect(up, ups, Tolerance::elementwise);
  run.expect(down, downs, Tolerance::reduction);
}

// Values that differ, so that none is the largest beside another; `side` need not be whole windows.
void check_max_pool(Run& run, i64 N, i64 side, i64 window, i64 C, DType dtype) {
  const Values x = run.random({N, side, side, C}, dtype);
  const i64 pooled = side / window;
  const Values dy = run.random({N, pooled, pooled, C}, dtype);
  const Out y = run.out(dy.shape, dtype), dx = run.out(x.shape, dtype);
  run.call(run.kernels().max_pool, y, run.in(x), window);
  run.call(run.kernels().max_pool_backward, dx, run.in(dy), run.in(x), window);
  std::vector<double> largest(dy.data.size()), gradients(x.data.size());
  for (i64 i = 0; i < static_cast<i64>(largest.size()); ++i) {
    const i64 c = i % C, column = i / C % pooled, row = i / C / pooled % pooled, n = i / C / pooled / pooled;
    i64 most = -1;
    for (i64 u = 0; u < window; ++u)
      for (i64 v = 0; v < window; ++v) {
        const i64 place = ((n * side + row * window + u) * side + column * window + v) * C + c;
        if (most < 0 || x[place] > x[most]) most = place;
      }
    largest[i] = x[most];
    gradients[most] = dy[i];
  }
  run.expect(y, largest, Tolerance::exact);
  run.expect(dx, gradients, Tolerance::exact);
}

}  // namespace

void add_image_cases(Cases& cases) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string suffix = std::string(", ") + name_of(dtype);
    cases.push_back({"patchify, unpatchify, images of two sizes" + suffix, [=](Run& run) {
                       check_patchify(run, {{{8, 12}, {4, 4}, {0, 4}, {12, 8}}, 3, 4}, dtype);
                     }});
    cases.push_back({"patchify, unpatchify, latents" + suffix, [=](Run& run) {
                       check_patchify(run, {{{6, 10}, {2, 2}}, 8, 2}, dtype);
                     }});
    cases.push_back({"patchify, unpatchify, 64 images" + suffix,
                     [=](Run& run) {
                       Pictures pictures{{}, 3, 8};
                       for (i64 n = 0; n < 64; ++n) pictures.sizes.emplace_back(256, n % 2 ? 128 : 256);
                       check_patchify(run, pictures, dtype);
                     },
                     Size::real});
    for (const i64 C : {16, 5})
      cases.push_back({"upsample_nearest, sum_pool of " + std::to_string(C) + " channels" + suffix,
                       [=](Run& run) { check_resample(run, 2, 5, C == 5 ? 3 : 2, C, dtype); }});
    for (const i64 C : {16, 5})
      cases.push_back({"max_pool and backward of " + std::to_string(C) + " channels" + suffix,
                       [=](Run& run) { check_max_pool(run, 2, 7, C == 5 ? 3 : 2, C, dtype); }});
    cases.push_back({"max_pool and backward [32, 64, 64, 128]" + suffix,
                     [=](Run& run) { check_max_pool(run, 32, 64, 2, 128, dtype); }, Size::real});
    cases.push_back({"upsample_nearest, sum_pool [32, 64, 64, 128]" + suffix,
                     [=](Run& run) { check_resample(run, 32, 32, 2, 128, dtype); }, Size::real});
  }
}

}  // namespace transfusion::check
