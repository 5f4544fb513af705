"""The two halves of a U-Net in PyTorch: the other side of bench/subjects/unet.mjs, with the blocks of lib/nn/unet.ts.
Images are [N, C, H, W] in channels_last, the layout that suits convolutions on CPUs."""

import torch
from serve import repeating, serve
from torch import nn
from torch.nn import functional as F


class ChannelNorm(nn.LayerNorm):
    """Over the channels of each position."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, inputs, outputs, timestep):
        super().__init__()
        self.in_norm = ChannelNorm(inputs)
        self.in_conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.timestep = nn.Linear(timestep, outputs)
        self.out_norm = ChannelNorm(outputs)
        self.out_conv = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x, t):
        h = self.in_conv(F.silu(self.in_norm(x))) + self.timestep(t)[:, :, None, None]
        return self.shortcut(x) + self.out_conv(F.silu(self.out_norm(h)))


class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.output = nn.Linear(channels, channels, bias=False)

    def forward(self, x):
        N, C, H, W = x.shape
        h = self.norm(x.permute(0, 2, 3, 1).reshape(N, H * W, C))
        q, k, v = self.qkv(h).view(N, H * W, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(N, H, W, C)
        return x + self.output(y).permute(0, 3, 1, 2)


class Level(nn.Module):
    def __init__(self, inputs, channels, blocks, timestep, heads):
        super().__init__()
        widths = [inputs] + [channels] * (blocks - 1)
        self.blocks = nn.ModuleList(Block(width, channels, timestep) for width in widths)
        self.attention = nn.ModuleList(Attention(channels, heads) if heads else nn.Identity() for _ in widths)

    def forward(self, x, t):
        for block, attention in zip(self.blocks, self.attention):
            x = attention(block(x, t))
        return x


class UNet(nn.Module):
    def __init__(self, inputs, channels, blocks, heads):
        super().__init__()
        timestep, last = 4 * channels[0], len(channels) - 1
        level = lambda i, width: Level(width, channels[i], blocks, timestep, heads if i == last else 0)
        pairs = list(zip(channels, channels[1:]))
        self.input = nn.Conv2d(inputs, channels[0], 3, padding=1)
        self.down = nn.ModuleList(level(i, width) for i, width in enumerate(channels))
        self.downsample = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.up = nn.ModuleList(level(i, width if i == last else 2 * width) for i, width in enumerate(channels))
        self.upsample = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.norm = ChannelNorm(channels[0])
        self.output = nn.Conv2d(channels[0], inputs, 3, padding=1)

    def forward(self, x, vectors, t):
        skips = []
        h = self.input(x)
        for i, level in enumerate(self.down):
            h = level(h, t)
            skips.append(h)
            if i < len(self.downsample):
                h = self.downsample[i](h)
        lowest, h = h, vectors
        for i in reversed(range(len(skips))):
            h = self.up[i](h if i == len(skips) - 1 else torch.cat([h, skips[i]], dim=1), t)
            if i > 0:
                h = F.interpolate(self.upsample[i - 1](h), scale_factor=2)
        return self.output(F.silu(self.norm(h))), lowest


def prepare(options):
    torch.manual_seed(0)
    dtype = torch.bfloat16 if options["compute"] == "bf16" else torch.float32
    count, side, inputs, channels = (options[name] for name in ("count", "side", "inputs", "channels"))
    low = side // 2 ** (len(channels) - 1)
    unet = UNet(inputs, channels, options["blocks"], options["heads"]).to(dtype)
    unet = unet.to(memory_format=torch.channels_last)
    image = lambda width, size: torch.randn(count, width, size, size, dtype=dtype).to(
        memory_format=torch.channels_last
    )
    x, vectors, dy = image(inputs, side), image(channels[-1], low), image(inputs, side)
    t = torch.randn(count, 4 * channels[0], dtype=dtype)

    def both():
        torch.autograd.backward(unet(x, vectors, t), (dy, vectors))

    return repeating(both)


serve(prepare)
