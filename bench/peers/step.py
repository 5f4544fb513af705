"""Training steps in PyTorch: the other side of bench/subjects/step.mjs, with the same requests and answers.
Options: config, batches (a file), weights (a file, or none: random ones), compute, compiled; device, and flex: FlexAttention
instead of a dense mask."""

import contextlib
import time

import torch
from model import Transfusion
from safetensors.torch import load_file
from serve import peak_memory, serve
from torch.nn.attention.flex_attention import create_block_mask

IMAGE_WEIGHT = 5.0
LEARNING_RATE = 1e-3


def block_mask(start, end):
    """Of spans [B, T] of the keys that each query sees."""
    B, T = end.shape
    seen = lambda b, h, query, key: (key >= start[b, query]) & (key < end[b, query])
    return create_block_mask(seen, B, None, T, T, device=str(end.device))


def dense_mask(start, end):
    keys = torch.arange(end.shape[1], device=end.device)
    return ((keys >= start[..., None]) & (keys < end[..., None]))[:, None]


def read_batches(path, device, mask_of):
    """The tensors of each batch by name, with the mask that spans of keys make."""
    batches = {}
    for name, tensor in load_file(path, device=device).items():
        number, field = name.split(".")
        batches.setdefault(int(number), {})[field] = tensor if tensor.is_floating_point() else tensor.long()
    for batch in batches.values():
        batch["mask"] = mask_of(batch.pop("key_start"), batch.pop("key_end"))
    return [batches[number] for number in sorted(batches)]


def make_optimizer(model):
    """As AdamW of lib/training with its defaults: decay for matrices alone."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), eps=1e-8, fused=True)


def prepare(options):
    device = options.get("device", "cpu")
    torch.manual_seed(0)
    bf16 = options["compute"] == "bf16"
    model = Transfusion(options["config"], torch.bfloat16 if bf16 else torch.float32).to(device)
    if options.get("weights"):
        model.load_state_dict(load_file(options["weights"], device=device))
    batches = read_batches(options["batches"], device, block_mask if options.get("flex") else dense_mask)
    optimizer = make_optimizer(model)
    losses_of = torch.compile(model) if options["compiled"] else model
    precision = lambda: torch.autocast(device, torch.bfloat16) if bf16 else contextlib.nullcontext()

    def step(batch):
        with precision():
            lm, diffusion = losses_of(batch)
            loss = lm + IMAGE_WEIGHT * diffusion
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return {"lm": lm.item(), "diffusion": diffusion.item()}

    def run(request):
        started = time.perf_counter()
        losses = [step(batches[i % len(batches)]) for i in range(request["steps"])]
        seconds = (time.perf_counter() - started) / len(losses)
        return {"seconds": seconds, "losses": losses, "peakMemory": peak_memory()}

    return run


serve(prepare)
