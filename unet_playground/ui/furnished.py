"""The rooms of the page: which one is open, and what stands in it."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from unet_playground.ui.bench import Bench
from unet_playground.ui.layout import Layout
from unet_playground.ui.requests import door_of, given
from unet_playground.ui.rooms import Room
from unet_playground.ui.scene import Scene, Superseded, Turn

Updates = dict[Any, Any]

SLOW = {"concurrency_id": "slow", "concurrency_limit": 1}
ASIDE = {"concurrency_id": "aside", "concurrency_limit": 1}


class Furnished(Layout):
    """A page whose rooms open, close and show what they have to say of the present choice.

    Args:
        language: "en" or "zh".
        other: Address of the page in the other language.
    """

    def __init__(self, language: str, other: str):
        super().__init__(language, other)
        self.held = [self.bench, self.scene, self.turn]
        self.slow = {"trigger_mode": "always_last", "show_progress": "hidden", "api_visibility": "private", **SLOW}
        # Gradio's script tells every output of every status, which costs more than the pictures; this one is not drawn.
        self.slow["show_progress_on"] = self.turn
        self.aside = {**self.slow, **ASIDE, "trigger_mode": "multiple"}

    def refreshing(self, room: Room) -> Callable[..., Iterator[Updates]]:
        """What shows a room's contents again: a function of bench, scene, turn and the values of the room's inputs."""

        def run(bench: Bench, scene: Scene | None, turn: Turn, *values: Any) -> Iterator[Updates]:
            try:
                yield from room.refresh(bench, scene, turn.watch(), *values)
            except Superseded:
                return

        return run

    def furnish(self) -> None:
        """Connect the menu, the doors in the drawing and the present choice with the rooms."""
        entered = [part for room in self.rooms.values() for part in room.inputs]
        furnished = [part for room in self.rooms.values() for part in room.outputs]
        self.nav.input(self._enter, [*self.held, *entered], [self.room, *furnished], **self.aside)
        self.diagram.input(self._open_door, [*self.held], [self.room, self.nav, *furnished], **self.aside)
        self.outdated.change(self._furnish_again, [*self.held, self.room, *entered], furnished, **self.aside)

    def _enter(
        self, event: gr.EventData, bench: Bench, scene: Scene | None, turn: Turn, *values: Any
    ) -> Iterator[Updates]:
        """A room opens, or closes."""
        id = given(event).get("room")
        room = self.rooms.get(id) if isinstance(id, str) else None
        yield {self.room: id if room else None}
        if room:
            yield from self.refreshing(room)(bench, scene, turn, *self._own(room, values))

    def _open_door(self, bench: Bench, scene: Scene | None, turn: Turn, event: gr.EventData) -> Iterator[Updates]:
        """A click on the drawing opens the room that speaks of that place."""
        door = door_of(given(event))
        if door is None:
            return
        id, method, options = door
        room: Any = self.rooms[id]
        updates, values = room.choosing(method, options)
        yield {self.room: id, self.nav: self._menu(id), **updates}
        yield from self.refreshing(room)(bench, scene, turn, *values)

    def _furnish_again(
        self, bench: Bench, scene: Scene | None, turn: Turn, id: str | None, *values: Any
    ) -> Iterator[Updates]:
        """The open room after another choice."""
        if id:
            room = self.rooms[id]
            yield from self.refreshing(room)(bench, scene, turn, *self._own(room, values))

    def _own(self, room: Room, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """A room's share of the values of the inputs of all rooms."""
        start = 0
        for one in self.rooms.values():
            if one is room:
                return values[start : start + len(one.inputs)]
            start += len(one.inputs)
        return ()
