"""Where the slice views go: checked against the planes of the volume itself, also oblique and left-handed ones."""

from dataclasses import replace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core")
vtk = pytest.importorskip("vtk")

from ONFHAssistLib.core.geometry import Sphere  # noqa: E402
from ONFHAssistLib.core.planes import mid_plane  # noqa: E402
from ONFHAssistLib.core.volume import Volume  # noqa: E402
from ONFHAssistLib.scene import views  # noqa: E402
from Testing.hip_phantom import AXIAL, CORONAL, grid  # noqa: E402
from Testing.scene.scene_parts import VIEWS, add_volume, make_scene, slice_to_ras, view  # noqa: E402

SAGITTAL = np.array([[0.0, 0, -1], [-1, 0, 0], [0, -1, 0]])
CENTRE = (85.0, 12.0, -6.0)
SPHERE = Sphere(CENTRE, 24.0)
OWN = {"coronal": "Green", "axial": "Red", "sagittal": "Yellow"}

GRIDS = {
    "coronal": (CORONAL, "coronal", {}),
    "coronal, oblique": (CORONAL, "coronal", {"turn_deg": (7.0, -4.0, 11.0)}),
    "coronal, left-handed": (CORONAL, "coronal", {"flip": (2,)}),
    "coronal, oblique and left-handed": (CORONAL, "coronal", {"turn_deg": (-9.0, 3.0, 14.0), "flip": (0,)}),
    "axial": (AXIAL, "axial", {}),
    "axial, oblique and left-handed": (AXIAL, "axial", {"turn_deg": (12.0, 8.0, -5.0), "flip": (2,)}),
    "sagittal, oblique": (SAGITTAL, "sagittal", {"turn_deg": (3.0, 6.0, -8.0)}),
}


@pytest.fixture(params=GRIDS.values(), ids=GRIDS)
def placed(request):
    """Scene, volume node, volume and the view of the slices' own orientation."""
    axes, orientation, how = request.param
    volume = grid(axes, (1.1, 1.3, 5.2), (140, 150, 160), centre=(80.0, 10.0, 0.0), **how)
    scene = make_scene()
    node = add_volume(scene, volume)
    return scene, node, volume, OWN[orientation]


def corners(volume: Volume, k: int) -> np.ndarray:
    """Voxel centres in the corners of a slice."""
    rows, columns = volume.array.shape[1:]
    return volume.ras(np.array([(i, j, k) for i in (0, columns - 1) for j in (0, rows - 1)]))


def distance_mm(slice_node, points: np.ndarray) -> np.ndarray:
    matrix = slice_to_ras(slice_node)
    return np.abs((points - matrix[:3, 3]) @ matrix[:3, 2])


def test_a_jump_lands_on_the_very_slice_plane(placed):
    scene, node, volume, own = placed
    for k in (0, 7, volume.array.shape[0] - 1):
        views.jump_to_slice(scene, node, k, CENTRE)
        assert distance_mm(view(scene, own), corners(volume, k)).max() < 1e-6
        assert views.current_slice(scene, node) == k


def test_a_jump_moves_the_other_views_to_the_point_of_that_slice_next_to_the_head(placed):
    scene, node, volume, own = placed
    views.jump_to_slice(scene, node, 5, CENTRE)
    normal = volume.axes_ras[:, 2]
    point = np.array(CENTRE) + ((volume.ras(np.array([0, 0, 5])) - CENTRE) @ normal) * normal
    for name in VIEWS.keys() - {own}:
        assert distance_mm(view(scene, name), point[None])[0] < 1e-6


def test_a_jump_to_a_place_lets_every_view_pass_through_it_and_its_own_show_the_nearest_slice(placed):
    scene, node, volume, own = placed
    place = np.array(CENTRE) + [3.0, 7.3, -4.0]
    views.jump_to_place(scene, node, tuple(place))
    nearest = views.slice_at(node, tuple(place))
    assert views.current_slice(scene, node) == nearest
    assert distance_mm(view(scene, own), corners(volume, nearest)).max() < 1e-6
    for name in VIEWS.keys() - {own}:
        assert distance_mm(view(scene, name), place[None])[0] < 1e-6


def test_a_jump_keeps_what_the_view_shows_around_its_centre(placed):
    scene, node, volume, own = placed
    views.show_hip(scene, node, SPHERE)
    before = slice_to_ras(view(scene, own)), view(scene, own).GetFieldOfView()
    views.jump_to_slice(scene, node, views.slice_at(node, CENTRE) + 2, CENTRE)
    after = slice_to_ras(view(scene, own)), view(scene, own).GetFieldOfView()
    moved, normal = after[0][:3, 3] - before[0][:3, 3], volume.axes_ras[:, 2]
    assert after[1] == before[1]
    assert moved - (moved @ normal) * normal == pytest.approx(np.zeros(3), abs=1e-6)


def test_the_views_keep_the_radiological_convention(placed):
    scene, node, *_ = placed
    views.jump_to_slice(scene, node, 5, CENTRE)
    for name, right, top in (
        ("Red", [-1, 0, 0], [0, 1, 0]), ("Green", [-1, 0, 0], [0, 0, 1]), ("Yellow", [0, -1, 0], [0, 0, 1])
    ):  # fmt: skip
        axes = slice_to_ras(view(scene, name))[:3, :3]
        assert axes[:, 0] @ right > 0.9 and axes[:, 1] @ top > 0.9
        assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-6)


@pytest.mark.parametrize("axes", [CORONAL, AXIAL, SAGITTAL], ids=["coronal", "axial", "sagittal"])
def test_straight_slices_are_shown_in_the_orientations_of_slicer_itself(axes):
    scene = make_scene()
    before = {name: slice_to_ras(view(scene, name))[:3, :3] for name in VIEWS}
    node = add_volume(scene, grid(axes, (1.0, 1.0, 5.0), (100, 100, 100), centre=CENTRE))
    for show in (lambda: views.jump_to_slice(scene, node, 3, CENTRE), lambda: views.show_hip(scene, node, SPHERE)):
        show()
        for name in VIEWS:
            assert slice_to_ras(view(scene, name))[:3, :3] == pytest.approx(before[name])


def test_a_hip_is_in_the_middle_of_every_view_and_fits(placed):
    scene, node, volume, _ = placed
    views.show_hip(scene, node, SPHERE)
    for name in VIEWS:
        slice_node = view(scene, name)
        matrix = slice_to_ras(slice_node)
        off = matrix[:3, 3] - np.array(CENTRE)
        assert np.abs(off @ matrix[:3, :2]).max() < 1e-6
        assert distance_mm(slice_node, np.array([CENTRE]))[0] <= 0.5 * volume.spacing_mm[2] + 1e-6
        width, height, _ = slice_node.GetFieldOfView()
        columns, rows, _ = slice_node.GetDimensions()
        assert min(width, height) == pytest.approx(2 * 2.2 * 24.0)
        assert width / height == pytest.approx(columns / rows)


@pytest.mark.parametrize("orientation", ["coronal", "sagittal"])
def test_a_hip_is_shown_on_the_planes_that_the_grades_are_measured_on(placed, orientation):
    scene, node, volume, _ = placed
    views.show_hip(scene, node, SPHERE)
    plane = mid_plane(volume, orientation, SPHERE)
    rows, columns = plane.shape
    points = plane.ras(np.array([[0, 0], [columns, 0], [0, rows]]))
    assert distance_mm(view(scene, OWN[orientation]), points).max() < 1e-6


def test_a_landmark_half_a_slice_off_is_seen_in_the_view(placed):
    scene, node, volume, own = placed
    views.show_hip(scene, node, SPHERE)
    assert view(scene, own).GetFieldOfView()[2] == pytest.approx(volume.spacing_mm[2])


def test_the_whole_volume_is_shown_centred(placed):
    scene, node, volume, own = placed
    views.show_volume(scene, node)
    middle = (volume.array.shape[0] - 1) // 2
    assert distance_mm(view(scene, own), corners(volume, middle)).max() < 1e-6
    for name in VIEWS:
        matrix = slice_to_ras(view(scene, name))
        size = np.array(volume.array.shape[::-1])
        everywhere = volume.ras(
            np.array([(i, j, k) for i in (0, size[0]) for j in (0, size[1]) for k in (0, size[2])]) - 0.5
        )
        seen = np.abs((everywhere - matrix[:3, 3]) @ matrix[:3, :2])
        assert (seen <= np.array(view(scene, name).GetFieldOfView()[:2]) / 2 + 1e-6).all()
        composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}")
        assert composite.GetBackgroundVolumeID() == node.GetID()


def test_a_volume_under_a_transform_is_shown_where_it_is_moved_to():
    volume = grid(CORONAL, (1.0, 1.0, 5.0), (100, 100, 100))
    scene = make_scene()
    node = add_volume(scene, volume)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = vtk.vtkTransform()
    moved.RotateZ(10)
    moved.Translate(30, -20, 5)
    transform.SetMatrixTransformToParent(moved.GetMatrix())
    node.SetAndObserveTransformNodeID(transform.GetID())
    views.jump_to_slice(scene, node, 4)
    world = np.array([moved.TransformPoint(point) for point in corners(volume, 4)])
    assert distance_mm(view(scene, "Green"), world).max() < 1e-6


def test_a_view_that_shows_another_study_is_left_alone():
    volume = grid(CORONAL, (1.0, 1.0, 5.0), (100, 100, 100), centre=CENTRE)
    scene = make_scene()
    baseline, follow_up = add_volume(scene, volume, "baseline"), add_volume(scene, volume, "follow-up")
    views.show_volume(scene, follow_up)
    beside = view(scene, "Green")
    scene.GetNodeByID("vtkMRMLSliceCompositeNodeGreen").SetBackgroundVolumeID(baseline.GetID())
    before = slice_to_ras(beside)
    views.show_hip(scene, follow_up, SPHERE)
    views.jump_to_slice(scene, follow_up, 3, CENTRE)
    assert (slice_to_ras(beside) == before).all()
    assert views.current_slice(scene, follow_up) is None  # no view of its slices is left
    views.jump_to_slice(scene, baseline, 3, CENTRE)
    assert views.current_slice(scene, baseline) == 3


def test_a_slice_that_is_not_there_is_refused():
    volume = grid(CORONAL, (1.0, 1.0, 5.0), (100, 100, 100))
    scene = make_scene()
    node = add_volume(scene, volume)
    with pytest.raises(IndexError, match="slices 0 to 19; there is no slice 20"):
        views.jump_to_slice(scene, node, 20)


def test_a_turned_view_comes_back_to_the_slices():
    volume = grid(CORONAL, (1.0, 1.0, 5.0), (100, 100, 100))
    scene = make_scene()
    node = add_volume(scene, volume)
    turned = vtk.vtkTransform()
    turned.RotateZ(25)
    vtk.vtkMatrix4x4.Multiply4x4(
        turned.GetMatrix(), view(scene, "Green").GetSliceToRAS(), view(scene, "Green").GetSliceToRAS()
    )
    view(scene, "Green").UpdateMatrices()
    views.jump_to_slice(scene, node, 3)
    assert distance_mm(view(scene, "Green"), corners(volume, 3)).max() < 1e-6


def test_keys_step_through_the_slices_that_matter_and_stop_at_the_ends():
    slices = (5, 9, 12)
    assert [views.next_slice(slices, at, 1) for at in (0, 5, 7, 9, 12, 30)] == [5, 9, 9, 12, 12, 12]
    assert [views.next_slice(slices, at, -1) for at in (0, 5, 7, 9, 12, 30)] == [5, 5, 5, 5, 9, 12]
    assert [views.next_slice((7,), at, step) for at in (0, 7, 30, None) for step in (1, -1)] == [7] * 8
    assert views.next_slice((), 4, 1) is None
    assert views.next_slice(slices, None, -1) == 5


def test_next_goes_on_along_the_body_where_the_series_counts_the_other_way():
    slices = (12, 9, 5)
    assert [views.next_slice(slices, at, 1) for at in (30, 12, 10, 9, 5, 0)] == [12, 9, 9, 5, 5, 5]
    assert [views.next_slice(slices, at, -1) for at in (30, 12, 10, 9, 5, 0)] == [12, 12, 12, 12, 9, 5]
    assert views.next_slice(slices, None, 1) == 12


def test_the_grey_levels_are_those_of_the_marrow_and_not_of_what_lies_around():
    volume = grid(CORONAL, (1.0, 1.0, 4.0), (120, 120, 120), centre=CENTRE)
    inside = np.linalg.norm(volume.grid_ras() - CENTRE, axis=-1) <= 24.0
    values = np.full(volume.array.shape, 5000.0, np.float32)  # bright fat around
    values[inside] = np.linspace(100, 300, inside.sum())
    scene = make_scene()
    node = add_volume(scene, volume.like(values))
    black, white = views.marrow_window(node, volume.like(values), SPHERE)
    assert (black, white) == pytest.approx((102.0, 299.0), abs=0.1)
    display = node.GetDisplayNode()
    assert not display.GetAutoWindowLevel()
    assert display.GetWindowLevelMin() == pytest.approx(black)
    assert display.GetWindowLevelMax() == pytest.approx(white)


def test_a_head_outside_of_the_image_still_gives_grey_levels():
    volume = grid(CORONAL, (1.0, 1.0, 4.0), (50, 50, 50))
    volume = volume.like(np.random.default_rng(1).normal(100, 10, volume.array.shape).astype(np.float32))
    far = replace(SPHERE, centre_ras_mm=(900.0, 0.0, 0.0))
    black, white = views.marrow_window(add_volume(make_scene(), volume), volume, far)
    assert 70 < black < 90 and 110 < white < 140


def test_masks_are_hidden_and_shown():
    scene = make_scene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    views.show_masks(node, False)
    assert not views.masks_shown(node)
    views.show_masks(node, True)
    assert views.masks_shown(node)


def test_the_camera_looks_at_the_head_from_the_front():
    scene = make_scene()
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    views.show_hip(scene, add_volume(scene, grid(CORONAL, (1.0, 1.0, 5.0), (100, 100, 100), centre=CENTRE)), SPHERE)
    assert camera.GetFocalPoint() == pytest.approx(CENTRE)
    towards = np.array(camera.GetPosition()) - CENTRE
    assert towards / np.linalg.norm(towards) == pytest.approx([0, 1, 0])
    assert np.rad2deg(np.arctan(2.2 * 24 / np.linalg.norm(towards))) == pytest.approx(camera.GetViewAngle() / 2)


def test_a_jump_to_a_place_passes_through_it_and_centres_only_the_views_that_would_not_show_it(placed):
    scene, node, volume, own = placed
    views.show_hip(scene, node, SPHERE)
    before = {name: slice_to_ras(view(scene, name)) for name in VIEWS}
    size, near = volume.size, np.array(CENTRE) + [4.0, -3.0, 5.0]
    views.jump_to_place(scene, node, tuple(near))
    for name in VIEWS:
        pose, axes = slice_to_ras(view(scene, name)), before[name][:3, :3]
        assert distance_mm(view(scene, name), near[None])[0] <= (2.7 if name == own else 1e-6)
        if name != own:
            assert np.allclose((pose[:3, 3] - before[name][:3, 3]) @ axes[:, :2], 0), "it has not moved sideways"
    far = volume.ras(np.array([size[0] - 3, size[1] - 3, size[2] - 2]))
    views.jump_to_place(scene, node, tuple(far))
    for name in VIEWS:
        pose = slice_to_ras(view(scene, name))
        off = np.abs((far - pose[:3, 3]) @ pose[:3, :3])
        assert (2 * off[:2] <= view(scene, name).GetFieldOfView()[:2]).all() and off[2] < 1e-6
