"""Label maps of our own making for the real training studies.

``labels.json`` holds what was marked by eye: the sphere of each femoral head, two points of the acetabulum and a
few seeds. From these and the image alone, each coronal slice is flooded from its bright (marrow, fat) and grey
(muscle) basins up to the dark cortical lines (watershed), and the result of one slice seeds the next. Where two runs
with different settings disagree, or no dark line backs a border, the voxel is IGNORE.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from skimage import morphology, segmentation

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.volume import Volume
from training.real.data import CACHE, read_volume, to_volume
from training.real.labelled import IGNORE

LABELS_FILE = Path(__file__).with_name("labels.json")
REAL_LABELS = CACHE / "real_labels"
_FEMUR, _HIP, _OTHER = 1, 2, 3  # markers of the flooding
_CROP_MM = 60.0
_AP_MM = (-38.0, 28.0)  # posterior and anterior of the head's centre
_NECK_DEG = 62.0


@dataclass(frozen=True)
class MarkedHip:
    """One femoral head as marked by eye; points are RAS in mm.

    Attributes:
        case: number of the study, such as "01".
        side: "right" or "left".
        centre_ras_mm: centre of the head.
        radius_mm: radius up to the middle of the dark cortical line.
        seeds: lines, each within one slice, inside "femur", "hip_bone" or "other" (neither).
    """

    case: str
    side: Side
    centre_ras_mm: tuple[float, float, float]
    radius_mm: float
    acetabular_edge_ras_mm: tuple[float, float, float]
    teardrop_ras_mm: tuple[float, float, float]
    seeds: dict[str, list[list[tuple[float, float, float]]]]


def read_marked_hips(path: Path = LABELS_FILE) -> list[MarkedHip]:
    """Read ``labels.json``."""
    entries = json.loads(path.read_text(encoding="utf-8"))["heads"]
    return [MarkedHip(**entry) for entry in entries]


def read_corrected(path: Path) -> Volume:
    """Read a NIfTI image and take the coil's shading out of it (N4, Tustison et al., IEEE TMI 2010;29:1310)."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)
    small = sitk.Shrink(image, [6, 6, 1])
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([20, 20, 10])
    n4.Execute(small, small > 0.15 * float(np.percentile(sitk.GetArrayViewFromImage(small), 95)))
    field = sitk.Exp(n4.GetLogBiasFieldAsImage(image))
    return to_volume(image / field)


def crop(volume: Volume, centre_ras_mm: np.ndarray, half_mm: float = _CROP_MM) -> Volume:
    """Cut a box of +-``half_mm`` about a point, on the image's own grid, clipped to the image."""
    centre = volume.ijk(np.asarray(centre_ras_mm))
    reach = half_mm / np.array(volume.spacing_mm)
    low = np.maximum(np.ceil(centre - reach), 0).astype(int)
    high = np.minimum(np.floor(centre + reach) + 1, volume.shape[::-1]).astype(int)
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] = volume.ras(low)
    return Volume(volume.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]], matrix)


def _draw(volume: Volume, lines: list[list], radius: float = 1.2) -> np.ndarray:
    """Shape (k, j, i): strokes of ``radius`` voxels along RAS lines, each in the slice of its first point."""
    mask: np.ndarray = np.zeros(volume.shape, bool)
    jj, ii = np.indices(mask.shape[1:])
    for line in lines:
        points = volume.ijk(np.asarray(line, float))
        k = round(float(points[0, 2]))
        if not 0 <= k < mask.shape[0]:
            continue
        for a, b in zip(points, points[1:] if len(points) > 1 else points, strict=False):
            for i, j in np.linspace(a[:2], b[:2], 2 + int(np.abs(b - a).max())):
                mask[k] |= (ii - i) ** 2 + (jj - j) ** 2 <= radius**2
    return mask


def _by_hand(volume: Volume, hip: MarkedHip) -> dict[int, np.ndarray]:
    """Shape (k, j, i) for each marker: the seeds that were drawn, and those that follow from the marked points."""
    lateral, r = 1.0 if hip.side == "right" else -1.0, hip.radius_mm
    centre, tear, tall = np.array(hip.centre_ras_mm), np.array(hip.teardrop_ras_mm), volume.spacing_mm[2]
    slices = [volume.axes_ras[:, 2] * tall * step for step in (-1, 0, 1)]
    roof = [centre + [0.25 * r * lateral, 0, r + 8.0], centre + [-0.2 * r * lateral, 0, r + 8.0]]
    wall = [tear + [0.5 * lateral, 0, 3.0], tear + [1.4 * lateral, 0, 8.0]]
    fossa = centre + (tear - centre) * (r + 0.3 * (np.linalg.norm(tear - centre) - r)) / np.linalg.norm(tear - centre)
    below = tear - [0, 0, 6.0]
    return {
        _OTHER: _draw(volume, [*hip.seeds.get("other", []), *([p + s] for p in (fossa, below) for s in slices)]),
        _HIP: _draw(volume, [*hip.seeds.get("hip_bone", []), wall, *([p + s for p in roof] for s in slices)], 0.8),
        _FEMUR: _draw(volume, hip.seeds.get("femur", [])),
    }


def _flood(volume: Volume, hip: MarkedHip, smooth: float, erode: int) -> tuple[np.ndarray, np.ndarray]:
    """Flood slice by slice from the head's slice outwards.

    Args:
        volume: the crop, scaled so that the head's marrow is 1.
        hip: the marked hip.
        smooth: sigma of the in-plane smoothing, voxels.
        erode: how far the seeds handed to the next slice draw back from the border, voxels.

    Returns:
        markers (k, j, i) of the flooding, and the smoothed image.
    """
    image = np.stack([ndimage.gaussian_filter(s, smooth) for s in volume.array])
    grid = volume.grid_ras()
    offset = grid - np.array(hip.centre_ras_mm)
    distance = np.linalg.norm(offset, axis=-1)
    lateral = 1.0 if hip.side == "right" else -1.0
    neck = np.array([0.77 * lateral, -0.2, -0.60]) / np.linalg.norm([0.77, 0.2, 0.60])
    with np.errstate(invalid="ignore", divide="ignore"):
        off_neck = (offset @ neck) / distance < np.cos(np.radians(_NECK_DEG))
    r = hip.radius_mm
    core = (distance < r - 2.5) & (off_neck | (distance < 0.75 * r))
    # The joint: a shell on the articular side parts the head from the acetabulum even where their cortices touch.
    shell = (distance > r + 0.6) & (distance < r + 1.7) & off_neck & (image < 0.75)
    calm = _calm(volume)
    levels, edges = np.histogram(calm[(distance > r + 1.0)], np.arange(0.25, 0.66, 0.02))
    muscle_level = edges[levels.argmax()] + 0.01
    grey = (np.abs(calm - muscle_level) < 0.13) & (distance > r + 1.0)
    muscle = np.stack([morphology.opening(s, morphology.disk(3)) for s in grey])
    fat = np.stack([morphology.opening(s, morphology.disk(2)) for s in calm > 1.4]) & (distance > r + 1.0)
    hand = _by_hand(volume, hip)
    start = round(float(volume.ijk(np.array(hip.centre_ras_mm))[2]))
    # Only what looks its part is handed on: a marrow-like voxel never as "other", a fat-like one never as bone.
    marrow = (calm > 0.68) & (calm < 1.3)
    sane = {_OTHER: ~marrow, _FEMUR: marrow, _HIP: marrow}
    labels = np.zeros(image.shape, np.uint8)
    disc = morphology.disk(erode)

    def one_slice(k: int, before: np.ndarray | None) -> None:
        seeds = np.zeros(image.shape[1:], np.uint8)
        if before is not None:
            for marker in (_OTHER, _FEMUR, _HIP):
                kept = ndimage.binary_erosion(before == marker, disc, border_value=1) & sane[marker][k]
                seeds[kept] = marker
        seeds[muscle[k] | fat[k]] = _OTHER
        seeds[core[k] & (image[k] > 0.6)] = _FEMUR
        seeds[shell[k]] = _OTHER
        for marker, mask in hand.items():
            seeds[mask[k]] = marker
        labels[k] = segmentation.watershed(-image[k], seeds)

    one_slice(start, None)
    for k in range(start + 1, image.shape[0]):
        one_slice(k, labels[k - 1])
    for k in range(start - 1, -1, -1):
        one_slice(k, labels[k + 1])
    return labels, image


def label_hip(volume: Volume, hip: MarkedHip) -> Volume:
    """Label one hip.

    Args:
        volume: the study after ``read_corrected``.
        hip: what was marked by eye.

    Returns:
        Crop of +-60 mm about the head with values of AnatomyLabel, and IGNORE where the method is not sure.
        The head is the part of the femur inside 1.04 x the sphere.
    """
    box = crop(volume, np.array(hip.centre_ras_mm))
    offset = box.grid_ras() - np.array(hip.centre_ras_mm)
    distance = np.linalg.norm(offset, axis=-1)
    box = box.like(box.array / np.median(box.array[distance < 0.8 * hip.radius_mm]))
    runs = [_flood(box, hip, smooth, erode) for smooth, erode in ((0.6, 3), (0.8, 4), (0.8, 6))]
    first, image = runs[1]
    femur, bone = first == _FEMUR, first == _HIP
    rim = image < 0.45
    for mask, other in ((femur, bone), (bone, femur)):
        # The flooding meets in the middle of the cortex; bone includes the outer half of it.
        near = np.stack([ndimage.binary_dilation(s, morphology.disk(1)) for s in mask])
        mask |= near & rim & ~other & ((distance > hip.radius_mm * 1.15) | (mask is bone))
    labels = np.full(box.array.shape, AnatomyLabel.BACKGROUND, np.uint8)
    labels[bone] = AnatomyLabel.HIP_BONE
    labels[femur] = AnatomyLabel.FEMUR
    labels[femur & (distance <= 1.04 * hip.radius_mm)] = AnatomyLabel.HEAD
    unsure = np.logical_or.reduce([run[0] != first for run in runs])
    # Grey and dark tissue far from marrow (capsule, tendon) and thin outgrowths of the femur (fat) may not be bone.
    doubt = np.zeros(labels.shape, bool)
    for mask, width in ((femur, 4), (bone, 1)):
        solid = np.stack([morphology.opening(s, morphology.disk(1)) for s in mask & (image > 0.68)])
        near = np.stack([ndimage.binary_dilation(s, morphology.disk(3)) for s in solid])
        thick = np.stack([morphology.opening(s, morphology.disk(width)) for s in mask])
        doubt |= mask & ~(near & thick)
    doubt &= labels != AnatomyLabel.HEAD
    labels[doubt | _unchecked(labels, offset, _calm(box), hip)] = IGNORE
    labels[_open_border(first, image) | np.stack([morphology.opening(s, morphology.disk(1)) for s in unsure])] = IGNORE
    return box.like(labels)


def _calm(box: Volume) -> np.ndarray:
    """Smooth in-plane until noise and trabeculae are gone."""
    return np.stack([ndimage.gaussian_filter(s, 1.5) for s in box.array])


def _unchecked(labels: np.ndarray, offset: np.ndarray, calm: np.ndarray, hip: MarkedHip) -> np.ndarray:
    """Places where the flooding was seen to fail: bone taken for background, or the reverse."""
    x, ap, up = (offset[..., 0] if hip.side == "right" else -offset[..., 0]), offset[..., 1], offset[..., 2]
    r = hip.radius_mm
    background = labels == AnatomyLabel.BACKGROUND
    marrow = (calm > 0.68) & (calm < 1.35)
    outside = (ap > _AP_MM[1]) | (ap < _AP_MM[0])
    # Behind the neck the fat about the trochanter looks like marrow.
    behind = (ap < -24) | ((ap < -12) & ((up > 6) | (calm > 1.35) | (calm < 0.5) | ((x < r) & (up > -15))))
    femur_astray = (labels == AnatomyLabel.FEMUR) & (behind | (ap > 10) | (up > 16))
    wall = (x < -(r + 2)) & (x > -(r + 18)) & (np.abs(up + 5) < r) & (np.abs(ap) < 22) & (marrow | (calm < 0.4))
    ischium = (x < 5) & (up < -15) & (ap < -5) & marrow
    shaft = (x > 10) & (up < -20) & (ap < 6) & marrow
    return (outside & ((labels > 0) | (calm > 0.68))) | femur_astray | (background & (wall | ischium | shaft))


def _open_border(markers: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Strips of +-2 voxels about borders of bone that no dark line backs (in-plane)."""
    weak = np.zeros(markers.shape, bool)
    for k, plane in enumerate(markers):
        border = segmentation.find_boundaries(plane, mode="thick") & (ndimage.maximum_filter(plane, 3) > 0)
        bright = ndimage.minimum_filter(image[k], 3) > 0.8
        weak[k] = ndimage.binary_dilation(border & bright, morphology.disk(2))
    return weak


def real_heads() -> dict[tuple[str, Side], Sphere]:
    """Return the marked spheres by case and side."""
    return {(hip.case, hip.side): Sphere(as_point(hip.centre_ras_mm), hip.radius_mm) for hip in read_marked_hips()}


def real_label(case: str, side: Side, like: Volume) -> Volume:
    """Read the label map that this module made for a hip, on the grid of ``like``; IGNORE beyond its crop.

    Raises:
        InputError: it has not been made yet.
    """
    path = REAL_LABELS / f"case_{case}_{side}.nii.gz"
    if not path.is_file():
        raise InputError(f"There is no label map of case {case} {side}; make them with python -m training.label_real.")
    label = read_volume(path)
    first = np.round(like.ijk(label.ijk_to_ras[:3, 3])).astype(int)[::-1]
    array = np.full(like.array.shape, IGNORE, np.uint8)
    array[tuple(slice(f, f + n) for f, n in zip(first, label.array.shape, strict=True))] = label.array
    return like.like(array)
