#include <algorithm>
#include <cmath>

#include "check/noise.h"
#include "shared/philox.h"

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

void check_code_usage(Run& run, i64 K) {
  const Values counts = run.random_integers({K}, 0, 9);
  Values floats = counts;
  floats.dtype = DType::f32;
  const Out used = run.out({1}, DType::f32), perplexity = run.out({1}, DType::f32);
  run.call(run.kernels().code_usage, used, perplexity, run.in(floats), 2.f);
  double total = 0, codes = 0, entropy = 0;
  for (const double count : counts.data) total += count, codes += count >= 2;
  for (const double count : counts.data)
    if (count > 0) entropy -= count / total * std::log(count / total);
  run.expect(used, {codes}, Tolerance::exact);
  run.expect(perplexity, {std::exp(entropy)}, Tolerance::reduction);
}

// Codes restart as rows of T vectors of C values, where the step is taken.
void check_restarts(Run& run, i64 K, i64 T, i64 C, bool taken) {
  constexpr i64 kAfter = 5;
  const Values unused = run.random_integers({K}, 0, 9), recent = run.random({K}, DType::f32),
               seeds = random_seeds(run, 1), codes = run.random({K, C}, DType::f32),
               vectors = run.random({T, C}, DType::f32);
  Values counts = run.random_integers({K}, 0, 2);
  counts.dtype = DType::f32;
  const Values flag{{1}, DType::f32, {taken ? 1. : 0.}};
  const State unused_view = run.state(unused), recent_view = run.state(recent), code_view = run.state(codes);
  const Out rows = run.out({K}, DType::i32);
  run.call(run.kernels().restart_codes, unused_view, recent_view, rows, run.in(counts), run.in(flag),
           run.in(seeds), T, kAfter, 0.5f);
  run.call(run.kernels().replace_rows, code_view, run.in(vectors), as_in(rows));
  const auto word = [&](int i) { return static_cast<uint32_t>(static_cast<int32_t>(seeds[i])); };
  const Seed seed{{word(0), word(1)}, {word(2), word(3)}};
  std::vector<double> steps(K), moving(K), drawn(K, -1), expected = codes.data;
  for (i64 k = 0; k < K; ++k) {
    steps[k] = !taken ? unused[k] : counts[k] > 0 ? 0 : unused[k] + 1;
    moving[k] = taken ? 0.5 * recent[k] + counts[k] : recent[k];
    if (!taken || steps[k] < kAfter) continue;
    steps[k] = 0;
    drawn[k] = drawn_index(seed, k, T);
    for (i64 c = 0; c < C; ++c) expected[k * C + c] = vectors[static_cast<i64>(drawn[k]) * C + c];
  }
  run.expect(unused_view, steps, Tolerance::exact);
  run.expect(recent_view, moving, Tolerance::elementwise);
  run.expect(rows, drawn, Tolerance::exact);
  run.expect(code_view, expected, Tolerance::exact);
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
  for (const i64 K : {31, 16384})
    cases.push_back({"code_usage [" + std::to_string(K) + "]", [=](Run& run) { check_code_usage(run, K); }});
  for (const bool taken : {true, false})
    cases.push_back(
        {std::string("restart_codes, replace_rows, a step that is ") + (taken ? "" : "not ") + "taken",
         [=](Run& run) { check_restarts(run, 1030, 700, 8, taken); }});
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
