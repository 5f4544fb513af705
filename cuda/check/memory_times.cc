// Kernels that memory's bandwidth bounds, on tensors beyond the cache, with the bytes that each has to read
// and write once.
#include "check/gpu.h"

namespace transfusion::check {
namespace {

// Rows [T, C], heads of 64 in them, a vocabulary of V for R rows, and `count` values of an optimizer.
struct Sizes {
  i64 T, C, R, V, count;
  Size size;
  i64 heads() const { return C / 64; }
};

constexpr Sizes kSizes[] = {{64, 128, 8, 512, 4096, Size::small},
                            {65536, 1536, 8192, 32768, i64{1} << 27, Size::real}};

double bytes_of(std::initializer_list<TensorView> tensors) {
  double sum = 0;
  for (const TensorView& tensor : tensors) sum += static_cast<double>(tensor.bytes());
  return sum;
}

Acc zeros(Run& run, const Shape& shape) { return run.acc(Run::zeros(shape)); }
State state(const Out& values) {
  State state;
  static_cast<TensorView&>(state) = values;
  return state;
}

void time_elementwise(Cases& cases, const Sizes& s, DType dtype) {
  const auto add = [&](const char* name, auto body) {
    cases.push_back({std::string(name) + ", " + name_of(dtype), body, s.size});
  };
  const Shape shape{s.T, s.C};
  add("fill", [=](Run& run) {
    const Out y = run.out(shape, dtype);
    run.measure({0, bytes_of({y})}, run.kernels().fill, y, 1.f);
  });
  add("add", [=](Run& run) {
    const Out y = run.out(shape, dtype), a = run.noise(shape, dtype), b = run.noise(shape, dtype);
    run.measure({0, bytes_of({y, a, b})}, run.kernels().add, y, as_in(a), as_in(b));
  });
  add("transpose", [=](Run& run) {
    const Out y = run.out({s.C, s.T}, dtype), x = run.noise(shape, dtype);
    run.measure({0, bytes_of({y, x})}, run.kernels().transpose, y, as_in(x), i64{0}, i64{1});
  });
  add("sum_rows", [=](Run& run) {
    const Out x = run.noise(shape, dtype);
    run.measure({0, bytes_of({x})}, run.kernels().sum_rows, zeros(run, {s.C}), as_in(x));
  });
  add("swiglu", [=](Run& run) {
    const Out y = run.out({s.T, s.C / 2}, dtype), x = run.noise(shape, dtype);
    run.measure({0, bytes_of({y, x})}, run.kernels().swiglu, y, as_in(x));
  });
  add("swiglu_backward", [=](Run& run) {
    const Out dx = run.out(shape, dtype), dy = run.noise({s.T, s.C / 2}, dtype), x = run.noise(shape, dtype);
    run.measure({0, bytes_of({dx, dy, x})}, run.kernels().swiglu_backward, dx, as_in(dy), as_in(x));
  });
}

void time_rows(Cases& cases, const Sizes& s, DType dtype) {
  const auto add = [&](const char* name, auto body) {
    cases.push_back({std::string(name) + ", " + name_of(dtype), body, s.size});
  };
  const Shape shape{s.T, s.C};
  add("rms_norm", [=](Run& run) {
    const Out y = run.out(shape, dtype), rstd = run.out({s.T}, DType::f32), x = run.noise(shape, dtype),
              weight = run.noise({1, s.C}, dtype);
    run.measure({0, bytes_of({y, x})}, run.kernels().rms_norm, y, rstd, as_in(x), as_in(weight), 1e-5f);
  });
  add("rms_norm_backward", [=](Run& run) {
    const Out dx = run.out(shape, dtype), dy = run.noise(shape, dtype), x = run.noise(shape, dtype),
              weight = run.noise({1, s.C}, dtype), rstd = run.noise({s.T, 1}, DType::f32);
    run.measure({0, bytes_of({dx, dy, x})}, run.kernels().rms_norm_backward, dx, zeros(run, {s.C}), as_in(dy),
                as_in(x), as_in(weight), as_in(rstd));
  });
  add("layer_norm", [=](Run& run) {
    const Out y = run.out(shape, dtype), mean = run.out({s.T}, DType::f32), rstd = run.out({s.T}, DType::f32),
              x = run.noise(shape, dtype), weight = run.noise({1, s.C}, dtype);
    run.measure({0, bytes_of({y, x})}, run.kernels().layer_norm, y, mean, rstd, as_in(x), as_in(weight),
                as_in(weight), 1e-5f, false);
  });
  add("softmax", [=](Run& run) {
    const Out y = run.out(shape, dtype), x = run.noise(shape, dtype);
    run.measure({0, bytes_of({y, x})}, run.kernels().softmax, y, as_in(x));
  });
  add("split_rope", [=](Run& run) {
    const i64 heads = s.heads() / 3 > 0 ? s.heads() / 3 : 1;
    const Shape part{s.T, heads, 64};
    const Out qkv = run.noise({s.T, 3 * heads, 64}, dtype), table = run.noise({s.T, 64}, DType::f32),
              q = run.out(part, dtype), k = run.out(part, dtype), v = run.out(part, dtype);
    run.measure({0, bytes_of({qkv, q, k, v, table})}, run.kernels().split_rope, q, k, v, as_in(qkv),
                as_in(table));
  });
  add("embedding", [=](Run& run) {
    const Out y = run.out(shape, dtype), table = run.noise({s.V, s.C}, dtype);
    run.measure({0, 2 * bytes_of({y})}, run.kernels().embedding, y, as_in_any(table),
                run.in(run.random_integers({s.T}, 0, s.V - 1)));
  });
  add("embedding_backward", [=](Run& run) {
    const Out dy = run.noise(shape, dtype);
    Acc gradient;
    static_cast<TensorView&>(gradient) = run.noise({s.V, s.C}, DType::f32);
    run.measure({0, bytes_of({dy, gradient, gradient})}, run.kernels().embedding_backward, gradient,
                as_in(dy), run.in(run.random_integers({s.T}, 0, s.V - 1)));
  });
  add("cross_entropy", [=](Run& run) {
    const Out logits = run.noise({s.R, s.V}, dtype), losses = run.out({s.R}, DType::f32),
              lse = run.out({s.R}, DType::f32);
    run.measure({0, bytes_of({logits})}, run.kernels().cross_entropy, losses, OutOptional{}, lse,
                as_in(logits), run.in(run.random_integers({s.R}, 0, s.V - 1)), InOptional{}, 0.f, 0.f);
  });
  add("cross_entropy_backward", [=](Run& run) {
    const Out logits = run.noise({s.R, s.V}, dtype), dlogits = run.out({s.R, s.V}, dtype),
              losses = run.noise({s.R, 1}, DType::f32), lse = run.noise({s.R, 1}, DType::f32);
    run.measure({0, bytes_of({logits, dlogits})}, run.kernels().cross_entropy_backward, dlogits,
                as_in(losses), InOptional{}, as_in(logits), as_in(lse),
                run.in(run.random_integers({s.R}, 0, s.V - 1)), InOptional{}, 0.f, 0.f);
  });
  add("argmax", [=](Run& run) {
    const Out logits = run.noise({s.R, s.V}, dtype), ids = run.out({s.R}, DType::i32);
    run.measure({0, bytes_of({logits})}, run.kernels().argmax, ids, as_in(logits));
  });
}

void time_images(Cases& cases, const Sizes& s, DType dtype) {
  const auto add = [&](const char* name, auto body) {
    cases.push_back({std::string(name) + ", " + name_of(dtype), body, s.size});
  };
  constexpr i64 kImages = 16;
  const Shape shape{s.T, s.C};
  const auto image_rows = [=](Run& run) {
    Values rows = Run::zeros({kImages + 1}, DType::i32);
    for (i64 n = 0; n <= kImages; ++n) rows[n] = static_cast<double>(n * s.T / kImages);
    return run.in(rows);
  };
  const auto seeds = [=](Run& run) { return run.in(run.random_integers({kImages, 4}, 0, 1 << 30)); };
  const auto ones = [=](Run& run) {
    return run.in(Values{{kImages}, DType::f32, std::vector<double>(kImages, 1)});
  };
  add("normal", [=](Run& run) {
    const Out y = run.out(shape, dtype);
    run.measure({0, bytes_of({y})}, run.kernels().normal, y, image_rows(run), seeds(run), 1.f);
  });
  add("add_noise", [=](Run& run) {
    const Out xt = run.out(shape, dtype), x0 = run.noise(shape, dtype);
    run.measure({0, bytes_of({xt, x0})}, run.kernels().add_noise, xt, as_in(x0), image_rows(run), ones(run),
                ones(run), seeds(run));
  });
  add("diffusion_loss", [=](Run& run) {
    const Out prediction = run.noise(shape, dtype), x0 = run.noise(shape, dtype),
              losses = run.out({kImages}, DType::f32);
    const In one = ones(run);
    run.measure({0, bytes_of({prediction, x0})}, run.kernels().diffusion_loss, losses, as_in(prediction),
                as_in(x0), image_rows(run), one, one, one, seeds(run));
  });
}

void time_optimizers(Cases& cases, const Sizes& s) {
  const Shape shape{s.count / 64, 64};
  cases.push_back(
      {"gradient_norm",
       [=](Run& run) {
         const Out gradients = run.noise(shape, DType::f32), clip = run.out({3}, DType::f32);
         run.measure({0, bytes_of({gradients})}, run.kernels().gradient_norm, clip, as_in(gradients), 1.f);
       },
       s.size});
  cases.push_back({"adamw",
                   [=](Run& run) {
                     const Out values = run.noise(shape, DType::f32), first = run.noise(shape, DType::f32),
                               second = run.noise(shape, DType::f32, 0),
                               gradients = run.noise(shape, DType::f32);
                     const In clip = run.in(Values{{3}, DType::f32, {1, 1, 1}}),
                              steps = run.in(Values{{1}, DType::i32, {1}});
                     StateOut rounded;
                     static_cast<TensorView&>(rounded) = run.noise(shape, DType::bf16);
                     run.measure({0, 7 * bytes_of({values}) + bytes_of({rounded})}, run.kernels().adamw,
                                 state(values), rounded, state(first), state(second), as_in(gradients), clip,
                                 steps, 1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f);
                   },
                   s.size});
  cases.push_back({"ema",
                   [=](Run& run) {
                     const Out average = run.noise(shape, DType::f32), values = run.noise(shape, DType::f32);
                     run.measure({0, 3 * bytes_of({values})}, run.kernels().ema, state(average),
                                 run.state(Run::zeros({1}, DType::i32)), as_in(values), 0.999f);
                   },
                   s.size});
}

}  // namespace

void add_memory_times(Cases& cases) {
  for (const Sizes& sizes : kSizes) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      time_elementwise(cases, sizes, dtype);
      time_rows(cases, sizes, dtype);
      time_images(cases, sizes, dtype);
    }
    time_optimizers(cases, sizes);
  }
}

}  // namespace transfusion::check
