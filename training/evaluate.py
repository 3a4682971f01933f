"""Measure models: ``python -m training.evaluate
heads|lesions|contrasts|resolution|others|elsewhere|slices|pair|real|all``.

- ``heads``: the 15 real T1 studies, against spheres and heads cut from their manual femur masks by the project's rule,
  and the landmarks against those found by the same rule on their manual hip-bone masks.
- ``lesions``: lesions painted into the 5 test studies by the second painter, through the whole way.
- ``contrasts``: the same lesions on T2 and with fat suppression, to which the painted T1 is recast
  (``training/phantoms/recast.py``).
- ``resolution``: the 5 test studies resampled to finer pixels and slices (``training/measuring/resolution.py``).
- ``others``: the CT, axial T1, VIBE, localizer and coronal T1 DICOM studies.
- ``elsewhere``: heads marked by eye in real images of every kind, images without a head, and noise
  (``training/measuring/elsewhere.py``).
- ``slices``: the heads on single slices and pictures (``training/measuring/slices.py``), by the slice finder alone.
- ``pair``: where the head lies on CT and on axial T1 of the same hip.
- ``real``: real osteonecrosis on single slices, against outlines drawn by eye (``training/measuring/real_lesions.py``);
  it also writes the page ``real_onfh.md``, and with ``--pictures`` the slices with all outlines on them.

Results go into ``docs/evaluation.json``, beside those of the same models; ``--table`` prints them as Markdown. Two
processes measure case by case; what a killed run has measured is kept in ``training/cache/evaluation`` for the next run
with the same models and code.

``--cases train`` is for development: ``heads`` and ``resolution`` of the training studies, ``elsewhere`` with noise in
the patients that no network learns from, and ``lesions`` by the first painter in these patients. Nothing of it goes
into ``docs/evaluation.json``.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from training.bundles.card import read_evaluation, write_evaluation
from training.bundles.install import EVALUATION
from training.measuring.elsewhere import evaluate_elsewhere
from training.measuring.heads import evaluate_heads
from training.measuring.others import evaluate_others, evaluate_pair
from training.measuring.painted import evaluate_contrasts, evaluate_lesions
from training.measuring.real_page import evaluate_real
from training.measuring.resolution import evaluate_resolution
from training.measuring.runs import BUNDLES, weights
from training.measuring.slices import BUNDLE, evaluate_slices
from training.measuring.table import table
from training.real.data import CACHE, NO_DATA, data_folder

_MEASURED = {"slices": (BUNDLE,)}
"""The bundles that a section measures, where it is not those of an analysis."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = ["heads", "lesions", "contrasts", "resolution", "others", "elsewhere", "slices", "pair", "real"]
    parser.add_argument("what", choices=[*sections, "all"])
    parser.add_argument("--cases", choices=["test", "train"], default="test", help="patients: see above")
    parser.add_argument("--count", type=int, default=200, help="how many lesions to paint")
    parser.add_argument("--bundles", type=Path, help="measure the models in this folder; results go there too")
    parser.add_argument("--processes", type=int, default=2, help="how many measure at a time, each on one thread")
    parser.add_argument("--pictures", type=Path, help="real: write the slices with the outlines into this folder")
    parser.add_argument("--table", action="store_true", help="print the Markdown table at the end")
    options = parser.parse_args()
    if options.table and options.cases == "train":
        parser.error("--table shows figures of the test patients; leave --cases out.")
    if data_folder() is None:
        sys.exit(NO_DATA)
    if options.bundles:
        os.environ["ONFH_BUNDLES"] = str(options.bundles.resolve())
    path, steps = _results(options), _steps(options)
    wanted = list(steps) if options.what == "all" else [options.what]
    if not set(wanted) <= set(steps):
        sys.exit(f"{options.what} has no training patients; leave --cases out.")
    try:
        # Figures of other models do not stand beside these.
        known = read_evaluation(path).items()
        results = {name: part for name, part in known if name in steps and part.get("models") == _models(name)}
        for name in wanted:
            results[name] = steps[name]() | {"models": _models(name)}
            write_evaluation(path, results)
            print(json.dumps({k: v for k, v in results[name].items() if k != "rows"}, indent=1))
    except InputError as error:
        sys.exit(str(error))
    if options.table:
        print(table(results))


def _models(section: str) -> dict[str, str]:
    """Return the checksums of what a section measures."""
    return weights(_MEASURED.get(section, BUNDLES))


def _results(options: argparse.Namespace) -> Path:
    """Where the results go."""
    if options.cases == "train":
        return (options.bundles or CACHE) / "evaluation-train.json"
    return options.bundles / EVALUATION.name if options.bundles else EVALUATION


def _steps(options: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    """What measures each section; of training patients some have nothing to say."""
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "heads": lambda: evaluate_heads(options.cases, options.processes),
        "lesions": lambda: evaluate_lesions(options.cases, options.count, options.processes),
        "contrasts": lambda: evaluate_contrasts(options.cases, options.count, options.processes),
        "resolution": lambda: evaluate_resolution(options.cases, options.processes),
        "elsewhere": lambda: evaluate_elsewhere(options.cases, options.processes),
    }
    if options.cases == "test":
        steps |= {
            "others": lambda: evaluate_others(options.processes),
            "slices": evaluate_slices,
            "pair": lambda: evaluate_pair(options.processes),
            "real": lambda: evaluate_real(_results(options).parent, options.pictures),
        }
    return steps


if __name__ == "__main__":
    main()
