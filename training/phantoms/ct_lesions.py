"""The first painter's lesions on CT: what CT shows of osteonecrosis, and only that.

Shapes and tones are those of ``lesions`` for CT: a sclerotic rim, bone inside that is lucent, dense or mixed, and a
fracture line under the plate; on the fine grid, before the scanner. What CT adds is the collapse: the dome over the
lesion is pressed in, and the rest of the lesion with it.

CT shows no necrosis before bone was resorbed or laid down (stage 1 of ARCO: normal on radiographs and CT). Nobody can
find such a lesion on CT, so it is in no truth here: a lesion that changes the bone less than ``ct_bone.shows`` asks for
is painted anew. `silent` paints one on purpose, to measure that the networks do not guess.
"""

import numpy as np

from training.phantoms.ct_bone import FineHip, shows
from training.phantoms.ct_decoys import pressed
from training.phantoms.lesions import paint
from training.phantoms.tissue import waves

COLLAPSE_FROM = 0.08
"""Smaller lesions do not collapse here."""
MUSCLE_HU = 50.0
TRIES = 8


def with_lesion(fine: FineHip, rng: np.random.Generator, ratio: float | None = None) -> tuple[FineHip, np.ndarray]:
    """Paint a lesion that CT shows; every third that is large enough has collapsed.

    Args:
        fine: a hip without one.
        rng: source of all that is random.
        ratio: necrotic part of the head; None draws it.

    Returns:
        The hip, and its necrosis, bool (k, j, i), inside the head.
    """
    for _ in range(TRIES):
        lesion = _painted(fine, rng, ratio)
        necrosis = lesion.necrosis
        if shows(fine.image, lesion.image, necrosis):
            break
    changed = FineHip(lesion.image, fine.points_mm, fine.head, fine.femur, fine.pelvis, fine.radius_mm)
    if necrosis.sum() > COLLAPSE_FROM * fine.head.sum() and rng.random() < 0.33:
        changed, necrosis = _collapsed(changed, necrosis, rng)
    return changed, necrosis & changed.head


def silent(fine: FineHip, rng: np.random.Generator) -> tuple[FineHip, np.ndarray]:
    """Paint a lesion that CT hardly shows: a tenth of the change. Returns the hip and where the lesion is."""
    lesion = _painted(fine, rng, rng.uniform(0.05, 0.4))
    image = fine.image + 0.1 * (lesion.image - fine.image)
    hip = FineHip(image.astype(np.float32), fine.points_mm, fine.head, fine.femur, fine.pelvis, fine.radius_mm)
    return hip, lesion.necrosis


def _painted(fine: FineHip, rng: np.random.Generator, ratio: float | None):
    step = fine.points_mm[1, 0, 0] - fine.points_mm[0, 0, 0]
    return paint(fine.image, fine.points_mm, fine.head, fine.radius_mm, "ct", step, rng, ratio, MUSCLE_HU)


def _collapsed(fine: FineHip, necrosis: np.ndarray, rng: np.random.Generator) -> tuple[FineHip, np.ndarray]:
    """Press the dome over the lesion in, most in the middle of the lesion."""
    distance = np.linalg.norm(fine.points_mm, axis=-1)
    unit = fine.points_mm / np.maximum(distance, 1e-3)[..., None]
    surface = necrosis & (distance > 0.8 * fine.radius_mm)
    middle = unit[surface if surface.any() else necrosis].mean(axis=0)
    middle /= max(float(np.linalg.norm(middle)), 1e-3)
    reach = float(np.quantile(1 - unit[surface if surface.any() else necrosis] @ middle, 0.8))
    shape = np.clip(1 - (1 - unit @ middle) / max(reach, 0.03), 0, 1) ** rng.uniform(0.4, 1.2)
    uneven = 1 + rng.uniform(0, 0.4) * waves(unit * np.float32(fine.radius_mm), rng, (5, 20))
    press = rng.uniform(0.8, 5.0) * shape * np.clip(uneven, 0, 2)
    changed, (moved,) = pressed(fine, necrosis[None], press.astype(np.float32))
    return changed, moved
