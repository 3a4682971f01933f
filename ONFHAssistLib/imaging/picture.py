"""Pictures and single slices as studies of one slice: PNG, JPEG, one DICOM frame of CR, DX, MR, CT or a screen.

A picture has no place in the patient: it is laid down as if it were seen from the front, the patient's right at the
left. Where nothing says how large its pixels are, ``source["spacing_mm"]`` is None and a pixel counts as 1 mm.
"""

import itertools
import math
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pydicom

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging import limits
from ONFHAssistLib.imaging.apart import decoded_apart
from ONFHAssistLib.imaging.declared import LPS_TO_RAS
from ONFHAssistLib.imaging.dicom import find_series
from ONFHAssistLib.imaging.dicom_frames import Frame, frames_of
from ONFHAssistLib.imaging.dicom_header import Fault, image_fault, is_capture, looks_like_dicom, read_header
from ONFHAssistLib.imaging.dicom_pixels import inverted, read_colour, read_pixels, unread_compression
from ONFHAssistLib.imaging.one_slice import declared_slice, read_slice, require_large
from ONFHAssistLib.imaging.picture_file import upright_pixels
from ONFHAssistLib.imaging.read import (
    Study,
    damage_said,
    read_study,
    require_readable,
    require_usable_values,
    source_facts,
)
from ONFHAssistLib.imaging.sequence import ImageKind, body_part, burned_in, kind_from_tags, patient_of, text_of

PROJECTIONS = ("CR", "DX", "RG", "OT", "SC", "XC", "IO", "PX", "RF", "XA")
"""Modalities whose objects are pictures, whatever else there is; MR and CT are read as volumes where that is wanted."""
_READ = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
PICTURES = tuple(_READ.values())
_NOT_READ = {b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"BM": "BMP", b"RIFF": "WebP"}
_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""
_FROM_THE_FRONT = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Axes of a picture in RAS: columns to the patient's left, rows downwards."""
_UNKNOWN = ImageKind("unknown", "unknown")
_LARGEST_MM = 1000.0
"""Size of a picture, by its pixel size."""


def read_image(path: str | Path, forms: Collection[str], series: str | None = None, below: bool = True) -> Study:
    """Read an image for systems that take these forms.

    Args:
        path: see `read_study`; or PNG, JPEG, one DICOM file, or a volume file of one slice.
        forms: of `systems.base.Form`. Where a volume is wanted, too, a DICOM file of MR or CT stands for its series if
            that has more slices than this one, otherwise for itself.
        series, below: see `read_study`.

    Raises:
        InputError: the input cannot be used; one sentence says why and what to do.
    """
    path = Path(path)
    require_readable(path)
    kind = picture_kind(path) if path.is_file() else None
    if series is None and not {"slice", "picture"}.isdisjoint(forms):
        file = path if path.is_file() else _only_dicom_in(path, below)
        if kind or (file and is_picture_in_dicom(file, "volume" not in forms or _is_all_of_its_series(file))):
            return read_picture(file or path)
        if path.is_file() and (declared := declared_slice(path)):
            return read_slice(declared, path)
    if kind and "picture" not in forms:
        raise InputError(
            f"{path} is a picture ({kind}), and the chosen systems read volumes only; give NIfTI, NRRD, MHA or "
            "DICOM, or choose a system that reads pictures."
        )
    return read_study(path, series=series, below=below)


def read_picture(path: Path) -> Study:
    """Read PNG, JPEG or the one frame of a DICOM file as a study of one slice.

    Its form is "slice" where the file says how it lies in the patient, and "picture" otherwise. Colours become grey.
    MONOCHROME1 is turned, so that bone is bright in every X-ray. A photograph is turned as Exif says.

    Raises:
        InputError: it can't be decoded within the `limits`, or is no picture.
    """
    require_readable(path)
    kind = picture_kind(path)
    if kind in _NOT_READ.values():
        raise InputError(f"{path} is a picture of a kind that is not read ({kind}); save it as PNG or JPEG.")
    if kind:
        return _study(grey(decoded_apart(upright_pixels, path, f"{kind}ImageIO")), kind, path)
    with damage_said(path):
        return _from_dicom(path)


def _study(
    array: np.ndarray,
    file_kind: str,
    path: Path,
    pixel_mm: tuple[float, float] | None = None,
    axes: np.ndarray | None = None,
    origin: tuple[float, ...] = (0.0, 0.0, 0.0),
    kind: ImageKind = _UNKNOWN,
    shown: str = "",
) -> Study:
    """Put pixels (rows, columns) into a study; ``pixel_mm`` are those of a row and of a column; ``axes`` in RAS."""
    require_large(array, path)
    require_usable_values(array, str(path))
    across, down = pixel_mm or (1.0, 1.0)
    if pixel_mm is not None:
        limits.require_spacing(path, pixel_mm)
        if max(across * array.shape[1], down * array.shape[0]) > _LARGEST_MM:
            raise InputError(f"{path} would be larger than {_LARGEST_MM:.0f} mm by its pixel size; export it again.")
    matrix = np.eye(4)
    matrix[:3, :3] = (_FROM_THE_FRONT if axes is None else axes) * np.array([across, down, 1.0])
    matrix[:3, 3] = origin
    volume = Volume(array[None], matrix)
    source = source_facts(file_kind, volume, kind, shown)
    source["form"] = "picture" if axes is None else "slice"
    if pixel_mm is None:
        source["spacing_mm"] = None
    return Study(volume, source)


def picture_kind(path: Path) -> str | None:
    """Return the kind of a picture, by how the file begins; None for anything else, DICOM among it."""
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return None
    if start[128:] == b"DICM":  # before it may stand anything, such as the beginning of a TIFF
        return None
    return next((kind for magic, kind in (_READ | _NOT_READ).items() if start.startswith(magic)), None)


def grey(array: np.ndarray) -> np.ndarray:
    """Return the brightness (rows, columns) of colours (rows, columns, 3)."""
    return array if array.ndim == 2 else (array @ _LUMA).astype(np.float32)


def is_picture_in_dicom(path: Path, alone: bool = False) -> bool:
    """Whether a DICOM file is a picture by itself; ``alone``: also one slice of MR or CT."""
    header = read_header(path)
    if not isinstance(header, pydicom.Dataset) or image_fault(header) is not True:
        return False
    return alone or is_picture(header)


def is_picture(header: pydicom.Dataset) -> bool:
    """Whether the header of a DICOM image is that of an X-ray or a saved screen."""
    return text_of(header, "Modality") in PROJECTIONS or is_capture(header)


def bright_bone(array: np.ndarray, header: pydicom.Dataset | None) -> np.ndarray:
    """Return an image so that bone is bright in every X-ray: turned where its DICOM header calls low values bright."""
    if header is None or text_of(header, "Modality") == "CT":
        return array
    light = text_of(header, "PhotometricInterpretation")
    plain = light in ("MONOCHROME2", "") and text_of(header, "PresentationLUTShape") == "INVERSE"
    return inverted(array) if light == "MONOCHROME1" or plain else array


def _only_dicom_in(folder: Path, below: bool) -> Path | None:
    """Return the DICOM file of a folder that has one and no more; ``below``: None where there are folders in it."""
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found = list(itertools.islice(filter(looks_like_dicom, inside), 2))
    return found[0] if len(found) == 1 and not (below and any(path.is_dir() for path in inside)) else None


def _is_all_of_its_series(path: Path) -> bool:
    """Whether a file is one slice, and no other file beside it is of its series."""
    if not is_picture_in_dicom(path, alone=True):
        return False
    with damage_said(path):
        return [len(one.frames) for one in find_series(path).series] == [1]


def _from_dicom(path: Path) -> Study:
    header = read_header(path)
    if header is None:
        raise InputError(f"{path} is no PNG, JPEG or DICOM file; give a picture.")
    if isinstance(header, Fault):
        raise InputError(header.sentence)
    fault = image_fault(header)
    if fault is not True:
        raise InputError(fault.sentence if fault else f"{path} is a DICOM object without an image; give a picture.")
    frames = frames_of(header)
    if len(frames) > 1:
        raise InputError(f"{path} holds {len(frames)} frames; give one picture, or the series to a system for volumes.")
    if name := unread_compression([header.file_meta.TransferSyntaxUID]):
        raise InputError(f"{path} is compressed by {name}, which is not read here; export it uncompressed.")
    frame = frames[0]
    light = text_of(header, "PhotometricInterpretation")
    colours = light not in ("MONOCHROME1", "MONOCHROME2", "")
    if header.get("ModalityLUTSequence"):
        raise InputError(f"{path} has its values in a table (Modality LUT), which is not read; export it as PNG.")
    array = read_pixels(frames)[0] if not colours else grey(read_colour(frame))
    modality = text_of(header, "Modality")
    array = bright_bone(array, header)
    pixel_mm, notices = _pixel_mm(header, frame)
    placed = modality in ("MR", "CT") and not is_capture(header) and len(frame.orientation) == 6 and pixel_mm
    axes = origin = None
    if placed and len(frame.position_mm) == 3:
        axes, origin = _place(frame, path)
    kind = kind_from_tags(header)
    study = _study(
        array, "DICOM", path, pixel_mm, axes, origin if origin is not None else (0.0, 0.0, 0.0), kind, body_part(header)
    )
    study.source["view"] = _view(header, modality)
    if burned_in(header):
        study.source["burned_in"] = True
    return Study(study.volume, study.source, patient_of(header), (*notices, *kind.notices))


def _place(frame: Frame, path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return the axes of a slice in RAS (columns: along a row, along a column, the normal), and its first voxel."""
    along, down = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    lengths = np.linalg.norm(along), np.linalg.norm(down)
    square = np.isfinite([*along, *down, *frame.position_mm]).all() and max(abs(n - 1) for n in lengths) < 1e-2
    if not square or abs(along @ down) > 1e-2 or max(map(abs, frame.position_mm)) > limits.ORIGIN_MM:
        raise InputError(f"{path} has a place in the patient that is none; export it again.")
    axes = np.stack([along / lengths[0], down / lengths[1], np.cross(along / lengths[0], down / lengths[1])], axis=1)
    origin = LPS_TO_RAS[:3, :3] @ np.array(frame.position_mm)
    return LPS_TO_RAS[:3, :3] @ axes, tuple(float(x) for x in origin)


def _pixel_mm(header: pydicom.Dataset, frame: Frame) -> tuple[tuple[float, float] | None, tuple[Notice, ...]]:
    """Return the distance of columns and of rows, None where the file does not say (PS3.3 10.7)."""
    if _sound(frame.pixel_mm):
        return (frame.pixel_mm[1], frame.pixel_mm[0]), ()
    at_detector = _floats(header, "ImagerPixelSpacing")
    if _sound(at_detector):
        factor = _floats(header, "EstimatedRadiographicMagnificationFactor")
        known = len(factor) == 1 and 1 <= factor[0] <= 3
        by = factor[0] if known else 1.0
        text = "The pixel size is that at the detector: lengths in the patient are smaller, by how much is not known."
        notices = () if known else (Notice("pixel-size-at-detector", text),)
        return (at_detector[1] / by, at_detector[0] / by), notices
    scanned = _floats(header, "NominalScannedPixelSpacing")
    if _sound(scanned):
        return (scanned[1], scanned[0]), ()
    aspect = _floats(header, "PixelAspectRatio")
    if _sound(aspect) and aspect[0] != aspect[1]:
        raise InputError(f"{header.filename} has pixels that are no squares, and no pixel size; export it as PNG.")
    return None, ()


def _sound(values: tuple[float, ...]) -> bool:
    return len(values) == 2 and all(math.isfinite(x) and x > 0 for x in values)


def _floats(header: pydicom.Dataset, keyword: str) -> tuple[float, ...]:
    try:
        value = header.get(keyword)
        if value in (None, ""):
            return ()
        return tuple(float(x) for x in (value if hasattr(value, "__iter__") else [value]))
    except Exception:  # pydicom parses when asked, and raises errors of every kind; what is damaged is not known
        return ()


def _view(header: pydicom.Dataset, modality: str) -> str:
    """Return modality and projection as known words, such as "DX AP"; others could name the patient."""
    position = text_of(header, "ViewPosition").upper()
    known = ("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO", "LATERAL")
    words = (modality if modality in (*PROJECTIONS, "MR", "CT") else "", position if position in known else "")
    return " ".join(word for word in words if word)
