"""The classic's forward pass beside MONAI's BasicUNet of the same widths and beside this machine's matrix product."""

import torch
from monai.networks.nets.basic_unet import BasicUNet

from benchmarks.measure import Verdict, alternate
from unet_playground import Design, UNet
from unet_playground.cost import cost

SIDE = 256
ORDER = 2048


def main() -> None:
    """Time all three in turns."""
    torch.manual_seed(0)
    design = Design()
    widths = [design.width * 2**level for level in range(design.depth + 1)]
    image = torch.rand(1, 3, SIDE, SIDE)
    striped = image.contiguous(memory_format=torch.channels_last)
    ours = UNet(design).channels_last().eval()
    # BasicUNet's last number is the width of its last stage.
    theirs = BasicUNet(2, 3, 2, features=(*widths, widths[0])).eval()
    theirs_striped = BasicUNet(2, 3, 2, features=(*widths, widths[0])).eval()
    theirs_striped.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    one, other = torch.randn(ORDER, ORDER), torch.randn(ORDER, ORDER)
    with torch.inference_mode():
        seconds = alternate(
            {
                "classic": lambda: ours(striped),
                "monai": lambda: theirs(image),
                "monai channels-last": lambda: theirs_striped(striped),
                "product": lambda: one @ other,
            }
        )
    rate = cost(design, SIDE).macs / seconds["classic"]
    peak = ORDER**3 / seconds["product"]
    print(f"threads {torch.get_num_threads()}, torch {torch.__version__}, image {SIDE} x {SIDE}")
    for name, value in seconds.items():
        print(f"  {name:20} {1000 * value:7.1f} ms")
    print(f"  classic {rate / 1e9:.0f} GMAC/s, matrix product {peak / 1e9:.0f} GMAC/s")
    verdict = Verdict()
    best = min(seconds["monai"], seconds["monai channels-last"])
    verdict.at_least("times as fast as MONAI's BasicUNet (its faster memory layout)", best / seconds["classic"], 1.5)
    verdict.at_least("share of the matrix product's rate", rate / peak, 0.5)
    verdict.finish()


if __name__ == "__main__":
    main()
