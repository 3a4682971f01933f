"""Read exports with the software that they are made for.

``python training/benchmarks/exports.py nnunet|monailabel EXPORT``, where ``EXPORT`` is what ``onfh-assist data export``
has written in that format. Run it with a Python that has the tool (nnunetv2 2.8.1; monailabel 0.8.5, which wants an
older numpy): it imports nothing of this project, so that each tool may have an environment of its own. It is not part
of the tests: nnU-Net plans, preprocesses and trains for some minutes on a CPU. The last line that it prints is JSON.

- ``nnunet``: ``plan_and_preprocess`` with its integrity check, then a short training of the 2d network with the fold
  that most cases validate, by the export's own ``splits_final.json``.
- ``monailabel``: the local datastore lists images, final labels, and the label of each image.
"""

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Read one export with one tool and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", choices=("nnunet", "monailabel"))
    parser.add_argument("export", type=Path)
    parser.add_argument("--iterations", type=int, default=10, help="of the training with nnU-Net")
    options = parser.parse_args()
    if not options.export.is_dir():
        sys.exit(f"{options.export} is no folder; give an export.")
    with tempfile.TemporaryDirectory() as scratch:
        if options.tool == "nnunet":
            found = nnunet(options.export.resolve(), Path(scratch), options.iterations)
        else:
            found = monailabel(options.export.resolve(), Path(scratch))
    print(json.dumps(found))


def nnunet(export: Path, scratch: Path, iterations: int) -> dict:
    """Plan, preprocess and train in a scratch folder; the export is only read."""
    for part in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{part}"] = str(scratch / part)
        (scratch / part).mkdir()
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f"}
    shutil.copytree(export, scratch / "raw" / export.name)

    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess
    from nnunetv2.run.run_training import get_trainer_from_args

    number = int(export.name[7:10])
    began = time.perf_counter()
    extract_fingerprints([number], num_processes=1, check_dataset_integrity=True)
    plan_experiments([number])
    preprocess([number], configurations=["2d"], num_processes=[1])
    planned_s = time.perf_counter() - began

    splits = json.loads((export / "splits_final.json").read_text())
    fold = max(range(len(splits)), key=lambda n: len(splits[n]["val"]))
    shutil.copyfile(export / "splits_final.json", scratch / "preprocessed" / export.name / "splits_final.json")
    os.environ |= {"nnUNet_n_proc_DA": "0"}  # the planner wants one, the training does without
    trainer = get_trainer_from_args(export.name, "2d", fold, device=torch.device("cpu"))
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 1, iterations, 2
    began = time.perf_counter()
    trainer.run_training()
    log = trainer.logger.local_logger.my_fantastic_logging if hasattr(trainer.logger, "local_logger") else {}
    return {
        "cases": json.loads((export / "dataset.json").read_text())["numTraining"],
        "plan_and_preprocess_s": round(planned_s, 1),
        "fold": fold,
        "iterations": iterations,
        "training_s": round(time.perf_counter() - began, 1),
        "ignores": trainer.label_manager.ignore_label,
        "losses": [float(x) for x in log.get("train_losses", [])],
    }


def monailabel(export: Path, scratch: Path) -> dict:
    """List a copy of the export with MONAI Label's own class, which writes into its folder."""
    # Not an extra of this project: it wants an older numpy.
    local = importlib.import_module("monailabel.datastore.local")

    folder = shutil.copytree(export, scratch / "studies")
    store = local.LocalDatastore(str(folder), extensions=("*.nii.gz",), auto_reload=False)
    images, labelled = sorted(store.list_images()), sorted(store.get_labeled_images())
    labels = {image: store.get_label_by_image_id(image, "final") for image in images}
    expected = sorted(path.name.removesuffix(".nii.gz") for path in export.glob("*.nii.gz"))
    names = [image.removesuffix(".nii.gz") for image in images]
    assert names == expected and images == labelled, (images, labelled)
    for image, label in labels.items():
        assert Path(store.get_image_uri(image)).is_file() and Path(store.get_label_uri(label, "final")).is_file()
    return {"images": len(images), "labelled": len(labelled), "unlabelled": len(store.get_unlabeled_images())}


if __name__ == "__main__":
    main()
