"""Checkpoints of a training, and where runs lie."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from ONFHAssistLib.core.errors import InputError
from training.real.data import ROOT

RUNS = ROOT / "training" / "runs"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically; it loads with ``weights_only=True``."""
    partial = path.with_suffix(".part")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint without running code from it; raises InputError where it is damaged or holds other objects."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"The checkpoint {path} cannot be read as plain weights; move it away.") from error
