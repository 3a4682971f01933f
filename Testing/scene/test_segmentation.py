"""Masks as segments: where they lie, what they are called, and what files make of them."""

import numpy as np
import pytest
import slicer
import vtk
from review_parts import GRIDS, add_volume, made_up, to_vtk

from ONFHAssistLib.core.grid import box_of
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.exchange.masks import segmentation_nrrd
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.scene.hip_state import EMPTY, Patch
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.segmentation import LABELS, read_mask, segment_id, segmentation_node, stamp, write_mask


def whole_box(array: np.ndarray):
    return box_of((0, n) for n in array.shape)


def patch(mask: np.ndarray) -> Patch:
    return Patch(whole_box(mask), mask).tight()


def truth(result) -> dict[MaskLabel, np.ndarray]:
    return {
        label: mask.array
        for masks in (hip.whole() for hip in result.masks)
        for label, mask in ((MaskLabel.head(masks.side), masks.head), (MaskLabel.necrosis(masks.side), masks.necrosis))
    }


@pytest.fixture
def written(scene, grid):
    """A segmentation with the four masks of the made-up study, its volume, and the masks."""
    result = made_up(grid)
    volume = add_volume(scene, result.volume)
    node = segmentation_node(volume)
    for label, mask in truth(result).items():
        write_mask(node, volume, label, patch(mask))
    return node, volume, truth(result)


def assert_same(node, volume, masks):
    for label, mask in masks.items():
        assert np.array_equal(read_mask(node, volume, label).within(whole_box(mask)), mask), label


def segment(node, label):
    return node.GetSegmentation().GetSegment(segment_id(node, label))


def saved(node, path):
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    return path


def loaded(scene, path):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


def test_masks_come_back_voxel_by_voxel_on_any_grid(written):
    assert_same(*written)


def test_a_segment_lies_where_the_voxels_of_the_image_lie(written):
    """Each voxel's centre through the label map's own matrix is in the patient where the image has it."""
    import vtk

    node, volume, masks = written
    labelmap = segment(node, MaskLabel.LEFT_NECROSIS).GetRepresentation("Binary labelmap")
    own, of_image = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(own)
    volume.GetIJKToRASMatrix(of_image)
    k, j, i = np.argwhere(masks[MaskLabel.LEFT_NECROSIS])[17]
    assert labelmap.GetScalarComponentAsDouble(i, j, k, 0) == MaskLabel.LEFT_NECROSIS
    assert np.allclose(own.MultiplyPoint((i, j, k, 1)), of_image.MultiplyPoint((i, j, k, 1)), atol=1e-9)


def test_segments_have_names_colours_values_and_terms_of_the_table(written):
    node, volume, _ = written
    assert [node.GetSegmentation().GetNthSegmentID(n) for n in range(4)] == [label.name.lower() for label in LABELS]
    for label in LABELS:
        one, row = segment(node, label), segments()[label]
        assert (one.GetName(), one.GetLabelValue()) == (row.name, label)
        assert one.GetColor() == pytest.approx(row.rgb)
        assert one.GetTerminology() == row.terminology_entry
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is volume


def test_the_terms_are_read_by_slicers_terminology(written):
    node, _, _ = written
    logic, entry = slicer.vtkSlicerTerminologiesModuleLogic(), slicer.vtkSlicerTerminologyEntry()
    assert logic.DeserializeTerminologyEntry(segment(node, MaskLabel.RIGHT_NECROSIS).GetTerminology(), entry)
    assert entry.GetTypeObject().GetCodeValue() == "6574001"
    assert entry.GetRegionObject().GetCodeMeaning() == "Femoral head"
    assert entry.GetRegionModifierObject().GetCodeMeaning() == "Right"


def test_a_file_written_by_slicer_opens_with_the_same_masks_under_their_labels(written, scene, tmp_path):
    """Slicer joins label maps and renumbers them when it saves: the tags still tell which is which."""
    node, volume, masks = written
    again = loaded(scene, saved(node, tmp_path / "masks.seg.nrrd"))
    assert_same(again, volume, masks)
    assert_same(node, volume, masks)  # saving has joined the label maps of this node, too
    for label in LABELS:
        assert segment(again, label).GetTerminology() == segments()[label].terminology_entry
        write_mask(again, volume, label, patch(masks[label]))
        assert segment(again, label).GetLabelValue() == label
    assert_same(again, volume, masks)


def test_the_file_that_we_write_keeps_the_label_values_in_slicer(scene, grid, tmp_path):
    result = made_up(grid)
    path = tmp_path / "masks.seg.nrrd"
    path.write_bytes(segmentation_nrrd(result.volume, result.masks))
    node, volume = loaded(scene, path), add_volume(scene, result.volume)
    for n in range(4):
        one = node.GetSegmentation().GetNthSegment(n)
        assert one.GetLabelValue() == LABELS[n]
        labelmap = one.GetRepresentation("Binary labelmap")
        array = slicer.util.arrayFromSegmentInternalBinaryLabelmap
        assert (array(node, node.GetSegmentation().GetNthSegmentID(n)) == LABELS[n]).sum() == truth(result)[
            LABELS[n]
        ].sum()
        assert labelmap.GetScalarRange()[1] in (3, 4)
    assert volume.GetImageData().GetDimensions() == result.volume.array.shape[::-1]


def test_a_label_map_exported_by_slicer_has_our_values_also_after_saving_has_renumbered_them(written, scene, tmp_path):
    import vtk

    node, volume, masks = written
    saved(node, tmp_path / "masks.seg.nrrd")
    assert segment(node, MaskLabel.LEFT_HEAD).GetLabelValue() != MaskLabel.LEFT_HEAD
    out = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    names = vtk.vtkStringArray()
    for label in LABELS:
        names.InsertNextValue(segment_id(node, label))
    assert slicer.vtkSlicerSegmentationsModuleLogic.ExportSegmentsToLabelmapNode(
        node, names, out, volume, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY,
        node.GetLabelmapConversionColorTableNode(),
    )  # fmt: skip
    expected = np.zeros(volume.GetImageData().GetDimensions()[::-1], np.uint8)
    for label, mask in masks.items():
        expected[mask] = label
    assert np.array_equal(slicer.util.arrayFromVolume(out), expected)


def test_a_renamed_recoloured_and_hidden_segment_is_found_and_keeps_its_looks(written):
    node, volume, masks = written
    one = segment(node, MaskLabel.RIGHT_HEAD)
    one.SetName("caput")
    one.SetColor(0.1, 0.2, 0.3)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetSegmentVisibility("right_head", False)
    assert_same(node, volume, masks)
    write_mask(node, volume, MaskLabel.RIGHT_HEAD, EMPTY)
    assert read_mask(node, volume, MaskLabel.RIGHT_HEAD) is EMPTY
    assert (one.GetName(), one.GetColor()) == ("caput", pytest.approx((0.1, 0.2, 0.3)))


def test_a_segment_that_was_deleted_is_told_from_an_empty_one(written):
    node, volume, _ = written
    node.GetSegmentation().RemoveSegment("left_necrosis")
    node.GetSegmentation().ClearSegment("right_necrosis")
    assert read_mask(node, volume, MaskLabel.LEFT_NECROSIS) is None
    assert read_mask(node, volume, MaskLabel.RIGHT_NECROSIS) is EMPTY
    assert stamp(node, MaskLabel.LEFT_NECROSIS) is None


def test_a_mask_on_a_finer_grid_is_read_on_that_of_the_image(written):
    """As the Segment Editor makes it when it oversamples: each voxel split into two along i and j."""
    node, volume, masks = written
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    mask = masks[MaskLabel.RIGHT_HEAD]
    fine = np.repeat(np.repeat(mask, 2, axis=1), 2, axis=2).astype(np.uint8)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    own = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    own = own @ np.array([[0.5, 0, 0, -0.25], [0, 0.5, 0, -0.25], [0, 0, 1, 0], [0, 0, 0, 1]])
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*fine.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(fine.ravel(), deep=True))
    image.SetImageToWorldMatrix(to_vtk(own))
    one = segment(node, MaskLabel.RIGHT_HEAD)
    one.AddRepresentation("Binary labelmap", image)
    one.SetLabelValue(1)
    assert np.array_equal(read_mask(node, volume, MaskLabel.RIGHT_HEAD).within(whole_box(mask)), mask)


def test_a_mask_that_reaches_beyond_the_image_is_cut_at_its_border(written):
    node, volume, _ = written
    size = volume.GetImageData().GetDimensions()[::-1]
    labelmap = segment(node, MaskLabel.RIGHT_HEAD).GetRepresentation("Binary labelmap")
    labelmap.SetExtent(-5, size[2] + 4, 0, size[1] - 1, 0, size[0] - 1)
    labelmap.AllocateScalars(3, 1)
    labelmap.GetPointData().GetScalars().Fill(1)
    assert read_mask(node, volume, MaskLabel.RIGHT_HEAD).within(box_of((0, n) for n in size)).all()


def test_the_stamp_changes_with_the_mask_and_with_nothing_else(written):
    node, volume, masks = written
    before = {label: stamp(node, label) for label in LABELS}
    write_mask(node, volume, MaskLabel.LEFT_HEAD, patch(masks[MaskLabel.LEFT_NECROSIS]))
    assert [label for label in LABELS if stamp(node, label) != before[label]] == [MaskLabel.LEFT_HEAD]


def test_the_segmentation_lies_in_the_same_study_as_the_volume(scene):
    result = made_up()
    volume = add_volume(scene, result.volume)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P"), "S")
    hierarchy.CreateItem(study, volume)
    review = Review.begin(scene, volume, result)
    item = hierarchy.GetItemByDataNode(review.segmentation_node)
    assert item and hierarchy.GetItemParent(item) == study


def test_the_segmentation_is_under_the_transform_of_the_volume(scene):
    result = made_up(GRIDS["oblique"])
    volume = add_volume(scene, result.volume)
    above = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    above.SetMatrixTransformToParent(to_vtk([[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    volume.SetAndObserveTransformNodeID(above.GetID())
    node = segmentation_node(volume)
    assert node.GetParentTransformNode() is above


def test_slicer_writes_the_masks_as_dicom_and_says_who_has_drawn_them(scene):
    """Slicer's DICOM export takes a segment for empty whose voxels have another name, and for hand-drawn by default."""
    result = made_up()
    review = Review.begin(scene, add_volume(scene, result.volume), result)
    node, necrosis = review.segmentation_node, MaskLabel.RIGHT_NECROSIS

    def origin(label):
        found = vtk.reference("")
        assert segment(node, label).GetTag("DICOM.SegmentAlgorithmType", found)
        return str(found)

    def in_file(label):
        voxels = segment(node, label).GetRepresentation("Binary labelmap").GetPointData().GetArray("ImageScalars")
        return voxels is not None and voxels.GetValueRange()[1] > 0

    assert all(in_file(label) and origin(label) == "AUTOMATIC" for label in LABELS)
    image = segment(node, necrosis).GetRepresentation("Binary labelmap")
    low, high = image.GetExtent()[0], image.GetExtent()[1]
    cut = slicer.vtkOrientedImageData()
    cut.DeepCopy(image)
    cut.SetExtent(low, high - (high - low) // 2, *image.GetExtent()[2:])
    cut.AllocateScalars(image.GetScalarType(), 1)
    cut.GetPointData().GetScalars().Fill(int(necrosis))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(cut, node, segment_id(node, necrosis), logic.MODE_REPLACE)
    assert review.update() == ("right",)
    assert (origin(necrosis), origin(MaskLabel.RIGHT_HEAD)) == ("SEMIAUTOMATIC", "AUTOMATIC")
    assert all(in_file(label) for label in LABELS)
    review.undo()
    assert origin(necrosis) == "AUTOMATIC" and in_file(necrosis)
