"""Compare the CPU engines: python -m training.benchmarks.engines [networks|studies] (Linux).

``networks``: each engine runs a random BasicUNet like those of the bundles in fresh processes: import and load, first
batch, steady state, and the memory that all of it added. All in one run, so that the figures share one machine and
one load. Needs ``pip install onnxruntime==1.31.1 onnx==1.23.2`` besides the ``train`` extra.

``studies``: the shipped bundles analyse the sample study and, where the real data is there, one training study, by
each engine and precision that can be asked for: seconds, and Dice of the masks against those of OpenVINO in f32.

OpenVINO was chosen (2026-11, 2 cores): it is the fastest and takes the least memory, and its telemetry is a Python
package of its own that can be kept out entirely (``models.engine.import_openvino``). ONNX Runtime 1.31.1 has a wheel
of 24 MB against 59, but its Linux build looks up a telemetry server and writes a device id to the home folder, also
after ``disable_telemetry_events()``: not for a hospital.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETWORKS = {
    "2D 16..128, 16 x 3 x 112 x 112": (
        {"spatial_dims": 2, "in_channels": 3, "out_channels": 4, "features": (16, 32, 64, 128, 128, 16)},
        (16, 3, 112, 112),
    ),
    "3D 8..64, 1 x 1 x 48 x 96 x 128": (
        {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "features": (8, 16, 32, 64, 64, 8)},
        (1, 1, 48, 96, 128),
    ),
}

# Runs in a process of its own: the engine's import and memory are part of what is compared.
_WORKER = """
import json, pathlib, re, sys, time
import numpy as np
def peak_mib():  # not ru_maxrss, which a child process inherits from its parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
engine, path, shape, threads = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
batch = np.random.default_rng(0).normal(size=shape).astype(np.float32)
before = peak_mib()
start = time.perf_counter()
if engine == "openvino":
    sys.modules["openvino_telemetry"] = None
    import openvino
    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})
    compiled = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads})
    run = lambda: compiled([batch])[0]
elif engine == "onnxruntime":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    run = lambda: session.run(None, {"image": batch})[0]
else:
    import torch
    torch.set_num_threads(threads)
    module = torch.jit.load(path)
    run = lambda: module(torch.from_numpy(batch)).numpy()
    torch.set_grad_enabled(False)
ready = time.perf_counter()
result = run()
first = time.perf_counter()
steady = []
for _ in range(8):
    begin = time.perf_counter()
    run()
    steady.append(time.perf_counter() - begin)
peak = peak_mib()
np.save(sys.argv[5], result)
print(json.dumps({"start_s": ready - start, "first_s": first - ready, "steady_s": sorted(steady)[len(steady) // 2],
                  "memory_mib": peak - before}))
"""


def main() -> None:
    """Read the command line and run one of the two comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["networks", "studies"], default="networks")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each engine")
    parser.add_argument("--repeat", type=int, default=3, help="processes for each engine; the fastest counts")
    options = parser.parse_args()
    if options.what == "studies":
        compare_studies()
    else:
        compare_networks(options)


def compare_studies(runs: int = 3) -> None:
    """Print one Markdown row for each study, engine and precision."""
    from ONFHAssistLib.analysis import analyse, open_models
    from ONFHAssistLib.core.resources import resource_path
    from ONFHAssistLib.core.study import StudyResult
    from ONFHAssistLib.imaging.read import read_study
    from training.real.data import data_folder

    paths = [resource_path("SampleData", "procedural_t1.nii.gz")]
    if folder := data_folder():
        paths.append(folder / "t1_coronal" / "case_03_t1.nii.gz")
    choices = [(engine, precision) for engine in ("openvino", "torch") for precision in ("f32", "bf16")]
    print("| study | engine | seconds (median of 3) | Dice of the heads | Dice of the necrosis | ratio, points |")
    print("|---|---|---|---|---|---|")
    expected: dict[Path, StudyResult] = {}
    for engine, precision in choices:
        models = open_models("cpu", engine, precision)
        for path in paths:
            study = read_study(path)
            seconds = []
            for _ in range(1 + runs):
                start = time.perf_counter()
                result = analyse(study, models=models)
                seconds.append(time.perf_counter() - start)
            exact = expected.setdefault(path, result)
            heads, necroses, points = agreement(result, exact)
            cells = [path.name, f"{engine} {precision}", f"{statistics.median(seconds[1:]):.2f}"]
            cells += [", ".join(f"{d:.5f}" for d in values) or "none" for values in (heads, necroses)]
            print(f"| {' | '.join([*cells, f'{max(points):.2f}'])} |", flush=True)


def agreement(result, exact) -> tuple[list[float], list[float], list[float]]:
    """Dice of the heads and of the necroses (where there are any), and difference of the ratios in points, hip by hip.

    Both results are ``StudyResult`` of the same study, with each hip graded.
    """
    pairs = [(m.whole(), e.whole()) for m, e in zip(result.masks, exact.masks, strict=True)]
    heads = [_dice(m.head.array, e.head.array) for m, e in pairs]
    necroses = [_dice(m.necrosis.array, e.necrosis.array) for m, e in pairs if e.necrosis.array.any()]
    points = [100 * abs(h.volume_ratio - e.volume_ratio) for h, e in zip(result.hips, exact.hips, strict=True)]
    return heads, necroses, points


def _dice(ours, theirs) -> float:
    return float(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()))


def compare_networks(options: argparse.Namespace) -> None:
    """Print one row for each network and engine."""
    import numpy as np
    import torch

    print(f"{'network':34}{'engine':14}{'start s':>9}{'first s':>9}{'steady s':>10}{'MiB':>7}{'max diff':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for title, (arguments, shape) in NETWORKS.items():
            batch = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
            paths, expected = _export(arguments, batch, Path(folder))
            for engine, path in paths.items():
                best, result = _measure(engine, path, shape, options.threads, options.repeat, Path(folder))
                difference = np.abs(result - expected).max()
                print(
                    f"{title:34}{engine:14}{best['start_s']:9.2f}{best['first_s']:9.2f}{best['steady_s']:10.3f}"
                    f"{best['memory_mib']:7.0f}{difference:10.1e}"
                )


def _export(arguments, batch, folder):
    import openvino
    import torch
    from monai.networks.nets import BasicUNet

    torch.manual_seed(0)
    network = BasicUNet(**arguments).eval().half().float()  # weights that 16 bits hold: the same for all
    paths = {
        name: folder / f"model.{suffix}"
        for name, suffix in (("openvino", "xml"), ("onnxruntime", "onnx"), ("torch", "pt"))
    }
    names = {0: "n", **{axis: f"size_{axis}" for axis in range(2, batch.ndim)}}
    with torch.no_grad():
        shape = openvino.PartialShape([-1, batch.shape[1], *[-1] * (batch.ndim - 2)])
        graph = openvino.convert_model(network, example_input=batch, input=[shape])
        openvino.save_model(graph, paths["openvino"], compress_to_fp16=True)
        torch.onnx.export(
            network,
            (batch,),
            str(paths["onnxruntime"]),
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": names, "logits": names},
            dynamo=False,
        )
        torch.jit.trace(network, batch).save(str(paths["torch"]))
        return paths, network(batch).numpy()


def _measure(engine, path, shape, threads, repeat, folder):
    import numpy as np

    rows = []
    for _ in range(repeat):
        command = [
            sys.executable,
            "-c",
            _WORKER,
            engine,
            str(path),
            json.dumps(shape),
            str(threads),
            str(folder / "result.npy"),
        ]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {key: min(row[key] for row in rows) for key in rows[0]}, np.load(folder / "result.npy")


if __name__ == "__main__":
    main()
