"""Phantom `organs`: a liver among other organs of similar brightness, as in a slice of computed tomography."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from unet_playground.phantoms.clutter import dots
from unet_playground.phantoms.shapes import Nearest, Outlines, nearest
from unet_playground.phantoms.slot import Clutter, Contrast, Floats, Noise, Phantom, Scene, Side, phantoms, smooth_field
from unet_playground.registry import Chinese, Knob

_AROUND = np.linspace(0, 2 * np.pi, 256, endpoint=False)
"""Directions in which outlines are made, from the columns' axis towards the rows'."""
_WAVES = 10
"""Waves of an outline: fewer would round off the liver's tip, more would keep the corners where it meets the wall."""
_WALL = 0.17
"""Thickness of the body's wall, as a part of half its height."""
_AIR, _FAT, _LIVER, _BONE = -1.0, 0.0, 1.0, 2.0
"""The scale on which tissues are painted; knobs say which grey value each step has."""
_SPINE = np.array(
    [  # down, right (in half heights and widths of the body), radius (in half heights), length, tilt in degrees
        (0.46, 0.00, 0.17, 0.08, 0),  # body of the vertebra
        (0.66, 0.10, 0.06, 0.35, 40),  # its arch, with room for the marrow
        (0.66, -0.10, 0.06, 0.35, -40),
        (0.80, 0.00, 0.06, 0.35, 90),  # its spine
    ]
)
_GAS = np.array([(-0.38, 0.44, 0.12, 0.25, 0), (-0.56, 0.15, 0.06, 0.15, 0)])
"""Gas in stomach and bowel; columns as above."""
_NEIGHBOURS = np.array(
    [  # down, right, radius, length, tilt as above, and the tissue
        (0.25, 0.66, 0.30, 0.20, 70, 0.95),  # spleen
        (0.22, 0.07, 0.10, 0.00, 0, 1.20),  # aorta
        (0.42, 0.36, 0.20, 0.18, 60, 1.25),  # left kidney
        (-0.25, 0.42, 0.28, 0.15, 30, 0.70),  # stomach
        (0.72, 0.20, 0.16, 0.20, 0, 0.75),  # muscles of the back
        (0.72, -0.20, 0.16, 0.20, 0, 0.75),
        (0.18, -0.12, 0.09, 0.10, 0, 1.10),  # vena cava
        (0.45, -0.36, 0.19, 0.18, -60, 1.20),  # right kidney
        (0.00, 0.20, 0.13, 0.20, -20, 0.90),  # pancreas
        (-0.55, 0.15, 0.14, 0.15, 0, 0.60),  # loops of bowel
        (-0.05, 0.62, 0.14, 0.15, 40, 0.65),
        (-0.50, -0.20, 0.12, 0.15, 0, 0.60),
    ]
)


@dataclass(frozen=True)
class Body:
    """A slice through the trunk.

    Attributes:
        centre: (row, column) in pixels.
        axes: Half its height and half its width, in pixels.
        outline: Its skin.
    """

    centre: Floats
    axes: Floats
    outline: Outlines

    @property
    def wall(self) -> float:
        """Thickness of its wall in pixels."""
        return _WALL * float(self.axes[0])


@phantoms.register(
    "organs",
    title="Organs",
    zh=Chinese(
        "器官",
        "身体横断面里的一个肝脏，周围的器官与它亮度相近。",
        "肝脏是一条星形凸轮廓，靠着体壁，右端变尖；面积等于以所给半径画的圆。像素中心在轮廓内就属于肝脏，"
        "所以掩膜是精确的。只看亮度分不开它与邻居：脾、肾、胃、血管、肌肉和肠都是软组织，要靠位置、大小和形状。"
        "身体充满画面，器官很大时画面只显示身体的一部分。杂物依次加入邻近的器官和骨骼，并让软组织的亮度越来越接近肝脏；"
        "还有体壁、气体、脂肪里的细条、肝内血管断面和缓慢的亮度变化。杂物为 0 时只有身体和肝脏。",
    ),
)
def organs(
    side: Side,
    seed: int,
    *,
    thickness: Annotated[float, Knob("Mean radius of the organ in pixels", "器官平均半径（像素）", 8.0, 80.0)] = 40.0,
    contrast: Contrast = 0.35,
    noise: Noise = 0.05,
    clutter: Clutter = 0.7,
) -> Phantom:
    """A liver among other organs of similar brightness, in a slice through a body.

    The liver is a star-convex outline that leans on the wall and ends in a tip; its area is that of a circle of the
    given radius. A pixel belongs to it when its centre lies inside, so the mask is exact. Brightness alone does not
    tell it from its neighbours: spleen, kidneys, stomach, vessels, muscles and bowel are soft tissue too, and what is
    left is place, size and shape. The body fills the picture; of one with a large organ only a part is seen. Clutter
    adds neighbours and bones one after another and makes soft tissue more alike; it also adds the wall, gas, strands
    in fat, vessels cut across in the liver, and a slow change of brightness. Without clutter there are body and liver.
    """
    scene = Scene(side, seed)
    body = _body(scene.objects, scene.shape, thickness)
    liver = nearest(_liver(scene.objects, body, thickness), scene.shape)
    tissue = _surroundings(scene, body, clutter)
    tissue = _painted(tissue, liver, _LIVER + clutter * _inner(scene, thickness))
    tissue += 0.06 * clutter * smooth_field(scene.clutter, scene.shape, 2 * thickness) * np.maximum(tissue, _FAT)
    fat = 0.15 * (1 - contrast)
    bone = fat + contrast + 0.8 * (1 - fat - contrast)
    pixels = np.interp(tissue, (_AIR, _FAT, _LIVER, _BONE), (0, fat, fat + contrast, bone))
    return Phantom(scene.developed(pixels, noise), liver.inside.astype(np.uint8))


def _body(rng: np.random.Generator, shape: tuple[int, int], thickness: float) -> Body:
    """A body as large as the picture allows, and larger where the organ needs it."""
    squash = rng.uniform(0.66, 0.8)
    wide = max(min(0.45 * shape[1], 0.45 * shape[0] / squash) * rng.uniform(0.85, 1.0), 2.3 * thickness)
    axes = wide * np.array([squash, 1.0])
    centre = (np.array(shape) - 1) / 2 + 0.04 * wide * rng.uniform(-1, 1, 2)
    # Between an ellipse and a rectangle.
    profile = ((np.abs(np.sin(_AROUND)) / axes[0]) ** 2.3 + (np.abs(np.cos(_AROUND)) / axes[1]) ** 2.3) ** (-1 / 2.3)
    return Body(centre, axes, _outline(centre, profile * _uneven(rng, 0.012)))


def _liver(rng: np.random.Generator, body: Body, thickness: float) -> Outlines:
    """A wedge that leans on the wall at the left of the picture, and ends in a tip across the spine."""
    place = rng.uniform((-0.15, -0.46), (0.05, -0.36))
    spine, tip = _bump(0.9, 3), _bump(rng.uniform(-0.6, -0.1), rng.uniform(3, 8))
    wedge = (0.85 + rng.uniform(0.3, 0.9) * tip - 0.35 * spine) * _uneven(rng, 0.05)
    wall = _to_wall(place * body.axes, body.axes - 1.15 * body.wall)
    reach = wedge.copy()
    # As much as the wall cuts off has to be gained elsewhere.
    for _ in range(20):
        reach *= thickness / np.sqrt((np.minimum(reach, wall) ** 2).mean())
    return _outline(body.centre + place * body.axes, np.minimum(reach, wall), thickness)


def _surroundings(scene: Scene, body: Body, amount: float) -> Floats:
    """Everything but the liver as tissue, (h, w): air, body, a share of the neighbours, wall and bones."""
    rng, shape = scene.clutter, scene.shape
    trunk = nearest(body.outline, shape)
    depth = np.maximum(-trunk.distance, -10)
    cavity = np.clip(0.5 + (depth - body.wall) / 1.5, 0, 1)
    flesh = np.clip(0.5 + (depth - body.wall / 4) / 1.5, 0, 1)
    strands = 0.15 * np.clip(smooth_field(rng, shape, body.wall / 4), 0, 2) * cavity
    tissue = _painted(np.full(shape, _AIR), trunk, _FAT) + amount * strands
    organs, levels = _neighbours(rng, body, amount)
    found = nearest(organs, shape)
    tissue = _painted(tissue, found, found.of(levels), cavity)
    tissue = _painted(tissue, nearest(_placed(rng, body, _GAS).first(round(2 * amount)), shape), _AIR, cavity)
    muscle = min(1.0, 2 * amount) * (flesh - cavity)
    tissue += muscle * (0.6 + 0.1 * smooth_field(rng, shape, body.wall) - tissue)
    bones = _placed(rng, body, np.concatenate([_SPINE, _ribs(rng, body)]))
    return _painted(tissue, nearest(bones.first(round(amount * len(bones.radii))), shape), _BONE, flesh)


def _neighbours(rng: np.random.Generator, body: Body, amount: float) -> tuple[Outlines, Floats]:
    """A share of the organs around the liver, the plainest first, and their tissue."""
    organs = _placed(rng, body, _NEIGHBOURS)
    levels = _NEIGHBOURS[:, 5] + rng.normal(0, 0.08, len(_NEIGHBOURS))
    # The more clutter, the more alike are soft organs and the liver.
    levels = np.where(levels > _FAT, _LIVER + (levels - _LIVER) * (1.3 - amount), levels)
    return organs.first(round(amount * len(levels))), levels


def _placed(rng: np.random.Generator, body: Body, table: Floats) -> Outlines:
    """Outlines in pixels of what a table lists, each a little off."""
    count = len(table)
    places = table[:, :2] + rng.normal(0, 0.02, (count, 2))
    radii = body.axes[0] * table[:, 2] * np.exp(rng.normal(0, 0.08, count))
    waves = 0.03 * (rng.normal(0, 1, (count, 4)) + 1j * rng.normal(0, 1, (count, 4)))
    long = table[:, 3] * np.exp(-2j * np.radians(table[:, 4] + rng.normal(0, 6, count)))
    waves[:, 1] += long
    # With the second term of an ellipse's series long shapes have no waist.
    waves[:, 3] += 0.75 * long**2
    return Outlines(body.centre + places * body.axes, radii, waves)


def _ribs(rng: np.random.Generator, body: Body) -> Floats:
    """Ribs within the wall, along it: rows as in `_SPINE`."""
    turns = np.radians(np.array([-150, -30, -170, -10, 170, 10, 148, 32, 125, 55]) + rng.normal(0, 4, 10))
    middle = 1 - 0.6 * body.wall / body.axes
    down, right = middle[0] * np.sin(turns), middle[1] * np.cos(turns)
    tilt = np.degrees(np.arctan2(body.axes[0] * np.cos(turns), -body.axes[1] * np.sin(turns)))
    return np.stack([down, right, np.full(10, 0.055), np.full(10, 0.4), tilt], axis=1)


def _inner(scene: Scene, thickness: float) -> Floats:
    """What makes the liver itself uneven, (h, w): vessels cut across, and a gradient."""
    room = scene.shape[0] * scene.shape[1] / thickness**2
    cuts = nearest(dots(scene.clutter, scene.shape, 0.07 * thickness, 3 * room, 1.0), scene.shape)
    return 0.3 * cuts.cover(3.0) + 0.05 * smooth_field(scene.clutter, scene.shape, thickness / 8)


def _painted(tissue: Floats, shapes: Nearest, level: float | Floats, within: float | Floats = 1.0) -> Floats:
    """`tissue` with shapes of `level` laid over it where `within` is 1."""
    cover = within * shapes.cover(1.5)
    return tissue * (1 - cover) + level * cover


def _outline(centre: Floats, profile: Floats, radius: float | None = None) -> Outlines:
    """The outline whose radius in 256 directions is `profile`, with corners rounded off.

    With `radius`, it is scaled to the area of a circle of that radius.
    """
    series = np.fft.rfft(profile)[: _WAVES + 1] / len(profile)
    mean, waves = series[0].real, 2 * series[1:] / series[0].real
    if radius is not None:
        mean = radius / np.sqrt(1 + (np.abs(waves) ** 2).sum() / 2)
    return Outlines(centre[None], np.array([mean]), waves[None])


def _to_wall(place: Floats, axes: Floats) -> Floats:
    """How far it is in 256 directions from `place` to an ellipse around the origin with half `axes`, in pixels."""
    start = place / axes
    ahead = np.stack([np.sin(_AROUND), np.cos(_AROUND)], axis=1) / axes
    slope, size = ahead @ start, (ahead**2).sum(axis=1)
    return (np.sqrt(slope**2 + size * (1 - (start**2).sum())) - slope) / size


def _bump(direction: float, sharpness: float) -> Floats:
    """1 towards `direction` (radians), less to the sides, in 256 directions."""
    return np.exp(sharpness * (np.cos(_AROUND - direction) - 1))


def _uneven(rng: np.random.Generator, amount: float) -> Floats:
    """A factor about 1 in 256 directions with a few random waves."""
    wave = np.arange(2, 6)[:, None]
    turns, sizes = 2 * np.pi * rng.random((4, 1)), amount * rng.normal(0, 2 / wave)
    return 1 + (sizes * np.cos(wave * _AROUND + turns)).sum(axis=0)
