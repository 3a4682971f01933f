"""The real images that training and evaluation may use."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume

TRAINING_CASES = ("01", "03", "06", "07", "10", "12", "15", "16", "19", "21")
VALIDATION_CASES = ("12", "21")
"""Training patients that the anatomy and the necrosis network do not learn from: they choose checkpoints, thresholds
and calibrations. The hip finder has learned from them."""
TEST_CASES = ("04", "09", "13", "18", "23")
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "training" / "cache"
SAMPLES_VERSION = 5
"""Raise it with each change to the code that makes samples: older caches are then made anew."""
NO_DATA = "The real data is not there; put it into ../shared/data or name its folder in ONFH_DATA."
LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def data_folder() -> Path | None:
    """Return the folder of the real data (``ONFH_DATA`` or ``../shared/data``), or None where there is none."""
    folder = Path(os.environ.get("ONFH_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "t1_coronal").is_dir() else None


def require_data_folder() -> Path:
    """Return the folder of the real data, or raise InputError: a run that wants it must not go on without it."""
    folder = data_folder()
    if folder is None:
        raise InputError(NO_DATA)
    return folder


def to_volume(image: sitk.Image) -> Volume:
    """Turn a SimpleITK image (LPS) into a Volume (RAS)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image), LPS_RAS @ matrix)


def to_image(volume: Volume) -> sitk.Image:
    """Turn a Volume (RAS) into a SimpleITK image (LPS)."""
    image = sitk.GetImageFromArray(volume.array)
    matrix = LPS_RAS @ volume.ijk_to_ras
    image.SetSpacing(volume.spacing_mm)
    image.SetDirection((matrix[:3, :3] / np.array(volume.spacing_mm)).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    return image


def read_volume(path: Path) -> Volume:
    """Read an image file into a Volume (RAS)."""
    return to_volume(sitk.ReadImage(str(path)))


@cache
def read_case(case: str) -> Volume:
    """Read a T1 study of ``t1_coronal`` by its two digits."""
    return read_volume(require_data_folder() / "t1_coronal" / f"case_{case}_t1.nii.gz")
