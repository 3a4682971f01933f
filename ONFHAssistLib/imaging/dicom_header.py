"""One DICOM file's header: is it DICOM at all, whose and of which series is it, and is it sound?

Nothing here reads a pixel, and a file that lies about its size is told before anything of that size is asked for.
"""

import os
import re
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.filereader import data_element_generator, read_partial
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from ONFHAssistLib.imaging.sequence import text_of

MAX_FRAMES = 10_000
"""Frames of one object: an enhanced object of a hip has hundreds, a long dynamic one a few thousand."""
MAX_UNPACKED_BYTES = 1 << 29
"""What a file with a deflated data set may unpack to."""
_LARGE_FILE_BYTES = 1 << 28
_DEFER_BYTES = 1 << 16
_META_BYTES = 2048
# What the decoders ask for beside the pixels.
_OF_PIXELS = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable"),
    "ExtendedOffsetTableLengths",
)
# Objects with rows and columns that are no images of the patient.
_NO_IMAGES = ("SEG", "RTDOSE", "PR")
_VALUE_REPRESENTATIONS = re.compile(rb"AE|AS|AT|CS|DA|DS|DT|FD|FL|IS|LO|LT|OB|OW|PN|SH|SL|SQ|SS|ST|TM|UI|UL|UN|US|UT")


@dataclass(frozen=True)
class Fault:
    """A file that cannot be used, and what is known of it all the same.

    Attributes:
        path: the file.
        sentence: what is wrong with it and what to do.
        series_uid: "" where it cannot be read any more.
        may_be_image: it may be a slice of a series; without a series UID, of any series in its folder.
    """

    path: Path
    sentence: str
    series_uid: str = ""
    may_be_image: bool = True


@dataclass(frozen=True)
class Person:
    """Who is on an image, for comparing only: normalised name, ID and date of birth; never shown."""

    name: str
    number: str
    born: str


def looks_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does: with its mark, or, without one, with a plausible first element.

    What is no regular file is not opened: a pipe would keep the reader waiting for ever.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _begins_as_dicom(file.read(140))
    except OSError:
        return False


def read_header(path: Path) -> pydicom.Dataset | Fault | None:
    """Read a header; a damaged one, or one that may not be read, becomes a Fault, and what is not DICOM None."""
    try:
        with path.open("rb") as file:
            head = file.read(_META_BYTES)
            if not _begins_as_dicom(head):
                return None
            if _unpacks_too_large(file, head):
                return Fault(path, f"{path} unpacks to more than a header and an image; export it uncompressed.")
            file.seek(0)
            if os.fstat(file.fileno()).st_size > _LARGE_FILE_BYTES:  # a single value may be as large as the file
                return with_syntax(pydicom.dcmread(path, _DEFER_BYTES, stop_before_pixels=True, force=True))
            header = with_syntax(pydicom.dcmread(file, stop_before_pixels=True, force=True))
            if not header.file_meta.TransferSyntaxUID.is_deflated:
                header.pixels_at = file.tell()
            return header
    except PermissionError:
        return Fault(path, f"{path} cannot be read: permission denied; make it readable.")
    except OSError as error:
        return Fault(path, f"{path} cannot be read ({error.strerror}); copy it again.")
    except Exception:  # pydicom raises errors of every kind
        return damaged(path)


def read_with_pixels(header: pydicom.Dataset) -> pydicom.Dataset:
    """Read the pixels that belong to a header of `read_header`; what is not needed to decode them is left out."""
    path, at = Path(header.filename), getattr(header, "pixels_at", None)
    if at is None:
        return with_syntax(pydicom.dcmread(path, force=True))
    dataset = pydicom.Dataset()
    dataset.file_meta = header.file_meta
    for keyword in _OF_PIXELS:
        if keyword in header:
            dataset[keyword] = header[keyword]
    implicit, little = header.original_encoding
    with path.open("rb") as file:
        file.seek(at)
        elements = data_element_generator(
            file, bool(implicit), bool(little), lambda tag, vr, length: tag >> 16 > 0x7FE0
        )
        for element in elements:
            if isinstance(element, RawDataElement) and not element.VR:
                element = element._replace(VR="OW")
            dataset[element.tag] = element
    return dataset


def with_syntax(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """Give a data set without file meta information the transfer syntax that it was read with."""
    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    return dataset


def image_fault(header: pydicom.Dataset) -> Fault | bool:
    """Whether a header is that of an image; a Fault where it should be and is cut off."""
    if "Rows" in header and "Columns" in header:
        return text_of(header, "Modality") not in _NO_IMAGES
    # A file that was cut off in its header must not go missing in silence.
    if "Image Storage" in _sop_class(header):
        return damaged(Path(header.filename), series_uid(header))
    if not _sop_class(header):
        return replace(damaged(Path(header.filename), series_uid(header)), may_be_image=False)
    return False


def is_directory_record(header: pydicom.Dataset) -> bool:
    """Whether it is a DICOMDIR, the index of a disc."""
    return header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage


def is_capture(header: pydicom.Dataset) -> bool:
    """Whether it is a screen that was saved, by its class."""
    return "Secondary Capture" in _sop_class(header)


def series_uid(header: pydicom.Dataset) -> str:
    """The series instance UID, "" where there is none."""
    return text_of(header, "SeriesInstanceUID")


def person(header: pydicom.Dataset) -> Person:
    """Who is on the image: written with or without accents, carets and capitals it is the same name."""
    words = re.findall(r"\w+", _plain(text_of(header, "PatientName").split("=")[0]))
    return Person(
        " ".join(sorted(words)),
        _plain(text_of(header, "PatientID")).replace(" ", ""),
        text_of(header, "PatientBirthDate"),
    )


def several_people(people: Iterable[Person]) -> bool:
    """Whether names, IDs or dates of birth contradict each other; what is empty contradicts nothing."""
    found = set(people)
    return any(
        len({value for value in values if value}) > 1
        for values in zip(*((p.name, p.number, p.born) for p in found), strict=True)
    )


def shown_names(paths: Iterable[Path], people: Iterable[Person]) -> str:
    """The names of files for a sentence that may go into a report: only those that cannot name a patient.

    A name counts as harmless if it is made of numbers that are not the patient's and of words such as IM or dose.
    """
    numbers = {p.number for p in people if p.number}
    names = [path.name for path in paths]
    harmless = [name for name in names if _is_harmless(name, numbers)]
    shown = ", ".join(harmless[:3])
    if len(harmless) == len(names) <= 3:
        return shown
    return f"{shown} and {len(names) - len(harmless[:3])} more" if shown else "their names may name a patient"


_HARMLESS = (
    "im img ima image i mr ct sr se ser series slice frame dcm dicom scout loc localizer localiser topogram screen "
    "save screensave capture dose rtdose copy report bad damaged broken stranger garbage junk noise of a b x z"
)


def _is_harmless(name: str, numbers: set[str]) -> bool:
    name = name.lower()
    return set(re.findall(r"[^\W\d_]+", name)) <= set(_HARMLESS.split()) and not any(
        number in name for number in numbers
    )


def _plain(text: str) -> str:
    """Without accents and capitals; ä and ae are the same."""
    folded = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o").replace("Ø", "o"))
    bare = "".join(sign for sign in folded if not unicodedata.combining(sign)).casefold()
    return re.sub(r"([aou])e", r"\1", bare).strip()


def _sop_class(header: pydicom.Dataset) -> str:
    uid = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
    return getattr(uid, "name", "")


def damaged(path: Path, uid: str | None = None) -> Fault:
    """The fault of a file whose header cannot be parsed; its series is looked for in the part that is sound."""
    sentence = f"{path} is a damaged DICOM file (header broken or cut off); copy or export it again."
    if uid is not None:
        return Fault(path, sentence, uid)
    try:  # up to the series UID it may be sound
        with path.open("rb") as file:
            start = read_partial(file, stop_when=lambda tag, vr, length: tag > 0x0020000E, force=True)
        found, known = series_uid(start), "Image Storage" in _sop_class(start)
    except Exception:
        found, known = "", _begins_as_image(path)
    return Fault(path, sentence, found, known)


def _begins_as_image(path: Path) -> bool:
    """Whether the file meta information, as far as it can be read, names an image of MR or CT."""
    with path.open("rb") as file:
        return re.search(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.[24](\.|\0)", file.read(_META_BYTES)) is not None


def _begins_as_dicom(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return True
    group, element = head[:2], int.from_bytes(head[2:4], "little")
    if group not in (b"\x02\x00", b"\x08\x00") or element > 0x0100:
        return False
    return _VALUE_REPRESENTATIONS.fullmatch(head[4:6]) is not None or int.from_bytes(head[4:8], "little") <= 256


def _unpacks_too_large(file: BinaryIO, head: bytes) -> bool:
    """Unpack a deflated data set without keeping it; pydicom unpacks all of it at once."""
    meta_ends = 144 + int.from_bytes(head[140:144], "little") if head[136:138] == b"UL" else len(head) + 1
    if head[128:132] != b"DICM" or (DeflatedExplicitVRLittleEndian.encode() not in head and meta_ends <= len(head)):
        return False
    file.seek(132)
    meta = {e.tag: e for e in data_element_generator(file, False, True, lambda tag, vr, length: tag >> 16 > 2)}
    syntax = meta.get(Tag("TransferSyntaxUID"))
    if syntax is None or not (syntax.value or b"").startswith(DeflatedExplicitVRLittleEndian.encode()):
        return False
    unpack, length = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while length <= MAX_UNPACKED_BYTES and (chunk := unpack.unconsumed_tail or file.read(1 << 16)):
        length += len(unpack.decompress(chunk, 1 << 20))
    return length > MAX_UNPACKED_BYTES
