"""The model of lib/models/transfusion in plain PyTorch, with the names of its weights: what one would write with
scaled_dot_product_attention and a dense mask, or FlexAttention and a block mask. B documents of T positions, P patches of all images, N images."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, flex_attention


def sinusoidal(t, channels, max_period=10000.0):
    """t [N] -> [N, channels]: cosines, then sines."""
    half = channels // 2
    frequencies = max_period ** (-torch.arange(half, device=t.device) / half)
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def rope(positions, head_size, theta):
    """positions [B, T, 3] -> cosines and sines [B, 1, T, D / 2]; the axes take the frequencies in turn."""
    pairs = torch.arange(head_size // 2, device=positions.device)
    frequencies = theta ** (-pairs / (head_size // 2))
    angles = (positions[..., pairs % 3] * frequencies)[:, None]
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


def attend(q, k, v, mask):
    """`mask`: a dense one, a BlockMask for FlexAttention, or none."""
    if isinstance(mask, BlockMask):
        return flex_attention(q, k, v, block_mask=mask)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class RMSNorm(nn.RMSNorm):
    """In x's type, whatever the weight's."""

    def forward(self, x):
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.output = nn.Linear(channels, channels, bias=False)

    def forward(self, x, mask, rotation, cache=None):
        """`cache`: keys and values [B, H, S, D] that were there before; x's are put after them."""
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, *rotation), rotate(k, *rotation)
        if cache is not None:
            k, v = cache.extend(k, v)
        y = attend(q, k, v, mask)
        return self.output(y.transpose(1, 2).reshape(B, T, C))


class FeedForward(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.gate_up = nn.Linear(channels, 2 * width, bias=False)
        self.down = nn.Linear(width, channels, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, channels, heads, width, eps):
        super().__init__()
        self.attention_norm = RMSNorm(channels, eps)
        self.attention = Attention(channels, heads)
        self.feed_forward_norm = RMSNorm(channels, eps)
        self.feed_forward = FeedForward(channels, width)

    def forward(self, x, mask, rotation, cache=None):
        x = x + self.attention(self.attention_norm(x), mask, rotation, cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class TimestepEncoder(nn.Module):
    def __init__(self, channels, outputs):
        super().__init__()
        self.channels = channels
        self.inner = nn.Linear(channels, channels)
        self.outer = nn.Linear(channels, outputs)

    def forward(self, t):
        embedded = sinusoidal(t, self.channels).to(self.inner.weight.dtype)
        return self.outer(F.silu(self.inner(embedded)))


class PatchEncoder(nn.Module):
    def __init__(self, values, channels):
        super().__init__()
        self.projection = nn.Linear(values, channels)
        self.timestep = TimestepEncoder(channels, values)

    def forward(self, patches, t):
        """patches [N, P / N, values], t [N] -> [P, C]"""
        patches = patches.to(self.projection.weight.dtype)
        return self.projection(patches + self.timestep(t)[:, None]).flatten(0, 1)


class PatchDecoder(nn.Module):
    def __init__(self, channels, values):
        super().__init__()
        self.projection = nn.Linear(channels, values)

    def forward(self, x):
        return self.projection(x)


class Transfusion(nn.Module):
    """`compute`: the type of what flows between the blocks; products are autocast's."""

    def __init__(self, config, compute=torch.float32):
        super().__init__()
        self.compute = compute
        channels, heads = config["channels"], config["heads"]
        width, image = config["feedForward"], config["image"]
        self.patch, self.theta, self.head_size = image["patch"], config["ropeTheta"], channels // heads
        values = image["patch"] ** 2 * image["channels"]
        self.embedding = nn.Embedding(config["vocabulary"], channels)
        self.patch_encoder = PatchEncoder(values, channels)
        self.layers = nn.ModuleList(
            Block(channels, heads, width, config["normEps"]) for _ in range(config["layers"])
        )
        self.norm = RMSNorm(channels, config["normEps"])
        self.patch_decoder = PatchDecoder(channels, values)
        self.output = nn.Linear(channels, config["vocabulary"], bias=False)

    def patchify(self, pixels):
        """pixels [N, height, width, channels] -> [N, P / N, values]"""
        N, height, width, channels = pixels.shape
        grid = pixels.view(N, height // self.patch, self.patch, width // self.patch, self.patch, channels)
        return grid.transpose(2, 3).reshape(N, -1, self.patch**2 * channels)

    def hidden(self, x, mask, positions, caches=None):
        """x [B, T, C], mask [B, 1, T, S], positions [B, T, 3] -> [B, T, C]"""
        rotation = rope(positions, self.head_size, self.theta)
        for i, layer in enumerate(self.layers):
            x = layer(x, mask, rotation, caches[i] if caches else None)
        return self.norm(x)

    def forward(self, batch):
        """LM and diffusion loss of a batch as bench/common/export_batches.mjs writes it."""
        B, T = batch["ids"].shape
        text = self.embedding(batch["ids"].clamp(min=0)).flatten(0, 1).to(self.compute)
        patches = self.patch_encoder(self.patchify(batch["xt"]), batch["t"]).to(self.compute)
        x = text.index_copy(0, batch["patch_rows"], patches).view(B, T, -1)
        hidden = self.hidden(x, batch["mask"], batch["positions"]).flatten(0, 1)
        logits = self.output(hidden[batch["target_rows"]]).float()
        lm = F.cross_entropy(logits, batch["targets"])
        predicted = self.patch_decoder(hidden[batch["patch_rows"]]).float()
        target = self.patchify(batch["eps"])
        errors = (predicted.view_as(target) - target).square().mean(dim=(1, 2))
        return lm, (batch["weight"] * errors).mean()
