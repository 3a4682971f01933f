"""What a scanner makes of a hip: kernel, noise, thickness of the axial slices, and coronal slices reformatted of them.

CT is taken in axial slices; what a reader sees as a coronal slice is as sharp along the patient as those were thin. The
reconstruction kernel decides how sharp an axial slice is and what its noise looks like: soft ones blur both, sharp ones
leave a fine, strong noise and a dark line beside each edge.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from training.phantoms.ct_bone import SPACING_MM


@dataclass(frozen=True)
class Scanner:
    """How an image is taken.

    Attributes:
        blur_mm: standard deviation of the point spread in the axial plane.
        edge: how much of the difference to a blurred copy a sharp kernel adds.
        noise_hu: standard deviation of the noise in the coronal slices.
        grain_mm: how coarse the noise is in the axial plane; 0: its fine part only, as sharp kernels leave it.
        axial_mm: thickness and distance of the axial slices.
        coronal_mm: thickness of the coronal slices.
        pitch_mm: from one coronal slice to the next that is kept.
        streaks_hu: strength of the streaks that metal elsewhere throws.
    """

    blur_mm: float
    edge: float
    noise_hu: float
    grain_mm: float
    axial_mm: float
    coronal_mm: float
    pitch_mm: float
    streaks_hu: float = 0.0


def random_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scanner, from soft kernels to sharp ones, with slices of 1 to 4 mm."""
    sharp = rng.random()
    axial_mm, coronal_mm = (float(rng.uniform(0.6, 1.6) if rng.random() < 0.5 else rng.uniform(1.6, 4.0)) for _ in "ab")
    return Scanner(
        blur_mm=float(0.9 - 0.6 * sharp),
        edge=float(max(0.0, sharp - 0.5) * rng.uniform(0.0, 1.6)),
        noise_hu=float(rng.uniform(4, 25) + 50 * max(0.0, sharp - 0.4) * rng.random()),
        grain_mm=0.0 if sharp > 0.75 else float(rng.uniform(0.4, 1.0)),
        axial_mm=axial_mm,
        coronal_mm=coronal_mm,
        pitch_mm=float(rng.uniform(max(2.4, min(coronal_mm, 4.0)), 4.0)),
        streaks_hu=float(rng.uniform(10, 70)) if rng.random() < 0.06 else 0.0,
    )


@dataclass(frozen=True)
class Stack:
    """Coronal slices of a hip.

    Attributes:
        image: float32 (n, j, i), HU.
        masks: bool (m, n, j, i), those given: where most of a voxel is inside.
        offset_mm: (n,) of each slice from the head's centre, positive anterior.
    """

    image: np.ndarray
    masks: np.ndarray
    offset_mm: np.ndarray


def scan(image: np.ndarray, masks: np.ndarray, scanner: Scanner, rng: np.random.Generator) -> Stack:
    """Take the image of a hip on the fine grid of ``ct_bone``.

    Args:
        image: float32 (k, j, i), HU; the head's centre lies in the middle.
        masks: bool (m, k, j, i).
        scanner: how.
        rng: noise, and where the first slice lies.
    """
    k_mm, row_mm, column_mm = SPACING_MM
    sharp = ndimage.gaussian_filter(image, (scanner.blur_mm / k_mm, 0, scanner.blur_mm / column_mm))
    if scanner.edge:
        sharp = sharp + scanner.edge * (sharp - ndimage.gaussian_filter(sharp, (1.2 / k_mm, 0, 1.2 / column_mm)))
    pitch = scanner.pitch_mm / k_mm
    at = np.arange(rng.uniform(0, pitch), len(image) - 1, pitch)

    def reformatted(volume: np.ndarray) -> np.ndarray:
        """Axial slices of their thickness, and coronal ones out of them."""
        rows = _thick(volume, 1, scanner.axial_mm / row_mm)
        step = max(1.0, scanner.axial_mm / row_mm)
        rows = _resampled(rows, 1, step, rng_phase)
        return _at(_thick(rows, 0, scanner.coronal_mm / k_mm), at)

    rng_phase = float(rng.random())
    noise = reformatted(_noise(image.shape, scanner, rng))
    out = reformatted(sharp) + noise * np.float32(scanner.noise_hu / max(float(noise.std()), 1e-6))
    if scanner.streaks_hu:
        out = out + _streaks(out.shape, scanner.streaks_hu, rng)
    thick = np.stack([_at(_thick(mask.astype(np.float32), 0, scanner.coronal_mm / k_mm), at) > 0.5 for mask in masks])
    return Stack(out.astype(np.float32), thick, (len(image) - 1) / 2 * k_mm - at * k_mm)


def _thick(volume: np.ndarray, axis: int, voxels: float) -> np.ndarray:
    """Average over a slice's thickness; a Gaussian of the same standard deviation stands for the box."""
    return ndimage.gaussian_filter1d(volume, voxels / np.sqrt(12), axis) if voxels > 1 else volume


def _resampled(volume: np.ndarray, axis: int, step: float, phase: float) -> np.ndarray:
    """Keep a sample in ``step`` and put straight lines between them."""
    if step <= 1.2:
        return volume
    count = volume.shape[axis]
    kept = np.clip(np.round(np.arange(phase * step, count, step)).astype(int), 0, count - 1)
    few = np.take(volume, kept, axis)
    place = np.interp(np.arange(count), kept, np.arange(len(kept)))
    return _at(few.swapaxes(0, axis), place).swapaxes(0, axis)


def _at(volume: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Linear interpolation along the first axis at continuous indices."""
    low = np.clip(np.floor(place).astype(int), 0, len(volume) - 2) if len(volume) > 1 else np.zeros(len(place), int)
    part = (place - low).astype(np.float32)[:, None, None]
    return volume[low] * (1 - part) + volume[np.minimum(low + 1, len(volume) - 1)] * part


def _noise(shape: tuple[int, ...], scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit size: alike within an axial slice as far as the kernel says, another one in each slice."""
    white = rng.standard_normal(shape, dtype=np.float32)
    coarse = scanner.grain_mm or 0.8
    smooth = ndimage.gaussian_filter(white, (coarse / SPACING_MM[0], 0, coarse / SPACING_MM[2]))
    return smooth if scanner.grain_mm else white - smooth


def _streaks(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> np.ndarray:
    """Bands across the image, each of an axial slice or a few, that fade to one side."""
    rows = ndimage.gaussian_filter1d(rng.standard_normal((1, shape[1], 1)), rng.uniform(0.6, 4), axis=1)
    side = np.linspace(0.2, 1.0, shape[2])[:: int(rng.choice([-1, 1]))]
    return (strength * rows / max(rows.std(), 1e-6) * side).astype(np.float32)
