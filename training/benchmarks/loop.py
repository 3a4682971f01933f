"""The loop end to end: does a network learn from a few corrected cases what it could not see?

``python -m training.benchmarks.loop`` paints lesions of a kind that the shipped networks have not learned
(``training/phantoms/bright_lesions.py``) and goes once around:

1. the shipped networks grade eight training patients with a lesion in one hip; a scripted reader puts the painted
   lesion in the place of their necrosis, keeps their head, takes away what they have marked in the sound hip, and
   approves and saves both;
2. the data set is exported, the shipped necrosis network trained on with the export, and made a bundle;
3. both networks are compared on lesions of that kind in the hips of the five test patients, which neither has seen,
   and on lesions of the usual kind and sound heads there, so that what was forgotten is seen, too;
4. the new bundle is installed and taken into use, and the whole way grades the test patients' lesions again.

Everything lies in ``training/cache/loop``. Killed, it goes on where it was. Results: ``loop.json`` and the three
comparisons there. About ten minutes on two cores.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib.analysis import AnalysisOptions, analyse, open_models
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.metrics import segmentation_metrics
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.reports.export import export
from ONFHAssistLib.curation.store.folder import create_store, open_store
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.installed import id_of, install, models, use
from ONFHAssistLib.models.places import BUNDLES_VARIABLE
from ONFHAssistLib.systems.base import Models
from training.bundles.install import CARDS
from training.bundles.make import candidate
from training.learning.config import read_config
from training.learning.curated import with_data
from training.learning.loop import train
from training.measuring.comparison import Comparison, as_json, compare, write
from training.measuring.comparison_page import page, summary
from training.measuring.painted import paint_lesion
from training.measuring.truth import study_of, truth_of
from training.phantoms.bright_lesions import paint_bright
from training.phantoms.second_painter import lesion_plan
from training.real.data import CACHE, ROOT, TEST_CASES, TRAINING_CASES, VALIDATION_CASES

WORK = CACHE / "loop"
READER = "script"
SEED = 606
RATIOS = (0.06, 0.35)
PATIENTS = tuple(case for case in TRAINING_CASES if case not in VALIDATION_CASES)
TEST_PATIENTS = TEST_CASES
LESIONS_PER_HIP = 2
USUAL_LESIONS = 20


def bright(case: str, side: Side, number: int, head: HipMasks) -> tuple[Volume, np.ndarray]:
    """Paint lesion ``number`` into a head: the image, and the truth (bool). Always the same for the same arguments."""
    volume = study_of(case).volume
    rng = np.random.default_rng([SEED, int(case), SIDES.index(side), number])
    ratio = float(np.exp(rng.uniform(*np.log(RATIOS))))
    lesion = paint_bright(volume, head.whole().head.array, head.sphere, side, ratio, rng)
    return volume.like(lesion.image), lesion.necrosis


def true_head(case: str, side: Side) -> HipMasks:
    """Return the head of the manual masks, without necrosis, on the whole image."""
    sphere, head = truth_of(case, side)
    return HipMasks.of(side, head, head.like(np.zeros(head.shape, bool)), sphere).whole()


def correct(work: Path, networks: Models) -> Path:
    """Let the shipped networks grade the training patients' lesions and the scripted reader correct and save them."""
    folder = work / "Dataset101_Corrected"
    store = open_store(folder) if folder.exists() else create_store(folder)
    if len(store.cases()) == len(SIDES) * len(PATIENTS):
        return folder
    for n, case in enumerate(PATIENTS):
        with_lesion = SIDES[n % 2]
        options = AnalysisOptions(sides=(with_lesion,))
        found = analyse(study_of(case), options, models=networks).masks[0]
        image, necrosis = bright(case, with_lesion, 0, found)
        result = analyse(Study(image, study_of(case).source), AnalysisOptions(), models=networks)
        for automatic, hip in zip(result.masks, result.hips, strict=True):
            truth = necrosis if automatic.side == with_lesion else np.zeros_like(necrosis)
            head = automatic.head
            dead = head.like(truth[automatic.box] & head.array)
            masks = replace(automatic, necrosis=dead, probability=None, calibration=None)
            store.save(
                ReviewedCase(
                    f"patient {case}", image, masks, grade(masks), READER, "approved", automatic, hip, result.source,
                    result.models,
                )
            )  # fmt: skip
            dice = _dice(automatic.necrosis, masks.necrosis)
            print(f"read {case} {automatic.side}: Dice of the networks' necrosis {dice:.3f}", flush=True)
    return folder


def test_set(
    work: Path, name: str, lesions: Sequence[tuple[str, Side, Callable[[], tuple[Volume, np.ndarray]]]]
) -> Path:
    """Save painted lesions with their truth as a data set of their own."""
    folder = work / name
    store = open_store(folder) if folder.exists() else create_store(folder)
    if len(store.cases()) == len(lesions):
        return folder
    for case, side, painted in lesions:
        image, necrosis = painted()
        head = true_head(case, side)
        masks = replace(head, necrosis=head.head.like(necrosis & head.head.array))
        source = study_of(case).source
        store.save(ReviewedCase(f"patient {case}", image, masks, grade(masks), READER, "approved", source=source))
    return folder


def bright_lesions() -> list[tuple[str, Side, Callable[[], tuple[Volume, np.ndarray]]]]:
    """Return lesions of the new kind in every head of the test patients."""

    def painted(case: str, side: Side, n: int) -> tuple[Volume, np.ndarray]:
        return bright(case, side, n, true_head(case, side))

    return [
        (case, side, partial(painted, case, side, n))
        for case in TEST_PATIENTS
        for side in SIDES
        for n in range(1, LESIONS_PER_HIP + 1)
    ]


def sound_heads() -> list[tuple[str, Side, Callable[[], tuple[Volume, np.ndarray]]]]:
    """Return the heads of the test patients as they are; no osteonecrosis is visible in them."""

    def sound(case: str, side: Side) -> tuple[Volume, np.ndarray]:
        return study_of(case).volume, np.zeros(true_head(case, side).head.shape, bool)

    heads = [(case, side) for case in TEST_PATIENTS for side in SIDES]
    return [(case, side, partial(sound, case, side)) for case, side in heads]


def usual_lesions() -> list[tuple[str, Side, Callable[[], tuple[Volume, np.ndarray]]]]:
    """Return lesions of the kind that the shipped networks are measured with (``training.evaluate``)."""

    def painted(case: str, spec: Any) -> tuple[Volume, np.ndarray]:
        image, necrosis, _ = paint_lesion(case, spec)
        return study_of(case).volume.like(image), necrosis

    plan = lesion_plan(USUAL_LESIONS, seed=SEED, cases=len(TEST_PATIENTS))
    of = [(TEST_PATIENTS[spec.case], spec) for spec in plan]
    return [(case, spec.side, partial(painted, case, spec)) for case, spec in of]


def fine_tune(work: Path, data: Path, steps: int | None) -> Path:
    """Train the shipped network on with an export of the data set; return the folder of the new bundle."""
    exported = work / "exported"
    if not exported.exists():
        export(open_store(data), exported, "monai", "status == approved and grade != none", "painted for a test")
    config = read_config(ROOT / "training/configs/finetune_necrosis.yaml")
    if steps:
        config = replace(config, training=replace(config.training, steps=steps))
    shipped = load_bundle(ROOT / "Resources/Bundles/necrosis")
    config = with_data(config, exported, shipped)
    folder = work / "bundles" / "necrosis"
    if folder.exists():
        return folder
    train(config, work / "runs", data=exported, init=shipped)
    metadata = json.loads((CARDS / "necrosis.json").read_text(encoding="utf-8"))
    card = metadata.pop("card")
    candidate(folder, work / "runs" / config.name / "best.pt", config, metadata, card, "average_network")
    return folder


def whole_way(networks: Models) -> list[dict[str, Any]]:
    """Grade the test patients' first lesion of each hip through the whole way, from the image on."""
    rows = []
    for case, side, painted in bright_lesions()[::LESIONS_PER_HIP]:
        image, necrosis = painted()
        study = Study(image, study_of(case).source)
        try:
            result = analyse(study, AnalysisOptions(sides=(side,)), models=networks)
        except InputError:
            result = None
        truth = float(necrosis.sum() / true_head(case, side).head.array.sum())
        row: dict[str, Any] = {"case": case, "side": side, "true_ratio": round(truth, 4), "dice": 0.0}
        if result and result.masks:
            hip = result.hips[0]
            assert hip.volume_ratio is not None  # it is segmented
            row["dice"] = round(_dice(result.masks[0].whole().necrosis, image.like(necrosis)), 4)
            row |= {"ratio": round(hip.volume_ratio, 4), "steinberg": hip.grades["steinberg"].grade}
        rows.append(row)
    return rows


def _dice(mask: Volume, truth: Volume) -> float:
    return segmentation_metrics(mask, truth).dice


def _kept(path: Path, make: Callable[[], Any]) -> Any:
    """Return what an earlier run has kept in a file, or make it and keep it."""
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    content = make()
    write(path.parent, {path.name: json.dumps(content, indent=1)})
    return content


def _compared(work: Path, name: str, data: Path, new: Path) -> Comparison:
    outcome, shown = compare(load_bundle(ROOT / "Resources/Bundles/necrosis"), load_bundle(new), data, "cpu")
    write(work / name, {"comparison.json": as_json(outcome), "comparison.html": page(outcome, shown)})
    print(f"{name}: {summary(outcome)}", flush=True)
    return outcome


def run(work: Path, steps: int | None = None) -> dict[str, Any]:
    """Go once around; return what ``loop.json`` holds."""
    (work / "models").mkdir(parents=True, exist_ok=True)
    os.environ |= {"ONFH_KEYS": str(work / "keys"), BUNDLES_VARIABLE: str(work / "models")}
    shipped = next(model.id for model in models() if model.name == "necrosis" and model.shipped)
    use(shipped)
    data = correct(work, open_models("cpu"))
    before = _kept(work / "before.json", lambda: whole_way(open_models("cpu")))
    new = fine_tune(work, data, steps)
    kinds = {"bright": bright_lesions(), "usual": usual_lesions(), "sound": sound_heads()}
    sets = {
        kind: test_set(work, f"Dataset{111 + n}_{kind.title()}", lesions)
        for n, (kind, lesions) in enumerate(kinds.items())
    }
    compared = {kind: _compared(work, kind, folder, new) for kind, folder in sets.items()}
    model = install(new)
    former = use(model.id)
    assert former is not None  # the shipped one
    after = _kept(work / "after.json", lambda: whole_way(open_models("cpu")))
    in_use = id_of(load_bundle("necrosis"))
    use(former.id)
    content = {
        "networks": {"old": shipped, "new": model.id, "in_use_after": in_use, "brought_back": former.id},
        "compared": {kind: json.loads(as_json(outcome)) for kind, outcome in compared.items()},
        "verdict": {kind: outcome.sentence for kind, outcome in compared.items()},
        "figures": {kind: [asdict(figure) for figure in outcome.figures] for kind, outcome in compared.items()},
        "whole_way": {"before": before, "after": after},
    }
    write(work, {"loop.json": json.dumps(content, indent=1) + "\n"})
    return content


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=WORK, help="folder of everything that it makes")
    parser.add_argument("--steps", type=int, help="of the training; by default as the config says")
    options = parser.parse_args()
    try:
        content = run(options.work.resolve(), options.steps)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    for kind, sentence in content["verdict"].items():
        print(f"{kind}: {sentence}")
    for when, rows in content["whole_way"].items():
        print(f"{when}: " + ", ".join(f"{row['case']} {row['side']} {row['dice']:.3f}" for row in rows))


if __name__ == "__main__":
    main()
