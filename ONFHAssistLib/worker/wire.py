r"""What client and server say to each other: a line of JSON, followed by the bytes of the arrays that it announces.

::

    {"kind": "analyse", "id": 3, ..., "arrays": [{"dtype": "<i2", "shape": [39, 384, 384]}]}\n<bytes>

======== ======== ===================================================== ====================
from     kind     entries                                               arrays
======== ======== ===================================================== ====================
client   open     device, engine, precision, systems                    -
client   analyse  id, options, source, ijk_to_ras                       the image
client   cancel   id                                                    -
server   ready    -                                                     -
server   progress id, fraction, stage                                   -
server   finished id, result                                            masks, cropped
server   failed   id, message, remedy, details, exhausted               -
server   stopped  id                                                    -
======== ======== ===================================================== ====================

All goes through pipes and nothing through files, so nothing can stay behind on a disk. The server never learns who
the patient is. Masks are cropped to what is in them: what is left out is zero.
"""

import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.codec import (
    box_from_plain,
    filled_part,
    finding_from_plain,
    finding_to_plain,
    masks_from_plain,
    masks_to_plain,
    part_on,
)
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.grid import NO_BOX, Box, Grid
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.results import HipResult, Notice
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import Study

Message = dict[str, Any]
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "ready": {},
    "progress": {"id": int, "fraction": float, "stage": str},
    "finished": {"id": int, "result": dict[str, Any]},
    "failed": {"id": int, "message": str, "remedy": bool, "details": str, "exhausted": bool},
    "stopped": {"id": int},
}
"""What a server says, and its entries."""
LONGEST_LINE = 1 << 24
"""Bytes; the line of a study with hundreds of slices has some hundred thousand."""


def write(stream: IO[bytes], message: Message, arrays: Sequence[np.ndarray] = ()) -> None:
    """Say something: a JSON-ready message and arrays of numbers or booleans of any shape.

    Raises:
        OSError: nobody listens any more.
    """
    announced = [{"dtype": array.dtype.str, "shape": array.shape} for array in arrays]
    stream.write(json.dumps({**message, "arrays": announced}).encode("ascii") + b"\n")
    for array in arrays:
        stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    stream.flush()


def read(stream: io.BufferedReader) -> tuple[Message, list[np.ndarray]] | None:
    """Wait for what is said next; None at the end.

    Raises:
        ValueError: that is no message.
        EOFError: it ends in the middle.
    """
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    message = json.loads(line)
    if not isinstance(message, dict) or "kind" not in message:
        raise ValueError("a line that is no message")
    arrays = []
    for announced in message.pop("arrays"):
        dtype = np.dtype(announced["dtype"])
        if dtype.kind not in "biuf":
            raise ValueError(f"an array of {dtype}")
        array = np.empty(tuple(announced["shape"]), dtype)
        _fill(stream, array.reshape(-1).view(np.uint8))
        arrays.append(array)
    return message, arrays


def require_answer(message: Message) -> None:
    """Raise ValueError where a message is none that a server has, or lacks an entry."""
    entries = _ANSWERS.get(from_plain(str, message["kind"]))
    if entries is None:
        raise ValueError("a message of a kind that no server has")
    for name, kind in entries.items():
        from_plain(kind, message.get(name))


def how(options: AnalysisOptions) -> Message:
    """Return which models are to be open, and how they run: the entries of an ``open`` message."""
    return {name: to_plain(getattr(options, name)) for name in ("device", "engine", "precision", "systems")}


def pack_study(study: Study, options: AnalysisOptions) -> tuple[Message, list[np.ndarray]]:
    """Return the entries and the array of an ``analyse`` message; without patient and notices, which stay here."""
    volume = study.volume
    entries = {"options": to_plain(options), "source": to_plain(study.source), "ijk_to_ras": volume.ijk_to_ras.tolist()}
    return entries, [volume.array]


def unpack_study(message: Message, arrays: Sequence[np.ndarray]) -> tuple[Study, AnalysisOptions]:
    """Return what ``pack_study`` was given, but for patient and notices."""
    volume = Volume(arrays[0], np.array(message["ijk_to_ras"]))
    return Study(volume, message["source"]), from_plain(AnalysisOptions, message["options"])


def pack_result(result: StudyResult) -> tuple[Message, list[np.ndarray]]:
    """Return the ``result`` entry of a ``finished`` message and its arrays."""
    arrays: list[np.ndarray] = []
    entry = {
        "hips": to_plain(result.hips),
        "warnings": to_plain(result.warnings),
        "models": to_plain(result.models),
        "masks": [_pack_masks(masks, arrays) for masks in result.masks],
        "findings": [_pack_finding(finding, arrays) for finding in result.findings],
    }
    return entry, arrays


def unpack_result(entry: Message, arrays: Sequence[np.ndarray], study: Study) -> StudyResult:
    """Return what ``analyse`` gave for this study; image, source, patient and notices are those of ``study``.

    Raises:
        ValueError, LookupError, TypeError: the entry does not fit the study, or is none.
    """
    left = iter(arrays)
    return StudyResult(
        volume=study.volume,
        source=study.source,
        hips=from_plain(tuple[HipResult, ...], entry["hips"]),
        masks=tuple(_unpack_masks(masks, left, study.volume.grid) for masks in entry["masks"]),
        warnings=(*study.notices, *from_plain(tuple[Notice, ...], entry["warnings"])),
        models=tuple(entry["models"]),
        patient=study.patient,
        findings=tuple(_unpack_finding(finding, left, study.volume) for finding in entry["findings"]),
    )


def _pack_masks(masks: HipMasks, arrays: list[np.ndarray]) -> Message:
    arrays += [masks.head.array, masks.necrosis.array]
    if masks.probability:
        arrays.append(masks.probability.array)
    return {
        "side": masks.side,
        **masks_to_plain(masks),
        "from": _first(masks.box),
        "probability": masks.probability is not None,
    }


def _unpack_masks(entry: Message, arrays: Iterator[np.ndarray], grid: Grid) -> HipMasks:
    box, parts = _sent(entry["from"], arrays, grid, 3 if entry["probability"] else 2)
    return masks_from_plain(entry["side"], entry, grid, box, parts[0], parts[1], parts[2] if parts[2:] else None)


def _pack_finding(finding: Finding, arrays: list[np.ndarray]) -> Message:
    starts = [_pack_volume(volume, arrays) for volume in finding.volumes]
    return {"finding": finding_to_plain(finding), "from": starts}


def _unpack_finding(entry: Message, arrays: Iterator[np.ndarray], grid: Grid) -> Finding:
    return finding_from_plain(entry["finding"], [_unpack_volume(start, arrays, grid) for start in entry["from"]])


def _pack_volume(volume: Volume, arrays: list[np.ndarray]) -> list[int]:
    """Add what is in an image to the arrays; return the (k, j, i) of its first voxel."""
    box, array = filled_part(volume)
    arrays.append(array)
    return _first(box)


def _unpack_volume(first: Sequence[int], arrays: Iterator[np.ndarray], grid: Grid) -> Volume:
    box, (part,) = _sent(first, arrays, grid, 1)
    return part_on(grid, box, part)


def _first(box: Box) -> list[int]:
    return [part.start for part in box]


def _sent(first: Sequence[int], arrays: Iterator[np.ndarray], grid: Grid, count: int) -> tuple[Box, list[np.ndarray]]:
    """Return so many arrays, and the box on the grid in which they lie; ``first``: its first voxel."""
    parts = list(itertools.islice(arrays, count))
    if len(parts) < count or any(part.shape != parts[0].shape or part.ndim != len(first) for part in parts):
        raise ValueError("an image that was not sent")
    ends = [[start, start + n] for start, n in zip(first, parts[0].shape, strict=True)]
    return box_from_plain(ends, grid.shape) if parts[0].size else NO_BOX, parts


def _fill(stream: io.BufferedReader, array: np.ndarray) -> None:
    at = 0
    while at < array.size:
        count = stream.readinto(array[at:].data)
        if not count:
            raise EOFError
        at += count
