"""Random views: labels follow their image, and a view depends on the seed and its number alone."""

import numpy as np
import pytest
import torch

from tests.training.scenes import cube, scene
from unet_playground.training.augment import Views
from unet_playground.training.datasets import Example


def _example(side: int = 40, classes: int = 2) -> Example:
    image, labels = scene(1, side=side)
    tall = np.stack([image / 255] * 3).astype(np.float32)
    return Example("a", torch.from_numpy(tall), torch.from_numpy(np.minimum(labels, classes - 1).astype(np.uint8)))


@pytest.mark.parametrize("turns", [True, False])
@pytest.mark.parametrize("side", [16, 32, 64])
def test_labels_follow_their_image(side: int, turns: bool):
    views = Views([_example()], side, turns)
    gaps = []
    for number in range(30):
        image, labels = views[number]
        assert image.shape == (3, side, side)
        assert labels.shape == (side, side)
        assert labels.dtype == torch.int64
        inside, outside = image[0][labels == 1], image[0][labels == 0]
        if min(len(inside), len(outside)) > 20:
            gaps.append(float(inside.mean() - outside.mean()))
    assert len(gaps) > 10
    assert min(gaps) > 0.15


def test_no_class_is_invented_on_the_way():
    views = Views([_example(classes=3)], 24)
    assert {int(value) for number in range(20) for value in views[number][1].unique()} == {0, 1, 2}


def test_a_view_depends_on_seed_and_number_alone():
    one, same, other = (Views([_example(), _example(50)], 16, seed=seed) for seed in (3, 3, 4))
    same[0]
    for number in (5, 2):
        assert torch.equal(one[number][0], same[number][0])
        assert torch.equal(one[number][1], same[number][1])
        assert not torch.equal(one[number][0], other[number][0])
    images, labels = one.batch(range(4, 7))
    assert images.shape == (3, 3, 16, 16) and labels.shape == (3, 16, 16)
    assert torch.equal(images[1], one[5][0])
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_where_orientation_matters_nothing_is_turned_or_mirrored():
    """The brighter end of a scene stays above in every view of at most 15 degrees."""
    image = torch.linspace(0.9, 0.1, 60)[None, :, None].expand(1, 60, 60).contiguous()
    upright = Example("a", image, torch.zeros(60, 60, dtype=torch.uint8))
    for number in range(30):
        view = Views([upright], 40, turns=False)[number][0][0]
        assert view[12:18, 15:25].mean() > view[22:28, 15:25].mean()
    turned = [Views([upright], 40)[number][0][0] for number in range(30)]
    assert any(view[5:15, 15:25].mean() < view[25:35, 15:25].mean() for view in turned)


def test_beyond_the_border_an_upright_scene_ends_and_another_is_mirrored():
    bright = Example("a", torch.full((1, 20, 20), 0.9), torch.ones(20, 20, dtype=torch.uint8))
    assert all((Views([bright], 64, turns=True)[number][1] == 1).all() for number in range(5))
    assert all((Views([bright], 64, turns=False)[number][1] == 0).any() for number in range(5))


def _whole(seed: int = 0) -> Example:
    values, labels = cube(seed, (24, 20, 28))
    return Example("v", torch.from_numpy(values / 320)[None], torch.from_numpy(labels))


@pytest.mark.parametrize("side", [16, 24])
def test_labels_of_a_volume_follow_it(side: int):
    views, seen = Views([_whole()], side, turns=False, mirrors=True), set()
    for number in range(20):
        image, labels = views[number]
        assert image.shape == (1, side, side, side)
        assert labels.shape == (side, side, side) and labels.dtype == torch.int64
        seen |= set(labels.unique().tolist())
        inside, outside = image[0][labels > 0], image[0][labels == 0]
        assert min(len(inside), len(outside)) > 100
        assert inside.mean() - outside.mean() > 0.15
    assert seen == {0, 1, 2}
    images, labels = views.batch(range(2))
    assert torch.equal(images[1], views[1][0]) and labels.shape == (2, side, side, side)
    assert images.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("mirrors", [False, True])
def test_only_left_and_right_change_places_and_only_where_they_may(dims: int, mirrors: bool):
    """A ramp along every axis: along the last one it turns round in about half of the views, along others never."""
    turned = []
    for axis in range(dims):
        ramp = torch.linspace(0.1, 0.9, 30).view(*(30 if one == axis else 1 for one in range(dims)))
        example = Example("a", ramp.expand(*[30] * dims)[None].contiguous(), torch.zeros(*[30] * dims).byte())
        views = Views([example], 20, turns=False, mirrors=mirrors)
        middles = [views[number][0][0].movedim(axis, 0)[:, *[slice(8, 12)] * (dims - 1)] for number in range(40)]
        turned.append(sum(float(one[5:8].mean()) > float(one[12:15].mean()) for one in middles))
    assert turned[:-1] == [0] * (dims - 1)
    assert 10 < turned[-1] < 30 if mirrors else turned[-1] == 0
