"""Pictures with and without femoral heads, which the slice finder learns from: rendered, and cut from real images.

All are shown from the front, the patient's right at the left, STORED_PX wide and high. What is true of a head is the
circle that the slice cuts out of its sphere, and how near the slice lies to its middle (``shown``).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.geometry import SIDES, Side, Sphere
from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import canonical_hip, normalise
from ONFHAssistLib.imaging.slice_heads import OUTSIDE
from training.learning.config import Samples
from training.learning.head_check import HELD_OUT
from training.learning.samples import measured_femora
from training.phantoms.anatomy import Hip, random_hip
from training.phantoms.lesions import decoys, paint
from training.phantoms.recast import recast
from training.phantoms.render import (
    PLANES,
    Body,
    acquire,
    implant,
    intensities,
    random_body,
    render_stack,
    slice_points,
    trabeculae,
)
from training.phantoms.strangers import KINDS, stranger
from training.real.data import TRAINING_CASES, VALIDATION_CASES, read_case
from training.real.labels import real_heads
from training.real.marks import images_without_head, marked_heads, read_image

STORED_PX = 192
NEAR_MM = 12.0
"""A slice shows a head as long as it passes its middle within so much; farther off ever less, to none at its pole."""
SHARED_OUT = ("ct_t1_extremities/e008", *HELD_OUT)
"""Marked images of patients that are not learned from, beside VALIDATION_CASES: a shoulder beside `HELD_OUT`."""
VIEWS = 30
"""Pictures that a job cuts from a real image."""
LESIONS = 0.45
METAL = 0.04
NARROW_MM = 240.0
"""A picture that is less wide shows one hip alone; the other one is not rendered."""
_SMALLEST_HEAD_PX = 150
"""In a head of fewer pixels nothing is painted."""

Heads = np.ndarray
"""(2, 4): column, row and radius in pixels, and ``shown`` (0 to 1), of the right and of the left head."""


@dataclass(frozen=True)
class Picture:
    """A picture (row, column), normalised, with its heads; whether it is real, and whether it is held out."""

    image: np.ndarray
    heads: Heads
    real: bool
    held_out: bool


def procedural_picture(seed: int) -> Picture:
    """Render one thick slice: coronal through the heads or far off them, of another plane, or of no hip at all."""
    rng = np.random.default_rng(seed)
    hips = random_hip(rng, measured_femora()), random_hip(rng, measured_femora())
    body = random_body(rng, hips[0])
    what = rng.choice(["heads", "far", "other plane", "stranger"], p=[0.7, 0.07, 0.13, 0.1])
    contrast = str(rng.choice(["t1", "t2", "stir", "ct"], p=[0.33, 0.2, 0.17, 0.3]))
    plane = str(rng.choice(["axial", "sagittal"])) if what == "other plane" else "coronal"
    pixel_mm, middle = _field(rng, hips[0].midline_mm)
    if what == "stranger":
        middle = rng.normal(0, 15, 3)
    turn = Rotation.from_euler("xyz", rng.normal(0, 5, 3), degrees=True).as_matrix()
    off_mm = rng.uniform(-NEAR_MM, NEAR_MM) if rng.random() < 0.8 else rng.uniform(-26, 26)
    if what == "far":
        off_mm = rng.choice([-1, 1]) * rng.uniform(hips[0].radius_mm + 5, 75)
    axes = PLANES[plane] @ turn.T.astype(np.float32)
    points = slice_points(plane, 1, 1.0, STORED_PX, pixel_mm, turn, middle + off_mm * axes[0])
    thickness_mm = axes[0] * rng.uniform(1, 6)
    if what == "stranger":
        tissue = stranger(str(rng.choice(KINDS)), hips[0], body, points, np.random.default_rng([seed, 2]))
        image = intensities(tissue, points, body, contrast, np.random.default_rng([seed, 1]))
        heads = np.zeros((2, 4))
    else:
        image = _rendered(hips, body, points, thickness_mm, contrast, rng)
        spheres = [Sphere((0.0, 0.0, 0.0), hips[0].radius_mm), Sphere(_far_side(hips[0]), hips[1].radius_mm)]
        heads = circles(spheres, points[0]) if plane == "coronal" else np.zeros((2, 4))
    image = acquire(image, contrast, rng, pixel_mm)[0]
    return Picture(normalise(image, "CT" if contrast == "ct" else "MR"), heads, False, seed % 16 == 0)


def real_pictures(name: str, seed: int) -> list[Picture]:
    """Cut VIEWS pictures out of a real image: a training study, or one whose heads were marked by eye."""
    rng = np.random.default_rng([seed, *name.encode()])
    case = name in TRAINING_CASES
    volume = read_case(name) if case else read_image(name)
    if case:
        spheres: list[Sphere | None] = [real_heads()[name, side] for side in SIDES]
    else:
        marks = {head.side: head.sphere for head in marked_heads() if head.image == name}
        spheres = [marks.get(side) for side in SIDES]
    held_out = name in VALIDATION_CASES or name.startswith(SHARED_OUT)
    native = "t1" if case else "ct" if "ct.nii" in name else "t2" if "t2" in name else "other"
    found = [_real_picture(volume, spheres, native, held_out, rng) for _ in range(VIEWS)]
    return [picture for picture in found if picture is not None]


def jobs_of(samples: Samples) -> list[int | tuple[str, int]]:
    """Return what `make_pictures` is called with: seeds, and names of real images with a seed."""
    jobs: list[int | tuple[str, int]] = [samples.seed * 1_000_003 + n for n in range(samples.procedural)]
    jobs += [(case, n) for case in TRAINING_CASES for n in range(samples.real)]
    names = sorted({head.image for head in marked_heads()} | set(images_without_head())) if samples.marked else []
    return jobs + [(name, n) for name in names for n in range(samples.marked)]


def make_pictures(job: int | tuple[str, int]) -> list[Picture]:
    """Make the pictures of a job, in a worker process."""
    return [procedural_picture(job)] if isinstance(job, int) else real_pictures(*job)


def circles(spheres: list[Sphere | None] | list[Sphere], points: np.ndarray) -> Heads:
    """Return the circles that a picture cuts out of spheres, mostly those of the right and of the left head.

    Args:
        spheres: on the same axes as the points; None where there is none.
        points: (row, column, 3) in mm, a plane of square pixels.
    """
    heads = np.zeros((len(spheres), 4))
    across, down = points[0, 1] - points[0, 0], points[1, 0] - points[0, 0]
    pixel_mm = float(np.linalg.norm(across))
    for head, sphere in zip(heads, spheres, strict=True):
        if sphere is None:
            continue
        offset = np.array(sphere.centre_ras_mm) - points[0, 0]
        off_mm = abs(float(offset @ np.cross(across, down))) / pixel_mm**2
        shown = float(np.clip((sphere.radius_mm - off_mm) / (sphere.radius_mm - NEAR_MM), 0, 1))
        if shown > 0:
            radius_px = np.sqrt(sphere.radius_mm**2 - off_mm**2) / pixel_mm
            head[:] = offset @ across / pixel_mm**2, offset @ down / pixel_mm**2, radius_px, shown
    return heads


def _field(rng: np.random.Generator, midline_mm: float) -> tuple[float, np.ndarray]:
    """Draw the size of a pixel, and the middle of a view of the whole pelvis or of one hip (canonical axes)."""
    if rng.random() < 0.5:
        return rng.uniform(1.8, 2.3), np.array([-midline_mm, 0, rng.uniform(-45, 45)]) + rng.normal(0, 6, 3)
    return rng.uniform(0.9, 1.15), np.array([-2 * midline_mm * rng.integers(2), 0, 0]) + rng.normal(0, 12, 3) * [
        1,
        0,
        1,
    ]


def _far_side(hip: Hip) -> tuple[float, float, float]:
    return -2 * hip.midline_mm, 0.0, 0.0


def _rendered(
    hips: tuple[Hip, Hip],
    body: Body,
    points: np.ndarray,
    thickness_mm: np.ndarray,
    contrast: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Render a pelvis, (1, row, column), with lesions, trabeculae and screws in it."""
    seed = int(rng.integers(2**31))
    mirrored = ((points - np.array(_far_side(hips[0]))) * [-1, 1, 1]).astype(np.float32)
    if np.ptp(points[..., 0]) < NARROW_MM and abs(mirrored[..., 0].mean()) < abs(points[..., 0].mean()):
        image, label = render_stack(hips[1], body, mirrored, thickness_mm * [-1, 1, 1], contrast, seed, None)
    else:
        other = hips[1] if np.ptp(points[..., 0]) >= NARROW_MM else None
        image, label = render_stack(hips[0], body, points, thickness_mm, contrast, seed, other)
    for hip, local in ((hips[0], points), (hips[1], mirrored)):
        head = (label == AnatomyLabel.HEAD) & (np.linalg.norm(local, axis=-1) < 1.3 * hip.radius_mm)
        if contrast == "ct":
            image = trabeculae(image, local, head, hip.radius_mm, rng)
        image = _painted(image, local, head, hip.radius_mm, contrast, thickness_mm, rng)
        if rng.random() < METAL:
            image = implant(image, local, hip.radius_mm, contrast, rng)
    return image


def _painted(
    image: np.ndarray,
    points_mm: np.ndarray,
    head: np.ndarray,
    radius_mm: float,
    contrast: str,
    step_mm: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Paint a lesion or what only looks like one into some heads; a diseased head is to be found, too."""
    wanted = rng.random(2) < (LESIONS, 0.3)
    if head.sum() < _SMALLEST_HEAD_PX:
        return image
    if wanted[1]:
        image = decoys(image, points_mm, head, radius_mm, contrast, rng)
    if wanted[0]:
        image = paint(image, points_mm, head, radius_mm, contrast, step_mm, rng).image
    return image


def _real_picture(
    volume: Volume, spheres: list[Sphere | None], native: str, held_out: bool, rng: np.random.Generator
) -> Picture | None:
    """Cut one picture: mostly a coronal slice near a head; None where it lies beside the image."""
    known = [sphere for sphere in spheres if sphere is not None]
    what = rng.choice(["heads", "far", "other plane"], p=[0.75, 0.1, 0.15]) if known else "far"
    plane = str(rng.choice(["axial", "sagittal"])) if what == "other plane" else "coronal"
    if not known and rng.random() < 0.5:
        plane = "axial"
    points = _real_points(volume, known, what, plane, rng)
    at = volume.ijk(points)
    inside = np.all((at > -0.5) & (at < volume.size - 0.5), axis=-1)
    if inside.mean() < 0.1:
        return None
    values = ndimage.map_coordinates(
        volume.array, np.moveaxis(at[..., ::-1], -1, 0), np.float32, order=1, mode="nearest"
    )
    contrast = native
    if native == "t1":
        contrast = str(rng.choice(["t1", "t2", "stir"], p=[0.5, 0.25, 0.25]))
        if contrast != "t1":
            values = recast(values, float(np.percentile(volume.array, 90)), contrast, rng)
        for side, sphere in zip(SIDES, spheres, strict=True):
            values = _painted_real(values, points, side, sphere, contrast, rng)
    image = np.full(values.shape, OUTSIDE, np.float32)
    image[inside] = normalise(values[inside], "CT" if native == "ct" else "MR")
    heads = circles(spheres, points) if plane == "coronal" else np.zeros((2, 4))
    return Picture(image, heads, True, held_out)


def _real_points(volume: Volume, known: list[Sphere], what: str, plane: str, rng: np.random.Generator) -> np.ndarray:
    """Draw where the pixels of a picture lie: (row, column, 3) in RAS mm."""
    middle = volume.ras((volume.size - 1) / 2)
    axes = PLANES[plane] @ Rotation.from_euler("xyz", rng.normal(0, 4, 3), degrees=True).as_matrix().T
    view = canonical_hip(volume, "right", as_point(middle), (1e4, 1e4, 1e4))
    native = view.plane == plane and rng.random() < 0.8
    if native:
        axes = view.volume.axes_ras.T[::-1]  # (slice, row, column)
    pixel_mm = rng.uniform(1.5, 2.1) if rng.random() < 0.5 else rng.uniform(0.9, 1.15)
    if not known:
        middle = volume.ras(rng.uniform(0.2, 0.8, 3) * (volume.size - 1))
    elif pixel_mm < 1.3 or len(known) == 1:
        middle = np.array(known[rng.integers(len(known))].centre_ras_mm) + rng.normal(0, 12, 3) * [1, 0, 1]
    else:
        middle = np.mean([sphere.centre_ras_mm for sphere in known], axis=0) + rng.normal(0, 12, 3) * [1, 0, 1]
    off_mm = rng.uniform(-NEAR_MM, NEAR_MM) if rng.random() < 0.8 else rng.uniform(-26, 26)
    if what == "far":
        off_mm = rng.choice([-1, 1]) * rng.uniform(28, 70)
    middle = middle + off_mm * axes[0]
    if native:  # the nearest slice as it is
        step = view.volume.ijk(middle)[2]
        middle = middle + (round(float(step)) - step) * view.volume.spacing_mm[2] * axes[0]
    reach = (np.arange(STORED_PX) - (STORED_PX - 1) / 2) * pixel_mm
    return middle + reach[:, None, None] * axes[1] + reach[None, :, None] * axes[2]


def _painted_real(
    values: np.ndarray, points: np.ndarray, side: Side, sphere: Sphere | None, contrast: str, rng: np.random.Generator
) -> np.ndarray:
    if sphere is None:
        return values
    lateral = np.array([1 if side == "right" else -1, 1, 1])
    local = ((points - np.array(sphere.centre_ras_mm)) * lateral).astype(np.float32)[None]
    head = np.linalg.norm(local, axis=-1) < 0.97 * sphere.radius_mm
    step = np.cross(points[0, 1] - points[0, 0], points[1, 0] - points[0, 0])
    step = step / np.linalg.norm(step) * lateral * 4.0
    return _painted(values[None], local, head, sphere.radius_mm, contrast, step.astype(np.float32), rng)[0]
