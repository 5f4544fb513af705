# The text part of a model folder in PyTorch: python examples/load_in_pytorch.py runs/train/model 1 5 9
# prints the likeliest next tokens. docs/weights.md describes names, shapes and layouts. Weights that patches have of their own
# (image.weights) are not the text's, and left alone.
import json
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


def load(folder):
    config = json.load(open(f"{folder}/config.json"))
    if "weights" in config:
        raise SystemExit(f"{folder}: its weights are quantised ({config['weights']}), which is not read here")
    if "ropeScaling" in config["model"]:
        raise SystemExit(f"{folder}: its model has ropeScaling, which is not computed here: see lib/nn/rope_frequencies.ts")
    weights = {name: tensor.float() for name, tensor in load_file(f"{folder}/model.safetensors").items()}
    return config["model"], weights


def text_logits(config, weights, ids):
    """Token ids [T] -> logits [T, V]; position i is i."""
    H, eps = config["heads"], config["normEps"]
    G, D = config.get("kvHeads", H), config.get("headSize", config["channels"] // H)
    norm = lambda x, name: F.rms_norm(x, x.shape[-1:], weights[name + ".weight"], eps)
    linear = lambda x, name: x @ weights[name + ".weight"].T + weights.get(name + ".bias", 0)
    # theta^(-2i/D); the pair i of a head is its values i and i + D/2. For text all three axes are the position.
    angles = torch.arange(len(ids))[:, None] * config["ropeTheta"] ** (-torch.arange(D // 2) / (D // 2))
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    def rotate(x):
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    x = weights["embedding.weight"][ids]
    for i, layer in enumerate(f"layers.{i}" for i in range(config["layers"])):
        qkv = linear(norm(x, f"{layer}.attention_norm"), f"{layer}.attention.qkv").view(len(ids), -1, D)
        q, k, v = qkv.split([H, G, G], 1)
        if config.get("qkNorm"):
            q, k = norm(q, f"{layer}.attention.query_norm"), norm(k, f"{layer}.attention.key_norm")
        if i not in config.get("unrotatedLayers", []):
            q, k = rotate(q), rotate(k)
        q, k, v = (t.transpose(0, 1).repeat_interleave(H // t.shape[1], 0) for t in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(1)
        x = x + linear(attended, f"{layer}.attention.output")
        gate, up = linear(norm(x, f"{layer}.feed_forward_norm"), f"{layer}.feed_forward.gate_up").chunk(2, -1)
        x = x + linear(F.silu(gate) * up, f"{layer}.feed_forward.down")
    return linear(norm(x, "norm"), "output")


if __name__ == "__main__":
    model = load(sys.argv[1])
    print(text_logits(*model, torch.tensor([int(id) for id in sys.argv[2:]]))[-1].topk(5))
