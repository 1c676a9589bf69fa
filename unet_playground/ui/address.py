"""What the page's address names: task, example, weights, lesson and room beside the designs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode

from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, Text, UnknownChoice
from unet_playground.examples import example, examples_of
from unet_playground.tasks import tasks
from unet_playground.ui import texts
from unet_playground.ui.bench import Bench
from unet_playground.ui.lesson import Progress
from unet_playground.ui.rooms import rooms
from unet_playground.ui.scene import AUTO

T = TypeVar("T")
V = TypeVar("V")
WRITE = """(task, example, weights, designs, lesson) => {
  const kept = [...new URLSearchParams(location.search)].filter(([key]) => key.startsWith('__'));
  const {room} = document.body.dataset, all = {task, example, weights, lesson, room};
  const named = Object.entries(all).filter(([, id]) => id);
  const query = '?' + new URLSearchParams([...kept, ...named]) + '&' + designs;
  history.replaceState(history.state, '', location.pathname + query);  // a bare query leads to the page's base
  document.querySelector('#switches a[lang]').search = location.search;
}"""
"""JavaScript that puts what is shown into the browser's address and into the link to the other language.

Of uploads nothing is said there.
"""


@dataclass(frozen=True)
class Address:
    """What a page opens with.

    Attributes:
        task: Id of the task.
        example: Id of one of its examples; None where it has none.
        weights: `auto`, `shared` or `solo`.
        bench: The design, and the one that it is compared with.
        progress: The lesson that is open.
        room: Id of the room that is open.
        ignored: What the address named wrongly, a sentence each; there the default stands.
    """

    task: str
    example: str | None
    weights: str
    bench: Bench
    ignored: tuple[Text, ...] = ()
    progress: Progress = field(default_factory=Progress)
    room: str | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Address":
        """The address of a query; keys that begin with `__` are Gradio's own."""
        named = {key: value for key, value in query.items() if not key.startswith("__")}
        task, example, weights, second = (named.pop(key, None) for key in ("task", "example", "weights", "b"))
        lesson, room = (named.pop(key, None) for key in ("lesson", "room"))
        ignored: list[Text] = []
        task = _known(task, _task, ignored) or next(iter(tasks))
        shown = _known(example, lambda id: _example(task, id), ignored) or first_example(task)
        weights = _known(weights, _weights, ignored) or AUTO
        progress = _known(lesson, Progress.read, ignored) or Progress()
        opened = _known(room, lambda id: rooms[id].id, ignored)
        first, faults = Design.read_link(urlencode(named))
        other, more = Design.read_link(second) if second is not None else (None, ())
        first, other = _flat(first, task, ignored), _flat(other, task, ignored) if other else None
        bench = Bench(first, other, "B" if other else "A")
        return cls(task, shown, weights, bench, (*ignored, *faults, *more), progress, opened)


def first_example(task: str) -> str | None:
    """The id of a task's first example; None where it has none."""
    return next((image.id for image in examples_of(task)), None)


def _flat(design: Design, task: str, ignored: list[Text]) -> Design:
    """A design as the page can draw it: of images."""

    def checked(given: Design) -> Design:
        tasks[task].make.check_dims(given, picture=True)
        return given

    return _known(design, checked, ignored) or design.replace(dims=2)


def _known(value: V | None, check: Callable[[V], T], ignored: list[Text]) -> T | None:
    """What a check makes of a value; what it refuses is written down and becomes None."""
    if value is None:
        return None
    try:
        return check(value)
    except PlaygroundError as error:
        reason = error.text
        ignored.append(Text(texts.IGNORED.en.format(reason=reason.en), texts.IGNORED.zh.format(reason=reason.zh)))
        return None


def _task(id: str) -> str:
    return tasks[id].id


def _example(task: str, id: str) -> str:
    return example(task, id).id


def _weights(kind: str) -> str:
    if kind not in texts.KINDS:
        known = ", ".join(texts.KINDS)
        raise UnknownChoice(f'Unknown weights "{kind}"; choose one of {known}.', f"未知的权重“{kind}”；可选：{known}。")
    return kind
