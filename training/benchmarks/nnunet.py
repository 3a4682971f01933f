"""Time nnU-Net v2 on one study: ``python training/benchmarks/nnunet.py STUDY IMAGES... --threads N``.

Run by ``training.benchmarks.speed`` with a Python that has nnunetv2 (the extra ``benchmark``); it imports nothing of
this project, so that Python may be that of an environment of its own. nnU-Net makes its own 3d_fullres plan from the
fingerprint of IMAGES (its ExperimentPlanner, as it comes). The weights are random: they do not change the time. The
planner wants label maps; for MR its plan follows from sizes and spacings alone, so what is brighter than Otsu's
threshold stands for them, and no mask of anybody is read. The last line that it prints is JSON.
"""

import argparse
import json
import os
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

NAME = "Dataset001_Hips"
LABELS = ("background", "head", "femur", "hip_bone", "necrosis")
"""What ONFHAssist's networks tell apart, so that both have the same number of outputs."""


def main() -> None:
    """Plan, build, predict, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="the study that is timed")
    parser.add_argument("images", type=Path, nargs="+", help="the studies that the plan is made for")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for part in ("raw", "preprocessed", "results"):
            os.environ[f"nnUNet_{part}"] = str(folder / part)
        write_dataset(folder / "raw" / NAME, options.images)
        figures = predict(make_plan(options.threads), options.study, options.threads, folder)
    print(json.dumps(figures))


def write_dataset(folder: Path, images: list[Path]) -> None:
    """Lay the images out as nnU-Net wants them."""
    import SimpleITK as sitk

    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for number, path in enumerate(images):
        image = sitk.ReadImage(str(path))
        sitk.WriteImage(image, str(folder / "imagesTr" / f"case_{number:02}_0000.nii.gz"))
        brighter = sitk.OtsuThreshold(image, 0, 1)
        sitk.WriteImage(sitk.Cast(brighter, sitk.sitkUInt8), str(folder / "labelsTr" / f"case_{number:02}.nii.gz"))
    content = {
        "channel_names": {"0": "T1"},
        "labels": {name: value for value, name in enumerate(LABELS)},
        "numTraining": len(images),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(content))


def make_plan(threads: int) -> dict:
    """Fingerprint and plan of the data set."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
    )

    extract_fingerprint_dataset(1, num_processes=threads, verbose=False, show_progress_bar=False)
    plan, _ = plan_experiment_dataset(1)
    return plan


def predict(plan: dict, study: Path, threads: int, folder: Path) -> dict:
    """Predict the whole study once, with the network in memory and warm: read, preprocess, predict, resample, write."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    plans = PlansManager(plan)
    configuration = plans.get_configuration("3d_fullres")
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        len(LABELS),
        deep_supervision=False,
    ).eval()
    predictor = nnUNetPredictor(0.5, use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    dataset = json.loads((folder / "raw" / NAME / "dataset.json").read_text())
    weights = [network.state_dict()]
    predictor.manual_initialization(network, plans, configuration, weights, dataset, "nnUNetTrainer", None)
    patch = torch.zeros(1, 1, *configuration.patch_size)
    with torch.inference_mode():
        network(patch)  # warm-up
        start = time.perf_counter()
        network(patch)
        patch_s = time.perf_counter() - start
    patches = []
    network.register_forward_hook(lambda *_: patches.append(1))
    start, processor = time.perf_counter(), time.process_time()
    predictor.predict_from_files_sequential([[str(study)]], [str(folder / "prediction")])
    seconds, processor_s = time.perf_counter() - start, time.process_time() - processor
    return {
        "seconds": round(seconds, 2),
        "processor_s": round(processor_s, 2),
        "patches": len(patches),
        "patch_s": round(patch_s, 2),
        "patch_size": list(configuration.patch_size),
        "spacing_mm": [round(float(s), 3) for s in configuration.spacing],
        "parameters": sum(p.numel() for p in network.parameters()),
        "threads": torch.get_num_threads(),
        "nnunetv2": version("nnunetv2"),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
