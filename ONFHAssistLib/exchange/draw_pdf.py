"""Drawings on a page of the PDF. Needs reportlab."""

from typing import Any

import numpy as np
from PIL import Image
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable

from ONFHAssistLib.exchange.shapes import HALO, Circle, Drawing, Lines, Pixels, Shape, Text

TEXT, BOLD = "Vera", "Vera-Bold"
_EVEN_ODD = 0


class Figure(Flowable):
    """A drawing, ``wide`` points wide."""

    def __init__(self, drawing: Drawing, wide: float) -> None:
        """Keep what to draw."""
        super().__init__()
        self._drawing, self._scale = drawing, wide / drawing.width
        self.width, self.height = wide, drawing.height * self._scale
        self.hAlign = "LEFT"

    def draw(self) -> None:
        """Draw in the drawing's own units, with y upwards from its upper edge; called by reportlab."""
        canvas, drawing = self.canv, self._drawing
        canvas.saveState()
        canvas.scale(self._scale, self._scale)
        canvas.translate(-drawing.left, drawing.height + drawing.top)
        frame = canvas.beginPath()
        frame.rect(drawing.left, -drawing.top - drawing.height, drawing.width, drawing.height)
        canvas.clipPath(frame, stroke=0, fill=0)
        canvas.setLineJoin(1)
        for shape in drawing.shapes:
            canvas.saveState()
            _draw(canvas, shape)
            canvas.restoreState()
        canvas.restoreState()


def _draw(canvas: Any, shape: Shape) -> None:
    match shape:
        case Pixels():
            picture = ImageReader(Image.fromarray(np.ascontiguousarray(shape.array)))
            size = shape.width, shape.height
            canvas.drawImage(picture, shape.left, -shape.top - shape.height, *size, mask="auto")
        case Lines():
            _take(canvas, shape)
            canvas.setFillAlpha(shape.opacity)
            path = canvas.beginPath()
            for (x, y), *others in shape.parts:
                path.moveTo(x, -y)
                for x, y in others:
                    path.lineTo(x, -y)
                if shape.closed:
                    path.close()
            canvas.drawPath(path, stroke=bool(shape.stroke), fill=bool(shape.fill), fillMode=_EVEN_ODD)
        case Circle():
            _take(canvas, shape)
            x, y = shape.centre
            canvas.circle(x, -y, shape.radius, stroke=bool(shape.stroke), fill=bool(shape.fill))
        case Text():
            _write(canvas, shape)


def _take(canvas: Any, shape: Lines | Circle) -> None:
    """Take the colours and the pen of a shape."""
    if shape.stroke:
        canvas.setStrokeColor(HexColor(shape.stroke))
        canvas.setLineWidth(shape.width)
    if shape.fill:
        canvas.setFillColor(HexColor(shape.fill))
    if shape.dash:
        canvas.setDash(list(shape.dash))


def _write(canvas: Any, shape: Text) -> None:
    font = BOLD if shape.bold else TEXT
    x, y = shape.at
    canvas.translate(x, -y)
    canvas.rotate(-shape.turn_deg)
    canvas.setLineWidth(HALO * shape.size)
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.anchor] * canvas.stringWidth(shape.text, font, shape.size)
    for mode, ink in ((2, shape.halo), (0, shape.colour)):  # filled and stroked below, filled above
        if ink:
            line = canvas.beginText(-shift, 0)
            line.setFont(font, shape.size)
            line.setStrokeColor(HexColor(ink))
            line.setFillColor(HexColor(ink))
            line.setTextRenderMode(mode)
            line.textOut(shape.text)
            line.setTextRenderMode(0)
            canvas.drawText(line)
