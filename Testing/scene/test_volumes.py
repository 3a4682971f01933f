"""A volume node becomes a study: its place in the patient, its kind, and what cannot be used."""

import numpy as np
import pytest
import slicer
from pydicom import Dataset
from review_parts import CORONAL, GRIDS, Grid, add_volume, made_up, to_vtk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.scene.volumes import describe, study_from_node


def transform(scene, node, matrix):
    above = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    above.SetMatrixTransformToParent(to_vtk(matrix))
    node.SetAndObserveTransformNodeID(above.GetID())
    return above


def turned(degrees: float, shift=(3.0, -7.0, 11.0)) -> np.ndarray:
    t, matrix = np.deg2rad(degrees), np.eye(4)
    matrix[:2, :2] = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
    matrix[:3, 3] = shift
    return matrix


def test_every_voxel_keeps_its_value_and_its_place_on_any_grid(scene, grid):
    image = made_up(grid).volume
    study = study_from_node(add_volume(scene, image))
    assert np.array_equal(study.volume.array, image.array)
    assert np.allclose(study.volume.ijk_to_ras, image.ijk_to_ras, atol=1e-9)


def test_a_linear_transform_moves_the_volume_and_touches_no_voxel(scene):
    image = made_up(GRIDS["oblique left-handed"]).volume
    node = add_volume(scene, image)
    lower = transform(scene, node, turned(20))
    transform(scene, lower, turned(-5, (100, 0, 0)))
    study = study_from_node(node)
    assert np.array_equal(study.volume.array, image.array)
    expected = turned(-5, (100, 0, 0)) @ turned(20) @ image.ijk_to_ras
    assert np.allclose(study.volume.ijk_to_ras, expected, atol=1e-9)


def test_the_study_does_not_change_when_the_node_does(scene):
    node = add_volume(scene, made_up().volume)
    study = study_from_node(node)
    before = study.volume.array.copy()
    slicer.util.arrayFromVolume(node)[:] = 0
    assert np.array_equal(study.volume.array, before)


def test_kind_and_body_part_come_from_the_header_and_nothing_of_the_patient_goes_into_the_facts(scene):
    header = Dataset()
    header.Modality, header.ScanningSequence, header.RepetitionTime, header.EchoTime = "MR", "SE", 520, 12
    header.BodyPartExamined, header.PatientName, header.PatientID = "HIP", "Doe^Jane", "HOSP-4711"
    study = study_from_node(add_volume(scene, made_up().volume), header)
    assert (study.source["modality"], study.source["sequence"], study.source["sequence_from"]) == ("MR", "T1", "tags")
    assert (study.source["kind"], study.source["body_part"]) == ("Slicer", "hip")
    assert study.patient == {"name": "Doe^Jane", "id": "HOSP-4711"}
    assert "Doe" not in str(study.source) and "4711" not in str(study.source)


def test_the_reader_is_told_what_is_seen(scene):
    header = Dataset()
    header.Modality, header.ScanningSequence, header.RepetitionTime, header.EchoTime = "MR", "SE", 520, 12
    image = made_up(Grid(CORONAL, (0.9, 0.9, 5.2))).volume
    words = describe(study_from_node(add_volume(scene, image), header))
    assert words == f"coronal T1, {image.array.shape[0]} slices, 0.9 × 0.9 × 5.2 mm"


def test_the_slice_distance_stands_last_however_the_slices_are_stacked(scene):
    image = made_up(Grid(CORONAL, (0.9, 0.9, 5.2))).volume
    stacked = np.ascontiguousarray(np.moveaxis(image.array, 0, 2))
    matrix = image.ijk_to_ras[:, [2, 0, 1, 3]]
    words = describe(study_from_node(add_volume(scene, Volume(stacked, matrix))))
    assert words.startswith("coronal ") and words.endswith(f"{image.array.shape[0]} slices, 0.9 × 0.9 × 5.2 mm")


def _distances(image):
    """How far each voxel lies from a ball in the middle, in mm."""
    offset = image.grid_ras() - image.grid_ras().mean(axis=(0, 1, 2))
    return (np.linalg.norm(offset, axis=-1) - 20).astype(np.float32)


def bad_nodes():
    image = made_up().volume

    def with_values(values):
        return lambda scene: add_volume(scene, image.like(values))

    def colour(scene):
        values = np.repeat(image.array[..., None], 3, axis=3).astype(np.uint8)
        volume = type("Image", (), {"array": values, "ijk_to_ras": image.ijk_to_ras})
        return add_volume(scene, volume, "vtkMRMLVectorVolumeNode")

    def warped(scene):
        import vtk

        node = add_volume(scene, image)
        grid = vtk.vtkThinPlateSplineTransform()
        points, moved = vtk.vtkPoints(), vtk.vtkPoints()
        for corner in ((0, 0, 0), (90, 0, 0), (0, 90, 0), (0, 0, 90), (90, 90, 90)):
            points.InsertNextPoint(corner)
            moved.InsertNextPoint(*(x + 5 * (corner[0] > 0) for x in corner))
        grid.SetSourceLandmarks(points)
        grid.SetTargetLandmarks(moved)
        above = scene.AddNewNodeByClass("vtkMRMLTransformNode")
        above.SetAndObserveTransformToParent(grid)
        node.SetAndObserveTransformNodeID(above.GetID())
        return node

    def sheared(scene):
        node = add_volume(scene, image)
        matrix = np.eye(4)
        matrix[0, 1] = 0.3
        transform(scene, node, matrix)
        return node

    def sequence(scene):
        return scene.AddNewNodeByClass("vtkMRMLSequenceNode")

    def of_a_sequence(scene):
        several = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
        for time in ("0", "1"):
            several.SetDataNodeAtValue(add_volume(slicer.vtkMRMLScene(), image), time)
        browser = scene.AddNode(slicer.vtkMRMLSequenceBrowserNode())
        browser.AddSynchronizedSequenceNodeID(several.GetID())
        node = add_volume(scene, image)
        browser.AddProxyNode(node, several, False)
        return node

    nan = image.array.astype(np.float32)
    nan[3, 3, 3] = np.nan
    return {
        "No volume is chosen": lambda scene: None,
        "A label map is chosen": lambda scene: add_volume(scene, image, "vtkMRMLLabelMapVolumeNode"),
        "holds few different values": with_values((image.array > 100).astype(np.int16)),
        "same slope everywhere": with_values(_distances(image)),
        "colour or vector image": colour,
        "holds no image": lambda scene: scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"),
        "across an axis other than its third": lambda scene: add_volume(
            scene, Volume(image.array[:, :1], image.ijk_to_ras)
        ),
        "pixels large; give a whole picture": lambda scene: add_volume(
            scene, Volume(image.array[:1, :9], image.ijk_to_ras)
        ),
        "not a number": with_values(nan),
        "same value in every voxel": with_values(np.full(image.array.shape, 7, np.int16)),
        "transform that is not linear": warped,
        "sheared": sheared,
        "is a sequence": sequence,
        "sequence of several images": of_a_sequence,
        "not a volume": lambda scene: scene.AddNewNodeByClass("vtkMRMLModelNode"),
    }


@pytest.mark.parametrize("reason", bad_nodes())
def test_what_cannot_be_graded_is_refused_with_one_sentence(scene, reason):
    node = bad_nodes()[reason](scene)
    with pytest.raises(InputError, match=reason) as error:
        study_from_node(node)
    assert str(error.value).endswith(".") and str(error.value).count(". ") == 0
