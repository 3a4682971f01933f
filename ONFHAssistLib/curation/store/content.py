"""What may be wrong inside of an image or a mask of the data set."""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.labels import CaseLabel, is_head
from ONFHAssistLib.curation.case.nifti import header_texts, nifti_volume
from ONFHAssistLib.curation.case.pose import Pose
from ONFHAssistLib.curation.case.record import CaseRecord
from ONFHAssistLib.curation.store import inside

_TOUCHING = np.ones((3, 3, 3), bool)
_KEPT = sorted(set(map(int, CaseLabel)) - {int(CaseLabel.IGNORE)})
"""Values of a mask as it is kept; `CaseLabel.IGNORE` is for what is trained with."""


def file_of_case(folder: Path, path: str, pose: Pose) -> Volume:
    """Return an image or a mask of a case.

    Args:
        folder: of the data set.
        path: of the file, relative to ``folder``.
        pose: of the case, which tells the shape.

    Raises:
        InputError: it is missing, can't be read, or has another shape.
    """
    try:
        volume = nifti_volume(inside.read(folder, path), path)
    except OSError as error:
        raise InputError(f"{path} of {folder.name} can't be read; check the data set.") from error
    if volume.shape != pose.file_shape:
        raise InputError(f"{path} of {folder.name} does not fit its case; check the data set.")
    return volume


def mask_of_case(folder: Path, pose: Pose, number: int, name: str = layout.MASK) -> np.ndarray:
    """Return a mask that the history keeps of a case: `CaseLabel` (uint8), shape (slice, row, column).

    Args:
        folder: of the data set.
        pose: of the case.
        number: of the save.
        name: `layout.MASK`, the reader's, or `layout.AUTOMATIC`, the networks'.

    Raises:
        InputError: it is missing, can't be read, has another shape, or holds other values than a kept mask does.
    """
    path = layout.kept_file(number, name)
    array = file_of_case(folder, path, pose).array
    if not np.isin(array, _KEPT).all():
        raise InputError(f"{path} of {folder.name} holds something else than labels; check the data set.")
    return array.astype(np.uint8)


def problems_of(folder: Path, record: CaseRecord, paths: Iterable[str]) -> Iterator[str]:
    """Say what is wrong inside of files of a case, one sentence each.

    Args:
        folder: of the data set.
        record: of the case.
        paths: images and masks, relative to ``folder``.
    """
    pose = record.pose
    for path in paths:
        try:
            content = inside.read(folder, path)
            volume, says = nifti_volume(content, path), header_texts(content)
        except (InputError, OSError, EOFError, zlib.error):
            yield f"{path} can't be read as an image."
            continue
        if not volume.matches(pose.file_grid):
            yield f"{path} has another geometry than the case."
        if says:
            yield f"{path} holds words in its header, which may name the patient."
        if path.endswith(layout.IMAGE_ENDING):
            if not np.isfinite(volume.array).all():
                yield f"{path} holds intensities that are no numbers."
            continue
        yield from _mask_problems(path, volume, of_training=path == layout.label_file(record.case))


def _mask_problems(path: str, volume: Volume, of_training: bool) -> Iterator[str]:
    labels = volume.array
    known = set(map(int, CaseLabel)) if of_training else set(_KEPT)
    unknown = sorted(set(np.unique(labels).tolist()) - known)
    if unknown:
        yield f"{path} holds the label value {unknown[0]:g}; known are {', '.join(map(str, sorted(known)))}."
        return
    if not of_training:
        return  # a draft may be empty, and what the networks make of an image is their affair
    marked = is_head(labels)
    if not marked.any():
        yield f"{path} is empty: no femoral head."
        return
    if marked.all():
        yield f"{path} covers the whole image."
    if (labels == CaseLabel.NECROSIS).any():
        pieces, count = ndimage.label(labels > 0, _TOUCHING)
        sizes = np.bincount(pieces.ravel())[1:]
        with_head = set(np.unique(pieces[labels == CaseLabel.HEAD]).tolist()) | {int(sizes.argmax()) + 1}
        necrotic = set(np.unique(pieces[labels == CaseLabel.NECROSIS]).tolist())
        if count > 1 and necrotic - with_head:
            yield f"{path} has necrosis that touches no femoral head."
