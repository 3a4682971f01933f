"""One hip, from a rough centre to masks on the input's grid."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.grid import Grid, Point, as_point
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.necrosis import largest_piece, necrosis_above
from ONFHAssistLib.core.sphere import HEAD_ENLARGEMENT, articular_sphere, head_from_femur
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import (
    CanonicalHip,
    canonical_hip,
    from_network,
    network_slices,
    normalise,
    sphere_slices,
)
from ONFHAssistLib.imaging.landmarks import find_landmarks

if TYPE_CHECKING:
    from ONFHAssistLib.models.bundle import Bundle
    from ONFHAssistLib.models.engine import BatchedEngine

CROP_MM = (96.0, 160.0, 160.0)
"""Crop around a head: slices, rows, columns. Intensities are normalised over it, and over about as much in training."""
RADIUS_MM = (15.0, 36.0)
"""Radii that a fit may come to: wider than an adult's, so that a wrong pixel size is named (`domain.check_hip`)."""
NOT_SOUGHT_ON_CT = (
    "necrosis is not sought on CT by the networks for MR, which take sound bone for it; the head is outlined, and a "
    "necrosis that a reader draws is graded"
)
FEMUR_FROM = 0.7
"""A voxel belongs to the femur where head and rest together are this probable. With it the heads of the 20 training
hips are as large as those of the manual masks (signed bias 0.00 mm; +0.23 mm where the most probable label counts)."""
FAR_MM = 6.0
"""A centre that the sphere moves farther than this is the centre of a second look."""


@dataclass(frozen=True)
class Network:
    """A bundle with its open engine."""

    bundle: "Bundle"
    engine: "BatchedEngine"


class NoHead(Exception):
    """There is no femoral head at the given place; the message says what was seen instead."""


@dataclass(frozen=True)
class Look:
    """What the anatomy network sees about a point.

    Attributes:
        side: the hip that it was looked at as.
        centre_ras_mm: the point.
        hip: the crop about it, normalised.
        label: AnatomyLabel of each voxel of the crop.
        sphere: the articular sphere that fits what is seen.
    """

    side: Side
    centre_ras_mm: Point
    hip: CanonicalHip
    label: np.ndarray
    sphere: Sphere


def look_at(volume: Volume, modality: str, side: Side, centre: Point, anatomy: Network) -> Look:
    """Look at a point as a hip of one side; raises NoHead where no femoral head is seen."""
    hip = crop_hip(volume, modality, side, centre)
    label = label_anatomy(hip, centre, anatomy)
    return Look(side, centre, hip, label, fit_head(hip.volume.like(label), centre))


@dataclass(frozen=True)
class Head:
    """A femoral head that was found and outlined, before anybody looks for necrosis in it.

    Attributes:
        side: which hip.
        hip: the crop about it, in canonical pose and normalised.
        mask: bool, the shape of the crop; the head, to be completed by its necrosis.
        sphere: that the head was cut with.
        landmarks: points on the acetabulum, as far as found.
    """

    side: Side
    hip: CanonicalHip
    mask: np.ndarray
    sphere: Sphere
    landmarks: Landmarks


def segment_head(
    volume: Volume,
    modality: str,
    side: Side,
    centre_ras_mm: Point,
    anatomy: Network,
    radius_mm: float | None = None,
    seen: Look | None = None,
) -> Head:
    """Outline the head.

    Args:
        volume: the whole image.
        modality: "CT", or anything else for MR.
        side: which hip.
        centre_ras_mm: the head's centre, within about 15 mm.
        anatomy: background, head, rest of the femur and hip bone on 2.5D patches.
        radius_mm: given by a reader who has placed the sphere: it is then kept as it is.
        seen: what was seen of this hip already, so that nothing is looked at twice.

    Raises:
        NoHead: no femoral head is there, or too little of it.
        InputError: the centre lies outside of the image.
    """
    if radius_mm is not None:
        hip, sphere = crop_hip(volume, modality, side, centre_ras_mm), Sphere(centre_ras_mm, radius_mm)
        label = label_anatomy(hip, centre_ras_mm, anatomy)
    else:
        seen = seen or look_at(volume, modality, side, centre_ras_mm, anatomy)
        if math.dist(seen.sphere.centre_ras_mm, seen.centre_ras_mm) >= FAR_MM:
            seen = look_at(volume, modality, side, seen.sphere.centre_ras_mm, anatomy)
        hip, label, sphere = seen.hip, seen.label, seen.sphere
    femur = hip.volume.like(np.isin(label, (AnatomyLabel.HEAD, AnatomyLabel.FEMUR)))
    head = largest_piece(head_from_femur(femur, sphere))
    expected = 4 / 3 * np.pi * (sphere.radius_mm * HEAD_ENLARGEMENT) ** 3 / 1000
    filled = head.sum() * hip.volume.voxel_ml / expected
    if radius_mm is not None and filled < 0.5:
        # The reader sees a head where the network does not: the sphere that was placed counts.
        head = head_from_femur(hip.volume.like(np.ones(label.shape, bool)), sphere)
    elif filled < 0.35:
        raise NoHead(f"only {100 * filled:.0f} % of the sphere there is bone")
    landmarks = find_landmarks(hip.volume.like(label == AnatomyLabel.HIP_BONE), sphere, side)
    return Head(side, hip, head, sphere, landmarks)


def outlined(volume: Volume, head: Head, not_sought: str) -> HipMasks:
    """Return the masks of a head in which nobody has looked for necrosis, and why."""
    masks = masks_of(volume.grid, head.hip, head.mask, np.zeros_like(head.mask), head.sphere)
    return replace(masks, landmarks=head.landmarks, not_sought=not_sought)


def segment_necrosis(volume: Volume, modality: str, head: Head, necrosis: Network) -> HipMasks:
    """Segment the necrosis in a head.

    Args:
        volume: the whole image.
        modality: "CT", or anything else for MR.
        head: from `segment_head`.
        necrosis: one logit on 2.5D patches.

    Returns:
        the masks. On CT necrosis is sought only by a network that has learned it there, as its bundle tells
        (``modalities``): until one had, sound heads came out with up to 43 %.
    """
    if modality == "CT" and "CT" not in necrosis.bundle.input["modalities"]:
        return outlined(volume, head, NOT_SOUGHT_ON_CT)

    probability = head_probability(head.hip, head.sphere, necrosis) * head.mask
    dead = necrosis_above(head.hip.volume.like(probability), head.mask)
    known = necrosis.bundle.input.get("calibration")
    calibration = known and Calibration(
        known["certain"], known["possible"], tuple(known["sequences"]), known["head_mm"]
    )
    masks = masks_of(volume.grid, head.hip, head.mask, dead, head.sphere, probability)
    return replace(masks, landmarks=head.landmarks, calibration=calibration)


def masks_of(
    grid: Grid,
    hip: CanonicalHip,
    head: np.ndarray,
    necrosis: np.ndarray,
    sphere: Sphere,
    probability: np.ndarray | None = None,
) -> HipMasks:
    """Bring masks back into the image that a hip was cut out of.

    Args:
        grid: of the image.
        hip: the crop, in canonical pose.
        head, necrosis: bool, the shape of the crop.
        sphere: that the head was cut with.
        probability: the shape of the crop; None where no network has said so.
    """
    place = grid.cropped(hip.slices)

    def back(array: np.ndarray) -> Volume:
        return Volume.on(place, hip.back(array))

    sure = None if probability is None else back(probability)
    return HipMasks(hip.side, grid, hip.slices, back(head), back(necrosis), sphere, probability=sure).tight()


def segment_hip(
    volume: Volume,
    modality: str,
    side: Side,
    centre_ras_mm: Point,
    anatomy: Network,
    necrosis: Network,
    radius_mm: float | None = None,
    seen: Look | None = None,
) -> HipMasks:
    """Segment the head and its necrosis; see `segment_head` and `segment_necrosis`."""
    head = segment_head(volume, modality, side, centre_ras_mm, anatomy, radius_mm, seen)
    return segment_necrosis(volume, modality, head, necrosis)


def crop_hip(volume: Volume, modality: str, side: Side, centre: Point) -> CanonicalHip:
    """Cut a hip out in canonical pose and normalise its intensities."""
    hip = canonical_hip(volume, side, centre, CROP_MM)
    return hip.like(normalise(hip.volume.array, modality))


def label_anatomy(hip: CanonicalHip, centre: Point, network: Network) -> np.ndarray:
    """Anatomy labels (slice, row, column), uint8: the most probable one, femur only from FEMUR_FROM on."""
    own = network.bundle.input
    logits = network.engine(_patches(hip, centre, own))
    logits -= logits.max(axis=1, keepdims=True)
    probability = np.exp(logits)
    probability /= probability.sum(axis=1, keepdims=True)
    at_voxels = from_network(probability, hip, centre, own["pixel_mm"])
    label = at_voxels.argmax(axis=0).astype(np.uint8)  # all zero outside of the patch: background
    femur = (AnatomyLabel.HEAD, AnatomyLabel.FEMUR)
    label[np.isin(label, femur) & (at_voxels[list(femur)].sum(axis=0) < FEMUR_FROM)] = AnatomyLabel.BACKGROUND
    return label


def head_probability(hip: CanonicalHip, sphere: Sphere, network: Network) -> np.ndarray:
    """What a network with one logit says of the head: probability (slice, row, column), float32.

    It is 0 on slices that do not cross the sphere, and outside of the network's patches.
    """
    own = network.bundle.input
    patches = _patches(hip, sphere.centre_ras_mm, own)
    if own.get("sphere_mm"):
        place = sphere_slices(hip, sphere, own["size_px"][-1], own["pixel_mm"], own["sphere_mm"])
        patches = np.concatenate([patches, place], axis=1)
    normal_mm = (np.arange(len(patches)) - hip.volume.ijk(np.array(sphere.centre_ras_mm))[2]) * hip.volume.spacing_mm[2]
    seen = np.abs(normal_mm) < sphere.radius_mm * HEAD_ENLARGEMENT + hip.volume.spacing_mm[2] / 2
    probability = np.zeros((len(patches), 1, *patches.shape[2:]), np.float32)
    probability[seen] = expit(network.engine(patches[seen]))
    return from_network(probability, hip, sphere.centre_ras_mm, own["pixel_mm"])[0]


def _patches(hip: CanonicalHip, centre: Point, own: dict) -> np.ndarray:
    neighbour_mm = own["neighbour_mm"]
    if neighbour_mm is None:  # a network that sees one slice
        return network_slices(hip, centre, own["size_px"][-1], own["pixel_mm"])[:, 1:2]
    return network_slices(hip, centre, own["size_px"][-1], own["pixel_mm"], neighbour_mm)


def fit_head(label: Volume, centre: Point) -> Sphere:
    """Fit the articular sphere to the femur of an anatomy label map; raises NoHead where it holds none."""
    head = largest_piece(label.array == AnatomyLabel.HEAD)
    volume_ml = head.sum() * label.voxel_ml
    if volume_ml < 5:
        raise NoHead("none was seen there")
    middle = label.ras(np.argwhere(head).mean(axis=0)[::-1])
    first = Sphere(as_point(middle), float((volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)))
    femur = largest_piece(np.isin(label.array, (AnatomyLabel.HEAD, AnatomyLabel.FEMUR)))
    try:
        sphere = articular_sphere(label.like(femur), first)
    except ValueError as error:
        raise NoHead("the bone there has no sphere-like surface") from error
    moved = np.linalg.norm(np.subtract(sphere.centre_ras_mm, middle))
    if not RADIUS_MM[0] <= sphere.radius_mm <= RADIUS_MM[1] or moved > 0.6 * first.radius_mm:
        raise NoHead(f"the bone there is none: its best sphere has a radius of {sphere.radius_mm:.0f} mm")
    return sphere
