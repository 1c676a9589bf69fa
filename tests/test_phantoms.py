"""Phantoms: exact masks, knobs that do what they say, the same picture for the same seed."""

import math
from typing import Annotated

import cv2
import numpy as np
import pytest

from tests.contracts.checks import check_texts
from unet_playground.errors import PlaygroundError, UnknownChoice
from unet_playground.phantoms import Phantom, Scene, draw, phantoms
from unet_playground.phantoms.clutter import dots, streaks
from unet_playground.phantoms.shapes import Outlines, Strokes, nearest
from unet_playground.phantoms.slot import smooth_field
from unet_playground.phantoms.tree import FINEST, Sprout, Tree, fork, grow
from unet_playground.registry import Chinese, Knob

KNOBS = ["thickness", "contrast", "noise", "clutter"]
BARE = "noise=0,clutter=0"
SQUARE = np.ones((3, 3), np.uint8)
each = pytest.mark.parametrize("id", list(phantoms))


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _core(mask: np.ndarray) -> np.ndarray:
    """Where a pixel and its eight neighbours belong to `mask`, so that no edge is near."""
    return cv2.erode(mask.astype(np.uint8), SQUARE, borderValue=1).astype(bool)


def _inner(phantom: Phantom) -> np.ndarray:
    """Where a pixel and its eight neighbours belong to one object; cells that touch have an edge between them."""
    if phantom.objects is None:
        return _core(phantom.labels == 1)
    numbers = phantom.objects.astype(np.float32)
    return (cv2.erode(numbers, SQUARE) == cv2.dilate(numbers, SQUARE)) & (numbers > 0)


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:side, :side]
    return rows.astype(float), columns.astype(float)


def _trunk(thickness: float) -> Tree:
    """What one vessel along the middle row grows to."""
    return grow(_rng(), (256, 256), [Sprout(np.array([128.0, 0.0]), 0.0, thickness / 2, 0.0, 0)])


def _equal(one: Phantom, other: Phantom) -> bool:
    return np.array_equal(one.pixels, other.pixels) and np.array_equal(one.labels, other.labels)


@each
def test_a_phantom_has_texts_and_the_same_four_knobs(id: str):
    entry = phantoms[id]
    check_texts(entry)
    assert [option.id for option in entry.options] == KNOBS
    for option in entry.options:
        assert option.low is not None and option.high is not None
        assert option.low <= option.default <= option.high  # type: ignore[operator]
    assert "pixels" in entry.options[0].title.en and "像素" in entry.options[0].title.zh


@each
def test_knobs_are_the_same_in_every_spelling(id: str):
    drawn = draw(f"{id}( clutter=0.5, thickness=9 )", (40, 50), 3)
    assert _equal(drawn, phantoms[id].make((40, 50), 3, thickness=9.0, clutter=0.5))
    assert _equal(drawn, draw(phantoms.parse(f"{id}(thickness=9,clutter=0.5)"), (40, 50), 3))


@each
@pytest.mark.parametrize("knob", KNOBS)
def test_values_out_of_range_are_refused_in_one_sentence(id: str, knob: str):
    option = next(option for option in phantoms[id].options if option.id == knob)
    assert option.low is not None and option.high is not None
    for value in (option.low - 0.01, option.high + 0.01, "nan", "inf", "wide"):
        with pytest.raises(UnknownChoice, match=rf"{id}\({knob}=.* is not possible: {knob} can be ") as refused:
            draw(f"{id}({knob}={value})", 16, 0)
        assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("choice", "side", "seed", "words"),
    [
        ("clouds", 16, 0, "choose one of cells"),
        ("cells(colour=1)", 16, 0, "options: thickness, contrast, noise, clutter"),
        ("cells", 0, 0, "1 to 2048"),
        ("organs", (16, 2049), 0, "1 to 2048"),
        ("vessels", 16, -1, "seeds count from 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(choice: str, side: int, seed: int, words: str):
    with pytest.raises(PlaygroundError, match=words):
        draw(choice, side, seed)


@each
@pytest.mark.parametrize("side", [1, (1, 17), (17, 1), (40, 23), 256, (2048, 3)])
def test_every_side_gives_an_image_and_its_truth(id: str, side: int | tuple[int, int]):
    phantom = draw(f"{id}(noise=0.5,clutter=1,contrast=1)", side, 4)
    shape = (side, side) if isinstance(side, int) else side
    assert phantom.pixels.shape == phantom.labels.shape == shape
    assert (phantom.pixels.dtype, phantom.labels.dtype) == (np.float32, np.uint8)
    assert phantom.pixels.min() >= 0 and phantom.pixels.max() <= 1
    assert phantom.pixels.flags.c_contiguous and phantom.labels.flags.c_contiguous
    assert set(np.unique(phantom.labels)) <= {0, 1}


@each
def test_the_ends_of_all_knobs_can_be_drawn(id: str):
    for thickness in phantoms[id].options[0].ends:
        for contrast in (0, 1):
            phantom = draw(f"{id}(thickness={thickness},contrast={contrast},noise=0,clutter=1)", 48, 1)
            assert np.isfinite(phantom.pixels).all()
            assert phantom.pixels.min() >= 0 and phantom.pixels.max() <= 1


@each
def test_a_seed_draws_the_same_image_whatever_else_is_random(id: str):
    np.random.seed(1)
    first, state = draw(id, 64, 7), str(np.random.get_state())
    assert str(np.random.get_state()) == state
    np.random.seed(2)
    assert _equal(first, draw(id, 64, 7))
    assert not np.array_equal(first.labels, draw(id, 64, 8).labels)


@each
def test_other_knobs_leave_the_objects_where_they_are(id: str):
    labels = draw(id, 96, 5).labels
    for other in ("contrast=0.9", "noise=0.3", "clutter=0", "clutter=1"):
        assert np.array_equal(draw(f"{id}({other})", 96, 5).labels, labels)


@each
def test_both_classes_are_present(id: str):
    for seed in range(50):
        share = draw(id, 96, seed).labels.mean()
        assert 0.01 < share < 0.75, seed


@each
def test_brightness_alone_gives_the_mask_without_noise_and_clutter(id: str):
    for seed in range(4):
        phantom = draw(f"{id}({BARE},contrast=0.4)", 128, seed)
        inside, outside = _inner(phantom), _core(phantom.labels == 0)
        bright = phantom.pixels if id != "vessels" else -phantom.pixels
        ground = np.median(bright[outside & (phantom.pixels > 0.02)])
        middle = ground + 0.4 / 2
        # Where thin vessels run side by side, a pixel has an edge near and yet no neighbour outside.
        assert (bright[inside] > middle).mean() > (0.97 if id == "vessels" else 0.9999)
        assert (bright[outside] < middle).all()
        # Where an edge is soft, still no pixel of an object is as the ground is.
        assert (bright[phantom.labels == 1] > ground + 0.4 / 8).all()


@each
def test_the_mean_difference_of_object_and_ground_is_the_contrast(id: str):
    measured = []
    for contrast in (0.1, 0.3, 0.5, 0.8):
        phantom = draw(f"{id}({BARE},contrast={contrast},thickness=12)", 128, 2)
        inside, outside = _core(phantom.labels == 1), _core(phantom.labels == 0)
        # Around a body there is air, darker than the ground.
        ground = outside if id != "organs" else outside & (phantom.pixels > 0.02)
        measured.append(abs(phantom.pixels[inside].mean() - phantom.pixels[ground].mean()))
        assert measured[-1] == pytest.approx(contrast, rel=0.25)
    assert measured == sorted(measured)


@each
def test_noise_has_the_standard_deviation_that_is_asked_for(id: str):
    clean = draw(f"{id}(noise=0,contrast=0.4)", 128, 3).pixels
    # Next to black and white noise is cut off, and elsewhere less than one grain in a thousand.
    middle = (clean > 0.33) & (clean < 0.67)
    for noise in (0.02, 0.05, 0.1):
        grains = draw(f"{id}(noise={noise},contrast=0.4)", 128, 3).pixels[middle] - clean[middle]
        assert grains.std() == pytest.approx(noise, rel=0.08)
        assert abs(grains.mean()) < noise / 10


@each
def test_contrast_to_noise_falls_with_noise(id: str):
    ratios = []
    for noise in (0.02, 0.1, 0.25, 0.5):
        phantom = draw(f"{id}(noise={noise})", 128, 1)
        one, other = (phantom.pixels[phantom.labels == label] for label in (1, 0))
        ratios.append(abs(one.mean() - other.mean()) / math.sqrt((one.var() + other.var()) / 2))
    assert ratios == sorted(ratios, reverse=True)


@each
def test_clutter_adds_and_stays_out_of_the_mask(id: str):
    plain = draw(f"{id}({BARE})", 128, 6)
    changed = []
    for clutter in (0.25, 0.5, 0.75, 1.0):
        phantom = draw(f"{id}(noise=0,clutter={clutter})", 128, 6)
        assert np.array_equal(phantom.labels, plain.labels)
        changed.append((np.abs(phantom.pixels - plain.pixels) > 0.04)[plain.labels == 0].mean())
    assert changed == sorted(changed) and changed[-1] > 1.3 * changed[0] > 0


def test_less_clutter_is_a_part_of_more():
    full, half = (dots(_rng(), (64, 64), 3.0, 20, share) for share in (1.0, 0.5))
    assert (len(full.radii), len(half.radii)) == (20, 10)
    assert np.array_equal(full.centres[:10], half.centres) and np.array_equal(full.waves[:10], half.waves)
    lines, none = (streaks(_rng(), (64, 64), 1.0, 4, share) for share in (1.0, 0.0))
    one = streaks(_rng(), (64, 64), 1.0, 4, 0.25)
    assert len(one.starts) == len(lines.starts) / 4 and len(none.starts) == 0
    assert np.array_equal(lines.starts[: len(one.starts)], one.starts)


def test_streaks_cross_the_picture_from_outside_to_outside():
    lines = streaks(_rng(), (50, 80), 1.0, 6, 1.0, bend=0.0)
    for starts, ends in zip(np.split(lines.starts, 6), np.split(lines.ends, 6), strict=True):
        for point in (starts[0], ends[-1]):
            assert not ((point >= 0).all() and (point <= (50, 80)).all())
        points = np.concatenate([starts, ends])
        assert np.abs(points - (25, 40)).max(axis=1).min() < 45


def test_an_outline_has_the_area_and_the_points_of_its_series():
    waves = np.array([[0.03, 0.15j, 0.05 - 0.05j, 0.02]])
    found = nearest(Outlines(np.array([[60.3, 66.8]]), np.array([40.0]), waves), (128, 128))
    assert found.inside.sum() == pytest.approx(math.pi * 40**2 * (1 + (abs(waves) ** 2).sum() / 2), rel=0.003)
    assert found.cover().sum() == pytest.approx(found.inside.sum(), rel=0.003)
    rows, columns = _grid(128)
    angle, away = np.arctan2(rows - 60.3, columns - 66.8), np.hypot(rows - 60.3, columns - 66.8)
    series = 1 + sum((wave * np.exp(1j * k * angle)).real for k, wave in enumerate(waves[0], 1))
    assert np.array_equal(found.inside, away < 40 * series)


def test_a_circle_knows_its_distance():
    found = nearest(Outlines(np.array([[20.0, 22.0]]), np.array([9.0]), np.zeros((1, 3), complex)), (48, 48), 4.0)
    rows, columns = _grid(48)
    true = np.hypot(rows - 20, columns - 22) - 9
    assert np.allclose(found.distance[true < 4], true[true < 4])
    assert np.isinf(found.distance[true > 4]).all() and (found.index[true > 4] == -1).all()


def test_a_stroke_is_what_lies_closer_to_its_middle_than_its_radius():
    strokes = Strokes(np.array([[8.0, 5.0]]), np.array([[30.0, 41.0]]), np.array([[6.0, 2.0]]))
    found = nearest(strokes, (48, 48))
    rows, columns = _grid(48)
    parts = np.linspace(0, 1, 501)
    away = np.min([np.hypot(rows - 8 - 22 * one, columns - 5 - 36 * one) - (6 - 4 * one) for one in parts], axis=0)
    # A cone's own distance is measured straight to its middle line, which tells the same inside up to 1 % of a radius.
    assert (found.inside == (away < 0))[np.abs(away) > 0.06].all()
    assert found.inside.sum() == pytest.approx((away < 0).sum(), rel=0.02)


def test_the_nearest_of_many_shapes_is_found_in_any_number_of_chunks():
    rng = _rng()
    shapes = dots(rng, (150, 160), 14.0, 120, 1.0)
    found = nearest(shapes, (150, 160))
    rows, columns = (one.ravel() for one in np.mgrid[:150, :160].astype(float))
    best = np.min([shapes.distance(np.full(rows.shape, one), rows, columns) for one in range(120)], axis=0)
    best = best.reshape(150, 160)
    # A concave shape's distance is meant for its surroundings; beyond its box it is not asked.
    assert np.array_equal(found.inside, best < 0)
    assert np.allclose(found.distance[best < 0], best[best < 0])
    assert np.array_equal(found.of(np.ones(120)), (found.index >= 0).astype(float))


def test_no_shapes_cover_nothing():
    found = nearest(dots(_rng(), (9, 9), 3.0, 5, 0.0), (9, 9))
    assert not found.inside.any() and not found.cover().any() and not found.of(np.zeros(0)).any()


def test_a_smooth_field_has_mean_zero_and_deviation_one_everywhere():
    fields = np.stack([smooth_field(np.random.default_rng(seed), (9, 14), 5.0) for seed in range(4000)])
    assert np.abs(fields.mean(axis=0)).max() < 0.08
    assert np.abs(fields.std(axis=0) - 1).max() < 0.06
    assert np.abs(np.diff(smooth_field(_rng(), (200, 200), 20.0), axis=0)).max() < 0.3


def test_cells_are_numbered_from_one_without_gaps():
    for seed in range(10):
        phantom = draw("cells(thickness=5)", 128, seed)
        assert phantom.objects is not None and phantom.objects.dtype == np.int32
        assert np.array_equal(phantom.objects > 0, phantom.labels == 1)
        assert np.array_equal(np.unique(phantom.objects), np.arange(phantom.objects.max() + 1))


def test_some_cells_touch_and_none_is_in_many_pieces():
    touching = 0
    for seed in range(10):
        objects = draw(f"cells({BARE})", 128, seed).objects
        assert objects is not None
        right, below = (objects[:, :-1], objects[:, 1:]), (objects[:-1], objects[1:])
        touching += sum(int(((one > 0) & (other > 0) & (one != other)).any()) for one, other in (right, below))
        for number in range(1, objects.max() + 1):
            parts, _, stats, _ = cv2.connectedComponentsWithStats((objects == number).astype(np.uint8))
            assert parts == 2 or stats[1:, 4].max() > 0.9 * stats[1:, 4].sum()
    assert touching >= 10


def test_there_is_a_cell_in_the_smallest_picture():
    assert sum(draw("cells", 1, seed).labels.item() for seed in range(20)) == 20


@pytest.mark.parametrize("thickness", [3, 6, 12, 20])
def test_cells_have_the_radius_that_is_asked_for(thickness: int):
    areas: list[int] = []
    for seed in range(6):
        objects = draw(f"cells(thickness={thickness},{BARE})", 200, seed).objects
        assert objects is not None
        cut = np.unique(np.concatenate([objects[0], objects[-1], objects[:, 0], objects[:, -1]]))
        counts = np.bincount(objects.ravel())
        areas += [int(count) for number, count in enumerate(counts) if number not in cut]
    assert np.mean(np.sqrt(np.array(areas) / math.pi)) == pytest.approx(thickness, rel=0.1)


@pytest.mark.parametrize("thickness", [8, 20, 45])
def test_the_organ_has_the_area_of_its_circle(thickness: int):
    for seed in range(5):
        labels = draw(f"organs(thickness={thickness},{BARE})", 256, seed).labels
        edge = labels[0].any() or labels[-1].any() or labels[:, 0].any() or labels[:, -1].any()
        assert not edge
        assert labels.sum() == pytest.approx(math.pi * thickness**2, rel=0.02)
        assert cv2.connectedComponents(labels)[0] == 2


def test_with_all_clutter_neighbours_are_as_bright_as_the_organ():
    similar = []
    for clutter in (0.0, 0.5, 1.0):
        phantom = draw(f"organs(noise=0,clutter={clutter})", 256, 2)
        organ = phantom.pixels[_core(phantom.labels == 1)]
        ground = phantom.pixels[_core(phantom.labels == 0)]
        similar.append(int((np.abs(ground - np.median(organ)) < 0.05).sum()))
    assert similar[0] == 0
    assert similar[2] > 1.2 * similar[1] > 1000


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5])
def test_a_fork_keeps_murrays_law_and_its_angles(share: float):
    (thin, away), (wide, aside) = fork(3.0, share)
    assert thin**3 + wide**3 == pytest.approx(27)
    assert thin <= wide < 3
    assert aside <= 0 <= away and away >= -aside
    assert math.cos(away) == pytest.approx((81 + thin**4 - wide**4) / (2 * 9 * thin**2))


@pytest.mark.parametrize("thickness", [2, 4, 7, 12])
def test_a_vessel_is_as_wide_as_asked_at_its_root_and_never_wider(thickness: int):
    tree = _trunk(thickness)
    found = nearest(tree.strokes, (256, 256))
    # The first few pixels lie before any fork; a slanted vessel is cut a little longer.
    window = np.s_[128 - thickness : 128 + thickness + 1, 4 : 4 + thickness]
    assert np.abs(found.inside[window].sum(axis=0) - thickness).max() <= 1
    assert found.cover()[window].sum(axis=0).mean() == pytest.approx(thickness, rel=0.1)
    assert tree.strokes.radii.max() == thickness / 2


def test_vessels_taper_to_ends_of_one_pixel():
    tree = _trunk(8)
    assert tree.strokes.radii.min() == FINEST
    assert (tree.strokes.radii[:, 1] <= tree.strokes.radii[:, 0]).all()
    assert np.allclose(tree.strokes.radii[:, 1], np.maximum(tree.radii, FINEST))


def test_all_vessels_hang_together():
    for seed in range(8):
        labels = draw(f"vessels({BARE})", 128, seed).labels
        count, _, stats, _ = cv2.connectedComponentsWithStats(labels, connectivity=8)
        top, left, width, height = stats[1:, 1], stats[1:, 0], stats[1:, 2], stats[1:, 3]
        # A part that seems apart comes back from beyond the border.
        inner = (top > 0) & (left > 0) & (top + height < 128) & (left + width < 128)
        assert not inner.any() or count == 2


def test_thicker_vessels_have_more_pixels_and_a_wider_middle():
    drawn = [draw(f"vessels(thickness={thickness},{BARE})", 192, 3).labels for thickness in (1, 3, 6, 12)]
    widest = [cv2.distanceTransform(labels, cv2.DIST_L2, 5).max() for labels in drawn]
    assert widest == sorted(widest) and len(set(widest)) == 4
    assert np.all(np.diff([labels.mean() for labels in drawn]) > 0)


def test_a_new_phantom_is_one_function_and_one_decorator():
    @phantoms.register("toy-disc", title="Disc", zh=Chinese("圆", "一个圆。"))
    def disc(
        side: int, seed: int, *, thickness: Annotated[float, Knob("Radius in pixels", "半径（像素）", 1.0, 9.0)] = 4.0
    ) -> Phantom:
        """One disc."""
        scene = Scene(side, seed)
        found = nearest(Outlines(np.full((1, 2), 8.0), np.array([thickness]), np.zeros((1, 1), complex)), scene.shape)
        return Phantom(scene.developed(found.cover(), 0.0), found.inside.astype(np.uint8))

    try:
        assert draw("toy-disc", 17, 0).labels.sum() == 45
        assert draw("toy-disc(thickness=1.5)", 17, 0).labels.sum() == 9
        with pytest.raises(UnknownChoice, match="thickness can be 1 to 9"):
            draw("toy-disc(thickness=10)", 17, 0)
    finally:
        phantoms.unregister("toy-disc")
