"""What a lesson is: steps that set the page, ask, and mark the answers by what is measured."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unet_playground.analysis import Target
from unet_playground.atlas import Effect
from unet_playground.claims import Finding
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.measure import Measured
from unet_playground.registry import Catalogue

Kind = Literal["predict", "reveal", "explain", "check"]

TOPICS = (
    "downsampling",
    "full-resolution",
    "dilation",
    "multi-scale",
    "spatial-attention",
    "redundancy",
    "channel-attention",
    "attention-site",
    "dense",
    "pyramid",
    "cross-stage",
    "vanishing-gradients",
    "mismatched-resolutions",
    "checkerboards",
    "pixel-shuffle",
    "deformable-upsampling",
    "heat-maps",
)
"""What the lessons must cover together; every lesson names its own."""


@dataclass(frozen=True)
class Stand:
    """What the page shows during a step.

    Attributes:
        task: Id of the task.
        example: Id of one of its shipped images.
        a: The design A.
        b: The design B; None where nothing is compared.
        slot: The slot that is fanned out.
        room: Id of the room that is open; None for the network and the pictures.
        point: (row, column) of the probe; None asks about the whole class.
    """

    task: str = "nuclei"
    example: str = "fluorescence"
    a: Design = field(default_factory=Design)
    b: Design | None = None
    slot: str = "skip"
    room: str | None = None
    point: tuple[int, int] | None = None

    @property
    def second(self) -> Design:
        """The design B; A where nothing is compared."""
        return self.a if self.b is None else self.b


@dataclass(frozen=True)
class Seen:
    """What a step measured.

    Attributes:
        numbers: Name -> number or text, for the fields of the step's texts.
        right: Number of the right option; None where nothing is asked, and for clicks.
        places: bool (h, w), where a click is right; None where none is asked for.
    """

    numbers: Mapping[str, Any] = field(default_factory=dict)
    right: int | None = None
    places: NDArray[np.bool_] | None = None

    def fill(self, text: Text, language: str) -> str:
        """A text of the step with its fields filled in; fields that are texts themselves speak the same language."""
        values = {name: one.within(language) if isinstance(one, Text) else one for name, one in self.numbers.items()}
        return text.within(language).format(**values)


@dataclass(frozen=True)
class Step:
    """One step of a lesson.

    Attributes:
        kind: `predict` and `check` ask, `reveal` and `explain` tell.
        text: The question, which has no fields and so is there at once, or what is told.
        measure: What the step measures; the right answer and every number of its texts come from there.
        options: The answers to choose from; empty where nothing is asked or a pixel is to be clicked.
        told: What is said after the answer.
        clicks: Whether the answer is a click on the image.
        changes: Fields of the lesson's `Stand` that this step sets.
    """

    kind: Kind
    text: Text
    measure: Callable[[Any], Seen]
    options: tuple[Text, ...] = ()
    told: Text | None = None
    clicks: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        """Whether the step waits for an answer."""
        return self.told is not None


class Lesson:
    """A walk that drives the page: its methods, marked by `ask` or `tell`, are its steps in their order.

    Args:
        measured: What numbers come from.
        stand: What the page shows during the step that is measured.

    Attributes:
        topics: Which of `TOPICS` it covers.
        start: What the page shows unless a step says otherwise.
        steps: In order.
    """

    topics: ClassVar[tuple[str, ...]] = ()
    start: ClassVar[Stand] = Stand()
    steps: ClassVar[tuple[Step, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.steps = tuple(one for one in vars(cls).values() if isinstance(one, Step))

    def __init__(self, measured: Measured, stand: Stand):
        self.measured, self.stand = measured, stand

    def compare(self, column: str, **more: object) -> Seen:
        """A column of the atlas, A against B: which is larger, the interval, and how both were trained."""
        stand = self.stand
        found = self.measured.compare(stand.task, stand.a, stand.second, column)
        numbers = {"a": found.first, "b": found.second, "low": found.low, "high": found.high}
        said = {"trained": TRAINED[found.weights], "images": len(self.measured.atlas(stand.task).names)}
        return Seen({**numbers, **said, **more}, {"for": 0, "against": 1}.get(found.speaks, 2))

    @property
    def pairs(self) -> tuple[tuple[Design, Design], ...]:
        """Each of the two designs with the one that stands beside it."""
        return (self.stand.a, self.stand.second), (self.stand.second, self.stand.a)

    def score(self, metric: str) -> list[float]:
        """A metric of both masks on the image that is shown."""
        return [self.measured.score(metric, self.stand.task, self.stand.example, *pair) for pair in self.pairs]

    def tested(self, metric: str) -> list[float]:
        """A metric of both designs on the test images."""
        found = self.measured.compare(self.stand.task, self.stand.a, self.stand.second, metric)
        return [found.first, found.second]

    def looked(self, analysis: str) -> list[Any]:
        """What an analysis finds in A and in B on the image that is shown, asked about the probe if there is one."""
        stand = self.stand
        asked = Target(point=stand.point)
        return [
            self.measured.look(stand.task, stand.example, one, analysis, asked, beside=other)
            for one, other in self.pairs
        ]

    def times(self, column: str) -> float:
        """How many times A's cost B has: `macs`, `parameters`, `activation_bytes`, `sampling`."""
        one, other = (getattr(self.measured.cost(design), column) for design in (self.stand.a, self.stand.second))
        return other / one


lessons: Catalogue[type[Lesson]] = Catalogue("lesson", Text("Lesson", "课程"))


def ask(kind: Kind, text: Text, *options: Text, told: Text, **changes: Any) -> Callable[[Callable[[Any], Seen]], Step]:
    """Make a method a step that asks; without options the answer is a click on the image."""
    return lambda measure: Step(kind, text, measure, options, told, not options, changes)


def tell(kind: Kind, text: Text, **changes: Any) -> Callable[[Callable[[Any], Seen]], Step]:
    """Make a method a step that tells what it measures."""
    return lambda measure: Step(kind, text, measure, changes=changes)


def designs_of_lessons() -> list[Design]:
    """Every design that a step of a lesson shows, without repetition."""
    stands = [stand_of(entry.id, step) for entry in lessons.entries() for step in range(len(entry.make.steps))]
    return list(dict.fromkeys(design for stand in stands for design in (stand.a, stand.second)))


def stand_of(id: str, number: int) -> Stand:
    """What the page shows during a step of a lesson, counted from 0."""
    lesson = lessons[id].make
    return replace(lesson.start, **lesson.steps[number].changes)


def seen(measured: Measured, id: str, number: int) -> Seen:
    """What a step of a lesson measures; measured once.

    Raises:
        NotMeasured: The atlas or the weights lack something.
    """
    lesson = lessons[id].make
    return measured.once(
        ("step", id, number), lambda: lesson.steps[number].measure(lesson(measured, stand_of(id, number)))
    )


def joined(*texts: Text) -> Text:
    """Sentences one after the other."""
    return Text(" ".join(one.en for one in texts), "".join(one.zh for one in texts))


def listed(titles: Iterable[Text], found: Iterable[Effect | Finding], digits: int = 4) -> Text:
    """Differences by name, each with its 95% interval."""
    said = [
        (title, f"{one.difference:+.{digits}f} [{one.low:+.{digits}f}, {one.high:+.{digits}f}]")
        for title, one in zip(titles, found, strict=True)
    ]
    return Text(
        "; ".join(f"{title.en} {number}" for title, number in said),
        "；".join(f"{title.zh} {number}" for title, number in said),
    )


def between(value: float, *bounds: float) -> int:
    """How many of the rising bounds a value reaches: the number of its option."""
    return sum(value >= bound for bound in bounds)


def nearest(value: float, *offered: float) -> int:
    """The number of the offered value that is nearest as a ratio."""
    return int(np.argmin([abs(np.log(value / one)) for one in offered]))


TRAINED = {
    "solo": Text("each trained alone", "各自单独训练"),
    "shared": Text("both with shared weights", "均用共享权重"),
    "": Text("whatever the weights", "与权重无关"),
}
"""How two compared designs were trained, in words."""
WHICH = (Text("A", "A"), Text("B", "B"), Text("Too close to tell", "差距太小，无法判断"))
"""The answers to which of two designs has the larger number."""
SCORES = Text(
    "A {a:.4f}, B {b:.4f}; with 95% confidence A − B lies between {low:+.4f} and {high:+.4f} ({images} test images, "
    "{trained}).",
    "A {a:.4f}，B {b:.4f}；A − B 的 95% 区间为 {low:+.4f} 至 {high:+.4f}（{images} 幅测试图像，{trained}）。",
)
"""What `Lesson.compare` found."""
LEVELS = (
    Text("Level 0, the finest", "第 0 级（最精细）"),
    Text("Level 1", "第 1 级"),
    Text("Level 2", "第 2 级"),
    Text("Level 3, the coarsest", "第 3 级（最粗）"),
)
"""The levels at which something crosses in a network that goes down four times."""
