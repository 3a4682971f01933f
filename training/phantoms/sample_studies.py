"""The sample studies of ``Resources/SampleData``.

A procedural coronal T1 study of two hips with a lesion in the left head, and a small procedural axial CT of a right
hip. Nothing in them comes from a patient.
"""

import numpy as np
import SimpleITK as sitk

from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.volume import Volume
from training.phantoms.anatomy import random_hip
from training.phantoms.lesions import paint
from training.phantoms.render import acquire, random_body, render_stack
from training.real.data import to_image


def ras_grid(plane: str, low_mm: tuple, high_mm: tuple, pixel_mm: float, spacing_mm: float) -> tuple:
    """Lay an image grid over a box in RAS.

    Returns:
        positions (k, j, i, 3) in RAS mm, and the steps along k, j and i as RAS vectors: coronal slices run anterior
        to posterior and axial ones inferior to superior; rows superior to inferior or anterior to posterior; columns
        from the patient's right to left.
    """
    k, j = {"coronal": ((0, -1, 0), (0, 0, -1)), "axial": ((0, 0, 1), (0, -1, 0))}[plane]
    steps = np.array([np.multiply(k, spacing_mm), np.multiply(j, pixel_mm), np.multiply((-1, 0, 0), pixel_mm)], float)
    start = np.where(steps.sum(axis=0) > 0, low_mm, high_mm)
    counts = [int(np.abs(np.dot(np.subtract(high_mm, low_mm), s)) / (s @ s)) for s in steps]
    index = np.stack(np.meshgrid(*[np.arange(n) for n in counts], indexing="ij"), -1)
    return (start + index @ steps).astype(np.float32), steps


def to_study(array: np.ndarray, points: np.ndarray, steps: np.ndarray) -> sitk.Image:
    """Put intensities (k, j, i) on a grid of :func:`ras_grid`, as 16-bit integers."""
    matrix = np.eye(4)
    matrix[:3, :3] = steps[::-1].T
    matrix[:3, 3] = points[0, 0, 0]
    return to_image(Volume(array.astype(np.int16), matrix))


def coronal_t1(seed: int = 45) -> sitk.Image:
    """Two hips on coronal T1, 1.0 x 1.0 x 4.5 mm; the left head holds a lesion of 24 % of its volume."""
    rng = np.random.default_rng(seed)
    right, left = random_hip(rng), random_hip(rng)
    body = random_body(rng, right)
    width = right.midline_mm + 62
    points, steps = ras_grid("coronal", (-width, -52, -95), (width, 52, 88), 1.0, 4.5)
    centre = np.array([right.midline_mm, 0, 0], np.float32)
    clean, label = render_stack(right, body, points - centre, steps[0] * 0.85, "t1", seed, left)
    image = acquire(clean, "t1", rng, 1.0)
    head = (label == AnatomyLabel.HEAD) & (points[..., 0] < 0)
    local = (points - centre * [-1, 1, 1]) * np.array([-1, 1, 1], np.float32)
    lesion = paint(image, local, head, left.radius_mm, "t1", steps[0] * [-1, 1, 1], rng, target_ratio=0.24)
    # 8 bits of grey keep the file small; a scanner's noise would not compress.
    return to_study(np.clip(lesion.image * 200, 0, 400), points, steps)


def axial_ct(seed: int = 7) -> sitk.Image:
    """A right hip on axial CT, 1.2 x 1.2 x 3 mm."""
    rng = np.random.default_rng(seed)
    hip = random_hip(rng)
    body = random_body(rng, hip)
    points, steps = ras_grid("axial", (-80, -70, -55), (75, 70, 50), 1.2, 3.0)
    clean, _ = render_stack(hip, body, points, steps[0], "ct", seed, None)
    return to_study(np.round(acquire(clean, "ct", rng, 1.2) / 8) * 8, points, steps)
