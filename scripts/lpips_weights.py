# Writes the weights of LPIPS that Lpips.load reads: the linear heads that PyPI's lpips ships, over the convolutions of
# torchvision's VGG16, from its checkpoint as downloaded (vgg16-397923af.pth) or in safetensors. Nothing is downloaded here.
#   pip install lpips safetensors
#   python scripts/lpips_weights.py vgg16-397923af.pth lpips.safetensors
import argparse

import lpips
import torch
from safetensors.torch import load_file, save_file


def convolutions(path: str) -> dict[str, torch.Tensor]:
    """torchvision's features.N.weight and .bias, without the classifier."""
    state = load_file(path) if path.endswith(".safetensors") else torch.load(path, map_location="cpu", weights_only=True)
    prefix = "features."
    found = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if "0.weight" not in found:
        raise SystemExit(f"{path}: has no tensor {prefix}0.weight; expected torchvision's checkpoint of VGG16")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the weights of LPIPS over VGG16 as safetensors.")
    parser.add_argument("vgg16", help="torchvision's checkpoint of VGG16, .pth or .safetensors")
    parser.add_argument("output", help="the safetensors file to be written")
    arguments = parser.parse_args()

    features = convolutions(arguments.vgg16)
    # The heads come with the package, version 0.1; the network is replaced.
    model = lpips.LPIPS(net="vgg", version="0.1", pnet_rand=True, verbose=False)
    tensors = {}
    for name, value in model.state_dict().items():
        # The heads once more, as a list.
        if name.startswith("lins."):
            continue
        part, _, layer = name.partition(".")
        if part == "net":
            layer = layer.partition(".")[2]
            if layer not in features:
                raise SystemExit(f"{arguments.vgg16}: has no tensor features.{layer}; expected torchvision's VGG16")
            if features[layer].shape != value.shape:
                raise SystemExit(
                    f"{arguments.vgg16}: features.{layer} must have shape {list(value.shape)}, "
                    f"it has {list(features[layer].shape)}: expected torchvision's VGG16"
                )
            value = features[layer]
        tensors[name] = value.contiguous()
    save_file(tensors, arguments.output)


if __name__ == "__main__":
    main()
