"""diffusers' AutoencoderKL in PyTorch, eager or compiled: the other side of bench/subjects/autoencoder.mjs. Images are
[N, C, H, W] in channels_last, the layout that suits convolutions on CPUs."""

import sys

import torch
from serve import repeating, serve
from torch.nn import functional as F

# diffusers looks for a package called kernels, and must not find the program of that name beside this one.
sys.path.pop(0)
from diffusers import AutoencoderKL  # noqa: E402


def prepare(options):
    torch.manual_seed(0)
    dtype = torch.bfloat16 if options["compute"] == "bf16" else torch.float32
    model, batch, side, work = (options[name] for name in ("model", "batch", "side", "work"))
    levels = len(model["channels"])
    network = AutoencoderKL(
        block_out_channels=model["channels"],
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        layers_per_block=model["blocks"],
        latent_channels=model["latentChannels"],
        norm_num_groups=model.get("groups", 32),
        sample_size=512,  # of a tile
    )
    if options["tiled"]:
        network.enable_tiling()
    # As we train: f32 weights, rounded to bf16 for computing.
    network = network.to(torch.float32 if work == "train" else dtype, memory_format=torch.channels_last)
    random = lambda channels, size: torch.randn(batch, channels, size, size, dtype=dtype).to(
        memory_format=torch.channels_last
    )
    compiled = torch.compile if options["compiled"] else lambda function: function

    if work == "train":
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        x = random(3, side).float()

        @compiled
        def loss():
            with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
                latents = network.encode(x).latent_dist
                y = network.decode(latents.sample()).sample
            return F.l1_loss(y.float(), x) + 1e-6 * latents.kl().mean() / x[0].numel()

        def step():
            loss().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

        return repeating(step)

    network.eval().requires_grad_(False)
    if work == "encode":
        x = random(3, side)
        run = compiled(lambda: network.encode(x).latent_dist.mean)
    else:
        z = random(model["latentChannels"], side // 2 ** (levels - 1))
        run = compiled(lambda: network.decode(z).sample)
    return repeating(torch.inference_mode()(run))


serve(prepare)
