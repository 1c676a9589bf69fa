"""What the page says of measured designs is what the atlas holds."""

import re
from html import unescape
from pathlib import Path

import pytest

from tests.rows import row
from unet_playground import Design
from unet_playground.atlas import Atlas, write_atlas
from unet_playground.claims import claims
from unet_playground.ui.measured import judged, score

FULL = Design(down="none")
NAMES = ("a", "b", "c", "d")
LINK = re.compile(r'href="/(?:zh)?\?([^"]+)"')


@pytest.fixture
def atlas(checkpoints: Path) -> None:
    """The classic and full resolution, which keeps borders better on every image."""
    (checkpoints / "nuclei").mkdir()
    rows = tuple(
        row(one, 0.8 + gain, images={"boundary_dice": tuple(0.7 + gain + 0.01 * n for n in range(4))}, boundary_f1=0.6)
        for one, gain in ((Design(), 0.0), (FULL, 0.05))
    )
    write_atlas("nuclei", Atlas(rows, NAMES, NAMES))


@pytest.mark.usefixtures("atlas")
def test_a_measured_design_shows_its_score_and_the_difference_to_the_classic():
    shown = score(FULL, "nuclei", "en")
    assert "on 4 test images" in shown
    assert "<th>Dice</th><td>0.850</td><td>+0.050</td>" in shown
    assert "实测" in score(FULL, "nuclei", "zh")


@pytest.mark.usefixtures("atlas")
@pytest.mark.parametrize(("design", "task"), [(Design(skip="dense"), "nuclei"), (Design(), "liver")])
def test_what_was_not_measured_has_no_number(design: Design, task: str):
    shown = score(design, task, "en")
    assert "has not been measured" in shown
    assert not re.search(r"\d\.\d", shown)


@pytest.mark.usefixtures("atlas")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_claim_stands_there_with_verdict_and_links_to_its_designs(language: str):
    shown = judged(language)
    parts = shown.split('<details class="claim">')[1:]
    assert len(parts) == len(claims)
    for part, entry in zip(parts, claims.entries(), strict=True):
        claim = entry.make()
        assert entry.summary.within(language) in unescape(part)
        assert [Design.from_link(unescape(link)) for link in LINK.findall(part)] == [claim.first, claim.second]


@pytest.mark.usefixtures("atlas")
def test_a_claim_is_judged_by_the_rows_of_the_atlas():
    first = judged("en").split('<details class="claim">')[1]
    assert '<b class="supported">supported</b> Downsampling blurs borders' in first
    assert "+0.050" in first
    assert 'class="not-measured-yet"' in judged("en")
