# Writes the weights of a ResNet that Resnet.load reads, with torchvision's names, from a checkpoint of PyTorch as downloaded:
# torchvision's own, MoCo's (moco_v2_800ep_pretrain.pth.tar, whose names begin with module.encoder_q.) or another one in which
# a prefix stands before these names. Nothing is downloaded here.
#   pip install torch safetensors numpy
#   python scripts/resnet_weights.py moco_v2_800ep_pretrain.pth.tar moco.safetensors
import argparse

import torch
from safetensors.torch import load_file, save_file

FIRST = "layer1.0.conv1.weight"


def state_of(path: str) -> dict[str, torch.Tensor]:
    if path.endswith(".safetensors"):
        return load_file(path)
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return loaded.get("state_dict", loaded)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the weights of a ResNet as safetensors, with torchvision's names.")
    parser.add_argument("checkpoint", help="a checkpoint of PyTorch, or safetensors")
    parser.add_argument("output", help="the safetensors file to be written")
    parser.add_argument("--prefix", help="what stands before torchvision's names; by default what does in the file")
    arguments = parser.parse_args()

    state = state_of(arguments.checkpoint)
    found = sorted(name.removesuffix(FIRST) for name in state if name.endswith(FIRST))
    if not found:
        raise SystemExit(f"{arguments.checkpoint}: has no tensor ...{FIRST}; expected a ResNet with torchvision's names")
    # MoCo's has its momentum encoder, encoder_k, beside encoder_q.
    prefixes = [name for name in found if not name.endswith("encoder_k.")]
    prefix = arguments.prefix if arguments.prefix is not None else prefixes[0] if len(prefixes) == 1 else None
    if prefix is None or prefix not in found:
        raise SystemExit(f"{arguments.checkpoint}: pass --prefix, one of {', '.join(repr(name) for name in found)}")
    tensors = {}
    for name, value in state.items():
        short = name.removeprefix(prefix)
        if name.startswith(prefix) and short.split(".")[0].rstrip("1234") in ("conv", "bn", "layer"):
            if not short.endswith("num_batches_tracked"):
                tensors[short] = value.contiguous()
    save_file(tensors, arguments.output)


if __name__ == "__main__":
    main()
