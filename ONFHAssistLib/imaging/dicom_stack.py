"""From slices to one straight stack: each slice's place is checked.

DICOM speaks LPS; the matrix that leaves this file is RAS.
"""

from collections.abc import Iterable

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging import limits
from ONFHAssistLib.imaging.declared import LPS_TO_RAS
from ONFHAssistLib.imaging.dicom_frames import Frame

Stack = tuple[tuple[Frame, ...], np.ndarray]

SAME_DIRECTION = 1e-2
"""Difference of direction cosines (about half a degree) between slices that count as parallel."""
PIXEL_MM, FARTHEST_MM = (1e-3, 1e3), 1e5
"""Sizes of a pixel, and distance from the scanner's centre, beyond which a header is damaged."""
_NUMBER_WORDS = {2: "two", 3: "three", 4: "four", 5: "five"}
_MANY_DIRECTIONS = 12
# A gap so many times the usual distance, with no number missing, lies between two stacks.
_BETWEEN_STACKS = 3
FEWEST_OF_STACK = 3
"""Fewer slices are no stack of their own."""


def straight(frames: Iterable[Frame]) -> bool:
    """Whether slices make one straight stack."""
    try:
        stack(tuple(frames), "")
    except InputError:
        return False
    return True


def stack(frames: tuple[Frame, ...], name: str) -> Stack:
    """Return the slices in order along their normal, and the IJK-to-RAS matrix of their stack.

    Raises:
        InputError: they make no volume; the sentence says why, and begins with ``name``.
    """
    lengths = {(len(f.orientation), len(f.position_mm), len(f.pixel_mm)) for f in frames}
    if lengths != {(6, 3, 2)}:
        raise InputError(f"{name} does not say where its slices lie in the patient; give the original MR or CT series.")
    numbers = np.array([(*f.orientation, *f.position_mm, *f.pixel_mm, f.slope, f.intercept) for f in frames])
    pixels = numbers[:, 9:11]
    if not np.isfinite(numbers).all() or (pixels <= 0).any() or (numbers[:, 11] == 0).any():
        raise InputError(
            f"{name} has a pixel spacing, position or rescaling that is zero or not a number; export it again."
        )
    units = np.linalg.norm(numbers[:, :6].reshape(-1, 2, 3), axis=2)
    far = np.abs(numbers[:, 6:9]).max() > FARTHEST_MM or pixels.min() < PIXEL_MM[0] or pixels.max() > PIXEL_MM[1]
    if far or np.abs(units - 1).max() > SAME_DIRECTION:
        raise InputError(f"{name} has a position, direction or pixel spacing that no scanner writes; export it again.")
    directions = directions_of(numbers[:, :6])
    if len(set(directions)) > 1:
        raise InputError(_mixed(frames, directions, name))
    first = frames[0]
    if any(f.shape != first.shape for f in frames) or not np.allclose(pixels, pixels[0], rtol=1e-3):
        raise InputError(f"{name} mixes images of different size or pixel spacing; give a series of one acquisition.")
    if len(frames) < 2:
        raise InputError(f"{name} has one slice only; give the whole series, or choose a system that reads slices.")
    if np.linalg.norm(first.normal) < 0.9:
        raise InputError(f"{name} has image axes that are not at right angles; export it again.")
    normal = first.normal / np.linalg.norm(first.normal)
    order = np.argsort(numbers[:, 6:9] @ normal, kind="stable")
    ordered, positions = tuple(frames[n] for n in order), numbers[order, 6:9]
    along = _distance(ordered, positions @ normal, name)
    _require_straight(positions, normal, min(first.pixel_mm), name)
    matrix = np.eye(4)
    row_mm, column_mm = first.pixel_mm  # distance of rows, then of columns
    matrix[:3, 0] = np.array(first.orientation[:3]) * column_mm
    matrix[:3, 1] = np.array(first.orientation[3:]) * row_mm
    matrix[:3, 2] = normal * along
    matrix[:3, 3] = positions[0]
    matrix[:3] = LPS_TO_RAS[:3, :3] @ matrix[:3]
    try:
        Volume(np.zeros((1, 1, 1)), matrix)
    except ValueError as error:
        raise InputError(f"{name} has image axes that are not at right angles; export it again.") from error
    shape = (len(ordered), *first.shape)
    limits.require_size(name, shape[::-1], 4)
    limits.require_grid(name, shape, matrix)
    return ordered, matrix


def _distance(ordered: tuple[Frame, ...], heights: np.ndarray, name: str) -> float:
    """The even distance between slices, mm."""
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    doubled = int((gaps < max(0.01, 0.1 * usual)).sum())
    if doubled:
        raise InputError(
            f"{name} has {doubled} doubled slice positions (several echoes, time points or stacks), and no tag tells "
            "them apart; give a series with one image at each position."
        )
    wide = gaps > 1.5 * usual
    if wide.any() and between_stacks(ordered, gaps, usual):
        sizes = np.diff([0, *(np.flatnonzero(wide) + 1), len(ordered)])
        count = _NUMBER_WORDS.get(len(sizes), str(len(sizes)))
        raise InputError(
            f"{name} holds {count} stacks ({' and '.join(str(n) for n in sizes)} slices, {gaps[wide].max():.0f} mm "
            "apart); give one of them."
        )
    missing = int(sum(round(gap / usual) - 1 for gap in gaps[wide]))
    if missing:
        slices = "slice is" if missing == 1 else "slices are"
        raise InputError(f"In {_lower(name)} {missing} {slices} missing; export the whole series again.")
    along = float((heights[-1] - heights[0]) / (len(heights) - 1))
    places = np.abs(heights - heights[0] - along * np.arange(len(heights)))
    if max(np.abs(gaps - usual).max(), places.max()) > max(0.1, 0.1 * usual):
        raise InputError(f"{name} has slices at uneven distances; give a series with evenly spaced slices.")
    return along


def between_stacks(ordered: tuple[Frame, ...], gaps: np.ndarray, usual: float) -> bool:
    """Whether wide gaps lie between stacks: no number is missing, and each stack has some slices."""
    numbers = sorted(f.number for f in ordered if f.number is not None)
    complete = len(numbers) == len(ordered) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    wide = np.flatnonzero(gaps > 1.5 * usual)
    sizes = np.diff([0, *(wide + 1), len(ordered)])
    return complete and bool((gaps[wide] >= _BETWEEN_STACKS * usual).all() and sizes.min() >= FEWEST_OF_STACK)


def _require_straight(positions: np.ndarray, normal: np.ndarray, pixel_mm: float, name: str) -> None:
    """Look at each slice's place in its own plane: on a line, and the line along the normal."""
    heights = positions @ normal
    beside = positions - np.outer(heights, normal)
    beside, heights = beside - beside.mean(axis=0), heights - heights.mean()
    lean = heights @ beside / (heights @ heights)
    if np.linalg.norm(beside - np.outer(heights, lean), axis=1).max() > 0.5 * pixel_mm:
        off = np.linalg.norm(beside - np.median(beside, axis=0), axis=1).max()
        raise InputError(
            f"{name} is not a straight stack: slices lie up to {off:.1f} mm beside the others in their plane; give a "
            "series of one acquisition."
        )
    if np.linalg.norm(lean) * np.ptp(heights) > 0.5 * pixel_mm:
        raise InputError(f"{name} is sheared (tilted gantry); give a series that was resampled to upright slices.")


def directions_of(orientations: np.ndarray) -> list[int]:
    """For each slice the number of its direction, in order of appearance; beyond some they are all called the last."""
    found = np.full(len(orientations), -1)
    for number in range(_MANY_DIRECTIONS):
        rest = np.flatnonzero(found < 0)
        if not len(rest):
            break
        found[rest[(np.abs(orientations[rest] - orientations[rest[0]]) <= SAME_DIRECTION).all(axis=1)]] = number
    found[found < 0] = _MANY_DIRECTIONS
    return found.tolist()


def _mixed(frames: tuple[Frame, ...], directions: list[int], name: str) -> str:
    firsts = [frames[directions.index(number)] for number in sorted(set(directions))]
    names = dict.fromkeys(("sagittal", "coronal", "axial")[int(np.abs(f.normal).argmax())] for f in firsts)
    count = _NUMBER_WORDS.get(len(firsts), str(len(firsts)))
    kind = "a localizer" if len(firsts) < _MANY_DIRECTIONS else "a radial scan"
    return (
        f"In {_lower(name)} {count} orientations are mixed ({', '.join(names)}), as in {kind}; "
        "give a series with parallel slices."
    )


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
