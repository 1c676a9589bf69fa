"""Limits come from the environment, are written down, and are named by every refusal."""

import dataclasses
from pathlib import Path

import pytest

from unet_playground.errors import PlaygroundError, UnreadableImage
from unet_playground.limits import Limits, listed

README = Path(__file__).parent.parent / "README.md"


def test_every_limit_stands_in_the_readme():
    written = README.read_text("utf-8")
    for variable, about, public, local in listed():
        assert f"| `{variable}` | {about} | {public} | {local} |" in written


def test_a_profile_sets_all_limits_and_a_variable_one(monkeypatch: pytest.MonkeyPatch):
    assert Limits.from_environment() == Limits()
    monkeypatch.setenv("UNET_PLAYGROUND_PROFILE", "local")
    local = Limits.from_environment()
    for one in dataclasses.fields(Limits):
        assert getattr(local, one.name) >= getattr(Limits(), one.name)
    assert local.file_bytes == 500_000_000 and local.pixels == Limits().pixels
    for variable, *_ in listed():
        monkeypatch.setenv(variable, "3")
    for one in dataclasses.fields(Limits):
        assert getattr(Limits.from_environment(), one.name) == 3 * one.metadata["unit"]


def test_what_is_no_limit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    for variable, *_ in listed():
        for wrong in ("many", "", "nan", "inf", "-1", "0"):
            monkeypatch.setenv(variable, wrong)
            with pytest.raises(PlaygroundError, match=variable):
                Limits.from_environment()
        monkeypatch.delenv(variable)
    monkeypatch.setenv("UNET_PLAYGROUND_PROFILE", "generous")
    with pytest.raises(PlaygroundError, match="public or local"):
        Limits.from_environment()


def test_a_refusal_names_what_was_given_and_what_is_allowed():
    limits = Limits()
    for check, said in (
        (lambda: limits.check_size("PNG", 13300, 13300), "is 13300 x 13300 px (177 Mpx); the limit is 16.7 Mpx"),
        (lambda: limits.check_size("TIFF", 4000, 4000, 32), "needs 512 MB when decoded; the limit is 256 MB"),
        (lambda: limits.check_file(26_000_000), "is 26 MB; the limit is 25 MB"),
        (lambda: limits.check_frames("GIF", 600), "has 600 frames; the limit is 512"),
    ):
        with pytest.raises(UnreadableImage) as caught:
            check()
        assert said in caught.value.text.en and caught.value.text.zh.endswith("。未保留任何内容。")
    limits.check_size("PNG", 4096, 4077)
