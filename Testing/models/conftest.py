"""Throwaway bundles with random weights; nothing random is shipped in Resources."""

import json
from pathlib import Path

import numpy as np
import pytest

from ONFHAssistLib.models.bundle import SCHEMA, sha256
from ONFHAssistLib.models.engine import import_openvino

NETWORKS = {
    2: {
        "_target_": "monai.networks.nets.BasicUNet",
        "spatial_dims": 2,
        "in_channels": 3,
        "out_channels": 4,
        "features": [8, 8, 16, 16, 16, 8],
    },
    3: {
        "_target_": "monai.networks.nets.BasicUNet",
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 2,
        "features": [4, 4, 8, 8, 8, 4],
    },
}


def metadata_of(network_def: dict) -> dict:
    """Return complete metadata but for the checksums."""
    dims = network_def["spatial_dims"]

    def tensor(channels: int) -> dict:
        return {
            "type": "image",
            "format": "magnitude",
            "num_channels": channels,
            "spatial_shape": ["16*n"] * dims,
            "dtype": "float32",
            "value_range": [],
            "channel_def": {str(index): f"channel {index}" for index in range(channels)},
        }

    return {
        "schema": "https://example.org/schema.json",
        "version": "0.1.0",
        "changelog": {"0.1.0": "First."},
        "monai_version": "1.6.1",
        "pytorch_version": "2.13.0",
        "numpy_version": "2.4.6",
        "task": "Test",
        "description": "Random weights.",
        "authors": "The authors",
        "copyright": "Copyright 2026 the authors",
        "network_data_format": {
            "inputs": {"image": tensor(network_def["in_channels"])},
            "outputs": {"pred": tensor(network_def["out_channels"])},
        },
        "onfh_assist": {
            "schema": SCHEMA,
            "pixel_mm": 0.9,
            "size_px": [32] * dims,
            "neighbour_mm": None,
            "modalities": ["T1"],
            "trained_on": "Nothing.",
            "licence": "Apache-2.0",
        },
    }


def graph_of(network_def: dict):
    """Return an OpenVINO graph of one convolution with a known result: channel c gives (c + 1) × the input's sum."""
    openvino = import_openvino()
    from openvino import opset13 as ops

    dims, channels, out = (network_def[key] for key in ("spatial_dims", "in_channels", "out_channels"))
    image = ops.parameter(openvino.PartialShape([-1, channels, *[-1] * dims]), np.float32, name="image")
    kernel = np.ones((out, channels, *[1] * dims), np.float32)
    kernel *= np.arange(1, out + 1, dtype=np.float32).reshape(-1, *[1] * (dims + 1))
    ones, zeros = [1] * dims, [0] * dims
    return openvino.Model([ops.convolution(image, ops.constant(kernel), ones, zeros, zeros, ones)], [image], "sums")


@pytest.fixture(scope="session")
def write_bundle():
    """Return a function that writes a bundle without torch, and its folder."""
    from safetensors.numpy import save_file

    def write(folder: Path, dims: int = 2) -> Path:
        network_def = NETWORKS[dims]
        for part in ("configs", "models", "docs"):
            (folder / part).mkdir(parents=True)
        save_file({"weight": np.ones(4, np.float16)}, folder / "models/model.safetensors")
        import_openvino().save_model(graph_of(network_def), folder / "models/model.xml", compress_to_fp16=True)
        metadata = metadata_of(network_def)
        metadata["onfh_assist"]["sha256"] = {path.name: sha256(path) for path in (folder / "models").iterdir()}
        (folder / "configs/metadata.json").write_text(json.dumps(metadata))
        (folder / "configs/inference.json").write_text(json.dumps({"network_def": network_def}))
        (folder / "docs/README.md").write_text("# Sums")
        (folder / "LICENSE").write_text("Apache-2.0")
        return folder

    return write


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def dims(request) -> int:
    return request.param


@pytest.fixture
def bundle_folder(write_bundle, tmp_path) -> Path:
    return write_bundle(tmp_path / "sums")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return, for 2D and 3D, a bundle's folder made from a random network, and that network's state dict."""
    torch = pytest.importorskip("torch", reason="torch is not installed: bundles are made with the train extra")
    pytest.importorskip("monai", reason="MONAI is not installed: bundles are made with the train extra")
    from ONFHAssistLib.models.networks import build_network
    from training.bundles.make import make_bundle

    made = {}
    for dims, network_def in NETWORKS.items():
        torch.manual_seed(dims)
        weights = build_network(network_def).state_dict()
        folder = tmp_path_factory.mktemp("bundles") / f"random_{dims}d"
        make_bundle(folder, weights, network_def, metadata_of(network_def), "# Random")
        made[dims] = folder, weights
    return made
