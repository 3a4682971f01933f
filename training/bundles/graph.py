"""The OpenVINO graph of a network: exported, and checked to give what torch gives."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import OpenVinoEngine, import_openvino

if TYPE_CHECKING:
    import numpy as np
    import torch

#: The exported graph must give what torch gives: largest difference of a logit, as a part of the largest logit (or of
#: 1, if that is more), and smallest Dice of a class.
MAX_DIFFERENCE = 1e-3
MIN_DICE = 0.999


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
        times = 1 if bundle.one_size else count + 1
        shape = (count, bundle.in_channels, *(multiple * times for multiple in bundle.size_multiples))
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


def _decide(logits: "np.ndarray") -> "np.ndarray":
    """The class of each pixel: the arg max, or the sign where there is one channel."""
    return logits.argmax(1) if logits.shape[1] > 1 else logits[:, 0] > 0


def export_graph(network: "torch.nn.Module", network_def: dict[str, Any], path: Path) -> None:
    """Write the network as OpenVINO graph with 16-bit weights; batch and spatial sizes stay free.

    A network that is built for one size (``img_size``) keeps it.
    """
    import torch

    openvino = import_openvino()
    dims, channels = network_def["spatial_dims"], network_def["in_channels"]
    size = network_def.get("img_size")
    shape = openvino.PartialShape([-1, channels, *(size or [-1] * dims)])
    example = torch.zeros(2, channels, *(size or [64] * dims))
    graph = openvino.convert_model(network, example_input=example, input=[shape])
    # By themselves these names hold running numbers, and the checksum would differ each time.
    graph.set_friendly_name("network")
    graph.get_parameters()[0].set_friendly_name("image")
    graph.get_results()[0].set_friendly_name("pred")
    openvino.save_model(graph, path, compress_to_fp16=True)
