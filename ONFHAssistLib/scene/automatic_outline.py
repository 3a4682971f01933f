"""What the networks had marked, as a dashed outline over a hip that a reader has changed.

The dashes are ribbons across the slices along k, as wide as a slice is thick: each slice shows its own outline.
"""

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

from ONFHAssistLib.core.hip import Side
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.scene.hip_state import Patch
from ONFHAssistLib.scene.nodes import Node, find_node, review_node

OUTLINE_RGB = (1.0, 1.0, 1.0)
DASH = 0.28
"""Half the length of a dash, in pixels: a little more than half of each pixel's edge is drawn."""
SLICE = 0.49
"""Half the width of a ribbon, in slices: the next slice does not touch it."""
MODEL = "vtkMRMLModelNode"


def show_automatic_outline(volume_node: Node, side: Side, grid: Volume, necrosis: Patch | None) -> None:
    """Draw the outline of the automatic necrosis of a hip, or nothing where ``necrosis`` is None.

    Args:
        volume_node: the volume under review.
        side: which hip.
        grid: of the image, IJK to world RAS.
        necrosis: as the networks marked it.
    """
    node = find_node(volume_node, f"{side} automatic outline", MODEL)
    if node is None:
        if necrosis is None:
            return
        node = review_node(volume_node, f"{side} automatic outline", MODEL, f"{side.capitalize()} automatic necrosis")
        node.SetSelectable(False)
        display = node.GetDisplayNode()
        display.SetColor(OUTLINE_RGB)
        display.SetLighting(False)
        display.SetVisibility2D(True)
        display.SetVisibility3D(False)
        display.SetSliceIntersectionThickness(1)
    drawn = "" if necrosis is None else str(id(necrosis.array))
    if node.GetAttribute("ONFHAssist.Drawn") != drawn:
        node.SetAttribute("ONFHAssist.Drawn", drawn)
        node.SetAndObservePolyData(vtk.vtkPolyData() if necrosis is None else dashes(grid, necrosis))


def dashes(grid: Volume, mask: Patch) -> vtk.vtkPolyData:
    """Return a rectangle for each edge of a pixel on the outline of a mask, in world RAS mm."""
    filled = np.pad(mask.array, ((0, 0), (1, 1), (1, 1)))
    start = np.array([part.start for part in mask.box]) - (0, 1, 1)
    corners = []
    for axis in (1, 2):
        edges = np.argwhere(np.diff(filled, axis=axis)) + start  # (k, j, i) of the pixel before the edge
        along = 3 - axis
        for side, length in ((-1, -1), (-1, 1), (1, 1), (1, -1)):
            corner = edges.astype(float)
            corner[:, axis] += 0.5
            corner[:, along] += length * DASH
            corner[:, 0] += side * SLICE
            corners.append(corner)
    quads = np.stack([np.concatenate([corners[n], corners[n + 4]]) for n in range(4)], axis=1)  # (edge, corner, kji)
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(grid.ras(quads.reshape(-1, 3)[:, ::-1])), deep=True))
    cells = vtk.vtkCellArray()
    ids = np.arange(4 * len(quads), dtype=np.int64)
    cells.SetData(
        numpy_to_vtkIdTypeArray(np.arange(0, 4 * len(quads) + 1, 4, dtype=np.int64), deep=True),
        numpy_to_vtkIdTypeArray(ids, deep=True),
    )
    surface = vtk.vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(cells)
    return surface
