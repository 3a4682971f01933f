"""What is reported of a hip: plain, frozen results that pass from room to room. Ratios are fractions, 0 to 1."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.measurements import SliceMeasurement


@dataclass(frozen=True)
class Notice:
    """A warning for the reader: a short code for programs, a sentence for people."""

    code: str
    message: str


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
    landmarks: Landmarks = field(default_factory=Landmarks)
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
