"""The figures of the two stages, of one stage alone and of their rivals, and what is said of real sound heads."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ONFHAssistLib.imaging.canonical import normalise
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.models.networks import build_network
from ONFHAssistLib.systems.coronal_ct.pooling import Decision, decision_of, pool
from training.bundles.install import weights_in
from training.coronal_ct.decide import STAGES
from training.coronal_ct.hips import METAL, TEST_IMAGES, TRAINING_IMAGES, RealHead, real_heads, real_hip
from training.coronal_ct.measure import (
    Found,
    Predict,
    decide,
    find,
    hip_figures,
    hip_values,
    sigmoid,
    slice_figures,
    slice_probability,
)
from training.coronal_ct.slabs import slab_heads, slab_patch
from training.coronal_ct.slices import PARTS, WITHIN_RADII, Part, Slices
from training.learning.checkpoint import RUNS, load_checkpoint
from training.learning.config import Config, read_config
from training.phantoms.ct_bone import SPACING_MM
from training.real.marks import marked_heads

RIVALS = ("ct_resnet", "ct_unet")
"""Runs of a residual network and a U-Net of about the cost of the two stages."""
TESTED: tuple[Part, ...] = ("internal", "external")
SOUND_STEP = 2
"""Slices of real heads are taken from every second one of the fine grid, 2.5 mm apart."""


def make_table(bundles: Path, slices: Slices, config: Config) -> dict[str, Any]:
    """Measure the bundles in a folder; return what the page and the model cards say.

    Args:
        bundles: folder with both bundles, ``ct_diagnosis`` with its decision (``training.coronal_ct.decide``).
        slices: all of them.
        config: ``training/configs/ct_diagnosis.yaml``.
    """
    bundle = load_bundle(bundles / STAGES[0])
    decision = decision_of(bundle.input)
    stage1, stage2 = open_engine(bundle, "cpu"), open_engine(load_bundle(bundles / STAGES[1]), "cpu")
    size, pixel = config.patch.side_px, config.patch.pixel_mm
    two = {part: find(slices.of(part), stage1, stage2, size, pixel) for part in ("validation", *TESTED, "silent")}
    one: dict[Part, Found] = {
        part: alone(two[part], slices.of(part), stage2, size, pixel) for part in ("validation", *TESTED)
    }
    content: dict[str, Any] = {
        "models": weights_in(bundles, list(STAGES)),
        "decision": vars(decision),
        "counts": counts(slices),
        "two stages": rows(two, decision),
        "one stage": rows(one, decide(one["validation"], "")[0], two_stages=False),
        "silent": silent_share(two["silent"], decision),
        "real": real_rows(stage1, stage2, decision, size, pixel),
        "pictures": picture_rows(stage1, stage2, decision, size, pixel),
    }
    networks = [rival(name) for name in RIVALS]
    if all(networks):
        first, second = (in_torch(network) for network in networks if network is not None)
        found = {part: find(slices.of(part), first, second, size, pixel) for part in ("validation", *TESTED)}
        content["rivals"] = rows(found, decide(found["validation"], "")[0])
    return content


def alone(found: Found, slices: Slices, stage2: Predict, size: int, pixel: float) -> Found:
    """What the segmentation says without stage 1: its masks are those already found."""
    by_itself = find(slices, None, stage2, size, pixel)
    return replace(found, probability=by_itself.probability)


def rows(found: Mapping[Part, Found], decision: Decision, two_stages: bool = True) -> dict[str, Any]:
    """Figures of slices and of hips, of each part that tests."""
    return {
        part: {"slices": slice_figures(found[part], decision, two_stages), "hips": hip_figures(found[part], decision)}
        for part in TESTED
    }


def counts(slices: Slices) -> dict[str, dict[str, int]]:
    """Patients, scans and graded slices of each part."""
    found: dict[str, dict[str, int]] = {}
    for n, part in enumerate(PARTS):
        own = (slices.part == n) & slices.graded
        found[part] = {
            "patients": len(np.unique(slices.patient[own])),
            "scans": len(np.unique(slices.scan[own])),
            "slices": int(own.sum()),
        }
    return found


def silent_share(found: Found, decision: Decision) -> dict[str, float]:
    """Of hips with a lesion that CT hardly shows: how many there are, and the part that is called necrotic."""
    values, _, _ = hip_values(found, decision.rule, decision.run_from)
    return {"hips": len(values), "called": float((values >= decision.hip_from).mean())}


def rival(name: str) -> torch.nn.Module | None:
    """The network of a finished run; None where it was not trained."""
    folder = RUNS / name
    if not (folder / "best.pt").is_file():
        return None
    network = build_network(read_config(folder / "config.yaml").network)
    network.load_state_dict(load_checkpoint(folder / "best.pt")["average_network"])
    return network


def in_torch(network: torch.nn.Module) -> Predict:
    """Let a network be called as the engines are."""
    network.eval()

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return torch.cat([network(part) for part in torch.from_numpy(images).split(16)]).numpy()

    return predict


def real_patches(head: RealHead, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coronal patches of a real head as it is.

    Returns:
        images float32 (n, 3, size, size) and the head, bool (n, size, size).
    """
    fine = real_hip(head.mark)
    offset = np.abs((np.arange(len(fine.image)) - (len(fine.image) - 1) / 2) * SPACING_MM[0])
    index = np.flatnonzero(offset <= WITHIN_RADII * fine.radius_mm)[::SOUND_STEP]
    around = np.clip(index[:, None] + SOUND_STEP * np.array([-1, 0, 1]), 0, len(fine.image) - 1)
    first = (fine.image.shape[-1] - size) // 2
    inner = slice(first, first + size)
    return normalise(fine.image, "CT")[around][..., inner, inner], fine.head[index][:, inner, inner]


def real_rows(stage1: Predict, stage2: Predict, decision: Decision, size: int, pixel: float) -> list[dict[str, Any]]:
    """What is said of each real head on CT; none has osteonecrosis that anybody saw."""
    found = []
    metal = [RealHead(mark, -1) for mark in marked_heads() if (mark.image, mark.side) == METAL]
    heads = real_heads(TEST_IMAGES) + real_heads(TRAINING_IMAGES) + metal
    for head in heads:
        images, inside = real_patches(head, size)
        probability = slice_probability(stage1(images))
        value = pool(probability, decision.rule, SOUND_STEP * SPACING_MM[0], decision.run_from)
        marked = (sigmoid(stage2(images)[:, 0]) > 0.5) & inside & (probability >= decision.slice_from)[:, None, None]
        kind = "metal" if head.number < 0 else "learned from" if head.mark.image in TRAINING_IMAGES else "never seen"
        found.append(
            {
                "image": head.mark.image.removesuffix(".nii.gz"),
                "side": head.mark.side,
                "whole": head.mark.whole,
                "kind": kind,
                "value": value,
                "below": bool(value < decision.hip_from),
                "slices_called": f"{int((probability >= decision.slice_from).sum())} of {len(probability)}",
                "marked": float(marked.sum() / max(1, inside.sum())),
            }
        )
    return found


def picture_rows(stage1: Predict, stage2: Predict, decision: Decision, size: int, pixel: float) -> list[dict[str, Any]]:
    """What is said of each head on the pictures of ``hip_ct_slabs``: one slice each, 8 bit, of unknown window."""
    found = []
    yy, xx = np.indices((size, size)) - (size - 1) / 2
    for head in slab_heads():
        image = slab_patch(head, size, pixel)[None]
        probability = float(slice_probability(stage1(image))[0])
        inside = np.hypot(xx, yy) * pixel < 24.0
        marked = (sigmoid(stage2(image)[0, 0]) > 0.5) & inside & (probability >= decision.slice_from)
        found.append(
            {
                "file": head.file,
                "side": head.side,
                "seen": head.seen,
                "probability": probability,
                "below": probability < decision.slice_from,
                "marked": float(marked.sum() / inside.sum()),
            }
        )
    return found
