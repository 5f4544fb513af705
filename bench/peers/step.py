"""Training steps in PyTorch: the other side of bench/subjects/step.mjs, with the same requests and answers.
Options: config, batches (a file), weights (a file, or none: random ones), compute, compiled."""

import contextlib
import time

import torch
from model import Transfusion
from safetensors.torch import load_file
from serve import peak_memory, serve

IMAGE_WEIGHT = 5.0
LEARNING_RATE = 1e-3


def read_batches(path):
    """The tensors of each batch by name, with the mask that spans of keys make."""
    batches = {}
    for name, tensor in load_file(path).items():
        number, field = name.split(".")
        batches.setdefault(int(number), {})[field] = tensor if tensor.is_floating_point() else tensor.long()
    for batch in batches.values():
        keys = torch.arange(batch["ids"].shape[1])
        start, end = batch.pop("key_start"), batch.pop("key_end")
        batch["mask"] = ((keys >= start[..., None]) & (keys < end[..., None]))[:, None]
    return [batches[number] for number in sorted(batches)]


def make_optimizer(model):
    """As AdamW of lib/training with its defaults: decay for matrices alone."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), eps=1e-8, fused=True)


def prepare(options):
    torch.manual_seed(0)
    bf16 = options["compute"] == "bf16"
    model = Transfusion(options["config"], torch.bfloat16 if bf16 else torch.float32)
    if options.get("weights"):
        model.load_state_dict(load_file(options["weights"]))
    batches = read_batches(options["batches"])
    optimizer = make_optimizer(model)
    losses_of = torch.compile(model) if options["compiled"] else model
    precision = lambda: torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext()

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
