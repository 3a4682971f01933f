"""Make the probabilities of a trained S-JIC network true, on the validation patients::

    python -m training.jic_coronal.calibrate training/runs/jic_coronal/best.pt

One number divides all logits (temperature scaling: Guo et al., ICML 2017). It goes into the weights of the last layer,
so that the maps that the network gives still sum to its logits; the result lies beside the checkpoint, as
``calibrated.pt``. What the probabilities are worth is printed by bins.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.networks import build_network
from training.jic_coronal.slices import VALIDATION, read_slices
from training.jic_coronal.task import logits, plain
from training.learning.checkpoint import load_checkpoint, save_checkpoint
from training.learning.config import read_config

BINS = (0.0, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0)


def temperature_of(values: np.ndarray, classes: np.ndarray) -> float:
    """Return what divides logits (n, classes) so that the true classes (n,) are likeliest."""

    def cost(log_temperature: float) -> float:
        chances = log_softmax(values / np.exp(log_temperature), axis=1)
        return -float(chances[np.arange(len(classes)), classes].mean())

    return float(np.exp(minimize_scalar(cost, bounds=(-2.0, 2.0), method="bounded").x))


def reliability(values: np.ndarray, classes: np.ndarray) -> list[dict[str, float]]:
    """Return for each of BINS of the highest probability how many lie in it, their mean, and how many are right."""
    chances = softmax(values, axis=1)
    top, right = chances.max(axis=1), chances.argmax(axis=1) == classes
    rows = []
    for low, high in pairwise(BINS):
        inside = (top >= low) & (top < high if high < 1 else top <= 1)
        if inside.any():
            rows.append(
                {"from": low, "to": high, "n": int(inside.sum()), "said": float(top[inside].mean()),
                 "right": float(right[inside].mean())}
            )  # fmt: skip
    return rows


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.jic_coronal.calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="of training.train")
    options = parser.parse_args()
    try:
        config = read_config(options.checkpoint.with_name("config.yaml"))
        state = load_checkpoint(options.checkpoint)
        images, classes = plain(read_slices(config).of(VALIDATION), config.patch.side_px)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    weights = state["average_network"]
    network = build_network(config.network).eval()
    network.load_state_dict(weights)
    values = logits(network, images, torch.device("cpu"))
    temperature = temperature_of(values, classes)
    print(f"temperature {temperature:.3f}; of {len(classes)} slices of the validation patients:")
    for row in reliability(values / temperature, classes):
        print(
            f"{row['from']:.2f}-{row['to']:.2f}: {row['n']:4d} slices, said {row['said']:.2f}, right {row['right']:.2f}"
        )
    scaled = {name: value / temperature if name.startswith("classes.") else value for name, value in weights.items()}
    save_checkpoint(
        options.checkpoint.with_name("calibrated.pt"), {"average_network": scaled, "temperature": temperature}
    )


if __name__ == "__main__":
    main()
