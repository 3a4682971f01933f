"""What the changes begin with: sound inputs of each kind, small, made from the sample data."""

import bz2
import gzip
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.uid import JPEGLosslessSV1

from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import read_study
from Testing.imaging.dicom_files import make_enhanced, make_series

BUNDLE = "hip_finder"


def make_seeds(folder: Path) -> dict[str, list[Path]]:
    """Return, for each kind, folders that hold one input each."""
    folder.mkdir(parents=True)
    volume = read_study(resource_path("SampleData", "procedural_t1.nii.gz")).volume
    small = volume.cropped((slice(4, 16), slice(20, 60), slice(30, 78)))
    return {
        "nifti": [_place(folder, f"nifti{n}", write, small) for n, write in enumerate(_NIFTI)],
        "nrrd": [_place(folder, f"nrrd{n}", write, small) for n, write in enumerate(_NRRD)],
        "mha": [_place(folder, f"mha{n}", write, small) for n, write in enumerate(_MHA)],
        "dicom": [_place(folder, f"dicom{n}", write, small) for n, write in enumerate(_DICOM)],
        "case": [_place(folder, "case", _data_set, small)],
        "bundle": [_place(folder, "bundle", _bundle, small)],
    }


def _place(folder: Path, name: str, write, volume: Volume) -> Path:
    place = folder / name
    place.mkdir()
    write(place, volume)
    return place


def _itk(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.array)
    matrix = np.diag([-1.0, -1, 1, 1]) @ volume.ijk_to_ras
    image.SetSpacing(volume.spacing_mm)
    image.SetOrigin(matrix[:3, 3].tolist())
    image.SetDirection((matrix[:3, :3] / volume.spacing_mm).ravel().tolist())
    return image


def _by_itk(name: str, packed: bool = False):
    return lambda place, volume: sitk.WriteImage(_itk(volume), str(place / name), useCompression=packed)


def _nifti2(place: Path, volume: Volume) -> None:
    nibabel.save(nibabel.Nifti2Image(volume.array.T, volume.ijk_to_ras), place / "a.nii")


def _scaled(place: Path, volume: Volume) -> None:
    image = nibabel.Nifti1Image(volume.array.T, volume.ijk_to_ras)
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, place / "a.nii")


def _pair(place: Path, volume: Volume) -> None:
    nibabel.save(nibabel.Nifti1Pair(volume.array.T, volume.ijk_to_ras), place / "a.hdr")


def _nrrd(encoding: str, pack):
    header = "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {}\nspace directions: {}\n"
    header += "kinds: domain domain domain\nendian: little\nencoding: {}\nspace origin: (1,2,3)\nnote:=x\n\n"

    def write(place: Path, volume: Volume) -> None:
        sizes = " ".join(str(n) for n in volume.array.shape[::-1])
        directions = "(1,0,0) (0,0,-1) (0,4.5,0)"
        content = pack(volume.array.astype("<i2"))
        (place / "a.nrrd").write_bytes(header.format(sizes, directions, encoding).encode() + content)

    return write


def _mha_text(place: Path, volume: Volume) -> None:
    sitk.WriteImage(_itk(volume), str(place / "b.mha"))
    head, _, _ = (place / "b.mha").read_bytes().partition(b"ElementDataFile = LOCAL\n")
    (place / "b.mha").unlink()
    words = " ".join(str(x) for x in volume.array.ravel()).encode()
    text = head.replace(b"BinaryData = True", b"BinaryData = False") + b"ElementDataFile = LOCAL\n" + words
    (place / "a.mha").write_bytes(text)


def _classic(place: Path, volume: Volume) -> None:
    for n, dataset in enumerate(make_series(volume.array.astype(np.uint16), spacing=(1.0, 1.0, 4.5))):
        dataset.save_as(place / f"{n:02}.dcm", enforce_file_format=True)


def _enhanced(place: Path, volume: Volume) -> None:
    make_enhanced(volume.array.astype(np.uint16))[0].save_as(place / "a.dcm", enforce_file_format=True)


def _lossless(place: Path, volume: Volume) -> None:
    """Encoded by SimpleITK, so that ITK has to decode it."""
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    for n, dataset in enumerate(make_series(volume.array.astype(np.uint16), spacing=(1.0, 1.0, 4.5))):
        image = sitk.GetImageFromArray(volume.array[n : n + 1].astype(np.uint16))
        path = place / f"{n:02}.dcm"
        writer.SetFileName(str(path))
        writer.Execute(image)
        packed = pydicom.dcmread(path)
        dataset.PixelData = packed.PixelData
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
        assert dataset.file_meta.TransferSyntaxUID == JPEGLosslessSV1
        dataset.save_as(path, enforce_file_format=True)


def _data_set(place: Path, volume: Volume) -> None:
    from ONFHAssistLib.curation.store.folder import create_store
    from Testing.curation.reviewed_hip import Hip

    store = create_store(place / "Dataset101_Heads")
    store.save(Hip(spacing_mm=(8.0, 8.0, 10.0)).case())
    store.save(Hip(lesion_mm=12.0, spacing_mm=(8.0, 8.0, 10.0)).case())


def _bundle(place: Path, volume: Volume) -> None:
    shutil.copytree(resource_path("Bundles", BUNDLE), place / BUNDLE)


_NIFTI = (_by_itk("a.nii"), _by_itk("a.nii.gz", True), _nifti2, _scaled, _pair)
_NRRD = (
    _nrrd("raw", lambda a: a.tobytes()),
    _nrrd("gzip", lambda a: gzip.compress(a.tobytes())),
    _nrrd("bzip2", lambda a: bz2.compress(a.tobytes())),
    _nrrd("ascii", lambda a: " ".join(str(x) for x in a.ravel()).encode()),
    _by_itk("a.nhdr", True),
)
_MHA = (_by_itk("a.mha"), _by_itk("a.mha", True), _by_itk("a.mhd"), _mha_text)
_DICOM = (_classic, _enhanced, _lossless)
