"""Drawings as pixels, by Pillow (10.1 or later), which 3D Slicer has, too."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ONFHAssistLib.exchange.shapes import HALO, Circle, Drawing, Lines, Pixels, Shape, Text

FINER = 3
"""Drawn this much larger and averaged, so that edges are smooth."""


def png(drawing: Drawing, width_px: int) -> bytes:
    """Return the bytes of a PNG file, transparent where nothing is drawn; the same drawing gives the same bytes.

    Dashes are drawn as whole lines, and fonts are Pillow's own in one weight.

    Args:
        drawing: what to draw.
        width_px: of the picture; its height follows.
    """
    scale = FINER * width_px / drawing.width
    size = FINER * width_px, FINER * round(width_px * drawing.height / drawing.width)
    canvas = Image.new("RGBA", size)
    for shape in drawing.shapes:
        _draw(canvas, shape, scale, np.array([drawing.left, drawing.top]))
    file = io.BytesIO()
    canvas.reduce(FINER).save(file, format="PNG")
    return file.getvalue()


def _draw(canvas: Image.Image, shape: Shape, scale: float, origin: np.ndarray) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        left, top = (np.array([x, y]) - origin) * scale
        return float(left), float(top)

    match shape:
        case Pixels():
            left, top = map(round, at(shape.left, shape.top))
            size = round(shape.width * scale), round(shape.height * scale)
            pixels = Image.fromarray(np.ascontiguousarray(shape.array)).convert("RGBA")
            canvas.alpha_composite(pixels.resize(size, Image.Resampling.BILINEAR), (left, top))
        case Lines():
            _lines(canvas, shape, [[at(x, y) for x, y in part] for part in shape.parts], scale)
        case Circle():
            (x, y), r = shape.centre, shape.radius + shape.width / 2
            look = shape.fill or None, shape.stroke or None, _width(shape, scale)
            ImageDraw.Draw(canvas).ellipse((*at(x - r, y - r), *at(x + r, y + r)), *look)
        case Text():
            _write(canvas, shape, at(*shape.at), scale)


def _lines(canvas: Image.Image, shape: Lines, parts: list[list[tuple[float, float]]], scale: float) -> None:
    if shape.fill:
        inside = np.zeros(canvas.size[::-1], bool)
        for part in parts:  # every second area
            one = Image.new("1", canvas.size)
            ImageDraw.Draw(one).polygon(part, fill=1)
            inside ^= np.array(one)
        ink = Image.new("RGBA", canvas.size, shape.fill)
        ink.putalpha(Image.fromarray((255 * shape.opacity * inside).astype(np.uint8)))
        canvas.alpha_composite(ink)
    if shape.stroke:
        pen = ImageDraw.Draw(canvas)
        for part in parts:
            pen.line([*part, *part[: 2 * shape.closed]], shape.stroke, _width(shape, scale), joint="curve")


def _width(shape: Lines | Circle, scale: float) -> int:
    return max(1, round(shape.width * scale))


def _write(canvas: Image.Image, shape: Text, at: tuple[float, float], scale: float) -> None:
    """Write straight in the middle of a square that has no colour of its own, and turn that."""
    font = ImageFont.load_default(shape.size * scale)
    half = math.ceil(font.getlength(shape.text) + shape.size * scale)
    square = Image.new("RGBA", (2 * half, 2 * half), f"{shape.halo or shape.colour}00")
    ImageDraw.Draw(square).text(
        (half, half),
        shape.text,
        shape.colour,
        font,
        {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor],
        stroke_width=round(HALO / 2 * shape.size * scale) if shape.halo else 0,
        stroke_fill=shape.halo or None,
    )
    left, top = (round(place) - half for place in at)
    turned = square.rotate(-shape.turn_deg, Image.Resampling.BICUBIC)
    canvas.alpha_composite(turned, (max(left, 0), max(top, 0)), (max(-left, 0), max(-top, 0)))
