"""DICOM series: finding, judging, choosing and reading them. Classic and enhanced multi-frame, MR and CT.

DICOM speaks LPS; everything that leaves this file is RAS.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import Plane, plane_of
from ONFHAssistLib.imaging.sequence import ImageKind, kind_from_tags

_SAME_DIRECTION = 1e-2  # difference of direction cosines (about half a degree) between slices that count as parallel
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
# pydicom's free codecs do not decode these; SimpleITK does.
_DECODED_BY_SIMPLEITK = (JPEGLossless, JPEGLosslessSV1, JPEGExtended12Bit)
_NUMBER_WORDS = {2: "two", 3: "three", 4: "four", 5: "five"}


@dataclass(frozen=True)
class Frame:
    """One slice: its place in a file and in the patient (LPS, mm), and how stored values become intensities."""

    path: Path
    index: int
    orientation: tuple[float, ...]
    position_mm: tuple[float, ...]
    pixel_mm: tuple[float, float]
    shape: tuple[int, int]
    slope: float
    intercept: float

    @property
    def normal(self) -> np.ndarray:
        """Unit vector of the slice's normal, LPS."""
        return np.cross(self.orientation[:3], self.orientation[3:])


@dataclass(frozen=True)
class Series:
    """One series, or one multi-frame object: ``header`` is the first file's without its pixels."""

    header: pydicom.Dataset
    frames: tuple[Frame, ...]

    @property
    def number(self) -> str:
        """The series number, "?" where there is none."""
        value = self.header.get("SeriesNumber")
        return "?" if value in (None, "") else str(value)

    @cached_property
    def kind(self) -> ImageKind:
        """Modality and sequence by the tags."""
        return kind_from_tags(self.header)

    @cached_property
    def problem(self) -> str | None:
        """Why the series cannot be read as one volume, or None; said without reading a pixel."""
        try:
            self.grid  # noqa: B018
        except InputError as error:
            return str(error)
        return None

    @cached_property
    def grid(self) -> tuple[tuple[Frame, ...], np.ndarray]:
        """The frames in order along the slice normal, and the IJK-to-RAS matrix of their stack."""
        return _stack(self)

    @property
    def plane(self) -> Plane | None:
        """The plane of the slices; None where they do not make a volume."""
        if self.problem:
            return None
        frames, matrix = self.grid
        return plane_of(Volume(np.broadcast_to(np.uint8(0), (len(frames), *frames[0].shape)), matrix))[0]

    @property
    def summary(self) -> str:
        """A few words that name the series without anything about the patient."""
        what = self.kind.sequence if self.kind.sequence != "unknown" else self.kind.modality
        return f"{self.number} ({' '.join(x for x in (self.plane, what) if x)}, {len(self.frames)} slices)"

    @property
    def score(self) -> float:
        """How well the series suits the models; see :func:`choose`."""
        if self.problem:
            return -100.0
        frames, matrix = self.grid
        shape = np.array([frames[0].shape[1], frames[0].shape[0], len(frames)])
        extent_mm = np.abs(matrix[:3, :3]) @ shape
        sequence = {"T1": 8, "CT": 6, "PD": 4, "T2": 4, "STIR": 3, "GRE": 1}.get(self.kind.sequence, 2)
        words = f"{self.header.get('BodyPartExamined', '')} {self.header.get('SeriesDescription', '')}".lower()
        return (
            sequence
            - (4 if self.kind.fat_suppressed else 0)
            + {"coronal": 4, "axial": 2, "sagittal": 1}[self.plane]
            + (2 if extent_mm[0] >= 250 else 0)  # both hips of an adult lie within 250 mm, left to right
            + (1 if re.search(r"hip|pelvi|h[uü]ft|becken|femur", words) else 0)
            - (10 if len(frames) < 6 or "LOCALIZER" in self.header.get("ImageType", []) else 0)
        )


def find_series(path: Path) -> tuple[Series, ...]:
    """Find every image series below a folder, or the one that a file belongs to.

    Raises:
        InputError: nothing there is a DICOM image.
    """
    below = (Path(root) / name for root, _, names in os.walk(path) for name in names)
    files = sorted(file for file in below if file.is_file())  # no dangling links, no sockets
    wanted = None
    if path.is_file():
        wanted = _header(path)
        if wanted is None:
            raise InputError(f"{path} is not a DICOM file or is damaged; give a NIfTI, NRRD, MHA or DICOM image.")
        _require_image(path, wanted)
        files = sorted(file for file in path.parent.iterdir() if file.is_file())
        if _is_multi_frame(wanted):
            files = [path]
    headers, others = [], 0
    for file in files:
        header = _header(file)
        if header is None or (wanted is not None and _series_key(header) != _series_key(wanted)):
            continue
        if _is_image(header):
            headers.append(header)
        else:
            others += "DICOMDIR" not in file.name
    if not headers:
        if others:
            raise InputError(f"{path} holds DICOM objects but none of them is an image; give the folder of the images.")
        what = "holds no DICOM image" if files else "is an empty folder"
        raise InputError(f"{path} {what}; give a folder with a DICOM series, or an image file.")
    grouped: dict[tuple, list[pydicom.Dataset]] = {}
    for header in headers:
        grouped.setdefault(_series_key(header), []).append(header)
    return tuple(Series(group[0], tuple(f for h in group for f in _frames(h))) for group in grouped.values())


def choose(found: tuple[Series, ...], wanted: str | None) -> Series:
    """Pick the series to grade.

    Without ``wanted`` the one with the best score wins: coronal T1 that covers both hips first. Points: T1 8, CT 6,
    PD and T2 4, STIR 3, unknown 2, gradient echo 1; fat suppression -4; coronal 4, axial 2, sagittal 1; at least
    250 mm from left to right 2; hip or pelvis by its tags 1; localizers and stacks of fewer than 6 slices -10; what
    is no volume -100. A tie goes to the one with more slices, then to the lower UID.

    Args:
        found: the series of a folder.
        wanted: series number, UID, or a part of its description.

    Raises:
        InputError: nothing is like ``wanted``, or the chosen one is no volume (its own reason).
    """
    among = found
    if wanted is not None:
        among = tuple(s for s in found if wanted in (s.number, str(s.header.get("SeriesInstanceUID", ""))))
        among = among or tuple(s for s in found if wanted.lower() in str(s.header.get("SeriesDescription", "")).lower())
        if not among:
            raise InputError(f"No series matches {wanted!r}; there are {'; '.join(s.summary for s in found)}.")
    best = min(among, key=lambda s: (-s.score, -len(s.frames), str(s.header.get("SeriesInstanceUID", ""))))
    if best.problem:
        raise InputError(best.problem)
    return best


def load(series: Series) -> Volume:
    """Read the pixels of a series: whole numbers where its rescaling allows, otherwise float32.

    Raises:
        InputError: the series is no volume, or a file's pixels cannot be decoded.
    """
    frames, matrix = series.grid
    whole = all(f.slope == 1 and f.intercept == int(f.intercept) for f in frames)
    array = np.empty((len(frames), *frames[0].shape), dtype=np.int32 if whole else np.float32)
    where: dict[Path, list[int]] = {}
    for k, frame in enumerate(frames):
        where.setdefault(frame.path, []).append(k)
    for path, positions in where.items():
        pixels, rescaled = _pixels(path)
        for k in positions:
            frame = frames[k]
            values = pixels[frame.index]
            if not rescaled and (frame.slope, frame.intercept) != (1, 0):
                values = values * frame.slope + frame.intercept
            array[k] = values
    if whole and np.iinfo(np.int16).min <= array.min() and array.max() <= np.iinfo(np.int16).max:
        array = array.astype(np.int16)
    return Volume(array, matrix)


def _header(path: Path) -> pydicom.Dataset | None:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError:
        return None
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied; make it readable.") from error
    except Exception as error:  # pydicom raises errors of every kind
        raise InputError(_damaged(path)) from error


def _damaged(path: Path) -> str:
    return f"{path} is a damaged DICOM file (header broken or cut off); copy or export it again."


def _is_image(header: pydicom.Dataset) -> bool:
    if "Rows" in header and "Columns" in header:
        return header.get("Modality") not in ("SEG", "RTDOSE", "PR")
    # A file that was cut off in its header must not go missing in silence.
    if "Image Storage" in getattr(header.file_meta.get("MediaStorageSOPClassUID"), "name", ""):
        raise InputError(_damaged(Path(header.filename)))
    return False


def _require_image(path: Path, header: pydicom.Dataset) -> None:
    if not _is_image(header):
        kind = header.get("Modality", "unknown kind")
        raise InputError(f"{path} is a DICOM object without an image ({kind}); give a file of the image series.")


def _is_multi_frame(header: pydicom.Dataset) -> bool:
    return int(header.get("NumberOfFrames") or 1) > 1


def _series_key(header: pydicom.Dataset) -> tuple[str, str]:
    """A multi-frame object is a volume of its own."""
    return (
        str(header.get("SeriesInstanceUID", "")),
        str(header.get("SOPInstanceUID", "")) if _is_multi_frame(header) else "",
    )


def _frames(header: pydicom.Dataset) -> Iterable[Frame]:
    """The frames of one file; where the place is missing, the vectors are empty and the series is refused later."""
    path = Path(header.filename)
    for index in range(int(header.get("NumberOfFrames") or 1)):
        groups = _groups(header, index)

        def value(keyword: str, default: object = (), groups: list[pydicom.Dataset] = groups) -> object:
            found = next((g.get(keyword) for g in groups if g.get(keyword) not in (None, "")), default)
            return default if found is None else found

        yield Frame(
            path,
            index,
            tuple(float(x) for x in value("ImageOrientationPatient")),
            tuple(float(x) for x in value("ImagePositionPatient")),
            tuple(float(x) for x in value("PixelSpacing")),
            (int(header.Rows), int(header.Columns)),
            float(value("RescaleSlope", 1)),
            float(value("RescaleIntercept", 0)),
        )


def _groups(header: pydicom.Dataset, index: int) -> list[pydicom.Dataset]:
    """Where a frame's attributes can stand: its own functional groups, the shared ones, the top level."""
    own = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    groups = [*(own[index : index + 1]), *shared[:1]]
    return [e.value[0] for g in groups for e in g if e.VR == "SQ" and e.value] + [header]


def _stack(series: Series) -> tuple[tuple[Frame, ...], np.ndarray]:
    name = f"Series {series.number}"
    frames = series.frames
    if series.header.get("SamplesPerPixel", 1) != 1 or "MONOCHROME" not in series.header.get(
        "PhotometricInterpretation", "MONOCHROME2"
    ):
        raise InputError(f"{name} holds colour pictures; give a greyscale MR or CT series.")
    lengths = {(len(f.orientation), len(f.position_mm), len(f.pixel_mm)) for f in frames}
    if lengths != {(6, 3, 2)}:
        raise InputError(f"{name} does not say where its slices lie in the patient; give the original MR or CT series.")
    numbers = np.array([(*f.orientation, *f.position_mm, *f.pixel_mm) for f in frames])
    if not np.isfinite(numbers).all() or (numbers[:, 9:] <= 0).any():
        raise InputError(f"{name} has a pixel spacing or position that is zero or not a number; export it again.")
    planes = _orientations(frames)
    if len(planes) > 1:
        count = _NUMBER_WORDS.get(len(planes), str(len(planes)))
        names = ", ".join(planes)
        raise InputError(
            f"In series {series.number} {count} orientations are mixed ({names}), as in a localizer; "
            "give a series with parallel slices."
        )
    first = frames[0]
    if any(f.shape != first.shape or not np.allclose(f.pixel_mm, first.pixel_mm, rtol=1e-3) for f in frames):
        raise InputError(f"{name} mixes images of different size or pixel spacing; give a series of one acquisition.")
    if len(frames) < 2:
        raise InputError(f"{name} has one slice only; give the whole series.")
    normal = first.normal / np.linalg.norm(first.normal)
    ordered = tuple(sorted(frames, key=lambda f: float(np.dot(f.position_mm, normal))))
    positions = np.array([f.position_mm for f in ordered])
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    if gaps.min() < max(0.01, 0.1 * usual):
        doubled = int((gaps < max(0.01, 0.1 * usual)).sum())
        raise InputError(
            f"{name} has {doubled} doubled slice positions (copies, or several echoes or time points); "
            "give a series with one image at each position."
        )
    missing = int(sum(round(gap / usual) - 1 for gap in gaps if gap > 1.5 * usual))
    if missing:
        slices = "slice is" if missing == 1 else "slices are"
        raise InputError(f"In series {series.number} {missing} {slices} missing; export the whole series again.")
    if np.abs(gaps - usual).max() > max(0.1, 0.1 * usual):
        raise InputError(f"{name} has slices at uneven distances; give a series with evenly spaced slices.")
    along = (positions[-1] - positions[0]) @ normal / (len(ordered) - 1)
    drift = positions[-1] - positions[0] - normal * along * (len(ordered) - 1)
    if np.linalg.norm(drift) > 0.5 * min(first.pixel_mm):
        raise InputError(f"{name} is sheared (tilted gantry); give a series that was resampled to upright slices.")
    matrix = np.eye(4)
    row_mm, column_mm = first.pixel_mm  # distance of rows, then of columns
    matrix[:3, 0] = np.array(first.orientation[:3]) * column_mm
    matrix[:3, 1] = np.array(first.orientation[3:]) * row_mm
    matrix[:3, 2] = normal * along
    matrix[:3, 3] = positions[0]
    matrix[:3] = _LPS_TO_RAS @ matrix[:3]
    try:
        Volume(np.zeros((1, 1, 1)), matrix)
    except ValueError as error:
        raise InputError(f"{name} has image axes that are not at right angles; export it again.") from error
    return ordered, matrix


def _orientations(frames: tuple[Frame, ...]) -> list[str]:
    """Names of the distinct orientations in order of appearance."""
    distinct: list[Frame] = []
    for frame in frames:
        if not any(np.allclose(frame.orientation, d.orientation, atol=_SAME_DIRECTION) for d in distinct):
            distinct.append(frame)
    return [("sagittal", "coronal", "axial")[int(np.abs(f.normal).argmax())] for f in distinct]


def _pixels(path: Path) -> tuple[np.ndarray, bool]:
    """Pixels of a file, shape (frame, row, column), and whether they are rescaled already."""
    try:
        dataset = pydicom.dcmread(path)
        if dataset.file_meta.TransferSyntaxUID in _DECODED_BY_SIMPLEITK:
            import SimpleITK as sitk

            return sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO")), True
        pixels = dataset.pixel_array
    except Exception as error:  # the codecs raise errors of every kind
        raise InputError(f"The pixels of {path} cannot be decoded (damaged or cut off); export it again.") from error
    return pixels.reshape(-1, *pixels.shape[-2:]), False
