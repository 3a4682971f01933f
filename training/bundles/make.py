"""A bundle of a trained network: weights, graph, what it sees, where it comes from, and its card."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import SCHEMA, WEIGHTS, load_bundle, sha256
from ONFHAssistLib.models.networks import build_network
from training.bundles.card import model_card
from training.bundles.graph import check_graph, export_graph
from training.bundles.replacing import replacing
from training.learning.config import Config
from training.learning.curated import fine_tuned

if TYPE_CHECKING:
    import torch

#: Where MONAI looks for a schema unless it is given a local one.
MONAI_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)

LICENCE = """{copyright}
SPDX-License-Identifier: {licence}

Licensed under the Apache License, Version 2.0: you may not use these files except in compliance with the License,
which is at https://www.apache.org/licenses/LICENSE-2.0 and in the LICENSE file of ONFHAssist. Unless required by
applicable law or agreed to in writing, they are distributed on an "AS IS" basis, without warranties or conditions of
any kind, either express or implied. For research use; not a medical device.
"""


def candidate(
    folder: Path, checkpoint: Path, config: Config, metadata: dict[str, Any], card: dict[str, Any], key: str
) -> None:
    """Make the bundle of a run of ``training.train``.

    Args:
        folder: the bundle's folder, named after the model.
        checkpoint: of the run.
        config: that it was trained with.
        metadata: card data without its ``card``, see ``training.make_bundle``; changed in place.
        card: that ``card``; changed in place.
        key: where in the checkpoint the weights are; "" for itself.

    Raises:
        InputError: the checkpoint holds no such weights, or see ``make_bundle``.
        KeyError: the card data lacks something.
    """
    fine_tuned(metadata, card, config)
    metadata["network_data_format"] = network_data_format(
        config.network["spatial_dims"],
        metadata.pop("inputs"),
        metadata.pop("outputs"),
        metadata.pop("input_format", "magnitude"),
        metadata.pop("output_format", "segmentation"),
        metadata.pop("multiple", 16),
        config.network.get("img_size"),
    )
    metadata["onfh_assist"] |= input_of(config)
    weights = read_checkpoint(checkpoint, key)
    make_bundle(folder, weights, config.network, metadata, model_card(metadata, card))


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

    with replacing(folder) as new:
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
        write_json(new / "configs/metadata.json", versions | metadata | {"onfh_assist": own})
        write_json(new / "configs/inference.json", {"bundle_root": ".", "network_def": network_def})
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


def _add_graph(network: "torch.nn.Module", network_def: dict[str, Any], new: Path) -> None:
    """Export the graph into a bundle, write the checksums, and check that it gives what torch gives."""
    export_graph(network, network_def, new / "models/model.xml")
    metadata = json.loads((new / "configs/metadata.json").read_text(encoding="utf-8"))
    metadata["onfh_assist"]["sha256"] = {path.name: sha256(path) for path in sorted((new / "models").iterdir())}
    write_json(new / "configs/metadata.json", metadata)
    check_graph(network, new)


def network_data_format(
    spatial_dims: int,
    inputs: list[str],
    outputs: list[str],
    input_format: str = "magnitude",
    output_format: str = "segmentation",
    multiple: int = 16,
    size: list[int] | None = None,
) -> dict[str, Any]:
    """Return MONAI's ``network_data_format`` for one image in and one prediction out.

    Args:
        spatial_dims: 2 or 3.
        inputs: what each input channel holds.
        outputs: what each output channel holds.
        input_format: MONAI's word for the input, such as "magnitude" (MRI) or "hounsfield" (CT).
        output_format: MONAI's word for the output, such as "segmentation" or "probabilities".
        multiple: every size must be a multiple of this: 2 to the number of poolings.
        size: the only one that the network takes; None: any such multiple.
    """

    def tensor(channels: list[str], kind: str) -> dict[str, Any]:
        return {
            "type": "image",
            "format": kind,
            "num_channels": len(channels),
            "spatial_shape": [str(n) for n in size] if size else [f"{multiple}*n"] * spatial_dims,
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

    from training.learning.checkpoint import load_checkpoint

    content = load_checkpoint(path)
    weights = content.get(key) if key else content
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        found = ", ".join(map(str, list(content)[:6]))
        raise InputError(f"The checkpoint {path.name} has no weights at key {key!r} (it holds: {found}); give --key.")
    return weights


def input_of(config: Config) -> dict[str, Any]:
    """What the network was trained to see, under the names of the bundle's metadata."""
    patch = config.patch
    return {
        "pixel_mm": patch.pixel_mm,
        "size_px": [patch.size_px] * config.network["spatial_dims"] if patch.size_px else None,
        "neighbour_mm": patch.neighbour_mm,
        "sphere_mm": patch.sphere_mm,
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file of a bundle that is being made."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
