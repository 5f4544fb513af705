#include <algorithm>
#include <cmath>
#include <numeric>

#include "check/gpu.h"
#include "shared/philox.h"

namespace transfusion::check {
namespace {

void check_argmax(Run& run, i64 B, i64 V, DType dtype) {
  const Values logits = run.random({B, V}, dtype);
  const Out ids = run.out({B}, DType::i32);
  run.call(run.kernels().argmax, ids, run.in(logits));
  std::vector<double> expected;
  for (i64 t = 0; t < B; ++t) {
    const auto row = logits.data.begin() + t * V;
    expected.push_back(static_cast<double>(std::max_element(row, row + V) - row));
  }
  run.expect(ids, expected, Tolerance::exact);
}

struct Choice {
  double temperature, top_p, min_p;
  i64 top_k;
};

double uniform_of(const Seed& seed) {
  const PhiloxBlock block = philox_block(seed, 0);
  return ((block.words[0] >> 5) * 0x1p26 + (block.words[1] >> 6)) * 0x1p-53;
}

// The token that is drawn, and how far the draw is from another one, as a share of all.
std::pair<i64, double> draw(const std::vector<double>& logits, const Choice& choice, double u) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<i64> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto weight = [&](i64 id) { return std::exp((logits[id] - largest) / choice.temperature); };
  if (choice.top_k > 0 || choice.top_p < 1)
    std::stable_sort(ids.begin(), ids.end(), [&](i64 a, i64 b) { return logits[a] > logits[b]; });
  if (choice.top_k > 0) ids.resize(std::min(ids.size(), static_cast<size_t>(choice.top_k)));
  double total = 0, before = 0, margin = 1;
  for (const i64 id : ids) total += weight(id);
  if (choice.top_p < 1) {
    size_t kept = 0;
    for (; kept < ids.size() && before < choice.top_p * total; ++kept) {
      margin = std::min(margin, std::abs(before / total - choice.top_p));
      before += weight(ids[kept]);
    }
    margin = std::min(margin, std::abs(before / total - choice.top_p));
    ids.resize(kept);
  }
  std::erase_if(ids, [&](i64 id) {
    margin = std::min(margin, std::abs(weight(id) - choice.min_p));
    return weight(id) < choice.min_p;
  });
  double mass = 0, sum = 0;
  for (const i64 id : ids) mass += weight(id);
  i64 drawn = ids.back();
  for (const i64 id : ids) {
    margin = std::min(margin, std::abs(sum / mass - u));
    sum += weight(id);
    if (sum <= u * mass) continue;
    drawn = id;
    margin = std::min(margin, std::abs(sum / mass - u));
    break;
  }
  return {drawn, margin};
}

// The draw may go either way where it is this near to another.
constexpr double kMargin = 1e-5;

void check_sample_tokens(Run& run, i64 B, i64 V, DType dtype) {
  constexpr Choice kChoices[] = {{1, 1, 0, 0},   {0.7, 1, 0, 0}, {1, 1, 0, 3},        {1.5, 0.6, 0, 50},
                                 {1, 0.9, 0, 0}, {1, 1, 0.1, 0}, {1.3, 0.8, 0.02, 40}};
  const Values logits = run.random({B, V}, dtype, 4), bias = run.random({V}, DType::f32);
  Values seeds = run.random_integers({B, 4}, -1000000000, 1000000000);
  Values temperature = Run::zeros({B}), top_p = Run::zeros({B}), min_p = Run::zeros({B});
  Values top_k = Run::zeros({B}, DType::i32);
  const auto choice_of = [&](i64 t) { return kChoices[t % std::size(kChoices)]; };
  for (i64 t = 0; t < B; ++t) {
    const Choice choice = choice_of(t);
    temperature[t] = choice.temperature;
    top_p[t] = choice.top_p;
    min_p[t] = choice.min_p;
    top_k[t] = static_cast<double>(choice.top_k);
  }
  const Out ids = run.out({B}, DType::i32);
  run.call(run.kernels().sample_tokens, ids, run.in(logits), run.in_optional(bias), run.in(temperature),
           run.in(top_k), run.in(top_p), run.in(min_p), run.in(seeds));
  std::vector<i64> rows(B);
  std::vector<double> expected(B);
  std::vector<char> clear(B);
  in_parallel(B, [&](i64 t) {
    std::vector<double> row(V);
    for (i64 i = 0; i < V; ++i) row[i] = logits[t * V + i] + bias[i];
    const auto word = [&](int i) { return static_cast<uint32_t>(static_cast<int32_t>(seeds[4 * t + i])); };
    const Seed seed{{word(0), word(1)}, {word(2), word(3)}};
    const auto [id, margin] = draw(row, choice_of(t), uniform_of(seed));
    expected[t] = static_cast<double>(id);
    clear[t] = margin > kMargin;
  });
  std::vector<i64> places;
  std::vector<double> clear_ids;
  for (i64 t = 0; t < B; ++t) {
    if (!clear[t]) continue;
    places.push_back(t);
    clear_ids.push_back(expected[t]);
  }
  if (2 * static_cast<i64>(places.size()) < B) throw std::runtime_error("too few draws are clear");
  run.expect_some(ids, places, clear_ids, Tolerance::exact);
}

}  // namespace

void add_sampling_cases(Cases& cases) {
  struct Shape {
    i64 B, V;
    Size size;
  };
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [B, V, size] : {Shape{9, 1031, Size::small},
                                     {21, 33, Size::small},
                                     {14, 2500, Size::small},
                                     {70, 50304, Size::real}}) {
      const std::string suffix = " [" + std::to_string(B) + ", " + std::to_string(V) + "], " + name_of(dtype);
      cases.push_back(
          {"argmax" + suffix, [=, B = B, V = V](Run& run) { check_argmax(run, B, V, dtype); }, size});
      cases.push_back({"sample_tokens" + suffix,
                       [=, B = B, V = V](Run& run) { check_sample_tokens(run, B, V, dtype); }, size});
    }
}

}  // namespace transfusion::check
