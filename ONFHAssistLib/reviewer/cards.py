"""The card of a hip: its grades with the rules behind them, and what the networks had where a reader has changed it."""

from dataclasses import dataclass

from ONFHAssistLib.core.findings import PATIENT, About
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.exchange.finding_words import ABOUT, FindingCard, finding_card
from ONFHAssistLib.exchange.words import Row, headline, rows
from ONFHAssistLib.reviewer.systems import cards_of
from ONFHAssistLib.scene.review import Review

NO_GRADE, NOT_GRADED, NOTHING_FOUND = "no grade", "not graded", "nothing found"


@dataclass(frozen=True)
class GradeLine:
    """One grading on a card.

    Attributes:
        title: of the grading.
        grade: the class as shown, or NO_GRADE.
        borderline: whether it is.
        told: rule, margin and notes, as sentences.
        automatic: what the networks had, where that is something else; "".
    """

    title: str
    grade: str
    borderline: bool
    told: str
    automatic: str = ""


@dataclass(frozen=True)
class HipCard:
    """What is told of one hip; or, of a slice or picture, of what the systems have found of a hip or the patient.

    Attributes:
        side: which hip, or "patient".
        title: its name.
        headline: extent and ratio, or that it is not graded.
        borderline: whether the extent is.
        graded: whether it has grades.
        others: the other gradings of the lesion in short, such as "JIC C2  ·  Modified Kerboul 3 ⚠".
        automatic: the headline that the networks had, where a reader has changed the hip since; "".
        reason: why it is not graded; "".
        look_first: indices along k of the most uncertain slices.
        lines: the gradings.
        volumes: of head and necrosis, in words; "".
        radius_mm: of the head's sphere; None where there is none.
        findings: what other systems have found of the hip or the patient.
    """

    side: About
    title: str
    headline: str
    borderline: bool = False
    graded: bool = False
    others: str = ""
    automatic: str = ""
    reason: str = ""
    look_first: tuple[int, ...] = ()
    lines: tuple[GradeLine, ...] = ()
    volumes: str = ""
    radius_mm: float | None = None
    findings: tuple[FindingCard, ...] = ()


def side_name(side: Side) -> str:
    """Return "Right hip" or "Left hip"."""
    return ABOUT[side]


def hip_card(review: Review | None, side: Side) -> HipCard:
    """Return the card of a hip as it is now; of one that nobody asked for a card that says so."""
    if review is None or side not in review.sides:
        return HipCard(side, side_name(side), "not analysed")
    hip, findings = review.hip(side), cards_of(review, side)
    if hip.status != "graded":
        return HipCard(side, side_name(side), NOT_GRADED, reason=hip.reason or "", findings=findings)
    before = review.automatic(side) if review.changed(side) else None
    now, (text, borderline) = rows(hip), headline(hip)
    return HipCard(
        side,
        side_name(side),
        text,
        borderline,
        graded=True,
        others=_others(now),
        automatic=f"automatic: {_headline(before)}" if before else "",
        look_first=hip.look_first,
        lines=_lines(now, before),
        volumes=f"necrosis {hip.necrosis_volume_ml:.1f} of {hip.head_volume_ml:.1f} ml",
        radius_mm=round(hip.sphere.radius_mm, 1) if hip.sphere else None,
        findings=findings,
    )


def cards(review: Review) -> tuple[HipCard, ...]:
    """Return the cards of a study: of its hips; where no system looks for them, of whom something was found."""
    if review.sides:
        return tuple(hip_card(review, side) for side in review.sides)
    found: tuple[About, ...] = tuple(about for about in (*SIDES, PATIENT) if review.findings(about))
    return tuple(_card_of_findings(review, about) for about in found or (PATIENT,))


def hip_to_begin_with(review: Review) -> Side:
    """Return the hip that a reader sees first: segmented, and with the most necrosis."""
    return max(review.sides, key=lambda side: (review.hip(side).segmented, review.hip(side).volume_ratio or 0))


def _card_of_findings(review: Review, about: About) -> HipCard:
    found = tuple(map(finding_card, review.findings(about)))
    first = next((row for one in found for row in one.rows), None)
    told = f"{first.title}: {first.value}" if first else NOTHING_FOUND
    return HipCard(about, ABOUT[about], told, first.borderline if first else False, findings=found)


def _headline(hip: HipResult) -> str:
    return headline(hip)[0] if hip.status == "graded" else NOT_GRADED


def _others(now: list[Row]) -> str:
    short = {grading.title: grading.short for grading in GRADINGS.values() if grading.classes and grading.of_lesions}
    given = (row for row in now if row.title in short and row.grade)
    return "  ·  ".join(f"{short[row.title]} {row.grade}{' ⚠' * row.borderline}" for row in given)


def _lines(now: list[Row], before: HipResult | None) -> tuple[GradeLine, ...]:
    had = {row.title: row.grade or NO_GRADE for row in rows(before)} if before else {}

    def line(row: Row) -> GradeLine:
        grade = row.grade or NO_GRADE
        theirs = had.get(row.title, NO_GRADE) if before else grade
        return GradeLine(row.title, grade, row.borderline, row.told, theirs if theirs != grade else "")

    return tuple(map(line, now))
