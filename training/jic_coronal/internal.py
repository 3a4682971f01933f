"""S-JIC on the patients of its own data set that are for testing, and readers who place landmarks with an error."""

from typing import Any

import numpy as np
from scipy import ndimage
from scipy.special import softmax

from ONFHAssistLib.core.arcs import weight_bearing_portion
from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.gradings.jic import jic_class
from ONFHAssistLib.core.planes import Plane
from ONFHAssistLib.imaging.segment import Network
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES, NONE
from ONFHAssistLib.systems.jic_coronal.seen import Seen
from training.jic_coronal.slices import NECROSIS, Slices
from training.jic_coronal.task import plain
from training.measuring.classed import called, rounded

PANEL_MM = (2.0, 5.0)
"""Root mean square distances by which a reader of the panel misplaces each landmark."""
READERS_SEED = 77


def answers(slices: Slices, network: Network) -> list[Seen]:
    """Return what the network sees on each slice."""
    images, _ = plain(slices, network.bundle.input["size_px"][0])
    return [Seen(maps) for maps in network.engine(images)]


def chances(seen: list[Seen]) -> np.ndarray:
    """Return the probabilities (cases, classes)."""
    return softmax(np.array([one.maps.astype(float).mean(axis=(1, 2)) for one in seen]), axis=1)


def places(slices: Slices, seen: list[Seen], size_px: int) -> dict[str, Any]:
    """Return how often the map is highest inside the lesion, and how much of the evidence lies in it."""
    first = (slices.labels.shape[-1] - size_px) // 2
    inner = slice(first, first + size_px)
    inside, energy = [], []
    for labels, one in zip(slices.labels[:, inner, inner], seen, strict=True):
        lesion = (labels == NECROSIS).astype(np.float32)
        if not lesion.any():
            continue
        evidence = one.evidence()
        share = ndimage.zoom(lesion, evidence.shape[0] / size_px, order=1, mode="nearest", grid_mode=True)
        inside.append(bool(share.flat[evidence.argmax()] >= 0.5))
        energy.append(float((evidence * share).sum() / max(evidence.sum(), 1e-9)))
    return {
        "n": len(inside),
        "highest_inside": rounded(float(np.mean(inside))),
        "energy_inside": rounded(float(np.median(energy))),
    }


def panel(slices: Slices, error_mm: float) -> dict[str, Any]:
    """Return how geometry does with true masks and landmarks that are misplaced at random, once for each slice.

    Slices without necrosis are right by themselves, as the masks are true.
    """
    rng = np.random.default_rng(READERS_SEED)
    plane = Plane("coronal", (0.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (1, 1))
    truth, read = [CLASSES[n] for n in slices.classes], []
    for name, (edge_x, edge_z, tear_x, tear_z, end_deg, radius) in zip(truth, slices.marks, strict=True):
        off = rng.normal(0, error_mm / np.sqrt(2), 4)
        if name == NONE:
            read.append(NONE)
            continue
        edge, tear = (
            (float(edge_x + off[0]), 0.0, float(edge_z + off[1])),
            (float(tear_x + off[2]), 0.0, float(tear_z + off[3])),
        )
        portion = weight_bearing_portion(plane, Sphere((0.0, 0.0, 0.0), float(radius)), Landmarks(edge, tear), "right")
        read.append(NONE if portion is None else jic_class((end_deg - portion.medial_deg) / portion.span_deg))
    return called(truth, read, CLASSES)
