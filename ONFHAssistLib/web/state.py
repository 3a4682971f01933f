"""What the page knows: one dataclass, and how a review is told to it in plain values."""

import base64
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ONFHAssistLib.core.findings import PATIENT, About
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.exchange.figures import ratio_plot
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.exchange.words import percent
from ONFHAssistLib.reviewer import attention
from ONFHAssistLib.reviewer.cards import HipCard, cards
from ONFHAssistLib.reviewer.systems import Choice
from ONFHAssistLib.scene.markups import MARK_RGB
from ONFHAssistLib.scene.outlines import OUTLINE_RGB, READING_RGB
from ONFHAssistLib.scene.overlay import SPHERE_RGB, THIRDS_RGB
from ONFHAssistLib.scene.pictures import head_map_png
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.segmentation import What
from ONFHAssistLib.web.worklist import Row

Plain = dict[str, Any]


@dataclass
class PageState:
    """Everything that the page shows, or that the reader types into it. Lists hold JSON-ready dictionaries."""

    # the worklist
    studies: list[Plain] = field(default_factory=list)
    words: str = ""
    place: str = ""
    ahead: bool = True
    ahead_title: str = ""
    list_open: bool = True
    # the study
    current: str = ""
    study: str = ""
    title: str = ""
    form: str = "volume"
    volumes_only: str = ""
    warnings: list[str] = field(default_factory=list)
    stage: str = ""
    fraction: float = 0.0
    analysing: bool = False
    analysed: bool = False
    corrected: bool = False
    restored: bool = False
    message: str = ""
    alarm: bool = False
    unkept: str = ""
    # the systems
    systems: list[Plain] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    variables: list[Plain] = field(default_factory=list)
    device: str = "auto"
    engine: str = "auto"
    # the hip
    side: str = "right"
    cards: list[Plain] = field(default_factory=list)
    plot: Plain = field(default_factory=dict)
    slices: list[Plain] = field(default_factory=list)
    slice: int = -1
    looked: int = -1
    reviewed: str = ""
    marked: bool = False
    polar: str = ""
    # the editor
    tool: str = ""
    segment: str = "necrosis"
    brush: float = 5.0
    can_undo: bool = False
    can_redo: bool = False
    placing: str = ""
    # the views
    masks: bool = True
    labels: bool = False
    legend: list[Plain] = field(default_factory=list)
    # the sign-off
    hips: list[Plain] = field(default_factory=list)
    signing: list[str] = field(default_factory=list)
    reviewer: str = ""
    patient_code: str = ""
    comment: str = ""
    question: str = ""
    question_status: str = ""
    cases: str = ""
    cases_title: str = ""
    # the data set
    training: Plain = field(default_factory=dict)
    training_open: bool = False
    listing: str = "studies"
    stored: list[Plain] = field(default_factory=list)
    stored_more: int = 0
    case: Plain = field(default_factory=dict)
    reading: int = -1
    withdrawing: bool = False
    why: str = ""
    renaming: bool = False
    right_code: str = ""
    rename_asked: str = ""
    # the page itself
    help: bool = False
    how: bool = False
    again: bool = False
    dark: bool = True
    taken: bool = False


def side_of(page: PageState) -> Side:
    """Return the hip that is chosen; a page holds plain words, of any kind."""
    return "left" if page.side == "left" else "right"


def about_of(page: PageState) -> About:
    """Return whose card is open: of a hip, or, of a slice or picture, maybe of the patient."""
    return PATIENT if page.side == PATIENT else side_of(page)


def segment_of(page: PageState) -> What:
    """Return what is edited."""
    return "head" if page.segment == "head" else "necrosis"


def on_page(sentence: str) -> str:
    """Tell where to click, in a sentence that other places of the software say, too."""
    for given, clicked in _CLICKS.items():
        sentence = sentence.replace(given, clicked)
    return sentence


_CLICKS = {
    "give its centre": "click on its centre (Place, at the left)",
    "or the centre of the head": "or click on the centre of the head (Place, at the left)",
}


def study_lines(listed: list[Row]) -> list[Plain]:
    """Return the worklist's lines."""
    return [
        {
            "key": row.entry.key,
            "title": row.entry.title,
            "status": row.status,
            "plane": " ".join(word for word in (row.summary.plane, row.summary.sequence) if word),
            "reviewer": row.summary.reviewer,
            "problem": row.entry.problem or row.summary.problem,
            "hips": [
                {
                    "side": hip.side[0].upper(),
                    "grade": hip.steinberg or "not graded",
                    "jic": hip.jic or "",
                    "ratio": percent(hip.ratio, 0) if hip.ratio else "",  # nothing after "without ONFH"
                    "borderline": hip.borderline,
                    "status": hip.status,
                }
                for hip in row.summary.hips
            ],
        }
        for row in listed
    ]


def system_lines(listed: Iterable[Choice]) -> list[Plain]:
    """Return the systems to choose from; ``props`` are those of Vuetify's list items."""
    return [
        {**asdict(one), "props": {"subtitle": one.why_not or one.about, "disabled": not one.offered}} for one in listed
    ]


def hip_cards(review: Review) -> list[Plain]:
    """Return the card of each hip, or of whom something was found."""
    return [_card(card) for card in cards(review)]


def _card(card: HipCard) -> Plain:
    findings = [{**asdict(found), "title": found.heading, "notes": found.sentences} for found in card.findings]
    return {**asdict(card), "reason": on_page(card.reason), "findings": findings}


def signed_hips(review: Review | None) -> list[Plain]:
    """Return the hips that can be signed, with the status that each was signed with; "" where it waits."""
    if review is None:
        return []
    unsaved = review.unsaved_sides

    def line(side: Side) -> Plain:
        said = review.sign_off(side)
        status = said.status if said.reviewer and side not in unsaved else ""
        return {"side": side, "name": side.capitalize(), "status": status}

    return [line(side) for side in review.segmented]


def legend(review: Review | None, reading: bool = False, looked: bool = False) -> list[Plain]:
    """Return what the lines over the images mean: words, colour and kind of line."""
    on_image = [(attention.LEGEND, attention.COLOUR, "solid")] if looked else []
    if review is not None and not review.sides:
        masks = [mask for found in review.result.findings for mask in found.masks]
        return _lines([*((mask.title, mask.color, "solid") for mask in masks), *on_image])
    changed = review is not None and any(review.changed(side) for side in review.sides)
    known = segments()
    lines = [
        ("head", known[MaskLabel.RIGHT_HEAD].color, "solid"),
        ("necrosis", known[MaskLabel.RIGHT_NECROSIS].color, "solid"),
        ("sphere of the head", _colour(SPHERE_RGB), "solid"),
        ("thirds of the weight-bearing portion", _colour(THIRDS_RGB[0]), "double"),
        ("landmarks", _colour(MARK_RGB), "dotted"),
    ]
    if changed:
        lines.append(("automatic result", _colour(OUTLINE_RGB), "dashed"))
    if reading:
        lines.append(("the other reading", _colour(READING_RGB), "dashed"))
    return _lines([*lines, *on_image])


def _lines(lines: Iterable[tuple[str, str, str]]) -> list[Plain]:
    return [{"text": text, "color": color, "line": line} for text, color, line in lines]


def _colour(rgb: Iterable[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


PLOT = (300.0, 150.0)
"""Width and height of the plot's area, in its own units."""


def plot_lines(review: Review, side: Side) -> Plain:
    """Return the plot of a hip's ratio along its slices, in units of PLOT, y downwards: points, lines, ticks."""
    volume = review.result.volume
    plot = ratio_plot(review.hip(side), volume)
    if plot is None:
        return {}
    width, height = PLOT
    length, top = max(plot.length, 1e-6), max(plot.top, 1e-6)

    def place(x: float, ratio: float) -> tuple[float, float]:
        return round(x / length * width, 1), round(height - ratio / top * height, 1)

    shown = [(place(x, s.ratio), s.index, s.ratio, large) for x, s, large in plot.points]
    where = {s.index: x for x, s, _ in plot.points}
    automatic = [s for s in review.automatic(side).slices if s.index in where] if review.changed(side) else []
    before = sorted(place(where[s.index], s.ratio) for s in automatic)
    ticks = [tick for tick in (0.0, 0.15, 0.3, 0.5, 0.75, 1.0) if tick <= top * 1.001]
    return {
        "points": [
            {"x": x, "y": y, "index": index, "large": large, "told": f"Slice {index}: {percent(ratio)}"}
            for (x, y), index, ratio, large in shown
        ],
        "line": " ".join(f"{x},{y}" for (x, y), *_ in shown),
        "before": " ".join(f"{x},{y}" for x, y in before),
        "ticks": [{"y": place(0, tick)[1], "text": percent(tick, 0), "limit": tick in (0.15, 0.3)} for tick in ticks],
        "ends": list(plot.ends),
        "length": f"{plot.length:.0f} mm",
    }


def polar_picture(masks: HipMasks) -> str:
    """Return the polar map of a hip as a data URI."""
    return "data:image/png;base64," + base64.b64encode(head_map_png(masks)).decode("ascii")
