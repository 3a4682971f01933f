"""From a path to a study: one volume, what is known about it, and the notices for the reader."""

import logging
import math
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging import limits, metaimage, nifti, nrrd
from ONFHAssistLib.imaging.canonical import plane_of
from ONFHAssistLib.imaging.content import kind_and_values, refuse_what_is_no_image
from ONFHAssistLib.imaging.declared import Declared
from ONFHAssistLib.imaging.packed import read_voxels
from ONFHAssistLib.imaging.sequence import ImageKind, body_part, burned_in, kind_from_image, patient_of

KINDS = {
    ".nii": "NIfTI",
    ".nii.gz": "NIfTI",
    ".hdr": "NIfTI",
    ".hdr.gz": "NIfTI",
    ".img": "NIfTI",
    ".img.gz": "NIfTI",
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
}
"""By the ending of a file's name; what is in it decides how it is unpacked."""
_DECLARED = {"NIfTI": nifti.declared, "NRRD": nrrd.declared, "MetaImage": metaimage.declared}
LARGEST_VALUE = 1e30
"""Beyond that statistics in single precision overflow."""
ONE_SLICE = "has one slice only; give the whole volume, or choose a system that reads slices"


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

    @property
    def form(self) -> Literal["volume", "slice", "picture"]:
        """Whether it is a volume, one slice with its place in the patient, or a picture without (`picture`)."""
        return self.source.get("form", "volume")


def read_study(path: str | Path, series: str | None = None, below: bool = True) -> Study:
    """Read NIfTI, NRRD, MetaImage or DICOM (a folder, searched through, or one file of a series).

    An MR without tags whose values go below zero is shifted to begin at zero (`content.kind_and_values`).

    Args:
        path: file or folder.
        series: DICOM only: number, UID or a part of the description of the series to take instead of the best one.
        below: look for DICOM also in the folders below a folder; a list of studies has an entry for each of them.

    Raises:
        InputError: the input cannot be used; one sentence says why and what to do.
    """
    path = Path(path)
    require_readable(path)
    kind = kind_of_name(path) if path.is_file() and not has_dicom_mark(path) else None
    with _quiet(), unavailable_said(path):
        if kind is not None:
            if series is not None:
                raise InputError(f"{path} holds one image and no series; leave --series out.")
            if (declared := declare(path)).one_slice:
                raise InputError(f"{path} {ONE_SLICE}.")
            return read_declared(declared, path)
        with damage_said(path):
            return _read_dicom(path, series, below)


@contextmanager
def damage_said(path: Path) -> Iterator[None]:
    """Turn what a damaged DICOM header raises wherever it is looked at into a sentence."""
    try:
        yield
    except (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        NotImplementedError,
        ArithmeticError,
        RecursionError,
        OSError,
        struct.error,
    ) as error:
        if isinstance(error, InputError):
            raise
        # pydicom parses a value when it is asked for, so a broken one shows up anywhere
        raise InputError(f"{path} holds a DICOM file with a damaged header; copy or export it again.") from error


def _read_dicom(path: Path, wanted: str | None, below: bool) -> Study:
    from ONFHAssistLib.imaging.dicom import choose, find_series, load

    found = find_series(path, below)
    chosen = choose(found.series, wanted)
    volume = load(chosen)
    require_usable_values(volume.array, f"Series {chosen.number}")
    kind = chosen.kind if chosen.kind.modality != "unknown" else kind_from_image(volume.array)
    source = source_facts("DICOM", volume, kind, body_part(chosen.header))
    if burned_in(chosen.header):
        source["burned_in"] = True
    passed_over = found.passed_over(chosen) if wanted is None else ()
    notices = (*passed_over, *chosen.notices, *found.notices, *kind.notices)
    return Study(volume, source, patient_of(chosen.header), notices)


def read_declared(declared: Declared, path: Path) -> Study:
    """Read the voxels that the header of a file declares; raises InputError where they are none of an image."""
    array = read_voxels(declared.packed, declared.dtype, math.prod(declared.shape), path).reshape(declared.shape)
    require_usable_values(array, str(path))
    array = _scaled(array, declared.scale)
    volume = Volume(array, declared.matrix)
    refuse_what_is_no_image(array, volume.spacing_mm, path)
    guessed, array = kind_and_values(array)
    volume = volume.like(array)
    return Study(volume, source_facts(kind_of_name(path) or "", volume, guessed), notices=declared.notices)


def declare(path: Path) -> Declared:
    """Return what the header of a NIfTI, NRRD or MetaImage file declares; no voxel is read.

    Raises:
        InputError: it is not one of them, damaged, or beyond the `limits`.
    """
    kind = kind_of_name(path)
    if kind is None:
        raise InputError(f"{path} has no ending of a NIfTI, NRRD or MetaImage file; give one of these.")
    limits.require_regular(path, path)
    with unavailable_said(path), np.errstate(all="ignore"):  # what is not a number is refused, not told on stderr
        return _DECLARED[kind](path)


def kind_of_name(path: Path) -> str | None:
    """Return NIfTI, NRRD or MetaImage by the file's ending, else None."""
    return next((kind for suffix, kind in KINDS.items() if path.name.lower().endswith(suffix)), None)


@contextmanager
def unavailable_said(path: Path) -> Iterator[None]:
    """Turn what the disk or the memory does not give while a file is read into a sentence."""
    try:
        yield
    except MemoryError as error:
        raise InputError(
            f"The memory of this computer does not suffice to read {path}; close other programs or crop the image."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error


def _scaled(array: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """Apply slope and intercept as ITK does: in double precision, kept as float32 unless stored as double."""
    if scale == (1.0, 0.0):
        return array
    values = np.empty(array.shape, np.float64 if array.dtype == np.float64 else np.float32)
    for k, plane in enumerate(array):  # by slices: the doubles take little memory
        values[k] = plane * scale[0] + scale[1]
    _require_finite(values, "The image after its scaling")
    return values


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
        "shape": list(volume.shape),
        "body_part": shown,
    }


def require_readable(path: Path) -> None:
    """Raise InputError where a path is none, leads to nothing, may not be read, or is an empty file or a device."""
    if "\0" in str(path):
        raise InputError(f"{path} is no path, as it holds a character that no name may have; check it.")
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            if not stat.S_ISREG(path.stat().st_mode):
                raise InputError(f"{path} is no regular file (a device, a pipe or a socket); give an image file.")
            with path.open("rb") as file:
                if not file.read(1):
                    raise InputError(f"{path} is an empty file; give an image.")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the path.") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied; make it readable.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def has_dicom_mark(path: Path) -> bool:
    """Whether a file says that it is DICOM, whatever its name: some scanners call theirs .img."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _require_finite(array: np.ndarray, name: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{name} has voxels that are not a number (NaN or infinite); replace them and try again.")


def require_usable_values(array: np.ndarray, name: str) -> None:
    """Raise InputError where voxels are no numbers, too large, or all the same; the sentence begins with ``name``."""
    _require_finite(array, name)
    lowest, highest = array.min(), array.max()
    if max(abs(float(lowest)), abs(float(highest))) > LARGEST_VALUE:
        raise InputError(f"{name} holds values above {LARGEST_VALUE:g}, which no scanner gives; export it again.")
    if lowest == highest:
        raise InputError(f"{name} has the same value in every voxel; give an image with content.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' own warnings off the terminal; what matters is raised or noticed."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "openjpeg", "pylibjpeg")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
