"""Run a bundle's network: OpenVINO on the CPU without torch, torch and MONAI on an NVIDIA card."""

import sys
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import Bundle
from ONFHAssistLib.models.networks import INSTALL_TORCH, build_network

if TYPE_CHECKING:
    from types import ModuleType

DEVICES = ("auto", "cpu", "cuda")


class Engine(Protocol):
    """A network that is ready to run. Open it once and keep it; call it from one thread at a time.

    Attributes:
        name: program and version that runs the network.
        device: "cpu" or "cuda".
    """

    name: str
    device: str

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return float32 logits of shape (n, out_channels, *spatial).

        Args:
            batch: float32, shape (n, in_channels, *spatial); any n and any sizes that are multiples of
                ``bundle.size_multiples``.

        Raises:
            ValueError: the batch has another shape.
        """
        ...


def open_engine(bundle: Bundle, device: str = "auto", threads: int | None = None) -> Engine:
    """Load the network of ``bundle`` onto a device.

    Args:
        bundle: from ``load_bundle``.
        device: "cpu", "cuda", or "auto": cuda where torch, MONAI and a card are there, else cpu.
        threads: CPU threads of the network; None for as many as there are cores.

    Raises:
        InputError: unknown device, cuda asked for where there is none, or a network that its files do not fit.
    """
    if device not in DEVICES:
        raise InputError(f"The device {device!r} is not known; use one of {', '.join(DEVICES)}.")
    if device == "cuda" or (device == "auto" and _has_nvidia_driver()):
        obstacle = _cuda_obstacle()
        if obstacle is None:
            return TorchEngine(bundle, "cuda")
        if device == "cuda":
            raise InputError(f"The device cuda was asked for, but {obstacle}, or use the device cpu.")
    return OpenVinoEngine(bundle, threads)


class OpenVinoEngine:
    """The exported graph on the CPU, in 32-bit floats."""

    device = "cpu"

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Read and compile the graph; see ``open_engine``."""
        openvino = import_openvino()
        self.name = f"OpenVINO {openvino.__version__.split('-')[0]}"
        self._bundle = bundle
        core = openvino.Core()
        # A mapped file could not be replaced on Windows while the program runs.
        core.set_property({"ENABLE_MMAP": False})
        # By itself OpenVINO calculates in bf16 where the CPU can, which shifts logits by up to 0.26.
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            graph = core.read_model(bundle.folder / "models" / "model.xml")
            fits = _graph_fits(graph, bundle)
            self._compiled = core.compile_model(graph, "CPU", options) if fits else None
        except RuntimeError as error:
            raise InputError(f"OpenVINO cannot read the graph of the model {bundle.name}; install it again.") from error
        if not fits:
            raise InputError(f"The graph of the model {bundle.name} does not fit its metadata.json; install it again.")

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits; see ``Engine``."""
        _check_batch(batch, self._bundle)
        return self._compiled(np.ascontiguousarray(batch))[0]


class TorchEngine:
    """The MONAI network with the bundle's weights; mixed precision on cuda."""

    def __init__(self, bundle: Bundle, device: str) -> None:
        """Build the network and load its weights; see ``open_engine``."""
        import torch
        from safetensors.torch import load_file

        self.name = f"torch {torch.__version__}"
        self.device = device
        self._bundle = bundle
        network = build_network(bundle.network_def)
        try:
            network.load_state_dict(load_file(bundle.folder / "models" / "model.safetensors"))
        except RuntimeError as error:
            raise InputError(
                f"The weights of the model {bundle.name} do not fit its network; install it again."
            ) from error
        self._network = network.float().eval().to(device)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits; see ``Engine``."""
        import torch

        _check_batch(batch, self._bundle)
        with torch.inference_mode(), torch.autocast(self.device, torch.float16, enabled=self.device == "cuda"):
            return self._network(torch.from_numpy(batch).to(self.device)).float().cpu().numpy()


def import_openvino() -> "ModuleType":
    """Import OpenVINO without its telemetry; nothing else in the project imports it.

    OpenVINO reports its import to Google Analytics (no consent is asked) where the package openvino_telemetry can be
    imported, which pip installs with it. None in ``sys.modules`` is Python's way to say that it cannot be: OpenVINO
    then takes its own empty stand-in. No file is written and no connection is opened (tested).
    """
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


def _graph_fits(graph: Any, bundle: Bundle) -> bool:
    rank = len(bundle.size_multiples) + 2
    ends = [(graph.inputs, bundle.in_channels), (graph.outputs, bundle.out_channels)]
    return all(
        len(ports) == 1
        and ports[0].partial_shape.rank.is_static
        and len(ports[0].partial_shape) == rank
        and ports[0].partial_shape[1] == channels
        for ports, channels in ends
    )


def _check_batch(batch: np.ndarray, bundle: Bundle) -> None:
    multiples = bundle.size_multiples
    fits = (
        batch.dtype == np.float32
        and batch.ndim == len(multiples) + 2
        and batch.shape[1] == bundle.in_channels
        and all(size > 0 and size % multiple == 0 for size, multiple in zip(batch.shape[2:], multiples, strict=True))
    )
    if not fits:
        wanted = ", ".join(f"{multiple}*n" for multiple in multiples)
        raise ValueError(
            f"The model {bundle.name} takes float32 of shape (n, {bundle.in_channels}, {wanted}), "
            f"not {batch.dtype} of shape {batch.shape}."
        )


def _has_nvidia_driver() -> bool:
    """Tell whether a driver is installed: importing torch only to see that there is none would take seconds."""
    import ctypes

    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _cuda_obstacle() -> str | None:
    """Return why cuda cannot be used and what to install, or None where it can."""
    try:
        import monai.networks.nets  # noqa: F401
        import torch
    except ImportError:
        return f"torch and MONAI are not installed: run {INSTALL_TORCH}"
    if not torch.cuda.is_available():
        return "torch finds no NVIDIA card: install the driver of the card and a torch that is built for CUDA"
    return None
