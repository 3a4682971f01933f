"""Slice views on the hip under review: which volume, where, how large, which grey levels. MRML nodes only.

A view keeps the anatomical orientation that it has, and one that shows another volume (a baseline beside a follow-up)
is left alone. Where the series has slices of (about) that orientation, the view
shows the very slices: exactly their planes, also for oblique and left-handed volumes.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.grid import Grid, Point, box_of
from ONFHAssistLib.core.planes import mid_plane
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.figures import window
from ONFHAssistLib.scene import in_view
from ONFHAssistLib.scene.nodes import Node, Scene
from ONFHAssistLib.scene.volumes import grid_of

AROUND_HEAD_RADII = 2.2
"""`show_hip` shows this much to each side of the head's centre: the socket, and the neck down to the trochanters."""

Orientation = Literal["sagittal", "coronal", "axial"]
ORIENTATIONS: tuple[Orientation, ...] = ("sagittal", "coronal", "axial")
"""In the order of the axis R, A, S that their normal lies along."""

_RIGHT_OF_VIEW = {"sagittal": (0, -1, 0), "coronal": (-1, 0, 0), "axial": (-1, 0, 0)}
_TOP_OF_VIEW = {"sagittal": (0, 0, 1), "coronal": (0, 0, 1), "axial": (0, 1, 0)}
_NORMAL_OF_VIEW = {"sagittal": (-1, 0, 0), "coronal": (0, 1, 0), "axial": (0, 0, 1)}
"""As in Slicer's own presets, so that the sliders run the way they did."""


def slice_nodes(scene: Scene) -> list[Node]:
    """Return all vtkMRMLSliceNode of a scene."""
    return [
        scene.GetNthNodeByClass(n, "vtkMRMLSliceNode") for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode"))
    ]


def views_of(scene: Scene, volume_node: Node) -> list[Node]:
    """Return the slice views that may be moved for a volume: all but those with another volume as their background."""
    others = set()
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
        if composite.GetBackgroundVolumeID() not in (None, "", volume_node.GetID()):
            others.add(composite.GetLayoutName())
    return [node for node in slice_nodes(scene) if node.GetLayoutName() not in others]


def orientation_of(slice_node: Node) -> Orientation:
    """Return the anatomical orientation that a view shows, or is nearest to."""
    return ORIENTATIONS[int(np.argmax(np.abs(_slice_to_ras(slice_node)[:3, 2])))]


def show_volume(scene: Scene, volume_node: Node) -> None:
    """Show a volume, whole and centred, in all slice views, at its middle slice."""
    in_view.show_volume(scene, volume_node)
    grid = grid_of(volume_node)
    size = grid.size
    corners = grid.ras(np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in size])).reshape(3, -1).T)
    middle = grid.ras((size - 1) // 2)
    for node in slice_nodes(scene):
        orientation = orientation_of(node)
        own = orientation == _orientation(grid)
        axes = _slice_axes(grid) if own else _anatomical_axes(orientation)
        centre = corners.mean(axis=0)
        centre = centre + ((middle - centre) @ axes[:, 2]) * axes[:, 2]
        _look(node, grid, axes, centre, np.ptp(corners @ axes[:, :2], axis=0))


def show_hip(scene: Scene, volume_node: Node, sphere: Sphere) -> None:
    """Centre the volume's slice views on a head, AROUND_HEAD_RADII to each side; 3D cameras look at it from the front.

    Coronal and sagittal views show the planes that the grades are measured on (`core.planes.mid_plane`); an axial one
    the slice nearest to the head's centre, or the axial plane through it.
    """
    grid = grid_of(volume_node)
    centre = np.array(sphere.centre_ras_mm)
    extent = np.full(2, 2 * AROUND_HEAD_RADII * sphere.radius_mm)
    for node in views_of(scene, volume_node):
        orientation = orientation_of(node)
        plane = None if orientation == "axial" else mid_plane(grid, orientation, sphere)
        if plane is not None:
            axes = _towards(np.array([plane.column_step_mm, plane.row_step_mm, plane.normal_ras]).T, orientation)
            _look(node, grid, axes, _on_plane(centre, np.array(plane.origin_ras_mm), plane.normal_ras), extent)
        elif orientation == _orientation(grid):
            _look(node, grid, _slice_axes(grid), _on_slice(grid, _nearest(grid, centre), centre), extent)
        else:
            _look(node, grid, _anatomical_axes(orientation), centre, extent)
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = scene.GetNthNodeByClass(n, "vtkMRMLCameraNode")
        half_angle = np.deg2rad(camera.GetViewAngle() / 2)
        camera.SetFocalPoint(centre)
        camera.SetPosition(centre + [0, AROUND_HEAD_RADII * sphere.radius_mm / np.tan(half_angle), 0])
        camera.SetViewUp(0, 0, 1)
        camera.ResetClippingRange()


def jump_to_slice(scene: Scene, volume_node: Node, index: int, near_ras_mm: Point | None = None) -> None:
    """Let the volume's slice views pass through slice ``index`` (along k, from 0) of a volume.

    Views of the slices' own orientation show the very slice, turned into its plane if need be. The others go through
    the point of that slice that is nearest to ``near_ras_mm`` (a head's centre), or stay where they already cross it.

    Raises:
        IndexError: the volume has no such slice.
    """
    grid = grid_of(volume_node)
    count = grid.shape[0]
    if not 0 <= index < count:
        raise IndexError(f"The volume has the slices 0 to {count - 1}; there is no slice {index}.")
    for node in views_of(scene, volume_node):
        if orientation_of(node) == _orientation(grid):
            _look(node, grid, _slice_axes(grid), _on_slice(grid, index, _slice_to_ras(node)[:3, 3]))
        elif near_ras_mm is not None:
            node.JumpSliceByOffsetting(*_on_slice(grid, index, np.array(near_ras_mm)))


def jump_to_place(scene: Scene, volume_node: Node, ras_mm: Point) -> None:
    """Let the volume's slice views pass through a point; those of the slices' orientation show the nearest slice.

    A view that would not show the point is centred on it.
    """
    grid, place = grid_of(volume_node), np.array(ras_mm)
    index = _nearest(grid, place)
    for node in views_of(scene, volume_node):
        own = orientation_of(node) == _orientation(grid)
        if own:
            _look(node, grid, _slice_axes(grid), _on_slice(grid, index, _slice_to_ras(node)[:3, 3]))
        else:
            node.JumpSliceByOffsetting(*ras_mm)
        if not _in_field(node, place):
            node.JumpSliceByCentering(*(_on_slice(grid, index, place) if own else place))


def slice_at(volume_node: Node, ras_mm: Point) -> int:
    """Return the slice along k that is nearest to a point, from 0; the first or last one where it lies outside."""
    return _nearest(grid_of(volume_node), np.array(ras_mm))


def current_slice(scene: Scene, volume_node: Node) -> int | None:
    """Return the slice that a view of the slices' own orientation shows now; None where there is no such view."""
    grid = grid_of(volume_node)
    for node in views_of(scene, volume_node):
        if orientation_of(node) == _orientation(grid):
            return _nearest(grid, _slice_to_ras(node)[:3, 3])
    return None


def next_slice(slices: Sequence[int], current: int | None, direction: int) -> int | None:
    """Return the next (``direction`` 1) or previous (-1) of some slices, seen from the current one.

    Beyond the last one it stays there; where no slice is in view, it is the first one; None where there is none.

    Args:
        slices: indices along k in their order along the body, as `Review.slices_that_matter` returns them: they rise
            or fall, as the series has its slices.
        current: index of the slice in view, one of them or not.
        direction: 1 goes on in this order, -1 goes back.
    """
    if not slices or current is None:
        return slices[0] if slices else None
    ahead = slices if direction > 0 else slices[::-1]
    rising = ahead[0] < ahead[-1]
    beyond = [index for index in ahead if (index > current if rising else index < current)]
    return beyond[0] if beyond else ahead[-1]


def marrow_window(volume_node: Node, volume: Volume, sphere: Sphere) -> tuple[float, float]:
    """Set the grey levels for marrow: black and white are the 1st and 99.5th percentile inside the sphere of the head.

    The same percentiles as in the report's pictures (`exchange.figures.window`), of the head alone: the fat around it,
    often brighter, does not count.

    Returns:
        (black, white); of the whole image where it does not contain the sphere.
    """
    inside = np.concatenate(list(_in_sphere(volume, sphere)) or [volume.array.ravel()])
    levels = window(inside if inside.size else volume.array)
    display = volume_node.GetDisplayNode()
    if display is not None:
        before = display.StartModify()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(*levels)
        display.EndModify(before)
    return levels


def show_masks(segmentation_node: Node, visible: bool) -> None:
    """Show or hide all segments."""
    display = segmentation_node.GetDisplayNode()
    if display is not None:
        display.SetVisibility(visible)


def masks_shown(segmentation_node: Node) -> bool:
    """Return whether the segments are shown."""
    display = segmentation_node.GetDisplayNode()
    return bool(display is not None and display.GetVisibility())


def _in_sphere(volume: Volume, sphere: Sphere) -> Iterator[np.ndarray]:
    """The intensities inside, slice by slice, so that a large image costs no more than the head."""
    centre = np.array(sphere.centre_ras_mm)
    middle, reach = volume.ijk(centre), sphere.radius_mm / np.array(volume.spacing_mm)
    low = np.clip(np.floor(middle - reach), 0, None).astype(int)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, volume.shape[::-1])
    if (high <= low).any():
        return
    near = volume.cropped(box_of(zip(low[::-1], high[::-1], strict=True)))
    yield near.array[np.linalg.norm(near.grid_ras() - centre, axis=-1) <= sphere.radius_mm]


def _orientation(grid: Grid) -> Orientation:
    return ORIENTATIONS[int(np.argmax(np.abs(grid.axes_ras[:, 2])))]


def _nearest(grid: Grid, point: np.ndarray) -> int:
    return int(np.clip(np.rint(grid.ijk(point)[2]), 0, grid.shape[0] - 1))


def _anatomical_axes(orientation: Orientation) -> np.ndarray:
    """Columns: right and top of the view, and its normal."""
    return np.array([_RIGHT_OF_VIEW[orientation], _TOP_OF_VIEW[orientation], _NORMAL_OF_VIEW[orientation]], float).T


def _slice_axes(grid: Grid) -> np.ndarray:
    """The same for the slices along k: the volume's axes, each turned the way in which the view runs."""
    axes, orientation = grid.axes_ras, _orientation(grid)
    across = int(np.argmax(np.abs(axes[:, :2].T @ _RIGHT_OF_VIEW[orientation])))
    return _towards(axes[:, [across, 1 - across, 2]], orientation)


def _towards(axes: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Turn each axis (a column) the way in which a view runs, and give it the length 1."""
    axes = axes / np.linalg.norm(axes, axis=0)
    return axes * np.sign((axes * _anatomical_axes(orientation)).sum(axis=0))


def _on_slice(grid: Grid, index: int, near: np.ndarray) -> np.ndarray:
    return _on_plane(near, grid.ras(np.array([0, 0, index])), grid.axes_ras[:, 2])


def _on_plane(point: np.ndarray, origin: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return point + ((origin - point) @ normal) * normal


def _thickness_mm(grid: Grid, normal: np.ndarray) -> float:
    """What Slicer shows control points within: one voxel along the axis nearest to the view's normal."""
    return grid.spacing_mm[int(np.argmax(np.abs(grid.axes_ras.T @ normal)))]


def _look(
    slice_node: Node, grid: Grid, axes: np.ndarray, centre: np.ndarray, extent_mm: np.ndarray | None = None
) -> None:
    """Set axes and centre of a view, and let it show at least ``extent_mm`` (across, up)."""
    matrix = slice_node.GetSliceToRAS()
    before = slice_node.StartModify()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, float(axes[row, column]))
        matrix.SetElement(row, 3, float(centre[row]))
    if extent_mm is not None:
        pixels = np.maximum(slice_node.GetDimensions()[:2], 1)
        size = pixels * float(np.max(np.asarray(extent_mm) / pixels))
        slice_node.SetXYZOrigin(0, 0, 0)
        slice_node.SetFieldOfView(float(size[0]), float(size[1]), _thickness_mm(grid, axes[:, 2]))
    slice_node.UpdateMatrices()
    slice_node.EndModify(before)


def _in_field(slice_node: Node, place: np.ndarray) -> bool:
    """Say whether a view shows a point of its plane."""
    pose = _slice_to_ras(slice_node)
    off = np.abs((place - pose[:3, 3]) @ pose[:3, :2])
    return bool((2 * off <= slice_node.GetFieldOfView()[:2]).all())


def _slice_to_ras(slice_node: Node) -> np.ndarray:
    matrix = slice_node.GetSliceToRAS()
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
