"""Measure S-JIC: python -m training.benchmarks.jic [--bundles training/candidates] [--pictures DIR].

Rows: internal (patients of its own data set that are for testing, first painter) and external (second painter in the
test studies, three contrasts), each beside the class by geometry; readers who misplace landmarks; where the network
looked; what becomes of a class when the lesion is painted out; real heads without osteonecrosis; and the pictures of
real osteonecrosis. Figures go into ``docs/jic_coronal.json``, the page into ``docs/jic_coronal.md``. What a killed run
has measured is kept for the next one with the same networks.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.systems.jic_coronal import BUNDLE
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES
from training.bundles.card import read_evaluation, write_evaluation
from training.bundles.install import EVALUATION
from training.jic_coronal import internal
from training.jic_coronal.slices import TEST, TRAIN, read_slices
from training.jic_coronal.task import plain
from training.learning.config import read_config
from training.measuring import jic_external as external
from training.measuring import jic_page as page
from training.measuring import jic_real as real
from training.measuring.classed import summary
from training.measuring.runs import open_models
from training.real.data import NO_DATA, ROOT, data_folder

CONFIG = ROOT / "training" / "configs" / "jic_coronal.yaml"
TIMED = 50


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.benchmarks.jic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundles", type=Path, help="measure the models in this folder; results go there too")
    parser.add_argument("--lesions", type=int, default=200, help="painted by the second painter, in each contrast")
    parser.add_argument("--processes", type=int, default=2, help="how many measure at a time, each on one thread")
    parser.add_argument(
        "--pictures", type=Path, help="write the real slices with what the network saw into this folder"
    )
    options = parser.parse_args()
    if data_folder() is None:
        sys.exit(NO_DATA)
    if options.bundles:
        os.environ["ONFH_BUNDLES"] = str(options.bundles.resolve())
    docs = options.bundles or EVALUATION.parent
    try:
        measured = measure(options.lesions, options.processes)
        pictured = real.read_pictures()
        measured["real"] = real.measure(pictured, options.processes)
    except InputError as error:
        sys.exit(str(error))
    path = options.bundles / EVALUATION.name if options.bundles else docs / "jic_coronal.json"
    write_evaluation(path, read_evaluation(path) | {"jic_coronal": measured})
    replace_file(docs / "jic_coronal.md", page.page(measured).encode())
    replace_file(docs / "images" / "jic_real.svg", page.sheet(pictured).encode())
    for one in pictured if options.pictures else ():
        real.write_picture(options.pictures, one)
    print(json.dumps({name: part for name, part in measured.items() if name != "rows"}, indent=1))


def measure(lesions: int, processes: int) -> dict[str, Any]:
    """Return all but the real images: see the top."""
    bundle = load_bundle(BUNDLE)
    network = open_models(external.SYSTEMS)[BUNDLE]
    every = read_slices(read_config(CONFIG))
    slices = every.of(TEST)
    seen = internal.answers(slices, network)
    truth = [CLASSES[n] for n in slices.classes]
    checksum = bundle.metadata["onfh_assist"]["sha256"]["model.safetensors"]
    rows = external.rows(lesions, checksum, processes)
    images, _ = plain(slices, bundle.input["size_px"][0])
    return {
        "models": {BUNDLE: checksum},
        "learned_from": len(every.of(TRAIN).classes),
        "lesions": lesions,
        "internal": summary(truth, internal.chances(seen), CLASSES)
        | {"patients": len(np.unique(slices.patient)), "real": int(slices.real.sum())},
        "internal_place": internal.places(slices, seen, bundle.input["size_px"][0]),
        "panel": {f"{mm:g}": internal.panel(slices, mm) for mm in internal.PANEL_MM},
        "external": external.summary(rows),
        "ms_a_hip": milliseconds(network.engine, images[:1]),
        "rows": rows,
    }


def milliseconds(engine: Any, image: np.ndarray) -> float:
    """Return the median time of one patch, in ms, on one thread."""
    spent = []
    for _ in range(TIMED):
        began = time.perf_counter()
        engine(image)
        spent.append(time.perf_counter() - began)
    return round(1000 * float(np.median(spent)), 2)


if __name__ == "__main__":
    main()
