"""The slices of one DICOM file: where each lies in the patient, how its stored values become intensities, and what
tells it from others at the same place (echo, time, stack). Classic and enhanced multi-frame objects.

DICOM speaks LPS.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pydicom

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.dicom_header import MAX_FRAMES
from ONFHAssistLib.imaging.limits import MAX_SIDE, VOXELS
from ONFHAssistLib.imaging.sequence import groups_of, image_type, text_of

Numbers = tuple[float, ...]

# What may tell slices at the same place from each other, in the order in which it is tried; and where it stands.
_TELLING = {
    "image type": (),
    "stack": ("StackID",),
    "echo time": ("EffectiveEchoTime", "EchoTime"),
    "echo": ("EchoNumbers",),
    "time": ("TemporalPositionIndex", "TemporalPositionIdentifier"),
    "b-value": ("DiffusionBValue",),
    "inversion time": ("InversionTimes", "InversionTime"),
    "flip angle": ("FlipAngle",),
    "acquisition": ("FrameAcquisitionNumber", "AcquisitionNumber"),
    "trigger time": ("NominalCardiacTriggerDelayTime", "TriggerTime"),
    "acquisition time": ("FrameAcquisitionDateTime", "AcquisitionTime"),
}
TELLING = tuple(_TELLING)
"""The names of what `Frame.tags` holds."""
# The functional group macro that a frame's attribute stands in (PS3.3 C.7.6.16.2).
_MACROS = {
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}
_DECIDE = ("SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")


@dataclass(frozen=True)
class Frame:
    """One slice: its place in a file and in the patient (LPS, mm), and how stored values become intensities.

    Attributes:
        path: the file.
        index: which of its frames.
        orientation: direction cosines of a row, then of a column; empty where the file does not say.
        position_mm: centre of the first voxel; empty where the file does not say.
        pixel_mm: distance of rows, then of columns; empty where the file does not say.
        shape: rows, columns.
        slope: of the rescaling.
        intercept: of the rescaling.
        number: its number in the series, or None.
        header: of its file.
    """

    path: Path
    index: int
    orientation: Numbers
    position_mm: Numbers
    pixel_mm: Numbers
    shape: tuple[int, int]
    slope: float = 1.0
    intercept: float = 0.0
    number: int | None = None
    header: pydicom.Dataset = field(default_factory=pydicom.Dataset, repr=False, compare=False)

    @property
    def normal(self) -> np.ndarray:
        """Unit vector of the slice's normal, LPS."""
        return np.cross(self.orientation[:3], self.orientation[3:])

    @cached_property
    def image_type(self) -> tuple[str, ...]:
        """What ImageType says of it, or FrameType of its own."""
        return tuple(image_type(self.header, self.index))

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Its values of TELLING; "" where there is none."""
        groups = [*groups_of(self.header, self.index), self.header]

        def first(keywords: tuple[str, ...]) -> str:
            return next((text for group in groups for keyword in keywords if (text := text_of(group, keyword))), "")

        return ("\\".join(self.image_type), *(first(keywords) for keywords in list(_TELLING.values())[1:]))

    @property
    def place(self) -> Numbers:
        """Orientation and position, rounded: the same for images of the same slice."""
        return tuple(round(x, 3) for x in self.orientation) + tuple(round(x, 2) for x in self.position_mm)


def count_of_frames(header: pydicom.Dataset) -> int:
    """How many frames a file declares; one for a classic image.

    Raises:
        InputError: it is not a number, or more than any hip has.
    """
    count = _whole(header, "NumberOfFrames", 1)
    if not 1 <= count <= MAX_FRAMES:
        raise InputError(
            f"{header.filename} declares {count:,} frames, and at most {MAX_FRAMES:,} are read; it is damaged, or give "
            "the series of the hip alone."
        )
    return count


def frames_of(header: pydicom.Dataset) -> tuple[Frame, ...]:
    """The frames of one file.

    Raises:
        InputError: a value that decides is damaged, or the file is too large or too short for what it declares.
    """
    path, count = Path(header.filename), count_of_frames(header)
    rows, columns = (_whole(header, keyword, 0) for keyword in ("Rows", "Columns"))
    if not 1 <= min(rows, columns) <= max(rows, columns) <= MAX_SIDE or rows * columns * count > VOXELS:
        raise InputError(
            f"{path} declares {count:,} x {rows:,} x {columns:,} voxels, and a side of at most {MAX_SIDE:,} and "
            f"{VOXELS:,} voxels are read; it is damaged, or crop it to the hips."
        )
    _require_length(header, rows * columns * count)
    for keyword in _DECIDE:  # asked for once, so that a damaged one is this file's fault and nobody else's
        _whole(header, keyword, 0)
    own = header.get("PerFrameFunctionalGroupsSequence")
    if own is not None and len(own) != count:
        raise InputError(f"{path} declares {count} frames and describes {len(own)}; copy or export it again.")
    shared = _sequence(header, "SharedFunctionalGroupsSequence")[:1]
    found = []
    for index in range(count):
        groups = [*(own or [])[index : index + 1], *shared]
        orientation, position_mm, pixel_mm = (_numbers(header, groups, keyword) for keyword in list(_MACROS)[:3])
        slope, intercept = (
            (_numbers(header, groups, keyword) or (default,))[0]
            for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
        )
        number = _number_in_series(header, index, count)
        shape = rows, columns
        found.append(Frame(path, index, orientation, position_mm, pixel_mm, shape, slope, intercept, number, header))
    return tuple(found)


def _numbers(header: pydicom.Dataset, groups: Sequence[pydicom.Dataset], keyword: str) -> Numbers:
    """A frame's values: from its own functional group, the shared one, or the top level; () where there are none."""
    for group in groups:
        for macro in _sequence(group, _MACROS[keyword])[:1]:
            values = _as_floats(header, macro, keyword)
            if values:
                return values
    return _as_floats(header, header, keyword)


def _as_floats(header: pydicom.Dataset, group: pydicom.Dataset, keyword: str) -> Numbers:
    try:
        value = group.get(keyword)
        if value in (None, ""):
            return ()
        return tuple(float(x) for x in (value if hasattr(value, "__iter__") else [value]))
    except Exception as error:  # pydicom parses when asked, and raises errors of every kind
        raise _broken(header, keyword) from error


def _whole(header: pydicom.Dataset, keyword: str, default: int) -> int:
    try:
        value = header.get(keyword)
        return default if value in (None, "") else int(value)
    except Exception as error:
        raise _broken(header, keyword) from error


def _broken(header: pydicom.Dataset, keyword: str) -> InputError:
    return InputError(
        f"{header.filename} is a damaged DICOM file (its {keyword} is not a number); copy or export it again."
    )


def _sequence(dataset: pydicom.Dataset, keyword: str) -> Sequence[pydicom.Dataset]:
    value = dataset.get(keyword)
    return value if value is not None and not isinstance(value, (str, bytes)) else []


def _require_length(header: pydicom.Dataset, voxels: int) -> None:
    """Pixels that are not compressed must be in the file."""
    syntax = header.file_meta.TransferSyntaxUID
    if syntax.is_private or syntax.is_compressed or syntax.is_deflated:
        return
    missing = os.stat(header.filename).st_size < voxels * _whole(header, "BitsAllocated", 16) / 8
    if missing:
        raise InputError(f"The pixels of {header.filename} cannot be decoded (damaged or cut off); export it again.")


def _number_in_series(header: pydicom.Dataset, index: int, count: int) -> int | None:
    try:
        return index + 1 if count > 1 else int(text_of(header, "InstanceNumber"))
    except ValueError:
        return None
