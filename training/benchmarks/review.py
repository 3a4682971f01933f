"""Time what follows a stroke of the brush: python -m training.benchmarks.review [--strokes 60].

Two made-up hips lie in a coronal MR of 384 x 384 x 41 voxels (0.9 x 0.9 x 4.5 mm) and in an axial CT of 512 x 512 x 300
(0.75 x 0.75 x 1 mm). Discs of 4 to 12 mm are painted into or erased from necrosis and head on one slice at a time, as
the Segment Editor does; what is timed is `Review.update`: masks read, clipped, measured, graded, kept for undo, tables
and overlays written. Prints p50 and p95, by the clock and of the processor (for a machine that does other things as
well). Needs slicer-core; nothing is drawn.
"""

import argparse
import os
import platform
import time
from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.core.geometry import SIDES, Landmarks, Side, Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.grid import as_point, box_of
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.segmentation import What
from ONFHAssistLib.scene.volumes import add_volume

RADIUS_MM = 24.0
CONE_DEG = 55.0
BRUSH_MM = (4.0, 12.0)
OFFSET_MM = 88.0
"""Of the centres from the middle, to the right and to the left."""


@dataclass(frozen=True)
class Size:
    """One kind of image: its grid, and the columns of its axes i, j, k in RAS."""

    name: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    axes: tuple[tuple[float, ...], ...]


SIZES = (
    Size("MR, coronal", (41, 384, 384), (0.9, 0.9, 4.5), ((-1, 0, 0), (0, 0, -1), (0, -1, 0))),
    Size("CT, axial", (300, 512, 512), (0.75, 0.75, 1.0), ((-1, 0, 0), (0, -1, 0), (0, 0, 1))),
)


def main() -> None:
    """Measure both sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=60, help="how many strokes for each size and kind")
    strokes = parser.parse_args().strokes
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start")
    for size in SIZES:
        for what in ("necrosis", "head"):
            wall, processor = np.percentile(1000 * np.array(timed(size, what, strokes)), [50, 95], axis=0).T
            shape = " x ".join(str(n) for n in size.shape[::-1])
            print(
                f"{size.name}, {shape}, {what}: p50 {wall[0]:.1f} ms, p95 {wall[1]:.1f} ms; "
                f"of the processor p50 {processor[0]:.1f} ms, p95 {processor[1]:.1f} ms; {strokes} strokes",
                flush=True,
            )


def timed(size: Size, what: What, strokes: int) -> list[tuple[float, float]]:
    """Return the seconds by the clock and of the processor that `Review.update` takes after each of so many strokes."""
    import slicer

    result = made_up(size)
    scene = slicer.vtkMRMLScene()
    review = Review.begin(scene, add_volume(scene, result.volume, "Image"), result)
    rng = np.random.default_rng(0)
    seconds: list[tuple[float, float]] = []
    while len(seconds) < strokes:
        side = SIDES[len(seconds) % 2]
        stroke(review, side, what, rng)
        start, busy = time.perf_counter(), time.process_time()
        if review.update():
            seconds.append((time.perf_counter() - start, time.process_time() - busy))
    review.close()
    return seconds


def stroke(review: Review, side: Side, what: What, rng: np.random.Generator) -> None:
    """Paint or erase a disc on one slice."""
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    grid = review.result.volume
    hip = review.hip(side)
    assert hip.sphere is not None  # both heads are there
    middle = grid.ijk(np.array(hip.sphere.centre_ras_mm) + rng.uniform(-14, 14, 3))
    radius = rng.uniform(*BRUSH_MM) / np.array(grid.spacing_mm[:2])
    k = int(np.clip(np.rint(middle[2]), hip.slices[0].index, hip.slices[-1].index))
    low, high = (np.rint(middle[:2] + sign * radius).astype(int) for sign in (-1, 1))
    i, j = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
    disc = ((i - middle[0]) / radius[0]) ** 2 + ((j - middle[1]) / radius[1]) ** 2 <= 1
    erase = rng.random() < 0.5
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    image = slicer.vtkOrientedImageData()
    image.SetExtent(low[0], high[0], low[1], high[1], k, k)
    image.GetPointData().SetScalars(numpy_to_vtk((disc ^ erase).astype(np.uint8).ravel(), deep=True))
    matrix = vtk.vtkMatrix4x4()
    review.volume_node.GetIJKToRASMatrix(matrix)
    image.SetImageToWorldMatrix(matrix)
    mode = logic.MODE_MERGE_MIN if erase else logic.MODE_MERGE_MASK
    name = review.segment_id(side, what)
    logic.SetBinaryLabelmapToSegment(image, review.segmentation_node, name, mode, image.GetExtent())


def made_up(size: Size) -> StudyResult:
    """Two balls for heads with a cone of necrosis each, and a probability as a network gives it."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(size.axes).T * size.spacing_mm
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(size.shape[::-1]) - 1) / 2)
    image = Volume(np.zeros(size.shape, np.int16), matrix)
    image.array[::2] = 100
    masks = [_hip(image, side) for side in SIDES]
    source = {"kind": "made up", "modality": "MR", "sequence": "T1"}
    return StudyResult(image, source, tuple(grade(hip) for hip in masks), tuple(masks))


def _hip(image: Volume, side: Side) -> HipMasks:
    out = 1.0 if side == "right" else -1.0
    centre = np.array([out * OFFSET_MM, 3.0, 1.0])
    corners = np.array([image.ijk(centre + sign * 26.0 * np.array(step)) for sign in (-1, 1) for step in np.eye(3)])
    low, high = (np.rint(end).astype(int) for end in (corners.min(0), corners.max(0)))
    box = box_of((low[axis], high[axis] + 1) for axis in (2, 1, 0))
    offset = image.cropped(box).grid_ras() - centre
    distance = np.linalg.norm(offset, axis=-1)
    head = distance <= RADIUS_MM
    inside_mm = offset[..., 2] - np.cos(np.deg2rad(CONE_DEG)) * distance
    probability = (head / (1 + np.exp(-np.clip(inside_mm, -30, 30)))).astype(np.float32)

    def whole(near: np.ndarray) -> Volume:
        found = np.zeros(image.shape, near.dtype)
        found[box] = near
        return image.like(found)

    edge = centre + 28.0 * np.array([out * np.sin(0.7), 0, np.cos(0.7)])
    teardrop = centre + 29.0 * np.array([-out * 0.8, 0, -0.6])
    return HipMasks.of(
        side,
        whole(head),
        whole(head & (inside_mm > 0)),
        Sphere(as_point(centre), RADIUS_MM),
        Landmarks(as_point(edge), as_point(teardrop)),
        whole(probability),
        Calibration(0.7, 0.3, ()),
    )


if __name__ == "__main__":
    main()
