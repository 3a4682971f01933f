"""A DICOM series as a candidate: what it is, whether it makes one volume, and how well it suits the models."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pydicom

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.imaging.canonical import Plane, plane_of
from ONFHAssistLib.imaging.contrast import IN_WORDS
from ONFHAssistLib.imaging.dicom_frames import Frame
from ONFHAssistLib.imaging.dicom_header import Person, series_uid
from ONFHAssistLib.imaging.dicom_pixels import unread_compression
from ONFHAssistLib.imaging.dicom_stack import Stack, stack
from ONFHAssistLib.imaging.sequence import ImageKind, image_type, kind_from_tags, text_of

_OTHER_MODALITIES = {
    "PT": "a PET image",
    "NM": "a nuclear medicine image",
    "US": "an ultrasound image",
    "CR": "a radiograph",
    "DX": "a radiograph",
    "RF": "a fluoroscopy",
    "XA": "an angiography",
    "MG": "a mammography",
    "RTIMAGE": "a radiotherapy image",
    "SC": "a saved screen",
}


@dataclass(frozen=True)
class Series:
    """One series, one multi-frame object, or a part of one that holds several echoes, times or stacks.

    Attributes:
        frames: its slices.
        people: who is on it, for comparing only.
        fault: why it cannot be read whatever its slices say; "".
        part: its number among the parts of its series; 0 where there is one.
        notices: what was left out of it.
    """

    frames: tuple[Frame, ...]
    people: frozenset[Person] = frozenset()
    fault: str = ""
    part: int = 0
    notices: tuple[Notice, ...] = ()

    @property
    def header(self) -> pydicom.Dataset:
        """The header of its first file, without pixels."""
        return self.frames[0].header

    @property
    def uid(self) -> str:
        """The series instance UID."""
        return series_uid(self.header)

    @property
    def study(self) -> str:
        """The study instance UID."""
        return text_of(self.header, "StudyInstanceUID")

    @property
    def number(self) -> str:
        """The series number, "?" where there is none; "3.2" is the second part of series 3."""
        number = text_of(self.header, "SeriesNumber") or "?"
        return f"{number}.{self.part}" if self.part else number

    @cached_property
    def kind(self) -> ImageKind:
        """Modality and sequence by the tags."""
        return kind_from_tags(self.header, self.frames[0].index)

    @cached_property
    def problem(self) -> str | None:
        """Why the series cannot be read as one volume, or None; said without reading a pixel."""
        try:
            self.grid  # noqa: B018
        except InputError as error:
            return str(error)
        return None

    @cached_property
    def grid(self) -> Stack:
        """The frames in order along the slice normal, and the IJK-to-RAS matrix of their stack."""
        if self.fault:
            raise InputError(self.fault)
        name = f"Series {self.number}"
        modality = text_of(self.header, "Modality")
        if modality in _OTHER_MODALITIES:
            raise InputError(f"{name} is {_OTHER_MODALITIES[modality]} ({modality}); give an MR or CT series.")
        headers = list({id(f.header): f.header for f in self.frames}.values())
        if len({text_of(h, "Modality") for h in headers}) > 1:
            raise InputError(f"{name} mixes images of different modalities; give a series of one scanner.")
        light = {text_of(h, "PhotometricInterpretation") or "MONOCHROME2" for h in headers}
        if any(h.get("SamplesPerPixel", 1) != 1 for h in headers) or not light <= {"MONOCHROME1", "MONOCHROME2"}:
            raise InputError(f"{name} holds colour pictures; give a greyscale MR or CT series.")
        if len(light) > 1:
            raise InputError(f"{name} mixes images with white and with black for low values; export it again.")
        if any("MOSAIC" in f.image_type for f in self.frames):
            raise InputError(f"{name} holds mosaics, all slices in one picture; give a series with one slice in each.")
        if any(int(h.get("HighBit") or 0) >= int(h.get("BitsStored") or 16) for h in headers):
            raise InputError(f"{name} keeps its values in the upper bits, which is not read here; export it again.")
        if any("ModalityLUTSequence" in h for h in headers):
            raise InputError(f"{name} holds a table for its values, which is not read here; export it without.")
        compression = unread_compression([h.file_meta.TransferSyntaxUID for h in headers])
        if compression:
            raise InputError(
                f"{name} is compressed, and the compression {compression} is not read here; export it uncompressed."
            )
        return stack(self.frames, name)

    @property
    def plane(self) -> Plane | None:
        """The plane of the slices; None where they do not make a volume."""
        if self.problem:
            return None
        frames, matrix = self.grid
        return plane_of(Grid((len(frames), *frames[0].shape), matrix))[0]

    @property
    def summary(self) -> str:
        """A few words that name the series without anything about the patient."""
        return f"{self.number} ({' '.join(x for x in (self.plane, self.kind.words) if x)}, {len(self.frames)} slices)"

    @property
    def score(self) -> float:
        """How well the series suits the models; see `dicom.choose`."""
        plane = self.plane
        if plane is None:
            return -100.0
        frames, matrix = self.grid
        shape = np.array([frames[0].shape[1], frames[0].shape[0], len(frames)])
        extent_mm = np.abs(matrix[:3, :3]) @ shape
        kind = self.kind
        words = f"{text_of(self.header, 'BodyPartExamined')} {text_of(self.header, 'SeriesDescription')}".lower()
        localizer = any("LOCALIZER" in value.upper() for value in image_type(self.header, frames[0].index))
        return (
            {"T1": 8, "CT": 6, "PD": 4, "T2": 4, "STIR": 3, "GRE": 1}.get(kind.sequence, 2)
            - (4 if kind.fat_suppressed else 0)
            - (3 if kind.component in ("opposed-phase", "fat") else 10 if kind.component in IN_WORDS else 0)
            - (1 if kind.derived or kind.component == "in-phase" else 0)
            + {"coronal": 4, "axial": 2, "sagittal": 1}[plane]
            + (2 if extent_mm[0] >= 250 else 0)  # both hips of an adult lie within 250 mm, left to right
            + (1 if re.search(r"hip|pelvi|h[uü]ft|becken|femur", words) else 0)
            - (10 if len(frames) < 6 or localizer else 0)
        )
