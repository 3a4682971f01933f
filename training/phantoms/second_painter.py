"""The painter of the test lesions: osteonecrosis painted into real, normal T1 images to test the necrosis network.

FROZEN. It was written and committed before the first training began, without looking at the training painter, and
nothing may ever be trained on what it paints. It has shapes, band and texture of its own, so that the figures
measured with it do not reward a network for having learnt the habits of the training painter. Whoever changes how a
lesion looks here changes every figure that was measured with it; write another painter instead.

What is painted follows Mitchell et al., AJR 1987;149:683 and Uemura et al., J Arthroplasty 2025: a subchondral region
of the weight-bearing dome, bounded by a serpiginous band of low signal. Everything that the band's outer margin and
the surface of the head enclose is necrosis, the band included.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from ONFHAssistLib.core.geometry import SIDES, Side, Sphere
from ONFHAssistLib.core.volume import Volume

MITCHELL_CLASSES = ("A", "B", "C", "D")
RATIO_RANGE = (0.03, 0.50)
RATIO_TOLERANCE = 0.005
SUB_SLICES = 5
# Lateral, anterior, superior: from the centre of the head along the neck, which runs outwards, backwards and down.
NECK_DIRECTION = np.array([0.72, -0.22, -0.66])
# The lesion's margin stays on the head's side of this plane, in radii from the centre along the neck.
NECK_PLANE = 0.62
# Within this depth in mm below the surface of the head mask nothing is made brighter: cortex and cartilage stay dark.
RIM_MM = 3.0


@dataclass(frozen=True)
class PaintedLesion:
    """An image with one painted lesion and its exact truth.

    Attributes:
        image: float32, shape (k, j, i), in the units of the input; equals the input outside the head.
        necrosis: bool, shape (k, j, i), inside the head; the band belongs to it.
        ratio: volume of necrosis / volume of head on this grid.
        mitchell: what the band encloses: "A" fat, "B" blood, "C" fluid, "D" fibrous tissue.
    """

    image: np.ndarray
    necrosis: np.ndarray
    ratio: float
    mitchell: str


@dataclass(frozen=True)
class LesionSpec:
    """One lesion of a test plan; ``case`` counts from 0 in the caller's list of studies."""

    case: int
    side: Side
    target_ratio: float
    mitchell: str
    seed: int


def lesion_plan(count: int, seed: int, cases: int = 5) -> list[LesionSpec]:
    """Plan ``count`` lesions, always the same ones for the same arguments.

    Hips, sides and Mitchell classes take turns. The ratios lie evenly in their square root from 3 to 50 %, which
    makes about 40 % of them mild, 30 % moderate and 30 % severe (Steinberg), and are dealt out at random.
    """
    rng = np.random.default_rng(seed)
    low, high = np.sqrt(RATIO_RANGE)
    ratios = rng.permutation(np.linspace(low, high, count) ** 2)
    seeds = rng.integers(2**31, size=count)
    return [
        LesionSpec(
            case=n // 2 % cases,
            side=SIDES[n % 2],
            target_ratio=float(ratios[n]),
            # Shifted by one after each round of hips, so that each hip meets each class.
            mitchell=MITCHELL_CLASSES[(n + n // (2 * cases)) % 4],
            seed=int(seeds[n]),
        )
        for n in range(count)
    ]


def paint_second(
    image: Volume,
    head: np.ndarray,
    sphere: Sphere,
    side: Side,
    target_ratio: float,
    mitchell: str,
    rng: np.random.Generator,
) -> PaintedLesion:
    """Paint one lesion into a normal head on T1.

    Args:
        image: T1 image; any orientation and spacing, intensities not negative.
        head: bool, shape (k, j, i), the femoral head on the grid of ``image``.
        sphere: best-fit sphere of that head.
        side: which hip; a left hip gets the mirror image of the shape that a right one gets.
        target_ratio: necrosis / head by volume, reached within 0.5 percentage points.
        mitchell: "A", "B", "C" or "D".
        rng: source of everything that is random.

    Raises:
        ValueError: the arguments do not fit together, or no lesion of that ratio fits into this head.
    """
    if head.shape != image.shape or head.dtype != bool or not head.any():
        raise ValueError("The head must be a boolean mask on the image's grid with at least one voxel.")
    if mitchell not in MITCHELL_CLASSES:
        raise ValueError(f"The Mitchell class {mitchell!r} is not one of {', '.join(MITCHELL_CLASSES)}.")
    if not 0 < target_ratio < 1:
        raise ValueError(f"The target ratio {target_ratio} is not between 0 and 1.")

    box = tuple(slice(max(axis.start - 1, 0), axis.stop + 1) for axis in ndimage.find_objects(head.astype(np.uint8))[0])
    inside = head[box]
    spacing_kji = np.array(image.spacing_mm[::-1])
    ramp_mm = float(np.median(spacing_kji))

    points = _sub_slice_points(image, box, sphere, side)
    margin_at = _draw_margin(points, sphere.radius_mm, rng)
    width_mm = _draw_width(points, target_ratio, rng)

    def occupancy(size: float) -> np.ndarray:
        return _coverage(margin_at(size), ramp_mm)

    size = _find_size(occupancy, inside, target_ratio, sphere.radius_mm)
    covered = occupancy(size)
    core = _coverage(margin_at(size) + width_mm, ramp_mm)
    truth = ndimage.binary_fill_holes(inside & (covered >= 0.5)) & inside
    ratio = float(truth.sum() / inside.sum())
    if abs(ratio - target_ratio) > RATIO_TOLERANCE:
        raise ValueError(f"No lesion of {target_ratio:.1%} fits into this head; the nearest has {ratio:.1%}.")

    original = image.array[box].astype(np.float64)
    painted = _blend(original, covered, core, _levels(image, head, box, sphere), mitchell, spacing_kji, rng)
    depth_mm = _depth_mm(inside, points, spacing_kji, sphere.radius_mm)
    painted = np.where(depth_mm < RIM_MM, np.minimum(painted, original), painted)

    out = image.array.astype(np.float32)
    out[box] = np.where(inside, painted, original)
    necrosis = np.zeros_like(head)
    necrosis[box] = truth
    return PaintedLesion(out, necrosis, ratio, mitchell)


def _depth_mm(inside: np.ndarray, points: np.ndarray, spacing_kji: np.ndarray, radius_mm: float) -> np.ndarray:
    """Shape (k, j, i): how far inside the head each voxel lies."""
    in_mask_mm = ndimage.distance_transform_edt(inside, sampling=spacing_kji) - float(np.median(spacing_kji)) / 2
    # Thick slices make the mask's own depth too large near the poles; the head ends at 1.04 radii by definition.
    in_sphere_mm = 1.04 * radius_mm - np.linalg.norm(points, axis=-1).max(axis=0)
    return np.minimum(in_mask_mm, in_sphere_mm)


def _sub_slice_points(image: Volume, box: tuple[slice, ...], sphere: Sphere, side: Side) -> np.ndarray:
    """Shape (sub-slices, k, j, i, 3): mm from the centre, lateral, anterior and superior, across each slice."""
    thick = int(np.argmax(image.spacing_mm))
    k, j, i = np.mgrid[box]
    ijk = np.repeat(np.stack([i, j, k], axis=-1)[None].astype(float), SUB_SLICES, axis=0)
    ijk[..., thick] += ((np.arange(SUB_SLICES) + 0.5) / SUB_SLICES - 0.5)[:, None, None, None]
    lateral = 1.0 if side == "right" else -1.0
    return (image.ras(ijk) - np.array(sphere.centre_ras_mm)) * np.array([lateral, 1.0, 1.0])


def _draw_margin(points: np.ndarray, radius_mm: float, rng: np.random.Generator) -> Callable[[float], np.ndarray]:
    """Draw a shape; the result maps its size in mm to the signed distance (about mm, negative inside) at ``points``.

    The shape is a bowl (a plane bent along two directions) or an ellipsoid about a point of the dome. It keeps away
    from the neck, and its surface is rippled by waves too flat to cut off islands.
    """
    inwards_deg, forwards_deg = np.clip(rng.normal([0, 22], [14, 14]), [-30, -10], [30, 55])
    axis = np.array([-np.tan(np.radians(inwards_deg)), np.tan(np.radians(forwards_deg)), 1.0])
    axis /= np.linalg.norm(axis)
    turn = rng.uniform(0, np.pi)
    first = np.cross(axis, [np.cos(turn), np.sin(turn), 0.0])
    first /= np.linalg.norm(first)
    up, a, b = (points @ direction for direction in (axis, first, np.cross(axis, first)))

    if rng.random() < 0.5:
        bend_a, bend_b = rng.uniform(-0.2, 0.7, size=2) / radius_mm
        level = bend_a * a**2 + bend_b * b**2 - up
        slope = np.sqrt(1 + (2 * bend_a * a) ** 2 + (2 * bend_b * b) ** 2)
    else:
        stretch = rng.uniform(0.8, 1.25, size=3)
        centre = radius_mm * rng.uniform(0.75, 1.0)
        level = np.sqrt((a / stretch[0]) ** 2 + (b / stretch[1]) ** 2 + ((up - centre) / stretch[2]) ** 2)
        slope = np.ones_like(level)

    waves = np.zeros_like(level)
    for _ in range(4):
        heading = rng.normal(size=3)
        wave_number = 2 * np.pi / rng.uniform(9, 28)
        phase = points @ (heading / np.linalg.norm(heading)) * wave_number + rng.uniform(0, 2 * np.pi)
        waves += rng.uniform(0.1, 0.24) / wave_number * np.sin(phase)

    neck = points @ (NECK_DIRECTION / np.linalg.norm(NECK_DIRECTION)) - NECK_PLANE * radius_mm
    rounding_mm = 1.5

    def margin_at(size: float) -> np.ndarray:
        shape = (level - size) / slope
        return rounding_mm * np.logaddexp(shape / rounding_mm, neck / rounding_mm) + waves

    return margin_at


def _draw_width(points: np.ndarray, target_ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Width of the band in mm, 1.5 to 4 and slowly varying; small lesions have thin bands."""
    mean = rng.uniform(1.8, 3.4 if target_ratio > 0.1 else 2.4)
    heading = rng.normal(size=3)
    phase = points @ (heading / np.linalg.norm(heading)) * (2 * np.pi / rng.uniform(15, 35))
    return np.clip(mean * (1 + 0.25 * np.sin(phase + rng.uniform(0, 2 * np.pi))), 1.5, 4.0)


def _coverage(distance_mm: np.ndarray, ramp_mm: float) -> np.ndarray:
    """Part of each voxel that lies inside, by a linear ramp in the slice and the mean of the sub-slices across it."""
    return np.clip(0.5 - distance_mm / ramp_mm, 0, 1).mean(axis=0)


def _find_size(
    occupancy: Callable[[float], np.ndarray], inside: np.ndarray, target_ratio: float, radius_mm: float
) -> float:
    """Bisect the size in mm until the part of the head with occupancy >= 0.5 is the target."""
    low, high = -3 * radius_mm, 5 * radius_mm
    for _ in range(26):
        size = (low + high) / 2
        ratio = (occupancy(size)[inside] >= 0.5).mean()
        low, high = (size, high) if ratio < target_ratio else (low, size)
    return high


@dataclass(frozen=True)
class _Levels:
    """Signal around the lesion: marrow at each voxel of the box, and muscle (one value)."""

    marrow: np.ndarray
    muscle: float


def _levels(image: Volume, head: np.ndarray, box: tuple[slice, ...], sphere: Sphere) -> _Levels:
    """Measure marrow inside the head, smoothed over 10 mm, and the darker tissue (muscle) around it."""
    spacing_kji = np.array(image.spacing_mm[::-1])
    original = image.array[box].astype(np.float64)
    depth_mm = ndimage.distance_transform_edt(head[box], sampling=spacing_kji)
    deep = depth_mm > min(4.0, depth_mm.max() / 2)
    median = float(np.median(original[deep]))
    usual = deep & (np.abs(original - median) < 0.4 * median)
    weight = ndimage.gaussian_filter(usual.astype(float), 10 / spacing_kji)
    smooth = ndimage.gaussian_filter(np.where(usual, original, 0), 10 / spacing_kji)
    marrow = np.where(weight > 1e-3, smooth / np.maximum(weight, 1e-3), median)

    distance_mm = np.linalg.norm(image.grid_ras() - np.array(sphere.centre_ras_mm), axis=-1)
    around = image.array[(distance_mm < 2 * sphere.radius_mm) & (distance_mm > 1.1 * sphere.radius_mm)]
    dark = around[around < threshold_otsu(around)] if around.size and np.ptp(around) > 0 else np.array([0.35 * median])
    return _Levels(marrow, float(np.clip(np.median(dark), 0.15 * median, 0.5 * median)))


def _blend(
    original: np.ndarray,
    covered: np.ndarray,
    core: np.ndarray,
    levels: _Levels,
    mitchell: str,
    spacing_kji: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Put band and inside over the original by their part of each voxel, with the original's noise."""
    muscle = levels.muscle * levels.marrow / np.median(levels.marrow)
    fine, coarse = (_texture(original.shape, scale / spacing_kji, rng) for scale in (1.2, 4.0))
    band = muscle * rng.uniform(0.5, 0.95) * (1 + 0.08 * fine)

    low, high, mottle = {"A": (0.9, 1.08, 0.04), "B": (1.05, 1.3, 0.06), "C": (1.0, 1.35, 0.12), "D": (0.7, 1.0, 0.18)}[
        mitchell
    ]
    texture = 1 + mottle * (0.6 * coarse + 0.4 * fine)
    noise = original - ndimage.gaussian_filter(original, 1.0 / spacing_kji)
    limit = 3 * 1.4826 * np.median(np.abs(noise[core > 0.5])) if (core > 0.5).any() else 0.0
    # Less of it than in the marrow, whose trabeculae are part of this residual.
    noise = 0.7 * np.clip(noise, -limit, limit)
    if mitchell == "A":
        # Fat keeps the trabecular pattern of the marrow that it was.
        enclosed = original * rng.uniform(low, high) * texture
    else:
        enclosed = (levels.marrow if mitchell == "B" else muscle) * rng.uniform(low, high) * texture + noise
    painted = (1 - covered) * original + (covered - core) * (band + noise) + core * enclosed
    return np.maximum(painted, 0)


def _texture(shape: tuple[int, ...], sigma_voxels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise with mean 0 and standard deviation 1."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), sigma_voxels)
    return (field - field.mean()) / field.std()
