"""What is known about a hip: plain, frozen results that pass from room to room.

Points are RAS in mm. Ratios are fractions from 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ONFHAssistLib.core.grid import Box, Point
from ONFHAssistLib.core.volume import Volume

if TYPE_CHECKING:
    from ONFHAssistLib.core.findings import Finding

Side = Literal["right", "left"]
SIDES: tuple[Side, Side] = ("right", "left")


@dataclass(frozen=True)
class Notice:
    """A warning for the reader: a short code for programs, a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True)
class Sphere:
    """The best-fit sphere of a femoral head's articular surface."""

    centre_ras_mm: Point
    radius_mm: float


@dataclass(frozen=True)
class HeadSeed:
    """A femoral head that a reader has pointed at: centre in RAS mm and, if placed by hand, the sphere's radius."""

    side: Side
    centre_ras_mm: Point
    radius_mm: float | None = None


@dataclass(frozen=True)
class Landmarks:
    """The points of the acetabulum on the mid-coronal plane that place the weight-bearing portion.

    Attributes:
        acetabular_edge_ras_mm, teardrop_ras_mm: the lateral edge of the roof, the lower end of the medial wall.
        acetabular_edge_confidence, teardrop_confidence: 0 to 1, how well neighbouring slices of the mask agree on the
            point (`imaging.landmarks.find_landmarks`); None where there is none, or where a reader has placed it.
    """

    acetabular_edge_ras_mm: Point | None = None
    teardrop_ras_mm: Point | None = None
    acetabular_edge_confidence: float | None = None
    teardrop_confidence: float | None = None


@dataclass(frozen=True)
class SliceMeasurement:
    """Areas of one slice of the input's own grid; ``index`` counts from 0 along k.

    ``uncertain_mm2`` is the area between the outlines of what is certainly and what is possibly necrotic
    (`necrosis.outlines`); None where they are not known.
    """

    index: int
    position_ras_mm: Point
    head_mm2: float
    necrosis_mm2: float
    ratio: float
    steinberg: str
    uncertain_mm2: float | None = None


@dataclass(frozen=True)
class Grade:
    """One grading of one hip with its reasons.

    Attributes:
        grade: the class, or None when it cannot be given.
        rule: the rule that fired, in plain words with its numbers; or why there is no grade.
        value: the number that the rule looked at, in ``unit``; None where there is none.
        margin: distance from ``value`` to the nearest threshold, in the same unit; None where there is none.
        interval: holds the true value in 90 % of hips (see `Calibration`); None where it is not known.
        details: further JSON-ready values of this grading (for example ``worst_slice`` and ``mid_slice``).
    """

    grade: str | int | None
    rule: str
    value: float | None = None
    margin: float | None = None
    unit: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class HipResult:
    """Everything that is reported about one hip.

    Attributes:
        sphere: of the head, or of what may be one where it is not sure or must not be graded.
        ratio_interval: holds the true volume ratio in 90 % of hips (see `Calibration`); None where it is not known.
        look_first: indices of the slices that decide how wide it is, the most uncertain one first; at most three.
        grades: steinberg, jic, kerboul, ... as `Grade`.
    """

    side: Side
    status: Literal["graded", "not graded"]
    reason: str | None = None
    sphere: Sphere | None = None
    landmarks: Landmarks = Landmarks()
    head_volume_ml: float | None = None
    necrosis_volume_ml: float | None = None
    volume_ratio: float | None = None
    ratio_interval: tuple[float, float] | None = None
    look_first: tuple[int, ...] = ()
    slices: tuple[SliceMeasurement, ...] = ()
    grades: dict[str, Grade] = field(default_factory=dict)

    @property
    def segmented(self) -> bool:
        """Whether the head was outlined, so that it can be looked at and edited; graded or not."""
        return self.head_volume_ml is not None

    def class_of(self, grading: str) -> str | None:
        """Return the class of a grading as text; None where there is none."""
        grade = self.grades.get(grading)
        return None if grade is None or grade.grade is None else str(grade.grade)


@dataclass(frozen=True)
class Calibration:
    """How far a network's probabilities are to be trusted, measured on hips of patients that it never saw.

    In a head whose outline is known, the true ratio of necrosis to head lies between the ratio of what is more probable
    than ``certain`` and that of what is more probable than ``possible`` in 90 % of hips (``training/calibrate.py``).

    Attributes:
        certain: probability, at least 0.5.
        possible: probability, at most 0.5.
        sequences: sequences that this was measured on, such as "T1"; for others nothing is known.
        head_mm: how far the whole outline of the head may lie too far out or in.
    """

    certain: float
    possible: float
    sequences: tuple[str, ...]
    head_mm: float = 0.0


@dataclass(frozen=True)
class HipMasks:
    """Masks of one hip on the grid of the input.

    Attributes:
        side: which hip.
        head: boolean Volume; head together with necrosis.
        necrosis: boolean Volume; inside ``head``.
        sphere: the sphere that the head was cut with.
        landmarks: points on the acetabulum, as far as found.
        probability: float32 Volume, 0 to 1: how sure the network is that a voxel is necrotic; 0 outside ``head``. None
            where no network has said so.
        calibration: what ``probability`` is worth; None where that is not known.
        not_sought: why nobody has looked for necrosis; None where somebody has. ``necrosis`` is empty then, which says
            nothing: no number comes from it until a reader has drawn one.
    """

    side: Side
    head: Volume
    necrosis: Volume
    sphere: Sphere
    landmarks: Landmarks = Landmarks()
    probability: Volume | None = None
    calibration: Calibration | None = None
    not_sought: str | None = None

    def cropped(self, box: Box) -> "HipMasks":
        """Return the part in a box of array slices (k, j, i)."""
        volumes = {name: getattr(self, name) for name in ("head", "necrosis", "probability")}
        return replace(self, **{name: volume and volume.cropped(box) for name, volume in volumes.items()})


@dataclass(frozen=True)
class StudyResult:
    """The result of one study, ready to be written.

    Attributes:
        volume: the input image.
        source: JSON-ready facts about the input (file kind, modality, plane, sequence, spacing, shape); nothing
            here identifies the patient.
        patient: what the input says of the patient; a report has name and ID, and only when asked to.
        masks: one entry for each hip that is segmented.
        findings: of the systems that were chosen beside the networks, about a hip or the patient.
    """

    volume: Volume
    source: dict[str, Any]
    hips: tuple[HipResult, ...]
    masks: tuple[HipMasks, ...]
    warnings: tuple[Notice, ...] = ()
    models: tuple[Mapping[str, Any], ...] = ()
    patient: dict[str, str] = field(default_factory=dict)
    findings: "tuple[Finding, ...]" = ()
