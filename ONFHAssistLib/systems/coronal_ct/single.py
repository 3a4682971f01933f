"""What S-CT makes of one coronal slice or picture: the probability of each head on it, the outline, where it looked."""

import numpy as np
from scipy.special import expit

from ONFHAssistLib.core.findings import PATIENT, Figure, Finding, FindingMask
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.gradings.grading import percent
from ONFHAssistLib.core.necrosis import SMALLEST_LESION_ML, necrosis_above
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.core.sphere import HEAD_ENLARGEMENT
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import CanonicalHip, canonical_hip, from_network, network_slices, normalise
from ONFHAssistLib.imaging.domain import METAL_HU
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import CROP_MM, Network
from ONFHAssistLib.imaging.slice_heads import SliceHead, find_slice_heads, scaled_slice
from ONFHAssistLib.systems.coronal_ct import CARD
from ONFHAssistLib.systems.coronal_ct.hip import decision_in, slice_probabilities
from ONFHAssistLib.systems.coronal_ct.patches import NEIGHBOUR_MM, PIXEL_MM, SIZE_PX
from ONFHAssistLib.systems.coronal_ct.words import CAPTION, GRADING, NO, UNSOUND, YES

SMALLEST_MM2 = 50.0
"""Smaller pieces are dropped: the section of the ball of 8 mm that is the smallest lesion of a volume."""
WHITE, WHITE_SHARE, METAL_SHARE = 0.98, 0.1, 0.02
"""Metal is as white as a picture gets; where at least the first part of the head's circle is, the head is refused; of a
slice in HU, where at least the second part is metal. Compact bone may be as white in a rim: a picture does not tell
metal from bone for certain (conventions of this project)."""
SIDE_SURE = 0.8
"""Below it the side is said to be doubtful."""
LABELS: dict[Side, int] = {"right": 21, "left": 22}
"""Of the necrosis in masks.seg.nrrd; written to files, they never change."""
COLORS: dict[Side, str] = {"right": "#e69f00", "left": "#f0c060"}
_TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^6574001^Necrosis~^^~Anatomic codes - DICOM master list~SCT^2812003^Femoral head~{side}"
)
_SIDES: dict[Side, str] = {"right": "SCT^24028007^Right", "left": "SCT^7771000^Left"}


def single_findings(study: Study, finder: Network, diagnosis: Network, necrosis: Network) -> tuple[Finding, ...]:
    """Return a finding for each head that is seen on one slice; one about the patient, with the reason, where none is.

    Args:
        study: a coronal slice in HU, or a picture.
        finder: of `find_slice_heads`.
        diagnosis, necrosis: as for `hip.diagnose`.
    """
    heads = find_slice_heads(study, finder)
    if not heads:
        reason = f"The system {CARD.id} saw no femoral head on this image; give a coronal slice through one."
        return (Finding(CARD.id, CARD.title, PATIENT, reason=reason),)
    return tuple(_finding(study, head, diagnosis, necrosis) for head in heads)


def _finding(study: Study, head: SliceHead, diagnosis: Network, necrosis: Network) -> Finding:
    scaled, sphere = scaled_slice(study, head)
    grey = _scaled_grey(scaled.array, study)
    hip = canonical_hip(scaled.like(grey), head.side, sphere.centre_ras_mm, CROP_MM)
    circle = _inside(hip.volume, sphere, HEAD_ENLARGEMENT)
    if reason := _refusal(study, head, scaled, sphere, grey):
        return Finding(CARD.id, CARD.title, head.side, reason=reason)
    decision = decision_in(diagnosis)
    patch = network_slices(hip, sphere.centre_ras_mm, SIZE_PX, PIXEL_MM, NEIGHBOUR_MM)
    probability = float(slice_probabilities(patch, diagnosis)[0])
    positive = probability >= decision.slice_from
    dead = _outline(hip, patch, circle, sphere, necrosis) if positive else np.zeros_like(circle)
    given = UNSOUND if positive and not dead.any() else YES if positive else NO
    shown = percent(probability, (decision.slice_from,))
    rule = f"This slice {shown} {'≥' if positive else '<'} {percent(decision.slice_from)}: {given}."
    return Finding(
        CARD.id,
        CARD.title,
        head.side,
        grades={GRADING: Grade(given, rule, probability, abs(probability - decision.slice_from), "fraction")},
        figures=(
            Figure("value", probability, "Probability of necrosis on this slice", "fraction"),
            Figure("ratio", float(dead.sum() / circle.sum()), "Necrosis / circle of the head", "fraction"),
            Figure("pixel_mm", head.pixel_mm, unit="mm"),
        ),
        masks=(_mask(study, hip, dead),) if dead.any() else (),
        attention=_attention(study, hip, patch, circle, sphere, diagnosis),
        notes=_notes(study, head, given),
        caption=CAPTION,
    )


def _scaled_grey(array: np.ndarray, study: Study) -> np.ndarray:
    """Return a slice in HU normalised as every CT, and a picture's grey levels from -1 (black) to 1 (white)."""
    if study.form == "slice":
        return normalise(array, "CT")
    white = 255.0 if array.max() <= 255 else float(array.max())
    return (np.clip(array, 0, white) / white * 2 - 1).astype(np.float32)


def _refusal(study: Study, head: SliceHead, scaled: Volume, sphere: Sphere, grey: np.ndarray) -> str:
    """Return why a head must not be diagnosed, and what to do; "" where it may."""
    if head.answer != "found":
        return f"What lies at the {head.side} hip is only {head.confidence:.0%} sure to be a femoral head; look there."
    if not head.whole:
        return f"The {head.side} femoral head is cut by the border of the image; give one that shows it whole."
    inside = _inside(scaled, sphere, 1.0)
    if study.form == "slice":
        metal, most, what = scaled.array[inside] > METAL_HU, METAL_SHARE, f"above {METAL_HU} HU"
    else:
        metal, most, what = grey[inside] > 2 * WHITE - 1, WHITE_SHARE, "as white as metal"
    if metal.mean() < most:
        return ""
    return f"There is metal at the {head.side} femoral head ({metal.mean():.0%} of it is {what})."


def _inside(image: Volume, sphere: Sphere, radii: float) -> np.ndarray:
    """Return where an image of one slice lies in the circle of a head."""
    offset = np.linalg.norm(image.grid_ras() - np.array(sphere.centre_ras_mm), axis=-1)
    return offset <= radii * sphere.radius_mm


def _outline(hip: CanonicalHip, patch: np.ndarray, circle: np.ndarray, sphere: Sphere, necrosis: Network) -> np.ndarray:
    """Return the necrosis in the circle, cleaned as every mask here, with areas in the place of volumes."""
    sure = from_network(expit(necrosis.engine(patch)), hip, sphere.centre_ras_mm, PIXEL_MM)[0] * circle
    matrix = hip.volume.ijk_to_ras.copy()
    matrix[:3, 2] *= SMALLEST_LESION_ML * 1000 / SMALLEST_MM2 / hip.volume.spacing_mm[2]
    return necrosis_above(Volume(sure, matrix), circle)


def _attention(
    study: Study, hip: CanonicalHip, patch: np.ndarray, circle: np.ndarray, sphere: Sphere, diagnosis: Network
) -> Volume:
    """Return the class map as a picture of where the network looked, 0 to 1, in the circle of the head."""
    class_map = expit(diagnosis.engine(patch))
    side_px = class_map.shape[-1]
    looked = from_network(class_map, hip, sphere.centre_ras_mm, PIXEL_MM * SIZE_PX / side_px)[0] * circle
    return _whole(study, hip, looked.astype(np.float32))


def _mask(study: Study, hip: CanonicalHip, dead: np.ndarray) -> FindingMask:
    side = hip.side
    return FindingMask(
        f"{side}_necrosis_on_ct",
        f"{side.capitalize()} femoral head necrosis on CT",
        LABELS[side],
        COLORS[side],
        _TERMINOLOGY.format(side=_SIDES[side]),
        _whole(study, hip, dead),
    )


def _whole(study: Study, hip: CanonicalHip, array: np.ndarray) -> Volume:
    """Bring a picture of the crop back into the image."""
    whole = np.zeros(study.volume.shape, array.dtype)
    whole[hip.slices] = hip.back(array)
    return study.volume.like(whole)


def _notes(study: Study, head: SliceHead, given: str) -> tuple[str, ...]:
    said = ["It is the diagnosis of this slice alone, not of the hip; the circle stands for the head."]
    if study.form == "picture":
        said.append(
            "A picture has no Hounsfield units: its grey levels were read as a bone window from black to white, and it "
            "was taken for a coronal CT, the patient's right at the left."
        )
    if head.pixel_from != "image":
        said.append(f"The pixel size is not known; a head 48 mm wide makes it {head.pixel_mm:.2f} mm.")
    if head.side_sure < SIDE_SURE:
        said.append(f"The side is not sure ({head.side_sure:.0%}); check it.")
    if given == UNSOUND:
        said.append(
            "The slice looks diseased, and no necrosis could be outlined: the head is not sound, by which disease is "
            "not said."
        )
    return tuple(said)
