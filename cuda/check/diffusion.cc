#include <algorithm>
#include <cmath>

#include "check/noise.h"

namespace transfusion::check {
namespace {

// Images of these rows each, of C values.
struct Images {
  std::vector<i64> rows;
  i64 C;

  i64 count() const { return static_cast<i64>(rows.size()); }
  i64 all_rows() const {
    i64 sum = 0;
    for (const i64 each : rows) sum += each;
    return sum;
  }
  Values image_rows() const {
    Values values = Run::zeros({count() + 1}, DType::i32);
    for (i64 n = 0; n < count(); ++n) values[n + 1] = values[n] + static_cast<double>(rows[n]);
    return values;
  }
  // Calls body(image, place) for each element.
  template <class Body>
  void for_each(const Body& body) const {
    i64 place = 0;
    for (i64 n = 0; n < count(); ++n)
      for (i64 i = 0; i < rows[n] * C; ++i) body(n, place++);
  }
};

std::vector<double> noise_of(const Images& images, const Values& seeds) {
  std::vector<double> noise;
  for (i64 n = 0; n < images.count(); ++n)
    for (const double value : normals_of(seeds, n, images.rows[n] * images.C)) noise.push_back(value);
  return noise;
}

void check_noise(Run& run, const Images& images, DType dtype) {
  const i64 N = images.count();
  const Shape shape{images.all_rows(), images.C};
  const Values seeds = random_seeds(run, N), x0 = run.random(shape, dtype);
  const Values alpha = run.random({N}, DType::f32), sigma = run.random({N}, DType::f32);
  const In image_rows = run.in(images.image_rows()), seed_view = run.in(seeds);
  const Out y = run.out(shape, dtype), xt = run.out(shape, dtype);
  run.call(run.kernels().normal, y, image_rows, seed_view, 0.5f);
  run.call(run.kernels().add_noise, xt, run.in(x0), image_rows, run.in(alpha), run.in(sigma), seed_view);
  const std::vector<double> eps = noise_of(images, seeds);
  std::vector<double> ys(eps.size()), xts(eps.size());
  images.for_each([&](i64 n, i64 i) {
    ys[i] = 0.5 * eps[i];
    xts[i] = alpha[n] * x0[i] + sigma[n] * eps[i];
  });
  run.expect(y, ys, Tolerance::reduction);
  run.expect(xt, xts, Tolerance::reduction);
}

void check_loss(Run& run, const Images& images, DType dtype) {
  const i64 N = images.count();
  const Shape shape{images.all_rows(), images.C};
  const Values seeds = random_seeds(run, N), prediction = run.random(shape, dtype),
               x0 = run.random(shape, dtype);
  const Values target_x0 = run.random({N}, DType::f32), target_eps = run.random({N}, DType::f32),
               weight = run.random({N}, DType::f32), dlosses = run.random({N}, DType::f32);
  const In predictions = run.in(prediction), x0s = run.in(x0), image_rows = run.in(images.image_rows()),
           x0_targets = run.in(target_x0), eps_targets = run.in(target_eps), weights = run.in(weight),
           seed_view = run.in(seeds);
  const Out losses = run.out({N}, DType::f32), dprediction = run.out(shape, dtype);
  run.call(run.kernels().diffusion_loss, losses, predictions, x0s, image_rows, x0_targets, eps_targets,
           weights, seed_view);
  run.call(run.kernels().diffusion_loss_backward, dprediction, run.in(dlosses), predictions, x0s, image_rows,
           x0_targets, eps_targets, weights, seed_view);
  const std::vector<double> eps = noise_of(images, seeds);
  std::vector<double> expected(N), gradients(eps.size());
  images.for_each([&](i64 n, i64 i) {
    const double error = prediction[i] - (target_x0[n] * x0[i] + target_eps[n] * eps[i]);
    const double factor = weight[n] / static_cast<double>(images.rows[n] * images.C);
    expected[n] += factor * error * error;
    gradients[i] = dlosses[n] * factor * 2 * error;
  });
  run.expect(losses, expected, Tolerance::reduction);
  run.expect(dprediction, gradients, Tolerance::reduction);
}

void check_denoise(Run& run, const Images& images, bool guided, DType dtype) {
  const i64 N = images.count();
  const Shape shape{images.all_rows(), images.C};
  const Values seeds = random_seeds(run, N), x = run.random(shape, dtype),
               conditional = run.random(shape, dtype), unconditional = run.random(shape, dtype),
               previous = run.random(shape, dtype);
  const Values c = run.random({N, 7}, DType::f32, 2);
  const Out y = run.out(shape, dtype), x0 = run.out(shape, dtype);
  run.call(run.kernels().denoise, y, x0, run.in(x), run.in(conditional),
           guided ? run.in_optional(unconditional) : InOptional{},
           guided ? run.in_optional(previous) : InOptional{}, run.in(images.image_rows()), run.in(c),
           run.in(seeds), -1.f, 1.f);
  const std::vector<double> eps = noise_of(images, seeds);
  std::vector<double> ys(eps.size()), x0s(eps.size());
  images.for_each([&](i64 n, i64 i) {
    const double* of_image = &c.data[7 * n];
    const double prediction =
        guided ? unconditional[i] + of_image[0] * (conditional[i] - unconditional[i]) : conditional[i];
    x0s[i] = std::clamp(of_image[1] * x[i] + of_image[2] * prediction, -1., 1.);
    ys[i] = of_image[3] * x[i] + of_image[4] * x0s[i] + (guided ? of_image[5] * previous[i] : 0) +
            of_image[6] * eps[i];
  });
  run.expect(x0, x0s, Tolerance::reduction);
  run.expect(y, ys, Tolerance::reduction);
}

void check_timesteps(Run& run, i64 N, i64 C, DType dtype) {
  Values t = Run::zeros({N});
  for (i64 n = 0; n < N; ++n) t[n] = static_cast<double>(113 * n % 1000) + 0.5;
  const Out y = run.out({N, C}, dtype);
  run.call(run.kernels().timestep_embedding, y, run.in(t), 10000.f);
  const i64 half = C / 2;
  std::vector<double> expected;
  for (i64 n = 0; n < N; ++n)
    for (i64 i = 0; i < C; ++i) {
      const double angle =
          t[n] * std::pow(10000., -static_cast<double>(i % half) / static_cast<double>(half));
      expected.push_back(i >= 2 * half ? 0 : i < half ? std::cos(angle) : std::sin(angle));
    }
  run.expect(y, expected, Tolerance::elementwise);
}

}  // namespace

void add_diffusion_cases(Cases& cases) {
  const std::tuple<const char*, Images, Size> kImages[] = {
      {"three images of 3 channels", {{17, 0, 300}, 3}, Size::small},
      {"two images of 8 channels", {{256, 64}, 8}, Size::small},
      {"32 images of 256 x 256", {std::vector<i64>(32, 65536), 3}, Size::real}};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string suffix = std::string(", ") + name_of(dtype);
    for (const auto& [name, images, size] : kImages) {
      const std::string of = std::string(", ") + name + suffix;
      cases.push_back({"normal, add_noise" + of,
                       [=, images = images](Run& run) { check_noise(run, images, dtype); }, size});
      cases.push_back({"diffusion_loss and backward" + of,
                       [=, images = images](Run& run) { check_loss(run, images, dtype); }, size});
      for (const bool guided : {false, true})
        cases.push_back({(guided ? "denoise with guidance" : "denoise") + of,
                         [=, images = images](Run& run) { check_denoise(run, images, guided, dtype); },
                         size});
    }
    for (const i64 C : {31, 256})
      cases.push_back({"timestep_embedding [33, " + std::to_string(C) + "]" + suffix,
                       [=](Run& run) { check_timesteps(run, 33, C, dtype); }});
  }
}

}  // namespace transfusion::check
