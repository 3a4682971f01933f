"""Make the bundle of a trained network, measure it, and only then put it in the place of the older one::

    python -m training.make_bundle NAME --checkpoint training/runs/NAME/best.pt   # into training/candidates
    python -m training.calibrate --bundles training/candidates                    # of a necrosis network: its interval
    python -m training.evaluate all --bundles training/candidates                 # with the installed others
    python -m training.make_bundle NAME --install                                 # into Resources/Bundles

A new bundle is a candidate: its card says that it has not been evaluated. ``--install`` writes card and figures from
``training/candidates/evaluation.json``, if that was measured with these very weights (and with the other bundles as
they will be installed: give several names to install candidates together), refuses a bundle that has no figures or
falls below the one it would replace unless ``--allow-worse`` is given, and adds the evaluation to
``docs/evaluation.json``.

    python -m training.make_bundle NAME --card      # card and figures of an installed bundle, from docs/evaluation.json
    python -m training.make_bundle NAME --export    # its graph again, from its weights

Each of these changes a bundle in one step; whatever interrupts it, the older one stays usable
(``ONFHAssistLib.models.bundle``).

A network that was trained on with a data set (``--data`` of ``training.train``) tells in its metadata and card what it
has learned from, and gets the next version. It is measured and installed for a user's own use by::

    python -m training.make_bundle necrosis --checkpoint training/runs/finetune_necrosis/best.pt
    python -m training.calibrate --data DIR --bundles training/candidates         # its interval, by the fold kept out
    python -m training.compare necrosis training/candidates/necrosis --data DIR   # with the one in use
    onfh-assist models install training/candidates/necrosis --use

The network and what it sees come from the config that it was trained with. The card data is one JSON file
(``training/cards/NAME.json``)::

    {"version": "0.1.0", "changelog": {"0.1.0": "First version."},
     "task": "...", "description": "...", "authors": "...", "copyright": "...",
     "inputs": ["slice before", "slice", "slice after"], "outputs": ["background", "femoral head", ...],
     "input_format": "magnitude", "output_format": "segmentation",
     "onfh_assist": {"modalities": ["T1"], "trained_on": "One sentence.", "licence": "Apache-2.0"},
     "card": {"title": "...", "use": "...", "data": ["..."], "limits": ["..."],
              "figures": [which of the evaluation: see training/bundles/card.py]}}
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from training.bundles.card import read_evaluation
from training.bundles.install import BUNDLES, CANDIDATES, CARDS, EVALUATION, install, weights_in, write_card
from training.bundles.make import candidate, export
from training.learning.config import read_config


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.make_bundle",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="name of the bundle's folder")
    parser.add_argument("--checkpoint", type=Path, help="make a candidate of this; written by training.train")
    parser.add_argument(
        "--key", default="average_network", help="where in the checkpoint the weights are; '' for itself"
    )
    parser.add_argument("--config", type=Path, help="training config (default: config.yaml beside the checkpoint)")
    parser.add_argument("--card-data", type=Path, help="JSON, see above (default: training/cards/NAME.json)")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--install", action="store_true", help="put the candidates in place")
    action.add_argument("--card", action="store_true", help="write card and figures of installed bundles")
    action.add_argument("--export", action="store_true", help="make the graph of installed bundles again")
    parser.add_argument("--allow-worse", action="store_true", help="install without figures too, or with worse ones")
    parser.add_argument("--candidates", type=Path, default=CANDIDATES, help="folder of the candidates")
    parser.add_argument("--bundles", type=Path, default=BUNDLES, help="folder of the installed bundles")
    parser.add_argument("--evaluation", type=Path, default=EVALUATION, help="that of the installed bundles")
    options = parser.parse_args()
    if not (options.checkpoint or options.install or options.card or options.export):
        parser.error("say what to do: --checkpoint, --install, --card or --export")
    if len(options.names) > 1 and (options.checkpoint or options.card_data):
        parser.error("a checkpoint and card data are of one network; give one NAME")
    try:
        folders = _run(options)
    except KeyError as error:
        parser.exit(2, f"The card data lacks {error}; see the top of make_bundle.py.\n")
    except (InputError, OSError) as error:
        parser.exit(2, f"{error}\n")
    for folder in folders:
        print(f"{folder}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.2f} MB")


def _run(options: argparse.Namespace) -> list[Path]:
    """Do what the command line says and return the folders that were written."""
    names, place = options.names, options.bundles
    if options.export:
        for name in names:
            export(place / name)
        return [place / name for name in names]
    data = {name: _read_card_data(options.card_data or CARDS / f"{name}.json") for name in names}
    cards = {name: data[name].pop("card") for name in names}
    if options.checkpoint:
        (name,), place = names, options.candidates
        config = read_config(options.config or options.checkpoint.with_name("config.yaml"))
        candidate(place / name, options.checkpoint, config, data[name], cards[name], options.key)
    if options.install:
        place = options.bundles
        install(names, cards, options.candidates, place, options.evaluation, options.allow_worse)
    if options.card:
        evaluation, checksums = read_evaluation(options.evaluation), weights_in(place)
        for name in names:
            write_card(place / name, cards[name], evaluation, checksums)
    return [place / name for name in names]


def _read_card_data(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"There is no card data at {path}; write it (see the top of make_bundle.py) or give --card-data."
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"The card data {path} is not readable JSON ({error}).") from None


if __name__ == "__main__":
    main()
