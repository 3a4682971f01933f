"""A hip of simple solids whose tissues have HU of their own, and networks that read them off the image.

The femur is a ball with a cylinder for its neck; the hip bone is a shell around the ball; the lesion is a ball in the
head. With the CT window the codes are linear in the normalised intensity, so that nothing here depends on percentiles.
"""

from types import SimpleNamespace

import numpy as np
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.segment import Network

RADIUS_MM = 24.0
NECK_RADIUS_MM = 15.0
LESION_RADIUS_MM = 10.0
LESION_OFFSET = np.array([2.0, 3.0, 9.0])
"""Centre of the lesion from the centre of the head: lateral, anterior, superior. It stays inside the head."""

CODES = {"background": 0.0, "neck": 0.8, "head": 0.9, "necrosis": 1.0, "hip bone": -1.0}
"""Normalised intensities; what lies outside of a patch is 0, so that is background too."""

CORONAL = np.array([[-1.0, 0, 0], [0, 0, -1], [0, -1, 0]])
AXIAL = np.array([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]])
"""Columns are the i, j, k axes in RAS."""


def hu(code: float) -> float:
    """The HU that the CT window maps to a code."""
    return 300.0 + 500.0 * code


def grid(axes, spacing_mm, extent_mm, centre=(0.0, 0.0, 0.0), turn_deg=(0.0, 0.0, 0.0), flip=()) -> Volume:
    """An empty image around a place; ``extent_mm`` along (i, j, k); ``flip`` names axes to store backwards."""
    turned = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix() @ axes
    turned[:, list(flip)] *= -1
    size = np.ceil(np.array(extent_mm) / spacing_mm).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = turned * np.array(spacing_mm)
    matrix[:3, 3] = np.array(centre) - matrix[:3, :3] @ ((size - 1) / 2)
    return Volume(np.full(tuple(size[::-1]), hu(0), np.float32), matrix)


def add_hip(volume: Volume, side: str, centre, lesion: bool = True, femur: bool = True) -> Volume:
    """Draw a hip; a voxel takes what lies at its centre."""
    offset = (volume.grid_ras() - np.array(centre)) * [1 if side == "right" else -1, 1, 1]
    distance = np.linalg.norm(offset, axis=-1)
    array = volume.array.copy()
    unit = offset / np.maximum(distance, 1e-6)[..., None]
    cup = (distance > RADIUS_MM + 4) & (distance < RADIUS_MM + 12) & (unit @ np.array([-0.6, 0.0, 0.8]) > 0)
    array[cup] = hu(CODES["hip bone"])
    if femur:
        axis = np.array([0.77, -0.1, -0.63]) / np.linalg.norm([0.77, -0.1, -0.63])
        along = offset @ axis
        beside = np.linalg.norm(offset - along[..., None] * axis, axis=-1)
        array[(beside < NECK_RADIUS_MM) & (along > 0) & (along < 60)] = hu(CODES["neck"])
        array[distance < RADIUS_MM] = hu(CODES["head"])
        if lesion:
            array[np.linalg.norm(offset - LESION_OFFSET, axis=-1) < LESION_RADIUS_MM] = hu(CODES["necrosis"])
    return volume.like(array)


def head_ml() -> float:
    """The ball, and the part of the neck between it and the sphere enlarged by 4 %."""

    def beside_neck(radius: float) -> float:  # integral over r of the cap that the neck cuts from a sphere of radius r
        return 2 * np.pi / 3 * (radius**3 - (radius**2 - NECK_RADIUS_MM**2) ** 1.5)

    ball = 4 / 3 * np.pi * RADIUS_MM**3
    return (ball + beside_neck(1.04 * RADIUS_MM) - beside_neck(RADIUS_MM)) / 1000


def lesion_ml() -> float:
    """Volume of the lesion."""
    return 4 / 3 * np.pi * LESION_RADIUS_MM**3 / 1000


def network(function, name: str, **own) -> Network:
    """A function of a batch as a network in a bundle."""
    own = {"modalities": ["T1", "CT"]} | own
    own |= {"sha256": {"model.safetensors": 64 * "0"}, "trained_on": "nothing", "licence": "Apache-2.0"}
    engine = _Engine(function)
    facts = {"version": "0.0.0", "metadata": {"onfh_assist": own}, "checksum": 64 * "0"}
    return Network(SimpleNamespace(name=name, input=own, **facts), engine)


class _Engine:
    name, device, notices = "reads codes", "cpu", ()

    def __init__(self, function) -> None:
        self._function = function
        self.calls = 0

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.calls += 1
        assert batch.dtype == np.float32
        return self._function(batch).astype(np.float32)


def anatomy_network() -> Network:
    """Background, head, rest of the femur and hip bone by the nearest code of the middle slice."""
    codes = np.array([CODES["background"], 0.95, CODES["neck"], CODES["hip bone"]])  # 0.95: head and necrosis
    return network(
        lambda batch: -40 * np.abs(batch[:, 1:2] - codes[:, None, None]),
        "anatomy", size_px=[112, 112], pixel_mm=1.0, neighbour_mm=4.0,
    )  # fmt: skip


def necrosis_network(level: float = 0.95, **own) -> Network:
    """Necrosis is what is brighter than ``level``; ``own`` are further entries of the bundle's metadata."""
    return network(
        lambda batch: 40 * (batch[:, 1:2] - level), "necrosis", size_px=[96, 96], pixel_mm=0.7, neighbour_mm=4.0, **own
    )


def finder_network() -> Network:
    """A smooth peak at the centre of each piece that is as bright as a head (the axes are RAS)."""

    def heat(batch: np.ndarray) -> np.ndarray:
        bright = batch[0, 0] > 0.84
        half = batch.shape[-1] // 2
        logits = np.full((1, 1, *batch.shape[2:]), -9.0)
        at = np.moveaxis(np.indices(bright.shape), 0, -1)
        for part in (at[..., 2] >= half, at[..., 2] < half):
            if (bright & part).any():
                squared = ((at - at[bright & part].mean(axis=0)) ** 2).sum(axis=-1)
                logits[0, 0] = np.maximum(logits[0, 0], 12 * np.exp(-squared / 4) - 6)
        return logits

    return network(heat, "hip_finder", pixel_mm=5.0)
