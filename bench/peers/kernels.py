"""Products and attention in PyTorch on the cases of `check_gpu --set products | attention`, by their names: matmul in the same
layout and type, f32 without TF32; scaled_dot_product_attention with a dense mask, or is_causal where there is nothing else,
and compiled FlexAttention with a block mask of the same spans.
  python kernels.py --cases products.json --output products.pytorch.json [--seconds 200] [--device cpu]
The output is { torch, device, cases: [{ name, peer, milliseconds, best } or { name, peer, failure }] }, whole after each."""

import argparse
import json
import os
import re
import statistics
import time

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}
PRODUCT = re.compile(r"matmul (nn|nt|tn)( accumulated)? \[(\d+), (\d+), (\d+)\], (\w+)")
ATTENTION = re.compile(r"attention(_backward)? \[(\d+)(?: of (\d+))?, (\d+) of (\d+), (\d+)\]( causal)?(?: in (\d+))?, (\w+)")


def timed(work, device):
    """Milliseconds of a call, the median and the best of nine groups that take half a second together."""
    if device == "cpu":
        started = time.perf_counter()
        work()
        once = (time.perf_counter() - started) * 1e3
        return {"milliseconds": once, "best": once}

    def group(count):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(count):
            work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / count

    group(3)
    count = max(1, min(1000, int(400 / 9 / max(group(3), 1e-3))))
    times = [group(count) for _ in range(9)]
    return {"milliseconds": statistics.median(times), "best": min(times)}


def product_peers(match):
    layout, accumulated, M, N, K, dtype = match.groups()
    M, N, K = int(M), int(N), int(K)
    random = lambda *shape: torch.randn(shape, dtype=DTYPES[dtype])
    a = random(K, M).T if layout == "tn" else random(M, K)
    b = random(N, K).T if layout == "nt" else random(K, N)
    if accumulated:
        # A gradient in f32, as ours: PyTorch adds a product in the operands' type to it.
        total = torch.zeros(M, N)
        return {"torch.matmul": lambda: total.add_(a @ b)}
    return {"torch.matmul": lambda: torch.matmul(a, b)}


def key_ends(T, K, sequences, causal):
    """Of each query, in its own sequence: as Spans of cuda/check/attention_shapes.h."""
    ends = []
    for s in range(sequences):
        length = (s + 1) * T // sequences - s * T // sequences
        keys = (s + 1) * K // sequences - s * K // sequences
        quarter = max(2, (length + 3) // 4)
        for place in range(length):
            within = place % quarter
            image = not causal and keys == length and place >= quarter and within >= quarter // 2
            seen = min(length, place - within + quarter) if image else place + 1
            ends.append(keys - length + seen)
    return torch.tensor(ends)


def attention_peers(match):
    backward, T, K, H, G, D, causal, sequences, dtype = match.groups()
    T, H, G, D = int(T), int(H), int(G), int(D)
    K, B = int(K or T), int(sequences or 1)
    if H != G or T % B or K % B:
        return {}
    shape = B, H, T // B, D
    random = lambda *shape: torch.randn(shape, dtype=DTYPES[dtype]).requires_grad_(bool(backward))
    q, k, v, dy = random(*shape), random(B, H, K // B, D), random(B, H, K // B, D), torch.randn(shape, dtype=DTYPES[dtype])
    end = key_ends(T, K, B, causal).view(B, T // B)

    def dense():
        mask = (torch.arange(K // B) < end[..., None])[:, None]
        return lambda: scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def flash():
        return lambda: scaled_dot_product_attention(q, k, v, is_causal=True)

    def flex():
        mask = create_block_mask(
            lambda b, h, query, key: key < end[b, query], B, None, T // B, K // B, device=str(q.device)
        )
        torch._dynamo.reset()  # each case is compiled for its own shapes
        compiled = torch.compile(flex_attention, dynamic=False) if q.device.type == "cuda" else flex_attention
        return lambda: compiled(q, k, v, block_mask=mask)

    def timing(make):
        def prepared():
            forward = make()
            if not backward:
                return forward
            y = forward()
            return lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True)

        return prepared

    peers = {"SDPA, dense mask": timing(dense), "FlexAttention, compiled": timing(flex)}
    if causal and T == K:
        peers["SDPA, causal"] = timing(flash)
    return peers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--seconds", type=float, default=200)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_default_device(options.device)
    torch.manual_seed(0)
    deadline = time.monotonic() + options.seconds
    name = torch.cuda.get_device_name() if options.device == "cuda" else options.device
    report = {"torch": torch.__version__, "device": name, "cases": []}

    def add(**case):
        report["cases"].append(case)
        with open(options.output + ".draft", "w") as file:
            json.dump(report, file, indent=1)
        os.replace(options.output + ".draft", options.output)
        print("  " + ", ".join(f"{key} {value}" for key, value in case.items()), flush=True)

    with open(options.cases) as file:
        names = [case["name"] for run in json.load(file)["runs"] for case in run["cases"]]
    for name in names:
        if match := PRODUCT.fullmatch(name):
            peers = {peer: lambda work=work: work for peer, work in product_peers(match).items()}
        elif match := ATTENTION.fullmatch(name):
            peers = attention_peers(match)
        else:
            continue
        for peer, prepare in peers.items():
            if time.monotonic() > deadline:
                add(name=name, peer=peer, failure="not run: the time was over")
                continue
            try:
                add(name=name, peer=peer, **timed(prepare(), options.device))
            except Exception as error:  # noqa: BLE001: one that PyTorch cannot do is not the others' end
                add(name=name, peer=peer, failure=f"{type(error).__name__}: {str(error)[:300]}")


main()
