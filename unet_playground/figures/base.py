"""One view per result type, and how a view becomes a file."""

import io
from contextvars import ContextVar
from functools import singledispatch

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from unet_playground.errors import Text
from unet_playground.figures.font import speak_chinese
from unet_playground.images import Picture

SIDE = 4.6
"""Inches of a square figure."""
DPI = 130
SMALL = 9
BLUE, ORANGE, PLUM, TEAL = "#1b5fd0", "#c75b00", "#a02c78", "#0a7a73"
BLUE_ORANGE = LinearSegmentedColormap.from_list("blue-orange", [BLUE, "#ffffff", ORANGE])
"""For what has a sign; symmetric around 0."""


def palette(name: str) -> str:
    """256 colours of a map, `rrggbb` one after the other: one of matplotlib's, or `blue-orange`."""
    colors = BLUE_ORANGE if name == BLUE_ORANGE.name else colormaps[name]
    return "".join(f"{r:02x}{g:02x}{b:02x}" for r, g, b, _ in colors(np.arange(256), bytes=True))  # type: ignore[misc]


_LANGUAGE: ContextVar[str] = ContextVar("language", default="en")
"""Of the words in the figure that is being drawn."""


def draw(result: object, picture: Picture, language: str = "en") -> Figure:
    """A figure of an analysis result over the picture that it speaks about.

    Args:
        result: Of one of the analyses.
        picture: The image that was looked at.
        language: Of the words in it, "en" or "zh".

    Raises:
        TypeError: No view is registered for this kind of result.
    """
    before = _LANGUAGE.set(language)
    try:
        figure = view(result, picture)
    finally:
        _LANGUAGE.reset(before)
    if language == "zh":
        speak_chinese(figure)
    return figure


@singledispatch
def view(result: object, picture: Picture) -> Figure:
    """How `draw` shows a kind of result; its words are those of `say`."""
    raise TypeError(f"no view is registered for {type(result).__name__}")


def say(en: str, zh: str) -> str:
    """Words in the language of the figure that is being drawn."""
    return Text(en, zh).within(_LANGUAGE.get())


def to_png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": ""})
    return buffer.getvalue()


def to_array(figure: Figure) -> NDArray[np.uint8]:
    """The figure as RGB pixels (h, w, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def new_figure(rows: int = 1, columns: int = 1) -> tuple[Figure, NDArray]:
    """An empty figure and its axes (rows, columns), without ticks."""
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.set_axis_off()
    return figure, axes


def gray(picture: Picture) -> NDArray[np.float32]:
    """The picture in gray, stretched to 0..1, as a background."""
    pixels = picture.pixels.astype(np.float32)
    if pixels.ndim == 3:
        pixels = pixels.mean(axis=2)
    low, high = np.percentile(pixels, [0.5, 99.5])
    return np.clip((pixels - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def color_bar(figure: Figure | SubFigure, shown: AxesImage, axes: Axes | list[Axes], label: str) -> None:
    """A colour bar below the axes; its label says what is shown and in what range."""
    bar = figure.colorbar(shown, ax=axes, orientation="horizontal", fraction=0.05, pad=0.02, aspect=30)
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
