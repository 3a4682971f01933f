import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models import engine as engines
from ONFHAssistLib.models.bundle import describe, load_bundle, sha256
from ONFHAssistLib.models.engine import OpenVinoEngine, import_openvino, open_engine, openvino_core

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sums(write_bundle, tmp_path_factory):
    return {dims: load_bundle(write_bundle(tmp_path_factory.mktemp("sums") / f"sums_{dims}d", dims)) for dims in (2, 3)}


def random_batch(bundle, count, *sizes):
    return np.random.default_rng(0).normal(size=(count, bundle.in_channels, *sizes)).astype(np.float32)


def test_the_graph_gives_the_known_result_without_torch(sums, dims):
    bundle = sums[dims]
    batch = random_batch(bundle, 2, *[16] * dims)
    result = open_engine(bundle, "cpu", threads=1)(batch)
    factors = np.arange(1, bundle.out_channels + 1).reshape(1, -1, *[1] * dims)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, batch.sum(1, keepdims=True) * factors, atol=1e-5)


def test_one_engine_takes_batches_of_any_number_and_size(sums, dims):
    engine = open_engine(sums[dims], "cpu", threads=1)
    first = engine(random_batch(sums[dims], 3, *[32, 16, 48][:dims]))
    kept = first.copy()
    assert first.shape == (3, sums[dims].out_channels, *[32, 16, 48][:dims])
    assert engine(random_batch(sums[dims], 1, *[48, 32, 16][:dims])).shape[2:] == (48, 32, 16)[:dims]
    np.testing.assert_array_equal(first, kept)


def test_slices_that_several_cores_share_come_back_in_order(sums):
    engine = open_engine(sums[2], "cpu", threads=2)
    batch = random_batch(sums[2], 5, 16, 16)
    one_by_one = np.concatenate([engine(part[None]) for part in batch])
    np.testing.assert_allclose(engine(batch), one_by_one, atol=1e-5)


def test_a_batch_that_is_a_view_gives_the_same_as_its_copy(sums):
    engine = open_engine(sums[2], "cpu", threads=1)
    batch = random_batch(sums[2], 2, 16, 32)
    np.testing.assert_array_equal(engine(batch[:, :, :, ::-1]), engine(batch)[:, :, :, ::-1])


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 3, 16, 17), np.float32),
        np.zeros((1, 2, 16, 16), np.float32),
        np.zeros((3, 16, 16), np.float32),
        np.zeros((1, 3, 16, 0), np.float32),
        np.zeros((1, 3, 16, 16), np.float64),
    ],
)
def test_a_batch_of_another_shape_is_refused(sums, batch):
    with pytest.raises(ValueError, match=r"takes float32 of shape \(n, 3, 16\*n, 16\*n\)"):
        open_engine(sums[2], "cpu", threads=1)(batch)


def test_the_graph_is_calculated_in_32_bit_floats(sums):
    """Also where the CPU could do it faster and coarser."""
    assert OpenVinoEngine(sums[2])._compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def test_bf16_is_used_where_asked_for_and_named_or_refused_where_the_processor_has_none(sums):
    can = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if not can:
        with pytest.raises(InputError, match="does not calculate in bf16"):
            open_engine(sums[2], "cpu", precision="bf16")
        return
    engine = OpenVinoEngine(sums[2], precision="bf16")
    assert engine.name.endswith("(bf16)")
    assert engine._compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16"


def test_the_number_of_threads_is_kept(sums):
    assert OpenVinoEngine(sums[2], threads=1)._compiled.get_property("INFERENCE_NUM_THREADS") == 1


def test_the_report_names_engine_and_device(sums):
    entry = describe(sums[2], open_engine(sums[2], "cpu"))
    assert entry["engine"].startswith("OpenVINO 20") and entry["device"] == "cpu"


def test_a_graph_that_is_none_is_refused(bundle_folder):
    bundle = load_bundle(bundle_folder)
    (bundle_folder / "models/model.xml").write_text("<net")
    with pytest.raises(InputError, match="The graph of the model sums is no OpenVINO graph"):
        open_engine(bundle, "cpu")


def test_a_graph_of_another_network_is_refused(bundle_folder, sums):
    for file in ("model.xml", "model.bin"):
        content = (sums[3].folder / "models" / file).read_bytes()
        (bundle_folder / "models" / file).write_bytes(content)
    metadata = json.loads((bundle_folder / "configs/metadata.json").read_text())
    metadata["onfh_assist"]["sha256"] |= {f: sha256(bundle_folder / "models" / f) for f in ("model.xml", "model.bin")}
    (bundle_folder / "configs/metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(InputError, match="graph of the model sums does not fit"):
        open_engine(load_bundle(bundle_folder), "cpu")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"device": "gpu"}, "use one of auto, cpu, cuda"),
        ({"engine": "tensorrt"}, "use one of auto, openvino, torch"),
        ({"precision": "int8"}, "use one of auto, f32, bf16"),
        ({"engine": "openvino", "device": "cuda"}, "runs on the CPU only"),
    ],
)
def test_a_choice_that_is_unknown_or_impossible_is_refused(sums, choice, message):
    with pytest.raises(InputError, match=message):
        open_engine(sums[2], **choice)


def test_cuda_without_torch_says_what_to_install(sums, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="pip install -e"):
        open_engine(sums[2], "cuda")


def test_torch_that_is_asked_for_and_missing_says_what_to_install(sums, monkeypatch):
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
    with pytest.raises(InputError, match="pip install -e"):
        open_engine(sums[2], "cpu", engine="torch")


def test_cuda_without_a_card_says_what_to_install(sums, monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("monai", reason="MONAI is not installed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="driver of the card"):
        open_engine(sums[2], "cuda")


def test_a_card_that_torch_cannot_use_is_refused_where_asked_for_and_left_alone_otherwise(sums, monkeypatch):
    """As with a card that is too old for this torch: it is there, and the first calculation fails."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("monai", reason="MONAI is not installed")

    def fail(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "zeros", fail)
    monkeypatch.setattr(engines, "has_nvidia_driver", lambda: True)
    with pytest.raises(InputError, match="cannot calculate on the card"):
        open_engine(sums[2], "cuda")
    assert open_engine(sums[2]).device == "cpu"


@pytest.mark.parametrize("driver", [False, True])
def test_auto_falls_back_to_the_cpu(sums, monkeypatch, driver):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(engines, "has_nvidia_driver", lambda: driver)
    assert open_engine(sums[2]).device == "cpu"


def test_nothing_is_sent_and_no_file_is_left(bundle_folder, tmp_path):
    """A fresh process without a way out: importing OpenVINO and running a model asks for no connection."""
    script = f"""
import socket, sys
attempts = []
def refuse(*arguments, **_):
    attempts.append(arguments)
    raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
import subprocess
subprocess.Popen = refuse
import multiprocessing.process
multiprocessing.process.BaseProcess.start = refuse
import numpy
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import open_engine
open_engine(load_bundle({str(bundle_folder)!r}), "cpu")(numpy.zeros((1, 3, 16, 16), numpy.float32))
assert not attempts, attempts
assert "torch" not in sys.modules
"""
    home = tmp_path / "home"
    home.mkdir()
    variables = {"HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}
    before = sorted(bundle_folder.rglob("*"))
    done = subprocess.run([sys.executable, "-c", script], env=variables, cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == [] and sorted(bundle_folder.rglob("*")) == before


def test_openvino_is_imported_without_its_telemetry():
    import_openvino()
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__.endswith("telemetry_stub")


def test_the_torch_engine_gives_what_the_graph_gives(trained, dims):
    """The code of the cuda engine, run on the CPU."""
    bundle = load_bundle(trained[dims][0])
    engine = engines.TorchEngine(bundle, "cpu")
    batch = random_batch(bundle, 2, *[32, 48, 32][:dims])
    result = engine(batch)
    assert result.dtype == np.float32 and engine.name.startswith("torch ")
    np.testing.assert_allclose(result, open_engine(bundle, "cpu")(batch), atol=1e-3)


def test_torch_runs_on_the_cpu_where_it_is_asked_for(trained, dims):
    bundle = load_bundle(trained[dims][0])
    batch = random_batch(bundle, 2, *[32, 48, 32][:dims])
    exact = open_engine(bundle, "cpu", engine="torch")
    coarse = open_engine(bundle, "cpu", engine="torch", precision="bf16")
    assert (exact.name.split()[0], exact.device) == ("torch", "cpu")
    assert "bf16" not in exact.name and coarse.name.endswith("(bf16)")
    expected = exact(batch)
    difference = np.abs(coarse(batch) - expected).max()
    assert 0 < difference < 0.05 * np.abs(expected).max()


def test_weights_of_another_network_are_refused(bundle_folder):
    pytest.importorskip("monai", reason="MONAI is not installed")
    with pytest.raises(InputError, match="weights of the model sums do not fit"):
        engines.TorchEngine(load_bundle(bundle_folder), "cpu")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signal stacks on Windows")
def test_ctrl_c_after_networks_were_closed_does_not_crash(sums):
    """In a process of its own, which 0.1.0 let end with SIGSEGV each time."""
    code = """
import gc, signal, sys
from pathlib import Path
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import OpenVinoEngine
came = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: came.append(number))
bundles = [load_bundle(Path(folder)) for folder in sys.argv[1:]]
engines = [OpenVinoEngine(bundle, threads=1) for bundle in bundles * 2]
while engines:
    engines.pop(0)  # the first one first
gc.collect()
for _ in range(50):
    filled = [bytearray(64 * 1024) for _ in range(100)]
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
print(len(came))
"""
    command = [sys.executable, "-c", code, *(str(bundle.folder) for bundle in sums.values())]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "100\n"), ended.stderr
