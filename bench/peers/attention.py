"""Attention forward and backward in PyTorch: the other side of bench/subjects/attention.mjs."""

import torch
from serve import repeating, serve
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
        y = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        torch.autograd.grad(y, (q, k, v), dy)

    return repeating(both)


serve(prepare)
