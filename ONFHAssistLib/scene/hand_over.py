"""What a review says of its hips, worked out from their states: study and case as they are now, slices to look at."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

from ONFHAssistLib.core.findings import PATIENT, About
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.exchange.figures import slice_axis
from ONFHAssistLib.scene.hip_state import HipState, States, findings_now
from ONFHAssistLib.scene.state import SignOff


def reviewed_study(study: StudyResult, states: States, hips: Sequence[HipResult]) -> StudyResult:
    """Return a study with its hips as they are now.

    Args:
        study: as the analysis made it.
        states: the hips that have masks.
        hips: all hips that were asked for, measured from them, right before left.
    """
    segmented = [states[hip.side] for hip in hips if hip.segmented]
    models = [model for state in segmented for model in state.automatic.models or ()]
    abouts: list[About] = [*(hip.side for hip in hips), PATIENT]
    return replace(
        study,
        hips=tuple(hips),
        masks=tuple(state.masks for state in segmented),
        findings=tuple(finding for about in abouts for finding in findings_now(about, study, states)),
        # A hip that was segmented anew may come from other networks than the rest.
        models=tuple(model for n, model in enumerate(models) if model not in models[:n]) or study.models,
    )


def reviewed_case(
    study: StudyResult,
    state: HipState,
    hip: HipResult,
    sign_off: SignOff,
    reviewed: tuple[int, ...] | None,
    patient_code: str = "",
    opened: OpenCase | None = None,
    readers: Collection[str] = (),
) -> ReviewedCase:
    """Return a hip as its reader leaves it.

    Args:
        study: image, source and patient.
        state: the hip as it is now.
        hip: measured from it.
        sign_off: what the reader says of it.
        reviewed: the slices (indices along k) that the reader stands for; None: all.
        patient_code: the same for all studies of a patient; where it is empty, the DICOM patient ID, if known.
        opened: the case of a data set that this is; it has its patient already.
        readers: codes of those who have drawn the hip before in this scene. What somebody else has drawn, or has begun
            to read, is no independent reading of who signs it.

    Raises:
        InputError: something is missing.
    """
    automatic, patient = state.automatic, study.patient
    unseen = opened is None or opened.independent
    begun_by = {*readers, *([opened.reader] if opened and opened.independent else [])}
    by_networks = automatic.models is not None
    return ReviewedCase(
        patient_code="" if opened else patient_code or patient.get("id", ""),
        image=study.volume,
        masks=state.masks,
        result=hip,
        reviewer=sign_off.reviewer,
        status=sign_off.status,
        automatic=automatic.masks if by_networks else None,
        automatic_result=automatic.result if by_networks else None,
        source=study.source,
        models=automatic.models or (),
        comment=sign_off.comment,
        reviewed_slices=reviewed,
        independent=unseen and begun_by <= {sign_off.reviewer},
        adjudicates=opened is not None and opened.adjudicates(sign_off.reviewer),
        seen=opened.seen if opened else None,
        identifiers=tuple(value for value in patient.values() if value),
        study_date=_day(patient.get("study_date", "")),
        case_id=opened.name if opened else None,
    )


def slices_that_matter(hips: Iterable[HipResult], state: HipState | None, grid: Grid) -> tuple[int, ...]:
    """Return the indices along k of the slices to be looked at, in their order along the body.

    Args:
        hips: as it is now and as the networks had it: their most uncertain slices, the worst and the middle one.
        state: the hip as it is now, if it is segmented: the slices that the reader has changed.
        grid: of the image.
    """
    found: set[int] = set()
    for hip in hips:
        found |= set(hip.look_first)
        details = hip.grades["steinberg"].details if "steinberg" in hip.grades else {}
        found |= {details[name]["index"] for name in ("worst_slice", "mid_slice") if details.get(name)}
    if state is not None:
        found |= state.slices_unlike(state.automatic.state)
    direction, _ = slice_axis(grid)
    forward = float(grid.axes_ras[:, 2] @ direction) > 0
    return tuple(sorted(found, reverse=not forward))


def _day(text: str) -> date | None:
    """Read a date as DICOM writes it."""
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
