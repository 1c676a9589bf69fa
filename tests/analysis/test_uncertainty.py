"""Entropy, augmentation, disagreement and calibration, against cases whose answer is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.analysis.models import Known, loaded
from unet_playground import Design, PlaygroundError, UNet
from unet_playground.analysis import Target
from unet_playground.analysis.uncertainty import (
    Augmented,
    Disagreement,
    augmented,
    calibration,
    calibration_on,
    disagreement,
    drawn_designs,
    entropy,
    entropy_of,
    reliability,
    turned,
    unturned,
)
from unet_playground.analysis.uncertainty.curve import BINS
from unet_playground.analysis.uncertainty.ensemble import summarised
from unet_playground.analysis.watch import Watch
from unet_playground.model import Origin
from unet_playground.training import datasets as data_sets
from unet_playground.weights import Card

IMAGE = torch.rand(1, 3, 14, 11, generator=torch.Generator().manual_seed(1))


class Keeping(Watch):
    """Keeps what it is shown and counts its pauses."""

    def __init__(self) -> None:
        self.shown: list = []
        self.pauses = 0

    def between(self) -> None:
        self.pauses += 1

    def show(self, result: object) -> None:
        self.shown.append(result)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_entropy_is_one_where_nothing_is_known_and_zero_where_all_is(classes: int):
    even = np.full((classes, 4, 3), 1 / classes, np.float32)
    np.testing.assert_allclose(entropy_of(even), 1, atol=1e-6)
    certain = np.zeros((classes, 4, 3), np.float32)
    certain[1] = 1
    assert entropy_of(certain).max() == 0
    half = np.zeros((classes, 1, 1), np.float32)
    half[:2] = 0.5
    assert entropy_of(half)[0, 0] == pytest.approx(np.log(2) / np.log(classes), rel=1e-6)


def test_entropy_of_a_network_is_that_of_its_logits_where_it_is_asked():
    def left(image: torch.Tensor) -> torch.Tensor:
        logits = torch.full((1, 14, 11), -40.0)
        logits[:, :, :5] = 0.01
        return logits

    result = entropy(Known(left), IMAGE, Target())
    assert result.inside == pytest.approx(1, abs=1e-4)
    assert result.outside == pytest.approx(0, abs=1e-4)
    assert 0 < result.near < 1
    assert result.errors is None
    wrong = np.zeros((14, 11), np.uint8)
    wrong[7:, :5] = 1
    caught = entropy(Known(left), IMAGE, Target(), truth=wrong)
    # All of the doubt is alike, so its tenth (15 pixels) is the first rows, which are wrong.
    assert caught.errors == pytest.approx(15 / 35)
    assert "wrong ones" in caught.check.en


def test_a_truth_of_another_size_is_refused():
    for look in (entropy, augmented, calibration):
        with pytest.raises(PlaygroundError, match="The truth is 3 x 3 px, the image 14 x 11"):
            look(Known(lambda image: image.sum(1)), IMAGE, Target(), truth=np.zeros((3, 3), np.uint8))


def test_every_turn_is_undone_exactly_and_they_are_eight():
    seen = set()
    for turn in range(8):
        moved = turned(IMAGE, turn)
        assert torch.equal(unturned(moved, turn), IMAGE)
        square = turned(torch.arange(9.0).reshape(1, 1, 3, 3), turn)
        seen.add(tuple(square.flatten().tolist()))
    assert len(seen) == 8


def test_a_network_that_every_turn_leaves_alike_has_no_spread():
    result = augmented(Known(lambda image: image.sum(1) - 1.5), IMAGE, Target(), intensity=0)
    assert result.spread.max() == 0
    assert result.dice == 1
    assert len(result.areas) == 8
    assert np.ptp(result.areas) == 0
    expected = torch.sigmoid(IMAGE.sum(1) - 1.5)[0].numpy()
    np.testing.assert_allclose(result.mean[1], expected, rtol=1e-5)


def test_a_network_that_knows_left_spreads_as_its_formula_says():
    # The class is everywhere left of the middle column, whatever the image: half of the turns say left, a quarter top.
    def left(image: torch.Tensor) -> torch.Tensor:
        columns = torch.arange(image.shape[3])
        return torch.where(columns < image.shape[3] // 2, 50.0, -50.0).expand(1, *image.shape[2:])

    square = IMAGE[:, :, :11]
    result = augmented(Known(left), square, Target(), intensity=0)
    # Undone, each half (left, right, top, bottom) is said twice: a corner by four of eight, the middle by none.
    assert result.mean[1, 0, 0] == pytest.approx(0.5, abs=1e-6)
    assert result.mean[1, 5, 5] == pytest.approx(0, abs=1e-6)
    assert result.mean[1, 0, 5] == pytest.approx(0.25, abs=1e-6)
    assert result.spread[0, 0] == pytest.approx(0.5, abs=1e-6)
    assert set(result.areas.tolist()) == {55.0}


def test_brightness_spreads_what_depends_on_it_and_coarse_results_come_first():
    watch = Keeping()
    result = augmented(Known(lambda image: 10 * image.mean(1) - 5), IMAGE, Target(), intensity=0.2, watch=watch)
    assert len(result.areas) == 10
    assert result.spread.max() > 0
    assert [len(one.areas) for one in watch.shown] == [2, 4]
    assert all(isinstance(one, Augmented) for one in watch.shown)
    assert watch.pauses == 10
    brighter = torch.sigmoid(10 * 1.2 * IMAGE.mean(1) - 5)[0].numpy()
    assert result.areas[8] == (brighter > 0.5).sum()


@pytest.mark.parametrize(("task", "moves"), [("nuclei", 8), ("vessels", 8), ("liver", 1), ("hippocampus", 1), ("", 1)])
def test_images_are_turned_only_where_training_turned_them(task: str, moves: int):
    model = Known(lambda image: image.mean(1) - 0.5)
    model.origin = Origin(task, "untrained", "") if task else None
    result = augmented(model, IMAGE, Target())
    assert (len(result.areas), result.turns) == (moves + 2, moves - 1)
    assert ("undone without interpolation" in result.check.en) == (moves > 1)
    assert ("none is turned or flipped" in result.check.en) == (moves == 1)


def _opinion(mask: np.ndarray) -> np.ndarray:
    return np.stack([1.0 - mask, mask]).astype(np.float32)


def test_designs_that_say_the_same_do_not_disagree():
    mask = np.eye(6)
    result = summarised([_opinion(mask)] * 4, [Design()] * 4, Target(), mask > 0, own=6)
    assert result.differ.max() == 0
    assert result.spread.max() == 0
    assert result.agreements.tolist() == [1] * 4
    assert result.areas.tolist() == [6] * 4


def test_disagreement_counts_who_is_against_the_majority():
    one, two, three = np.zeros((3, 2, 2))
    one[0, 0] = two[0, 0] = three[0, 0] = 1
    two[0, 1] = three[0, 1] = 1
    three[1, 1] = 1
    truth = np.array([[1, 1], [0, 0]], np.uint8)
    seen = [_opinion(mask) for mask in (one, two, three)]
    result = summarised(seen, [Design()] * 3, Target(), truth > 0, own=9, truth=truth)
    np.testing.assert_allclose(result.differ, [[0, 1 / 3], [0, 1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(result.spread[0, 1], np.std([0, 1, 1]), rtol=1e-6)
    assert result.areas.tolist() == [1, 2, 3]
    assert result.inside == pytest.approx(1 / 6)
    assert result.scores is not None
    np.testing.assert_allclose(result.scores, [2 / 3, 1, 4 / 5, 1], rtol=1e-6)
    assert "outside" in summarised(seen, [Design()] * 3, Target(), truth > 0, own=9).check.en


@pytest.fixture
def bank(install: Callable[..., Card], monkeypatch: pytest.MonkeyPatch) -> None:
    """Any design of depth 1 and width 2 is drawn from a bank."""
    install(UNet(Design(depth=1, width=2)), "bank", shared=True)

    def load(task: str, design: Design, weights: str, device: torch.device) -> UNet:
        assert (task, weights) == ("nuclei", "shared")
        torch.manual_seed(len(design.to_link()))
        return loaded(design)

    monkeypatch.setattr("unet_playground.analysis.uncertainty.ensemble.load_model", load)


@pytest.mark.usefixtures("bank")
def test_the_same_designs_are_asked_every_time_and_shown_on_the_way():
    model, watch = loaded(Design(depth=1, width=4)), Keeping()
    result = disagreement(model, IMAGE, Target(), designs=5, watch=watch)
    assert result.designs == drawn_designs(model, 8)[:5]
    assert len(set(result.designs)) == 5
    assert {(one.depth, one.width) for one in result.designs} == {(1, 2)}
    assert [len(one.designs) for one in watch.shown] == [2, 4]
    assert all(isinstance(one, Disagreement) for one in watch.shown)
    assert result.differ.shape == (14, 11)
    assert result.differ.min() >= 0 and result.differ.max() <= 0.5


@pytest.mark.usefixtures("bank")
def test_it_ends_in_the_middle_of_a_pass():
    class Ending(Keeping):
        def between(self) -> None:
            super().between()
            if self.pauses == 4:
                raise InterruptedError

    watch = Ending()
    with pytest.raises(InterruptedError):
        disagreement(loaded(Design(depth=1, width=4)), IMAGE, Target(), watch=watch)
    assert watch.shown == []


def test_without_a_bank_or_a_task_nobody_is_asked(checkpoints: Path):
    with pytest.raises(PlaygroundError, match="no trained bank for nuclei"):
        disagreement(loaded(Design(depth=1, width=2)), IMAGE, Target())
    with pytest.raises(PlaygroundError, match="not loaded for a task"):
        disagreement(UNet(Design(depth=1, width=2)), IMAGE, Target())


def _predicted(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, class 1 chosen with a confidence; the truth agrees where `right`."""
    return np.stack([1 - confidence, confidence]).astype(np.float32), right.astype(np.uint8)


def test_what_happens_as_often_as_it_is_said_is_calibrated():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, (300, 300))
    right = rng.uniform(size=confidence.shape) < confidence
    curve = reliability([_predicted(confidence, right)])
    assert curve.error < 0.01
    assert abs(curve.excess) < 0.005
    np.testing.assert_allclose(curve.confidence[-1], 1 - 1 / (2 * BINS), atol=1e-3)


def test_nine_tenths_said_and_six_tenths_right_is_off_by_three_tenths():
    right = np.zeros((10, 10))
    right.flat[:60] = 1
    curve = reliability([_predicted(np.full((10, 10), 0.9), right)])
    assert curve.error == pytest.approx(0.3, abs=1e-6)
    assert curve.excess == pytest.approx(0.3, abs=1e-6)
    assert curve.largest == pytest.approx(0.3, abs=1e-6)
    assert curve.counts.sum() == 100
    assert (curve.counts > 0).sum() == 1


def test_images_count_by_their_pixels():
    one = _predicted(np.full((2, 5), 0.7), np.ones((2, 5)))
    other = _predicted(np.full((3, 10), 0.7), np.zeros((3, 10)))
    curve = reliability([one, other])
    assert curve.error == pytest.approx(0.7 - 10 / 40, abs=1e-6)


def test_bins_are_equally_wide_and_certainty_belongs_to_the_last():
    said = np.array([[1.0, 0.7, 0.74]])
    assert reliability([_predicted(said, np.ones((1, 3)))]).counts.tolist() == [0] * 10 + [1, 1] + [0] * 2 + [1]


def test_a_network_is_measured_on_this_truth_or_on_the_shipped_ones():
    model = Known(lambda image: torch.full_like(image[:, 0], float(np.log(9))))
    truth = np.zeros((14, 11), np.uint8)
    truth[:, :6] = 1
    here = calibration(model, IMAGE, Target(), truth=truth)
    assert here.measured.error == pytest.approx(0.9 - 6 / 11, abs=1e-5)
    assert here.images == 1 and "this image" in here.facts.en
    assert "overconfident" in here.facts.en
    assert here.here.sum() == pytest.approx(1)
    shipped = calibration(model, IMAGE, Target())
    assert shipped.images == 2 and "2 shipped examples" in shipped.facts.en
    assert shipped.measured.counts.sum() > truth.size


def test_a_task_whose_examples_have_no_truth_is_refused():
    model = loaded(Design(depth=1, width=2))
    model.origin = model.origin and type(model.origin)("vessels", "untrained", "")
    with pytest.raises(PlaygroundError, match="Calibration needs a truth"):
        calibration(model, IMAGE, Target())


def test_a_whole_split_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    labels = torch.zeros(4, 5, dtype=torch.uint8)
    labels[:, :3] = 1
    one = data_sets.Example("one", torch.rand(3, 4, 5), labels)
    place = "unet_playground.analysis.uncertainty.curve"
    monkeypatch.setattr(f"{place}.splits", lambda task, root: {"test": ["a", "b"], "train": []})
    monkeypatch.setattr(f"{place}.examples", lambda task, samples: [one])
    model = Known(lambda image: torch.full_like(image[:, 0], float(np.log(9))))
    result = calibration_on("nuclei", model, str(tmp_path))
    assert result.images == 2
    assert result.measured.counts.sum() == 40
    assert result.measured.error == pytest.approx(0.3, abs=1e-5)
    assert "test split (2 images)" in result.facts.en
    with pytest.raises(PlaygroundError, match="no split"):
        calibration_on("nuclei", model, str(tmp_path), split="rest")


@pytest.mark.parametrize(
    "design",
    [Design(depth=1, width=2, down="none"), Design(depth=2, width=2, skip="none", attention="se", site="decoder")],
)
@pytest.mark.parametrize("size", [(1, 1), (5, 1), (14, 11)])
def test_any_design_and_size_works(design: Design, size: tuple[int, int]):
    for look in (entropy, augmented, calibration):
        result = look(loaded(design), torch.rand(1, 3, *size), Target(), truth=np.zeros(size, np.uint8))
        for array in result.arrays().values():
            assert array.dtype == np.float32 and np.isfinite(array).all()
        for text in (result.check, result.facts):
            assert text.en.endswith(".") and text.zh.endswith("。")
