"""Make the sample studies of ``Resources/SampleData``: ``python -m training.sample_data``."""

import SimpleITK as sitk

from training.phantoms.sample_studies import axial_ct, coronal_t1
from training.real.data import ROOT

FOLDER = ROOT / "Resources" / "SampleData"


def main() -> None:
    """Write both studies."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, image in (("procedural_t1", coronal_t1()), ("procedural_ct", axial_ct())):
        path = FOLDER / f"{name}.nii.gz"
        sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=9)
        print(f"{path.relative_to(ROOT)}: {image.GetSize()}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
