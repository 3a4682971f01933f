"""What a series is made of: exact copies, a scout or a saved screen are told apart from its slices, and several echoes,
times or stacks are parted.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom

from ONFHAssistLib.imaging.dicom_frames import TELLING, Frame
from ONFHAssistLib.imaging.dicom_header import is_capture
from ONFHAssistLib.imaging.dicom_stack import FEWEST_OF_STACK, between_stacks, directions_of, stack, straight
from ONFHAssistLib.imaging.sequence import text_of

# Few slices beside many are strangers: a scout, a screen that was saved.
_FEW, _MANY_TIMES = 3, 5
_MOST_PARTS = 60
_FEWEST_OF_DIRECTION = 6


def without_copies(frames: tuple[Frame, ...]) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Tell exact copies from the slices: the same place and the same pixels. Returns (slices, copies).

    Pixels are only read where two slices lie at the same place.
    """
    places = Counter(f.place for f in frames)
    prints: dict[Path, str] = {}
    seen: set[Hashable] = set()
    kept: list[Frame] = []
    copies: list[Frame] = []
    for frame in frames:
        key: Hashable = (frame.path, frame.index)
        if places[frame.place] > 1 and frame.position_mm:
            if frame.path not in prints:
                prints[frame.path] = _fingerprint(frame.path)
            key = (frame.place, prints[frame.path], frame.index, frame.slope, frame.intercept)
        (copies if key in seen else kept).append(frame)
        seen.add(key)
    return tuple(kept), tuple(copies)


def _fingerprint(path: Path) -> str:
    try:
        dataset = pydicom.dcmread(path, force=True)
        pixels = next(e.value for e in dataset if e.tag.group == 0x7FE0 and isinstance(e.value, bytes))
        return hashlib.sha256(pixels).hexdigest()
    except Exception:  # pydicom raises errors of every kind; what cannot be read is no copy of anything
        return str(path)


def without_strangers(frames: tuple[Frame, ...]) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Tell a scout or a saved screen that has got the series' UID from its slices. Returns (slices, strangers).

    What calls itself one goes; of the rest a few among many that differ in kind, direction or size, if the many are a
    straight stack then and the few do not go on with it.
    """
    called = tuple(f for f in frames if _is_called_stranger(f))
    rest = tuple(f for f in frames if not _is_called_stranger(f))
    if len(rest) < 2:
        called, rest = (), frames
    alone: tuple[Callable[[Frame], Hashable], ...] = (
        lambda f: text_of(f.header, "Modality"),
        lambda f: (len(f.orientation), len(f.position_mm), len(f.pixel_mm)),
        lambda f: tuple(round(x, 1) for x in f.orientation),
        lambda f: (f.shape, tuple(round(x, 3) for x in f.pixel_mm)),
        lambda f: f.image_type,
    )
    for kind in alone:
        if len(set(map(kind, rest))) == 1:
            continue
        (usual, _), *_ = Counter(map(kind, rest)).most_common(1)
        many = tuple(f for f in rest if kind(f) == usual)
        few = tuple(f for f in rest if kind(f) != usual)
        apart = 0 < len(few) <= _FEW and len(many) >= _MANY_TIMES * len(few) and straight(many)
        if apart and (kind is alone[0] or not (straight(rest) or any(_goes_on(many, f) for f in few))):
            called, rest = called + few, many
    return rest, called


def _is_called_stranger(frame: Frame) -> bool:
    words = {value.upper().replace("_", " ") for value in frame.image_type}
    colour = frame.header.get("SamplesPerPixel") not in (None, 1)
    named = words & {"LOCALIZER", "SCOUT", "SCREEN SAVE", "SCREEN SHOT", "SCREENSHOT"}
    return bool(named) or colour or is_capture(frame.header)


def _goes_on(many: tuple[Frame, ...], one: Frame) -> bool:
    """Whether a slice lies where the next one of a stack would."""
    if len(one.position_mm) != 3 or directions_of(np.array([many[0].orientation, one.orientation]))[1] != 0:
        return False
    ordered, _ = stack(many, "")
    normal = many[0].normal
    heights = np.array([f.position_mm for f in ordered]) @ normal
    usual = abs(heights[-1] - heights[0]) / (len(heights) - 1)
    beyond = max(heights.min() - one.position_mm @ normal, one.position_mm @ normal - heights.max()) / usual
    return beyond > 0.5 and abs(beyond - round(beyond)) < 0.2


def parts_of(frames: tuple[Frame, ...]) -> list[tuple[Frame, ...]]:
    """Part slices that make no straight stack into those that do, by what tells them apart: echo, time, stack.

    Returns them as they are where nothing does, and where they are a localizer's: a few slices in each direction.
    """
    if straight(frames) or any(len(f.orientation) != 6 or len(f.position_mm) != 3 for f in frames):
        return [frames]
    directions = directions_of(np.array([f.orientation for f in frames]))
    parts = _by_tags(frames, TELLING)
    if parts is None and len(set(directions)) > 1:
        parts = _all_straight(_by(frames, directions), ())
    if parts is None and len(set(directions)) == 1:
        parts = _all_straight(_blocks(frames), ()) or _all_straight(_side_by_side(frames), ())
    if parts is None or (len(set(directions)) > 1 and min(map(len, parts)) < _FEWEST_OF_DIRECTION):
        return [frames]
    return parts


def _by_tags(frames: tuple[Frame, ...], tags: tuple[str, ...]) -> list[tuple[Frame, ...]] | None:
    if straight(frames):
        return [frames]
    for n, tag in enumerate(tags):
        groups = _by(frames, [f.tags[TELLING.index(tag)] for f in frames])
        if len(groups) > 1 and (parts := _all_straight(groups, tags[n + 1 :])):
            return parts
    return None


def _by(frames: tuple[Frame, ...], values: Sequence[Hashable]) -> list[tuple[Frame, ...]]:
    groups: dict[Hashable, list[Frame]] = {}
    for frame, value in zip(frames, values, strict=True):
        groups.setdefault(value, []).append(frame)
    return [tuple(group) for group in groups.values()]


def _all_straight(groups: list[tuple[Frame, ...]], tags: tuple[str, ...]) -> list[tuple[Frame, ...]] | None:
    if len(groups) > _MOST_PARTS or min(map(len, groups)) < FEWEST_OF_STACK:
        return None
    found = []
    for group in groups:
        parts = _by_tags(group, tags)
        if parts is None:
            return None
        found += parts
    return found


def _blocks(frames: tuple[Frame, ...]) -> list[tuple[Frame, ...]]:
    """Part parallel slices where wide gaps lie between stacks."""
    normal = frames[0].normal
    ordered = sorted(frames, key=lambda f: float(np.dot(f.position_mm, normal)))
    gaps = np.diff([float(np.dot(f.position_mm, normal)) for f in ordered])
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    if usual <= 0 or not between_stacks(tuple(ordered), gaps, usual):
        return [frames]
    cuts = [0, *(np.flatnonzero(gaps > 1.5 * usual) + 1).tolist(), len(ordered)]
    return [tuple(ordered[a:b]) for a, b in pairwise(cuts)]


def _side_by_side(frames: tuple[Frame, ...]) -> list[tuple[Frame, ...]]:
    """Part parallel slices of which several lie at each height, beside each other, as of two hips."""
    positions = np.array([f.position_mm for f in frames])
    heights = positions @ frames[0].normal
    if min(Counter(np.round(heights, 1).tolist()).values()) < 2:
        return [frames]
    beside = positions - np.outer(heights, frames[0].normal)
    far_mm = min(frames[0].pixel_mm) * min(frames[0].shape) / 4
    first = np.linalg.norm(beside - beside[0], axis=1) < far_mm
    return _by(frames, first.tolist())
