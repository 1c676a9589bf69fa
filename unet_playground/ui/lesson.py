"""The lesson strip: where a visitor stands in a lesson, what the strip shows, and the events that move on."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from unet_playground.errors import PlaygroundError, Text, UnknownChoice
from unet_playground.lessons import Measured, Seen, Step, lessons, seen, stand_of
from unet_playground.ui.scene import models

Json = dict[str, Any]
Answer = int | tuple[int, int]

KINDS = {
    "predict": Text("Predict", "预测"),
    "reveal": Text("Reveal", "揭晓"),
    "explain": Text("Explain", "解释"),
    "check": Text("Check", "检验"),
}
WORDS = {
    "lessons": Text("Lessons", "课程"),
    "invite": Text(
        "Each one sets up the page, asks what you expect, and marks it by what is measured.",
        "每一课都会布置好页面，先问你的预期，再用测量结果评判。",
    ),
    "place": Text("Lesson {number} of {count}", "第 {number} 课，共 {count} 课"),
    "steps": Text("Steps of this lesson", "本课的步骤"),
    "step": Text("Step {number} of {count}: {kind}", "第 {number} 步，共 {count} 步：{kind}"),
    "answers": Text("Answers", "答案"),
    "right": Text("Right.", "答对了。"),
    "wrong": Text("No. Measured: {right}.", "不对。测得的答案是：{right}。"),
    "missed": Text("Not that one. Click another.", "不是这个。请再点一个。"),
    "none": Text("Here there is none: both agree about every object.", "这里没有：两者对每个目标的判断都一致。"),
    "click": Text("Waiting for your click in a picture.", "请在图中点击。"),
    "first": Text("Choose an answer first.", "请先选择一个答案。"),
    "chosen": Text("{option}, your answer", "{option}，你的答案"),
    "correct": Text("{option}, measured", "{option}，测得的答案"),
    "score": Text("{right} of {asked} predictions right", "{asked} 次预测中答对 {right} 次"),
    "back": Text("Back", "上一步"),
    "next": Text("Next lesson", "下一课"),
    "end": Text("All lessons", "全部课程"),
    "close": Text("Close the lesson", "关闭课程"),
}
LONGEST = 40
"""Characters of a name that are read at most."""
KEY = re.compile(r"(?P<id>[a-z0-9-]{1,40})(\.(?P<step>[1-9]\d?))?")


@dataclass(frozen=True)
class Progress:
    """Where a visitor stands.

    Attributes:
        lesson: Id of the open lesson; None when none is open.
        step: Its step, counted from 0.
        answers: The answer to each of its steps: the number of an option, (row, column) of a click, or None.
    """

    lesson: str | None = None
    step: int = 0
    answers: tuple[Answer | None, ...] = ()

    @classmethod
    def at(cls, id: str, step: int = 0) -> "Progress":
        """At a step of a lesson, nothing answered; refused where there is no such lesson or step."""
        entry = lessons[id]
        steps = len(entry.make.steps)
        if not 0 <= step < steps:
            raise UnknownChoice(
                f'Lesson "{entry.id}" has steps 1 to {steps}, not {step + 1}.',
                f"课程“{entry.id}”只有第 1 至 {steps} 步，没有第 {step + 1} 步。",
            )
        return cls(entry.id, step, (None,) * steps)

    @classmethod
    def read(cls, key: str) -> "Progress":
        """What the address names: `going-down` or `going-down.3`, its third step."""
        written = KEY.fullmatch(key)
        if not written:
            raise UnknownChoice(
                f'"{key[:LONGEST]}" names no lesson; write it like {next(iter(lessons))}.2.',
                f"“{key[:LONGEST]}”不是课程；请写成 {next(iter(lessons))}.2。",
            )
        return cls.at(written["id"], int(written["step"] or 1) - 1)

    @property
    def key(self) -> str:
        """What stands in the address; empty when no lesson is open."""
        return f"{self.lesson}.{self.step + 1}" if self.lesson else ""

    @property
    def answer(self) -> Answer | None:
        """The answer to the present step."""
        return self.answers[self.step] if self.lesson else None

    @property
    def awaits_click(self) -> bool:
        """Whether a click on the image answers the present step."""
        return self.lesson is not None and lessons[self.lesson].make.steps[self.step].clicks

    def answered(self, answer: Answer) -> "Progress":
        """With an answer to the present step."""
        return replace(self, answers=(*self.answers[: self.step], answer, *self.answers[self.step + 1 :]))


@cache
def measured() -> Measured:
    """The one place where lessons measure; it shares the page's models."""
    return Measured(models())


def follow(progress: Progress, event: object) -> Progress | Text:
    """Where a visitor stands after one event of the strip, or the reason why nothing changes.

    Args:
        progress: Where the visitor stands.
        event: What the browser sent, trusted in nothing: `{"lesson": id}`, `{"step": n}`, `{"answer": k}` or
            `{"close": true}`.
    """
    name, value = next(iter(event.items())) if isinstance(event, Mapping) and len(event) == 1 else (None, None)
    act = _MOVES.get(name) if isinstance(name, str) else None
    try:
        if act is None:
            raise _not_understood()
        return act(progress, value)
    except PlaygroundError as error:
        return error.text


def clicked(progress: Progress, point: tuple[int, int]) -> Progress:
    """With a clicked pixel (row, column) as the answer, where a click is awaited; else unchanged."""
    return progress.answered(point) if progress.awaits_click else progress


def wanted(progress: Progress) -> Json | None:
    """What the page is to show: `task`, `example`, the designs `a` and `b` (None without a comparison), `slot`, `room`
    and `point`; None when no lesson is open."""
    return vars(stand_of(progress.lesson, progress.step)).copy() if progress.lesson else None


def lesson_value(progress: Progress, language: str, source: Measured | None = None) -> Json:
    """The value of the strip's component.

    A question is there at once; what it is marked by is measured when it is answered, and what a step tells when it is
    shown.

    Args:
        progress: Where the visitor stands.
        language: "en" or "zh".
        source: What numbers come from; by default `measured()`.
    """
    offered = [
        {"id": entry.id, "title": entry.title.within(language), "summary": entry.summary.within(language)}
        for entry in lessons.entries()
    ]
    said = {"words": {key: text.within(language) for key, text in WORDS.items()}, "lessons": offered, "open": None}
    return said if progress.lesson is None else {**said, "open": _open(progress, language, source or measured())}


def _open(progress: Progress, language: str, source: Measured) -> Json:
    """What the strip shows of the present step."""
    id = str(progress.lesson)
    steps = lessons[id].make.steps
    step = steps[progress.step]
    shown: Json = {
        "id": id,
        "number": list(lessons).index(id),
        "step": progress.step,
        "steps": [KINDS[one.kind].within(language) for one in steps],
        "text": step.text.within(language) if step.asks else "",
        "options": [option.within(language) for option in step.options],
        "answer": progress.answer if not step.clicks else None,
        "clicks": step.clicks,
        "waits": step.asks and progress.answer is None,
        **dict.fromkeys(("right", "verdict", "told", "problem", "score")),
    }
    if shown["waits"] and not step.clicks:
        return shown
    try:
        found = seen(source, id, progress.step)
    except PlaygroundError as error:
        return {**shown, "waits": False, "problem": error.text.within(language)}
    return {**shown, **_told(progress, step, found, language), "score": _score(progress, language, source)}


def _told(progress: Progress, step: Step, found: Seen, language: str) -> Json:
    """What is said once a step is measured; of a click that missed, nothing of what it was marked by."""
    if not step.asks:
        return {"text": found.fill(step.text, language)}
    told = found.fill(step.told or step.text, language)
    if not step.clicks:
        right = WORDS["right"] if progress.answer == found.right else WORDS["wrong"]
        named = "" if found.right is None else step.options[found.right].within(language)
        return {"right": found.right, "verdict": right.within(language).format(right=named), "told": told}
    if found.places is None or not found.places.any():
        return {"waits": False, "verdict": WORDS["none"].within(language), "told": told}
    if progress.answer is None or _is_right(progress.answer, found):
        verdict = None if progress.answer is None else WORDS["right"].within(language)
        return {"verdict": verdict, "told": None if progress.answer is None else told}
    return {"waits": True, "verdict": WORDS["missed"].within(language)}


def _is_right(answer: Answer, found: Seen) -> bool:
    """Whether the option is the right one, or the click lies where it should."""
    if isinstance(answer, int):
        return answer == found.right
    row, column = answer
    inside = found.places is not None and row < found.places.shape[0] and column < found.places.shape[1]
    return inside and bool(found.places[row, column])  # type: ignore[index]


def _score(progress: Progress, language: str, source: Measured) -> str | None:
    """How many answers of this lesson were right, on its last step."""
    given = [(at, answer) for at, answer in enumerate(progress.answers) if answer is not None]
    if progress.step < len(progress.answers) - 1 or not given:
        return None
    right = 0
    for at, answer in given:
        try:
            right += _is_right(answer, seen(source, str(progress.lesson), at))
        except PlaygroundError:
            continue
    return WORDS["score"].within(language).format(right=right, asked=len(given))


def _open_lesson(progress: Progress, value: object) -> Progress:
    if not isinstance(value, str):
        raise _not_understood()
    return Progress.at(value[:LONGEST])


def _go(progress: Progress, value: object) -> Progress:
    if progress.lesson is None or type(value) is not int or not 0 <= value < len(progress.answers):
        raise _not_understood()
    return replace(progress, step=value)


def _choose(progress: Progress, value: object) -> Progress:
    """The first answer to a question stands."""
    options = lessons[progress.lesson].make.steps[progress.step].options if progress.lesson else ()
    if type(value) is not int or not 0 <= value < len(options):
        raise _not_understood()
    return progress if progress.answer is not None else progress.answered(value)


def _close(progress: Progress, value: object) -> Progress:
    return Progress()


_MOVES: dict[str, Callable[[Progress, object], Progress]] = {
    "lesson": _open_lesson,
    "step": _go,
    "answer": _choose,
    "close": _close,
}
"""What each kind of event does."""


def _not_understood() -> UnknownChoice:
    return UnknownChoice(
        "This move in the lesson was not understood, so it stays where it is: reload the page and try again.",
        "无法理解课程中的这一操作，课程停在原处：请刷新页面后重试。",
    )
