#include <algorithm>
#include <cmath>

#include "check/noise.h"

namespace transfusion::check {
namespace {

// N images of S positions of C channels.
struct Images {
  i64 N, S, C;
};

void check_pixel_error(Run& run, const Images& c, bool squared, DType dtype) {
  const Shape shape{c.N, c.S, c.C};
  const i64 values = c.S * c.C;
  const Values y = run.random(shape, dtype), x = run.random(shape, dtype),
               dlosses = run.random({c.N}, DType::f32);
  const In y_view = run.in(y), x_view = run.in(x);
  const Out losses = run.out({c.N}, DType::f32), dy = run.out(shape, dtype);
  run.call(run.kernels().pixel_error, losses, y_view, x_view, squared);
  run.call(run.kernels().pixel_error_backward, dy, run.in(dlosses), y_view, x_view, squared);
  std::vector<double> expected(c.N), gradients(c.N * values);
  for (i64 i = 0; i < c.N * values; ++i) {
    const double error = y[i] - x[i], share = 1 / static_cast<double>(values);
    expected[i / values] += share * (squared ? error * error : std::abs(error));
    gradients[i] = share * dlosses[i / values] * (squared ? 2 * error : (error > 0) - (error < 0));
  }
  run.expect(losses, expected, Tolerance::reduction);
  run.expect(dy, gradients, Tolerance::reduction);
}

void check_sample_latents(Run& run, const Images& c, DType dtype) {
  const i64 L = c.C, values = c.S * L;
  const Shape shape{c.N, c.S, L}, both{c.N, c.S, 2 * L};
  // Some log-variances are clamped; from below, as those from above would dwarf all other results.
  Values moments = run.random(both, dtype, 2);
  for (i64 i = L; i < static_cast<i64>(moments.data.size()); i += 14 * L) moments[i] = -50;
  const Values dz = run.random(shape, dtype), dkl = run.random({c.N}, DType::f32);
  const Values seeds = random_seeds(run, c.N);
  const In moment_view = run.in(moments), seed_view = run.in(seeds);
  const Out z = run.out(shape, dtype), kl = run.out({c.N}, DType::f32), dmoments = run.out(both, dtype);
  run.call(run.kernels().sample_latents, z, kl, moment_view, seed_view);
  run.call(run.kernels().sample_latents_backward, dmoments, run.in(dz), run.in(dkl), moment_view, seed_view);
  std::vector<double> zs(c.N * values), kls(c.N), gradients(2 * c.N * values);
  for (i64 n = 0; n < c.N; ++n) {
    const std::vector<double> eps = normals_of(seeds, n, values);
    for (i64 i = 0; i < values; ++i) {
      const i64 value = n * values + i, place = value / L * 2 * L + value % L;
      const double mean = moments[place], v = std::clamp(moments[place + L], -30., 20.);
      const double deviation = std::exp(v / 2), noise = deviation * eps[i];
      zs[value] = mean + noise;
      kls[n] += (mean * mean + std::exp(v) - 1 - v) / 2;
      gradients[place] = dz[value] + dkl[n] * mean;
      if (v == moments[place + L])
        gradients[place + L] = (dz[value] * noise + dkl[n] * (std::exp(v) - 1)) / 2;
    }
  }
  run.expect(z, zs, Tolerance::reduction);
  run.expect(kl, kls, Tolerance::reduction);
  run.expect(dmoments, gradients, Tolerance::reduction);
}

std::string name_of_case(const char* kernel, const Images& images, DType dtype) {
  return std::string(kernel) + " and backward, " + std::to_string(images.N) + " images of " +
         std::to_string(images.S) + " x " + std::to_string(images.C) + ", " + name_of(dtype);
}

}  // namespace

void add_autoencoder_cases(Cases& cases) {
  constexpr std::pair<Images, Size> kPixels[] = {
      {{2, 33, 3}, Size::small}, {{2, 2048, 4}, Size::small}, {{8, 65536, 3}, Size::real}};
  constexpr std::pair<Images, Size> kLatents[] = {
      {{3, 31, 3}, Size::small}, {{2, 700, 8}, Size::small}, {{32, 4096, 4}, Size::real}};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const auto& [images, size] : kPixels)
      for (const bool squared : {false, true})
        cases.push_back({name_of_case(squared ? "pixel_error squared" : "pixel_error", images, dtype),
                         [=, images = images](Run& run) { check_pixel_error(run, images, squared, dtype); },
                         size});
    for (const auto& [images, size] : kLatents)
      cases.push_back({name_of_case("sample_latents", images, dtype),
                       [=, images = images](Run& run) { check_sample_latents(run, images, dtype); }, size});
  }
}

}  // namespace transfusion::check
