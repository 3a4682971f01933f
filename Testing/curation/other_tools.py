"""Let nnU-Net and MONAI Label read exports of a small made-up data set, and print what they say.

::

    python Testing/curation/other_tools.py                          # both, each in an environment that is made for it
    python Testing/curation/other_tools.py nnunet --python PYTHON   # one, in an environment that has it already

Not for every day: an environment takes minutes and gigabytes. nnU-Net checks the data set, plans and preprocesses for
its 2d network, and trains that for a few iterations on the folds of the export; slices that nobody has reviewed have
its "ignore" label. MONAI Label's local datastore has to find an image and a final label for each case and to open them.
Everything lies in temporary folders that are removed. Exit code 1 if a tool has failed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from reviewed_hip import Hip  # noqa: E402

from ONFHAssistLib.curation.reports.export import export  # noqa: E402
from ONFHAssistLib.curation.store.folder import create_store  # noqa: E402
from ONFHAssistLib.curation.store.store import Store  # noqa: E402

REQUIREMENTS = {"nnunet": "nnunetv2==2.8.1", "monailabel": "monailabel==0.8.5"}
NAME, NUMBER = "Dataset101_Heads", "101"
PATIENTS = 6

TRAIN = """
import json, shutil, sys, torch
from pathlib import Path
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
from nnunetv2.run.run_training import get_trainer_from_args

if __name__ == "__main__":
    name, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    given = Path(nnUNet_raw, name, "splits_final.json")
    shutil.copy(given, Path(nnUNet_preprocessed, name))
    trainer = get_trainer_from_args(name, "2d", 0, device=torch.device("cpu"))
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 1, 4, 2
    trainer.run_training()
    train, val = trainer.do_split()
    wanted = json.loads(given.read_text())[0]
    assert (sorted(train), sorted(val)) == (wanted["train"], wanted["val"]), "other folds than those of the export"
    assert trainer.label_manager.ignore_label == 3, "the label of slices that were not reviewed is not ignored"
    loss = trainer.logger.get_value("train_losses", step=-1)
    assert loss == loss, "the loss is not a number"
    print("trained on", len(train), "cases and validated on", len(val), "as the export says; loss", loss)
"""

DATASTORE = """
import json, sys
from pathlib import Path
import SimpleITK as sitk
from monailabel.datastore.local import LocalDatastore

folder, wanted = sys.argv[1], json.loads(sys.argv[2])
store = LocalDatastore(folder, extensions=("*.nii.gz",))
print("status", json.dumps(store.status()))
images, labelled = sorted(store.list_images()), sorted(store.get_labeled_images("final"))
print(len(images), "images,", len(labelled), "with a final label,", len(store.get_unlabeled_images()), "without")
assert images == labelled == wanted, (images, labelled, wanted)
assert len(store.datalist()) == len(wanted)
for name in images:
    image, label = store.get_image_uri(name), store.get_label_uri(name, "final")
    one, other = sitk.ReadImage(image), sitk.ReadImage(label)
    assert one.GetSize() == other.GetSize() and Path(image) != Path(label), name
print("every image and label opens, of the same size:", one.GetSize(), "and others")
"""


def main() -> int:
    """Make the data set and let the tools read it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", nargs="?", choices=REQUIREMENTS, help="all if none is given")
    parser.add_argument("--python", type=Path, help="of an environment that has the one tool already")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    options = parser.parse_args()
    tools = [options.tool] if options.tool else list(REQUIREMENTS)
    if options.python and not options.tool:
        parser.error("--python is for one tool; name it.")
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ |= {"ONFH_KEYS": str(folder / "keys"), "XDG_CACHE_HOME": str(folder / "cache")}
        store = made_up(folder / "data" / NAME)
        for tool in tools:
            start = time.perf_counter()
            try:
                with tempfile.TemporaryDirectory() as own:  # one environment at a time: they are large
                    python = options.python or environment(Path(own, "environment"), REQUIREMENTS[tool])
                    READERS[tool](store, Path(own, "export"), python, options.threads)
            except subprocess.CalledProcessError as error:
                failed.append(tool)
                print(f"{tool} has failed with exit code {error.returncode}.", flush=True)
            print(f"{tool}: {time.perf_counter() - start:.0f} s", flush=True)
    print("Failed: " + ", ".join(failed) if failed else f"{' and '.join(tools)} read the exports.")
    return 1 if failed else 0


def made_up(folder: Path) -> Store:
    """Make a data set of both hips of some patients, in all planes; half of the slices of some are not reviewed."""
    store = create_store(folder)
    for n in range(PATIENTS):
        plane = ("coronal", "axial", "sagittal")[n % 3]
        for side in ("right", "left"):
            hip = Hip(side, plane, lesion_mm=8.0 + 3 * n, seed=n, spacing_mm=(1.5, 1.5, 4.0))
            seen = tuple(range(0, len(hip.image().array), 2)) if n % 2 else None
            store.save(hip.case(f"patient {n}", reviewed_slices=seen))
    return store


def environment(folder: Path, requirement: str) -> Path:
    """Make an environment with one tool, and return its Python."""
    print(f"Installing {requirement} into an environment of its own …", flush=True)
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run([python, "-m", "pip", "install", "--quiet", requirement])
    return python


def nnunet(store: Store, folder: Path, python: Path, threads: int) -> None:
    """Let nnU-Net check, plan, preprocess, and train a little."""
    export(store, folder / "raw" / NAME, "nnunet")
    places = {f"nnUNet_{part}": str(folder / part) for part in ("raw", "preprocessed", "results")}
    command = python.with_name(f"nnUNetv2_plan_and_preprocess{python.suffix}")
    ask = ["-d", NUMBER, "-c", "2d", "--verify_dataset_integrity", "-np", "2", "-npfp", "2"]
    run([command, *ask], places)
    script = folder / "train.py"
    script.write_text(TRAIN)
    quiet = {"nnUNet_n_proc_DA": "2", "nnUNet_compile": "f"}
    run([python, script, NAME, str(threads)], places | quiet)


def monailabel(store: Store, folder: Path, python: Path, threads: int) -> None:
    """Let MONAI Label's local datastore find and open every case."""
    folder.mkdir()
    export(store, folder / "studies", "monailabel")
    names = sorted(case.case_id for case in store.cases())
    run([python, "-c", DATASTORE, folder / "studies", json.dumps(names)], {"OMP_NUM_THREADS": str(threads)})


READERS = {"nnunet": nnunet, "monailabel": monailabel}


def run(command: Sequence[str | Path], variables: dict[str, str] | None = None) -> None:
    """Run a command, showing what it prints; CalledProcessError if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    subprocess.run([str(part) for part in command], check=True, env=kept | (variables or {}))


if __name__ == "__main__":
    sys.exit(main())
