"""How a volume goes to the browser and a correction comes back, whatever order the axes of the file have."""

import base64
import copy
import gzip
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gradio as gr
import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff

from tests.volumes.volume_samples import PATIENT, PLACE
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, UnreadableImage
from unet_playground.images.volumes import Volume
from unet_playground.model import Origin
from unet_playground.tasks import tasks
from unet_playground.ui import study
from unet_playground.ui.rooms.volume import VolumeRoom, tables
from unet_playground.ui.study import (
    Answer,
    Desk,
    Reading,
    Study,
    drawable,
    of_example,
    of_files,
    packed,
    remarks,
    shown,
    unpacked,
    windows,
)
from unet_playground.volumes.measuring import Table, measure, to_csv
from unet_playground.volumes.segmenting import VolumeSegmentation

LOADING = """
let library = null;
const LIBRARY = "/vendor/x.js", words = { network: "The network failed." }, window = { niivue: "viewer" }, asked = [];
const make = (tag, told) => ({ ...told, remove() {} }), document = { head: { append: (script) => asked.push(script) } };
%s
(async () => {
  const first = loaded().catch((error) => error.message);
  asked[0].onerror({});
  const second = loaded();
  asked[1]?.onload();
  console.log(await first, await second.catch(() => "nothing"), loaded() === second);
})();
"""
CODES = ["RAS", "LPS", "SLA", "PIR", "ILP"]


def _volume(codes: str = "RAS") -> Volume:
    """Three sides that differ, every voxel another number, axes in an order."""
    shape = (5, 6, 7)
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) @ inv_ornt_aff(axcodes2ornt(codes), shape)
    return Volume(np.arange(210, dtype=np.float32).reshape(shape), affine)


def _text(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data)).decode()


@pytest.mark.parametrize("codes", CODES)
def test_every_voxel_is_shown_where_the_file_has_it(codes: str):
    volume = _volume(codes)
    seen = shown(volume)
    assert nibabel.orientations.aff2axcodes(seen.affine) == ("R", "A", "S")
    for at in np.ndindex(seen.values.shape):
        there = np.linalg.inv(volume.affine) @ seen.affine @ [*at, 1]
        assert volume.values[tuple(np.rint(there[:3]).astype(int))] == seen.values[at]


@pytest.mark.parametrize("codes", CODES)
def test_a_mask_comes_back_as_it_went(codes: str):
    volume = _volume(codes)
    mask = (volume.values % 3).astype(np.uint8)
    assert np.array_equal(unpacked(packed(mask, volume), volume, 3), mask)
    x_fastest = np.frombuffer(gzip.decompress(base64.b64decode(packed(mask, volume))), np.uint8)
    seen = volume.canonical(mask)
    assert np.array_equal(x_fastest.reshape(seen.shape, order="F"), seen)


FALSE = {
    "empty": "",
    "letters": "no base64!",
    "bytes": base64.b64encode(b"no gzip").decode(),
    "short": _text(bytes(209)),
    "long": _text(bytes(211)),
    "bomb": _text(bytes(10**7)),
    "class": _text(b"\3" * 210),
}


@pytest.mark.parametrize("text", FALSE.values(), ids=FALSE)
def test_what_is_no_mask_of_the_volume_is_refused_in_one_sentence(text: str):
    with pytest.raises(UnreadableImage, match="no mask of the volume") as caught:
        unpacked(text, _volume(), 3)
    assert caught.value.text.en.endswith("Nothing was kept.") and caught.value.text.zh.endswith("。")


def test_a_large_volume_is_shown_coarser_says_so_and_is_not_corrected(monkeypatch: pytest.MonkeyPatch):
    volume = _volume("LPS")
    assert Study(volume, "").editable
    monkeypatch.setattr(study, "LARGEST_SHOWN", 100)
    seen = shown(volume)
    assert 2 * seen.values.size <= 100 and not Study(volume, "").editable
    assert any("coarser" in note for note in remarks(volume, "en"))
    corner = np.linalg.inv(volume.affine) @ seen.affine @ [1, 1, 1, 1]
    assert volume.values[tuple(np.rint(corner[:3]).astype(int))] == seen.values[1, 1, 1]
    with pytest.raises(UnreadableImage):
        unpacked(_text(bytes(210)), volume, 3)


def test_whole_numbers_go_in_two_bytes_and_others_as_they_are():
    assert drawable(np.array([-1024, 3071], np.float32)).dtype == np.int16
    for values in ([0.5], [40_000], [np.nan]):
        given = np.array(values, np.float32)
        assert drawable(given) is given


def test_hounsfield_units_begin_with_soft_tissue_and_others_with_what_they_span():
    volume = _volume()
    assert windows(volume, "en")[0]["title"] == "automatic"
    one = windows(Volume(volume.values, volume.affine, units="HU"), "zh")[0]
    assert (one["title"], one["width"], one["centre"]) == ("软组织", 400, 40)
    air = Volume(volume.values - 1000, volume.affine)
    assert windows(air, "en")[0]["title"] == "soft tissue"  # no file of NIfTI says that its numbers are HU
    assert windows(Volume(np.zeros((4, 4, 4), np.float32), np.eye(4)), "en")[0]["width"] > 0


@pytest.mark.parametrize(
    ("spaced", "oriented", "axes"),
    [(True, True, "R, A, S (mm)"), (True, False, "i, j, k (mm)"), (False, True, "i, j, k (px)")],
)
def test_a_place_is_told_along_axes_that_are_known(spaced: bool, oriented: bool, axes: str):
    volume = replace(_volume(), spaced=spaced, oriented=oriented)
    mask = (volume.values > 100).astype(np.uint8)
    found, model = VolumeSegmentation(mask, mask[None], Design(), Origin("liver", "solo", "")), Any
    table = measure(volume, mask, tasks["liver"].make.labels)
    whole = Study(volume, "", "liver", {"A": Reading(mask, Answer(model, found), table)})  # type: ignore[arg-type]
    assert f"<th>Centroid {axes}</th>" in tables(whole, "en")
    assert ("centroid_right_mm" in to_csv(table)) == (axes[0] == "R")


def test_what_is_not_known_is_said():
    lost = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4), spaced=False, oriented=False)
    assert len(remarks(lost, "en")) == 2 and remarks(_volume(), "en") == []


def test_only_the_last_volumes_of_all_visitors_stay_in_memory():
    desks = [copy.deepcopy(Desk()) for _ in range(study.KEPT + 1)]
    for desk in desks:
        desk.take(Study(_volume(), ""))
    with pytest.raises(PlaygroundError, match="open it again"):
        _ = desks[0].open
    assert desks[-1].open.volume.values.shape == (5, 6, 7)
    for desk in desks:
        desk.leave()
    assert desks[-1].study is None


def test_who_works_keeps_the_place_and_no_file_is_left_of_who_does_not(tmp_path: Path):
    desks, pictures = [Desk() for _ in range(study.KEPT + 1)], []
    for number, desk in enumerate(desks):
        pictures.append(tmp_path / f"{number}.nii.gz")
        pictures[-1].write_bytes(b"drawn")
        desk.take(Study(_volume(), str(pictures[-1])))
        desk.stopped = False
        assert desks[0].go_on()
    assert [desk.study is None for desk in desks[:3]] == [False, True, False]
    assert not desks[1].go_on()
    assert [path.exists() for path in pictures[:3]] == [True, False, True]
    more = [tmp_path / name for name in ("one.nii.gz", "another.nii.gz")]
    for path in more:
        path.write_bytes(b"drawn")
        desks[0].take(Study(_volume(), str(path)))
    assert all(path.exists() for path in more) and not pictures[0].exists()
    for desk in desks:
        desk.leave()
    assert [*tmp_path.iterdir()] == []


def test_a_volume_that_nobody_asks_about_leaves_memory(monkeypatch: pytest.MonkeyPatch):
    idle, busy = Desk(), Desk()
    for desk in (idle, busy):
        desk.take(Study(_volume(), ""))
    now = study.time.monotonic()
    monkeypatch.setattr(study.time, "monotonic", lambda: now + study.SECONDS - 1)
    Desk.clear_idle()
    assert idle.study and busy.open
    monkeypatch.setattr(study.time, "monotonic", lambda: now + study.SECONDS + 1)
    Desk.clear_idle()
    assert idle.study is None and busy.study is not None
    busy.leave()


def test_what_a_hand_corrects_during_a_run_stays():
    desk, begun = Desk(), Study(_volume(), "")
    desk.take(begun)
    corrected = replace(begun, run="corrected")
    assert desk.lay(corrected)
    assert not desk.lay(replace(begun, run="new"), before=begun) and desk.open is corrected
    assert desk.lay(replace(begun, run="new"), before=corrected) and desk.open.run == "new"
    assert desk.of_run(begun.id, "new") is desk.open
    assert desk.of_run(begun.id, "corrected") is corrected  # drawn before the browser heard of the new masks
    assert desk.of_run(begun.id, "other") is desk.of_run("other", "new") is None
    other = Study(_volume(), "")
    desk.take(other)
    assert desk.of_run(begun.id, "corrected") is None and desk.of_run(other.id, other.run) is other
    desk.leave()


def test_masks_that_come_late_never_take_the_place_of_another_volume():
    desk, late, other = Desk(), Study(_volume(), ""), Study(_volume(), "")
    desk.take(late)
    assert desk.lay(replace(late, run="read")) and desk.open.run == "read"
    desk.take(other)
    assert not desk.lay(replace(late, run="again")) and desk.open is other
    desk.leave()
    assert not desk.lay(other) and desk.study is None


def test_what_a_hand_corrected_goes_only_at_the_second_asking():
    desk, volume = Desk(), _volume()
    assert desk.may_replace("masks")
    mask = np.zeros(volume.values.shape, np.uint8)
    origin: Any = None
    one = Reading(mask, Answer(origin, origin), Table((), True, None), edited=True)
    desk.take(Study(volume, "", readings={"A": replace(one, edited=False)}))
    assert desk.may_replace("masks")
    desk.take(Study(volume, "", readings={"A": one}))
    asked = ("masks", "masks", "masks", "file", "masks", "masks")
    assert [desk.may_replace(by) for by in asked] == [False, True, False, False, False, True]
    assert not desk.may_replace("file") and desk.lay(desk.open)
    assert not desk.may_replace("file")  # the masks have changed since


def test_the_browser_hears_which_correction_was_measured_and_of_a_refused_one_that_none_was():
    desk, volume, room = Desk(), _volume(), VolumeRoom.__new__(VolumeRoom)
    mask = (volume.values > 100).astype(np.uint8)
    found, model = VolumeSegmentation(mask, mask[None], Design(), Origin("liver", "solo", "")), Any
    answer = Answer(model, found)  # type: ignore[arg-type]
    desk.take(Study(volume, "", "liver", {"A": Reading(mask, answer, measure(volume, mask, ()))}, "one", "run"))
    room.language, parts = "en", ("table", "refused", "measured")
    for name in parts:
        setattr(room, name, name)

    def told(**changed: Any) -> tuple[dict[str, Any], str]:
        sent = {"volume": "one", "run": "run", "design": "A", "drawing": "A 7", "mask": packed(mask, volume), **changed}
        [said] = cast(Any, room._correct(desk, gr.EventData(None, sent)))
        return said, said["measured"]

    said, measured = told()
    assert measured == "A 7" and "corrected by hand" in said["table"]
    said, measured = told(mask="no mask")
    assert measured == "" and "no mask of the volume" in said["refused"]
    assert told(run="another")[1] == ""
    desk.leave()
    said, measured = told()
    assert measured == "" and "open it again" in said["refused"]


def test_another_volume_of_the_same_file_is_opened_and_one_alone_is_not_held():
    many = np.stack([PATIENT, PATIENT + 1], -1)
    first = of_files([nibabel.Nifti1Image(many, PLACE).to_bytes()])
    second = first.other(1)
    assert np.array_equal(second.volume.values, PATIENT + 1) and second.id != first.id
    assert np.array_equal(second.other(0).volume.values, first.volume.values)
    assert of_files([nibabel.Nifti1Image(PATIENT, PLACE).to_bytes()]).files == ()
    with pytest.raises(UnreadableImage, match="no volume 2"):
        first.other(2)


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node on this machine")
def test_what_draws_volumes_is_asked_for_again_after_the_network_failed():
    script = (Path(__file__).parents[2] / "assets" / "web" / "volume.js").read_text("utf-8")
    loading = re.search(r"^function loaded.*?^}", script, re.DOTALL | re.MULTILINE)
    assert loading
    run = subprocess.run(["node", "-e", LOADING % loading[0]], capture_output=True, text=True, timeout=60)
    assert run.stdout == "The network failed. viewer true\n", run.stderr


def test_the_picture_of_a_volume_has_a_name_that_nobody_can_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    first, second = of_example(), of_example()
    assert first.picture != second.picture and Path(first.picture).is_relative_to(tmp_path)
    assert len(Path(first.picture).name) == len(".nii.gz") + 32
    assert first.volume.units == "HU" and first.source is not None
