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
from ONFHAssistLib.imaging.one_slice import require_large
from ONFHAssistLib.imaging.picture import bright_bone, grey, is_picture
from ONFHAssistLib.imaging.read import Study, require_usable_values, source_facts
from ONFHAssistLib.imaging.sequence import ImageKind, body_part, burned_in, kind_from_tags, patient_of
from ONFHAssistLib.systems.base import Form

if TYPE_CHECKING:
    from pydicom import Dataset

FORM = "ONFHAssist.Form"
"""Attribute of an image of one slice that was analysed: "slice" or "picture"."""
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
Node = Any
"""A node of MRML: its classes come from Slicer in the desktop and from slicer-core elsewhere."""


def study_from_node(node: Node, header: "Dataset | None" = None) -> Study:
    """Read a scalar volume node; a linear parent transform is applied to its place, never to its voxels.

    One slice is a study of the form "slice"; or "picture" where it was loaded from PNG, JPEG or a DICOM picture, or has
    colours, which become grey.

    Args:
        node: vtkMRMLScalarVolumeNode; of a picture in colours vtkMRMLVectorVolumeNode.
        header: the DICOM header of the series that it came from, where there is one; without it modality and
            sequence are guessed from the intensities.

    Returns:
        the study with a copy of the voxels; ``source["kind"]`` is "Slicer".

    Raises:
        InputError: there is no volume, or it cannot be graded: a label or distance map, several slices in colours, a
            sequence, voxels that are no numbers or all the same, a transform that is not linear or shears, a size that
            no body has.
    """
    array = _voxels(node)
    name = "The volume"
    require_usable_values(array, name)
    grid = grid_of(node)
    form = _form(node, header)
    if form != "volume":
        require_large(array[0], name)
        array = bright_bone(array, header)
    kind = ImageKind("unknown", "unknown") if header is None else kind_from_tags(header)
    if form != "picture":
        require_grid(name, grid.shape, grid.ijk_to_ras)
        refuse_what_is_no_image(array, grid.spacing_mm, name)
        if kind.modality == "unknown":
            kind, array = kind_and_values(array)
    volume = place(node, array.copy())
    source = source_facts("Slicer", volume, kind, "" if header is None else body_part(header))
    if form != "volume":
        source["form"] = form
    if form == "picture" and np.allclose(grid.spacing_mm[:2], 1.0):  # so Slicer loads what does not give its size
        source["spacing_mm"] = None
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
    if study.form == "picture":
        rows, columns = study.volume.shape[1:]
        known = source["spacing_mm"]
        size = f"pixels of {known[0]:.2g} × {known[1]:.2g} mm" if known else "pixels of a size that is not known"
        return f"{source.get('view') or ''} picture, {columns} × {rows} {size}".strip()
    sequence, modality = source["sequence"], source["modality"]
    kind = sequence if sequence != "unknown" else {"MR": "MR", "CT": "CT"}.get(modality, "image")
    spacing = np.array(study.volume.spacing_mm)
    axis = stack_axis(study.volume)
    slices = study.volume.shape[2 - axis]
    size = " × ".join(f"{x:.1f}" for x in (*np.delete(spacing, axis), spacing[axis]))
    suppressed = ", fat suppressed" if source["fat_suppressed"] else ""
    if study.form == "slice":
        return f"{source['plane']} {kind}{suppressed}, one slice, {size} mm"
    return f"{source['plane']} {kind}{suppressed}, {slices} slices, {size} mm"


def _voxels(node: Node) -> np.ndarray:
    """Return the voxels of a node, (k, j, i), those of a picture in colours as their brightness.

    Raises InputError where it is no image.
    """
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
    shape, channels = image.GetDimensions()[::-1], image.GetNumberOfScalarComponents()
    if 1 in shape[1:]:
        raise InputError("The volume is one slice across an axis other than its third; save it as PNG, and load that.")
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    if channels in (3, 4) and shape[0] == 1:
        return grey(values.reshape(*shape[1:], channels)[..., :3])[None]
    if channels != 1 or node.IsA("vtkMRMLTensorVolumeNode"):
        raise InputError("The volume is a colour or vector image; choose a greyscale one.")
    return values.reshape(shape)


def _form(node: Node, header: "Dataset | None") -> Form:
    """Return what a volume node is, by its size, its header and the file that it was loaded from."""
    if node.GetImageData().GetDimensions()[2] > 1:
        return "volume"
    if node.GetAttribute(FORM) == "picture":  # a saved scene has it in a file of another kind
        return "picture"
    storage = node.GetStorageNode()
    name = (storage.GetFileName() or "").lower() if storage is not None else ""
    picture = name.endswith(_PICTURES) if header is None else is_picture(header)
    return "picture" if picture or node.IsA("vtkMRMLVectorVolumeNode") else "slice"


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
