"""Codes in transformers: the other side of bench/subjects/codes.mjs, `generate` with its cache and classifier-free guidance.
Options: config, compute."""

import sys
import time

import torch
from serve import peak_memory, serve

# transformers imports a package of the name of the neighbour kernels.py.
sys.path.pop(0)
from transformers import Qwen3Config, Qwen3ForCausalLM  # noqa: E402

GUIDANCE = 5.0


def prepare(options):
    torch.manual_seed(0)
    config = options["config"]
    channels, heads = config["channels"], config["heads"]
    dtype = torch.bfloat16 if options["compute"] == "bf16" else torch.float32
    width = config.get("feedForward") or -(-channels * 8 // 3 // 256) * 256
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=config["vocabulary"],
            hidden_size=channels,
            intermediate_size=width,
            num_hidden_layers=config["layers"],
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=channels // heads,
            tie_word_embeddings=False,
        )
    ).to(dtype)
    model.eval()
    positions, tokens = config["positions"], config["tokens"]

    def draw(request):
        if "count" not in request:
            return {}
        count = request["count"]
        ids = torch.randint(10, 500, (count, request["promptTokens"] + 1))
        ids[:, -1] = tokens["boi"]
        started = time.perf_counter()
        with torch.inference_mode():
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                top_k=0,
                guidance_scale=GUIDANCE,
                negative_prompt_ids=torch.tensor([[tokens["boi"]]] * count),
                negative_prompt_attention_mask=torch.ones(count, 1, dtype=torch.long),
                max_new_tokens=positions,
                min_new_tokens=positions,
                pad_token_id=0,
            )
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "tokens": made[:, ids.shape[1] :].numel(), "peakMemory": peak_memory()}

    return draw


serve(prepare)
