"""What is measured on the masks of a hip: `measure` fills it in, `gradings` look at it. Ratios are fractions."""

from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.core.arcs import SurfaceArc, WeightBearing
from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.core.planes import Plane


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
class PlaneMeasurement:
    """One plane of the hip: boolean pictures of shape ``plane.shape`` and the arc of the surface involved."""

    plane: Plane
    head: np.ndarray
    necrosis: np.ndarray
    arc: SurfaceArc


@dataclass(frozen=True)
class Pillars:
    """Fractions (0 to 1) of the area of each pillar of the mid-coronal head that are necrotic (CJFH)."""

    lateral: float
    central: float
    medial: float


@dataclass(frozen=True)
class HipMeasurement:
    """Everything that was measured on one hip; `gradings.grade_hip` turns it into grades.

    Attributes:
        ratio_interval: holds the true volume ratio in 90 % of hips (`necrosis`); None where it is not known.
        head_coverage: fraction of the articular sphere inside the image; below 1 the head is cut off.
        slices: the slices of the input along k that show the head.
        worst_slice: the largest ratio among slices with at least half of the largest head area.
        mid_slice: the slice along k nearest to the head's centre; None where the centre is outside of the image.
        coronal, sagittal: the planes through the head's centre; None where the image does not reach it.
        largest_coronal_deg, largest_sagittal_deg: the largest arcs over all planes of each orientation that show the
            head; near its poles, where a plane cuts the sphere in a small circle, they reach 360 degrees.
        weight_bearing: the portion on the mid-coronal slice; None where it could not be placed.
        lateral_end_deg: where the lesion ends laterally there; None without portion or necrosis.
        pillars: of the mid-coronal head; None where a pillar shows no bone.
        not_sought: why nobody has looked for necrosis (`HipMasks`).
    """

    side: Side
    sphere: Sphere
    landmarks: Landmarks
    head_volume_ml: float
    necrosis_volume_ml: float
    volume_ratio: float
    ratio_interval: tuple[float, float] | None
    head_coverage: float
    slices: tuple[SliceMeasurement, ...]
    worst_slice: SliceMeasurement
    mid_slice: SliceMeasurement | None
    coronal: PlaneMeasurement | None
    sagittal: PlaneMeasurement | None
    largest_coronal_deg: float | None
    largest_sagittal_deg: float | None
    weight_bearing: WeightBearing | None
    lateral_end_deg: float | None
    pillars: Pillars | None
    not_sought: str | None = None
