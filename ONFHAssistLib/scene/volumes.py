"""From a volume node to a study."""

from typing import TYPE_CHECKING, Any

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.planes import stack_axis
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.content import kind_and_values, refuse_what_is_no_image
from ONFHAssistLib.imaging.limits import require_grid
from ONFHAssistLib.imaging.read import Study, require_usable_values, source_facts
from ONFHAssistLib.imaging.sequence import ImageKind, body_part, burned_in, kind_from_tags, patient_of

if TYPE_CHECKING:
    from pydicom import Dataset

Node = Any
"""A node of MRML: its classes come from Slicer in the desktop and from slicer-core elsewhere."""


def study_from_node(node: Node, header: "Dataset | None" = None) -> Study:
    """Read a scalar volume node; a linear parent transform is applied to its place, never to its voxels.

    Args:
        node: vtkMRMLScalarVolumeNode.
        header: the DICOM header of the series that it came from, where there is one; without it modality and
            sequence are guessed from the intensities.

    Returns:
        the study with a copy of the voxels; ``source["kind"]`` is "Slicer".

    Raises:
        InputError: there is no volume, or it cannot be graded: a label or distance map, a colour image, a sequence, a
            single slice, voxels that are no numbers or all the same, a transform that is not linear or shears, a size
            that no body has.
    """
    array = _voxels(node)
    name = "The volume"
    require_usable_values(array, name)
    grid = grid_of(node)
    require_grid(name, grid.shape, grid.ijk_to_ras)
    refuse_what_is_no_image(array, grid.spacing_mm, name)
    kind = ImageKind("unknown", "unknown") if header is None else kind_from_tags(header)
    if kind.modality == "unknown":
        kind, array = kind_and_values(array)
    volume = place(node, array.copy())
    source = source_facts("Slicer", volume, kind, "" if header is None else body_part(header))
    if header is not None and burned_in(header):
        source["burned_in"] = True
    return Study(volume, source, {} if header is None else patient_of(header), kind.notices)


def add_volume(scene: Any, volume: Volume, name: str) -> Node:
    """Put an image into a scene as a vtkMRMLScalarVolumeNode with a display node; its voxels are copied."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    put_image(node, volume, volume.array)
    node.CreateDefaultDisplayNodes()
    return node


def put_image(node: Node, grid: Grid, array: np.ndarray) -> None:
    """Put voxels on a grid into a volume node: shape (k, j, i), or (k, j, i, channel); they are copied."""
    image = vtk.vtkImageData()
    image.SetDimensions(grid.shape[::-1])
    voxels = array.reshape(-1) if array.ndim == len(grid.shape) else array.reshape(-1, array.shape[-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(voxels), deep=True))
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(grid.ijk_to_ras.ravel())
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveImageData(image)


def place(node: Node, array: np.ndarray) -> Volume:
    """Put an array (k, j, i) on the grid of a volume node; raises InputError as `grid_of`."""
    return Volume.on(grid_of(node), array)


def grid_of(node: Node) -> Grid:
    """Return the grid of a volume node in the world's RAS.

    Raises:
        InputError: it has no image, or no usable place in space.
    """
    if node is None or node.GetImageData() is None:
        raise InputError("The volume holds no image; load one, and choose it.")
    try:
        return Grid(node.GetImageData().GetDimensions()[::-1], world_matrix(node) @ local_matrix(node))
    except ValueError as error:
        raise InputError(f"The volume has an unusable place in space ({error}); export it again.") from error


def local_matrix(node: Node) -> np.ndarray:
    """Return IJK to RAS (4, 4) in mm, without the parent transform."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return _array(matrix)


def world_matrix(node: Node) -> np.ndarray:
    """Return what the parent transforms of a node do, RAS to RAS (4, 4); raises InputError where it is not linear."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    if not parent.IsTransformToWorldLinear() or not parent.GetMatrixTransformToWorld(matrix):
        raise InputError("The volume is under a transform that is not linear; harden it, or take the volume out of it.")
    return _array(matrix)


def describe(study: Study) -> str:
    """Return a few words for the reader, such as "coronal T1, 39 slices, 0.9 × 0.9 × 5.2 mm"."""
    source = study.source
    sequence, modality = source["sequence"], source["modality"]
    kind = sequence if sequence != "unknown" else {"MR": "MR", "CT": "CT"}.get(modality, "image")
    spacing = np.array(study.volume.spacing_mm)
    axis = stack_axis(study.volume)
    slices = study.volume.shape[2 - axis]
    size = " × ".join(f"{x:.1f}" for x in (*np.delete(spacing, axis), spacing[axis]))
    suppressed = ", fat suppressed" if source["fat_suppressed"] else ""
    return f"{source['plane']} {kind}{suppressed}, {slices} slices, {size} mm"


def _voxels(node: Node) -> np.ndarray:
    """Return the voxels of a node, not copied; raises InputError where it is no scalar image of several slices."""
    if node is None:
        raise InputError("No volume is chosen; load a hip MRI or CT, and choose it.")
    if node.IsA("vtkMRMLSequenceNode") or _in_sequence(node):
        raise InputError("The volume is a sequence of several images; export one of them as a volume, and choose that.")
    if node.IsA("vtkMRMLLabelMapVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
        raise InputError("A label map is chosen, not an image; choose the image it belongs to.")
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        raise InputError("What is chosen is not a volume; load a hip MRI or CT, and choose it.")
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise InputError("The volume holds no image; load it again.")
    if image.GetNumberOfScalarComponents() != 1 or node.IsA("vtkMRMLTensorVolumeNode"):
        raise InputError("The volume is a colour or vector image; choose a greyscale one.")
    if min(image.GetDimensions()) < 2:
        raise InputError("The volume has one slice only; load the whole series, and choose that.")
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def _in_sequence(node: Node) -> bool:
    """Whether a sequence browser shows its items in this node, and has more than one of them."""
    scene = node.GetScene()
    if scene is None:
        return False
    browsers = (
        scene.GetNthNodeByClass(n, "vtkMRMLSequenceBrowserNode")
        for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode"))
    )
    return any(browser.IsProxyNode(node.GetID()) and browser.GetNumberOfItems() > 1 for browser in browsers)


def _array(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
