"""The real images that training and evaluation may use, and the project's own labels for them."""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ONFHAssistLib.core.hip import Side, Sphere
from ONFHAssistLib.core.volume import Volume

TRAINING_CASES = ("01", "03", "06", "07", "10", "12", "15", "16", "19", "21")
TEST_CASES = ("04", "09", "13", "18", "23")
ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path | None:
    """Return the folder of the real data (``ONFH_DATA`` or ``../shared/data``), or None where there is none."""
    folder = Path(os.environ.get("ONFH_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "t1_coronal").is_dir() else None


def read_volume(path: Path) -> Volume:
    """Read an image file into a Volume (RAS)."""
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image), np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix)


@cache
def read_case(case: str) -> Volume:
    """Read a T1 study of ``t1_coronal`` by its two digits."""
    return read_volume(data_folder() / "t1_coronal" / f"case_{case}_t1.nii.gz")


@cache
def real_heads() -> dict[tuple[str, Side], Sphere]:
    """Spheres of the 20 heads of the training studies, marked for this project from the images alone."""
    heads = json.loads((ROOT / "training" / "real_labels.json").read_text())["heads"]
    return {(h["case"], h["side"]): Sphere(tuple(h["centre_ras_mm"]), h["radius_mm"]) for h in heads}


def real_label(case: str, side: Side, like: Volume) -> Volume:
    """Read the label map that ``python -m training.label_real`` made, on the grid of ``like``; 255 is unknown."""
    label = read_volume(ROOT / "training" / "cache" / "real_labels" / f"case_{case}_{side}.nii.gz")
    first = np.round(like.ijk(label.ijk_to_ras[:3, 3])).astype(int)[::-1]
    array = np.full(like.array.shape, 255, np.uint8)
    array[tuple(slice(f, f + n) for f, n in zip(first, label.array.shape, strict=True))] = label.array
    return like.like(array)
