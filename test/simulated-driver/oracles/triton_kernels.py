"""Kernels for the simulator that a compiler of others makes: Triton's PTX for sm_80."""

import triton
import triton.language as tl


@triton.jit
def matmul(
    a, b, c, M, N, K, a_row, a_column, b_row, b_column, c_row,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    sums = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        inner = k + tl.arange(0, BK)
        x = tl.load(
            a + rows[:, None] * a_row + inner[None, :] * a_column,
            mask=(rows[:, None] < M) & (inner[None, :] < K),
            other=0.0,
        )
        y = tl.load(
            b + inner[:, None] * b_row + columns[None, :] * b_column,
            mask=(inner[:, None] < K) & (columns[None, :] < N),
            other=0.0,
        )
        sums = tl.dot(x, y, sums, input_precision=PRECISION)
    at = c + rows[:, None] * c_row + columns[None, :]
    tl.store(at, sums.to(c.dtype.element_ty), mask=(rows[:, None] < M) & (columns[None, :] < N))


@triton.jit
def softmax(y, x, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    values = tl.load(x + row * columns + at, mask=at < columns, other=-float("inf"))
    exponentials = tl.exp(values - tl.max(values, axis=0))
    tl.store(y + row * columns + at, exponentials / tl.sum(exponentials, axis=0), mask=at < columns)


@triton.jit
def layer_norm(y, x, weight, bias, columns, epsilon, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    mean = tl.zeros((BLOCK,), dtype=tl.float32)
    for begin in range(0, columns, BLOCK):
        at = begin + tl.arange(0, BLOCK)
        mean += tl.load(x + row * columns + at, mask=at < columns, other=0.0).to(tl.float32)
    mean = tl.sum(mean, axis=0) / columns
    variance = tl.zeros((BLOCK,), dtype=tl.float32)
    for begin in range(0, columns, BLOCK):
        at = begin + tl.arange(0, BLOCK)
        value = tl.load(x + row * columns + at, mask=at < columns, other=0.0).to(tl.float32)
        difference = tl.where(at < columns, value - mean, 0.0)
        variance += difference * difference
    scale = 1 / tl.sqrt(tl.sum(variance, axis=0) / columns + epsilon)
    for begin in range(0, columns, BLOCK):
        at = begin + tl.arange(0, BLOCK)
        inside = at < columns
        value = tl.load(x + row * columns + at, mask=inside, other=0.0).to(tl.float32)
        w = tl.load(weight + at, mask=inside)
        b = tl.load(bias + at, mask=inside)
        tl.store(y + row * columns + at, (value - mean) * scale * w + b, mask=inside)


@triton.jit
def attention(
    q, k, v, o, lse, scale, length, CAUSAL: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr
):
    first = tl.program_id(0) * BM
    head = tl.program_id(1) * length * D
    rows = first + tl.arange(0, BM)
    d = tl.arange(0, D)
    queries = tl.load(q + head + rows[:, None] * D + d[None, :], mask=rows[:, None] < length, other=0.0)
    greatest = tl.full((BM,), -float("inf"), dtype=tl.float32)
    total = tl.zeros((BM,), dtype=tl.float32)
    output = tl.zeros((BM, D), dtype=tl.float32)
    end = tl.minimum(first + BM, length) if CAUSAL else length
    for begin in range(0, end, BN):
        columns = begin + tl.arange(0, BN)
        keys = tl.load(k + head + columns[None, :] * D + d[:, None], mask=columns[None, :] < length, other=0.0)
        scores = tl.dot(queries, keys) * (scale * 1.4426950408889634)
        visible = columns[None, :] < length
        if CAUSAL:
            visible = visible & (columns[None, :] <= rows[:, None])
        scores = tl.where(visible, scores, -1e30)
        new = tl.maximum(greatest, tl.max(scores, axis=1))
        p = tl.exp2(scores - new[:, None])
        correction = tl.exp2(greatest - new)
        total = total * correction + tl.sum(p, axis=1)
        values = tl.load(v + head + columns[:, None] * D + d[None, :], mask=columns[:, None] < length, other=0.0)
        output = tl.dot(p.to(values.dtype), values, output * correction[:, None])
        greatest = new
    output = output / total[:, None]
    at = o + head + rows[:, None] * D + d[None, :]
    tl.store(at, output.to(o.dtype.element_ty), mask=rows[:, None] < length)
    tl.store(lse + tl.program_id(1) * length + rows, greatest + tl.log2(total), mask=rows < length)


@triton.jit
def column_sums(y, x, rows, columns, BR: tl.constexpr, BC: tl.constexpr):
    column = tl.program_id(1) * BC + tl.arange(0, BC)
    row = tl.program_id(0) * BR + tl.arange(0, BR)
    inside = (row[:, None] < rows) & (column[None, :] < columns)
    values = tl.load(x + row[:, None] * columns + column[None, :], mask=inside, other=0.0)
    tl.atomic_add(y + column, tl.sum(values.to(tl.float32), axis=0), mask=column < columns)


@triton.jit
def running_sums(y, x, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    values = tl.load(x + row * columns + at, mask=at < columns, other=0)
    tl.store(y + row * columns + at, tl.cumsum(values, axis=0), mask=at < columns)


@triton.jit
def sort_rows(y, x, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.sort(tl.load(x + at)))


@triton.jit
def largest(y, x, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    values = tl.load(x + row * columns + at, mask=at < columns, other=-float("inf"))
    tl.store(y + row, tl.argmax(values, axis=0))


@triton.jit
def random_numbers(y, seed, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.randint(seed, at), mask=at < count)


@triton.jit
def functions(y, x, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < count, other=1.0)
    positive = tl.abs(value) + 0.01
    result = tl.sin(value) + tl.cos(value * 3) + tl.log(positive) + tl.rsqrt(positive)
    result += tl.sigmoid(value) + tl.erf(value) + tl.floor(value) + tl.sqrt_rn(positive) + tl.div_rn(value, 3.0)
    tl.store(y + at, result, mask=at < count)


@triton.jit
def histogram(y, x, count, BLOCK: tl.constexpr, BINS: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    counts = tl.histogram(tl.load(x + at, mask=at < count, other=0), BINS, mask=at < count)
    tl.atomic_add(y + tl.arange(0, BINS), counts)
