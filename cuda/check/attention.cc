#include <cmath>

#include "check/attention_shapes.h"

namespace transfusion::check {
namespace {

struct Inputs {
  Values q, k, v, dy;
};

// Of one head: what each query needs of the others' results.
struct Rows {
  std::vector<double> lse, delta;  // [T]
};

double dot(const double* a, const double* b, i64 D) {
  double sum = 0;
  for (i64 d = 0; d < D; ++d) sum += a[d] * b[d];
  return sum;
}

// References of some rows: all heads of queries and keys whose rows are multiples of `step`, or the last.
class Reference {
 public:
  Reference(const AttentionShape& a, const Spans& spans, const Inputs& x, double scale, i64 step)
      : a_(a), spans_(spans), x_(x), scale_(scale), rows_(static_cast<size_t>(a.H)) {
    const auto [T, K, H, G, D, sequences, causal] = a;
    for (Rows& rows : rows_) rows = {std::vector<double>(T), std::vector<double>(T)};
    for (i64 t = 0; t < T; t += step) queries.push_back(t);
    for (i64 s = 0; s < K; s += step) keys.push_back(s);
    if (queries.back() != T - 1) queries.push_back(T - 1);
    if (keys.back() != K - 1) keys.push_back(K - 1);
    y.resize(queries.size() * H * D);
    dq.resize(y.size());
    lse.resize(H * T);
    dk.resize(keys.size() * G * D);
    dv.resize(dk.size());
    in_parallel(H * T, [&, T = T](i64 i) { measure_row(i / T, i % T); });
    for (i64 h = 0; h < H; ++h) std::copy(rows_[h].lse.begin(), rows_[h].lse.end(), lse.begin() + h * T);
    const auto count = static_cast<i64>(queries.size()), key_count = static_cast<i64>(keys.size());
    in_parallel(count * H, [&, H = H](i64 i) { compute_query(i / H, i % H); });
    in_parallel(key_count * G, [&, G = G](i64 i) { compute_key(i / G, i % G); });
  }

  // Places of the rows' elements in a tensor [.., heads, D].
  std::vector<i64> places(const std::vector<i64>& rows, i64 heads) const {
    std::vector<i64> places;
    for (const i64 row : rows)
      for (i64 i = 0; i < heads * a_.D; ++i) places.push_back(row * heads * a_.D + i);
    return places;
  }

  std::vector<i64> queries, keys;
  std::vector<double> y, dq, lse, dk, dv;

 private:
  const double* q(i64 t, i64 h) const { return &x_.q.data[(t * a_.H + h) * a_.D]; }
  const double* dy(i64 t, i64 h) const { return &x_.dy.data[(t * a_.H + h) * a_.D]; }
  const double* k(i64 s, i64 g) const { return &x_.k.data[(s * a_.G + g) * a_.D]; }
  const double* v(i64 s, i64 g) const { return &x_.v.data[(s * a_.G + g) * a_.D]; }
  i64 group_of(i64 h) const { return h / (a_.H / a_.G); }
  double probability(i64 t, i64 s, i64 h) const {
    return std::exp(scale_ * dot(q(t, h), k(s, group_of(h)), a_.D) - rows_[h].lse[t]);
  }
  double score_gradient(i64 t, i64 s, i64 h, double p) const {
    return scale_ * p * (dot(dy(t, h), v(s, group_of(h)), a_.D) - rows_[h].delta[t]);
  }

  void measure_row(i64 h, i64 t) {
    const auto [begin, end] = spans_.keys_of(t);
    const i64 g = group_of(h);
    double sum = 0, weighted = 0;
    for (i64 s = begin; s < end; ++s) {
      const double p = std::exp(scale_ * dot(q(t, h), k(s, g), a_.D));
      sum += p;
      weighted += p * dot(dy(t, h), v(s, g), a_.D);
    }
    rows_[h].lse[t] = std::log(sum);
    rows_[h].delta[t] = weighted / sum;
  }

  void compute_query(i64 i, i64 h) {
    const i64 t = queries[i], g = group_of(h), place = (i * a_.H + h) * a_.D;
    const auto [begin, end] = spans_.keys_of(t);
    for (i64 s = begin; s < end; ++s) {
      const double p = probability(t, s, h), ds = score_gradient(t, s, h, p);
      for (i64 d = 0; d < a_.D; ++d) {
        y[place + d] += p * v(s, g)[d];
        dq[place + d] += ds * k(s, g)[d];
      }
    }
  }

  void compute_key(i64 i, i64 g) {
    const i64 s = keys[i], place = (i * a_.G + g) * a_.D;
    for (i64 t = 0; t < a_.T; ++t) {
      const auto [begin, end] = spans_.keys_of(t);
      if (s < begin || s >= end) continue;
      for (i64 h = g * (a_.H / a_.G); h < (g + 1) * (a_.H / a_.G); ++h) {
        const double p = probability(t, s, h), ds = score_gradient(t, s, h, p);
        for (i64 d = 0; d < a_.D; ++d) {
          dv[place + d] += p * dy(t, h)[d];
          dk[place + d] += ds * q(t, h)[d];
        }
      }
    }
  }

  const AttentionShape a_;
  const Spans& spans_;
  const Inputs& x_;
  const double scale_;
  std::vector<Rows> rows_;
};

void check_attention(Run& run, const AttentionShape& a, i64 step, DType dtype) {
  const auto [T, K, H, G, D, sequences, causal] = a;
  const Inputs x{run.random({T, H, D}, dtype), run.random({K, G, D}, dtype), run.random({K, G, D}, dtype),
                 run.random({T, H, D}, dtype)};
  const Spans spans(a);
  const double scale = 1 / std::sqrt(static_cast<double>(D));
  const auto factor = static_cast<f32>(scale);
  const Out y = run.out({T, H, D}, dtype), lse = run.out({H, T}, DType::f32);
  const Out dq = run.out({T, H, D}, dtype), dk = run.out({K, G, D}, dtype), dv = run.out({K, G, D}, dtype);
  OutOptional y_lo;
  if (dtype == DType::bf16) static_cast<TensorView&>(y_lo) = run.out({T, H, D}, dtype);
  const In q = run.in(x.q), k = run.in(x.k), v = run.in(x.v), start = run.in(spans.key_start),
           end = run.in(spans.key_end), query_rows = run.in(spans.query_rows),
           key_rows = run.in(spans.key_rows);
  run.call(run.kernels().attention, y, y_lo, lse, q, k, v, start, end, query_rows, key_rows, factor);
  run.call(run.kernels().attention_backward, dq, dk, dv, run.in(x.dy), as_in(y), as_optional(y_lo),
           as_in(lse), q, k, v, start, end, query_rows, key_rows, factor);
  const Reference reference(a, spans, x, scale, step);
  // Products of probabilities that were rounded to bf16, as on the CPU.
  run.expect_some(y, reference.places(reference.queries, H), reference.y, Tolerance::reduction);
  run.expect(lse, reference.lse, Tolerance::reduction);
  run.expect_some(dq, reference.places(reference.queries, H), reference.dq, Tolerance::reduction);
  run.expect_some(dk, reference.places(reference.keys, G), reference.dk, Tolerance::reduction);
  run.expect_some(dv, reference.places(reference.keys, G), reference.dv, Tolerance::reduction);
}

}  // namespace

void add_attention_cases(Cases& cases) {
  constexpr std::pair<AttentionShape, i64> kSmall[] = {
      {{70, 70, 2, 2, 64, 2}, 1}, {{70, 70, 4, 2, 128, 2}, 1},  {{50, 50, 2, 1, 16, 2}, 1},
      {{33, 33, 1, 1, 40, 1}, 1}, {{257, 257, 1, 1, 32, 3}, 5}, {{40, 40, 2, 1, 96, 2}, 1}};
  // Decoding: a query for each of some sequences, the last of all their positions; and a whole image's
  // queries.
  constexpr std::pair<AttentionShape, i64> kDecode[] = {{{3, 300, 4, 2, 64, 3}, 1},
                                                        {{16, 80, 2, 2, 128, 1}, 1}};
  constexpr std::pair<AttentionShape, i64> kReal[] = {
      {{8192, 8192, 2, 2, 64, 2}, 97}, {{8192, 8192, 2, 1, 128, 2}, 97},    {{4099, 4099, 2, 1, 64, 5}, 61},
      {{1025, 1025, 3, 1, 80, 2}, 13}, {{16, 16 * 4096, 8, 2, 128, 16}, 3}, {{256, 4096, 4, 4, 64, 1}, 31}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [shapes, size] :
         {std::pair{std::vector(std::begin(kSmall), std::end(kSmall)), Size::small},
          {std::vector(std::begin(kDecode), std::end(kDecode)), Size::small},
          {std::vector(std::begin(kReal), std::end(kReal)), Size::real}})
      for (const auto& [a, step] : shapes)
        cases.push_back({"attention and backward " + a.name() + ", " + name_of(dtype),
                         [=, a = a, step = step](Run& run) { check_attention(run, a, step, dtype); }, size});
}

}  // namespace transfusion::check
