"""What a system finds in a hip or a patient: one kind of value for all systems, which describes itself.

Whatever shows, writes or keeps findings (report, masks, tables, scene, both reviewers) takes titles, units, label
values, colours and sentences from the finding; none of them knows a system by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.grid import Grid, Point, as_point
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measurements import SliceMeasurement
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.core.volume import Volume

About = Side | Literal["patient"]
PATIENT: Literal["patient"] = "patient"


@dataclass(frozen=True)
class Figure:
    """One number of a finding.

    Attributes:
        name: its key in report.json.
        value: a number, an answer, or None where there is none.
        title: in words, for a table; "" where it stands in report.json alone.
        unit: "ml", "mm", "deg", "fraction" (0 to 1, shown as per cent), or "".
    """

    name: str
    value: float | bool | None
    title: str = ""
    unit: str = ""


@dataclass(frozen=True)
class FindingMask:
    """A mask of a finding, and how it is named wherever it is shown or written.

    Attributes:
        name: its ID among the segments of ``masks.seg.nrrd``, such as "right_head_by_threshold".
        title: for people.
        label: its value in ``masks.seg.nrrd``; no other mask of any system has it.
        color: ``#rrggbb``.
        terminology: seven fields as 3D Slicer's terminologies module reads them.
        volume: boolean, on the grid of the input.
    """

    name: str
    title: str
    label: int
    color: str
    terminology: str
    volume: Volume


@dataclass(frozen=True)
class SliceProbability:
    """What a system says of one slice.

    Attributes:
        index: of the slice of the input, along k from 0; None where the system has reformatted the input.
        position_ras_mm: a point on the slice, the nearest to what was looked at.
        probability: 0 to 1.
    """

    index: int | None
    position_ras_mm: Point
    probability: float


@dataclass(frozen=True)
class Strip:
    """The probability of one class on each slice that a system has looked at.

    Attributes:
        of: the class in words, such as "necrosis".
        threshold: a slice is positive from this probability on, 0 to 1.
        direction: unit vector in RAS along which the slices follow one another.
        slices: in this order, at least one.
    """

    of: str
    threshold: float
    direction: Point
    slices: tuple[SliceProbability, ...]

    @property
    def positive(self) -> tuple[SliceProbability, ...]:
        """The slices at or above the threshold."""
        return tuple(one for one in self.slices if one.probability >= self.threshold)

    @property
    def worst(self) -> SliceProbability:
        """The slice with the highest probability, the first of several."""
        return max(self.slices, key=lambda one: one.probability)


@dataclass(frozen=True)
class Finding:
    """What one system says of one hip or of the patient.

    Attributes:
        system: id of the system.
        title: the system in words, a heading.
        about: the side, or "patient".
        reason: why it says nothing, in a sentence; None where it does.
        grades: by the name of a grading (``core.gradings.GRADINGS``), or by a name in words that is the system's own.
        probabilities: of classes, in words; 0 to 1.
        figures: further numbers.
        slices: measured on the system's own masks.
        strip: the probability on each slice that was looked at; None where the system gives none.
        masks: on the grid of the input; those that may overlap follow one another.
        attention: float32 Volume on the grid of the input, 0 to 1: where the system looked; None where it does not say.
        notes: sentences for the reader.
        caption: what a reader has to know of its pictures; or "".
        hip: masks that are graded in the hip's own place of the report, and that a reader may correct; they are taken
            out of the finding (`without_hip`) and not kept with it.
    """

    system: str
    title: str
    about: About
    reason: str | None = None
    grades: dict[str, Grade] = field(default_factory=dict)
    probabilities: dict[str, float] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    slices: tuple[SliceMeasurement, ...] = ()
    strip: Strip | None = None
    masks: tuple[FindingMask, ...] = ()
    attention: Volume | None = None
    notes: tuple[str, ...] = ()
    caption: str = ""
    hip: HipMasks | None = None

    def value(self, name: str) -> float | bool | None:
        """Return the value of a figure; None where there is none of this name."""
        return next((figure.value for figure in self.figures if figure.name == name), None)

    def without_hip(self) -> "Finding | None":
        """Return what it says beside the masks of the hip; None where that is nothing."""
        rest = replace(self, hip=None)
        return None if rest == Finding(self.system, self.title, self.about) else rest

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """The images in it: its masks, then the attention map where there is one."""
        return (*(mask.volume for mask in self.masks), *([] if self.attention is None else [self.attention]))

    def with_volumes(self, change: Callable[[Volume], Volume]) -> "Finding":
        """Return the finding with each of its images changed."""
        masks = tuple(replace(mask, volume=change(mask.volume)) for mask in self.masks)
        return replace(self, masks=masks, attention=None if self.attention is None else change(self.attention))

    def moved(self, motion: np.ndarray, grid: Grid) -> "Finding":
        """Return the finding of an image that was moved.

        Args:
            motion: shape (4, 4), from points of the patient (RAS, mm) before to those now.
            grid: of the image now; its voxels stay the same.
        """

        def point(ras_mm: Point) -> Point:
            return as_point(motion[:3, :3] @ np.array(ras_mm) + motion[:3, 3])

        slices = tuple(replace(s, position_ras_mm=point(s.position_ras_mm)) for s in self.slices)
        strip = self.strip and replace(
            self.strip,
            direction=as_point(motion[:3, :3] @ np.array(self.strip.direction)),
            slices=tuple(replace(s, position_ras_mm=point(s.position_ras_mm)) for s in self.strip.slices),
        )
        return replace(self.with_volumes(lambda volume: Volume.on(grid, volume.array)), slices=slices, strip=strip)

    def renumbered(self, index: Callable[[int], int]) -> "Finding":
        """Return the finding with its slices counted in another order; ``index`` gives the new number of each."""
        slices = sorted((replace(s, index=index(s.index)) for s in self.slices), key=lambda s: s.index)
        strip = self.strip and replace(
            self.strip,
            slices=tuple(s if s.index is None else replace(s, index=index(s.index)) for s in self.strip.slices),
        )
        return replace(self, slices=tuple(slices), strip=strip)
