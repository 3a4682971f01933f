"""The pixels of DICOM files: decoded, rescaled frame by frame, and bright where the image is to be bright."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder, iter_pixels
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, MRImageStorage, RLELossless, generate_uid

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.dicom_frames import Frame
from ONFHAssistLib.imaging.dicom_header import read_with_pixels

# pydicom's free codecs do not decode these; SimpleITK does.
_DECODED_BY_SIMPLEITK = (JPEGLossless, JPEGLosslessSV1, JPEGExtended12Bit)
# JPEG's and JPEG-LS's markers that begin a frame (SOF), without DHT (C4), JPG (C8) and DAC (CC); ITU-T T.81, T.87.
_JPEG_FRAMES = (*(n for n in range(0xC0, 0xD0) if n not in (0xC4, 0xC8, 0xCC)), 0xF7)


def unread_compression(syntaxes: Sequence[UID]) -> str | None:
    """The name of a compression that cannot be read here; None where all can."""
    for syntax in dict.fromkeys(syntaxes):
        if syntax in _DECODED_BY_SIMPLEITK:
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
    array = np.empty((len(frames), *frames[0].shape), dtype=_type_for(frames))
    where: dict[Path, list[int]] = {}
    for k, frame in enumerate(frames):
        where.setdefault(frame.path, []).append(k)
    for path, places in where.items():
        for k, pixels in zip(places, _decoded(path, [frames[k] for k in places]), strict=True):
            frame = frames[k]
            values = pixels if (frame.slope, frame.intercept) == (1, 0) else _rescaled(pixels, frame)
            array = _wide_enough(array, values)
            array[k] = values
    return _smallest(array)


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


def _fits(low: float, high: float, kind: type) -> bool:
    return np.iinfo(kind).min <= low and high <= np.iinfo(kind).max


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
    try:
        dataset = read_with_pixels(frames[0].header)
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_compressed and syntax != RLELossless and "PixelData" in dataset:
            _check_coded_sizes(dataset)
        if syntax in _DECODED_BY_SIMPLEITK:
            yield from _by_simpleitk(dataset, frames)
            return
        for frame, pixels in zip(frames, iter_pixels(dataset, indices=[f.index for f in frames]), strict=True):
            if pixels.shape != frame.shape:
                raise ValueError(pixels.shape)
            yield pixels
    except MemoryError as error:
        raise InputError(f"The memory does not suffice for the pixels of {path}; close other programs.") from error
    except Exception as error:  # the codecs raise errors of every kind
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


def _by_simpleitk(dataset: pydicom.Dataset, frames: Sequence[Frame]) -> Iterator[np.ndarray]:
    """Decode with SimpleITK, which sees a file that is made here and holds the coded pixels and their size alone.

    So no header from elsewhere meets its parser, and nothing is rescaled by it.
    """
    import SimpleITK as sitk

    wanted = {f.index for f in frames}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for index, coded in enumerate(_coded_frames(dataset)):
            if index not in wanted:
                continue
            _bare(dataset, coded).save_as(Path(folder, "frame.dcm"), enforce_file_format=True)
            pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(Path(folder, "frame.dcm")), imageIO="GDCMImageIO"))
            found[index] = pixels.reshape(frames[0].shape)
    yield from (found[f.index] for f in frames)


def _bare(dataset: pydicom.Dataset, coded: bytes) -> pydicom.Dataset:
    bare = pydicom.Dataset()
    bare.file_meta = pydicom.dataset.FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = MRImageStorage
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(bare, keyword, int(dataset[keyword].value))
    bare.SamplesPerPixel, bare.PhotometricInterpretation = 1, "MONOCHROME2"
    bare.PixelData = encapsulate([coded])
    bare["PixelData"].is_undefined_length = True
    return bare
