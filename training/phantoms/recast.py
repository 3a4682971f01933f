"""Real T1 images with the contrast of another sequence: texture and anatomy are real, tones are drawn.

Intensities are taken relative to muscle (0.4) and to the marrow of the head (1) and sent through a curve. What is dark
grey on T1, as fluid and fibrous tissue are, becomes bright with fat suppression and on T2; fat and marrow become dark
with fat suppression and stay bright on T2; cortex and air stay dark.
"""

from dataclasses import replace

import numpy as np

from ONFHAssistLib.imaging.read import Study

#: T1 levels, and the range of the new level at each, in the same units.
_LEVELS = (0.0, 0.12, 0.27, 0.42, 0.7, 1.0, 1.4)
_CURVES = {
    "stir": ((0.0, 0.03), (0.04, 0.12), (0.55, 1.1), (0.32, 0.5), (0.14, 0.3), (0.06, 0.2), (0.05, 0.18)),
    "t2": ((0.0, 0.03), (0.03, 0.1), (0.4, 0.95), (0.15, 0.3), (0.35, 0.6), (0.55, 0.85), (0.6, 1.0)),
}  # fmt: skip


def recast(image: np.ndarray, marrow: float, contrast: str, rng: np.random.Generator | None = None) -> np.ndarray:
    """Give a T1 image the contrast of STIR ("stir", any fat suppression) or T2 ("t2").

    Args:
        image: T1 intensities.
        marrow: intensity of the head's marrow.
        contrast: "stir" or "t2".
        rng: draws the curve; None takes the middle of each range.
    """
    ranges = np.array(_CURVES[contrast])
    level = ranges.mean(axis=1) if rng is None else rng.uniform(ranges[:, 0], ranges[:, 1])
    return np.interp(image / max(marrow, 1e-6), _LEVELS, level).astype(np.float32)


def recast_study(study: Study, marrow: float, contrast: str, rng: np.random.Generator | None = None) -> Study:
    """Give a T1 study another contrast, as `recast`; what it says of its sequence goes with it."""
    image = recast(study.volume.array, marrow, contrast, rng)
    source = study.source | {"sequence": contrast.upper(), "fat_suppressed": contrast == "stir"}
    return replace(study, volume=study.volume.like(image), source=source)
