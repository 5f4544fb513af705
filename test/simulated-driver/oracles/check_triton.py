"""Runs kernels that Triton compiles here, without a GPU, on the simulated one, and compares with numpy.

check_triton.py RUN_KERNEL: the program run_kernel. Exits with 77 where Triton or numpy cannot be imported. With
TRITON_KERNELS=a,b only cases whose names begin so."""

import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    import triton_kernels as kernels
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SEEDS = (1, 2, 3)
random = np.random.default_rng(7)


# ---- arrays; bf16 are their upper halves, as uint16 ----


def to_bf16(x):
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def to_float(x):
    return (x.astype(np.uint32) << 16).view(np.float32) if x.dtype == np.uint16 else x


TYPES = {"uint16": "*bf16", "float16": "*fp16", "float32": "*fp32", "int32": "*i32"}


def normal(*shape, dtype="bf16"):
    x = random.standard_normal(shape, dtype=np.float32)
    return {"bf16": to_bf16, "f16": lambda x: x.astype(np.float16), "f32": lambda x: x}[dtype](x)


class Output:
    """Memory that nobody has written before the kernel."""

    def __init__(self, *shape, dtype="f32"):
        self.array = np.zeros(shape, {"f32": np.float32, "bf16": np.uint16, "f16": np.float16, "i32": np.int32}[dtype])


# ---- one case ----


def compile_kernel(kernel, arguments, constants, warps, stages):
    """Arguments that are 1 are constants, those that are multiples of 16 are known to be, as in Triton's launcher."""
    signature, known, hints = {}, dict(constants), {}
    for index, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name] = "constexpr"
            continue
        value = arguments[name]
        if isinstance(value, (np.ndarray, Output)):
            array = value.array if isinstance(value, Output) else value
            signature[name] = TYPES[array.dtype.name]
            hints[(index,)] = [["tt.divisibility", 16]]
        elif isinstance(value, float):
            signature[name] = "fp32"
        elif value == 1:
            signature[name] = "constexpr"
            known[name] = 1
        else:
            signature[name] = "i32"
            if value % 16 == 0:
                hints[(index,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=kernel, signature=signature, constexprs=known, attrs=hints)
    target = GPUTarget("cuda", 80, 32)
    options = {"num_warps": warps, "num_stages": stages}
    return triton.compile(source, target=target, options=options), known


def run(kernel, grid, arguments, constants, warps=4, stages=3):
    """The arrays of the arguments after the kernel, by their names, the same under every seed."""
    compiled, known = compile_kernel(kernel, arguments, constants, warps, stages)
    results = None
    with tempfile.TemporaryDirectory() as folder:
        ptx = os.path.join(folder, "kernel.ptx")
        with open(ptx, "w") as file:
            file.write(compiled.asm["ptx"])
        for seed in SEEDS:
            words, files = [], {}
            for name in kernel.arg_names:
                if name in known:
                    continue
                value = arguments[name]
                if isinstance(value, (np.ndarray, Output)):
                    written = isinstance(value, np.ndarray)
                    files[name] = value if written else value.array
                    path = os.path.join(folder, name)
                    files[name].tofile(path)
                    words.append(path if written else "@" + path)
                elif isinstance(value, float):
                    words.append(str(np.float32(value).view(np.uint32)))
                else:
                    words.append(str(value))
            words += ["0", "0"]  # scratch memory of Triton's, which these kernels have none of
            grid3 = [str(n) for n in (*grid, 1, 1)[:3]]
            command = [RUN_KERNEL, ptx, compiled.metadata.name, str(seed), *grid3]
            command += [str(32 * warps), str(compiled.metadata.shared), *words]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise AssertionError(done.stderr.strip() or f"exit code {done.returncode}")
            found = {
                name: np.fromfile(os.path.join(folder, name), x.dtype).reshape(x.shape) for name, x in files.items()
            }
            if results is not None:
                for name in found:
                    assert np.array_equal(results[name], found[name], equal_nan=True), f"seed {seed} changes {name}"
            results = found
    return results


def close(found, expected, tolerance):
    """The greatest difference as a share of the greatest value."""
    found, expected = to_float(found).astype(np.float64), expected.astype(np.float64)
    assert np.all(np.isfinite(found)), "not finite"
    difference = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)
    assert difference <= tolerance, f"differs by {difference:.2e} of the greatest value, not {tolerance:.0e}"


CASES = {}


def case(name):
    def add(body):
        CASES[name] = body

    return add


# ---- products ----


def add_matmul(name, m, n, k, layout="NN", dtype="bf16", out="f32", blocks=(64, 64, 32), precision="ieee", **options):
    @case(f"matmul {name}")
    def check():
        a = normal(*((m, k) if layout[0] == "N" else (k, m)), dtype=dtype)
        b = normal(*((k, n) if layout[1] == "N" else (n, k)), dtype=dtype)
        strides = {
            "a_row": k if layout[0] == "N" else 1,
            "a_column": 1 if layout[0] == "N" else m,
            "b_row": n if layout[1] == "N" else 1,
            "b_column": 1 if layout[1] == "N" else k,
        }
        bm, bn, bk = blocks
        arguments = {"a": a, "b": b, "c": Output(m, n, dtype=out), "M": m, "N": n, "K": k, "c_row": n, **strides}
        constants = {"BM": bm, "BN": bn, "BK": bk, "PRECISION": precision}
        grid = (-(-m // bm), -(-n // bn))
        c = run(kernels.matmul, grid, arguments, constants, **options)["c"]
        x, y = to_float(a).astype(np.float64), to_float(b).astype(np.float64)
        expected = (x if layout[0] == "N" else x.T) @ (y if layout[1] == "N" else y.T)
        close(c, expected, {"f32": 2e-6, "bf16": 4e-3, "f16": 5e-4}[out] if precision == "ieee" else 2e-3)


for layout in ("NN", "NT", "TN", "TT"):
    add_matmul(f"bf16 {layout}", 128, 128, 128, layout)
add_matmul("bf16 tile 128", 128, 256, 96, blocks=(128, 128, 32), warps=8, stages=4)
add_matmul("bf16 two stages", 64, 64, 256, stages=2)
add_matmul("bf16 odd sizes", 70, 50, 31, out="bf16")
add_matmul("bf16 odd rows", 65, 64, 48, "NT", out="bf16")
add_matmul("bf16 small tile", 32, 32, 64, blocks=(16, 16, 16), warps=1)
add_matmul("f16", 64, 64, 64, dtype="f16", out="f16")
add_matmul("tf32", 64, 64, 64, dtype="f32", precision="tf32")
add_matmul("tf32 NT", 64, 64, 64, "NT", dtype="f32", precision="tf32")
add_matmul("f32", 32, 32, 40, dtype="f32", blocks=(32, 32, 32))


# ---- rows ----


@case("softmax")
def check_softmax():
    x = normal(5, 700, dtype="f32")
    arguments = {"y": Output(5, 700), "x": x, "columns": 700}
    y = run(kernels.softmax, (5,), arguments, {"BLOCK": 1024})["y"]
    expected = np.exp(x - x.max(axis=1, keepdims=True).astype(np.float64))
    close(y, expected / expected.sum(axis=1, keepdims=True), 2e-6)


@case("layer_norm")
def check_layer_norm():
    for columns, dtype in ((1000, "f32"), (512, "bf16")):
        x, weight, bias = normal(3, columns, dtype=dtype), normal(columns, dtype="f32"), normal(columns, dtype="f32")
        arguments = {"y": Output(3, columns, dtype=dtype), "x": x, "weight": weight, "bias": bias}
        arguments |= {"columns": columns, "epsilon": 1e-5}
        y = run(kernels.layer_norm, (3,), arguments, {"BLOCK": 256})["y"]
        value = to_float(x).astype(np.float64)
        value -= value.mean(axis=1, keepdims=True)
        value /= np.sqrt((value**2).mean(axis=1, keepdims=True) + 1e-5)
        close(y, value * weight + bias, 2e-6 if dtype == "f32" else 4e-3)


def add_attention(length, d, causal, dtype="bf16", blocks=(64, 64), **options):
    @case(f"attention {length} D {d}{' causal' if causal else ''} {dtype}")
    def check():
        heads = 2
        q, k, v = (normal(heads, length, d, dtype=dtype) for _ in range(3))
        arguments = {"q": q, "k": k, "v": v, "o": Output(heads, length, d, dtype=dtype), "lse": Output(heads, length)}
        arguments |= {"scale": d**-0.5, "length": length}
        constants = {"CAUSAL": causal, "D": d, "BM": blocks[0], "BN": blocks[1]}
        found = run(kernels.attention, (-(-length // blocks[0]), heads), arguments, constants, **options)
        x, y, z = (to_float(t).astype(np.float64) for t in (q, k, v))
        scores = np.einsum("hid,hjd->hij", x, y) * d**-0.5
        if causal:
            scores += np.triu(np.full((length, length), -np.inf), 1)
        p = np.exp(scores - scores.max(axis=2, keepdims=True))
        close(found["o"], p / p.sum(axis=2, keepdims=True) @ z, 8e-3)
        lse = (np.log(p.sum(axis=2)) + scores.max(axis=2)) / np.log(2)
        close(found["lse"], lse, 1e-5)


add_attention(128, 64, False)
add_attention(150, 64, True)
add_attention(96, 128, True, blocks=(32, 32), stages=2)
add_attention(100, 32, False, dtype="f16", blocks=(64, 32))


# ---- others ----


@case("column sums, by atomics")
def check_column_sums():
    # Small whole numbers: the order of the atomics does not change their sums.
    x = random.integers(-8, 9, (150, 70)).astype(np.float32)
    arguments = {"y": np.zeros(70, np.float32), "x": x, "rows": 150, "columns": 70}
    y = run(kernels.column_sums, (5, 2), arguments, {"BR": 32, "BC": 64})["y"]
    close(y, x.sum(axis=0), 0)


@case("running sums")
def check_running_sums():
    x = random.integers(-100, 100, (4, 300)).astype(np.int32)
    y = run(kernels.running_sums, (4,), {"y": Output(4, 300, dtype="i32"), "x": x, "columns": 300}, {"BLOCK": 512})["y"]
    close(y, x.cumsum(axis=1), 0)


@case("sort")
def check_sort():
    x = random.integers(-1000, 1000, (3, 256)).astype(np.int32)
    y = run(kernels.sort_rows, (3,), {"y": Output(3, 256, dtype="i32"), "x": x}, {"BLOCK": 256})["y"]
    close(y, np.sort(x, axis=1), 0)


@case("argmax")
def check_argmax():
    x = normal(6, 900, dtype="f32")
    y = run(kernels.largest, (6,), {"y": Output(6, dtype="i32"), "x": x, "columns": 900}, {"BLOCK": 1024})["y"]
    close(y, x.argmax(axis=1), 0)


@case("histogram")
def check_histogram():
    x = random.integers(0, 16, 1000).astype(np.int32)
    arguments = {"y": np.zeros(16, np.int32), "x": x, "count": 1000}
    y = run(kernels.histogram, (4,), arguments, {"BLOCK": 256, "BINS": 16})["y"]
    close(y, np.bincount(x, minlength=16), 0)


def philox(seed, offsets):
    c = [offsets.astype(np.uint64), *(np.zeros_like(offsets, np.uint64) for _ in range(3))]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
        c = [(b >> high) ^ c[1] ^ np.uint64(k0), b & low, (a >> high) ^ c[3] ^ np.uint64(k1), a & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c[0].astype(np.uint32).view(np.int32)


@case("random numbers")
def check_random_numbers():
    arguments = {"y": Output(500, dtype="i32"), "seed": 1234567, "count": 500}
    y = run(kernels.random_numbers, (2,), arguments, {"BLOCK": 256})["y"]
    assert np.array_equal(y, philox(1234567, np.arange(500))), "differs from Philox"


@case("functions")
def check_functions():
    from math import erf

    x = (normal(900, dtype="f32") * 3).astype(np.float32)
    y = run(kernels.functions, (4,), {"y": Output(900), "x": x, "count": 900}, {"BLOCK": 256})["y"]
    z = x.astype(np.float64)
    positive = np.abs(z) + 0.01
    expected = np.sin(z) + np.cos(z * 3) + np.log(positive) + positive**-0.5 + 1 / (1 + np.exp(-z))
    expected += np.array([erf(value) for value in z]) + np.floor(z) + np.sqrt(positive) + z / 3
    close(y, expected, 2e-6)


if __name__ == "__main__":
    RUN_KERNEL = sys.argv[1]
    wanted = os.environ.get("TRITON_KERNELS", "").split(",")
    failures = 0
    for name, body in CASES.items():
        if not any(name.startswith(prefix) for prefix in wanted):
            continue
        try:
            body()
            print(f"{name}: holds")
        except Exception as wrong:  # one broken case does not hide the others
            print(f"{name}: {type(wrong).__name__}: {wrong}")
            failures += 1
    sys.exit(1 if failures else 0)
