"""What kind of image it is: modality, sequence, contrast agent and body part by its DICOM tags; without them modality
and sequence from the intensities.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.imaging.contrast import IN_WORDS, Component, Contrast, contrast_of

if TYPE_CHECKING:
    from pydicom import Dataset

Modality = Literal["MR", "CT", "unknown"]
Sequence = Literal["T1", "T2", "PD", "STIR", "CT", "GRE", "unknown"]

# Usual limits of spin-echo weighting in musculoskeletal MRI (TR and TE in ms): T1 short/short, T2 long/long, proton
# density long/short. T1 turbo spin echo at 3 T reaches a TR of about 1,000 ms.
_T1_MAX_TR_MS, _T1_MAX_TE_MS, _T2_MIN_TE_MS = 1200.0, 30.0, 60.0
# Inversion times that null fat: about 100 ms at 0.3 T to 230 ms at 3 T.
_STIR_TI_MS = (70.0, 280.0)
_HINTS: tuple[tuple[str, Sequence], ...] = (
    (r"stir|tirm", "STIR"),
    (r"vibe|lava|thrive|spgr|flash|flair3d|gre\b|mpr", "GRE"),
    (r"(^|[^a-z])t1", "T1"),
    (r"(^|[^a-z])t2", "T2"),
    (r"(^|[^a-z])pd|proton", "PD"),
)
# Words of BodyPartExamined that may leave the file (DICOM PS3.16 annex L, and what scanners write); whatever else
# stands in the tag could name the patient.
_HIP_REGION = (
    "hips?|pelvi[sc]|femur|femoral|thigh|leg|lower|extremity|limb|sijoint|sacrum|coccyx|l?spine|lsspine|abdomen"
    "|prostate|uterus|bladder|rectum|wholebody|becken|h(?:ü|ue)fte|oberschenkel|left|right|bilateral"
)
OTHER_REGIONS = (
    "head|headneck|brain|skull|face|orbit|neck|cspine|tspine|chest|thorax|heart|lung|breast|shoulder|clavicle|scapula"
    "|humerus|arm|upperarm|elbow|forearm|wrist|hand|finger|thumb|knee|patella|tibia|fibula|calf|ankle|foot|toe"
    "|calcaneus|knie|kopf|schulter"
)


@dataclass(frozen=True)
class ImageKind:
    """Modality, sequence, and whether fat is suppressed; ``known_from`` says what they were read from.

    ``contrast_agent`` is None where nothing says whether one was given. ``component`` and ``derived`` say that it is
    not an image as it was acquired, see `contrast.Contrast`.
    """

    modality: Modality
    sequence: Sequence
    fat_suppressed: bool = False
    known_from: Literal["tags", "image"] = "tags"
    contrast_agent: bool | None = None
    component: Component = ""
    derived: bool = False

    @property
    def words(self) -> str:
        """A few words for a list of series: "T1", "T1 opposed-phase", "STIR fat-suppressed"; the modality at least."""
        extra = self.component or ("fat-suppressed" if self.fat_suppressed else "")
        return " ".join(x for x in (self.sequence if self.sequence != "unknown" else self.modality, extra) if x)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a reader has to know of an image that is not as acquired. Codes: ``image-component``, ``derived``."""
        if self.component in IN_WORDS:
            text = f"By its tags this is {IN_WORDS[self.component]}, which the models do not know"
            return (Notice("image-component", f"{text}; the result may be wrong."),)
        if self.derived:
            text = "By its tags this image was computed from others; how is not known, and the result may be wrong."
            return (Notice("derived", text),)
        return ()


def kind_from_tags(header: "Dataset", frame: int = 0) -> ImageKind:
    """Read modality and sequence from the header of a classic or enhanced DICOM image.

    Timing and pulse sequence decide; the series' description only where they are missing or ambiguous. What decides
    nothing of the geometry may be damaged: it counts as missing then.

    Args:
        header: of the image.
        frame: of an enhanced object, which of its frames.
    """
    modality = text_of(header, "Modality")
    agent = _contrast_agent(header)
    if modality == "CT":
        shown = _contrast(header, frame).component
        return ImageKind(
            "CT", "CT", contrast_agent=agent, component=shown if shown in ("subtraction", "map", "projection") else ""
        )
    if modality != "MR":
        return ImageKind("unknown", "unknown")
    contrast = _contrast(header, frame)
    description = _description(header).lower()
    suppressed = (
        contrast.fat_suppressed
        or str(_number_or_text(header, "SpectrallySelectedSuppression", frame)) in ("FAT", "FAT_AND_WATER")
        or str(_number_or_text(header, "SpectrallySelectedExcitation", frame)) == "WATER"
    )
    sequence = _spin_echo_or_not(header, frame)
    if sequence == "unknown":
        sequence = next((name for pattern, name in _HINTS if re.search(pattern, description)), "unknown")
    if contrast.component in IN_WORDS:
        sequence = "unknown"  # "T1" says that the models know it
    return ImageKind(
        "MR", sequence, suppressed, contrast_agent=agent, component=contrast.component, derived=contrast.derived
    )


def image_type(header: "Dataset", frame: int = 0) -> list[str]:
    """The values of FrameType of a frame of an enhanced object, of ImageType otherwise."""
    for group in groups_of(header, frame):
        values = _strings(_get(group, "FrameType"))
        if values:
            return values
    return _strings(_get(header, "ImageType"))


def groups_of(header: "Dataset", frame: int) -> list["Dataset"]:
    """Where the attributes of a frame of an enhanced object can stand: its own functional groups, then the shared ones.

    Private sequences are left out: scanners repeat public tags there with values of their own.
    """
    own = _get(header, "PerFrameFunctionalGroupsSequence") or []
    shared = _get(header, "SharedFunctionalGroupsSequence") or []
    groups = [*own[frame : frame + 1], *shared[:1]]
    return [e.value[0] for g in groups for e in g if e.VR == "SQ" and not e.tag.is_private and e.value]


def text_of(header: "Dataset", keyword: str) -> str:
    """The value of a tag as text; "" where it is missing or damaged."""
    return str(_get(header, keyword) or "").strip()


PATIENT_TAGS = {
    "name": "PatientName",
    "id": "PatientID",
    "other_ids": "OtherPatientIDs",
    "other_names": "OtherPatientNames",
    "birth_name": "PatientBirthName",
    "mothers_birth_name": "PatientMotherBirthName",
    "birth_date": "PatientBirthDate",
    "study_date": "StudyDate",
    "acquisition_date": "AcquisitionDate",
    "accession_number": "AccessionNumber",
    "study_id": "StudyID",
    "institution": "InstitutionName",
    "referring_physician": "ReferringPhysicianName",
}
"""What a header says of the patient: a report shows name and ID if asked to, a data set looks for all of it and keeps
nothing (DICOM PS3.15, table E.1-1, has them all among what is removed)."""


def patient_of(header: "Dataset") -> dict[str, str]:
    """Return what a DICOM header says of the patient, by the names of PATIENT_TAGS; what is empty is left out."""
    found = {name: text_of(header, tag) for name, tag in PATIENT_TAGS.items()}
    return {name: value for name, value in found.items() if value}


def burned_in(header: "Dataset") -> bool:
    """Say whether a header says that words are drawn into the image, which may name the patient (PS3.3 C.7.6.1)."""
    return str(header.get("BurnedInAnnotation") or "").strip().upper() == "YES"


def body_part(header: "Dataset") -> str:
    """The known words of BodyPartExamined; "other" where it holds none of them, "" where it is empty."""
    text = text_of(header, "BodyPartExamined").lower().replace("_", " ")
    known = re.findall(rf"\b({_HIP_REGION}|{OTHER_REGIONS})\b", text)
    return " ".join(known) or ("other" if text.strip() else "")


# Of the way from muscle to fat: below the skin 0.29 to 1.07 in 23 T1 images, and -0.36 to 0.0 in CT images that were
# windowed and saved as grey values, whose fat is dark.
_FAT_UNDER_SKIN, _SLICES, _FEWEST_BELOW_SKIN = 0.12, 10, 300
_FAT_HU, _MUSCLE_HU = (-150, -50), (0, 100)


def kind_from_image(array: np.ndarray) -> ImageKind:
    """Guess modality and sequence of an image without tags.

    CT: air below -500 and at least a tenth of the voxels at the HU of soft tissue, -150 to 150; or, without air, as
    in a crop, fat (-150 to -50 HU) and muscle (0 to 100 HU) in usual parts and hardly anything below them. Anything
    that goes below zero otherwise is not known. MR is called T1 where the body is made of two large groups, fat 1.3 to
    2.75 times as bright as an even muscle, hardly anything (fluid) is much brighter than fat, and fat lies below the
    skin, if that is in view (in a CT that was saved as grey values it is dark); otherwise its sequence is not known.
    In T2 muscle is darker, and not told from tendon and bone: its group is less even.

    Args:
        array: shape (k, j, i).
    """
    sample = np.asarray(array[:: max(1, array.shape[0] // 32), ::2, ::2], dtype=np.float32)
    lowest = sample.min()
    if lowest < -500 and np.percentile(sample, 1) < -500 and np.mean(np.abs(sample) <= 150) > 0.1:
        return ImageKind("CT", "CT", known_from="image")
    if lowest < -150:
        fat, muscle = (np.mean((sample >= low) & (sample <= high)) for low, high in (_FAT_HU, _MUSCLE_HU))
        if fat >= 0.05 and muscle >= 0.1 and np.mean(sample < -200) < 0.05:
            return ImageKind("CT", "CT", known_from="image")
    if lowest < 0:
        return ImageKind("unknown", "unknown", known_from="image")
    return ImageKind("MR", "T1" if _looks_like_t1(sample) else "unknown", known_from="image")


def _contrast_agent(header: "Dataset") -> bool | None:
    """Whether a contrast agent was given, by the contrast/bolus modules (PS3.3 C.7.6.4 and C.7.6.4b).

    A missing tag proves nothing: an agent that is injected by hand is often not entered at the scanner.
    """
    if header.get("ContrastBolusAgentSequence"):
        return True
    agent = text_of(header, "ContrastBolusAgent").lower()
    if not agent:
        return None
    return agent not in ("no", "none", "n", "nein", "without", "0", "no contrast")


def otsu(values: np.ndarray) -> float:
    """Return the threshold that parts some values best into two classes: Otsu, IEEE Trans SMC 1979;9:62, 256 bins.

    As `skimage.filters.threshold_otsu`, which Slicer's Python does not have before the user has agreed to install it.
    """
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centres) / below
    mean_above = (np.cumsum((counts * centres)[::-1]) / above[::-1])[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centres[np.argmax(between)])


def _looks_like_t1(sample: np.ndarray) -> bool:
    positive = sample[sample > 0]
    if positive.size < 100:
        return False
    body = positive[positive > 0.1 * np.percentile(positive, 99)]
    bright, brightest = np.percentile(body, [99, 99.5])
    threshold = otsu(np.minimum(body, bright))
    fat = body > threshold
    if not 0.15 < fat.mean() < 0.85:
        return False
    muscle_level, fat_level = np.median(body[~fat]), np.median(body[fat])
    # 0.24 to 0.36 on 25 T1 images, 0.44 to 0.53 on five T2 ones.
    even = np.std(body[~fat]) <= 0.4 * muscle_level
    if not (1.3 <= fat_level / muscle_level <= 2.75 and even and brightest <= 1.9 * fat_level):
        return False
    below_skin = _below_skin(sample, 0.1 * np.percentile(positive, 99))
    return bool(below_skin is None or below_skin > muscle_level + _FAT_UNDER_SKIN * (fat_level - muscle_level))


def _below_skin(sample: np.ndarray, air: float) -> float | None:
    """The median a few pixels below the surface of the body, where fat lies; None where no surface is in view."""
    found = []
    for plane in sample[:: max(1, len(sample) // _SLICES)]:
        body = ndimage.binary_opening(ndimage.gaussian_filter(plane, 1) > air, iterations=2)
        body = ndimage.binary_fill_holes(body)
        if 0.05 < body.mean() < 1:
            depth = ndimage.distance_transform_edt(np.pad(body, 1, mode="edge"))[1:-1, 1:-1]
            found.append(plane[(depth > 2) & (depth <= 5)])
    values = np.concatenate(found) if found else np.zeros(0)
    return float(np.median(values)) if values.size >= _FEWEST_BELOW_SKIN else None


def _description(header: "Dataset") -> str:
    return text_of(header, "SeriesDescription") or text_of(header, "ProtocolName")


def _contrast(header: "Dataset", frame: int) -> Contrast:
    codes = _get(header, "DerivationCodeSequence") or []
    meanings = [text_of(code, "CodeMeaning") for code in codes]
    derivation = " ".join([text_of(header, "DerivationDescription"), *meanings])
    found = contrast_of(
        image_type(header, frame), _strings(_get(header, "ScanOptions")), _description(header), derivation
    )
    part = str(_number_or_text(header, "ComplexImageComponent", frame) or "")
    if not found.component and part in ("PHASE", "REAL", "IMAGINARY"):
        return Contrast(found.fat_suppressed, "phase")
    return found


def _spin_echo_or_not(header: "Dataset", frame: int) -> Sequence:
    scanning = set(_strings(_get(header, "ScanningSequence")))
    echo_pulse = str(_number_or_text(header, "EchoPulseSequence", frame) or "")
    tr, te, other_te, ti, other_ti = (
        _number(header, keyword, frame)
        for keyword in ("RepetitionTime", "EchoTime", "EffectiveEchoTime", "InversionTime", "InversionTimes")
    )
    te, ti = te or other_te, ti or other_ti
    inverted = "IR" in scanning or _number_or_text(header, "InversionRecovery", frame) == "YES"
    if inverted and ti is not None and _STIR_TI_MS[0] <= ti <= _STIR_TI_MS[1]:
        return "STIR"
    if "GR" in scanning or echo_pulse == "GRADIENT":
        return "GRE"
    spin_echo = "SE" in scanning or echo_pulse == "SPIN"
    if not spin_echo or inverted or "EP" in scanning or tr is None or te is None:
        return "unknown"
    if te >= _T2_MIN_TE_MS:
        return "T2"
    if tr > _T1_MAX_TR_MS:
        return "PD"
    return "T1" if te <= _T1_MAX_TE_MS else "unknown"


def _number(header: "Dataset", keyword: str, frame: int) -> float | None:
    value = _number_or_text(header, keyword, frame)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _number_or_text(header: "Dataset", keyword: str, frame: int) -> Any:
    """The first value of a tag, at the top or in the functional groups of a frame."""
    for group in (header, *groups_of(header, frame)):
        value = _get(group, keyword)
        values = [value] if isinstance(value, str) or not hasattr(value, "__getitem__") else list(value)
        if values and values[0] not in (None, ""):
            return values[0]
    return None


def _get(header: "Dataset", keyword: str) -> Any:
    """The value of a tag that may be missing; one that pydicom cannot parse, such as "512,25", is missing too."""
    try:
        return header.get(keyword)
    except Exception:  # pydicom raises errors of every kind
        return None


def _strings(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]
