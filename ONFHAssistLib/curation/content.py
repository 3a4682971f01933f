"""What may be wrong inside of an image or a mask of the data set."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation import layout
from ONFHAssistLib.curation.case import same_grid
from ONFHAssistLib.curation.labels import CaseLabel
from ONFHAssistLib.curation.nifti import header_texts, read_nifti
from ONFHAssistLib.curation.pose import Pose

_TOUCHING = np.ones((3, 3, 3), bool)


def problems_of(folder: Path, facts: Mapping[str, Any], paths: Iterable[str]) -> Iterator[str]:
    """Say what is wrong inside of files of a case, one sentence each.

    Args:
        folder: of the data set.
        facts: of the case.
        paths: images and masks, relative to ``folder``.
    """
    pose = Pose.from_json(facts["pose"])
    shape = tuple(pose.kept_shape[axis] for axis in pose.axes)
    grid = pose.file_volume(np.broadcast_to(np.zeros(1, bool), shape))
    for path in paths:
        try:
            volume = read_nifti(folder / path)
            says = header_texts(folder / path)
        except (InputError, OSError, EOFError):
            yield f"{path} can't be read as an image."
            continue
        if not same_grid(volume, grid):
            yield f"{path} has another geometry than the case."
        if says:
            yield f"{path} holds words in its header, which may name the patient."
        if path.endswith(f"_0000{layout.FILE_ENDING}"):
            if not np.isfinite(volume.array).all():
                yield f"{path} holds intensities that are no numbers."
            continue
        yield from _mask_problems(path, volume, of_training=path == layout.label_file(facts["case"]))


def _mask_problems(path: str, volume: Volume, of_training: bool) -> Iterator[str]:
    labels = volume.array
    known = set(map(int, CaseLabel)) - (set() if of_training else {int(CaseLabel.IGNORE)})
    unknown = sorted(set(np.unique(labels).tolist()) - known)
    if unknown:
        yield f"{path} holds the label value {unknown[0]:g}; known are {', '.join(map(str, sorted(known)))}."
        return
    if not of_training:
        return  # a draft may be empty, and what the networks make of an image is their affair
    marked = np.isin(labels, (CaseLabel.HEAD, CaseLabel.NECROSIS))
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
