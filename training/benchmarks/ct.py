"""Measure the two stages on coronal CT: ``python -m training.benchmarks.ct [--bundles FOLDER] [--out docs]``.

It measures the bundles ``ct_diagnosis`` and ``ct_necrosis`` (those of FOLDER, or the installed ones) on painted lesions
and on real sound heads, and writes ``coronal_ct.json`` and ``coronal_ct.md``. From nothing, in this order::

    python -m training.train training/configs/ct_diagnosis.yaml      # makes the slices, then trains
    python -m training.train training/configs/ct_necrosis.yaml
    python -m training.train training/configs/ct_resnet.yaml         # rivals; may be left out
    python -m training.train training/configs/ct_unet.yaml
    python -m training.make_bundle ct_diagnosis --checkpoint training/runs/ct_diagnosis/best.pt
    python -m training.make_bundle ct_necrosis --checkpoint training/runs/ct_necrosis/best.pt
    python -m training.coronal_ct.decide                             # rule and thresholds, on validation patients
    python -m training.benchmarks.ct --bundles training/candidates
    python -m training.make_bundle ct_diagnosis ct_necrosis --install --evaluation docs/coronal_ct.json
"""

import argparse
import json
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from training.bundles.card import read_evaluation, write_evaluation
from training.bundles.install import BUNDLES, EVALUATION
from training.coronal_ct.decide import CONFIG, STAGES
from training.coronal_ct.page import markdown
from training.coronal_ct.slices import read_slices
from training.coronal_ct.table import make_table
from training.learning.config import read_config
from training.real.data import ROOT, require_data_folder


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=Path, default=BUNDLES, metavar="FOLDER", help="holds both bundles")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of coronal_ct.md and .json")
    options = parser.parse_args()
    try:
        require_data_folder()
        config = read_config(CONFIG)
        content = make_table(options.bundles, read_slices(config), config)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    # What the model cards show: a section for each bundle, which names the weights that it was measured with.
    content |= {name: _section(content) for name in STAGES}
    if options.bundles != BUNDLES:
        path = options.bundles / EVALUATION.name
        write_evaluation(path, read_evaluation(path) | {name: content[name] for name in STAGES})
    text = markdown(content)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    documents = {"coronal_ct.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n", "coronal_ct.md": text}
    for name, document in documents.items():
        replace_file(options.out / name, document.encode())


def _section(content: dict) -> dict:
    """The figures of the two stages, as ``bundles.card`` reads them."""
    section: dict = {"models": content["models"]}
    for part, own in content["two stages"].items():
        slices, hips = own["slices"], own["hips"]
        section[part] = {
            "slice_auc": slices["auc"][0],
            "slice_sensitivity": slices["sensitivity"],
            "slice_specificity": slices["specificity"],
            "dice": slices["dice"],
            "hd95_mm": slices["hd95_mm"],
            "hip_auc": hips["auc"][0],
        }
        section |= {f"{part}_slices": slices["slices"], f"{part}_hips": hips["patients"]}
    unseen = [row for row in content["real"] if row["kind"] == "never seen"]
    section |= {"sound_heads": len(unseen), "sound_below": sum(row["below"] for row in unseen)}
    return section


if __name__ == "__main__":
    main()
