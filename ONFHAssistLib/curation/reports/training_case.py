"""What a training needs to know of a case, whether it lies in a data set or in an export of one."""

from dataclasses import dataclass, field

from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.core.plain import UNSET
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.facts import ModelFacts
from ONFHAssistLib.curation.case.record import CASE_STATUSES, CaseRecord, Version
from ONFHAssistLib.curation.case.reviewed import PROVENANCES
from ONFHAssistLib.curation.reports.condition import Field, Value
from ONFHAssistLib.imaging.canonical import Plane

FIELDS = {
    "case": Field(),
    "patient": Field(),
    "status": Field(values=CASE_STATUSES),
    "grade": Field(values=tuple(reversed(layout.GRADES[:-1]))),
    "jic": Field(values=("A", "B", "C1", "C2")),
    "ratio": Field(number=True),
    "side": Field(values=SIDES),
    "plane": Field(values=("coronal", "axial", "sagittal")),
    "sequence": Field(),
    "fold": Field(number=True),
    "reviewer": Field(),
    "head": Field(values=PROVENANCES),
    "necrosis": Field(values=PROVENANCES),
    "adjudicate": Field(values=("yes", "no")),
}
"""What a condition may ask for; ``grade`` is Steinberg's extent, ``ratio`` a fraction, ``head`` and ``necrosis`` tell
where these masks come from, ``adjudicate`` whether readers differ."""


@dataclass(frozen=True)
class TrainingCase:
    """An approved case.

    Attributes:
        case, patient, fold: names and split; all cases of a patient have one fold.
        version: number of the version that is trained with.
        side, plane, modality, sequence: of the image. In the files every hip lies like a right one.
        centre_ras_mm, radius_mm: the head's sphere, in the world of the files.
        grades: class of each grading by the reader's masks; None: no class.
        ratio: necrosis / head by volume; None where it was not measured.
        reviewer: code.
        provenance: "automatic", "corrected" or "manual" for "head" and "necrosis".
        partly_reviewed: whether some slices are not to be trained with (`CaseLabel.IGNORE`).
        models: the networks that took part, as far as they are told of.
        image, label: paths of the files in the folder.
        image_sha256, label_sha256: of these files.
    """

    case: str
    patient: str
    fold: int
    version: int
    side: str
    plane: Plane
    modality: str
    sequence: str
    centre_ras_mm: Point
    radius_mm: float
    grades: dict[str, str | int | None]
    ratio: float | None
    reviewer: str
    provenance: dict[str, str]
    partly_reviewed: bool
    models: tuple[ModelFacts, ...]
    image: str
    label: str
    image_sha256: str
    label_sha256: str = field(default="")


def fields_of(record: CaseRecord) -> dict[str, Value]:
    """Return what a condition may ask of a case: of the version that is trained with, else of the newest one."""
    version = record.shown
    return {
        "case": record.case,
        "patient": record.patient,
        "status": record.status,
        "grade": version.result.classes.get("steinberg"),
        "jic": version.result.classes.get("jic"),
        "ratio": version.result.volume_ratio,
        "side": record.side,
        "plane": record.pose.plane,
        "sequence": None if record.source.sequence is UNSET else record.source.sequence,
        "fold": record.fold,
        "reviewer": version.reviewer,
        **version.provenance,
        "adjudicate": "yes" if record.needs_adjudication else "no",
    }


def training_case(record: CaseRecord, version: Version, modality: str) -> TrainingCase:
    """Return what a training needs to know of a version of a case; ``modality`` is that of the data set.

    The checksum of its label is known if it is the version that is trained with.
    """
    x, y, z = version.sphere.centre_ras_mm
    label = layout.label_file(record.case)
    return TrainingCase(
        case=record.case,
        patient=record.patient,
        fold=record.fold,
        version=version.number,
        side=record.side,
        plane=record.pose.plane,
        modality=modality,
        sequence=record.source.sequence or "",
        centre_ras_mm=(-x if record.side == "left" else x, y, z),
        radius_mm=version.sphere.radius_mm,
        grades=version.result.classes,
        ratio=version.result.volume_ratio,
        reviewer=version.reviewer,
        provenance=dict(version.provenance),
        partly_reviewed=version.reviewed_slices is not None,
        models=version.models,
        image=record.image_file,
        label=label,
        image_sha256=record.files[record.image_file],
        label_sha256=record.files.get(label, "") if version.number == record.trained_with else "",
    )
