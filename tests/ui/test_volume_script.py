"""The script of the room Volume in Playwright's Node, which needs no browser: drawings, what is pending, lengths."""

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import playwright

NODE = Path(playwright.__file__).parent / "driver" / "node"
WEB = Path(__file__).parents[2] / "assets" / "web"
HARNESS = Path(__file__).parent / "volume_harness.js"


def _after(steps: str) -> Any:
    """What the steps return, which begin with a volume and masks of two designs."""
    command = [str(NODE), str(HARNESS), str(WEB), f"await begin(); {steps}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_was_drawn_and_undone_is_so_after_a_look_at_another_layer():
    undone = "stroke(0); await page.hand(); answered(room.sent[0][1].drawing); page.back();"
    look = "page.layer('doubtA'); page.layer('A'); return [drawn(), pending()];"
    assert _after(undone + look) == [[0, 0, 0, 0], ["A"]]
    many = "for (let at = 0; at < 20; at++) stroke(at % 4); for (let at = 0; at < 15; at++) page.back();"
    assert _after(many + look) == [[1, 1, 1, 1], ["A"]]


def test_a_drawing_counts_as_measured_when_its_own_numbers_have_come():
    two = "for (const at of [0, 1]) { stroke(at); await page.hand(); } const one = (at) => room.sent[at][1].drawing;"
    assert _after(f"{two} answered(one(0)); return pending();") == ["A"]
    assert _after(f"{two} answered(one(0)); answered(one(1)); return pending();") == []
    both = "for (const name of ['A', 'B']) { page.layer(name); stroke(0); await page.hand(); }"
    assert _after(f"{both} answered(room.sent[1][1].drawing); return pending();") == ["A"]


def test_a_refused_drawing_stays_pending_and_another_volume_may_be_opened():
    held = "[pending(), room.held[0].inert]"
    assert _after(f"stroke(0); await page.hand(); return {held};") == [["A"], True]
    assert _after(f"stroke(0); await page.hand(); answered(''); return {held};") == [["A"], False]
    assert _after(f"stroke(0); await page.hand(); answered(null); stroke(1); return {held};") == [["A"], True]


def test_who_draws_for_long_is_heard_of_and_who_does_not_is_not():
    assert _after("for (const tick of room.ticks) tick(); return room.sent;") == []
    assert _after("stroke(0); for (const tick of room.ticks) tick(); return room.sent.map((one) => one[0]);") == [
        "tick"
    ]


def test_a_length_is_that_in_the_patient_on_the_picture_and_below_it():
    length = "const ends = [[0, 0, 0], [0, 1, 2]], viewer = page.viewer(); viewer.drawMeasurementTool(ends);"
    told = "viewer.onMeasurementCompleted({ startMM: ends[0], endMM: ends[1] });"
    after = "const plain = viewer.frac2mm([0, 1, 2]);"
    label, said, plain = _after(f"{length} {told} {after} return [viewer.label, page.measured.textContent, plain];")
    assert math.isclose(label, math.hypot(2, 2)) and said == "distance: 2.8 mm"
    assert plain == [0, 1, 2, 1]  # the picture itself is drawn as it was
