"""Candidates in the place of the installed bundles, with their cards and the figures that were measured of them."""

import json
import shutil
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import WEIGHTS, load_bundle, sha256
from ONFHAssistLib.models.places import PREVIOUS, in_place
from training.bundles.card import figures_of, model_card, read_evaluation, write_evaluation
from training.bundles.make import write_json
from training.bundles.replacing import refuse_worse, replacing
from training.real.data import ROOT

BUNDLES = ROOT / "Resources" / "Bundles"
CARDS = ROOT / "training" / "cards"
CANDIDATES = ROOT / "training" / "candidates"
EVALUATION = ROOT / "docs" / "evaluation.json"


def write_card(folder: Path, card: dict[str, Any], evaluation: dict[str, Any], weights: dict[str, str]) -> None:
    """Write figures and card of a bundle from an evaluation of its weights; the rest of the bundle stays as it is.

    Args:
        folder: the bundle's folder.
        card: ``card`` of the card data.
        evaluation: content of ``evaluation.json``.
        weights: see ``card.figures_of``.

    Raises:
        InputError: nothing in the evaluation was measured with these weights; nothing is changed then.
    """
    figures = figures_of(card["figures"], evaluation, weights)
    if not figures:
        raise InputError(
            f"The evaluation has no figures of the weights of {folder.name} (or not together with these other models); "
            "run python -m training.evaluate all."
        )
    with replacing(folder, allow_worse=True) as new:
        load_bundle(folder)
        shutil.copytree(folder, new, dirs_exist_ok=True)
        _add_figures(new, card, figures)


def install(
    names: list[str],
    cards: dict[str, dict[str, Any]],
    candidates: Path = CANDIDATES,
    bundles: Path = BUNDLES,
    evaluation: Path = EVALUATION,
    allow_worse: bool = False,
) -> None:
    """Put candidates in the place of the bundles of their names, with the figures that were measured of them.

    Args:
        names: of the bundles.
        cards: ``card`` of each one's card data.
        candidates: folder with the candidates and their ``evaluation.json``.
        bundles: folder of the installed bundles.
        evaluation: where the installed bundles' evaluation lies; the candidates' sections go there.
        allow_worse: install without figures too, and with worse ones.

    Raises:
        InputError: a candidate is damaged, has no figures, or falls below the bundle that it would replace; nothing is
            changed then.
    """
    new_bundles = {name: load_bundle(candidates / name) for name in names}
    weights = weights_in(bundles) | weights_in(candidates, names)
    measured = read_evaluation(candidates / EVALUATION.name)
    figures = {name: figures_of(cards[name]["figures"], measured, weights) for name in names}
    if not allow_worse:
        for name in names:
            if not figures[name]:
                raise InputError(
                    f"The candidate {name} has not been evaluated with the weights that would be installed; run "
                    f"python -m training.evaluate all --bundles {candidates}, or give --allow-worse."
                )
            refuse_worse(bundles / name, figures[name])
    for name in names:
        with replacing(bundles / name, allow_worse=True) as new:
            shutil.copytree(new_bundles[name].folder, new, dirs_exist_ok=True)
            _add_figures(new, cards[name], figures[name])
    of_these = {
        name: section
        for name, section in measured.items()
        if section.get("models") and section["models"].items() <= weights.items()
    }
    if of_these:
        write_evaluation(evaluation, read_evaluation(evaluation) | of_these)


def weights_in(bundles: Path, names: list[str] | None = None) -> dict[str, str]:
    """Return the SHA-256 of the weights of bundles, by their names; of these, or of all in the folder."""
    if names is None:
        folders = bundles.iterdir() if bundles.is_dir() else ()
        names = sorted({path.name.removesuffix(PREVIOUS) for path in folders if (path / WEIGHTS).is_file()})
    return {name: sha256(in_place(bundles / name) / WEIGHTS) for name in names}


def _add_figures(new: Path, card: dict[str, Any], figures: dict[str, dict[str, Any]]) -> None:
    metadata = json.loads((new / "configs/metadata.json").read_text(encoding="utf-8"))
    metadata["onfh_assist"]["figures"] = figures
    write_json(new / "configs/metadata.json", metadata)
    (new / "docs/README.md").write_text(model_card(metadata, card), encoding="utf-8")
