"""Make the label maps of the real training studies: ``python -m training.label_real`` (``training/real/labels.py``)."""

import argparse
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from training.real.data import NO_DATA, data_folder, to_image
from training.real.labels import REAL_LABELS, label_hip, read_corrected, read_marked_hips


def main() -> None:
    """Label every marked hip, or those of the cases named, and write case_NN_side.nii.gz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="numbers of studies; all when none is named")
    parser.add_argument("--out", type=Path, default=REAL_LABELS)
    arguments = parser.parse_args()
    folder = data_folder()
    if folder is None:
        sys.exit(NO_DATA)
    arguments.out.mkdir(parents=True, exist_ok=True)
    hips = [hip for hip in read_marked_hips() if not arguments.cases or hip.case in arguments.cases]
    for case in sorted({hip.case for hip in hips}):
        volume = read_corrected(folder / "t1_coronal" / f"case_{case}_t1.nii.gz")
        for hip in (hip for hip in hips if hip.case == case):
            labels = label_hip(volume, hip)
            sitk.WriteImage(to_image(labels), str(arguments.out / f"case_{case}_{hip.side}.nii.gz"), True)
            counts = {int(v): int((labels.array == v).sum()) for v in np.unique(labels.array)}
            print(f"case {case} {hip.side}: {counts}", flush=True)


if __name__ == "__main__":
    main()
