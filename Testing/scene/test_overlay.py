"""What is drawn over the slices: checked against the circle, the angles and the planes that it stands for."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core")
vtk = pytest.importorskip("vtk")

from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

from ONFHAssistLib.core.geometry import Landmarks, Sphere  # noqa: E402
from ONFHAssistLib.core.masks import HipMasks  # noqa: E402
from ONFHAssistLib.core.results import Grade, HipResult  # noqa: E402
from ONFHAssistLib.core.volume import Volume  # noqa: E402
from ONFHAssistLib.scene import overlay  # noqa: E402
from Testing.exchange.made_up_study import coronal_grid  # noqa: E402
from Testing.scene.scene_parts import add_volume, make_scene, reopened  # noqa: E402

CENTRE, RADIUS = np.array([90.0, 10.0, 5.0]), 24.0
MEDIAL, LATERAL, END = -20.0, 40.0, 25.0
"""Of the portion and the lesion, in degrees."""


def hip_with_known_angles(turn_deg=0.0, mirror=False, side="right"):
    """Landmarks so placed that the portion runs from MEDIAL to LATERAL on the mid-coronal slice through the centre."""
    shape = (21, 70, 130)
    grid = Volume(np.zeros(shape, np.float32), coronal_grid(shape, turn_deg=turn_deg, mirror=mirror))
    sign = 1 if side == "right" else -1
    slice_k = grid.axes_ras[:, 2]
    middle = grid.ijk(CENTRE * [sign, 1, 1])
    centre = grid.ras(np.array([*middle[:2], np.rint(middle[2])]))  # exactly on a slice
    normal = slice_k * np.sign(slice_k[1])
    lateral = sign * np.cross(normal, [0, 0, 1.0])
    superior = np.array([0.0, 0.0, 1.0])

    def on_circle(angle):
        return np.sin(np.deg2rad(angle)) * lateral + np.cos(np.deg2rad(angle)) * superior

    edge = 30.0 * on_circle(LATERAL)
    # The bisector of edge and teardrop meets the circle at MEDIAL where both are equally far from that point.
    medial_end = RADIUS * on_circle(MEDIAL)
    direction = on_circle(-130.0)
    reach = np.roots([1, -2 * direction @ medial_end, RADIUS**2 - (edge - medial_end) @ (edge - medial_end)])
    teardrop = reach.max() * direction
    masks = HipMasks.of(
        side,
        grid.like(np.linalg.norm(grid.grid_ras() - centre, axis=-1) <= RADIUS),
        grid.like(np.zeros(shape, bool)),
        Sphere(tuple(centre), RADIUS),
        Landmarks(tuple(centre + edge), tuple(centre + teardrop)),
    )
    jic = Grade("B", "", 0.75, details={"lateral_end_deg": END})
    hip = HipResult(side, "graded", sphere=masks.sphere, landmarks=masks.landmarks, grades={"jic": jic})
    return grid, masks, hip, normal, lateral, superior


def draw(nodes, hip, masks):
    overlay.update_overlay(nodes, hip, masks.grid, (masks.sphere, masks.landmarks))


def drawn(turn_deg=0.0, mirror=False, side="right"):
    scene = make_scene()
    grid, masks, hip, *axes = hip_with_known_angles(turn_deg, mirror, side)
    nodes = overlay.overlay_nodes(add_volume(scene, grid), side)
    draw(nodes, hip, masks)
    nodes.portion.keep_alive = scene
    return nodes, masks, hip, *axes


def points(node) -> np.ndarray:
    return vtk_to_numpy(node.GetPolyData().GetPoints().GetData()).astype(float)


def test_every_point_of_the_sphere_lies_one_radius_from_the_centre():
    nodes, masks, *_ = drawn()
    distance = np.linalg.norm(points(nodes.sphere) - masks.sphere.centre_ras_mm, axis=1)
    assert distance == pytest.approx(np.full(len(distance), RADIUS), abs=1e-4)


def test_the_outline_of_the_sphere_on_a_slice_is_the_circle_of_its_section():
    nodes, masks, *_ = drawn()
    plane = vtk.vtkPlane()
    plane.SetOrigin(np.array(masks.sphere.centre_ras_mm) + [0, 10.0, 0])
    plane.SetNormal(0, 1, 0)
    cut = vtk.vtkCutter()
    cut.SetInputData(nodes.sphere.GetPolyData())
    cut.SetCutFunction(plane)
    cut.Update()
    section = vtk_to_numpy(cut.GetOutput().GetPoints().GetData())[:, [0, 2]]
    distance = np.linalg.norm(section - np.array(masks.sphere.centre_ras_mm)[[0, 2]], axis=1)
    assert distance == pytest.approx(np.full(len(distance), np.sqrt(RADIUS**2 - 10.0**2)), abs=0.06)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("turn_deg", "mirror"), [(0, False), (0, True), (5, False), (-5, True)])
def test_thirds_and_lesion_end_lie_at_their_angles(turn_deg, mirror, side):
    nodes, masks, _, _, lateral, superior = drawn(turn_deg, mirror, side)
    offset = points(nodes.portion) - masks.sphere.centre_ras_mm
    angle = np.rad2deg(np.arctan2(offset @ lateral, offset @ superior))
    surface = nodes.portion.GetPolyData()
    parts = vtk_to_numpy(surface.GetCellData().GetArray(overlay.PART))
    cells = [[surface.GetCell(n).GetPointId(c) for c in range(4)] for n in range(surface.GetNumberOfCells())]
    for part, (start, stop) in enumerate([(-20, 0), (0, 20), (20, 40), (END, END)]):
        corners = np.unique([cell for cell, of in zip(cells, parts, strict=True) if of == part])
        assert angle[corners].min() == pytest.approx(start, abs=0.01)
        assert angle[corners].max() == pytest.approx(stop, abs=0.01)
    radius = np.hypot(offset @ lateral, offset @ superior)
    arc = np.unique([cell for cell, of in zip(cells, parts, strict=True) if of < 3])
    assert radius[arc] == pytest.approx(np.full(len(arc), 1.05 * RADIUS), abs=0.01)


@pytest.mark.parametrize(("turn_deg", "mirror"), [(0, False), (5, True)])
def test_the_portion_is_seen_on_the_mid_coronal_slice_and_on_no_other(turn_deg, mirror):
    nodes, masks, _, normal, *_ = drawn(turn_deg, mirror)
    along = (points(nodes.portion) - masks.sphere.centre_ras_mm) @ normal
    spacing = masks.grid.spacing_mm[2]
    assert along.min() < -0.4 * spacing and along.max() > 0.4 * spacing
    assert np.abs(along).max() < spacing / 2


def test_a_moved_edge_moves_the_portion():
    nodes, masks, hip, _, lateral, superior = drawn()
    from dataclasses import replace

    edge = np.array(masks.sphere.centre_ras_mm) + 30 * (np.sin(np.pi / 3) * lateral + np.cos(np.pi / 3) * superior)
    draw(nodes, hip, replace(masks, landmarks=replace(masks.landmarks, acetabular_edge_ras_mm=tuple(edge))))
    offset = points(nodes.portion) - masks.sphere.centre_ras_mm
    assert np.rad2deg(np.arctan2(offset @ lateral, offset @ superior)).max() == pytest.approx(60, abs=0.01)


def test_without_landmarks_only_the_sphere_is_drawn():
    nodes, masks, hip, *_ = drawn()
    from dataclasses import replace

    draw(nodes, replace(hip, grades={}), replace(masks, landmarks=Landmarks()))
    assert nodes.portion.GetPolyData().GetNumberOfCells() == 0
    assert nodes.sphere.GetPolyData().GetNumberOfCells() > 0


def test_a_hip_without_masks_has_nothing_drawn():
    nodes, masks, hip, *_ = drawn()
    overlay.update_overlay(nodes, hip, masks.grid, None)
    assert nodes.sphere.GetPolyData().GetNumberOfPoints() == nodes.portion.GetPolyData().GetNumberOfPoints() == 0


def test_nothing_is_drawn_again_while_a_reader_paints_elsewhere():
    nodes, masks, hip, *_ = drawn()
    events = []
    for node in (nodes.sphere, nodes.portion):
        node.AddObserver("AnyEvent", lambda *_: events.append(1))
    draw(nodes, hip, masks)
    assert events == []


def test_the_overlay_cannot_be_picked_and_asking_again_gives_the_same():
    nodes, *_ = drawn()
    assert not nodes.sphere.GetSelectable() and not nodes.portion.GetSelectable()
    volume_node = nodes.sphere.GetNodeReference("ONFHAssistVolume")
    assert overlay.overlay_nodes(volume_node, "right") == nodes
    assert overlay.overlay_nodes(volume_node, "left").sphere is not nodes.sphere


def test_a_saved_scene_brings_the_overlay_back_in_its_colours(tmp_path):
    nodes, *_ = drawn()
    again = reopened(nodes.portion.GetScene(), tmp_path)
    found = overlay.overlay_nodes(again.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"), "right")
    assert points(found.portion) == pytest.approx(points(nodes.portion), abs=1e-3)
    colours = found.portion.GetDisplayNode().GetColorNode()
    assert colours is not None and colours.GetColorName(1) == "Middle third"
    assert again.GetNumberOfNodesByClass("vtkMRMLModelNode") == 2
