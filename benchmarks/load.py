"""Many visitors at once: no error but polite refusals, nobody's answer is another's, and afterwards the server rests.

`python -m benchmarks.load [--clients 60] [--seconds 60]` starts the app on this machine and ends it.
"""

import argparse
import io
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
from PIL import Image

from benchmarks.crowd import Answer, Visitor, Watched, cells, png
from benchmarks.measure import Verdict
from tests.browser.app import running
from unet_playground import Design, Picture, load_model, segment

IDLE = 5
"""Seconds after which a server that nobody asks anything must rest."""
RESTING = 0.05
"""Share of one core that a resting server takes at most."""


def main() -> None:
    """Let the crowd in, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    model = load_model("nuclei", Design())
    images = [cells(number) for number in range(given.clients)]
    masks = [segment(Picture.from_array(image), model).mask for image in images]
    verdict = Verdict()
    with running() as (address, process):
        watched = Watched(process)
        end = time.monotonic() + given.seconds

        def visit(number: int) -> list[tuple[Answer, bool]]:
            visitor, file, answers = Visitor(address, number), png(images[number]), []
            while time.monotonic() < end:
                answer = visitor.ask("segment", file, "nuclei", "", "auto")
                own = answer.outcome != "done" or np.array_equal(_mask(visitor, answer), masks[number])
                answers.append((answer, own))
                if answer.outcome == "refused":
                    time.sleep(0.5)
            visitor.close()
            return answers

        with ThreadPoolExecutor(given.clients) as crowd:
            answers = [one for each in crowd.map(visit, range(given.clients)) for one in each]
        resting = _seconds_to_rest(address, watched)
    _judge(verdict, answers, resting)


def _mask(visitor: Visitor, answer: Answer) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(visitor.fetched(answer.data[0]))))


def _seconds_to_rest(address: str, watched: Watched) -> float:
    """How long after the last request the server still works; infinite if it never stops."""
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        before, taken = time.monotonic(), watched.seconds()
        time.sleep(1)
        share = (watched.seconds() - taken) / (time.monotonic() - before)
        if share < RESTING and httpx.get(f"{address}/healthz").json()["waiting"] == 0:
            return before - begun
    return float("inf")


def _judge(verdict: Verdict, answers: list[tuple[Answer, bool]], resting: float) -> None:
    counted = Counter(answer.outcome for answer, _ in answers)
    seconds = sorted(answer.seconds for answer, _ in answers if answer.outcome == "done")
    print(f"accepted {counted['done']}, refused politely {counted['refused']}, errors {counted['error']}")
    for said, times in Counter(answer.said for answer, _ in answers if answer.said).most_common(5):
        print(f"  {times} x {said}")
    for share in (0.5, 0.95, 1.0):
        print(
            f"  p{share * 100:.0f} of accepted calls: {seconds[min(len(seconds) - 1, int(share * len(seconds)))]:.2f} s"
        )
    verdict.at_least("accepted calls", counted["done"], 1)
    verdict.at_most("errors", counted["error"], 0)
    verdict.at_most("answers that were somebody else's", sum(not own for _, own in answers), 0)
    refusals = [answer.seconds for answer, _ in answers if answer.outcome == "refused"]
    verdict.at_most("seconds until an answer or a refusal", max([*seconds, *refusals]), 15)
    verdict.at_most("seconds until the server rests", resting, IDLE)
    verdict.finish()


if __name__ == "__main__":
    main()
