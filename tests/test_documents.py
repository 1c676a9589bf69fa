"""The generated documents are those of the catalogues as they are now."""

from pathlib import Path

import pytest

from docs.generate import documents
from unet_playground import catalogues
from unet_playground.design import SLOT_IDS

FOLDER = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    return documents()


@pytest.mark.parametrize("name", ["parts.md", "presets.md", "instruments.md", "data.md"])
def test_a_document_is_up_to_date(name: str, fresh: dict[str, str]):
    assert (FOLDER / name).read_text("utf-8") == fresh[name], "write it again with `make docs`"


@pytest.mark.parametrize("slot", SLOT_IDS)
def test_every_part_and_every_option_has_a_row(slot: str, fresh: dict[str, str]):
    for entry in catalogues[slot].entries():
        assert f"| `{entry.id}` |" in fresh["parts.md"]
        for option in entry.options:
            assert f"| `{entry.id}({option.id}=" in fresh["parts.md"]
