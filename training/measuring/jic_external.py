"""S-JIC through the whole way on patients that no network has learned from, with lesions of another painter.

The second painter's lesions in the ten heads of the five test studies, on T1 and recast to T2 and fat suppression; the
same heads without a lesion; and what becomes of the class when the lesion is painted out again.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.gradings.jic import JIC
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.systems import OWN
from ONFHAssistLib.systems.base import Models
from ONFHAssistLib.systems.jic_coronal import BUNDLE, CARD
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES, NONE
from ONFHAssistLib.systems.jic_coronal.patch import coronal_patch
from ONFHAssistLib.systems.jic_coronal.seen import look
from ONFHAssistLib.systems.jic_coronal.words import TITLES
from training.measuring.classed import called
from training.measuring.classed import summary as of_classes
from training.measuring.painted import paint_lesion
from training.measuring.runs import measure, open_models, spread
from training.measuring.truth import study_of, true_landmarks, truth_of
from training.phantoms.recast import recast_study
from training.phantoms.second_painter import LesionSpec, lesion_plan
from training.real.data import TEST_CASES

SYSTEMS = (OWN, CARD.id)
CONTRASTS = ("t1", "t2", "stir")
SEED = 2026


def rows(lesions: int, weights: str, processes: int = 2) -> list[dict[str, Any]]:
    """Measure each hip, in each contrast.

    Args:
        lesions: how many are painted, the same in each contrast; each head without a lesion comes beside them.
        weights: checksum of the network, so that what was measured of another one is not taken for it.
        processes: how many measure at a time.
    """
    plan = lesion_plan(lesions, seed=SEED, cases=len(TEST_CASES))
    jobs: list[tuple] = [
        (contrast, TEST_CASES[spec.case], spec.side, asdict(spec)) for contrast in CONTRASTS for spec in plan
    ]
    jobs += [(contrast, case, side, None) for contrast in CONTRASTS for case in TEST_CASES for side in SIDES]
    return measure(f"jic-{weights[:12]}", measure_case, jobs, processes)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of each contrast and of all: by the network, by geometry, of the place, of the deletion.

    A hip that is not graded counts as wrong for both.
    """
    groups = {contrast: [row for row in rows if row["contrast"] == contrast] for contrast in CONTRASTS} | {"all": rows}
    return {name: _figures(own) for name, own in groups.items()}


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    graded = [row for row in rows if row["graded"]]
    truth = [row["truth"] for row in graded]
    placed = [row for row in graded if "highest_inside" in row and row["truth"] != NONE]
    fallen = [row["chances"][CLASSES.index(row["named"])] - row["without_lesion"] for row in graded
              if row["named"] != NONE and row["truth"] != NONE]  # fmt: skip
    ends = [row["end_off_mm"] for row in graded if "end_off_mm" in row]
    return {
        "hips": len(rows),
        "not_graded": len(rows) - len(graded),
        "network": of_classes(truth, np.array([row["chances"] for row in graded]), CLASSES),
        "geometry": called(truth, [row["geometry"] for row in graded], CLASSES),
        "sound": sum(row["truth"] == NONE for row in graded),
        "highest_inside": round(float(np.mean([row["highest_inside"] for row in placed])), 4),
        "energy_inside": spread([row["energy_inside"] for row in placed]),
        "deleted": len(fallen),
        "deleted_fell": round(float(np.mean(np.array(fallen) > 0)), 4),
        "deleted_by": spread(fallen),
        "end_off_mm": spread(ends),
    }


def measure_case(contrast: str, case: str, side: Side, spec: dict[str, Any] | None) -> dict[str, Any]:
    """Grade one hip and return a row; ``spec`` are the fields of a LesionSpec, None for a head without a lesion."""
    sphere, head = truth_of(case, side)
    sound = study_of(case)
    image, necrosis = sound.volume.array.astype(np.float32), np.zeros(head.shape, bool)
    if spec is not None:
        image, necrosis, _ = paint_lesion(case, LesionSpec(**spec))
    masks = HipMasks.of(side, head, head.like(necrosis), sphere, true_landmarks(case, side))
    truth = JIC.grade(measure_hip(masks))
    marrow = float(np.median(sound.volume.array[head.array]))
    study, before = (
        _cast(Study(head.like(array), sound.source), marrow, contrast) for array in (image, sound.volume.array)
    )
    row: dict[str, Any] = {
        "contrast": contrast,
        "case": case,
        "side": side,
        "truth": truth.grade or NONE,
        "graded": False,
    }
    models = open_models(SYSTEMS)
    try:
        result = analyse(study, AnalysisOptions(sides=(side,), systems=SYSTEMS), models=models)
    except InputError:
        return row
    hip = result.hips[0]
    found = next((one for one in result.findings if one.system == CARD.id and one.about == side), None)
    if found is None or found.reason or hip.status != "graded":
        return row
    return row | _answer(found, hip, truth) | _place(found, necrosis) | _deleted(found, hip, before, models)


def _cast(study: Study, marrow: float, contrast: str) -> Study:
    return study if contrast == "t1" else recast_study(study, marrow, contrast)


def _answer(found: Finding, hip: HipResult, truth: Grade) -> dict[str, Any]:
    chances = [round(found.probabilities[TITLES[name]], 4) for name in CLASSES]
    # A class by geometry is there unless there is no necrosis on the slice, or the landmarks are missing.
    row = {"graded": True, "chances": chances, "geometry": hip.class_of(JIC.name) or NONE}
    ends = [grade.details.get("lateral_end_deg") for grade in (truth, hip.grades[JIC.name])]
    known = [end for end in ends if end is not None]
    if len(known) == 2:
        assert hip.sphere is not None  # it is graded
        row["end_off_mm"] = round(float(np.radians(abs(known[1] - known[0])) * hip.sphere.radius_mm), 2)
    return row


def _place(found: Finding, necrosis: np.ndarray) -> dict[str, Any]:
    """Where the map is highest, and how much of it lies in the lesion, on the slices that show both."""
    assert found.attention is not None
    seen = found.attention.array
    slices = np.flatnonzero(seen.any(axis=(1, 2)))
    if not necrosis[slices].any():
        return {}
    highest = np.unravel_index(int(seen.argmax()), seen.shape)
    return {
        "highest_inside": bool(necrosis[highest]),
        "energy_inside": round(float(seen[necrosis].sum() / seen.sum()), 4),
    }


def _deleted(found: Finding, hip: HipResult, before: Study, models: Models) -> dict[str, Any]:
    """How probable the class is on the same slice without the lesion."""
    network = models[BUNDLE]
    own = network.bundle.input
    assert hip.sphere is not None  # it is graded
    patch = coronal_patch(before.volume, hip.sphere, hip.side, own["size_px"][0], own["pixel_mm"])
    assert patch is not None  # the slice was there with the lesion
    chances = look(patch.image, network).probabilities
    name = max(CLASSES, key=lambda one: found.probabilities[TITLES[one]])
    return {"named": name, "without_lesion": round(chances[name], 4)}
