"""Results as JSON-ready values, with the bits of their masks beside them; and back.

One way for whatever sends or keeps results: the worker's messages, saved scenes, drafts. `plain` does all that is no
image. A mask is kept as the box of what is in it, and its voxels there: all others are zero.
"""

import base64
import math
import re
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ONFHAssistLib.core.findings import Finding, FindingMask, Strip
from ONFHAssistLib.core.geometry import FURTHEST_MM, SIDES, Landmarks, Side, Sphere, require_sound
from ONFHAssistLib.core.grid import Box, Grid, bounding_box, box_of, moved
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.volume import Volume

_IMAGES = ("masks", "attention", "hip")
_DESCRIBED = ("name", "title", "label", "color", "terminology")
_COLOR = re.compile("#[0-9a-fA-F]{6}")
_LARGEST_LABEL = 255
_MOST_SLICES = 2000


@dataclass(frozen=True)
class _Known:
    """What is known of the masks of a hip."""

    sphere: Sphere
    landmarks: Landmarks
    calibration: Calibration | None
    not_sought: str | None = None  # version 0.1.0 looked everywhere


def masks_to_plain(masks: HipMasks) -> dict[str, Any]:
    """Return what is known of the masks of a hip without side and images, which the caller keeps beside it."""
    return {name: to_plain(getattr(masks, name)) for name in ("calibration", "not_sought", "sphere", "landmarks")}


def masks_from_plain(
    side: Side,
    plain: dict[str, Any],
    grid: Grid,
    box: Box,
    head: np.ndarray,
    necrosis: np.ndarray,
    probability: np.ndarray | None,
) -> HipMasks:
    """Return what `masks_to_plain` was given; other entries of ``plain`` are passed over.

    Args:
        side: which hip.
        plain: what it returned.
        grid, box: see `HipMasks`.
        head, necrosis, probability: the images in the box.

    Raises:
        ValueError: it is something else, or what no hip has: a sphere as large as a room, a mask without a head.
    """
    known = from_plain(_Known, plain, others=True)
    require_sound(known.sphere, known.landmarks)
    if side not in SIDES:
        raise ValueError(f"a hip of the side {side!r:.20}")
    if not head.any():
        raise ValueError("a hip that has no head")
    place = grid.cropped(box)
    return HipMasks(
        side,
        grid,
        box,
        Volume.on(place, head),
        Volume.on(place, necrosis),
        known.sphere,
        known.landmarks,
        None if probability is None else Volume.on(place, probability),
        known.calibration,
        known.not_sought,
    )


def finding_to_plain(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON-ready values without its `Finding.volumes`, which the caller keeps beside it."""
    plain = to_plain(replace(finding, masks=(), attention=None, hip=None))
    del plain["hip"]
    masks = [{name: getattr(mask, name) for name in _DESCRIBED} for mask in finding.masks]
    return {**plain, "masks": masks, "attention": finding.attention is not None}


def finding_from_plain(plain: dict[str, Any], volumes: list[Volume]) -> Finding:
    """Return what `finding_to_plain` was given.

    Args:
        plain: what it returned.
        volumes: in the order of `Finding.volumes`.

    Raises:
        ValueError: they do not fit each other, or are none.
    """
    if not isinstance(plain, dict):
        raise ValueError("a finding that is none")
    described, attended = plain.get("masks"), plain.get("attention")
    if not isinstance(described, list) or len(volumes) != len(described) + bool(attended):
        raise ValueError("a finding whose images are missing")
    found = from_plain(Finding, {name: value for name, value in plain.items() if name not in _IMAGES})
    _require_fractions([*found.probabilities.values(), *(s.ratio for s in found.slices)])
    if found.strip is not None:
        _require_sound_strip(found.strip)
    masks = tuple(_mask(entry, volume) for entry, volume in zip(described, volumes, strict=False))
    return replace(found, masks=masks, attention=volumes[-1] if attended else None)


def _require_sound_strip(strip: Strip) -> None:
    """Refuse slices that no image has, and probabilities that are none."""
    if not 0 < len(strip.slices) <= _MOST_SLICES:
        raise ValueError("probabilities of no slice, or of more than an image has")
    _require_fractions([strip.threshold, *(s.probability for s in strip.slices)])
    places, direction = np.array([s.position_ras_mm for s in strip.slices]), np.abs(strip.direction)
    near_one = (direction <= 1 + 1e-3).all() and abs(np.linalg.norm(direction) - 1) <= 1e-3
    if not (np.abs(places) <= FURTHEST_MM).all() or not near_one:
        raise ValueError("slices that lie nowhere")


def _mask(plain: Any, volume: Volume) -> FindingMask:
    if not isinstance(plain, dict) or plain.keys() != set(_DESCRIBED):
        raise ValueError("a mask that is not described")
    kinds: dict[str, Any] = {"label": int}
    described: dict[str, Any] = {name: from_plain(kinds.get(name, str), plain[name]) for name in _DESCRIBED}
    mask = FindingMask(**described, volume=volume)
    words = (mask.name, mask.title, mask.terminology)  # in files each stands in one line of ASCII
    if not all(text.isascii() and text.isprintable() for text in words) or not _COLOR.fullmatch(mask.color):
        raise ValueError("a mask whose name or colour is none")
    if not max(MaskLabel) < mask.label <= _LARGEST_LABEL or volume.array.dtype != bool:
        raise ValueError("a mask with a label that is none, or with other values than yes and no")
    return mask


def _require_fractions(numbers: ArrayLike) -> None:
    """Refuse what is not from 0 to 1, give or take the last digits, or no number."""
    if not (np.abs(np.subtract(numbers, 0.5)) <= 0.5 + 1e-3).all():
        raise ValueError("fractions that are not from 0 to 1")


def filled_part(volume: Volume) -> tuple[Box, np.ndarray]:
    """Return the smallest box with all that is not zero in a volume (an empty one where all is), and its voxels."""
    filled = volume.array.astype(bool, copy=False)
    box = bounding_box(filled)
    return box, volume.array[box]


def part_on(grid: Grid, box: Box, array: np.ndarray) -> Volume:
    """Return the volume that `filled_part` was given."""
    return Volume.on(grid, moved(array, box, grid.whole))


def box_to_plain(box: Box) -> list[list[int]]:
    """Return first and one past the last index along k, j and i."""
    return [[part.start, part.stop] for part in box]


def box_from_plain(plain: Any, shape: tuple[int, ...]) -> Box:
    """Return what `box_to_plain` was given; raises ValueError where it does not lie inside an image of this shape."""
    ends = from_plain(tuple[tuple[int, int], ...], plain)
    if len(ends) != len(shape) or not all(
        0 <= start < stop <= length for (start, stop), length in zip(ends, shape, strict=True)
    ):
        raise ValueError("a box that is none of this image")
    return box_of(ends)


def array_to_text(array: np.ndarray) -> str:
    """Return a mask as its bits, other numbers as float32, packed and in letters."""
    return bytes_to_text(bits_of(array).tobytes() if array.dtype == bool else array.astype("<f4").tobytes())


def mask_from_text(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mask that `array_to_text` was given; raises ValueError where the text is of another shape, or none."""
    return mask_of(np.frombuffer(_text_to_bytes(text, -(-math.prod(shape) // 8)), np.uint8), shape)


def fractions_from_text(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the numbers from 0 to 1 that `array_to_text` was given, float32; raises as `mask_from_text` does."""
    found = np.frombuffer(_text_to_bytes(text, 4 * math.prod(shape)), "<f4").reshape(shape)
    _require_fractions(found)
    return found


def bits_of(mask: np.ndarray) -> np.ndarray:
    """Return a mask as bits, eight in a byte (uint8)."""
    return np.packbits(mask)


def mask_of(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mask of this shape whose bits these are."""
    return np.unpackbits(bits, count=int(np.prod(shape))).view(bool).reshape(shape)


def bytes_to_text(content: bytes) -> str:
    """Return bytes packed and in letters, as JSON holds them."""
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def _text_to_bytes(text: str, count: int) -> bytes:
    """Return what `bytes_to_text` was given if that is so many bytes; nothing is unpacked beyond them."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(base64.b64decode(text, validate=True), count + 1)
    except zlib.error as error:
        raise ValueError("bits that are damaged") from error
    if len(content) != count or not stream.eof or stream.unused_data:
        raise ValueError("bits of an image of another shape")
    return content
