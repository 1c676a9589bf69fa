"""What the browser draws is what was computed: exact labels, values within half a step of their range."""

import base64

import cv2
import numpy as np
import pytest

from unet_playground import Picture
from unet_playground.analysis import AttentionMaps, Attribution, EffectiveField, Target
from unet_playground.analysis.attention import Activation, AttentionMap, Replaced
from unet_playground.inference import Segmentation
from unet_playground.receptive_field import Field
from unet_playground.ui import texts
from unet_playground.ui.layers import address, layer, prediction, tables

RNG = np.random.default_rng(0)
PICTURE = Picture.from_array(RNG.integers(0, 256, (24, 32), dtype=np.uint8))
BOTH = pytest.mark.parametrize("language", ["en", "zh"])


def _pixels(url: str) -> np.ndarray:
    kind, _, coded = url.partition(",")
    assert kind == "data:image/png;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return decoded


def test_a_picture_comes_back_exactly():
    gray, color = RNG.integers(0, 256, (5, 7), dtype=np.uint8), RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(_pixels(address(gray)), gray)
    assert np.array_equal(_pixels(address(color))[..., ::-1], color)


def test_masks_are_exact_and_probabilities_within_half_a_step():
    probability = RNG.dirichlet(np.ones(3), (24, 32)).transpose(2, 0, 1).astype(np.float32)
    one = Segmentation(probability.argmax(0).astype(np.uint8), probability)
    other = Segmentation(np.zeros_like(one.mask), probability)
    drawn = prediction(one, other, one.mask)
    assert np.array_equal(_pixels(drawn["mask"]), one.mask)
    assert np.array_equal(_pixels(drawn["truth"]), one.mask)
    assert not _pixels(drawn["other"]).any()
    blue_green_red = _pixels(drawn["probability"]) / 255
    np.testing.assert_allclose(blue_green_red[..., 2], probability[1], atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(blue_green_red[..., 1], probability[2], atol=0.5 / 255 + 1e-6)
    assert prediction(one, None, None) | {"probability": ""} == {
        "mask": drawn["mask"],
        "other": None,
        "truth": None,
        "probability": "",
    }


@BOTH
def test_every_gate_has_its_own_range_its_check_and_its_place_in_the_image(language: str):
    values = RNG.uniform(0, 2, (6, 8)).astype(np.float32)
    tried = {"mean": Replaced(1.0, None), "ones": Replaced(0.75, None), "shuffle": Replaced(1.0, None)}
    maps = (AttentionMap("skip.2.spatial", values, 2.0, tried), AttentionMap("skip.2.channel", values[0], 2.0, {}))
    spatial, channel = layer(AttentionMaps(Target(), maps), PICTURE, language)["maps"]
    np.testing.assert_allclose(_pixels(spatial["image"]) / 255 * 2, values, atol=1 / 255 + 1e-6)
    assert (spatial["scale"], spatial["low"], spatial["high"]) == (4, "0", "2")
    assert spatial["colors"] == "signed"
    assert "0.750" in spatial["check"]
    assert channel["bars"] == pytest.approx(values[0].tolist(), abs=1e-4)
    assert channel["check"] == texts.UNCHECKED.within(language)


@BOTH
def test_what_stands_in_for_attention_says_so(language: str):
    activation = Activation("bottleneck", np.ones((3, 4), np.float32), 5.0)
    (only,) = layer(AttentionMaps(Target(), (), activation), PICTURE, language)["maps"]
    assert "Seg-Grad-CAM" in only["title"]
    assert (only["scale"], only["colors"]) == (8, "sizes")


def test_a_field_has_its_box_and_its_radii_in_pixels():
    energy = np.zeros((24, 32), np.float32)
    energy[3, 4], energy[3, 5] = 1, 0.25
    drawn = layer(EffectiveField((3, 4), energy, Field((0, 1), (9, 10), ()), 2.0, 5.0, 0.0), PICTURE, "en")
    assert _pixels(drawn["image"])[3, 4:6].tolist() == [255, 128]
    assert (drawn["box"], drawn["radii"], drawn["point"]) == ([0, 1, 9, 10], [2.0, 5.0], [3, 4])


def test_an_attribution_is_symmetric_around_its_middle_colour():
    values = np.zeros((24, 32), np.float32)
    values[0], values[1] = 4.0, -4.0
    drawn = layer(Attribution(Target(), values, 0.0, 8), PICTURE, "en")
    assert (drawn["bottom"], drawn["top"]) == (-4.0, 4.0)
    assert [row[0] for row in _pixels(drawn["image"])[:3]] == [255, 0, 128]
    assert "99.5th percentile" in drawn["unit"]


def test_what_has_no_layer_is_named():
    with pytest.raises(TypeError, match="int"):
        layer(3, PICTURE, "en")


def test_colour_maps_have_256_colours():
    for colors in tables().values():
        assert len(colors) == 6 * 256
    signed = tables()["signed"]
    assert signed[:6] == "1b5fd0"
    assert signed[-6:] == "c75b00"
