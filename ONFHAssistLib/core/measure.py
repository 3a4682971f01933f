"""From the masks of a hip to the numbers that the gradings look at."""

from dataclasses import replace

import numpy as np

from ONFHAssistLib.core.arcs import (
    WeightBearing,
    deep_lateral_end_deg,
    lateral_end_deg,
    section_radius_mm,
    surface_arc,
    weight_bearing_portion,
)
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.gradings.cjfh import CJFH_OUTER_PILLAR
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.grid import Box, Grid, as_point, bounding_box, joint_box, moved
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measurements import HipMeasurement, Pillars, PlaneMeasurement, SliceMeasurement
from ONFHAssistLib.core.necrosis import outlines, ratio_interval
from ONFHAssistLib.core.planes import Orientation, Plane, mid_plane, native_axis, plane_at, reached, sample
from ONFHAssistLib.core.sphere import sphere_coverage
from ONFHAssistLib.core.volume import Volume

LARGE_SLICE = 0.5
"""Only slices with at least half of the largest head area can be the worst one: polar slices reach 100 % of their
small area (docs/clinical.md, section 2)."""

REFORMATTED_STEP_MM = 2.0
"""Distance of the planes on which the largest arc is sought where the series has no slices of that orientation."""


def measure_hip(masks: HipMasks, arcs: "PlaneArcs | None" = None) -> HipMeasurement:
    """Measure one hip on the grid of its masks, which may be oblique, anisotropic and left-handed.

    The necrosis is clipped to the head first. Slices, planes and volumes are in physical units.

    Args:
        masks: boolean, in any box.
        arcs: of this hip before its last edit, which makes it faster and changes no number.

    Raises:
        ValueError: the head mask is empty.
    """
    if not masks.head.array.any():
        raise ValueError("The head mask is empty.")
    masks = replace(masks, necrosis=masks.necrosis.like(masks.necrosis.array & masks.head.array)).tight()
    grid, head, necrosis = masks.grid, masks.head.array, masks.necrosis.array
    bounds = outlines(masks)
    slices = _slices(masks, bounds)
    large = LARGE_SLICE * max(s.head_mm2 for s in slices)
    middle = int(np.rint(grid.ijk(np.array(masks.sphere.centre_ras_mm))[2]))
    head_count, necrosis_count = int(head.sum()), int(necrosis.sum())
    interval = bounds and ratio_interval(masks, bounds)

    largest = (arcs or PlaneArcs()).largest_deg(masks)
    coronal, sagittal = (_mid(masks, name) for name in ("coronal", "sagittal"))
    portion = weight_bearing_portion(coronal.plane, masks.sphere, masks.landmarks, masks.side) if coronal else None
    return HipMeasurement(
        side=masks.side,
        sphere=masks.sphere,
        landmarks=masks.landmarks,
        head_volume_ml=head_count * grid.voxel_ml,
        necrosis_volume_ml=necrosis_count * grid.voxel_ml,
        volume_ratio=necrosis_count / head_count,
        ratio_interval=interval,
        head_coverage=sphere_coverage(grid, masks.sphere),
        slices=slices,
        worst_slice=max((s for s in slices if s.head_mm2 >= large), key=lambda s: s.ratio),
        mid_slice=next((s for s in slices if s.index == middle), None),
        coronal=coronal,
        sagittal=sagittal,
        largest_coronal_deg=largest["coronal"],
        largest_sagittal_deg=largest["sagittal"],
        weight_bearing=portion,
        lateral_end_deg=_lateral_end(coronal, portion, masks) if coronal and portion else None,
        pillars=_pillars(coronal, masks.sphere, masks.side) if coronal else None,
        not_sought=masks.not_sought,
    )


def _slices(masks: HipMasks, bounds: tuple[np.ndarray, np.ndarray] | None) -> tuple[SliceMeasurement, ...]:
    """Measure each slice; ``bounds`` lie in the box of the masks."""
    grid, first = masks.grid, masks.box[0].start
    pixel_mm2 = grid.spacing_mm[0] * grid.spacing_mm[1]
    rows, columns = grid.shape[1:]
    head_counts, necrosis_counts = masks.head.array.sum(axis=(1, 2)), masks.necrosis.array.sum(axis=(1, 2))
    found = []
    for k in np.flatnonzero(head_counts):
        # Counts, not areas: a ratio of exactly 30 % must not become 30.000000000000004 %.
        ratio = int(necrosis_counts[k]) / int(head_counts[k])
        position = grid.ras(np.array([(columns - 1) / 2, (rows - 1) / 2, k + first]))
        found.append(
            SliceMeasurement(
                index=int(k) + first,
                position_ras_mm=as_point(position),
                head_mm2=float(head_counts[k] * pixel_mm2),
                necrosis_mm2=float(necrosis_counts[k] * pixel_mm2),
                ratio=ratio,
                steinberg=steinberg_grade(ratio),
                uncertain_mm2=bounds and float((bounds[1] & ~bounds[0])[k].sum() * pixel_mm2),
            )
        )
    return tuple(found)


def _mid(masks: HipMasks, orientation: Orientation) -> PlaneMeasurement | None:
    plane = mid_plane(masks.grid, orientation, masks.sphere)
    if plane is None:
        return None
    head, necrosis = (sample(mask, plane) for mask in (masks.head, masks.necrosis))
    return PlaneMeasurement(plane, head, necrosis & head, surface_arc(necrosis, plane, masks.sphere, masks.side))


def _lateral_end(coronal: PlaneMeasurement, portion: WeightBearing, masks: HipMasks) -> float | None:
    end = lateral_end_deg(coronal.arc, portion)
    if end is None:
        return deep_lateral_end_deg(coronal.necrosis, coronal.plane, masks.sphere, masks.side)
    return end


class PlaneArcs:
    """The arcs of the surface involved on all planes on which the largest one is sought.

    Kept from one edit of a hip to the next, it measures only the planes that the edit reaches; what it returns does not
    depend on what it was asked before.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._key: object = None
        self._planes: dict[Orientation, list[Plane]] = {}
        self._arcs: dict[tuple[Orientation, int], float] = {}
        self._box: Box | None = None
        self._necrosis = np.zeros((0, 0, 0), bool)

    def largest_deg(self, masks: HipMasks) -> dict[Orientation, float | None]:
        """Return the largest arc over all planes of each orientation that show the head; None where none does.

        The necrosis is clipped to the head already.
        """
        grid, side, sphere = masks.grid, masks.side, masks.sphere
        key = (side, sphere, grid.shape, grid.ijk_to_ras.tobytes())
        if key != self._key:
            self._planes = {name: _planes(grid, name, sphere) for name in ("coronal", "sagittal")}
            self._key, self._box, self._arcs = key, None, {}
        edited = self._edited(masks)
        lesion = _lesion(masks.necrosis)
        found: dict[Orientation, float | None] = {}
        for name, planes in self._planes.items():
            for number, plane in enumerate(planes):
                if (name, number) in self._arcs and (edited is None or reached(edited, plane) is None):
                    continue
                arc = lesion and surface_arc(sample(lesion, plane), plane, sphere, side)
                self._arcs[name, number] = arc.arc_deg if arc else 0.0
            found[name] = max((self._arcs[name, number] for number in range(len(planes))), default=0.0)
            if found[name] == 0 and not any(sample(masks.head, plane).any() for plane in planes):
                found[name] = None  # where there is an arc, there is necrosis, and the head around it
        self._box, self._necrosis = masks.box, masks.necrosis.array
        return found

    def _edited(self, masks: HipMasks) -> Grid | None:
        """Return the smallest part of the grid in which the necrosis is another one than the last time."""
        if self._box is None:
            return None
        joint = joint_box(masks.box, self._box)
        differs = moved(masks.necrosis.array, masks.box, joint) ^ moved(self._necrosis, self._box, joint)
        return masks.grid.cropped(bounding_box(differs, joint)) if differs.any() else None


def _planes(grid: Grid, orientation: Orientation, sphere: Sphere) -> list[Plane]:
    """Return the planes on which the largest arc is sought."""
    axis = native_axis(grid, orientation, sphere.radius_mm)
    step = REFORMATTED_STEP_MM if axis is None else grid.spacing_mm[axis]
    count = int(sphere.radius_mm // step)
    found = (plane_at(grid, orientation, sphere, n * step) for n in range(-count, count + 1))
    return [plane for plane in found if plane]


def _lesion(necrosis: Volume) -> Volume | None:
    """Return the necrosis in the smallest box: the less there is of it, the sooner a plane is sampled."""
    mask = necrosis.array
    return necrosis.cropped(bounding_box(mask)) if mask.any() else None


def _pillars(coronal: PlaneMeasurement, sphere: Sphere, side: Side) -> Pillars | None:
    """Split the section of the sphere by its width: 30 % lateral, 40 % central, 30 % medial (CJFH)."""
    across, _ = coronal.plane.directions(side)
    offset = (coronal.plane.grid_ras() - np.array(sphere.centre_ras_mm)) @ across
    border = (1 - 2 * CJFH_OUTER_PILLAR) * section_radius_mm(coronal.plane, sphere)
    fractions = []
    for part in (offset > border, np.abs(offset) <= border, offset < -border):
        bone = int((coronal.head & part).sum())
        if bone == 0:
            return None
        fractions.append(int((coronal.necrosis & part).sum()) / bone)
    return Pillars(*fractions)
