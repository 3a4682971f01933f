"""What S-CT finds, in words and numbers."""

from collections.abc import Sequence

from ONFHAssistLib.core.findings import PATIENT, Figure, Finding
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.gradings.grading import percent
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.systems.coronal_ct import CARD
from ONFHAssistLib.systems.coronal_ct.hip import Diagnosis
from ONFHAssistLib.systems.coronal_ct.pooling import TOP_MM, Decision

GRADING = "Necrosis on CT"
YES, NO, UNSOUND = "necrosis", "no necrosis seen", "not sound"
CAPTION = "Learned from lesions painted into CT. Cysts, arthrosis and deformity may look like necrosis, and hide it."


def hip_finding(hip: Diagnosis, contrast: bool) -> Finding:
    """Return what is said of a hip; its masks are `Finding.hip`.

    Args:
        hip: the diagnosis.
        contrast: whether a contrast agent was given.
    """
    strip = hip.strip
    return Finding(
        CARD.id,
        CARD.title,
        hip.side,
        grades={GRADING: _grade(hip, "")},
        figures=(
            _value("value", hip),
            Figure("positive_slices", len(strip.positive)),
            Figure("slices", len(strip.slices)),
            Figure("slice_spacing_mm", hip.spacing_mm, unit="mm"),
            Figure("reformatted", hip.reformatted),
        ),
        strip=strip,
        notes=_notes(hip, contrast),
        caption=CAPTION,
        hip=hip.masks,
    )


def patient_finding(hips: Sequence[Diagnosis]) -> Finding:
    """Return what is said of the patient, which is what is said of the worse hip (`pooling.pool_patient`)."""
    worse = max(hips, key=lambda hip: hip.value)
    missed = [side for side in SIDES if side not in {hip.side for hip in hips}]
    only = f", as the {missed[0]} one was not diagnosed" if missed else ", the worse one"
    return Finding(
        CARD.id,
        CARD.title,
        PATIENT,
        grades={GRADING: _grade(worse, f"The {worse.side} hip counts{only}: ")},
        figures=(
            _value("value", worse),
            *(_value(f"{hip.side}_hip", hip, f"{hip.side.capitalize()} hip") for hip in hips),
        ),
        notes=(f"Rule and thresholds were chosen on {worse.decision.measured_on.rstrip('.')}.",),
        caption=CAPTION,
    )


def _grade(hip: Diagnosis, whose: str) -> Grade:
    decision, unit = hip.decision, _unit(hip.decision)
    given = UNSOUND if hip.positive and not hip.outlined else YES if hip.positive else NO
    rule = (
        f"{whose}{_measured(hip)} {'≥' if hip.positive else '<'} {_shown(decision.hip_from, unit)}: {given}{_near(hip)}"
    )
    return Grade(given, f"{rule[:1].upper()}{rule[1:]}.", hip.value, abs(hip.value - decision.hip_from), unit)


def _measured(hip: Diagnosis) -> str:
    """Return the rule and what it gives, such as "mean of the three highest slices 81.0 %"."""
    decision = hip.decision
    shown = _shown(hip.value, _unit(decision), decision.hip_from)
    if decision.rule == "longest run":
        return f"longest run of slices at or above {percent(decision.run_from)} {shown}"
    if decision.rule == "maximum":
        return f"highest slice {shown}"
    count = min(max(1, round(TOP_MM / hip.spacing_mm)), len(hip.strip.slices))
    return f"mean of the {count} highest slices ({TOP_MM:g} mm) {shown}" if count > 1 else f"highest slice {shown}"


def _near(hip: Diagnosis) -> str:
    unsure = hip.decision.unsure
    if unsure is None or not unsure[0] <= hip.value <= unsure[1]:
        return ""
    unit = _unit(hip.decision)
    return (
        f"; not sure: of hips from {_shown(unsure[0], unit)} to {_shown(unsure[1], unit)} fewer than nine in ten were "
        "told right"
    )


def _notes(hip: Diagnosis, contrast: bool) -> tuple[str, ...]:
    positive = hip.strip.positive
    said = []
    if hip.reformatted:
        said.append(
            f"The image was reformatted to coronal slices, {hip.spacing_mm:g} mm apart; outlines lie on the slices of "
            "the image itself."
        )
    if hip.positive and hip.outlined:
        said.append("What was outlined is graded with the hip, and can be corrected there.")
    elif hip.positive:
        said.append(
            "The slices look diseased, and no necrosis could be outlined: the head is not sound, by which disease is "
            "not said."
        )
    elif positive:
        count = "1 slice reaches" if len(positive) == 1 else f"{len(positive)} slices reach"
        said.append(f"{count} the threshold, which does not make the hip a diseased one; nothing is outlined.")
    if contrast:
        said.append("A contrast agent was given; it does not change bone on CT.")
    return tuple(said)


def _value(name: str, hip: Diagnosis, title: str = "") -> Figure:
    unit = _unit(hip.decision)
    what = "Longest run of positive slices" if unit == "mm" else "Probability of necrosis"
    return Figure(name, hip.value, title or what, unit)


def _unit(decision: Decision) -> str:
    return "mm" if decision.rule == "longest run" else "fraction"


def _shown(value: float, unit: str, threshold: float | None = None) -> str:
    return f"{value:.1f} mm" if unit == "mm" else percent(value, () if threshold is None else (threshold,))
