"""The dashed outline of what the networks had marked: on the edges of its pixels, each slice with its own."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core")

from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

from ONFHAssistLib.scene.hip_state import EMPTY, Patch  # noqa: E402
from ONFHAssistLib.scene.nodes import find_node  # noqa: E402
from ONFHAssistLib.scene.outlines import DASH, MODEL, SLICE, dashes  # noqa: E402
from ONFHAssistLib.scene.review import Review  # noqa: E402
from Testing.scene.review_parts import add_volume, made_up, paint  # noqa: E402

BLOCK = Patch((slice(3, 5), slice(10, 13), slice(20, 24)), np.ones((2, 3, 4), bool))
"""Two slices of 4 x 3 pixels: an outline of 14 edges each."""


def quads(grid, patch) -> np.ndarray:
    """The corners of the dashes as (quad, corner, ijk)."""
    surface = dashes(grid, [patch])
    points = vtk_to_numpy(surface.GetPoints().GetData())
    assert surface.GetNumberOfCells() * 4 == len(points)
    return grid.ijk(points).reshape(-1, 4, 3)


def test_there_is_a_dash_on_each_edge_of_the_outline_of_each_slice(grid):
    found = quads(grid.volume(), BLOCK)
    assert len(found) == 2 * 14
    middles = found.mean(axis=1)
    assert sorted(set(np.rint(middles[:, 2]))) == [3, 4]
    on_column = np.isclose(middles[:, 0] % 1, 0.5, atol=1e-3)
    on_row = np.isclose(middles[:, 1] % 1, 0.5, atol=1e-3)
    assert (on_column ^ on_row).all()
    assert middles[:, 0].min() == pytest.approx(19.5, abs=1e-3) and middles[:, 0].max() == pytest.approx(23.5, abs=1e-3)
    assert middles[:, 1].min() == pytest.approx(9.5, abs=1e-3) and middles[:, 1].max() == pytest.approx(12.5, abs=1e-3)


def test_a_dash_is_shorter_than_its_pixel_and_stays_in_its_slice(grid):
    found = quads(grid.volume(), BLOCK)
    sizes = np.ptp(found, axis=1)
    assert np.allclose(np.sort(sizes[:, :2], axis=1), [0, 2 * DASH], atol=1e-3)
    assert np.allclose(sizes[:, 2], 2 * SLICE, atol=1e-3) and 2 * SLICE < 1


def test_nothing_marked_is_no_dash(grid):
    assert dashes(grid.volume(), [EMPTY]).GetNumberOfCells() == 0


def test_the_outline_appears_with_a_change_and_goes_with_its_undo(scene):
    result = made_up()
    review = Review.begin(scene, add_volume(scene, result.volume), result)

    def drawn(side: str) -> int:
        node = find_node(review.volume_node, f"{side} automatic outline", MODEL)
        return 0 if node is None or node.GetPolyData() is None else node.GetPolyData().GetNumberOfCells()

    assert (drawn("right"), drawn("left")) == (0, 0)
    paint(review, "right", "necrosis", result.masks[0].whole().head.array)
    review.update()
    assert drawn("left") == 0
    mask = result.masks[0].whole().necrosis.array
    edges = sum(int(np.diff(np.pad(mask, 1), axis=axis).sum()) for axis in (1, 2))
    assert drawn("right") == edges
    review.undo()
    assert drawn("right") == 0
