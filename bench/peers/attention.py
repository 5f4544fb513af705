"""Attention forward and backward in PyTorch: the other side of bench/subjects/attention.mjs."""

import time

import torch
from serve import peak_memory, serve
from torch.nn.functional import scaled_dot_product_attention


def prepare(options):
    torch.manual_seed(0)
    dtype = torch.bfloat16 if options["compute"] == "bf16" else torch.float32
    end = torch.tensor(options["keyEnd"])
    mask = torch.arange(len(end)) < end[:, None]
    shape = 1, options["heads"], len(end), options["headSize"]
    q, k, v, dy = (torch.randn(shape).to(dtype) for _ in range(4))
    for leaf in (q, k, v):
        leaf.requires_grad_()

    def both():
        started = time.perf_counter()
        y = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        torch.autograd.grad(y, (q, k, v), dy)
        return time.perf_counter() - started

    def run(request):
        seconds = min(both() for _ in range(request["repeats"] + 1))
        return {"seconds": seconds, "peakMemory": peak_memory()}

    return run


serve(prepare)
