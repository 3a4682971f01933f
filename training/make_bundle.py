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
              "figures": [which of the evaluation: see training/card.py]}}
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.models.bundle import SCHEMA, WEIGHTS, load_bundle, sha256
from ONFHAssistLib.models.engine import OpenVinoEngine, import_openvino
from ONFHAssistLib.models.networks import build_network
from ONFHAssistLib.models.places import PREVIOUS, in_place
from training.card import figures_of, model_card, read_evaluation, worse
from training.config import read_config
from training.curated import fine_tuned
from training.data import ROOT

if TYPE_CHECKING:
    import numpy as np
    import torch

#: Where MONAI looks for a schema unless it is given a local one.
MONAI_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)

#: The exported graph must give what torch gives: largest difference of a logit, as a part of the largest logit (or of
#: 1, if that is more), and smallest Dice of a class.
MAX_DIFFERENCE = 1e-3
MIN_DICE = 0.999

LICENCE = """{copyright}
SPDX-License-Identifier: {licence}

Licensed under the Apache License, Version 2.0: you may not use these files except in compliance with the License,
which is at https://www.apache.org/licenses/LICENSE-2.0 and in the LICENSE file of ONFHAssist. Unless required by
applicable law or agreed to in writing, they are distributed on an "AS IS" basis, without warranties or conditions of
any kind, either express or implied. For research use; not a medical device.
"""

BUNDLES = ROOT / "Resources" / "Bundles"
CANDIDATES = ROOT / "training" / "candidates"
CARDS = ROOT / "training" / "cards"
EVALUATION = ROOT / "docs" / "evaluation.json"


def make_bundle(
    folder: Path,
    state_dict: "dict[str, torch.Tensor]",
    network_def: dict[str, Any],
    metadata: dict[str, Any],
    card_markdown: str,
    allow_worse: bool = False,
) -> None:
    """Write a bundle, check it, and put it in place in one step; an older one of that name is replaced.

    Args:
        folder: the bundle's folder, named after the model.
        state_dict: trained weights of the network; stored in 16-bit floats.
        network_def: see ``networks.build_network``.
        metadata: ``configs/metadata.json`` without what is filled in here: the versions of the libraries and, under
            ``onfh_assist``, ``schema`` and ``sha256``.
        card_markdown: text of ``docs/README.md``.
        allow_worse: see ``replacing``.

    Raises:
        InputError: weights do not fit the network or 16-bit floats, the metadata is not valid, the exported graph
            does not give what torch gives (``MAX_DIFFERENCE``, ``MIN_DICE``), or see ``replacing``. Nothing is written
            then.
    """
    import monai
    import numpy
    import torch
    from safetensors.torch import save_file

    half = {name: value.half() if value.is_floating_point() else value for name, value in state_dict.items()}
    if not all(value.isfinite().all() for value in half.values()):
        raise InputError(f"The weights of {folder.name} do not fit 16-bit floats; train with weight decay.")
    network = build_network(network_def)
    try:
        network.load_state_dict({name: value.cpu() for name, value in half.items()})
    except RuntimeError as error:
        raise InputError(f"The checkpoint does not hold the weights of network_def ({error}).") from error
    network = network.float().eval()

    with replacing(folder, allow_worse) as new:
        for part in ("configs", "models", "docs"):
            (new / part).mkdir(parents=True)
        # Contiguous clones: safetensors refuses tensors that share memory.
        save_file({name: value.cpu().contiguous() for name, value in half.items()}, new / WEIGHTS)
        versions = {
            "schema": MONAI_SCHEMA,
            "monai_version": monai.__version__,
            "pytorch_version": torch.__version__.split("+")[0],
            "numpy_version": numpy.__version__,
        }
        own = metadata["onfh_assist"] | {"schema": SCHEMA}
        _write_json(new / "configs/metadata.json", versions | metadata | {"onfh_assist": own})
        _write_json(new / "configs/inference.json", {"bundle_root": ".", "network_def": network_def})
        licence = LICENCE.format(copyright=metadata["copyright"], licence=own["licence"])
        (new / "LICENSE").write_text(licence, encoding="utf-8")
        (new / "docs/README.md").write_text(card_markdown, encoding="utf-8")
        _add_graph(network, network_def, new)


def export(folder: Path) -> None:
    """Make the graph of a bundle again from its weights; the older graph may be missing or damaged.

    Raises:
        InputError: the bundle is not whole apart from its graph, or the new graph does not give what torch gives;
            nothing is changed then.
    """
    from safetensors.torch import load_file

    bundle = load_bundle(folder, graph=False)
    network = build_network(bundle.network_def)
    try:
        network.load_state_dict(load_file(bundle.folder / WEIGHTS))
    except RuntimeError as error:
        raise InputError(f"The weights of the model {bundle.name} do not fit its network; install it again.") from error
    with replacing(folder, allow_worse=True) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
        _add_graph(network.float().eval(), bundle.network_def, new)


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
            _refuse_worse(bundles / name, figures[name])
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
        text = json.dumps(read_evaluation(evaluation) | of_these, indent=1, ensure_ascii=False)
        replace_file(evaluation, f"{text}\n".encode())


def weights_in(bundles: Path, names: list[str] | None = None) -> dict[str, str]:
    """Return the SHA-256 of the weights of bundles, by their names; of these, or of all in the folder."""
    if names is None:
        folders = bundles.iterdir() if bundles.is_dir() else ()
        names = sorted({path.name.removesuffix(PREVIOUS) for path in folders if (path / WEIGHTS).is_file()})
    return {name: sha256(in_place(bundles / name) / WEIGHTS) for name in names}


@contextmanager
def replacing(folder: Path, allow_worse: bool = False) -> Iterator[Path]:
    """Give an empty folder to write a bundle into; at the end it takes the place of ``folder`` in one step.

    Until the new bundle is whole the old one stays in its place. Between the two renames of the replacement it lies
    beside it as ``NAME.previous``, where ``load_bundle`` finds it, and the next replacement puts it back; so it is
    usable whatever interrupts this, and whenever.

    Raises:
        InputError: what was written is not a whole bundle, or falls below the one in place unless ``allow_worse``.
    """
    scratch = folder.with_name(f".{folder.name}.new")
    _recover(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    new = scratch / folder.name
    new.mkdir(parents=True)
    try:
        yield new
        figures = load_bundle(new).metadata["onfh_assist"].get("figures", {})
        if not allow_worse:
            _refuse_worse(folder, figures)
        if folder.exists():
            folder.rename(folder.with_name(folder.name + PREVIOUS))
        new.rename(folder)
    finally:
        _recover(folder)
        shutil.rmtree(scratch, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Clear up after a replacement: the older bundle goes, or back to its place where the newer one is not there."""
    previous = folder.with_name(folder.name + PREVIOUS)
    if previous.is_dir() and not folder.exists():
        previous.rename(folder)
    shutil.rmtree(previous, ignore_errors=True)


def _refuse_worse(folder: Path, figures: dict[str, dict[str, Any]]) -> None:
    """Raise InputError where the bundle in place has better figures; one that cannot be read has none."""
    try:
        before = load_bundle(folder, graph=False).metadata["onfh_assist"].get("figures", {})
    except InputError:
        return
    if found := worse(before, figures):
        raise InputError(f"The new {folder.name} falls below the one in place: {'; '.join(found)}. Give --allow-worse.")


def _add_graph(network: "torch.nn.Module", network_def: dict[str, Any], new: Path) -> None:
    """Export the graph into a bundle, write the checksums, and check that it gives what torch gives."""
    _export_graph(network, network_def, new / "models/model.xml")
    metadata = json.loads((new / "configs/metadata.json").read_text(encoding="utf-8"))
    metadata["onfh_assist"]["sha256"] = {path.name: sha256(path) for path in sorted((new / "models").iterdir())}
    _write_json(new / "configs/metadata.json", metadata)
    check_graph(network, new)


def _add_figures(new: Path, card: dict[str, Any], figures: dict[str, dict[str, Any]]) -> None:
    metadata = json.loads((new / "configs/metadata.json").read_text(encoding="utf-8"))
    metadata["onfh_assist"]["figures"] = figures
    _write_json(new / "configs/metadata.json", metadata)
    (new / "docs/README.md").write_text(model_card(metadata, card), encoding="utf-8")


def check_graph(network: "torch.nn.Module", folder: Path) -> tuple[float, float]:
    """Compare the exported graph of a bundle with torch on random input of two sizes.

    Returns:
        Largest difference of a logit relative to the largest logit (at least 1), and smallest Dice of a class.

    Raises:
        InputError: they differ by more than ``MAX_DIFFERENCE`` or agree less than ``MIN_DICE``.
    """
    import numpy as np
    import torch

    bundle = load_bundle(folder)
    engine = OpenVinoEngine(bundle)
    random = np.random.default_rng(0)
    difference, dice = 0.0, 1.0
    for count in (2, 3):
        shape = (count, bundle.in_channels, *(multiple * (count + 1) for multiple in bundle.size_multiples))
        batch = random.normal(size=shape).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)).numpy()
        result = engine(batch)
        scale = max(1.0, float(np.abs(expected).max()))
        difference = max(difference, float(np.abs(result - expected).max()) / scale)
        ours, theirs = _decide(result), _decide(expected)
        for label in np.unique(theirs):
            overlap = (
                2 * np.sum((ours == label) & (theirs == label)) / (np.sum(ours == label) + np.sum(theirs == label))
            )
            dice = min(dice, float(overlap))
    if not (difference < MAX_DIFFERENCE and dice >= MIN_DICE):
        raise InputError(
            f"The exported graph of {folder.name} does not give what torch gives "
            f"(largest relative difference {difference:.2g}, smallest Dice {dice:.4f})."
        )
    return difference, dice


def network_data_format(
    spatial_dims: int,
    inputs: list[str],
    outputs: list[str],
    input_format: str = "magnitude",
    output_format: str = "segmentation",
    multiple: int = 16,
) -> dict[str, Any]:
    """Return MONAI's ``network_data_format`` for one image in and one prediction out.

    Args:
        spatial_dims: 2 or 3.
        inputs: what each input channel holds.
        outputs: what each output channel holds.
        input_format: MONAI's word for the input, such as "magnitude" (MRI) or "hounsfield" (CT).
        output_format: MONAI's word for the output, such as "segmentation" or "probabilities".
        multiple: every size must be a multiple of this: 2 to the number of poolings.
    """

    def tensor(channels: list[str], kind: str) -> dict[str, Any]:
        return {
            "type": "image",
            "format": kind,
            "num_channels": len(channels),
            "spatial_shape": [f"{multiple}*n"] * spatial_dims,
            "dtype": "float32",
            "value_range": [],
            "is_patch_data": False,
            "channel_def": {str(index): name for index, name in enumerate(channels)},
        }

    return {"inputs": {"image": tensor(inputs, input_format)}, "outputs": {"pred": tensor(outputs, output_format)}}


def read_checkpoint(path: Path, key: str | None = None) -> "dict[str, torch.Tensor]":
    """Read the weights of a checkpoint without running code from it.

    Args:
        path: written by ``torch.save``: a state dict, or a dict that holds one.
        key: where in that dict the weights are; None for a plain state dict.

    Raises:
        InputError: not a checkpoint, it holds other objects than tensors and plain values, or nothing under ``key``.
    """
    import torch

    from training.train import load_checkpoint

    content = load_checkpoint(path)
    weights = content.get(key) if key else content
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        found = ", ".join(map(str, list(content)[:6]))
        raise InputError(f"The checkpoint {path.name} has no weights at key {key!r} (it holds: {found}); give --key.")
    return weights


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
        metadata = data[name]
        fine_tuned(metadata, cards[name], config)
        metadata["network_data_format"] = network_data_format(
            config["network"]["spatial_dims"],
            metadata.pop("inputs"),
            metadata.pop("outputs"),
            metadata.pop("input_format", "magnitude"),
            metadata.pop("output_format", "segmentation"),
        )
        metadata["onfh_assist"] |= _input_of(config)
        weights = read_checkpoint(options.checkpoint, options.key)
        make_bundle(place / name, weights, config["network"], metadata, model_card(metadata, cards[name]))
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


def _input_of(config: dict[str, Any]) -> dict[str, Any]:
    """What the network was trained to see, under the names of the bundle's metadata."""
    patch = config["patch"]
    size_px = patch.get("size_px")
    return {
        "pixel_mm": patch["pixel_mm"],
        "size_px": size_px and [size_px] * config["network"]["spatial_dims"],
        "neighbour_mm": patch.get("neighbour_mm"),
        "sphere_mm": patch.get("sphere_mm"),
    }


def _decide(logits: "np.ndarray") -> "np.ndarray":
    """The class of each pixel: the arg max, or the sign where there is one channel."""
    return logits.argmax(1) if logits.shape[1] > 1 else logits[:, 0] > 0


def _export_graph(network: "torch.nn.Module", network_def: dict[str, Any], path: Path) -> None:
    """Write the network as OpenVINO graph with 16-bit weights; batch and spatial sizes stay free."""
    import torch

    openvino = import_openvino()
    dims, channels = network_def["spatial_dims"], network_def["in_channels"]
    shape = openvino.PartialShape([-1, channels, *[-1] * dims])
    example = torch.zeros(2, channels, *[32] * dims)
    graph = openvino.convert_model(network, example_input=example, input=[shape])
    # By themselves these names hold running numbers, and the checksum would differ each time.
    graph.set_friendly_name("network")
    graph.get_parameters()[0].set_friendly_name("image")
    graph.get_results()[0].set_friendly_name("pred")
    openvino.save_model(graph, path, compress_to_fp16=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
