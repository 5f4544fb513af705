#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

struct Heads {
  i64 T, H, G, D;
  Size size;
};

void check_table(Run& run, i64 T, i64 D) {
  constexpr i64 kAxes = 3;
  const i64 half = D / 2;
  const Values positions = run.random_integers({T, kAxes}, 0, 8191);
  Values exact = positions, frequencies = Run::zeros({half}), axes = Run::zeros({half}, DType::i32);
  exact.dtype = DType::f32;
  for (i64 i = 0; i < half; ++i) {
    frequencies[i] =
        round_to(DType::f32, std::pow(10000., -static_cast<double>(i) / static_cast<double>(half)));
    axes[i] = static_cast<double>(i % kAxes);
  }
  const Out table = run.out({T, D}, DType::f32);
  run.call(run.kernels().rope_table, table, run.in(exact), run.in(frequencies), run.in(axes));
  std::vector<double> expected;
  for (i64 t = 0; t < T; ++t)
    for (i64 d = 0; d < D; ++d) {
      const double angle = exact[t * kAxes + d % half % kAxes] * frequencies[d % half];
      expected.push_back(d < half ? std::cos(angle) : std::sin(angle));
    }
  run.expect(table, expected, Tolerance::elementwise);
}

// x [T, heads, D] by `direction` times the angles of table [T, D].
std::vector<double> rotated(const Values& x, const Values& table, double direction) {
  const i64 heads = x.shape[1], D = x.shape[2], half = D / 2;
  std::vector<double> y(x.data.size());
  for (i64 row = 0; row < x.shape[0] * heads; ++row)
    for (i64 d = 0; d < half; ++d) {
      const double cosine = table[row / heads * D + d], sine = direction * table[row / heads * D + half + d];
      const double a = x[row * D + d], b = x[row * D + half + d];
      y[row * D + d] = a * cosine - b * sine;
      y[row * D + half + d] = b * cosine + a * sine;
    }
  return y;
}

// Heads first .. first + count - 1 of each token.
Values heads_of(const Values& x, i64 first, i64 count) {
  const i64 heads = x.shape[1], D = x.shape[2];
  Values part = Run::zeros({x.shape[0], count, D}, x.dtype);
  for (i64 t = 0; t < x.shape[0]; ++t)
    for (i64 i = 0; i < count * D; ++i) part[t * count * D + i] = x[(t * heads + first) * D + i];
  return part;
}

// Cosines, then sines, of some angles.
Values angles_of(i64 T, i64 D) {
  Values table = Run::zeros({T, D});
  for (i64 t = 0; t < T; ++t)
    for (i64 d = 0; d < D; ++d) {
      const double angle = 0.1 * static_cast<double>(t * (d % (D / 2) + 1));
      table[t * D + d] = round_to(DType::f32, d < D / 2 ? std::cos(angle) : std::sin(angle));
    }
  return table;
}

void check_split(Run& run, const Heads& shape, DType dtype) {
  const auto [T, H, G, D, size] = shape;
  const Values qkv = run.random({T, H + 2 * G, D}, dtype), table = angles_of(T, D);
  const In tables = run.in(table);
  const Out q = run.out({T, H, D}, dtype), k = run.out({T, G, D}, dtype), v = run.out({T, G, D}, dtype);
  run.call(run.kernels().split_rope, q, k, v, run.in(qkv), tables);
  run.expect(q, rotated(heads_of(qkv, 0, H), table, 1), Tolerance::elementwise);
  run.expect(k, rotated(heads_of(qkv, H, G), table, 1), Tolerance::elementwise);
  run.expect(v, heads_of(qkv, H + G, G).data, Tolerance::exact);

  const Values dq = run.random({T, H, D}, dtype), dk = run.random({T, G, D}, dtype),
               dv = run.random({T, G, D}, dtype);
  const Out dqkv = run.out(qkv.shape, dtype);
  run.call(run.kernels().split_rope_backward, dqkv, run.in(dq), run.in(dk), run.in(dv), tables);
  const std::vector<double> dqs = rotated(dq, table, -1), dks = rotated(dk, table, -1);
  std::vector<double> expected;
  for (i64 t = 0; t < T; ++t) {
    expected.insert(expected.end(), dqs.begin() + t * H * D, dqs.begin() + (t + 1) * H * D);
    expected.insert(expected.end(), dks.begin() + t * G * D, dks.begin() + (t + 1) * G * D);
    expected.insert(expected.end(), dv.data.begin() + t * G * D, dv.data.begin() + (t + 1) * G * D);
  }
  run.expect(dqkv, expected, Tolerance::elementwise);
}

// Heads of `x` [T, heads, D] times 1 / sqrt(mean + eps), which `rstd` gets, and the weight.
Values normed(const Values& x, const Values& weight, std::vector<double>& rstd) {
  constexpr double kEps = 1e-5;
  const i64 D = x.shape[2];
  Values y = x;
  for (i64 head = 0; head < x.shape[0] * x.shape[1]; ++head) {
    double squares = 0;
    for (i64 i = head * D; i < (head + 1) * D; ++i) squares += x[i] * x[i];
    rstd.push_back(1 / std::sqrt(squares / static_cast<double>(D) + kEps));
    for (i64 i = head * D; i < (head + 1) * D; ++i) y[i] = x[i] * rstd.back() * weight[i % D];
  }
  return y;
}

// The gradient of `normed` given g, that of the weight added to dweight.
std::vector<double> normed_backward(const std::vector<double>& g, const Values& x, const Values& weight,
                                    const std::vector<double>& rstd, std::vector<double>& dweight) {
  const i64 D = x.shape[2];
  std::vector<double> dx(g.size());
  for (i64 head = 0; head < x.shape[0] * x.shape[1]; ++head) {
    double mean = 0;
    for (i64 i = head * D; i < (head + 1) * D; ++i) {
      const double u = x[i] * rstd[head];
      dweight[i % D] += g[i] * u;
      mean += g[i] * u * weight[i % D] / static_cast<double>(D);
    }
    for (i64 i = head * D; i < (head + 1) * D; ++i)
      dx[i] = rstd[head] * (g[i] * weight[i % D] - x[i] * rstd[head] * mean);
  }
  return dx;
}

// Tokens in the reverse order, [T, ...].
Values reversed(const Values& x) {
  Values y = x;
  const i64 T = x.shape[0], width = static_cast<i64>(x.data.size()) / T;
  for (i64 i = 0; i < T * width; ++i) y[i] = x[(T - 1 - i / width) * width + i % width];
  return y;
}

// With norms, of tokens that come in the reverse order.
void check_split_norm(Run& run, const Heads& shape, DType dtype) {
  const auto [T, H, G, D, size] = shape;
  const Values qkv = run.random({T, H + 2 * G, D}, dtype), query = run.random({D}, dtype),
               key = run.random({D}, dtype), table = angles_of(T, D);
  Values rows = Run::zeros({T}, DType::i32);
  for (i64 t = 0; t < T; ++t) rows[t] = static_cast<double>(T - 1 - t);
  const In tables = run.in(table), qkvs = run.in(qkv);
  const InOptional numbers = run.in_optional(rows), queries = run.in_optional(query),
                   keys = run.in_optional(key);
  const Out q = run.out({T, H, D}, dtype), k = run.out({T, G, D}, dtype), v = run.out({T, G, D}, dtype),
            rstd = run.out({T, H + G}, DType::f32);
  OutOptional kept;
  static_cast<TensorView&>(kept) = rstd;
  run.call(run.kernels().split_norm_rope, as_part(q), as_part(k), as_part(v), kept, qkvs, tables, numbers,
           queries, keys, 1e-5f);
  std::vector<double> of_queries, of_keys;
  const Values before_q = heads_of(qkv, 0, H), before_k = heads_of(qkv, H, G);
  run.expect(q, rotated(reversed(normed(before_q, query, of_queries)), table, 1), Tolerance::reduction);
  run.expect(k, rotated(reversed(normed(before_k, key, of_keys)), table, 1), Tolerance::reduction);
  run.expect(v, reversed(heads_of(qkv, H + G, G)).data, Tolerance::exact);

  const Values dq = run.random({T, H, D}, dtype), dk = run.random({T, G, D}, dtype),
               dv = run.random({T, G, D}, dtype), sums = run.random({D}, DType::f32);
  const Out dqkv = run.out(qkv.shape, dtype);
  const Acc dquery = run.acc(sums), dkey = run.acc(sums);
  InOptional rstds;
  static_cast<TensorView&>(rstds) = rstd;
  run.call(run.kernels().split_norm_rope_backward, dqkv, dquery, dkey, run.in(dq), run.in(dk), run.in(dv),
           tables, numbers, run.in_optional(qkv), queries, keys, rstds);
  const auto turned_back = [&](const Values& dy) {
    Values g = dy;
    g.data = rotated(dy, table, -1);
    return reversed(g).data;
  };
  std::vector<double> dqueries = sums.data, dkeys = sums.data, expected;
  const std::vector<double> dqs = normed_backward(turned_back(dq), before_q, query, of_queries, dqueries),
                            dks = normed_backward(turned_back(dk), before_k, key, of_keys, dkeys),
                            dvs = reversed(dv).data;
  for (i64 t = 0; t < T; ++t) {
    expected.insert(expected.end(), dqs.begin() + t * H * D, dqs.begin() + (t + 1) * H * D);
    expected.insert(expected.end(), dks.begin() + t * G * D, dks.begin() + (t + 1) * G * D);
    expected.insert(expected.end(), dvs.begin() + t * G * D, dvs.begin() + (t + 1) * G * D);
  }
  run.expect(dqkv, expected, Tolerance::reduction);
  run.expect(dquery, dqueries, Tolerance::reduction);
  run.expect(dkey, dkeys, Tolerance::reduction);
}

}  // namespace

void add_rope_cases(Cases& cases) {
  cases.push_back({"rope_table [41, 64]", [](Run& run) { check_table(run, 41, 64); }});
  cases.push_back({"rope_table [8192, 128]", [](Run& run) { check_table(run, 8192, 128); }, Size::real});
  constexpr Heads kHeads[] = {{19, 2, 1, 16, Size::small},
                              {5, 3, 3, 10, Size::small},
                              {8192, 12, 12, 64, Size::real},
                              {2048, 32, 8, 128, Size::real}};
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const Heads& h : kHeads) {
      const std::string title = " and backward [" + std::to_string(h.T) + ", " + std::to_string(h.H) +
                                " + 2 x " + std::to_string(h.G) + ", " + std::to_string(h.D) + "], " +
                                name_of(dtype);
      cases.push_back({"split_rope" + title, [=](Run& run) { check_split(run, h, dtype); }, h.size});
      cases.push_back(
          {"split_norm_rope" + title, [=](Run& run) { check_split_norm(run, h, dtype); }, h.size});
    }
}

}  // namespace transfusion::check
