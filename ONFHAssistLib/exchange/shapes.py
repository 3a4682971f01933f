"""What a drawing is made of: pixels, lines, circles and text, as plain numbers; x to the right and y downwards.

`draw_svg` writes it for a page, `draw_pdf` for paper, `draw_png` as pixels. Colours are "#rrggbb"; "" is none. Lengths
are in the drawing's own unit.
"""

from dataclasses import dataclass

import numpy as np

Spot = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image, uint8: grey levels of shape (rows, columns) or red, green, blue and alpha (rows, columns, 4)."""

    array: np.ndarray
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of one look, each with points of shape (n, 2).

    Attributes:
        closed: each line ends where it begins; a fill takes every second area that the lines enclose.
        opacity: of the fill.
        dash: lengths of stroke and gap.
        kind: what they show, for style sheets and tests.
    """

    parts: tuple[np.ndarray, ...]
    stroke: str = ""
    width: float = 0.0
    fill: str = ""
    opacity: float = 1.0
    closed: bool = False
    dash: Spot | None = None
    kind: str = ""


@dataclass(frozen=True)
class Circle:
    """A circle or a dot; ``title`` is told where it is pointed at."""

    centre: Spot
    radius: float
    stroke: str = ""
    width: float = 0.0
    fill: str = ""
    dash: Spot | None = None
    title: str = ""


@dataclass(frozen=True)
class Text:
    """A line of text.

    Attributes:
        at: on the base line: its start, middle or end, as ``anchor`` says.
        size: of the font.
        halo: colour around the letters, for what lies below.
        turn_deg: clockwise.
    """

    at: Spot
    text: str
    size: float
    colour: str
    anchor: str = "start"
    bold: bool = False
    halo: str = ""
    turn_deg: float = 0.0


Shape = Pixels | Lines | Circle | Text
HALO = 0.22
"""Width of the stroke around letters, of the font's size."""


@dataclass(frozen=True)
class Drawing:
    """Shapes, the lowest first, in a frame; what reaches beyond the frame is cut off."""

    left: float
    top: float
    width: float
    height: float
    shapes: tuple[Shape, ...]


def line(*spots: Spot) -> tuple[np.ndarray, ...]:
    """Return one line through these points."""
    return (np.array(spots, float),)


def box(left: float, top: float, width: float, height: float, fill: str, opacity: float = 1.0) -> Lines:
    """Return a filled rectangle."""
    right, bottom = left + width, top + height
    corners = line((left, top), (right, top), (right, bottom), (left, bottom))
    return Lines(corners, fill=fill, opacity=opacity, closed=True)


def cross(at: Spot, size: float, stroke: str, width: float) -> Lines:
    """Return the mark of a point, ``size`` to each side."""
    x, y = at
    return Lines((*line((x - size, y), (x + size, y)), *line((x, y - size), (x, y + size))), stroke, width)


def hatching(outline: tuple[np.ndarray, ...], step: float) -> tuple[np.ndarray, ...]:
    """Return lines, rising to the right, that fill what closed lines enclose (every second area)."""
    if not outline:
        return ()
    across, along = np.array([1.0, 1.0]) / np.sqrt(2), np.array([1.0, -1.0]) / np.sqrt(2)
    starts = np.concatenate(outline)
    ends = np.concatenate([np.roll(points, -1, axis=0) for points in outline])
    low, high = starts @ across, ends @ across
    parts: list[np.ndarray] = []
    for level in np.arange(np.ceil(low.min() / step), np.ceil(low.max() / step)) * step:
        cut = (low < level) != (high < level)
        share = (level - low[cut]) / (high - low)[cut]
        places = np.sort((starts[cut] + share[:, None] * (ends - starts)[cut]) @ along)
        parts += [np.round(level * across + end[:, None] * along, 2) for end in places.reshape(-1, 2)]
    return tuple(parts)
