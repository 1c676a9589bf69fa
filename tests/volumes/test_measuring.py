"""Measurements against shapes whose sizes are known from formulas."""

import csv
import io
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from unet_playground import Design, __version__
from unet_playground.errors import PlaygroundError, Text
from unet_playground.images.volumes import Volume
from unet_playground.model import Origin
from unet_playground.tasks import Label
from unet_playground.volumes.diameters import diameters
from unet_playground.volumes.measuring import Measured, measure, to_csv
from unet_playground.volumes.segmenting import VolumeSegmentation

LABELS = (Label(Text("background", "背景"), "#000000"), Label(Text("liver", "肝脏"), "#2fd0c0"))
CENTRE = np.array([13.0, -41.0, 507.0])


def rotation(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Turns about the axes by degrees, one after the other."""
    turned = np.eye(3)
    for axis, angle in enumerate(map(math.radians, (x, y, z))):
        one, other = (each for each in range(3) if each != axis)
        turn = np.eye(3)
        turn[[one, other], [one, other]] = math.cos(angle)
        turn[one, other], turn[other, one] = -math.sin(angle), math.sin(angle)
        turned = turn @ turned
    return turned


def grid(spacing: tuple[float, float, float], turned: NDArray[np.float64], reach: float) -> tuple[NDArray, NDArray]:
    """An affine around `CENTRE` and every voxel's place relative to it, (3, i, j, k) in mm."""
    steps = turned * np.array(spacing)
    sides = [2 * math.ceil(reach / step) + 3 for step in spacing]
    affine = np.eye(4)
    affine[:3, :3] = steps
    # Off the grid by some part of a voxel, so that no symmetry helps.
    affine[:3, 3] = CENTRE - steps @ (np.array(sides) / 2 + [0.13, 0.31, -0.23])
    return affine, np.einsum("ab,bijk->aijk", steps, np.indices(sides)) + (affine[:3, 3] - CENTRE)[:, None, None, None]


GRIDS: dict[str, tuple[tuple[float, float, float], NDArray]] = {
    "cubes": ((1.0, 1.0, 1.0), np.eye(3)),
    "flat": ((0.7, 0.8, 2.5), np.eye(3)),
    "left and back": ((0.9, 0.9, 1.5), np.diag([-1.0, -1.0, 1.0])),
    "sagittal": ((1.2, 0.8, 0.8), np.eye(3)[:, [1, 2, 0]]),
    "oblique": ((0.8, 0.8, 1.6), rotation(20, -15, 10)),
    "oblique and upside down": ((0.8, 1.0, 1.3), rotation(-12, 25, 8) @ np.diag([1.0, 1.0, -1.0])),
}
R, H = 30.0, 37.0


def ball(at: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.square(at).sum(0) <= R**2


def cylinder(at: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (np.hypot(at[0], at[1]) <= R) & (np.abs(at[2]) <= H)


def row_of(spacing: tuple[float, float, float], turned: NDArray, shape: Callable) -> tuple[Measured, tuple, NDArray]:
    """The class's row for a shape of 60 HU whose left half is 20 HU brighter."""
    affine, at = grid(spacing, turned, 48)
    inside = shape(at)
    values = np.where(inside, 60 + 20 * (at[0] < 0), -1000).astype(np.float32)
    return measure(Volume(values, affine, "HU"), inside.astype(np.uint8), LABELS).rows[0], spacing, inside


def check(row: Measured, volume: float, area: float, longest: float, across: float, pixel: float) -> None:
    """Volume and area within 1%, diameters within 1% or one voxel, values and place right."""
    assert row.size.volume == pytest.approx(volume, rel=0.01)
    assert row.size.area == pytest.approx(area, rel=0.01)
    assert row.size.diameters.longest == pytest.approx(longest, rel=0.01, abs=pixel)
    assert row.size.diameters.across == pytest.approx(across, rel=0.01, abs=pixel)
    assert row.values is not None and row.centroid is not None
    assert row.values.mean == pytest.approx(70, rel=0.01)
    assert row.values.sd == pytest.approx(10, rel=0.01)
    assert (row.values.low, row.values.high) == (60, 80)
    assert np.abs(np.array(row.centroid) - CENTRE).max() <= pixel / 2
    assert (row.components, row.number, row.title.en) == (1, 0, "liver")


@pytest.mark.parametrize("name", GRIDS)
def test_a_ball(name: str):
    row, spacing, _ = row_of(*GRIDS[name], ball)
    check(row, 4 / 3 * math.pi * R**3 / 1000, math.pi * R**2, 2 * R, 2 * R, max(spacing))


@pytest.mark.parametrize("name", ["cubes", "flat", "left and back", "sagittal"])
def test_a_cylinder_along_the_body(name: str):
    row, spacing, inside = row_of(*GRIDS[name], cylinder)
    affine, _ = grid(*GRIDS[name], 48)
    lengths = np.abs(affine[2, :3])
    height = np.count_nonzero(inside.any(tuple(np.flatnonzero(lengths == 0).tolist()))) * lengths.max()
    assert abs(height - 2 * H) <= lengths.max()
    check(row, math.pi * R**2 * height / 1000, math.pi * R**2, 2 * R, 2 * R, max(spacing))


@pytest.mark.parametrize("angle", [0, 17, 30, 45, 80])
def test_a_box_that_lies_at_an_angle_in_its_slices(angle: float):
    turned = rotation(0, 0, angle)
    half = np.array([20.25, 12.25, 25.0])  # at no angle do faces run through the centres of a row of voxels

    def box(at: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (np.abs(np.einsum("ba,bijk->aijk", turned, at)) <= half[:, None, None, None]).all(0)

    affine, at = grid((0.5, 0.5, 2.0), np.eye(3), 40)
    inside = box(at)
    values = np.full(inside.shape, 5, np.float32)
    row = measure(Volume(values, affine, "HU"), inside.astype(np.uint8), LABELS).rows[0]
    a, b = 2 * half[:2]
    diagonal = math.hypot(a, b)
    height = 2.0 * np.count_nonzero(inside.any((0, 1)))
    assert row.size.volume == pytest.approx(a * b * height / 1000, rel=0.01)
    assert row.size.area == pytest.approx(a * b, rel=0.01)
    assert row.size.diameters.longest == pytest.approx(diagonal, abs=0.5)
    # At right angles to the diagonal, from a corner of the short sides to the long side; a voxel from corner to corner.
    assert row.size.diameters.across == pytest.approx(b * diagonal / a, abs=math.hypot(0.5, 0.5))


def test_a_box_of_whole_voxels_is_exact():
    mask = np.zeros((30, 40, 20), np.uint8)
    mask[3:13, 5:29, 4:9] = 1
    values = np.arange(mask.size, dtype=np.float32).reshape(mask.shape)
    row = measure(Volume(values, np.diag([-2.0, 0.5, 3.0, 1.0])), mask, LABELS).rows[0]
    assert row.size.volume == pytest.approx(20 * 12 * 15 / 1000)
    assert row.size.area == pytest.approx(240)
    assert row.voxels == 10 * 24 * 5
    inside = values[mask == 1]
    assert row.values is not None
    assert row.values.mean == pytest.approx(inside.mean(dtype=np.float64))
    assert row.values.sd == pytest.approx(inside.std(dtype=np.float64))
    assert row.centroid == pytest.approx((-2 * 7.5, 0.5 * 16.5, 3 * 6.0))


def test_a_tilted_gantry_keeps_volume_and_area():
    affine, at = grid((0.8, 0.8, 2.0), np.eye(3), 40)
    sheared = affine.copy()
    sheared[1, 2] = 0.7  # every slice lies a little farther to the front than the one below
    where = np.einsum("ab,bijk->aijk", sheared[:3, :3], np.indices(at.shape[1:]))
    middle = where.reshape(3, -1).mean(1)
    inside = np.square(where - middle[:, None, None, None]).sum(0) <= 25.0**2
    row = measure(Volume(np.ones(inside.shape, np.float32), sheared), inside.astype(np.uint8), LABELS).rows[0]
    assert row.size.volume == pytest.approx(4 / 3 * math.pi * 25**3 / 1000, rel=0.01)
    assert row.size.area == pytest.approx(math.pi * 25**2, rel=0.01)
    assert row.size.diameters.longest == pytest.approx(50, abs=0.8)


ORIENTATIONS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_every_orientation_measures_the_same(axes: tuple[int, ...], signs: tuple[int, ...]):
    affine, at = grid((0.9, 1.1, 1.7), np.eye(3), 16)
    x, y, z = at
    inside = (np.square(x / 12) + np.square(y / 7) + np.square(z / 15) <= 1) & (x + y + z < 14)
    values = (at[0] + 2 * at[1] - at[2]).astype(np.float32)
    upright = measure(Volume(values, affine), inside.astype(np.uint8), LABELS).rows[0]
    turn = np.eye(4)[[*axes, 3]].T
    native, shown = inside.transpose(axes), values.transpose(axes)
    for i, sign in enumerate(signs):
        if sign < 0:
            native, shown = np.flip(native, i), np.flip(shown, i)
            turn = turn @ np.diag([-1.0 if n == i else 1.0 for n in range(3)] + [1.0])
            turn[:, 3] -= turn[:, i] * (native.shape[i] - 1)
    row = measure(Volume(shown, affine @ turn), native.astype(np.uint8), LABELS).rows[0]
    assert row.centroid == pytest.approx(upright.centroid)
    assert row.size.volume == pytest.approx(upright.size.volume)
    assert row.size.area == pytest.approx(upright.size.area)
    assert row.size.diameters.longest == pytest.approx(upright.size.diameters.longest)
    assert row.size.diameters.across == pytest.approx(upright.size.diameters.across)
    axis = axes.index(2)
    assert row.size.area_slice == (
        upright.size.area_slice if signs[axis] > 0 else native.shape[axis] - 1 - upright.size.area_slice
    )


def two_parts() -> NDArray[np.uint8]:
    """A large box, a small one that touches nothing, and a voxel that touches the small one by a corner."""
    mask = np.zeros((20, 20, 10), np.uint8)
    mask[2:10, 2:12, 2:8] = 1
    mask[14:17, 14:16, 3:5] = 1
    mask[17, 16, 5] = 1
    return mask


def test_objects_are_counted_with_corners_and_listed_by_size():
    volume = Volume(np.zeros((20, 20, 10), np.float32), np.eye(4))
    whole, large, small = measure(volume, two_parts(), LABELS).rows
    assert (whole.components, whole.voxels) == (2, 8 * 10 * 6 + 13)
    assert (large.number, large.voxels, small.number, small.voxels) == (1, 480, 2, 13)
    assert whole.size.diameters == large.size.diameters
    assert small.size.area_slice == 3
    assert large.size.volume + small.size.volume == pytest.approx(whole.size.volume)


def test_without_spacing_there_are_no_millimetres():
    mask = two_parts()
    volume = Volume(np.zeros(mask.shape, np.float32), np.diag([0.7, 3.0, -2.0, 1.0]), spaced=False)
    table = measure(volume, mask, LABELS)
    row = table.rows[1]
    assert row.size.volume == 480 and row.size.area == 80
    assert row.size.diameters.longest == pytest.approx(math.hypot(8, 9), abs=1)
    assert row.centroid == pytest.approx((5.5, 6.5, 4.5))
    names = to_csv(table).splitlines()[1]
    assert "mm" not in names and "ml" not in names
    assert "volume_voxels" in names and "longest_axial_diameter_px" in names


def test_a_class_without_voxels_has_a_row_of_nothing():
    table = measure(Volume(np.zeros((4, 4, 4), np.float32), np.eye(4)), np.zeros((4, 4, 4), np.uint8), LABELS)
    (row,) = table.rows
    assert (row.voxels, row.components, row.size.volume, row.values, row.centroid) == (0, 0, 0, None, None)
    assert "nan" not in to_csv(table)


def ramp() -> VolumeSegmentation:
    """Probability that falls by 0.1 a voxel along i; the mask is where it is above a half."""
    chance = np.clip(0.95 - np.arange(20) / 10, 0, 1)[:, None, None] * np.ones((20, 6, 4))
    foreground = np.rint(255 * chance).astype(np.uint8)[None]
    return VolumeSegmentation((chance > 0.5).astype(np.uint8), foreground, Design(), Origin("liver", "solo", "ab12"))


def test_ranges_span_what_could_as_well_have_been_chosen():
    found = ramp()
    volume = Volume(np.zeros((20, 6, 4), np.float32), np.eye(4), "HU")
    fewer, more = np.zeros((20, 6, 4), np.uint8), found.mask.copy()
    fewer[:2], more[:9] = 1, 1
    others = [VolumeSegmentation(mask, found.foreground, Design(skip="add"), found.origin) for mask in (fewer, more)]
    row = measure(volume, found.mask, LABELS, found=found, views=others[:1], designs=others).rows[0]
    threshold, views, designs = row.doubts
    assert threshold.volume == pytest.approx((3 * 24 / 1000, 7 * 24 / 1000))
    assert threshold.area == (3 * 6, 7 * 6)
    assert views.volume == pytest.approx((2 * 24 / 1000, 5 * 24 / 1000))
    assert designs.volume == pytest.approx((2 * 24 / 1000, 9 * 24 / 1000))
    assert [doubt.id for doubt in row.doubts] == ["threshold", "views", "designs"]
    assert threshold.diameter[0] < row.size.diameters.longest < threshold.diameter[1]
    drawn = np.ones((20, 6, 4), np.uint8)
    edited = measure(volume, drawn, LABELS, found=found, views=others[:1], designs=others, edited=True).rows[0]
    assert edited.doubts == row.doubts and edited.size.volume > row.size.volume


def test_the_csv_says_what_made_it_and_what_it_is_not_for():
    found = ramp()
    volume = Volume(np.full((20, 6, 4), 41, np.float32), np.eye(4), "HU")
    text = to_csv(measure(volume, found.mask, LABELS, found=found, edited=True))
    head, *rows = text.splitlines()
    assert head.startswith("# Research and teaching only; not a medical device; not for diagnosis.")
    assert __version__ in head and "sha256 ab12" in head and found.design.to_link() in head and "edited" in head
    whole, *_ = csv.DictReader(io.StringIO("\n".join(rows)))
    assert (whole["class"], whole["object"], whole["mean_HU"]) == ("liver", "all", "41")
    assert float(whole["volume_ml"]) == pytest.approx(5 * 24 / 1000)
    assert float(whole["volume_ml_threshold_max"]) == pytest.approx(7 * 24 / 1000)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(PlaygroundError, match="3 x 4 x 5 voxels, the volume 4 x 4 x 4"):
        measure(Volume(np.zeros((4, 4, 4), np.float32), np.eye(4)), np.zeros((3, 4, 5), np.uint8), LABELS)


def test_diameters_of_one_pixel_and_of_a_line():
    one = diameters(np.ones((1, 1), bool), np.diag([2.0, 2.0]), 4)
    assert (one.longest, one.across, one.slice) == (2, pytest.approx(2), 4)
    line = diameters(np.ones((9, 1), bool), np.diag([1.0, 3.0]), 0)
    assert line.longest == pytest.approx(9) and line.across == pytest.approx(3)
