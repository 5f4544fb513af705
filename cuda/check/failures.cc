// What only a kernel sees: it is said, and the device goes on. (None of these leads out of bounds.)
#include <cmath>

#include "check/gpu.h"

namespace transfusion::check {
namespace {

Values integers(const Shape& shape, const std::vector<double>& data) { return {shape, DType::i32, data}; }
Values floats(const Shape& shape, const std::vector<double>& data) { return {shape, DType::f32, data}; }

void check_ids(Run& run) {
  const In table = run.in(run.random({7, 8}, DType::f32)), ids = run.in(integers({4}, {0, -1, 7, 3}));
  const Out y = run.out({4, 8}, DType::f32);
  run.expect_failure("ids[2] must be -1 or in 0..6, received 7", run.kernels().embedding, y, as_in_any(table),
                     ids);
  const In negative = run.in(integers({4}, {0, 6, -2, 3}));
  run.expect_failure("rows[2] must be -1 or in 0..6, received -2", run.kernels().gather_rows, y, table,
                     negative);
}

void check_labels(Run& run) {
  const In logits = run.in(run.random({3, 5}, DType::f32)), labels = run.in(integers({3}, {4, -1, 5}));
  const Out losses = run.out({3}, DType::f32), lse = run.out({3}, DType::f32);
  run.expect_failure("labels[2] must be -1 or in 0..4, received 5", run.kernels().cross_entropy, losses,
                     OutOptional{}, lse, logits, labels, InOptional{}, 0.f, 0.f);
}

// Spans beyond the sequence's keys, and rows that do not end with the tensor.
void check_spans(Run& run) {
  const Shape shape{4, 1, 16};
  const In q = run.in(run.random(shape, DType::f32)), rows = run.in(integers({2}, {0, 4})),
           start = run.in(integers({4}, {0, 0, 0, 0})), end = run.in(integers({4}, {1, 2, 3, 5}));
  const Out y = run.out(shape, DType::f32), lse = run.out({1, 4}, DType::f32);
  run.expect_failure("key_end[3] must be in 3..4, received 5", run.kernels().attention, y, OutOptional{}, lse,
                     q, q, q, start, end, rows, rows, 0.25f);
}

void check_images(Run& run) {
  const In image_rows = run.in(integers({3}, {0, 6, 5})), seeds = run.in(run.random_integers({2, 4}, 0, 9));
  const Out y = run.out({8, 3}, DType::f32);
  run.expect_failure("image_rows[2] must be at least the 6 before it, received 5", run.kernels().normal, y,
                     image_rows, seeds, 1.f);
  const In sizes = run.in(integers({1, 2}, {4, 3}));
  const Out patches = run.out({2, 6}, DType::f32);
  run.expect_failure("sizes[0, 1] must be at least 0 and a multiple of the patch size 2, received 3",
                     run.kernels().patchify, patches, run.in(run.random({12, 1}, DType::f32)), sizes, i64{2});
}

void check_choices(Run& run) {
  const In logits = run.in(run.random({2, 5}, DType::f32)), ones = run.in(floats({2}, {1, 1})),
           zeros = run.in(floats({2}, {0, 0})), top_k = run.in(integers({2}, {0, -2})),
           seeds = run.in(run.random_integers({2, 4}, 0, 9));
  const Out ids = run.out({2}, DType::i32);
  run.expect_failure("top_k[1] must be at least 0, received -2", run.kernels().sample_tokens, ids, logits,
                     InOptional{}, ones, top_k, ones, zeros, seeds);
  Values bad = run.random({2, 5}, DType::f32);
  bad[7] = NAN;
  run.expect_failure("logits[1] must be finite or -infinity, received NaN or infinity", run.kernels().argmax,
                     ids, run.in(bad));
}

void check_numbers(Run& run) {
  const Out y = run.out({2, 4}, DType::f32), table = run.out({2, 4}, DType::f32);
  run.expect_failure("t[1] must be finite and at least 0, received -1", run.kernels().timestep_embedding, y,
                     run.in(floats({2}, {3, -1})), 10000.f);
  run.expect_failure("axes[1] must be in 0..2, received 3", run.kernels().rope_table, table,
                     run.in(floats({2, 3}, {0, 1, 2, 3, 4, 5})), run.in(floats({2}, {1, 0.1})),
                     run.in(integers({2}, {2, 3})));
}

}  // namespace

void add_failure_cases(Cases& cases) {
  cases.push_back({"failure: ids and rows", check_ids});
  cases.push_back({"failure: labels", check_labels});
  cases.push_back({"failure: spans of keys", check_spans});
  cases.push_back({"failure: rows and sizes of images", check_images});
  cases.push_back({"failure: options and logits of sampling", check_choices});
  cases.push_back({"failure: timesteps and axes", check_numbers});
}

}  // namespace transfusion::check
