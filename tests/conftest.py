"""What every test may ask for: a seed, the data sets, and folders of weights whose answers are known."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unet_playground import Design, UNet
from unet_playground.weights import Card, write

pytest.register_assert_rewrite("tests.contracts.checks")

# The networks of the tests are so small that sharing them between threads costs more than it saves.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the data sets."""
    root = os.environ.get("UNET_PLAYGROUND_DATA")
    if not root or not (Path(root) / "nuclei" / "images").is_dir():
        pytest.skip("needs UNET_PLAYGROUND_DATA: a folder with nuclei/images and nuclei/labels")
    return Path(root)


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, used instead of the repository's."""
    root = tmp_path / "checkpoints"
    root.mkdir()
    monkeypatch.setenv("UNET_PLAYGROUND_CHECKPOINTS", str(root))
    return root


@pytest.fixture
def install(checkpoints: Path) -> Callable[..., Card]:
    """Write a network as the trained weights of its design, and give the card."""

    def put(network: UNet, name: str = "solo", shared: bool = False, only: tuple[str, ...] = ()) -> Card:
        card = Card(task="nuclei", design=network.design.to_json(), shared=shared, only=only)
        return write(checkpoints / "nuclei" / name, network.state_dict(), card)

    return put


@pytest.fixture
def all_nucleus(install: Callable[..., Card]) -> Design:
    """A design whose installed weights call every pixel a nucleus."""
    design = Design(depth=1, width=2)
    network = UNet(design)
    with torch.no_grad():
        network.head.weight.zero_()  # type: ignore[operator]
        network.head.bias.copy_(torch.tensor([0.0, 1.0]))  # type: ignore[operator]
    install(network)
    return design
