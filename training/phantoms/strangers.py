"""Places that are no femoral head, procedural: knees, shoulders, masses, and a femur whose acetabulum is not there.

A place is what ``render.intensities`` draws from: the tissue at points (…, 3) in mm about its middle.
"""

import numpy as np

from training.phantoms.anatomy import Hip, Tissue, capsule_distance, femur_distance, random_waves
from training.phantoms.render import Body, classify

KINDS = ("knee", "shoulder", "mass", "femur")


def stranger(kind: str, hip: Hip, body: Body, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the tissue (…) at points (…, 3) of a place that looks like a femoral head and is none.

    Args:
        kind: one of KINDS; the round part of it lies about the origin.
        hip: for sizes, and the femur itself.
        body: the soft tissue.
        points: (lateral, anterior, superior) in mm.
        rng: shapes; the same state gives the same place.
    """
    far = np.array([0.0, 0.0, 400.0], np.float32)
    tissue, _ = classify(hip, body, points + far)  # a thigh's muscles: no bone is so far up
    warped = points + random_waves(rng, 50, 1.5, channels=3)(points)
    if kind == "mass":
        distance = _ellipsoid(warped, np.zeros(3), rng.uniform(15, 40, 3))
        filling = (Tissue.FLUID, Tissue.MUSCLE, Tissue.FAT, Tissue.HEAD_MARROW)[rng.integers(4)]
        rim = rng.uniform(0, 3)
        tissue[distance < 0] = filling
        tissue[(distance < 0) & (distance > -rim)] = Tissue.CAPSULE
        return tissue
    if kind == "femur":
        bones = [femur_distance(hip, warped)]
    elif kind == "shoulder":
        bones = [_shoulder(warped, hip.radius_mm, rng), _glenoid(warped, hip.radius_mm, rng)]
    else:
        bones = [_condyles(warped, rng), _tibia(warped, rng)]
    joint = np.min(bones, axis=0) < hip.cartilage_mm
    tissue[joint] = Tissue.CARTILAGE if rng.random() < 0.5 else Tissue.FLUID
    for distance in bones:
        tissue[distance < 0] = np.where(distance > -hip.cortex_mm, Tissue.FEMUR_CORTEX, Tissue.HEAD_MARROW)[
            distance < 0
        ]
    return tissue


def _ellipsoid(points: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    scaled = np.linalg.norm((points - centre) / radii, axis=-1)
    return (scaled - 1) * float(np.min(radii))


def _shoulder(points: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    down = np.array([rng.uniform(0.1, 0.5), rng.uniform(-0.2, 0.2), -1.0]) * 200
    head = np.linalg.norm(points, axis=-1) - radius
    tubercle = _ellipsoid(points, np.array([0.7, 0.3, -0.2]) * radius, np.full(3, 0.7 * radius))
    return np.min([head, tubercle, capsule_distance(points, np.zeros(3), down, 0.75 * radius, 12)], axis=0)


def _glenoid(points: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """A shallow socket on the medial side, and the acromion above it."""
    face = np.array([-1.0, rng.uniform(-0.5, 0.2), rng.uniform(-0.1, 0.2)])
    face = face / np.linalg.norm(face) * (radius + rng.uniform(10, 16))
    socket = _ellipsoid(points, face, np.array([8.0, 13.0, 18.0]))
    socket = np.maximum(socket, radius + 3 - np.linalg.norm(points, axis=-1))
    above = np.array([rng.uniform(-10, 10), -15.0, radius + rng.uniform(12, 20)])
    return np.minimum(socket, capsule_distance(points, above, above + [-50, 10, 15], 7, 8))


def _condyles(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two condyles below a shaft; the first lies about the origin."""
    apart = rng.uniform(38, 52) * (1 if rng.random() < 0.5 else -1)
    radii = rng.uniform([17, 25, 20], [24, 34, 28])
    other = np.array([apart, rng.uniform(-4, 4), rng.uniform(-3, 3)])
    shaft = other / 2 + np.array([0, 8.0, 20.0])
    parts = [
        _ellipsoid(points, np.zeros(3), radii),
        _ellipsoid(points, other, radii),
        capsule_distance(points, shaft, shaft + [0, 0, 220], 26, 15),
    ]
    return np.min(parts, axis=0)


def _tibia(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The plateau below the condyles, and a patella before them."""
    top = np.array([rng.uniform(-25, 25), 0.0, -rng.uniform(26, 33)])
    plateau = np.maximum(capsule_distance(points, top, top - [0, 0, 150], 37, 14), points[..., 2] - top[2])
    patella = _ellipsoid(points, np.array([top[0], 48.0, 15.0]), np.array([21.0, 10.0, 20.0]))
    return np.minimum(plateau, patella)
