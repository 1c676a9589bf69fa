"""The images that the project ships, each with its source and licence."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, UnknownChoice
from unet_playground.images import Picture, read_image
from unet_playground.images.labels import as_classes, read_labels

FOLDER = Path(__file__).parent.parent / "assets" / "examples"


@dataclass(frozen=True)
class ShippedImage:
    """An example image of a task.

    Attributes:
        id: Its permanent name, used in links.
        task: Id of its task.
        title: Its name in the menu.
        source: Package, version, licence and what was cut out.
        image: File of the image.
        label: File of the true objects; None where nobody drew them.
    """

    id: str
    task: str
    title: Text
    source: Text
    image: Path
    label: Path | None

    def read(self) -> Picture:
        """The image."""
        return read_image(self.image)

    def truth(self, classes: int = 2) -> NDArray[np.uint8] | None:
        """The class of every pixel, (h, w); None where nobody drew it.

        Args:
            classes: Of its task, with the background. With two every label above 0 is class 1, because labels may
                number objects.
        """
        return None if self.label is None else as_classes(read_labels(self.label), classes)


@lru_cache
def examples() -> tuple[ShippedImage, ...]:
    """Every shipped image, in menu order."""
    listed = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))
    return tuple(
        ShippedImage(
            id=item["id"],
            task=item["task"],
            title=Text(**item["title"]),
            source=Text(**item["source"]),
            image=FOLDER / item["image"],
            label=FOLDER / item["label"] if item["label"] else None,
        )
        for item in listed
    )


def examples_of(task: str) -> tuple[ShippedImage, ...]:
    """The shipped images of a task, in menu order; empty where it has none."""
    return tuple(image for image in examples() if image.task == task)


def example(task: str, id: str) -> ShippedImage:
    """One shipped image; an unknown id lists the known ones."""
    own = {image.id: image for image in examples_of(task)}
    if id not in own:
        raise UnknownChoice(
            f'Unknown example "{id}"; choose one of {", ".join(own)}.', f"未知的示例“{id}”；可选：{', '.join(own)}。"
        )
    return own[id]
