"""How the report's pictures look, on the page, on paper and in the reviewers alike; what they show is `figures`'."""

import numpy as np

from ONFHAssistLib.core.gradings.steinberg import STEINBERG_MODERATE_FROM as FROM
from ONFHAssistLib.core.gradings.steinberg import STEINBERG_MODERATE_TO as TO
from ONFHAssistLib.exchange.figures import POLAR_TO_DEG, Coronal, Picture, Polar, RatioPlot, Tile
from ONFHAssistLib.exchange.finding_figures import FindingTile
from ONFHAssistLib.exchange.shapes import (
    Circle,
    Drawing,
    Lines,
    Pixels,
    Shape,
    Spot,
    Text,
    box,
    cross,
    hatching,
    line,
)
from ONFHAssistLib.exchange.strips import StripCard
from ONFHAssistLib.exchange.words import percent, share_in_words

INK, SOFT, LINE, PAPER, BLACK = "#16202b", "#56636f", "#dde2e7", "#ffffff", "#000000"
CLASSES = {"mild": "#cfe3f3", "moderate": "#7db4dc", "severe": "#1f6aa5"}
BARS = {**CLASSES, "severe": "#2f86cb"}
"""The same below a slice, brighter where it lies on black."""
ARC, ARC_MIDDLE, DOUBT, MARK = "#35c99b", "#d7f5ea", "#ffd84d", "#ff9bd2"
DISC, LESION, ZONE, NET = "#fbfbf9", "#a34400", "#0a7d5b", "#9aa5af"
POLAR_MARGIN_DEG = 18.0
"""Around the disc of the polar map, for the names of the directions."""


def coronal(figure: Coronal, head: str, necrosis: str) -> Drawing:
    """Draw the mid-coronal slice with sphere, weight-bearing portion, lesion end and landmarks; unit mm.

    Args:
        figure: what it shows.
        head: colour of the head's outline.
        necrosis: colour of the necrosis.
    """
    width, height = figure.picture.width, figure.picture.height
    shapes = _slice(figure.picture, head, necrosis, 0.45, filled=True)
    shapes += [
        Circle(figure.centre, figure.radius, PAPER, 0.3, dash=(1.1, 0.9)),
        cross(figure.centre, 1.0, PAPER, 0.3),
    ]
    for colour, letter, (third, (x, y)) in zip((ARC, ARC_MIDDLE, ARC), ("A", "B", "C1"), figure.thirds, strict=False):
        shapes += [Lines((third,), colour, 1.2), Text((x, y + 1), letter, 2.8, "#c9f5e5", "middle", True, BLACK)]
    if figure.lesion_end is not None:
        shapes.append(Lines((figure.lesion_end,), necrosis, 0.9))
    if figure.edge:  # its name stands away from the head
        x, y = figure.edge
        outwards, anchor = (-1, "end") if x < figure.centre[0] else (1, "start")
        place = (x + 1.8 * outwards, y + 0.8)
        shapes += [cross(figure.edge, 1.2, MARK, 0.5), Text(place, "edge", 2.3, "#ffc4e4", anchor, halo=BLACK)]
    if figure.teardrop:
        x, y = figure.teardrop
        anchor = "start" if x < 8 else "end" if x > width - 8 else "middle"
        words = "‹ teardrop" if x < 0 else "teardrop ›" if x > width else "teardrop"  # it may lie beside the picture
        name = Text((min(max(x, 1), width - 1), y + 3.9), words, 2.3, "#ffc4e4", anchor, halo=BLACK)
        shapes += [cross(figure.teardrop, 1.2, MARK, 0.5), name]
    shapes += [
        Text((1.6, height / 2 + 1), "R", 3, PAPER, "start", True, BLACK),
        Text((width - 1.6, height / 2 + 1), "L", 3, PAPER, "end", True, BLACK),
        Text((width / 2, 3.6), "S", 3, PAPER, "middle", True, BLACK),
        Lines(line((2, height - 2.2), (22, height - 2.2)), PAPER, 0.5),
        Text((2, height - 3.2), "20 mm", 2.3, PAPER, halo=BLACK),
    ]
    return Drawing(0, 0, width, height, tuple(shapes))


def polar(figure: Polar, names: str = SOFT) -> Drawing:
    """Draw the head's surface from above, the weight-bearing zone hatched; unit: degrees from the superior pole.

    Args:
        figure: what it shows.
        names: colour of the names of the directions.
    """
    r = POLAR_TO_DEG
    size = r + POLAR_MARGIN_DEG
    at_left, at_right = ("lateral", "medial") if figure.lateral == "left" else ("medial", "lateral")
    shapes: list[Shape] = [
        Circle((0, 0), r, fill=DISC),
        Pixels(figure.tint, -r, -r, 2 * r, 2 * r),
        *(Circle((0, 0), ring, NET, 1.0 if ring == 90 else 0.5) for ring in (30, 60, 90)),
        Lines((*line((-r, 0), (r, 0)), *line((0, -r), (0, r))), NET, 0.5),
        Lines(hatching(figure.zone, 7), ZONE, 0.8),
        Lines(figure.zone, ZONE, 1.4, closed=True, kind="zone"),
        Lines(figure.involved, LESION, 1.8, closed=True, kind="involved"),
        Circle((0, 0), r, NET, 1.0),
        Text((0, -r - 5), "anterior", 10, names, "middle"),
        Text((0, r + 12), "posterior", 10, names, "middle"),
        Text((-r - 5, 0), at_left, 10, names, "middle", turn_deg=-90),
        Text((r + 5, 0), at_right, 10, names, "middle", turn_deg=90),
        Text((64, 73), "equator", 8, SOFT),  # posterior, where a lesion seldom lies under it
    ]
    return Drawing(-size, -size, 2 * size, 2 * size, tuple(shapes))


def plot(figure: RatioPlot) -> Drawing:
    """Draw the necrotic share along the slices, over the bands of the Steinberg classes: 300 units long, 140 high."""
    along, up = 300 / figure.length, 140 / figure.top

    def at(share: float) -> float:
        return 140 - share * up

    shapes: list[Shape] = []
    for name, low, high in (("mild", 0, FROM), ("moderate", FROM, TO), ("severe", TO, figure.top)):
        shapes.append(box(-8, at(high), 316, (high - low) * up, CLASSES[name], 0.35))
        shapes.append(Text((312, at((low + high) / 2) + 3.5), name, 9.5, SOFT))
    ticks = [tick for tick in (0, FROM, TO, 0.5, 0.75, 1.0) if tick <= figure.top]
    for tick in ticks:
        across = line((-8, at(tick)), (308, at(tick)))
        shapes.append(Lines(across, INK, 0.8, dash=(4, 3)) if tick in (FROM, TO) else Lines(across, NET, 0.5))
        label = f"{100 * tick:.0f}" + " %" * (tick == ticks[-1])
        shapes.append(Text((-12, at(tick) + 3.5), label, 10.5, SOFT, "end"))
    spots = [(x * along, at(measured.ratio)) for x, measured, _ in figure.points]
    shapes.append(Lines(line(*spots), SOFT, 1.2))
    for spot, (_, measured, large) in zip(spots, figure.points, strict=True):
        colours = (PAPER, INK) if large else (INK, PAPER)
        title = f"Slice {measured.index}: {percent(measured.ratio)}"
        shapes.append(Circle(spot, 3.6 if len(spots) <= 30 else 2.4, colours[0], 0.9, colours[1], title=title))
    shapes += [
        Text((-8, 158), figure.ends[0], 10.5, SOFT),
        Text((308, 158), figure.ends[1], 10.5, SOFT, "end"),
        Text((150, 158), f"{figure.length:.0f} mm", 10.5, SOFT, "middle"),
    ]
    return Drawing(-46, -8, 404, 172, tuple(shapes))


def strip(card: StripCard) -> Drawing:
    """Draw the probability on each slice as a bar, and the threshold across them: 300 units long, 70 high."""
    wide = 300 / len(card.bars)

    def at(probability: float) -> float:
        return 70 - 70 * probability

    shapes: list[Shape] = [Lines(line((0, at(share)), (300, at(share))), NET, 0.4) for share in (0, 0.5, 1)]
    for n, bar in enumerate(card.bars):
        high = max(70 * bar.probability, 1.2)  # so that a slice is seen to be there
        shapes.append(box((n + 0.08) * wide, 70 - high, 0.84 * wide, high, bar.colour))
    shapes.append(Lines(line((-4, at(card.threshold)), (304, at(card.threshold))), INK, 1.0, dash=(4, 3)))
    shapes += [Text((-8, at(share) + 3), text, 9, SOFT, "end") for share, text in ((0, "0"), (1, "100 %"))]
    shapes.append(Text((308, at(card.threshold) + 3), f"from {percent(card.threshold, 0)}", 9, INK))
    for n, name, anchor in _marked(card):
        x = (n + 0.5) * wide
        shapes.append(Lines(line((x, 72.5), (x - 3, 78), (x + 3, 78)), fill=INK, closed=True))
        shapes.append(Text((x + {"start": -3, "middle": 0, "end": 3}[anchor], 87), name, 9, INK, anchor))
    shapes += [Text((0, 98), card.ends[0], 9, SOFT), Text((300, 98), card.ends[1], 9, SOFT, "end")]
    return Drawing(-40, -6, 404, 107, tuple(shapes))


def strip_bar(card: StripCard, number: int) -> Drawing:
    """Draw one bar of a strip with its piece of the threshold, 10 units wide and 48 high."""
    bar, line_at = card.bars[number], 48 - 48 * card.threshold
    high = max(48 * bar.probability, 1.2)
    shapes: tuple[Shape, ...] = (
        box(0, 0, 10, 48, NET, 0.2),
        box(0.8, 48 - high, 8.4, high, bar.colour),
        Lines(line((1.5, line_at), (8.5, line_at)), SOFT, 1.2),
    )
    return Drawing(0, 0, 10, 48, shapes)


def _marked(card: StripCard) -> list[tuple[int, str, str]]:
    """Name the bars to go to; two names run away from each other, so that they don't meet."""
    if card.first is None or card.first == card.worst:
        return [(card.worst, "highest" if card.first is None else "first and highest", "middle")]
    outwards = ("end", "start") if card.first < card.worst else ("start", "end")
    return [(card.first, "first", outwards[0]), (card.worst, "highest", outwards[1])]


def slice_of(picture: Picture, head: str, necrosis: str) -> Drawing:
    """Draw one slice with its outlines; unit mm.

    Args:
        picture: what it shows.
        head, necrosis: colours of the outlines.
    """
    return Drawing(0, 0, picture.width, picture.height, tuple(_slice(picture, head, necrosis, 0.7)))


def finding_slice(shown: FindingTile, other: str) -> Drawing:
    """Draw one slice of a finding with the outlines of its masks; unit mm.

    Args:
        shown: the slice.
        other: colour of the networks' necrosis, which it is compared with.
    """
    width = shown.width / 50
    shapes: list[Shape] = [
        Pixels(shown.image, 0, 0, shown.width, shown.height),
        Lines(shown.other, other, width, closed=True, kind="other"),
        *(Lines(parts, colour, width, closed=True) for parts, colour in shown.lines),
    ]
    return Drawing(0, 0, shown.width, shown.height, tuple(shapes))


def tile(shown: Tile, head: str, necrosis: str, look_first: bool) -> Drawing:
    """Draw one slice of the contact sheet with its index, its share, and a bar of its class's colour below.

    Args:
        shown: the slice.
        head, necrosis: as for `slice_of`.
        look_first: marked with the report's sign of doubt.
    """
    measured = shown.measured
    label = share_in_words(measured.ratio)
    return _captioned(slice_of(shown.picture, head, necrosis), measured.index, label, measured.steinberg, look_first)


def finding_tile(shown: FindingTile, other: str) -> Drawing:
    """Draw one slice of a finding as `tile` does one of the contact sheet; arguments as for `finding_slice`."""
    return _captioned(finding_slice(shown, other), shown.index, shown.label, shown.steinberg)


def _captioned(image: Drawing, index: int, label: str, steinberg: str, look_first: bool = False) -> Drawing:
    unit = image.width / 40
    height = image.height + 7.5 * unit
    base = image.height + 4.9 * unit
    shapes = [
        box(0, 0, image.width, height, "#0b0f13"),
        *image.shapes,
        Text((2 * unit, base), str(index), 4.6 * unit, "#9fb0bf"),
        Text((38 * unit, base), label, 4.6 * unit, PAPER, "end", True),
    ]
    if look_first:
        shapes += _half_dot((13.5 * unit, base - 1.6 * unit), 1.7 * unit)
    if steinberg in BARS:
        shapes.append(box(0, height - 1.4 * unit, image.width, 1.4 * unit, BARS[steinberg]))
    return Drawing(0, 0, image.width, height, tuple(shapes))


def gauge(ratio: float, interval: tuple[float, float] | None) -> Drawing:
    """Draw the ratio on a scale from 0 to 50 % (0 to 100 units) with the thresholds at 15 and 30 %."""

    def place(share: float) -> float:
        return min(200 * share, 100)

    shapes: list[Shape] = [
        box(place(start), 4, place(stop) - place(start), 3, CLASSES[name])
        for name, start, stop in (
            ("mild", 0, FROM - 0.002),
            ("moderate", FROM, TO - 0.001),
            ("severe", TO + 0.001, 0.5),
        )
    ]
    shapes += [
        Text((place(share), 11), text, 3.1, SOFT, anchor)
        for share, text, anchor in (
            (0, "0", "start"),
            (FROM, f"{100 * FROM:.0f}", "middle"),
            (TO, f"{100 * TO:.0f}", "middle"),
            (0.5, "≥ 50 %", "end"),
        )
    ]
    if interval:
        low, high = map(place, interval)
        ends = (part for x in (low, high) for part in line((x, 2.2), (x, 4.8)))
        shapes.append(Lines((*line((low, 3.5), (high, 3.5)), *ends), INK, 0.6, kind="interval"))
    x = place(ratio)
    shapes.append(Lines(line((x, 8.2), (x - 1.5, 2), (x + 1.5, 2)), PAPER, 0.4, INK, closed=True))
    return Drawing(-1, 0, 102, 12, tuple(shapes))


def _slice(picture: Picture, head: str, necrosis: str, width: float, filled: bool = False) -> list[Shape]:
    shapes: list[Shape] = [
        Pixels(picture.image, 0, 0, picture.width, picture.height),
        Lines(picture.head, head, width, closed=True, kind="head"),
        Lines(picture.uncertain, fill=DOUBT, opacity=0.4, closed=True, kind="uncertain"),
    ]
    if filled:
        shapes.append(Lines(picture.necrosis, fill=necrosis, opacity=0.16, closed=True))
    shapes.append(Lines(picture.necrosis, necrosis, 1.25 * width, closed=True, kind="necrosis"))
    return [shape for shape in shapes if not isinstance(shape, Lines) or shape.parts]


def _half_dot(at: Spot, radius: float) -> list[Shape]:
    angles = np.linspace(np.pi / 2, 3 * np.pi / 2, 19)
    half = np.array(at) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return [Lines((half,), fill=DOUBT, closed=True), Circle(at, radius, DOUBT, 0.2 * radius)]
