"""Show where the limits of the head check have to lie: ``python -m training.head_check``.

Prints what the network of ``training/runs/head_check`` says of the patients that it did not learn from: the heads with
the lowest probability and the other places with the highest, between which the limits have to lie.
"""

import argparse

import numpy as np
import torch

from ONFHAssistLib.models.networks import build_network
from training.learning.checkpoint import RUNS, load_checkpoint
from training.learning.config import read_config
from training.learning.head_check import POSED, held_out_probabilities, read_places


def main() -> None:
    """Print both sides of the limits, on the places held out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    folder = RUNS / "head_check"
    config = read_config(folder / "config.yaml")
    network = build_network(config.network)
    network.load_state_dict(load_checkpoint(folder / "best.pt")["average_network"])
    held = [p for p in read_places(config) if p.held_out]
    patch = config.patch
    found = held_out_probabilities(network.eval(), held, patch.side_px, patch.pixel_mm, torch.device("cpu"))
    heads = np.array([p.kind == POSED for p in held])
    for real in (True, False):
        own = np.array([p.real == real for p in held])
        print(f"{'real' if real else 'procedural'}: {(heads & own).sum()} heads, {(~heads & own).sum()} other places")
        print("  lowest of the heads:", np.round(np.sort(found[heads & own])[:12], 3))
        print("  highest of the others:", np.round(np.sort(found[~heads & own])[::-1][:12], 3))


if __name__ == "__main__":
    main()
