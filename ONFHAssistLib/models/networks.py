"""From a bundle's network definition to a network of MONAI or our own; only those named here can be built."""

import importlib
from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.errors import InputError

if TYPE_CHECKING:
    import torch

#: The extra is part of the project, not of a package index.
INSTALL_TORCH = ".venv/bin/python -m pip install -e '.[train]' in the project's folder"

#: A definition is data from a file: these classes and no others are looked up, each with its own arguments.
ALLOWED_TARGETS = (
    "monai.networks.nets.BasicUNet",
    "monai.networks.nets.DynUNet",
    "monai.networks.nets.UNet",
    "monai.networks.nets.DenseNet121",
    "monai.networks.nets.SwinUNETR",
    "ONFHAssistLib.models.class_map.ClassMapResNet",
    "ONFHAssistLib.models.class_map.ClassMapViT",
)


def build_network(definition: dict[str, Any]) -> "torch.nn.Module":
    """Build the network that ``definition`` (``network_def`` of a bundle's ``inference.json``) describes.

    Args:
        definition: ``{"_target_": "monai.networks.nets.BasicUNet", "spatial_dims": 2, ...}``: the class and its
            keyword arguments, as MONAI's bundle parser reads them; plain values only.

    Returns:
        The network in training mode, with random weights.

    Raises:
        InputError: the class is not in ``ALLOWED_TARGETS``, its arguments do not fit, or torch and MONAI are missing.
    """
    arguments = dict(definition)
    target = arguments.pop("_target_", None)
    if target not in ALLOWED_TARGETS:
        names = ", ".join(name.rsplit(".", 1)[1] for name in ALLOWED_TARGETS)
        raise InputError(f"The network {target!r} is not one that this version builds ({names}); check network_def.")
    module, name = target.rsplit(".", 1)
    try:
        kind = getattr(importlib.import_module(module), name)
    except ImportError:
        raise InputError(
            f"Building a network needs torch and MONAI, which are not installed: run {INSTALL_TORCH}."
        ) from None
    try:
        return kind(**arguments)
    except (TypeError, ValueError, AssertionError, NotImplementedError, LookupError, RuntimeError) as error:
        raise InputError(f"The arguments of {target} do not fit ({error}); check network_def.") from error
