#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

// Two sequences of T/2 positions; every query sees its own past, and a part of it what follows, as images do.
struct Attention {
  i64 T, H, G, D;
};

struct Spans {
  Values start, end, rows;
};

Spans spans_of(i64 T) {
  Spans spans{Run::zeros({T}, DType::i32), Run::zeros({T}, DType::i32), Run::zeros({3}, DType::i32)};
  const i64 half = T / 2;
  spans.rows.data = {0, static_cast<double>(half), static_cast<double>(T)};
  for (i64 t = 0; t < T; ++t) {
    const i64 place = t < half ? t : t - half, length = t < half ? half : T - half;
    const bool image = place >= length / 4 && place < length / 2;
    spans.start[t] = 0;
    spans.end[t] = static_cast<double>(image ? length / 2 : place + 1);
  }
  return spans;
}

// Rows of T of the keys that query t sees: begin .. end - 1.
std::pair<i64, i64> keys_of(const Spans& spans, i64 t) {
  const auto first = static_cast<i64>(t < spans.rows[1] ? 0 : spans.rows[1]);
  return {first + static_cast<i64>(spans.start[t]), first + static_cast<i64>(spans.end[t])};
}

struct Reference {
  std::vector<double> y, lse, dq, dk, dv;
};

Reference compute(const Attention& a, const Spans& spans, const Values& q, const Values& k, const Values& v,
                  const Values& dy, double scale) {
  const auto [T, H, G, D] = a;
  Reference r{std::vector<double>(T * H * D), std::vector<double>(H * T), std::vector<double>(T * H * D),
              std::vector<double>(T * G * D), std::vector<double>(T * G * D)};
  std::vector<double> p(T), dp(T);
  for (i64 t = 0; t < T; ++t)
    for (i64 h = 0; h < H; ++h) {
      const i64 g = h / (H / G), query = (t * H + h) * D;
      const auto [begin, end] = keys_of(spans, t);
      double sum = 0, delta = 0;
      for (i64 s = begin; s < end; ++s) {
        double dot = 0;
        for (i64 d = 0; d < D; ++d) dot += q[query + d] * k[(s * G + g) * D + d];
        sum += p[s] = std::exp(scale * dot);
      }
      r.lse[h * T + t] = std::log(sum);
      for (i64 s = begin; s < end; ++s) {
        p[s] /= sum;
        dp[s] = 0;
        for (i64 d = 0; d < D; ++d) {
          r.y[query + d] += p[s] * v[(s * G + g) * D + d];
          dp[s] += dy[query + d] * v[(s * G + g) * D + d];
          r.dv[(s * G + g) * D + d] += p[s] * dy[query + d];
        }
        delta += p[s] * dp[s];
      }
      for (i64 s = begin; s < end; ++s) {
        const double ds = scale * p[s] * (dp[s] - delta);
        for (i64 d = 0; d < D; ++d) {
          r.dq[query + d] += ds * k[(s * G + g) * D + d];
          r.dk[(s * G + g) * D + d] += ds * q[query + d];
        }
      }
    }
  return r;
}

In as_in(const TensorView& view) {
  In in;
  static_cast<TensorView&>(in) = view;
  return in;
}

void check_attention(Run& run, const Attention& a, DType dtype) {
  const auto [T, H, G, D] = a;
  const Values q = run.random({T, H, D}, dtype), k = run.random({T, G, D}, dtype),
               v = run.random({T, G, D}, dtype);
  const Values dy = run.random({T, H, D}, dtype);
  const Spans spans = spans_of(T);
  const double scale = 1 / std::sqrt(static_cast<double>(D));
  const Out y = run.out({T, H, D}, dtype), lse = run.out({H, T}, DType::f32);
  const Out dq = run.out({T, H, D}, dtype), dk = run.out({T, G, D}, dtype), dv = run.out({T, G, D}, dtype);
  OutOptional y_lo;
  if (dtype == DType::bf16) static_cast<TensorView&>(y_lo) = run.out({T, H, D}, dtype);
  InOptional y_lo_in;
  static_cast<TensorView&>(y_lo_in) = y_lo;
  const In qs = run.in(q), ks = run.in(k), vs = run.in(v), start = run.in(spans.start),
           end = run.in(spans.end);
  const In rows = run.in(spans.rows);
  run.call(run.kernels().attention, y, y_lo, lse, qs, ks, vs, start, end, rows, rows,
           static_cast<f32>(scale));
  run.call(run.kernels().attention_backward, dq, dk, dv, run.in(dy), as_in(y), y_lo_in, as_in(lse), qs, ks,
           vs, start, end, rows, rows, static_cast<f32>(scale));
  const Reference reference = compute(a, spans, q, k, v, dy, scale);
  // Products of probabilities that were rounded to bf16, as on the CPU.
  run.expect(y, reference.y, Tolerance::reduction);
  run.expect(lse, reference.lse, Tolerance::reduction);
  run.expect(dq, reference.dq, Tolerance::reduction);
  run.expect(dk, reference.dk, Tolerance::reduction);
  run.expect(dv, reference.dv, Tolerance::reduction);
}

}  // namespace

void add_attention_cases(std::vector<Case>& cases) {
  constexpr Attention kShapes[] = {{70, 2, 2, 64}, {70, 4, 2, 128}, {50, 2, 1, 16}, {33, 1, 1, 40}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const Attention& a : kShapes)
      cases.push_back({"attention and backward [" + std::to_string(a.T) + ", " + std::to_string(a.H) +
                           " of " + std::to_string(a.G) + ", " + std::to_string(a.D) + "], " + name_of(dtype),
                       [=](Run& run) { check_attention(run, a, dtype); }});
}

}  // namespace transfusion::check
