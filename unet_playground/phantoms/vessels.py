"""Phantom `vessels`: a dark branching tree on a bright ground, as in the green channel of a fundus photograph."""

import math
from typing import Annotated

import numpy as np

from unet_playground.phantoms.clutter import dots, streaks
from unet_playground.phantoms.shapes import Nearest, Outlines, nearest
from unet_playground.phantoms.slot import Clutter, Contrast, Floats, Noise, Phantom, Scene, Side, phantoms, smooth_field
from unet_playground.phantoms.tree import FINEST, Sprout, Tree, grow
from unet_playground.registry import Chinese, Knob, Paper

_DIRECTIONS = (
    *((-62, 1.0), (-84, 0.75), (60, 0.95), (80, 0.75), (-118, 0.6), (122, 0.65)),
    *((-20, 0.4), (165, 0.45), (25, 0.4), (-160, 0.4)),
)
"""Where trunks leave the root, in degrees from the side with more room, and their radius relative to the widest."""


@phantoms.register(
    "vessels",
    title="Vessels",
    formula=r"$r_0^3 = r_1^3 + r_2^3$",
    paper=Paper("Murray", 1926, "The Physiological Principle of Minimum Work", "doi:10.1073/pnas.12.3.207"),
    zh=Chinese(
        "血管",
        "从视盘长出、逐级分叉变细的暗色血管树。",
        "画成灰度图，相当于眼底照片的绿色通道：血管在绿光下对比最强。分叉服从默里定律：主干半径的立方等于两支半径的立方之和，"
        "分叉角度由最小功得出；血管蜿蜒前行，细支在碰到别的血管之前停下。像素中心到中心线的距离小于半径就属于血管，"
        "所以掩膜是精确的；末端至少画成一个像素宽，细血管和动脉的对比较弱。"
        "杂物是视盘、不均匀的光、亮斑、出血点、脉络膜暗带、神经纤维亮线和血管中央的反光，都不属于掩膜。",
    ),
)
def vessels(
    side: Side,
    seed: int,
    *,
    thickness: Annotated[float, Knob("Widest vessel in pixels", "最粗血管的直径（像素）", 1.0, 12.0)] = 5.0,
    contrast: Contrast = 0.25,
    noise: Noise = 0.02,
    clutter: Clutter = 0.4,
) -> Phantom:
    """A dark tree of vessels that leaves an optic disc, forks and gets thinner.

    It is gray, as the green channel of a fundus photograph, where vessels stand out most. At every fork Murray's law
    holds, the cubes of both branches' radii add up to that of their vessel, and the angles are those of least work. A
    vessel winds, and a thin one ends where it would meet another. A pixel belongs to a vessel when its centre is closer
    to the middle line than the radius there, so the mask is exact; ends are drawn at least one pixel wide, and thin
    vessels and arteries have less contrast. Clutter is the disc, uneven light, bright spots, bleedings, dark bands of
    the choroid, bright nerve fibres and the reflex along wide vessels, none of them in the mask.
    """
    scene = Scene(side, seed)
    root, trunks = _trunks(scene, thickness / 2)
    tree = grow(scene.objects, scene.shape, trunks)
    found = nearest(tree.strokes, scene.shape)
    ground = 0.4 + 0.6 * contrast
    light = ground * _light(scene, root, thickness, clutter)
    # Blood takes away a part of the light: over the bright disc a vessel takes more than in a dim corner.
    absorbed = contrast / ground * found.cover() * _strength(tree, found, clutter)
    return Phantom(scene.developed(light * (1 - absorbed), noise), found.inside.astype(np.uint8))


def _trunks(scene: Scene, widest: float) -> tuple[Floats, list[Sprout]]:
    """The root (row, column) and the vessels that leave it, the first of them `widest` pixels in radius."""
    rng, side = scene.objects, max(scene.shape)
    mirrored = rng.random() < 0.5
    place = rng.uniform((0.4, 0.15), (0.6, 0.35))
    root = np.array(scene.shape) * ((place[0], 1 - place[1]) if mirrored else place)
    trunks = []
    for kind, (degrees, size) in enumerate(_DIRECTIONS):
        angle = math.radians(degrees + rng.normal(0, 8))
        # Arcades turn back to the middle, as those around a macula do.
        bend = -math.copysign(rng.uniform(0.1, 1.1), angle) * max(math.cos(angle), -0.2) / side
        radius = widest * (size * rng.uniform(0.85, 1.0) if kind else 1.0)
        if mirrored:
            angle, bend = math.pi - angle, -bend
        start = root + 0.7 * widest * np.array([math.sin(angle), math.cos(angle)])
        trunks.append(Sprout(start, angle, radius, bend, kind))
    return root, trunks


def _strength(tree: Tree, found: Nearest, clutter: float) -> Floats:
    """How much of the full contrast the vessel at a pixel has, (h, w): thin ones and arteries less than wide veins."""
    thin = 0.65 + 0.35 * np.clip(tree.radii - FINEST, 0, 1)
    artery = tree.kinds % 2 == 1
    strength = found.of(thin * np.where(artery, 0.85, 1.0))
    # Light that wide vessels throw back from their middle.
    radius = np.maximum(found.of(tree.radii), FINEST)
    middle = np.clip(1 - (found.distance + radius) / (0.45 * radius), 0, 1)
    reflex = 0.6 * min(1.0, 2 * clutter) * np.clip((radius - 1.2) / 2, 0, 1) * np.where(found.of(artery * 1.0), 1, 0.5)
    return strength * (1 - reflex * middle)


def _light(scene: Scene, root: Floats, thickness: float, amount: float) -> Floats:
    """Light of the ground, about 1, (h, w): optic disc, uneven light, mottling, bright and dark spots, streaks."""
    rng, shape, side = scene.clutter, scene.shape, max(scene.shape)
    disc = _disc(rng, shape, root, max(3.5 * thickness, 0.08 * side))
    mottle = 0.05 * smooth_field(rng, shape, side / 4) + 0.04 * smooth_field(rng, shape, 2 + side / 40)
    room = shape[0] * shape[1] / 256
    bright = nearest(dots(rng, shape, 1 + thickness / 5, room / 9, amount), shape)
    dark = nearest(dots(rng, shape, 0.8 + thickness / 5, room / 12, amount), shape)
    bands = nearest(streaks(rng, shape, 0.6 * thickness, 7, amount, 0.04), shape, thickness / 2)
    fibres = nearest(streaks(rng, shape, 0.6, 6, amount, 0.015), shape)
    rows, columns = (np.linspace(-1, 1, count) for count in shape)
    spots = 0.3 * bright.cover(1.5) - 0.25 * dark.cover(1.5) - 0.12 * bands.cover(thickness) + 0.15 * fibres.cover(2)
    dim = 0.25 * amount * np.add.outer(rows**2, columns**2)
    return (1 + amount * mottle + spots - dim) * (1 + 0.5 * min(1.0, 2.5 * amount) * disc)


def _disc(rng: np.random.Generator, shape: tuple[int, int], root: Floats, radius: float) -> Floats:
    """The optic disc: 0 outside, 0.6 inside and 1 in its cup, (h, w)."""
    waves = np.array([[0.0, 0.06 * np.exp(2j * np.pi * rng.random())]])
    rim = nearest(Outlines(root[None], np.array([radius]), waves), shape, 0.2 * radius)
    cup = nearest(Outlines(root[None], np.array([0.45 * radius]), waves), shape, 0.2 * radius)
    return 0.6 * rim.cover(0.3 * radius) + 0.4 * cup.cover(0.4 * radius)
