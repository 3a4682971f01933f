"""Choose when a slice and a hip count as necrotic: ``python -m training.coronal_ct.decide [--bundles FOLDER]``.

On the validation patients, of whom no network has learned: for each of three rules of pooling the AUC of hips, and the
thresholds of slices and hips at a sensitivity of 98 % (``measure.decide``). What is chosen is written into the metadata
of the bundle ``ct_diagnosis`` in FOLDER (default: ``training/candidates``); weights and checksums stay.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.models.bundle import METADATA, Bundle, load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.systems.coronal_ct.pooling import Decision
from training.bundles.install import CANDIDATES
from training.coronal_ct.measure import decide, find
from training.coronal_ct.slices import Slices, read_slices
from training.learning.config import Config, read_config
from training.real.data import ROOT

STAGES = ("ct_diagnosis", "ct_necrosis")
"""The two bundles."""
CONFIG = ROOT / "training" / "configs" / "ct_diagnosis.yaml"
"""Its samples and patch are those of both stages and of their rivals."""


def choose(bundles: Path, slices: Slices, config: Config) -> tuple[Decision, dict[str, float]]:
    """Choose rule and thresholds for the bundles in a folder.

    Returns:
        The decision, and the validation AUC of hips by each rule.
    """
    stage1, stage2 = (open_engine(load_bundle(bundles / name), "cpu") for name in STAGES)
    validation = slices.of("validation")
    found = find(validation, stage1, stage2, config.patch.side_px, config.patch.pixel_mm)
    patients, scans = len(set(found.patient.tolist())), len(set(found.scan.tolist()))
    return decide(found, f"{scans} CT scans of {patients} procedural hips, about half of them with a painted lesion")


def write(bundle: Bundle, decision: Decision) -> None:
    """Put the decision into the bundle's ``metadata.json``, in one step."""
    metadata = json.loads(json.dumps(bundle.metadata))
    metadata["onfh_assist"]["decision"] = asdict(decision)
    replace_file(bundle.folder / METADATA, (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=Path, default=CANDIDATES, metavar="FOLDER", help="holds both bundles")
    options = parser.parse_args()
    try:
        config = read_config(CONFIG)
        decision, auc = choose(options.bundles, read_slices(config), config)
        write(load_bundle(options.bundles / STAGES[0]), decision)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps({"decision": asdict(decision), "auc_by_rule": auc}, indent=1))


if __name__ == "__main__":
    main()
