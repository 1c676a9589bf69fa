"""A design as ONNX computes the same in ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from tests.export.networks import BASE, DESIGNS, varied
from unet_playground import Design, PlaygroundError, UNet
from unet_playground.export import exchange, onnx


def _assert_same_in_onnx(design: Design, sides: tuple[int, ...] | None = None) -> None:
    network = varied(design)
    content = onnx(network, sides)
    assert b"site-packages" not in content
    assert str(Path(__file__).parent.parent).encode() not in content
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    axes = ["depth", "height", "width"][-design.dims :]
    assert session.get_inputs()[0].shape == ["n", 3, *(sides or axes)]
    assert session.get_outputs()[0].shape == ["n", 2, *(sides or axes)]
    assert session.get_modelmeta().custom_metadata_map["sides"] == (" x ".join(map(str, sides)) if sides else "any")
    for shape in ((1, *sides),) if sides else ((1, 33, 38), (3, 1, 5), (2, 40, 24)):
        image = torch.rand(shape[0], 3, *(shape[1:] if design.dims == 2 or sides else (3, *shape[1:])))
        logits: Any = session.run(["logits"], {"image": image.numpy()})[0]
        assert logits.shape == network(image).shape
        assert np.abs(logits - network(image).numpy()).max() < 1e-4


@pytest.mark.parametrize(
    "design",
    [
        Design(depth=1, width=2, down="blur-pool", skip="dense", up="deformable", attention="cbam"),
        Design(depth=1, width=2, down="avg-pool", skip="add", up="pixel-shuffle", attention="scse", site="fused"),
    ],
    ids=Design.to_link,
)
def test_onnx_gives_the_same_logits(design: Design):
    _assert_same_in_onnx(design)


@pytest.mark.long
@pytest.mark.parametrize("design", DESIGNS, ids=[design.to_link() for design in DESIGNS])
def test_onnx_gives_the_same_logits_everywhere(design: Design):
    _assert_same_in_onnx(design)


def test_onnx_of_fixed_sides_says_so():
    _assert_same_in_onnx(Design(depth=1, width=2), (9, 12))
    with pytest.raises(PlaygroundError, match="2 sides"):
        onnx(varied(BASE), (9,))


def test_without_its_packages_onnx_says_which(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exchange, "_NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(PlaygroundError, match=r"no_such_package.*\[onnx\]"):
        onnx(varied(BASE))


class _Stubborn(UNet):
    def forward(self, image: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return image if float(image.sum()) > 0 else -image


def test_what_onnx_cannot_express_is_refused():
    with pytest.raises(PlaygroundError, match="no counterpart"):
        onnx(_Stubborn(Design(depth=1, width=2)))
