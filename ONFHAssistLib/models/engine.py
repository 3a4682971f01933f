"""Run a bundle's network: OpenVINO on the CPU without torch; torch and MONAI on an NVIDIA card, or where asked for."""

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.models.bundle import GRAPH, POOLED, Bundle, require_graph
from ONFHAssistLib.models.networks import INSTALL_TORCH, build_network

if TYPE_CHECKING:
    from types import ModuleType

ENGINES = ("auto", "openvino", "torch")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "f32", "bf16")
BATCH = 16
"""So many samples are given to a network at once: more gain no speed on a CPU and take memory."""


class Engine(Protocol):
    """A network that is ready to run. Open it once and keep it; call it from one thread at a time."""

    @property
    def name(self) -> str:
        """Program and version that runs the network, and the precision where it is not f32."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: "cpu" or "cuda"."""
        ...

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return float32 logits of shape (n, out_channels, *spatial); (n, out_channels) of kinds in ``bundle.POOLED``.

        The maps of the kind "class_map" are smaller than the images.

        Args:
            batch: float32, shape (n, in_channels, *spatial); any n and any sizes that are multiples of
                ``bundle.size_multiples``.

        Raises:
            ValueError: the batch has another shape.
        """
        ...


def open_engine(
    bundle: Bundle,
    device: str = "auto",
    threads: int | None = None,
    engine: str = "auto",
    precision: str = "auto",
) -> "BatchedEngine":
    """Load the network of ``bundle`` onto a device.

    Args:
        bundle: from ``load_bundle``.
        device: "cpu", "cuda", or "auto": cuda where torch, MONAI and a card are there, else cpu.
        threads: CPU threads of OpenVINO; None for as many as there are cores.
        engine: "openvino" (CPU only), "torch", or "auto": torch on cuda, OpenVINO on the CPU.
        precision: "f32"; "bf16", which is quicker where the processor has it and shifts logits; or "auto": f32 on
            the CPU and torch's mixed precision with fp16 on cuda.

    Raises:
        InputError: an unknown choice, choices that exclude each other, cuda asked for where there is none, torch where
            it is not installed, bf16 where the processor has none, or a network that its files do not fit.
    """
    for what, given, known in (
        ("engine", engine, ENGINES),
        ("device", device, DEVICES),
        ("precision", precision, PRECISIONS),
    ):
        if given not in known:
            raise InputError(f"The {what} {given!r} is not known; use one of {', '.join(known)}.")
    if engine == "openvino" and device == "cuda":
        raise InputError("The engine openvino runs on the CPU only; use the engine torch or the device cpu.")
    if engine != "openvino" and (device == "cuda" or (device == "auto" and has_nvidia_driver())):
        obstacle = _cuda_obstacle()
        if obstacle is None:
            return BatchedEngine(lambda: TorchEngine(bundle, "cuda", precision), bundle, threads)
        if device == "cuda":
            raise InputError(f"The device cuda was asked for, but {obstacle}, or use the device cpu.")
    if engine == "torch":
        return BatchedEngine(lambda: TorchEngine(bundle, "cpu", precision), bundle, threads)
    return BatchedEngine(lambda: OpenVinoEngine(bundle, threads, precision), bundle, threads)


def try_out(bundle: Bundle) -> None:
    """Run the exported graph of a bundle once, on an empty image of the size that it was trained on.

    Raises:
        InputError: it can't be opened, or does not give a number for each pixel and channel that its metadata promise.
    """
    size = bundle.input["size_px"] or [2 * multiple for multiple in bundle.size_multiples]
    try:
        logits = OpenVinoEngine(bundle)(np.zeros((1, bundle.in_channels, *size), np.float32))
        places = logits.shape[2:] if bundle.kind == "class_map" else () if bundle.kind in POOLED else tuple(size)
        fits = logits.shape == (1, bundle.out_channels, *places) and np.isfinite(logits).all()
    except RuntimeError:  # OpenVINO's, of sizes that do not meet inside of the graph
        fits = False
    if not fits:
        raise InputError(
            f"The graph of the model {bundle.name} does not give what its metadata.json promises; get another copy."
        )


class OutOfMemory(Exception):
    """The memory of the graphics card does not suffice."""


class BatchedEngine:
    """Runs an engine in batches; where the card's memory runs out, in smaller ones, and at last on the CPU.

    What it has come to stays so while it is open, and is told by ``notices``.
    """

    def __init__(self, open_first: Callable[[], Engine], bundle: Bundle, threads: int | None = None) -> None:
        """Open the engine, or that of the CPU if the network itself does not fit into the card's memory."""
        self._bundle, self._threads = bundle, threads
        self._size = BATCH
        self._fell_back = False
        self._engine: Engine
        try:
            self._engine = open_first()
        except OutOfMemory:
            self._fall_back()

    @property
    def name(self) -> str:
        """Program and version that runs the network now."""
        return self._engine.name

    @property
    def device(self) -> str:
        """Where it runs now."""
        return self._engine.device

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the report has to say of the run."""
        what = "The memory of the graphics card did not suffice"
        if self._fell_back:
            return (Notice("gpu-out-of-memory", f"{what} for the model {self._bundle.name}: it ran on the CPU."),)
        if self._size < BATCH:
            text = f"{what} for batches of {BATCH} in the model {self._bundle.name}: {self._size} went at once."
            return (Notice("gpu-smaller-batch", text),)
        return ()

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits; see ``Engine``. A batch of any length is fine."""
        parts: list[np.ndarray] = []
        done = 0
        while done < len(batch):
            part = batch[done : done + self._size]
            try:
                parts.append(self._engine(part))
            except OutOfMemory:
                if len(part) > 1:
                    self._size = len(part) // 2
                else:
                    self._fall_back()
            else:
                done += len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _fall_back(self) -> None:
        self._engine = OpenVinoEngine(self._bundle, self._threads)
        self._size = BATCH
        self._fell_back = True


class OpenVinoEngine:
    """The exported graph on the CPU, in 32-bit floats unless bf16 is asked for."""

    device = "cpu"

    def __init__(self, bundle: Bundle, threads: int | None = None, precision: str = "auto") -> None:
        """Read and compile the graph; see ``open_engine``."""
        openvino = import_openvino()
        precision = "f32" if precision == "auto" else precision
        self.name = _engine_name("OpenVINO", openvino.__version__.split("-")[0], precision)
        self._bundle = bundle
        core = openvino_core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise InputError("This processor does not calculate in bf16; use the precision f32.")
        # By itself OpenVINO calculates in bf16 where the CPU can, which shifts logits by up to 0.26.
        # Slices stand for themselves, so each core takes some of its own; all work together on a volume.
        hint = "THROUGHPUT" if len(bundle.size_multiples) == 2 else "LATENCY"
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": hint}
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        require_graph(bundle.folder, bundle.name)
        try:
            graph = core.read_model(bundle.folder / GRAPH)
            compiled = core.compile_model(graph, "CPU", options) if _graph_fits(graph, bundle) else None
        except RuntimeError as error:
            raise InputError(f"OpenVINO cannot read the graph of the model {bundle.name}; install it again.") from error
        if compiled is None:
            raise InputError(f"The graph of the model {bundle.name} does not fit its metadata.json; install it again.")
        self._compiled = compiled
        streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._requests = [compiled.create_infer_request() for _ in range(streams)]

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits; see ``Engine``."""
        _check_batch(batch, self._bundle)
        parts = np.array_split(np.ascontiguousarray(batch), min(len(batch), len(self._requests)))
        running = self._requests[: len(parts)]
        for request, part in zip(running, parts, strict=True):
            request.start_async({0: part})
        for request in running:
            request.wait()
        return np.concatenate([request.get_output_tensor().data for request in running])


class TorchEngine:
    """The MONAI network with the bundle's weights."""

    def __init__(self, bundle: Bundle, device: str, precision: str = "auto") -> None:
        """Build the network and load its weights; see ``open_engine``. Raises OutOfMemory where they do not fit."""
        network = build_network(bundle.network_def)
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        precision = {"cpu": "f32", "cuda": "fp16"}[device] if precision == "auto" else precision
        self.name = _engine_name("torch", torch.__version__, precision)
        self.device = device
        self._mixed = {"f32": None, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
        self._bundle = bundle
        try:
            network.load_state_dict(load_file(bundle.folder / "models" / "model.safetensors"))
        except (RuntimeError, SafetensorError) as error:
            raise InputError(
                f"The weights of the model {bundle.name} do not fit its network; install it again."
            ) from error
        try:
            self._network = network.float().eval().to(device)
        except torch.OutOfMemoryError as error:
            raise OutOfMemory from error

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits; see ``Engine``. Raises OutOfMemory where the batch is too large for the card."""
        import torch

        _check_batch(batch, self._bundle)
        try:
            with torch.inference_mode(), torch.autocast(self.device, self._mixed, enabled=self._mixed is not None):
                image = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device)
                return self._network(image).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise OutOfMemory from error


def import_openvino() -> "ModuleType":
    """Import OpenVINO without its telemetry; nothing else in the project imports it.

    OpenVINO reports its import to Google Analytics (no consent is asked) where the package openvino_telemetry can be
    imported, which pip installs with it. None in ``sys.modules`` is Python's way to say that it cannot be: OpenVINO
    then takes its own empty stand-in. No file is written and no connection is opened (tested).
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # typeshed does not know of None
    import openvino

    return openvino


def openvino_core() -> Any:
    """Return this process's one Core of OpenVINO, which is kept for the process's lifetime.

    Each Core gives the thread that makes it a signal stack (for AMX), and puts the former one back when it goes. Of
    several that go in another order than the reverse of their making, one puts back a stack that was freed before, and
    the next Ctrl-C writes into it: the process ends with SIGSEGV.
    """
    global _core
    with _core_lock:
        if _core is None:
            _core = import_openvino().Core()
            # A mapped file could not be replaced on Windows while the program runs.
            _core.set_property({"ENABLE_MMAP": False})
        return _core


_core: Any = None
_core_lock = threading.Lock()


def _engine_name(program: str, version: str, precision: str) -> str:
    return f"{program} {version}" + ("" if precision == "f32" else f" ({precision})")


def _graph_fits(graph: Any, bundle: Bundle) -> bool:
    rank = len(bundle.size_multiples) + 2
    ends = [
        (graph.inputs, bundle.in_channels, rank),
        (graph.outputs, bundle.out_channels, 2 if bundle.kind in POOLED else rank),
    ]
    return all(
        len(ports) == 1
        and ports[0].partial_shape.rank.is_static
        and len(ports[0].partial_shape) == rank
        and ports[0].partial_shape[1] == channels
        for ports, channels, rank in ends
    )


def _check_batch(batch: np.ndarray, bundle: Bundle) -> None:
    multiples = bundle.size_multiples
    fits = (
        batch.dtype == np.float32
        and batch.ndim == len(multiples) + 2
        and batch.shape[1] == bundle.in_channels
        and all(size > 0 and size % multiple == 0 for size, multiple in zip(batch.shape[2:], multiples, strict=True))
        and (not bundle.one_size or batch.shape[2:] == multiples)
    )
    if not fits:
        wanted = ", ".join(f"{multiple}" if bundle.one_size else f"{multiple}*n" for multiple in multiples)
        raise ValueError(
            f"The model {bundle.name} takes float32 of shape (n, {bundle.in_channels}, {wanted}), "
            f"not {batch.dtype} of shape {batch.shape}."
        )


def has_nvidia_driver() -> bool:
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
    try:
        torch.zeros(1, device="cuda").add(1).cpu()
    except (RuntimeError, AssertionError):  # too old a card or driver for this torch, or one that others have filled
        return "torch cannot calculate on the card: close what else uses it, or update its driver and torch"
    return None
