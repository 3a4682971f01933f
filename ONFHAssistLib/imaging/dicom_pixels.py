"""The pixels of DICOM files: decoded, rescaled frame by frame, and bright where the image is to be bright."""

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_color_lut, get_decoder, iter_pixels, pixel_array
from pydicom.uid import (
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.apart import decoded_by_itk
from ONFHAssistLib.imaging.dicom_frames import Frame
from ONFHAssistLib.imaging.dicom_header import read_with_pixels
from ONFHAssistLib.imaging.sequence import text_of

# pydicom's free codecs do not decode these, or read them silently where they are damaged; ITK does, and tells.
_DECODED_BY_ITK = (JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGExtended12Bit)
# How the values of a frame are stored.
_LAYOUT = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
# JPEG's and JPEG-LS's markers that begin a frame (SOF), without DHT (C4), JPG (C8) and DAC (CC); ITU-T T.81, T.87.
_JPEG_FRAMES = (*(n for n in range(0xC0, 0xD0) if n not in (0xC4, 0xC8, 0xCC)), 0xF7)


def unread_compression(syntaxes: Sequence[UID]) -> str | None:
    """The name of a compression that cannot be read here; None where all can."""
    for syntax in dict.fromkeys(syntaxes):
        if syntax in _DECODED_BY_ITK:
            continue
        try:
            if get_decoder(syntax).is_available:
                continue
        except NotImplementedError:
            pass
        return syntax.name
    return None


def read_pixels(frames: Sequence[Frame]) -> np.ndarray:
    """Read the pixels of slices in their order, rescaled: shape (k, j, i).

    Whole numbers of 16 or 32 bits where the rescaling allows and they fit, otherwise float32.

    Raises:
        InputError: a file's pixels cannot be decoded.
    """
    array: np.ndarray = np.empty((len(frames), *frames[0].shape), dtype=_type_for(frames))
    where: dict[Path, list[int]] = {}
    for k, frame in enumerate(frames):
        where.setdefault(frame.path, []).append(k)
    apart = _decoded_by_itk({path: [frames[k] for k in places] for path, places in where.items()})
    for path, places in where.items():
        own = apart.pop(path) if path in apart else _decoded(path, [frames[k] for k in places])
        for k, pixels in zip(places, own, strict=True):
            frame = frames[k]
            pixels = _with_dark_padding(pixels, frame.header)
            values = pixels if (frame.slope, frame.intercept) == (1, 0) else _rescaled(pixels, frame)
            array = _wide_enough(array, values)
            array[k] = values
    return _smallest(array)


def read_colour(frame: Frame) -> np.ndarray:
    """Read the pixels of a file with one frame in red, green and blue: shape (rows, columns, 3).

    Raises:
        InputError: they are compressed, in colours of another kind, or cannot be decoded.
    """
    if frame.header.file_meta.TransferSyntaxUID.is_compressed:
        raise InputError(f"{frame.path} is a compressed picture in colours; export it uncompressed, or as PNG.")
    kind = text_of(frame.header, "PhotometricInterpretation")
    if kind not in ("RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR"):
        raise InputError(f"{frame.path} has colours of a kind that is not read; export it in RGB, or as PNG.")
    with _told(frame.path):
        dataset = read_with_pixels(frame.header)
        pixels = pixel_array(dataset, index=0)
        if kind == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, frame.header)[..., :3]
        if pixels.shape != (*frame.shape, 3):
            raise ValueError(pixels.shape)
        return pixels


def inverted(array: np.ndarray) -> np.ndarray:
    """Turn an image whose low values are to be bright (MONOCHROME1) into one with bright high values, from zero on."""
    low, high = array.min(), array.max()
    if array.dtype.kind == "f" or int(high) - int(low) >> 31:
        return np.subtract(np.float32(high), array, dtype=np.float32)
    return _smallest(np.subtract(np.int32(high), array, dtype=np.int32))


def _type_for(frames: Sequence[Frame]) -> type:
    """The smallest type for what the headers promise; `_wide_enough` is for those that lie."""
    whole = all(f.slope == 1 and f.intercept == int(f.intercept) for f in frames)
    headers = {id(f.header): f.header for f in frames}.values()
    bits = [int(h.get("BitsStored") or h.get("BitsAllocated") or 16) for h in headers]
    signed = any(h.get("PixelRepresentation") == 1 for h in headers)
    if not whole or any(h.get("BitsAllocated") in (32, 64) and "BitsStored" not in h for h in headers):
        return np.float32
    low = min(f.intercept for f in frames) - (1 << max(bits) - 1 if signed else 0)
    high = max(f.intercept for f in frames) + (1 << max(bits) - (1 if signed else 0)) - 1
    return next((t for t in (np.int16, np.uint16, np.int32) if _fits(low, high, t)), np.float32)


def _fits(low: float, high: float, kind: type | np.dtype) -> bool:
    return np.iinfo(kind).min <= low and high <= np.iinfo(kind).max


def _with_dark_padding(pixels: np.ndarray, header: pydicom.Dataset) -> np.ndarray:
    """Make padding (PS3.3 C.7.5.1.1.2) as dark as the darkest voxel where it would be the brightest of a frame."""
    ends = [text_of(header, keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    numbers = [int(end) for end in ends if re.fullmatch(r"-?\d{1,10}", end)]
    if not numbers or pixels.dtype.kind not in "iu":
        return pixels
    # The tag may be unsigned where the pixels are not.
    wrapped = [n - 2**16 if pixels.dtype.kind == "i" and n > 2**15 - 1 else n for n in numbers]
    padding = (pixels >= min(wrapped)) & (pixels <= max(wrapped))
    if not padding.any() or padding.all():
        return pixels
    low, high = pixels[~padding].min(), pixels[~padding].max()
    dark = low
    brightest = min(wrapped) > high
    if text_of(header, "PhotometricInterpretation") == "MONOCHROME1":
        dark, brightest = high, max(wrapped) < low
    return np.where(padding, dark, pixels) if brightest else pixels


def _rescaled(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    if pixels.dtype.kind in "iu" and frame.slope == 1 and frame.intercept == int(frame.intercept):
        return pixels.astype(np.int64) + int(frame.intercept)
    return pixels * frame.slope + frame.intercept


def _wide_enough(array: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Give the array a wider type where values do not fit into it: what is cut would be wrong without a word."""
    if array.dtype.kind == "f":
        return array
    if values.dtype.kind == "f":
        return array.astype(np.float32)
    low, high = int(values.min()), int(values.max())
    if _fits(low, high, array.dtype):
        return array
    return array.astype(np.int32 if _fits(low, high, np.int32) else np.float32)


def _smallest(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.int16 or array.dtype.kind == "f":
        return array
    low, high = int(array.min()), int(array.max())
    if _fits(low, high, np.int16):
        return array.view(np.int16) if array.dtype == np.uint16 else array.astype(np.int16)
    return array.astype(np.int32 if _fits(low, high, np.int32) else np.float32, copy=False)


def _decoded(path: Path, frames: Sequence[Frame]) -> Iterator[np.ndarray]:
    """Stored values of the frames of one file, in their order."""
    with _told(path):
        dataset = read_with_pixels(frames[0].header)
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_compressed and syntax != RLELossless and "PixelData" in dataset:
            _check_coded_sizes(dataset)
        for frame, pixels in zip(frames, iter_pixels(dataset, indices=[f.index for f in frames]), strict=True):
            if pixels.shape != frame.shape:
                raise ValueError(pixels.shape)
            yield pixels


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the codecs raise, errors of every kind, into a sentence."""
    try:
        yield
    except MemoryError as error:
        raise InputError(f"The memory does not suffice for the pixels of {path}; close other programs.") from error
    except Exception as error:
        raise InputError(f"The pixels of {path} cannot be decoded (damaged or cut off); export it again.") from error


def _coded_frames(dataset: pydicom.Dataset) -> Iterator[bytes]:
    return generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1))


def _check_coded_sizes(dataset: pydicom.Dataset) -> None:
    """Compare the size that each JPEG stream declares with the header's: the codecs ask for memory by the former.

    A stream without its end (EOI) is cut off: libjpeg would fill what is missing with grey, and only print about it.
    """
    for coded in _coded_frames(dataset):
        cut_off = coded[:2] == b"\xff\xd8" and not coded.rstrip(b"\0").endswith(b"\xff\xd9")
        if cut_off or _coded_size(coded) != (int(dataset.Rows), int(dataset.Columns)):
            raise ValueError(_coded_size(coded))


def _coded_size(coded: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 stream of one channel; None where it does not say."""
    siz = coded.find(b"\xff\x4f\xff\x51", 0, 4096)  # JPEG 2000: SOC, then SIZ (ITU-T T.800 A.5.1)
    if siz >= 0:
        right, bottom, left, top = (int.from_bytes(coded[siz + at : siz + at + 4], "big") for at in (8, 12, 16, 20))
        return (bottom - top, right - left) if coded[siz + 40 : siz + 42] == b"\0\x01" else None
    at = 2
    while coded[:2] == b"\xff\xd8" and at + 9 <= len(coded) and coded[at] == 0xFF:
        if coded[at + 1] in _JPEG_FRAMES:
            return int.from_bytes(coded[at + 5 : at + 7], "big"), int.from_bytes(coded[at + 7 : at + 9], "big")
        padding = coded[at + 1] == 0xFF
        at += 1 if padding else 2 + int.from_bytes(coded[at + 2 : at + 4], "big")
    return None


def _decoded_by_itk(files: Mapping[Path, Sequence[Frame]]) -> dict[Path, np.ndarray]:
    """Decode what pydicom's codecs do not, all files of a series in one child (`apart`).

    The child sees files that are made here and hold the coded frames and their size alone: no header from elsewhere
    meets ITK's parser, and nothing is rescaled by it.

    Returns:
        for each file that needs it, the stored values of its frames: shape (n, rows, columns).
    """
    alike: dict[tuple, list[tuple[Path, bytes]]] = {}
    bare: dict[tuple, pydicom.Dataset] = {}
    for path, frames in files.items():
        if frames[0].header.file_meta.TransferSyntaxUID not in _DECODED_BY_ITK:
            continue
        with _told(path):
            dataset = read_with_pixels(frames[0].header)
            _check_coded_sizes(dataset)
            kind = (dataset.file_meta.TransferSyntaxUID, *(int(dataset[keyword].value) for keyword in _LAYOUT))
            coded = list(_coded_frames(dataset))
            alike.setdefault(kind, []).extend((path, coded[frame.index]) for frame in frames)
            bare.setdefault(kind, dataset)
    found: dict[Path, list[np.ndarray]] = {}
    for kind, coded_frames in alike.items():
        with tempfile.TemporaryDirectory(prefix="onfh-") as folder, _told(coded_frames[0][0]):
            file = Path(folder, "frames.dcm")
            _bare(bare[kind], [coded for _, coded in coded_frames]).save_as(file, enforce_file_format=True)
            pixels = decoded_by_itk(file, "GDCMImageIO").reshape(len(coded_frames), *files[coded_frames[0][0]][0].shape)
        for (path, _), values in zip(coded_frames, pixels, strict=True):
            found.setdefault(path, []).append(values)
    return {path: np.stack(values) for path, values in found.items()}


def _bare(dataset: pydicom.Dataset, coded: Sequence[bytes]) -> pydicom.Dataset:
    bare = pydicom.Dataset()
    bare.file_meta = pydicom.dataset.FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = MRImageStorage
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword in _LAYOUT:
        setattr(bare, keyword, int(dataset[keyword].value))
    bare.SamplesPerPixel, bare.PhotometricInterpretation = 1, "MONOCHROME2"
    bare.NumberOfFrames = len(coded)
    bare.PixelData = encapsulate(list(coded))
    bare["PixelData"].is_undefined_length = True
    return bare
