"""Masks that are not edited, as dashed outlines over a hip: what the networks had marked, what another reader drew.

The dashes are ribbons across the slices along k, as wide as a slice is thick: each slice shows its own outline.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

from ONFHAssistLib.core.codec import bits_of
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.scene.hip_state import Patch
from ONFHAssistLib.scene.nodes import Node, find_node, review_node

OUTLINE_RGB = (1.0, 1.0, 1.0)
READING_RGB = (0.78, 0.49, 1.0)
"""Violet: told apart from the necrosis's orange by the colour-blind, too."""
DASH = 0.28
"""Half the length of a dash, in pixels: a little more than half of each pixel's edge is drawn."""
SLICE = 0.49
"""Half the width of a ribbon, in slices: the next slice does not touch it."""
MODEL = "vtkMRMLModelNode"


@dataclass(frozen=True)
class Outline:
    """A kind of dashed outline: its role and name among the nodes of a review, its colour, and its width in pixels."""

    role: str
    name: str
    rgb: tuple[float, float, float]
    width: int


AUTOMATIC = Outline("automatic outline", "automatic necrosis", OUTLINE_RGB, 1)
READING = Outline("reading outline", "another reading", READING_RGB, 2)


def show_outline(kind: Outline, volume_node: Node, side: Side, grid: Grid, masks: tuple[Patch, ...] | None) -> None:
    """Draw the outlines of masks of a hip, or nothing where ``masks`` is None.

    Args:
        kind: which of the outlines.
        volume_node: the volume under review.
        side: which hip.
        grid: of the image, IJK to world RAS.
        masks: on that grid.
    """
    role = f"{side} {kind.role}"
    node = find_node(volume_node, role, MODEL)
    if node is None:
        if masks is None:
            return
        node = review_node(volume_node, role, MODEL, f"{side.capitalize()} {kind.name}")
        node.SetSelectable(False)
        display = node.GetDisplayNode()
        display.SetColor(kind.rgb)
        display.SetLighting(False)
        display.SetVisibility2D(True)
        display.SetVisibility3D(False)
        display.SetSliceIntersectionThickness(kind.width)
    drawn = "" if masks is None else _fingerprint(grid, masks)
    if node.GetAttribute("ONFHAssist.Drawn") != drawn:
        node.SetAttribute("ONFHAssist.Drawn", drawn)
        node.SetAndObservePolyData(dashes(grid, masks or ()))


def dashes(grid: Grid, masks: Iterable[Patch]) -> vtk.vtkPolyData:
    """Return a rectangle for each edge of a pixel on the outlines of masks, in world RAS mm."""
    quads = np.concatenate([np.zeros((0, 4, 3)), *map(_quads, masks)])  # (edge, corner, kji)
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


def _fingerprint(grid: Grid, masks: Iterable[Patch]) -> str:
    """Return what changes with the masks or their place; drawing them takes a hundred times as long."""
    parts = [grid.ijk_to_ras.tobytes()]
    for mask in masks:
        parts += [repr(mask.box).encode(), bits_of(mask.array).tobytes()]
    return f"{zlib.crc32(b''.join(parts)):08x}"


def _quads(mask: Patch) -> np.ndarray:
    """Return the corners (k, j, i) of a rectangle for each edge of a pixel on the outline: shape (edge, 4, 3)."""
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
    return np.stack([np.concatenate([corners[n], corners[n + 4]]) for n in range(4)], axis=1)
