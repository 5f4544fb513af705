// y [B, M, N] = a [B, M, K] b [B, K, N] + bias [N]; a transposed matrix is only another pair of strides.
// Computed by oneDNN, in f32 or in bf16 with f32 accumulation, with primitives cached by shape; on CPUs with
// AMX, and for a few rows, by amx_gemm.cc and skinny_gemm.cc. bf16 is widened to f32 where the CPU has no
// bf16 products.
//
// No sum may depend on the number of threads. oneDNN 2.6 splits a long K among threads when a is transposed
// (weight gradients): there K is cut into fixed chunks, added up in order. Without AVX-512 it splits K for
// many more shapes: there each tile of y is a product on one thread (tiled_sgemm.h). Nothing is kept for the
// backward pass.
#include <omp.h>

#include <compare>

#include "cpu/matmul/amx_gemm.h"
#include "cpu/matmul/skinny_gemm.h"
#include "cpu/matmul/tiled_sgemm.h"
#include "cpu/runtime/convert.h"
#include "cpu/runtime/lru_cache.h"
#include "cpu/runtime/onednn.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/processor.h"

namespace transfusion::cpu {
namespace {

// Measured over M, N 1..2048 and 1, 2, 4 threads: sums depend on threads from here on, with a transposed a.
constexpr i64 kThreadedDepth = 2048;
constexpr i64 kChunkDepth = 1024;

constexpr size_t kCachedPrimitives = 512;

// One oneDNN primitive. `depth` of the K products are added up; strides come from the whole K.
struct Product {
  i64 batch, m, n, k, depth;
  DType input, bias, output;
  int threads;
  bool has_bias, transpose_a, transpose_b, accumulate;
  auto operator<=>(const Product&) const = default;
};

// A dnnl::memory without its buffer, which each call sets.
dnnl::memory unbound(const dnnl::memory::desc& desc) {
  return dnnl::memory(desc, onednn::engine(), DNNL_MEMORY_NONE);
}

struct Executable {
  dnnl::matmul primitive;
  dnnl::memory a, b, bias, y, scratch;
  i64 scratch_bytes;

  explicit Executable(const Product& p) {
    // A matrix of [rows, columns] that lies in memory as [.., rows, stride] or, transposed, [.., columns,
    // stride].
    const auto describe = [&](DType dtype, i64 batch, i64 rows, i64 columns, bool transposed, i64 stride,
                              i64 batch_stride) {
      dnnl::memory::dims shape{batch, rows, columns};
      dnnl::memory::dims strides{batch_stride, transposed ? 1 : stride, transposed ? stride : 1};
      if (p.batch == 1) {
        shape.erase(shape.begin());
        strides.erase(strides.begin());
      }
      return dnnl::memory::desc(shape, onednn::data_type(dtype), strides);
    };
    const auto a_desc =
        describe(p.input, p.batch, p.m, p.depth, p.transpose_a, p.transpose_a ? p.m : p.k, p.m * p.k);
    const auto b_desc =
        describe(p.input, p.batch, p.depth, p.n, p.transpose_b, p.transpose_b ? p.k : p.n, p.k * p.n);
    const auto y_desc = describe(p.output, p.batch, p.m, p.n, false, p.n, p.m * p.n);
    const auto bias_desc = p.has_bias ? describe(p.bias, 1, 1, p.n, false, p.n, p.n) : dnnl::memory::desc();

    const auto description =
        onednn::matmul_primitive_desc(a_desc, b_desc, bias_desc, y_desc, onednn::attributes(p.accumulate));
    primitive = dnnl::matmul(description);
    a = unbound(a_desc);
    b = unbound(b_desc);
    y = unbound(y_desc);
    if (p.has_bias) bias = unbound(bias_desc);
    scratch = unbound(description.scratchpad_desc());
    scratch_bytes = static_cast<i64>(description.scratchpad_desc().get_size());
  }
};

void execute(Context& context, const Product& product, void* y, void* a, void* b, void* bias) {
  // Kernels run on the stream's thread alone.
  static auto& cache = *new LruCache<Product, Executable>(kCachedPrimitives);
  Executable& executable = cache.get(product, [](const Product& p) { return Executable(p); });
  executable.a.set_data_handle(a);
  executable.b.set_data_handle(b);
  executable.y.set_data_handle(y);
  executable.scratch.set_data_handle(context.scratch<char>(executable.scratch_bytes));
  std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, executable.a},
                                                  {DNNL_ARG_WEIGHTS, executable.b},
                                                  {DNNL_ARG_DST, executable.y},
                                                  {DNNL_ARG_SCRATCHPAD, executable.scratch}};
  if (product.has_bias) {
    executable.bias.set_data_handle(bias);
    arguments.emplace(DNNL_ARG_BIAS, executable.bias);
  }
  executable.primitive.execute(onednn::stream(), arguments);
  onednn::stream().wait();
}

void* element(const TensorView& tensor, i64 index) {
  return static_cast<char*>(tensor.data) + index * static_cast<i64>(dtype_size(tensor.dtype));
}

// One matrix at a time: chunks of a batch are not dense, and for those oneDNN has a kernel that splits K by
// threads.
void execute_chunks(Context& context, const Product& whole, const TensorView& y, const TensorView& a,
                    const TensorView& b, const TensorView& bias) {
  Product part = whole;
  part.batch = 1;
  for (i64 i = 0; i < whole.batch; ++i) {
    for (i64 begin = 0; begin < whole.k; begin += kChunkDepth) {
      part.depth = std::min(kChunkDepth, whole.k - begin);
      part.accumulate = whole.accumulate || begin > 0;
      part.has_bias = whole.has_bias && begin == 0;
      const i64 a_begin = i * whole.m * whole.k + begin * (whole.transpose_a ? whole.m : 1);
      const i64 b_begin = i * whole.k * whole.n + begin * (whole.transpose_b ? 1 : whole.n);
      execute(context, part, element(y, i * whole.m * whole.n), element(a, a_begin), element(b, b_begin),
              bias.data);
    }
  }
}

// y [M, N] = row [N], of a product over nothing.
Status repeat_rows(Context& context, const TensorView& y, TensorView row) {
  if (row.dtype != y.dtype)
    if (const Status status = widen(context, row); status.failed) return status;
  Out out;
  In in;
  static_cast<TensorView&>(out) = y;
  static_cast<TensorView&>(in) = row;
  return broadcast_to(context, out, in, 1);
}

Status multiply(Context& context, const TensorView& y, TensorView a, TensorView b, TensorView bias,
                bool transpose_a, bool transpose_b, bool accumulate) {
  const i64 M = y.dim(-2), N = y.dim(-1), K = a.dim(transpose_a ? -2 : -1);
  if (y.elements() == 0) return ok();
  if (K == 0) {
    if (bias.present()) return repeat_rows(context, y, bias);
    if (!accumulate) std::memset(y.data, 0, y.bytes());
    return ok();
  }

  const i64 batch = y.rank == 3 ? y.dim(0) : 1;
  if (a.dtype == DType::bf16 && has_amx())
    return amx_gemm(context, y, a, b, bias, transpose_a, transpose_b, accumulate);
  if (M <= kMaxSkinnyRows && batch == 1 && transpose_b && !transpose_a && !accumulate)
    return skinny_gemm(context, y, a, b, bias);

  static const bool has_brgemm = onednn::may_use(dnnl::cpu_isa::avx512_core);
  if (a.dtype == DType::bf16 && !has_native_bf16()) {
    for (TensorView* operand : {&a, &b, &bias}) {
      if (const Status status = widen(context, *operand); status.failed) return status;
    }
  }
  const bool chunked = has_brgemm && transpose_a && K >= kThreadedDepth;
  const bool rounds_at_the_end = y.dtype == DType::bf16 && (chunked || a.dtype == DType::f32);
  const TensorView sums = rounds_at_the_end ? scratch_like(context, y, DType::f32) : y;
  Status status;
  if (has_brgemm) {
    const Product product{.batch = batch,
                          .m = M,
                          .n = N,
                          .k = K,
                          .depth = K,
                          .input = a.dtype,
                          .bias = bias.dtype,
                          .output = sums.dtype,
                          .threads = omp_get_max_threads(),
                          .has_bias = bias.present(),
                          .transpose_a = transpose_a,
                          .transpose_b = transpose_b,
                          .accumulate = accumulate};
    status = onednn::guarded([&] {
      if (chunked)
        execute_chunks(context, product, sums, a, b, bias);
      else
        execute(context, product, sums.data, a.data, b.data, bias.data);
    });
  } else {
    const Sgemm product{batch, M, N, K, transpose_a, transpose_b, accumulate};
    status = tiled_sgemm(context, product, static_cast<float*>(sums.data), static_cast<const float*>(a.data),
                         static_cast<const float*>(b.data), static_cast<const float*>(bias.data));
  }
  if (status.failed || !rounds_at_the_end) return status;
  return convert(context, y, sums);
}

}  // namespace

Status matmul(Context& context, Out y, In a, In b, InOptional bias, bool transpose_a, bool transpose_b) {
  return multiply(context, y, a, b, bias, transpose_a, transpose_b, false);
}

Status matmul_part(Context& context, Part y, In a, In b, bool transpose_a, bool transpose_b) {
  return multiply(context, y, a, b, {}, transpose_a, transpose_b, false);
}

Status matmul_accumulate(Context& context, Acc y, In a, In b, bool transpose_a, bool transpose_b) {
  if (!y.present()) return ok();
  return multiply(context, y, a, b, {}, transpose_a, transpose_b, true);
}

}  // namespace transfusion::cpu
