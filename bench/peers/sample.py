"""Images and texts in PyTorch: the other side of bench/subjects/sample.mjs. Keys and values are kept from call to call; of
guidance both branches are one batch. Options: config, compute, compiled, ddim (by number of steps), device."""

import time

import torch
from model import Transfusion
from serve import peak_memory, serve, synchronize

GUIDANCE = 3.0


class Cache:
    """A layer's keys and values [B, H, slots, D], of which `length` are kept."""

    def __init__(self, shape, dtype, device):
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0

    def extend(self, k, v):
        end = self.length + k.shape[2]
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        return self.keys[:, :, :end], self.values[:, :, :end]


def prepare(options):
    device = options.get("device", "cpu")
    torch.manual_seed(0)
    config = options["config"]
    image, tokens = config["image"], config["tokens"]
    dtype = torch.bfloat16 if options["compute"] == "bf16" else torch.float32
    model = Transfusion(config).to(device, dtype)
    hidden_of = torch.compile(model.hidden, dynamic=True) if options["compiled"] else model.hidden

    def make_caches(batch, slots):
        shape = batch, config["heads"], slots, model.head_size
        return [Cache(shape, dtype, device) for _ in range(config["layers"])]

    def read(ids, mask, positions, caches):
        """ids [B, T] -> hidden [B, T, C]; kept."""
        hidden = hidden_of(model.embedding(ids), mask, positions[..., None].expand(-1, -1, 3).float(), caches)
        for cache in caches:
            cache.length += ids.shape[1]
        return hidden

    def random_prompts(count, length):
        ids = torch.randint(10, 500, (count, length), device=device)
        ids[:, 0] = tokens["bos"]
        return ids

    def draw(count, prompt_tokens, steps):
        side = image["height"] // image["patch"]
        P, S = side * side, prompt_tokens + 1
        # First the conditional branches, then those without, which begin where the others' prompts end.
        start = torch.tensor([0] * count + [S - 2] * count, device=device)
        ids = torch.full((2 * count, S), tokens["boi"], device=device)
        ids[:count, :-1] = random_prompts(count, prompt_tokens)
        ids[count:, -2] = tokens["bos"]
        slots = torch.arange(S, device=device)
        seen = slots >= start[:, None]
        causal = (slots <= slots[:, None]) & seen[:, None] | torch.eye(S, dtype=torch.bool, device=device)
        caches = make_caches(2 * count, S + P)
        read(ids, causal[:, None], (slots - start[:, None]).clamp(min=0), caches)
        mask = torch.cat([seen, torch.ones_like(seen[:, :1].expand(-1, P))], 1)[:, None, None].expand(-1, -1, P, -1)
        places = torch.arange(P, device=device)
        rows, columns = places // side, places % side
        begin = (S - start)[:, None, None]
        positions = (begin + torch.stack([torch.zeros_like(rows), rows, columns], 1)).float()
        x = torch.randn(count, P, image["patch"] ** 2 * image["channels"], device=device)
        for step in options["ddim"][str(steps)]:
            t = torch.full((2 * count,), float(step["t"]), device=device)
            patches = model.patch_encoder(x.repeat(2, 1, 1), t).view(2 * count, P, -1)
            conditional, free = model.patch_decoder(hidden_of(patches, mask, positions, caches)).float().chunk(2)
            eps = free + GUIDANCE * (conditional - free)
            x0 = ((x - step["sigma"] * eps) / step["alpha"]).clamp(-1, 1)
            x = step["xCoeff"] * x + step["x0Coeff"] * x0
        return {}

    def write(count, prompt_tokens, new_tokens):
        ids = random_prompts(count, prompt_tokens)
        caches = make_caches(count, prompt_tokens + new_tokens)
        causal = torch.ones(prompt_tokens, prompt_tokens, dtype=torch.bool, device=device).tril()
        positions = torch.arange(prompt_tokens + new_tokens, device=device).expand(count, -1)
        hidden = read(ids, causal, positions[:, :prompt_tokens], caches)
        for i in range(new_tokens):
            ids = model.output(hidden[:, -1:]).argmax(-1)
            if i + 1 < new_tokens:
                hidden = read(ids, None, positions[:, prompt_tokens + i : prompt_tokens + i + 1], caches)
        return {"tokens": count * new_tokens}

    @torch.no_grad()
    def run(request):
        started = time.perf_counter()
        if "image" in request:
            asked = request["image"]
            result = draw(asked["count"], asked["promptTokens"], asked["steps"])
        else:
            asked = request["text"]
            result = write(asked["count"], asked["promptTokens"], asked["tokens"])
        synchronize()
        return {**result, "seconds": time.perf_counter() - started, "peakMemory": peak_memory()}

    return run


serve(prepare)
