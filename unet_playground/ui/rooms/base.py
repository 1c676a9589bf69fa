"""What a room of the page is: it opens over the network and the pictures, and shows the present design in its way."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from unet_playground.errors import Text
from unet_playground.registry import Catalogue
from unet_playground.ui.bench import Bench
from unet_playground.ui.scene import Scene

if TYPE_CHECKING:
    from unet_playground.ui.layout import Layout
    from unet_playground.ui.page import Page

Updates = dict[Any, Any]


class Room:
    """Builds its components where it is made; the page tells it when something is to be shown.

    Args:
        page: What the room stands on; `page.language` is "en" or "zh".
    """

    def __init__(self, page: "Layout"):
        self.language = page.language

    @property
    def outputs(self) -> list[Any]:
        """Every component that `refresh` may change."""
        return []

    @property
    def inputs(self) -> list[Any]:
        """Components whose values `refresh` is given besides."""
        return []

    def refresh(self, bench: Bench, scene: Scene | None, check: Callable[[], None], *values: Any) -> Iterator[Updates]:
        """What is shown of the present design; asked when the room opens, and while it is open after every choice.

        Args:
            bench: One design or two.
            scene: The image and what is asked; None where there is no image.
            check: Called between pieces of work; raises where the next choice was made.
            values: Of `inputs`.
        """
        yield from ()

    def connect(self, page: "Page") -> None:
        """Listen to the room's own events."""

    def _say(self, text: Text) -> str:
        """A text in the page's language."""
        return text.within(self.language)


rooms: Catalogue[type[Room]] = Catalogue("room", Text("Room", "房间"))
