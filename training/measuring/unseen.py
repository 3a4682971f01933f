"""Cases of a data set that a network has not seen, and what the whole way from the head's centre makes of them.

``training.compare`` and ``training.calibrate`` measure with them.
"""

from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.curation.reports.training_case import TrainingCase
from ONFHAssistLib.curation.reports.training_cases import training_cases
from ONFHAssistLib.imaging.segment import Network, NoHead, segment_hip
from ONFHAssistLib.models.bundle import Bundle
from training.learning.curated import CuratedHip


def unseen(folder: Path, *bundles: Bundle) -> tuple[str, list[TrainingCase], int]:
    """Return the data set's name, the cases whose patients no bundle has seen, and how many others there are.

    Raises:
        InputError: there is none.
    """
    name, cases = training_cases(folder)
    seen = {patient for bundle in bundles for patient in bundle.input.get("learned_from", {}).get("patients", [])}
    left = [case for case in cases if case.patient not in seen]
    if not left:
        raise InputError(
            f"The networks have seen every patient of {name}; keep a fold out when training (--keep-out), "
            "or give a data set of other patients."
        )
    return name, left, len(cases) - len(left)


def truth(hip: CuratedHip) -> tuple[float, str]:
    """Return the ratio of the reader's masks, on the slices that were reviewed, and Steinberg's extent."""
    ratio = float(hip.necrosis.sum() / hip.head.sum()) if hip.head.any() else 0.0
    return ratio, steinberg_grade(ratio)


def segment(hip: CuratedHip, anatomy: Network, necrosis: Network) -> HipMasks | None:
    """Return what two networks make of a case, from the head's centre on, on all of it; None: no head found."""
    case = hip.case
    try:
        return segment_hip(hip.hip.volume, case.modality, "right", case.centre_ras_mm, anatomy, necrosis).whole()
    except NoHead:
        return None
