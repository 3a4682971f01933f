"""Heads and necrosis of a review as the segments of one segmentation node.

A segment is known by its tag, so it may be renamed and recoloured. Each has a label map of its own, as head and
necrosis overlap, with its `MaskLabel` as label value. 3D Slicer joins label maps when it saves a segmentation, and then
counts their values anew: the tag stays what it is.
"""

from collections.abc import Hashable
from typing import Literal

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.grid import box_of
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.scene.hip_state import EMPTY, Patch
from ONFHAssistLib.scene.nodes import Data, Node, review_node
from ONFHAssistLib.scene.volumes import local_matrix

LABEL_TAG = "ONFHAssist.Label"
"""Tag of a segment: its `MaskLabel`."""
LABELMAP = "Binary labelmap"
"""Name of the representation in vtkSegmentationConverter."""
HEAD_FILL, NECROSIS_FILL = 0.06, 0.3
"""Opacity of the segments inside their outlines in the slice views."""
SCALARS = "ImageScalars"
"""Name that VTK gives to the voxels of an image; Slicer's DICOM export takes a segment without it for an empty one."""
ORIGIN, MADE_BY = "DICOM.SegmentAlgorithmType", "DICOM.SegmentAlgorithmName"
"""Tags of a segment that Slicer's DICOM export writes; without them it says that a segment was drawn by hand."""
Origin = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
What = Literal["head", "necrosis"]
SAME_GRID = 1e-4
"""Matrices that differ by less, in mm, are of the same grid: files keep about six digits."""


def labels_of(side: Side) -> tuple[MaskLabel, MaskLabel]:
    """Return the labels of a side's head and necrosis."""
    return MaskLabel.head(side), MaskLabel.necrosis(side)


LABELS = tuple(label for side in SIDES for label in labels_of(side))
HEADS = tuple(MaskLabel.head(side) for side in SIDES)


def segmentation_node(volume_node: Node) -> Node:
    """Return the review's vtkMRMLSegmentationNode, made if missing: on the volume's grid, under its transform."""
    node = review_node(volume_node, "segmentation", "vtkMRMLSegmentationNode", "Femoral heads")
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.GetSegmentation().SetSourceRepresentationName(LABELMAP)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    table = review_node(volume_node, "label values", "vtkMRMLColorTableNode", "Values of the segments", hidden=True)
    table.SetTypeToUser()
    table.SetNumberOfColors(1 + max(LABELS))
    for label in LABELS:
        table.SetColor(int(label), segments()[label].name, *segments()[label].rgb)
    node.SetLabelmapConversionColorTableNodeID(table.GetID())  # what Slicer exports as a label map keeps the values
    return node


def segment_id(node: Node, label: MaskLabel) -> str | None:
    """Return the ID of the segment of a label; None where the reader has deleted it."""
    segmentation = node.GetSegmentation()
    for n in range(segmentation.GetNumberOfSegments()):
        found = vtk.reference("")
        if segmentation.GetNthSegment(n).GetTag(LABEL_TAG, found) and str(found) == str(int(label)):
            return segmentation.GetNthSegmentID(n)
    return None


def existing_segment_id(node: Node, side: Side, what: What) -> str:
    """Return the ID of a segment; raises InputError where the reader has deleted it."""
    found = segment_id(node, MaskLabel.head(side) if what == "head" else MaskLabel.necrosis(side))
    if found is None:
        name = f"{side} {what}"
        raise InputError(
            f"The segment of the {name} was deleted; undo that, or go back to the automatic result of the hip."
        )
    return found


def write_mask(node: Node, volume_node: Node, label: MaskLabel, mask: Patch) -> None:
    """Put a mask on the volume's grid into the segment of a label, which is made if missing. One event is sent."""
    import slicer

    segmentation = node.GetSegmentation()
    image = oriented_image(mask, int(label), local_matrix(volume_node))
    name = segment_id(node, label)
    if name is None:
        segment = slicer.vtkSegment()
        row = segments()[label]
        segment.SetName(row.name)
        segment.SetColor(*row.rgb)
        segment.SetTag(LABEL_TAG, str(int(label)))
        segment.SetTag(segment.GetTerminologyEntryTagName(), row.terminology_entry)
        segment.SetLabelValue(int(label))
        segment.AddRepresentation(LABELMAP, image)
        segmentation.AddSegment(segment, label.name.lower())
        display = node.GetDisplayNode()
        if display is not None:  # the marrow under a mask is what the reader looks at
            display.SetSegmentVisibility(label.name.lower(), True)
            display.SetSegmentOpacity2DFill(label.name.lower(), HEAD_FILL if label in HEADS else NECROSIS_FILL)
        return
    _own_label_map(segmentation, name)
    segment = segmentation.GetSegment(name)
    if segment.GetLabelValue() != label:
        segmentation.ClearSegment(name)  # its voxels have the former value
        segment.SetLabelValue(int(label))
    if segment.GetRepresentation(LABELMAP) is None:
        segment.AddRepresentation(LABELMAP, image)
    elif mask.array.any():
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.SetBinaryLabelmapToSegment(image, node, name, logic.MODE_REPLACE)
    else:
        surfaces = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        shown = segmentation.ContainsRepresentation(surfaces)
        segmentation.ClearSegment(name)
        if shown:  # clearing one segment takes away the surfaces of all
            segmentation.CreateRepresentation(surfaces)


def read_mask(node: Node, volume_node: Node, label: MaskLabel) -> Patch | None:
    """Return the mask of a label on the volume's grid, resampled (nearest) where it lies on another one.

    Returns:
        None where there is no such segment.
    """
    import slicer

    name = segment_id(node, label)
    if name is None:
        return None
    segment = node.GetSegmentation().GetSegment(name)
    labelmap = segment.GetRepresentation(LABELMAP)
    if labelmap is None or labelmap.IsEmpty() or labelmap.GetPointData().GetScalars() is None:
        return EMPTY
    matrix = local_matrix(volume_node)
    size = volume_node.GetImageData().GetDimensions()
    if not _lies_on(labelmap, matrix):
        moved = slicer.vtkOrientedImageData()
        reference = _frame((0, size[0] - 1, 0, size[1] - 1, 0, size[2] - 1), matrix)
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(labelmap, reference, moved)
        labelmap = moved
    extent = labelmap.GetExtent()
    low = [max(0, extent[2 * axis]) for axis in range(3)]
    high = [min(size[axis], extent[2 * axis + 1] + 1) for axis in range(3)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return EMPTY
    array = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    array = array.reshape([extent[2 * axis + 1] + 1 - extent[2 * axis] for axis in (2, 1, 0)])
    inside = box_of((low[axis] - extent[2 * axis], high[axis] - extent[2 * axis]) for axis in (2, 1, 0))
    box = box_of((low[axis], high[axis]) for axis in (2, 1, 0))
    return Patch(box, array[inside] == segment.GetLabelValue()).tight()


def stamp(node: Node, label: MaskLabel) -> Hashable:
    """Return what is another value once the mask of a label may have changed; cheap to ask for."""
    name = segment_id(node, label)
    if name is None:
        return None
    segment = node.GetSegmentation().GetSegment(name)
    labelmap = segment.GetRepresentation(LABELMAP)
    # The scalars have a time of their own: they are written to in place.
    scalars = None if labelmap is None else labelmap.GetPointData().GetScalars()
    return name, segment.GetLabelValue(), labelmap and labelmap.GetMTime(), scalars and scalars.GetMTime()


def tell_origin(node: Node, label: MaskLabel, origin: Origin) -> None:
    """Note who has drawn a segment: the networks, a reader over their result, or a reader alone."""
    name = segment_id(node, label)
    segment = node.GetSegmentation().GetSegment(name) if name is not None else None
    known = vtk.reference("")
    if segment is None or (segment.GetTag(ORIGIN, known) and str(known) == origin):
        return
    segment.SetTag(ORIGIN, origin)
    segment.SetTag(MADE_BY, "ONFHAssist")


def remove_mask(node: Node, label: MaskLabel) -> None:
    """Take the segment of a label away, if it is there."""
    name = segment_id(node, label)
    if name is not None:
        node.GetSegmentation().RemoveSegment(name)


def oriented_image(mask: Patch, value: int, matrix: np.ndarray) -> Data:
    """Return a vtkOrientedImageData of a mask, its extent the mask's box."""
    k, j, i = mask.box
    if mask.array.size == 0:
        image = _frame((0, -1, 0, -1, 0, -1), matrix)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        return image
    image = _frame((i.start, i.stop - 1, j.start, j.stop - 1, k.start, k.stop - 1), matrix)
    values = np.multiply(mask.array, value, dtype=np.uint8).ravel()
    scalars = numpy_to_vtk(values, deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    scalars.SetName(SCALARS)
    image.GetPointData().SetScalars(scalars)
    return image


def _frame(extent: tuple[int, ...], matrix: np.ndarray) -> Data:
    import slicer

    image = slicer.vtkOrientedImageData()
    image.SetExtent(*extent)
    to_world = vtk.vtkMatrix4x4()
    to_world.DeepCopy(matrix.ravel().tolist())
    image.SetImageToWorldMatrix(to_world)
    return image


def _lies_on(image: Data, matrix: np.ndarray) -> bool:
    own = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(own)
    elements = [own.GetElement(row, column) for row in range(4) for column in range(4)]
    return bool(np.abs(np.array(elements) - matrix.ravel()).max() < SAME_GRID)


def _own_label_map(segmentation: Data, name: str) -> None:
    """Give a segment a label map that no other segment lies in."""
    if any(
        segmentation.GetNthSegmentID(n) != name
        and segmentation.GetNthSegment(n).GetRepresentation(LABELMAP)
        is segmentation.GetSegment(name).GetRepresentation(LABELMAP)
        for n in range(segmentation.GetNumberOfSegments())
    ):
        segmentation.SeparateSegmentLabelmap(name)
