"""What the page knows: one dataclass, and how a review is told to it in plain values."""

import base64
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.overview import Overview, hip_of
from ONFHAssistLib.curation.store.open_case import OpenCase, told
from ONFHAssistLib.exchange.figures import ratio_plot
from ONFHAssistLib.exchange.finding_words import FindingCard
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.exchange.words import headline, percent, rows
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.models.installed import Model, network_words
from ONFHAssistLib.scene.markups import MARK_RGB
from ONFHAssistLib.scene.outlines import OUTLINE_RGB, READING_RGB
from ONFHAssistLib.scene.overlay import SPHERE_RGB, THIRDS_RGB
from ONFHAssistLib.scene.pictures import head_map_png
from ONFHAssistLib.scene.review import Review, What
from ONFHAssistLib.scene.systems import cards_of, choices
from ONFHAssistLib.web.worklist import Row
from ONFHAssistLib.worker.fine_tune import FineTune

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
    warnings: list[str] = field(default_factory=list)
    stage: str = ""
    fraction: float = 0.0
    analysing: bool = False
    analysed: bool = False
    drafted: bool = False
    restored: bool = False
    message: str = ""
    alarm: bool = False
    unkept: str = ""
    # the systems
    systems: list[Plain] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    # the hip
    side: str = "right"
    cards: list[Plain] = field(default_factory=list)
    plot: Plain = field(default_factory=dict)
    slices: list[Plain] = field(default_factory=list)
    slice: int = -1
    reviewed: str = ""
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
    again: bool = False
    dark: bool = True
    taken: bool = False


def side_of(page: PageState) -> Side:
    """Return the hip that is chosen; a page holds plain words, of any kind."""
    return "left" if page.side == "left" else "right"


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
                }
                for hip in row.summary.hips
            ],
        }
        for row in listed
    ]


def hip_cards(review: Review) -> list[Plain]:
    """Return the card of each hip, with what the networks had where a reader has changed it."""
    return [_card(side, review) for side in SIDES if side in review.sides]


def _card(side: Side, review: Review) -> Plain:
    hip, changed = review.hip(side), review.changed(side)
    card: Plain = {"side": side, "title": f"{side.capitalize()} hip", "graded": hip.status == "graded"}
    card["findings"] = [_finding(found) for found in cards_of(review, side)]
    if hip.status != "graded":
        return {**card, "headline": "not graded", "reason": on_page(hip.reason or ""), "rows": [], "borderline": False}
    before = {row.title: row.grade for row in rows(review.automatic(side))} if changed else {}
    text, borderline = headline(hip)
    return {
        **card,
        "headline": text,
        "borderline": borderline,
        "automatic": f"automatic: {headline(review.automatic(side))[0]}" if changed else "",
        "volumes": f"necrosis {hip.necrosis_volume_ml:.1f} of {hip.head_volume_ml:.1f} ml",
        "radius": round(hip.sphere.radius_mm, 1) if hip.sphere else None,
        "rows": [
            {
                "title": row.title,
                "grade": row.grade or "no grade",
                "borderline": row.borderline,
                "told": row.told,
                "automatic": (before.get(row.title) or "no grade")
                if changed and before.get(row.title) != row.grade
                else "",
            }
            for row in rows(hip)
        ],
    }


def _finding(found: FindingCard) -> Plain:
    return {
        "title": found.title,
        "rows": [asdict(row) for row in found.rows],
        "notes": [text for text in (found.reason, *found.notes) if text],
    }


def system_lines(chosen: Iterable[str], study: Study | None) -> list[Plain]:
    """Return the systems to choose from."""
    return [asdict(choice) for choice in choices(chosen, study)]


def slice_lines(hip: HipResult, automatic: HipResult, reviewed: Collection[int] | None = None) -> list[Plain]:
    """Return the table of a hip's slices; ``was`` is the automatic ratio where it is another one.

    ``reviewed``: the slices that the reader stands for; None: all, and none is marked.
    """
    before = {s.index: s.ratio for s in automatic.slices}
    return [
        {
            "index": s.index,
            "ratio": percent(s.ratio),
            "was": percent(before[s.index]) if s.index in before and abs(before[s.index] - s.ratio) > 5e-4 else "",
            "grade": s.steinberg,
            "area": f"{s.necrosis_mm2:.0f} of {s.head_mm2:.0f}",
            "look": s.index in hip.look_first,
            "reviewed": reviewed is not None and s.index in reviewed,
        }
        for s in hip.slices
    ]


def reviewed_line(hip: HipResult, reviewed: Collection[int] | None) -> str:
    """Tell how many slices the reader stands for; "" where that is all of them."""
    if reviewed is None:
        return ""
    count = sum(s.index in reviewed for s in hip.slices)
    return f"{count} of {len(hip.slices)} slices reviewed; only these are trained with."


def stored_lines(cases: Iterable[CaseSummary], stored: OpenCase | None, drafted: Collection[str] = ()) -> list[Plain]:
    """Return the lines of the data set's cases.

    Args:
        cases: in their order.
        stored: the one that is open; while it is read anew, no line tells what others have found.
        drafted: names of those that have a draft here.
    """
    blind = stored is not None and stored.independent
    return [
        {
            "name": case.case_id,
            "status": case.status,
            "told": case.side if blind else hip_of(case),
            "readers": "" if blind else " and ".join(case.reviewers),
            "differ": case.needs_adjudication and not blind,
            "draft": case.case_id in drafted,
            "on": stored is not None and case.case_id == stored.name,
        }
        for case in cases
    ]


def case_card(stored: OpenCase | None) -> Plain:
    """Return the card of the case of the data set that is open; empty where none is."""
    if stored is None:
        return {}
    return {
        "name": stored.name,
        "told": told(stored),
        "readings": [{"number": reading.number, "words": reading.words} for reading in stored.readings],
        "history": list(stored.history),
    }


def legend(changed: bool, reading: bool = False) -> list[Plain]:
    """Return what the lines over the images mean: words, colour and kind of line."""
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
    return [{"text": text, "color": color, "line": line} for text, color, line in lines]


def _colour(rgb: tuple[float, float, float]) -> str:
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


def training_card(
    found: Overview, tuning: FineTune, missing: str, networks: Sequence[Model] = (), blind: bool = False
) -> Plain:
    """Return the card of the data set, empty where there is none.

    Args:
        found: what is known of the data set.
        tuning: the training.
        missing: what a training lacks, or "".
        networks: the necrosis networks that there are.
        blind: a case is read anew; nothing is told that follows from what others have found.
    """
    if found.folder is None and not found.there:
        return {}
    name = found.folder.name if found.folder else ""
    last = f"Last saved: {found.last_saved}" if found.last_saved else ""
    following = f"Next: {found.next_case}" if found.next_case else ""
    return {
        "title": found.folder.name if found.folder else "cannot be read",
        "counts": "" if blind else found.counts,
        "lines": [line for line in ((name,) if blind else (name, last, following, *found.lacking)) if line],
        "running": tuning.running,
        "percent": round(100 * tuning.fraction),
        "told": tuning.stage if tuning.running else found.problem or tuning.message or missing,
        "alarm": bool(found.problem) or (tuning.failed and not tuning.running),
        "waiting": bool(found.waiting),
        "networks": [{"id": one.id, "words": network_words(one)} for one in networks],
        "network": next((one.id for one in networks if one.in_use), ""),
    }
