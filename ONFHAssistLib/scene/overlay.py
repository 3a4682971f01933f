"""What is drawn over the slices of each hip: the best-fit sphere, the weight-bearing portion, the lesion's lateral end.

The portion and the end are ribbons as wide as a slice is thick, so that the mid-coronal slice, and no other coronal
one, shows them as lines; in 3D they lie around the head.
"""

from dataclasses import dataclass

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.planes import Plane, mid_plane
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.exchange.figures import PortionLines, portion_lines
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.scene.nodes import Node, find_node, review_node

THIRDS_RGB = ((0.21, 0.79, 0.61), (0.84, 0.96, 0.92), (0.21, 0.79, 0.61))
"""Medial, middle and lateral third, as in the report's pictures."""
SPHERE_RGB = (1.0, 1.0, 1.0)
PART = "Part"
"""Array of the portion's cells: 0, 1, 2 for the thirds, 3 for the lesion's end."""
MODEL = "vtkMRMLModelNode"
REFORMATTED_WIDTH_MM = 2.0
"""Width of the ribbons where the mid-coronal plane is not a slice of the series."""
SPHERE_RESOLUTION = 72
"""Its facets then stay within 0.1 % of the radius, 0.03 mm."""


@dataclass(frozen=True)
class Overlay:
    """The two models of one hip, drawn and never picked."""

    side: Side
    sphere: Node
    portion: Node


def overlay_nodes(volume_node: Node, side: Side) -> Overlay:
    """Return the overlay of one hip, made if missing: empty until `update_overlay`."""
    sphere = find_node(volume_node, f"{side} sphere", MODEL)
    portion = find_node(volume_node, f"{side} portion", MODEL)
    if sphere is None:
        sphere = review_node(volume_node, f"{side} sphere", MODEL, f"{side.capitalize()} best-fit sphere")
        display = _drawn_only(sphere)
        display.SetColor(SPHERE_RGB)
        display.SetOpacity(0.12)
        display.SetSliceIntersectionOpacity(0.7)
        display.SetSliceIntersectionThickness(1)
    if portion is None:
        portion = review_node(volume_node, f"{side} portion", MODEL, f"{side.capitalize()} weight-bearing portion")
        display = _drawn_only(portion)
        display.SetSliceIntersectionThickness(4)
        display.SetActiveScalar(PART, vtk.vtkAssignAttribute.CELL_DATA)
        display.SetAndObserveColorNodeID(_colours(volume_node, side).GetID())
        display.SetScalarRangeFlag(display.UseManualScalarRange)
        display.SetScalarRange(0, len(THIRDS_RGB))
        display.SetScalarVisibility(True)
    return Overlay(side, sphere, portion)


def update_overlay(overlay: Overlay, hip: HipResult, grid: Grid, points: tuple[Sphere, Landmarks] | None) -> None:
    """Draw sphere, portion and lesion end of a hip as it is now; a hip without masks has no points and none of them."""
    if points is None:
        for node in (overlay.sphere, overlay.portion):
            _show(node, None, "")
        return
    sphere, landmarks = points
    key = repr(sphere)
    if overlay.sphere.GetAttribute("ONFHAssist.Drawn") != key:
        _show(overlay.sphere, _ball(sphere), key)
    plane = mid_plane(grid, "coronal", sphere)
    end = hip.grades["jic"].details.get("lateral_end_deg") if "jic" in hip.grades else None
    key = repr((sphere, landmarks, end))
    if overlay.portion.GetAttribute("ONFHAssist.Drawn") != key:
        lines = None if plane is None else _ribbons(grid, plane, portion_lines(plane, sphere, landmarks, hip))
        _show(overlay.portion, lines, key)


def _drawn_only(node: Node) -> Node:
    """Let a model be seen, in slices too, and never be picked or dragged; return its display node."""
    node.SetSelectable(False)
    display = node.GetDisplayNode()
    display.SetVisibility2D(True)
    display.SetLighting(False)
    display.SetBackfaceCulling(False)
    return display


def _colours(volume_node: Node, side: Side) -> Node:
    table = review_node(volume_node, f"{side} portion colours", "vtkMRMLColorTableNode", "Portion", hidden=True)
    table.SetTypeToUser()
    table.SetNumberOfColors(len(THIRDS_RGB) + 1)
    names = ("Medial third", "Middle third", "Lateral third", "Lateral end of the lesion")
    for index, (name, rgb) in enumerate(
        zip(names, (*THIRDS_RGB, segments()[MaskLabel.necrosis(side)].rgb), strict=True)
    ):
        table.SetColor(index, name, *rgb, 1.0)
    return table


def _show(node: Node, surface: vtk.vtkPolyData | None, key: str) -> None:
    """Put a surface on a model; the key says what is drawn, so that nothing is drawn twice."""
    before = node.StartModify()
    node.SetAttribute("ONFHAssist.Drawn", key)
    node.SetAndObservePolyData(surface or vtk.vtkPolyData())
    node.EndModify(before)


def _ball(sphere: Sphere) -> vtk.vtkPolyData:
    source = vtk.vtkSphereSource()
    source.SetCenter(sphere.centre_ras_mm)
    source.SetRadius(sphere.radius_mm)
    source.SetThetaResolution(SPHERE_RESOLUTION)
    source.SetPhiResolution(SPHERE_RESOLUTION)
    source.Update()
    return source.GetOutput()


def _ribbons(grid: Grid, plane: Plane, lines: PortionLines) -> vtk.vtkPolyData | None:
    """Sweep the lines of the portion along the plane's normal; each cell has its part."""
    drawn = list(enumerate(lines.thirds))
    if lines.lesion_end is not None:
        drawn.append((len(THIRDS_RGB), lines.lesion_end))
    if not drawn:
        return None
    width = REFORMATTED_WIDTH_MM
    if plane.voxel_index is not None:  # a little less than a slice: the next one does not touch it
        width = 0.98 * grid.spacing_mm[plane.voxel_index[0]]
    points, cells, parts = vtk.vtkPoints(), vtk.vtkCellArray(), []
    for part, line in drawn:
        first = points.GetNumberOfPoints()
        for point in line:
            for sign in (-0.5, 0.5):
                points.InsertNextPoint(point + sign * width * plane.normal_ras)
        for n in range(len(line) - 1):
            corner = first + 2 * n
            cells.InsertNextCell(4, (corner, corner + 1, corner + 3, corner + 2))
            parts.append(part)
    surface = vtk.vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(cells)
    array = numpy_to_vtk(np.array(parts, np.int32), deep=True)
    array.SetName(PART)
    surface.GetCellData().SetScalars(array)
    return surface
