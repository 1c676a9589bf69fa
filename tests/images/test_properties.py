"""Whatever bytes, arrays and links come: a sound picture or design, or one sentence."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sample_files import whole_files

from unet_playground import Design, Picture, PlaygroundError
from unet_playground.images.arrays import MAGIC
from unet_playground.images.kinds import decode
from unet_playground.images.wire import put_together, taken_apart
from unet_playground.limits import Limits
from unet_playground.space import draw

_WHOLE = whole_files()
_SMALL = Limits(pixels=100_000, decoded_bytes=2_000_000)
_HEADS = (b"", b"BM", b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", MAGIC, b"\x1f\x8b\x08")
_NUMBERS = st.sampled_from(["bool", "uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64"])
quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def _or_refusal(make: Callable[[], Any]) -> Any:
    """What is made; None where it is refused in a sentence of both languages."""
    refused = None
    try:
        return make()
    except PlaygroundError as error:
        refused = error.text
    assert refused.en.endswith((".", "?")) and "\n" not in refused.en and re.search(r"[\u4e00-\u9fff]", refused.zh)
    return None


def _holds(data: bytes) -> None:
    if picture := _or_refusal(lambda: decode(data, _SMALL)):
        _sound(picture)


def _sound(picture: Picture) -> None:
    pixels = picture.pixels
    assert pixels.flags.c_contiguous and pixels.shape[2:] in ((), (3,)) and pixels.size > 0
    assert pixels.dtype in (np.uint8, np.float32) and np.isfinite(pixels).all()
    assert pixels.dtype == np.uint8 or (pixels.min() >= 0 and pixels.max() <= 1)
    if picture.values is not None:
        assert picture.values.shape == pixels.shape[:2] and np.isfinite(picture.values).all()
    again = put_together(*taken_apart(picture))
    assert np.array_equal(again.pixels, pixels) and again.notes == picture.notes and again.spacing == picture.spacing


@quick
@given(st.sampled_from(_HEADS), st.binary(max_size=2000))
def test_any_bytes(head: bytes, rest: bytes):
    _holds(head + rest)


@pytest.mark.parametrize("kind", _WHOLE)
@quick
@given(
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=4)), max_size=6),
    cut=st.integers(0, 40),
)
def test_damaged_files(kind: str, edits: list[tuple[int, bytes]], cut: int):
    data = bytearray(_WHOLE[kind])
    for place, bytes_ in edits:
        at = place % len(data)
        data[at : at + len(bytes_)] = bytes_
    _holds(bytes(data[: len(data) - cut]))


@quick
@given(_NUMBERS.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6))))
def test_any_array(array: np.ndarray):
    if picture := _or_refusal(lambda: Picture.from_array(array)):
        _sound(picture)


@quick
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.sampled_from([4, 8, 16]))
def test_links_and_json_give_the_design_back(chance: Any, depth: int, width: int):
    design = draw(chance, base=Design(depth=depth, width=width))
    assert Design.from_link(design.to_link()) == design and Design.from_json(design.to_json()) == design
    read, faults = Design.read_link(design.to_link())
    assert read == design and faults == ()


@quick
@given(
    st.text(max_size=80)
    | st.from_regex(
        r"(down|block|skip|attention|site|up|depth|width|dims)=[\w,()=/%-]{0,20}(&[a-z]+=\w*)?", fullmatch=True
    )
)
def test_any_link(text: str):
    if design := _or_refusal(lambda: Design.from_link(text)):
        assert Design.from_link(design.to_link()) == design
    read, _ = Design.read_link(text)
    assert isinstance(read, Design)
