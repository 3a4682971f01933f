"""The report's pictures on a page of the PDF. Needs reportlab."""

import base64
import io
from collections.abc import Callable, Sequence

from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.pathobject import PDFPathObject
from reportlab.platypus import Flowable

from ONFHAssistLib.exchange.figures import POLAR_TO_DEG, Coronal, Picture, Polar, RatioPlot, Spot, Tile
from ONFHAssistLib.exchange.words import percent

TEXT, BOLD = "Vera", "Vera-Bold"
INK, SOFT, LINE, PAPER = "#16202b", "#56636f", "#dde2e7", "#ffffff"
CLASSES = {"mild": "#cfe3f3", "moderate": "#7db4dc", "severe": "#1f6aa5"}
ARC, ARC_MIDDLE, DOUBT, MARK = "#35c99b", "#d7f5ea", "#ffd84d", "#ff9bd2"
LESION, ZONE, NET = "#a34400", "#0a7d5b", "#9aa5af"
"""As on the report page."""


class Figure(Flowable):
    """A picture of ``width`` × ``height`` units, drawn ``wide`` points wide."""

    def __init__(self, width: float, height: float, wide: float, draw: Callable[["Pen"], None]) -> None:
        """Keep what to draw."""
        super().__init__()
        self._scale, self._draw = wide / width, draw
        self.width, self.height = wide, height * self._scale
        self.hAlign = "LEFT"

    def draw(self) -> None:
        """Draw; called by reportlab."""
        self._draw(Pen(self.canv, self._scale, self.height))


class Pen:
    """Draws in a figure's units, x to the right and y downwards."""

    def __init__(self, canvas: Canvas, scale: float, height: float) -> None:
        """Take a canvas whose origin is the lower left corner of the figure."""
        self._canvas, self._scale, self._top = canvas, scale, height

    def path(
        self,
        d: str,
        stroke: str = "",
        width: float = 0.0,
        fill: str = "",
        alpha: float = 1.0,
        dash: Sequence[float] = (),
    ) -> None:
        """Draw a path "M x y L x y … Z" as `figures` makes it; a fill takes every second area that it encloses."""
        if not d:
            return
        lines = self._lines(d)
        with self._style(stroke, width, fill, alpha, dash):
            self._canvas.drawPath(lines, stroke=bool(stroke), fill=bool(fill), fillMode=0)

    def line(self, start: Spot, stop: Spot, stroke: str, width: float, dash: Sequence[float] = ()) -> None:
        """Draw a straight line."""
        with self._style(stroke, width, dash=dash):
            self._canvas.line(*self._at(*start), *self._at(*stop))

    def cross(self, at: Spot, size: float, stroke: str, width: float) -> None:
        """Mark a point."""
        x, y = at
        self.line((x - size, y), (x + size, y), stroke, width)
        self.line((x, y - size), (x, y + size), stroke, width)

    def circle(
        self, at: Spot, radius: float, stroke: str = "", width: float = 0, fill: str = "", dash: Sequence[float] = ()
    ) -> None:
        """Draw a circle or a dot."""
        with self._style(stroke, width, fill, dash=dash):
            self._canvas.circle(*self._at(*at), radius * self._scale, stroke=bool(stroke), fill=bool(fill))

    def half_dot(self, at: Spot, radius: float, colour: str) -> None:
        """Draw a circle whose left half is filled: the report's mark of doubt."""
        x, y = self._at(*at)
        with self._style(colour, 0.2 * radius, colour):
            r = radius * self._scale
            half = self._canvas.beginPath()
            half.arc(x - r, y - r, x + r, y + r, 90, 180)
            self._canvas.drawPath(half, stroke=0, fill=1)
            self._canvas.circle(x, y, r, stroke=1, fill=0)

    def box(self, x: float, y: float, width: float, height: float, fill: str, alpha: float = 1.0) -> None:
        """Fill a rectangle."""
        left, top = self._at(x, y)
        with self._style(fill=fill, alpha=alpha):
            self._canvas.rect(left, top - height * self._scale, width * self._scale, height * self._scale, 0, 1)

    def image(self, uri: str, x: float, y: float, width: float, height: float) -> None:
        """Draw a data URI; a transparent one stays so."""
        picture = ImageReader(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        left, top = self._at(x, y)
        size = width * self._scale, height * self._scale
        self._canvas.drawImage(picture, left, top - size[1], *size, mask="auto")

    def write(
        self,
        at: Spot,
        text: str,
        size: float,
        colour: str = INK,
        anchor: str = "start",
        font: str = TEXT,
        halo: str = "",
        turn_deg: float = 0.0,
    ) -> None:
        """Write on the base line ``at``; ``halo`` is drawn around, for pictures below; turned clockwise."""
        canvas, points = self._canvas, size * self._scale
        canvas.saveState()
        canvas.translate(*self._at(*at))
        canvas.rotate(-turn_deg)
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * canvas.stringWidth(text, font, points)
        for mode, ink in ((2, halo), (0, colour)):
            if not ink:
                continue
            line = canvas.beginText(-shift, 0)
            line.setFont(font, points)
            canvas.setLineJoin(1)
            canvas.setLineWidth(0.22 * points)
            line.setStrokeColor(HexColor(ink))
            line.setFillColor(HexColor(ink))
            line.setTextRenderMode(mode)
            line.textOut(text)
            line.setTextRenderMode(0)
            canvas.drawText(line)
        canvas.restoreState()

    def clipped(self, d: str) -> "_Restored":
        """Draw only inside of a closed path while the context lasts."""
        restored = _Restored(self._canvas)
        self._canvas.clipPath(self._lines(d), stroke=0, fill=0)
        return restored

    def _lines(self, d: str) -> PDFPathObject:
        lines = self._canvas.beginPath()
        for spots, closed in _subpaths(d):
            lines.moveTo(*self._at(*spots[0]))
            for spot in spots[1:]:
                lines.lineTo(*self._at(*spot))
            if closed:
                lines.close()
        return lines

    def _at(self, x: float, y: float) -> Spot:
        return x * self._scale, self._top - y * self._scale

    def _style(
        self, stroke: str = "", width: float = 0.0, fill: str = "", alpha: float = 1.0, dash: Sequence[float] = ()
    ) -> "_Restored":
        restored = _Restored(self._canvas)
        if stroke:
            self._canvas.setStrokeColor(HexColor(stroke))
            self._canvas.setLineWidth(width * self._scale)
            self._canvas.setLineJoin(1)
        if fill:
            self._canvas.setFillColor(HexColor(fill))
            self._canvas.setFillAlpha(alpha)
        if dash:
            self._canvas.setDash([length * self._scale for length in dash])
        return restored


class _Restored:
    """Gives the canvas its state back at the end."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        canvas.saveState()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._canvas.restoreState()


def coronal(figure: Coronal, head: str, necrosis: str, wide: float) -> Figure:
    """The mid-coronal slice with sphere, weight-bearing portion, lesion end and landmarks."""
    width, height = figure.picture.width, figure.picture.height

    def draw(pen: Pen) -> None:
        with pen.clipped(_rectangle(0, 0, width, height)):
            _slice(pen, figure.picture, head, necrosis, 0.45)
            pen.circle(figure.centre, figure.radius, "#ffffff", 0.3, dash=(1.1, 0.9))
            pen.cross(figure.centre, 1.0, "#ffffff", 0.3)
            for colour, letter, (path, spot) in zip(
                (ARC, ARC_MIDDLE, ARC), ("A", "B", "C1"), figure.thirds, strict=False
            ):
                pen.path(path, colour, 1.2)
                pen.write((spot[0], spot[1] + 1), letter, 2.8, "#c9f5e5", "middle", BOLD, "#000000")
            pen.path(figure.lesion_end, necrosis, 0.9)
            if figure.edge:
                x, y = figure.edge
                outwards = -1 if x < figure.centre[0] else 1
                pen.cross(figure.edge, 1.2, MARK, 0.5)
                place = (x + 1.8 * outwards, y + 0.8)
                pen.write(place, "edge", 2.3, "#ffc4e4", "end" if outwards < 0 else "start", halo="#000000")
            if figure.teardrop:
                x, y = figure.teardrop
                pen.cross(figure.teardrop, 1.2, MARK, 0.5)
                anchor = "start" if x < 8 else "end" if x > width - 8 else "middle"
                pen.write((x, y + 3.9), "teardrop", 2.3, "#ffc4e4", anchor, halo="#000000")
            for spot, name, anchor in (
                ((1.6, height / 2 + 1), "R", "start"),
                ((width - 1.6, height / 2 + 1), "L", "end"),
                ((width / 2, 3.6), "S", "middle"),
            ):
                pen.write(spot, name, 3, "#ffffff", anchor, BOLD, "#000000")
            pen.line((2, height - 2.2), (22, height - 2.2), "#ffffff", 0.5)
            pen.write((2, height - 3.2), "20 mm", 2.3, "#ffffff", halo="#000000")

    return Figure(width, height, wide, draw)


def polar(figure: Polar, wide: float) -> Figure:
    """The head's surface from above; the weight-bearing zone hatched."""
    r = POLAR_TO_DEG
    left, top = r + 16, r + 14

    def at(x: float, y: float) -> Spot:
        return x + left, y + top

    def moved(d: str) -> str:
        return " ".join(
            "M" + "L".join(f"{x + left:.2f} {y + top:.2f}" for x, y in spots) + "Z" for spots, _ in _subpaths(d)
        )

    def draw(pen: Pen) -> None:
        pen.circle(at(0, 0), r, fill="#fbfbf9")
        pen.image(figure.image, *at(-r, -r), 2 * r, 2 * r)
        for ring in (30, 60, 90):
            pen.circle(at(0, 0), ring, NET, 1.0 if ring == 90 else 0.5)
        pen.line(at(-r, 0), at(r, 0), NET, 0.5)
        pen.line(at(0, -r), at(0, r), NET, 0.5)
        if figure.zone:
            with pen.clipped(moved(figure.zone)):
                for start in range(-2 * int(r), 2 * int(r), 10):
                    pen.line(at(start - r, r), at(start + r, -r), ZONE, 0.8)
            pen.path(moved(figure.zone), ZONE, 1.4)
        if figure.involved:
            pen.path(moved(figure.involved), LESION, 1.8)
        pen.circle(at(0, 0), r, NET, 1.0)
        pen.write(at(0, -r - 4), "anterior", 10, SOFT, "middle")
        pen.write(at(0, r + 11), "posterior", 10, SOFT, "middle")
        names = ("lateral", "medial") if figure.lateral == "left" else ("medial", "lateral")
        pen.write(at(-r - 5, 0), names[0], 10, SOFT, "middle", turn_deg=-90)
        pen.write(at(r + 5, 0), names[1], 10, SOFT, "middle", turn_deg=90)
        pen.write(at(64, -67), "equator", 8, SOFT)

    return Figure(2 * left, 2 * top, wide, draw)


def plot(figure: RatioPlot, wide: float) -> Figure:
    """The necrotic share along the slices, over the bands of the Steinberg classes."""
    sx, sy, left, top = 300 / figure.length, 140 / figure.top, 46, 8

    def at(x: float, share: float) -> Spot:
        return left + x, top + 140 - share * sy

    def draw(pen: Pen) -> None:
        for name, low, high in (("mild", 0, 0.15), ("moderate", 0.15, 0.3), ("severe", 0.3, figure.top)):
            pen.box(left - 8, at(0, high)[1], 316, (high - low) * sy, CLASSES[name], 0.35)
            pen.write((left + 312, at(0, (low + high) / 2)[1] + 3.5), name, 9.5, SOFT)
        ticks = [tick for tick in (0, 0.15, 0.3, 0.5, 0.75, 1.0) if tick <= figure.top]
        for tick in ticks:
            threshold = tick in (0.15, 0.3)
            pen.line(
                at(-8, tick), at(308, tick), INK if threshold else NET, 0.8 if threshold else 0.5, (4, 3) * threshold
            )
            label = f"{100 * tick:.0f}" + " %" * (tick == ticks[-1])
            pen.write((left - 12, at(0, tick)[1] + 3.5), label, 10.5, SOFT, "end")
        spots = [at(x * sx, measured.ratio) for x, measured, _ in figure.points]
        pen.path("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in spots), SOFT, 1.2)
        for spot, (_, _, large) in zip(spots, figure.points, strict=True):
            radius = 3.6 if len(spots) <= 30 else 2.4
            pen.circle(spot, radius, PAPER if large else INK, 0.9, INK if large else PAPER)
        pen.write((left - 8, top + 158), figure.ends[0], 10.5, SOFT)
        pen.write((left + 308, top + 158), figure.ends[1], 10.5, SOFT, "end")
        pen.write((left + 150, top + 158), f"{figure.length:.0f} mm", 10.5, SOFT, "middle")

    return Figure(404, 172, wide, draw)


def tile(shown: Tile, head: str, necrosis: str, wide: float, look_first: bool) -> Figure:
    """One slice of the contact sheet with its index and share."""
    picture, measured = shown.picture, shown.measured
    unit = picture.width / 40
    height = picture.height + 7.5 * unit

    def draw(pen: Pen) -> None:
        pen.box(0, 0, picture.width, height, "#0b0f13")
        with pen.clipped(_rectangle(0, 0, picture.width, picture.height)):
            _slice(pen, picture, head, necrosis, 0.7)
        line = picture.height + 4.9 * unit
        pen.write((2 * unit, line), str(measured.index), 4.6 * unit, "#9fb0bf")
        if look_first:
            pen.half_dot((13.5 * unit, line - 1.6 * unit), 1.7 * unit, DOUBT)
        digits = 0 if measured.ratio >= 0.0995 or measured.ratio == 0 else 1
        pen.write((38 * unit, line), percent(measured.ratio, digits), 4.6 * unit, "#ffffff", "end", BOLD)
        if measured.steinberg in CLASSES:
            colour = "#2f86cb" if measured.steinberg == "severe" else CLASSES[measured.steinberg]
            pen.box(0, height - 1.4 * unit, picture.width, 1.4 * unit, colour)

    return Figure(picture.width, height, wide, draw)


def gauge(ratio: float, interval: tuple[float, float] | None, wide: float) -> Figure:
    """The ratio on a scale from 0 to 50 % with the thresholds at 15 and 30 %."""

    def place(share: float) -> float:
        return 1 + min(200 * share, 100)

    def draw(pen: Pen) -> None:
        for name, start, stop in (("mild", 0, 0.148), ("moderate", 0.15, 0.299), ("severe", 0.301, 0.5)):
            pen.box(place(start), 4, place(stop) - place(start), 3, CLASSES[name])
        for share, text, anchor in (
            (0, "0", "start"),
            (0.15, "15", "middle"),
            (0.3, "30", "middle"),
            (0.5, "≥ 50 %", "end"),
        ):
            pen.write((place(share), 11), text, 3.1, SOFT, anchor)
        if interval:
            low, high = map(place, interval)
            pen.line((low, 3.5), (high, 3.5), INK, 0.6)
            for end in (low, high):
                pen.line((end, 2.2), (end, 4.8), INK, 0.6)
        x = place(ratio)
        pen.path(f"M{x} 8.2L{x - 1.5} 2L{x + 1.5} 2Z", PAPER, 0.4, INK)

    return Figure(102, 12, wide, draw)


def _slice(pen: Pen, picture: Picture, head: str, necrosis: str, line: float) -> None:
    pen.image(picture.image, 0, 0, picture.width, picture.height)
    pen.path(picture.head, head, line)
    pen.path(picture.uncertain, fill=DOUBT, alpha=0.4)
    pen.path(picture.necrosis, fill=necrosis, alpha=0.16)
    pen.path(picture.necrosis, necrosis, 1.25 * line)


def _rectangle(x: float, y: float, width: float, height: float) -> str:
    return f"M{x} {y}L{x + width} {y}L{x + width} {y + height}L{x} {y + height}Z"


def _subpaths(d: str) -> list[tuple[list[Spot], bool]]:
    """Split a path into the spots of each part, and whether it is closed."""
    parts = [part.strip() for part in d.split("M")[1:]]
    return [([_spot(spot) for spot in part.rstrip("Z").split("L")], part.endswith("Z")) for part in parts]


def _spot(text: str) -> Spot:
    x, y = map(float, text.split())
    return x, y
