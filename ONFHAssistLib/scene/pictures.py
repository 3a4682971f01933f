"""The polar map of the report as a picture for the reviewers."""

from collections.abc import Sequence

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ONFHAssistLib.core.arcs import WeightBearing, weight_bearing_portion
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.planes import mid_plane
from ONFHAssistLib.exchange import drawings
from ONFHAssistLib.exchange.figures import head_box, polar_figure

NAMES = "#808a94"
"""Grey enough for light and dark surroundings."""


def head_map_png(masks: HipMasks) -> bytes:
    """Return `polar_png` of a hip with the weight-bearing portion on its mid-coronal slice, if the image reaches it."""
    near = masks.within(head_box(masks.grid, masks.sphere))
    plane = mid_plane(masks.grid, "coronal", masks.sphere)
    portion = weight_bearing_portion(plane, masks.sphere, masks.landmarks, masks.side) if plane else None
    return polar_png(near, portion)


def polar_png(masks: HipMasks, portion: WeightBearing | None, size_px: int = 360) -> bytes:
    """Draw where necrosis comes close to the head's surface, and how much lies below, seen from above.

    The map of the report (`exchange.drawings.polar`); outside of the disc the picture is transparent.

    Args:
        masks: of the hip; cropped about the head (`exchange.figures.crop`) it is quicker.
        portion: on the mid-coronal slice; None where it is not known.
        size_px: width and height.

    Returns:
        the bytes of a PNG file; the same hip gives the same bytes.
    """
    # Pillow comes with Slicer by way of its DICOM packages; the review itself can do without.
    from ONFHAssistLib.exchange.draw_png import png

    return png(drawings.polar(polar_figure(masks, portion, contours=_contours), NAMES), size_px)


def _contours(values: np.ndarray, level: float) -> Sequence[np.ndarray]:
    """Outline by VTK, as scikit-image is not in Slicer's Python before the user has agreed to install it."""
    rows, columns = values.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(values).ravel(), deep=True))
    edges = vtk.vtkFlyingEdges2D()
    edges.SetInputData(image)
    edges.SetValue(0, level)
    joined = vtk.vtkStripper()
    joined.JoinContiguousSegmentsOn()
    joined.SetMaximumLength(values.size)
    joined.SetInputConnection(edges.GetOutputPort())
    joined.Update()
    found = joined.GetOutput()
    if not found.GetNumberOfLines():
        return []
    points = vtk_to_numpy(found.GetPoints().GetData())[:, 1::-1]
    starts = vtk_to_numpy(found.GetLines().GetOffsetsArray())
    order = vtk_to_numpy(found.GetLines().GetConnectivityArray())
    return [points[part].astype(float) for part in np.split(order, starts[1:-1])]
