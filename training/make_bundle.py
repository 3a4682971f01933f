"""Turn a trained checkpoint into a bundle: python -m training.make_bundle NAME --checkpoint PATH --card-data JSON.

The network and the pixel size come from the config that it was trained with. The card data is one JSON file::

    {"version": "0.1.0", "changelog": {"0.1.0": "First version."},
     "task": "...", "description": "...", "authors": "...", "copyright": "...",
     "inputs": ["slice before", "slice", "slice after"], "outputs": ["background", "femoral head", ...],
     "input_format": "magnitude", "output_format": "segmentation",
     "onfh_assist": {"modalities": ["T1"], "trained_on": "One sentence.", "licence": "Apache-2.0"},
     "card": {"title": "...", "use": "...", "data": ["..."], "figures": [["Dice", "5 studies", "0.93"]],
              "limits": ["..."]}}
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import SCHEMA, load_bundle, sha256
from ONFHAssistLib.models.engine import OpenVinoEngine, import_openvino
from ONFHAssistLib.models.networks import build_network

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

CARD = """# {title}

{use} For research use; not a medical device.

Version {version}, {copyright}, {licence}.

## Data

{data}

## Figures

| what | on | value |
|---|---|---|
{figures}

## Limits

{limits}

## Files

`models/model.safetensors` holds the weights in 16-bit floats, in place of the pickled `model.pt` of MONAI's bundle
specification: a safetensors file cannot run code when it is opened. `models/model.xml` and `model.bin` are the same
network as an OpenVINO graph, for the CPU without torch. `configs/inference.json` names the MONAI network. To check
the metadata offline, with `pip install 'monai[fire,jsonschema]'`:

    python -m monai.bundle verify_metadata --meta_file configs/metadata.json --filepath bundle-metadata.schema.json

where the schema is `Resources/Schemas/bundle-metadata.schema.json` of ONFHAssist.
"""


def make_bundle(
    folder: Path,
    state_dict: "dict[str, torch.Tensor]",
    network_def: dict[str, Any],
    metadata: dict[str, Any],
    card_markdown: str,
) -> None:
    """Write a bundle, check it, and put it in place in one step; an older one of that name is replaced.

    Args:
        folder: the bundle's folder, named after the model.
        state_dict: trained weights of the network; stored in 16-bit floats.
        network_def: see ``networks.build_network``.
        metadata: ``configs/metadata.json`` without what is filled in here: the versions of the libraries and, under
            ``onfh_assist``, ``schema`` and ``sha256``.
        card_markdown: text of ``docs/README.md``.

    Raises:
        InputError: weights do not fit the network or 16-bit floats, the metadata is not valid, or the exported graph
            does not give what torch gives (``MAX_DIFFERENCE``, ``MIN_DICE``). Nothing is written then.
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

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle-") as scratch:
        new = Path(scratch) / folder.name
        for part in ("configs", "models", "docs"):
            (new / part).mkdir(parents=True)
        # Contiguous clones: safetensors refuses tensors that share memory.
        save_file({name: value.cpu().contiguous() for name, value in half.items()}, new / "models/model.safetensors")
        _export_graph(network, network_def, new / "models/model.xml")
        own = metadata["onfh_assist"] | {
            "schema": SCHEMA,
            "sha256": {path.name: sha256(path) for path in sorted((new / "models").iterdir())},
        }
        versions = {
            "schema": MONAI_SCHEMA,
            "monai_version": monai.__version__,
            "pytorch_version": torch.__version__.split("+")[0],
            "numpy_version": numpy.__version__,
        }
        _write_json(new / "configs/metadata.json", versions | metadata | {"onfh_assist": own})
        _write_json(new / "configs/inference.json", {"bundle_root": ".", "network_def": network_def})
        licence = LICENCE.format(copyright=metadata["copyright"], licence=own["licence"])
        (new / "LICENSE").write_text(licence, encoding="utf-8")
        (new / "docs/README.md").write_text(card_markdown, encoding="utf-8")
        check_graph(network, new)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)


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


def model_card(metadata: dict[str, Any], card: dict[str, Any]) -> str:
    """Return the model card as Markdown.

    Args:
        metadata: version, copyright and licence are taken from it.
        card: title; use (a sentence); data and limits (sentences); figures (rows of what, on, value).
    """
    return CARD.format(
        title=card["title"],
        use=card["use"],
        version=metadata["version"],
        copyright=metadata["copyright"],
        licence=metadata["onfh_assist"]["licence"],
        data="\n".join(f"- {line}" for line in card["data"]),
        figures="\n".join(f"| {' | '.join(map(str, row))} |" for row in card["figures"]),
        limits="\n".join(f"- {line}" for line in card["limits"]),
    )


def read_checkpoint(path: Path, key: str | None = None) -> "dict[str, torch.Tensor]":
    """Read the weights of a checkpoint without running code from it.

    Args:
        path: written by ``torch.save``: a state dict, or a dict that holds one.
        key: where in that dict the weights are; None for a plain state dict.

    Raises:
        InputError: not a checkpoint, it holds other objects than tensors and plain values, or nothing under ``key``.
    """
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"The checkpoint {path.name} cannot be read as plain weights; save a state dict.") from error
    weights = content.get(key) if key else content
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        found = ", ".join(map(str, list(content)[:6]))
        raise InputError(f"The checkpoint {path.name} has no weights at key {key!r} (it holds: {found}); give --key.")
    return weights


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.make_bundle", description=__doc__.splitlines()[0])
    parser.add_argument("name", help="name of the bundle's folder")
    parser.add_argument("--checkpoint", type=Path, required=True, help="written by training.train")
    parser.add_argument(
        "--key", default="average_network", help="where in the checkpoint the weights are; '' for itself"
    )
    parser.add_argument("--config", type=Path, help="training config (default: config.yaml beside the checkpoint)")
    parser.add_argument("--card-data", type=Path, required=True, help="JSON, see the top of this file")
    parser.add_argument("--out", type=Path, default=Path("Resources/Bundles"), help="folder of the bundles")
    options = parser.parse_args()
    folder = options.out / options.name
    try:
        config = _read_config(options.config or options.checkpoint.with_name("config.yaml"))
        data = json.loads(options.card_data.read_text(encoding="utf-8"))
        card = model_card(data, data.pop("card"))
        data["network_data_format"] = network_data_format(
            config["network"]["spatial_dims"],
            data.pop("inputs"),
            data.pop("outputs"),
            data.pop("input_format", "magnitude"),
            data.pop("output_format", "segmentation"),
        )
        data["onfh_assist"] |= _input_of(config)
        make_bundle(folder, read_checkpoint(options.checkpoint, options.key), config["network"], data, card)
    except KeyError as error:
        parser.exit(2, f"The card data or the training config lacks {error}; see the top of make_bundle.py.\n")
    except (InputError, OSError, json.JSONDecodeError) as error:
        parser.exit(2, f"{error}\n")
    print(f"{folder}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.2f} MB")


def _read_config(path: Path) -> dict[str, Any]:
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


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
