"""What is carried over into a record of an image, of the networks and of a result; each field once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_type_hints

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.plain import UNSET, Unset, from_plain, to_plain
from ONFHAssistLib.core.results import Grade, HipResult

Facts = TypeVar("Facts")


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """All that is carried over of `imaging.read.Study.source`; what the source does not say is UNSET."""

    kind: str | Unset = UNSET
    modality: str | Unset = UNSET
    sequence: str | Unset = UNSET
    sequence_from: str | Unset = UNSET
    fat_suppressed: bool | Unset = UNSET
    contrast_agent: bool | Unset | None = UNSET
    plane: str | Unset = UNSET
    obliquity_deg: float | Unset = UNSET
    spacing_mm: tuple[float, ...] | Unset | None = UNSET
    shape: tuple[int, ...] | Unset = UNSET
    body_part: str | Unset = UNSET

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> "ImageFacts":
        """Return the facts that are carried over; raises InputError where one is of another kind."""
        return _facts(cls, source, "description of the image")


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """All that is carried over of a network (`models.bundle.describe`); what that does not say is UNSET."""

    name: str | Unset = UNSET
    version: str | Unset = UNSET
    sha256: str | Unset = UNSET
    engine: str | Unset | None = UNSET
    device: str | Unset | None = UNSET
    trained_on: str | Unset = UNSET
    licence: str | Unset = UNSET

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> "ModelFacts":
        """Return the facts that are carried over; raises InputError where one is of another kind."""
        return _facts(cls, model, "description of the models")


@dataclass(frozen=True, kw_only=True)
class GradeFacts:
    """A grade as it is kept; see `core.results.Grade`."""

    grade: str | int | None
    rule: str = ""
    value: float | None = None
    margin: float | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, grade: Grade) -> "GradeFacts":
        """Return a grade without its details."""
        return cls(
            grade=grade.grade,
            rule=grade.rule,
            value=_finite(grade.value),
            margin=_finite(grade.margin),
            unit=grade.unit,
            interval=_finite_interval(grade.interval),
        )

    def as_grade(self) -> Grade:
        """Return it as a result has it."""
        return Grade(self.grade, self.rule, self.value, self.margin, self.unit, interval=self.interval)


@dataclass(frozen=True, kw_only=True)
class ResultFacts:
    """A result as it is kept: without what depends on the numbering of slices, which the masks tell again.

    See `core.results.HipResult`; numbers that JSON has none for are None.
    """

    status: Literal["graded", "not graded"]
    reason: str | None = None
    head_volume_ml: float | None = None
    necrosis_volume_ml: float | None = None
    volume_ratio: float | None
    ratio_interval: tuple[float, float] | None = None
    grades: dict[str, GradeFacts]

    @classmethod
    def of(cls, result: HipResult) -> "ResultFacts":
        """Return what is kept of a result."""
        return cls(
            status=result.status,
            reason=result.reason,
            head_volume_ml=_finite(result.head_volume_ml),
            necrosis_volume_ml=_finite(result.necrosis_volume_ml),
            volume_ratio=_finite(result.volume_ratio),
            ratio_interval=_finite_interval(result.ratio_interval),
            grades={name: GradeFacts.of(grade) for name, grade in result.grades.items()},
        )

    def class_of(self, grading: str) -> str | None:
        """Return the class of a grading as text; None where there is none."""
        grade = self.classes.get(grading)
        return None if grade is None else str(grade)

    @property
    def classes(self) -> dict[str, str | int | None]:
        """Class of each grading; None: no class."""
        return {name: grade.grade for name, grade in self.grades.items()}


def _facts(kind: type[Facts], given: Mapping[str, Any], what: str) -> Facts:
    own = {name: given[name] for name in get_type_hints(kind) if name in given}
    try:
        return from_plain(kind, to_plain(own))
    except (ValueError, TypeError) as error:
        raise InputError(f"The {what} does not fit ({error}); give it as the reader of images does.") from error


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _finite_interval(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return interval if interval is not None and all(map(math.isfinite, interval)) else None
