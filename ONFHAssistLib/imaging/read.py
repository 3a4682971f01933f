"""From a path to a study: one volume, what is known about it, and the notices for the reader."""

import gzip
import logging
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.hip import Notice
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import plane_of
from ONFHAssistLib.imaging.sequence import ImageKind, body_part, burned_in, kind_from_image, patient_of

_KINDS = {
    ".nii": "NIfTI",
    ".nii.gz": "NIfTI",
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
}
# Signed and unsigned integers of 8 to 64 bits, float32 and float64 (nifti1.h).
_NIFTI_SCALARS = (2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280)
_NIFTI_FLOAT_BYTES = {16: 4, 64: 8}
# Bytes of a number in a MetaImage (metaTypes.h); a LONG has four on every machine.
_METAIMAGE_BYTES = {
    f"MET_{sign}{name}": n
    for sign in ("", "U")
    for name, n in (("CHAR", 1), ("SHORT", 2), ("INT", 4), ("LONG", 4), ("LONG_LONG", 8))
}
_METAIMAGE_BYTES |= {"MET_FLOAT": 4, "MET_DOUBLE": 8}
LABEL_VALUES = 16
"""A file of integers with at most so many different values is a label mask: an image has hundreds."""


@dataclass(frozen=True)
class Study:
    """An image as it was read.

    Attributes:
        volume: shape (k, j, i); intensities (HU for CT).
        source: JSON-ready and without anything about the patient: ``kind`` (NIfTI, NRRD, MetaImage, DICOM),
            ``modality`` (MR, CT, unknown), ``sequence`` (T1, T2, PD, STIR, CT, GRE, unknown), ``sequence_from``
            (tags or image), ``fat_suppressed``, ``contrast_agent`` (None: not known), ``plane``, ``obliquity_deg``,
            ``spacing_mm`` (i, j, k), ``shape`` (k, j, i), ``body_part`` (known words of the DICOM tag, "other", or "");
            and ``burned_in`` (true) where the header says that words are drawn into the image.
        patient: what the file says of the patient, see `sequence.PATIENT_TAGS`.
        notices: what the reader of the report should know about the reading.
    """

    volume: Volume
    source: dict[str, Any]
    patient: dict[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


def read_study(path: str | Path, series: str | None = None) -> Study:
    """Read NIfTI, NRRD, MetaImage or DICOM (a folder, searched through, or one file of a series).

    Args:
        path: file or folder.
        series: DICOM only: number, UID or a part of the description of the series to take instead of the best one.

    Raises:
        InputError: the input cannot be used; one sentence says why and what to do.
    """
    path = Path(path)
    _require_readable(path)
    suffix = next((s for s in _KINDS if path.name.lower().endswith(s)), None)
    with _quiet():
        if suffix is not None and path.is_file():
            if series is not None:
                raise InputError(f"{path} holds one image and no series; leave --series out.")
            return _read_file(path, suffix)
        try:
            return _read_dicom(path, series)
        except (
            ValueError,
            TypeError,
            AttributeError,
            LookupError,
            NotImplementedError,
            ArithmeticError,
            OSError,
        ) as error:
            if isinstance(error, InputError):
                raise
            # pydicom parses a value when it is asked for, so a broken one shows up anywhere
            raise InputError(f"{path} holds a DICOM file with a damaged header; copy or export it again.") from error


def _read_dicom(path: Path, wanted: str | None) -> Study:
    from ONFHAssistLib.imaging.dicom import choose, find_series, load

    found = find_series(path)
    chosen = choose(found, wanted)
    volume = load(chosen)
    require_usable_values(volume.array, f"Series {chosen.number}")
    notices = ()
    if len(found) > 1 and wanted is None:
        others = "; ".join(s.summary + (", not usable" if s.problem else "") for s in found if s is not chosen)
        rest = "the other one is" if len(found) == 2 else "the others are"
        text = f"Series {chosen.summary} was taken; {rest} {others}; --series NUMBER takes another one."
        notices = (Notice("several-series", text),)
    kind = chosen.kind if chosen.kind.modality != "unknown" else kind_from_image(volume.array)
    source = source_facts("DICOM", volume, kind, body_part(chosen.header))
    if burned_in(chosen.header):
        source["burned_in"] = True
    return Study(volume, source, patient_of(chosen.header), notices)


def _read_file(path: Path, suffix: str) -> Study:
    import SimpleITK as sitk

    notices = _check_nifti_header(path) if _KINDS[suffix] == "NIfTI" else ()
    if _KINDS[suffix] == "MetaImage":
        _check_metaimage(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    damaged = f"{path} is not a readable {_KINDS[suffix]} file (damaged, cut off or of another kind); export it again."
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(damaged) from error
    if reader.GetNumberOfComponents() != 1:
        raise InputError(f"{path} is a colour or vector image; give a greyscale one.")
    _require_three_dimensions(path, reader.GetSize())
    spacing = reader.GetSpacing()
    if not np.isfinite(spacing).all() or min(spacing) <= 0:
        raise InputError(f"{path} has a voxel spacing that is zero or not a number; export it again.")
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(damaged) from error
    array = sitk.GetArrayFromImage(image)
    array = array.reshape(array.shape[-3:])
    require_usable_values(array, str(path))
    if np.issubdtype(array.dtype, np.integer) and len(np.unique(array)) <= LABEL_VALUES:
        raise InputError(f"{path} holds few different values, as a label mask does; give the image that belongs to it.")
    matrix = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)[:3, :3]
    matrix[:3, :3] = direction * spacing[:3]
    matrix[:3, 3] = image.GetOrigin()[:3]
    matrix[:2] *= -1  # LPS to RAS
    try:
        volume = Volume(array, matrix)
    except ValueError as error:
        raise InputError(f"{path} has an unusable position in space ({error}); export it again.") from error
    return Study(volume, source_facts(_KINDS[suffix], volume, kind_from_image(array)), notices=notices)


def source_facts(file_kind: str, volume: Volume, kind: ImageKind, shown: str = "") -> dict[str, Any]:
    """Return ``Study.source``: what is known of an image; ``shown`` are the known words of its body part."""
    plane, obliquity_deg = plane_of(volume)
    return {
        "kind": file_kind,
        "modality": kind.modality,
        "sequence": kind.sequence,
        "sequence_from": kind.known_from,
        "fat_suppressed": kind.fat_suppressed,
        "contrast_agent": kind.contrast_agent,
        "plane": plane,
        "obliquity_deg": round(obliquity_deg, 1),
        "spacing_mm": [round(x, 4) for x in volume.spacing_mm],
        "shape": list(volume.array.shape),
        "body_part": shown,
    }


def _require_readable(path: Path) -> None:
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            with path.open("rb") as file:
                if not file.read(1):
                    raise InputError(f"{path} is an empty file; give an image.")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the path.") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied; make it readable.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def _require_three_dimensions(path: Path, size: tuple[int, ...]) -> None:
    if len(size) < 3:
        raise InputError(f"{path} is a 2D image; give the whole volume.")
    if any(n > 1 for n in size[3:]):
        raise InputError(f"{path} has {len(size)} dimensions (a time or echo series); give one 3D volume.")
    if min(size[:3]) < 2:
        raise InputError(f"{path} has one slice only; give the whole volume.")


def _require_finite(array: np.ndarray, name: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{name} has voxels that are not a number (NaN or infinite); replace them and try again.")


def require_usable_values(array: np.ndarray, name: str) -> None:
    """Raise InputError where voxels are not numbers, or all the same; the sentence begins with ``name``."""
    _require_finite(array, name)
    if array.min() == array.max():
        raise InputError(f"{name} has the same value in every voxel; give an image with content.")


def _check_nifti_header(path: Path) -> tuple[Notice, ...]:
    """Look at what ITK corrects in silence: spacing, colour types, a missing orientation (nifti1.h, nifti2.h)."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            header = file.read(540)
            length = len(header)
            while chunk := file.read(1 << 20):  # to the end: ITK fills what is cut off with zeros
                length += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut off; export it again.") from error
    for order in "<>":
        size = struct.unpack(order + "i", header[:4])[0] if len(header) >= 348 else 0
        if size == 348:
            ndim, *dims = struct.unpack_from(order + "8h", header, 40)
            spacing = struct.unpack_from(order + "8f", header, 76)
            datatype, bits, qform, sform = (struct.unpack_from(order + "h", header, at)[0] for at in (70, 72, 252, 254))
            offset, magic = struct.unpack_from(order + "f", header, 108)[0], header[344:347]
            break
        if size == 540 and len(header) == 540:
            ndim, *dims = struct.unpack_from(order + "8q", header, 16)
            spacing = struct.unpack_from(order + "8d", header, 104)
            datatype, bits = struct.unpack_from(order + "2h", header, 12)
            offset, magic = struct.unpack_from(order + "q", header, 168)[0], header[4:7]
            qform, sform = struct.unpack_from(order + "2i", header, 344)
            break
    else:
        raise InputError(f"{path} is not a NIfTI image (its header is missing or cut off); export it again.")
    if datatype in (128, 2304):
        raise InputError(f"{path} is a colour or vector image; give a greyscale one.")
    if datatype not in _NIFTI_SCALARS or not 1 <= ndim <= 7:
        raise InputError(f"{path} has a damaged header or voxels that are no plain numbers; export it again.")
    dims = dims[: max(0, min(ndim, 7))]
    _require_three_dimensions(path, tuple(dims))
    if magic.startswith(b"n+") and length < offset + math.prod(dims) * bits / 8:
        raise InputError(f"{path} is cut off: voxels are missing at its end; copy or export it again.")
    if datatype in _NIFTI_FLOAT_BYTES and 0 <= offset <= length:
        size = _NIFTI_FLOAT_BYTES[datatype]
        with opener(path, "rb") as file:
            file.seek(int(offset))
            while chunk := file.read(1 << 20):  # ITK turns NaN into zero
                _require_finite(np.frombuffer(chunk[: len(chunk) // size * size], f"{order}f{size}"), str(path))
    if not all(np.isfinite(x) and x > 0 for x in spacing[1:4]):
        raise InputError(f"{path} has a voxel spacing that is zero, negative or not a number; export it again.")
    if qform <= 0 and sform <= 0:
        text = "The file does not say how it lies in the patient: the sides and planes in this report may be wrong."
        return (Notice("no-orientation", text),)
    return ()


def _check_metaimage(path: Path) -> None:
    """Read the text header strictly, and count the bytes of its voxels.

    ITK's parser prints about errors in the header, some of which make it overrun its memory, and about missing voxels.
    """
    with path.open("rb") as file:
        raw = file.read(65536)
    fields: dict[str, list[str]] = {}
    header_bytes = 0
    for line in raw.split(b"\n"):
        header_bytes += len(line) + 1
        key, equals, value = line.decode("ascii", "replace").partition("=")
        if not equals or not re.fullmatch(r"[\w\[\]|:. -]+", key):  # ITK also writes keys such as dim[0]
            break
        fields[key.strip()] = value.split()
        if key.strip() == "ElementDataFile":
            break
    try:
        ndims = int(fields["NDims"][0])
        size = [int(x) for x in fields["DimSize"]]
        channels = int(fields.get("ElementNumberOfChannels", ["1"])[0])
        where = " ".join(fields["ElementDataFile"])
        counts = {"ElementSpacing": ndims, "Offset": ndims, "CenterOfRotation": ndims, "TransformMatrix": ndims**2}
        lengths_fit = all(len([float(x) for x in fields[k]]) == n for k, n in counts.items() if k in fields)
        known = fields["ElementType"][0].startswith("MET_") and bool(where)
        sound = 1 <= ndims <= 5 and len(size) == ndims and min(size) > 0 and lengths_fit and known
    except (KeyError, IndexError, ValueError):
        sound = False
    if not sound:
        raise InputError(f"{path} is not a MetaImage file, or its header is damaged; export it again.")
    voxels = path if where.upper() == "LOCAL" else path.parent / where
    voxel_bytes = channels * _METAIMAGE_BYTES.get(fields["ElementType"][0], 0)
    if fields.get("BinaryData", ["True"])[0].lower() != "true" or "LIST" in where or "%" in where:
        return  # numbers as text, or a file for each slice: ITK decides
    try:
        with voxels.open("rb") as file:
            file.seek(header_bytes if voxels == path else 0)
            compressed = fields.get("CompressedData", ["False"])[0].lower() == "true"
            length = _zlib_length(file) if compressed else voxels.stat().st_size - file.tell()
    except (OSError, zlib.error) as error:
        raise InputError(f"The voxels of {path} are missing or damaged; copy or export it again.") from error
    if length < math.prod(size) * voxel_bytes:
        raise InputError(f"{path} is cut off: voxels are missing at its end; copy or export it again.")


def _zlib_length(file: BinaryIO) -> int:
    unpack, length = zlib.decompressobj(), 0
    while chunk := file.read(1 << 18):
        length += len(unpack.decompress(chunk))
    return length


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' own warnings off the terminal; what matters is raised or noticed."""
    import SimpleITK as sitk

    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    loggers = [logging.getLogger(name) for name in ("pydicom", "openjpeg", "pylibjpeg")]
    levels = [logger.level for logger in loggers]
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
