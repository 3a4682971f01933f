"""The polar map of the report as a PNG, drawn with numpy and VTK alone: Slicer has nothing else at hand."""

from collections.abc import Iterable

import numpy as np
import vtk
from scipy import ndimage
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ONFHAssistLib.core.arcs import WeightBearing
from ONFHAssistLib.core.hip import HipMasks
from ONFHAssistLib.exchange.figures import POLAR_TO_DEG, PolarDisc, polar_disc

MARGIN_DEG = 18.0
"""Around the disc, for the names of the directions; in the disc's own units, degrees from the pole."""
FINER = 2
"""Drawn this much larger and averaged, so that edges are smooth."""

PAPER = (251, 251, 249)
NET = (154, 165, 175)
ZONE = (10, 125, 91)
LESION = (163, 68, 0)
NAMES = (128, 138, 148)
"""Colours of the report page; the names are grey enough for light and dark surroundings."""


def polar_png(masks: HipMasks, portion: WeightBearing | None, size_px: int = 360) -> bytes:
    """Draw where necrosis comes close to the head's surface, and how much lies below, seen from above.

    The same map as `exchange.figures.polar_figure` gives the report: anterior at the top, the patient's right at the
    left; the darker the tint, the deeper the necrosis; outlined where it reaches the surface; the weight-bearing zone
    hatched. Outside of the disc the picture is transparent.

    Args:
        masks: of the hip; cropped about the head (`exchange.figures.crop`) it is quicker.
        portion: on the mid-coronal slice; None where it is not known.
        size_px: width and height.

    Returns:
        the bytes of a PNG file; the same hip gives the same bytes.
    """
    fine = size_px * FINER
    degree = fine / (2 * (POLAR_TO_DEG + MARGIN_DEG))
    disc = polar_disc(masks, portion, half=round(POLAR_TO_DEG * degree))
    canvas = np.zeros((fine, fine, 4))
    _draw_disc(canvas, disc, degree)
    lateral, medial = ("left", "right") if masks.side == "right" else ("right", "left")
    for name, where in (("anterior", "top"), ("posterior", "bottom"), ("lateral", lateral), ("medial", medial)):
        _write(canvas, name, where, degree)
    return _png(canvas.reshape(size_px, FINER, size_px, FINER, 4))


def _draw_disc(canvas: np.ndarray, disc: PolarDisc, degree: float) -> None:
    """Draw from the paper upwards, on the square of the canvas that the disc fills."""
    n = len(disc.tint)
    start = (len(canvas) - n) // 2
    part = canvas[start : start + n, start : start + n]
    y, x = (np.mgrid[0:n, 0:n] + 0.5) / degree - POLAR_TO_DEG
    polar = np.hypot(x, y)
    inside = polar <= POLAR_TO_DEG
    _blend(part, inside, PAPER)
    _blend(part, inside * disc.tint[..., 3] / 255, disc.tint[0, 0, :3])
    net = np.min([np.abs(polar - ring) for ring in (30, 60, 90)] + [np.abs(x), np.abs(y)], axis=0) < 0.35
    _blend(part, inside & net, NET, 0.7)
    zone, involved = (inside & (values >= 0.5) for values in (disc.zone, disc.involved))
    _blend(part, zone & ((x - y) % 7.0 < 1.0), ZONE, 0.75)
    _blend(part, _edge(zone, degree), ZONE)
    _blend(part, _edge(involved, 1.3 * degree), LESION)
    _blend(part, inside & (polar > POLAR_TO_DEG - 1), NET)


def _edge(mask: np.ndarray, width_px: float) -> np.ndarray:
    """The outline of a mask, half inside and half outside of it."""
    if not mask.any():
        return mask
    distance = np.where(mask, ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask))
    return distance <= max(1.0, width_px / 2 + 0.5)


def _write(canvas: np.ndarray, text: str, where: str, degree: float) -> None:
    """Write a name in the middle of the margin on one side."""
    style = vtk.vtkTextProperty()
    style.SetFontFamilyToArial()
    style.SetFontSize(round(10 * degree))
    style.SetColor(1, 1, 1)
    style.SetOrientation({"left": 90, "right": -90}.get(where, 0))
    image = vtk.vtkImageData()
    vtk.vtkTextRenderer.GetInstance().RenderString(style, text, image, [0, 0], 72)
    width, height, _ = image.GetDimensions()
    alpha = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 4)[::-1, :, 3] / 255
    filled = np.argwhere(alpha > 0)
    alpha = alpha[filled[:, 0].min() : filled[:, 0].max() + 1, filled[:, 1].min() : filled[:, 1].max() + 1]
    height, width = alpha.shape
    size, middle = len(canvas), round(MARGIN_DEG / 2 * degree)
    row = {"top": middle, "bottom": size - middle}.get(where, size // 2) - height // 2
    column = {"left": middle, "right": size - middle}.get(where, size // 2) - width // 2
    _blend(canvas[row : row + height, column : column + width], alpha, NAMES)


def _blend(under: np.ndarray, alpha: np.ndarray, rgb: Iterable[float], opacity: float = 1.0) -> None:
    """Lay a colour over a picture of premultiplied (r, g, b, alpha), in place."""
    alpha = (opacity * alpha)[..., None]
    under *= 1 - alpha
    under += alpha * np.array([*rgb, 255.0])


def _png(fine: np.ndarray) -> bytes:
    """Average the finer pixels (rows, FINER, columns, FINER, 4) and encode them."""
    picture = fine.mean(axis=(1, 3))
    picture[..., :3] *= 255 / np.maximum(picture[..., 3:], 1)
    height, width, _ = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, 1)
    pixels = np.clip(np.rint(picture[::-1]), 0, 255).astype(np.uint8)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(pixels).reshape(-1, 4), deep=True))
    writer = vtk.vtkPNGWriter()
    writer.WriteToMemoryOn()
    writer.SetInputData(image)
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()
