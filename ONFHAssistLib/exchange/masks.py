"""The masks as files: one label map for everybody, and overlapping segments for 3D Slicer.

Both lie on the input's own grid. Files hold LPS; RAS becomes LPS here by turning the signs of x and y.
"""

import errno
import gzip
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.grid import Box, bounding_box
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.segments import Segment, rgb_of, segments

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def label_map(volume: Volume, masks: Sequence[HipMasks]) -> np.ndarray:
    """Join the masks of both hips: uint8, shape (k, j, i), values of MaskLabel, necrosis over head."""
    labels = np.zeros(volume.shape, np.uint8)
    for hip in masks:
        near = labels[hip.box]
        near[hip.head.array] = MaskLabel.head(hip.side)
        near[hip.necrosis.array] = MaskLabel.necrosis(hip.side)
    return labels


def write_nifti(path: Path, volume: Volume, masks: Sequence[HipMasks]) -> None:
    """Write ``masks.nii.gz`` on the grid of ``volume``, and read it back, as a full disk is not always noticed.

    Raises:
        OSError: the file could not be written, or does not hold what was written.
    """
    labels = label_map(volume, masks)
    content = nifti_bytes(volume.like(labels))
    path.write_bytes(content)
    if path.read_bytes() != content:
        raise _not_written(path, labels)


@dataclass(frozen=True)
class _Listed:
    """One segment of the file: how it is named there, its layer, and its mask in a box of the image."""

    name: str
    title: str
    rgb: tuple[float, float, float]
    label: int
    layer: int
    terminology: str
    box: Box
    mask: np.ndarray


def segmentation_nrrd(volume: Volume, masks: Sequence[HipMasks], findings: Sequence[Finding] = ()) -> bytes:
    """Return ``masks.seg.nrrd``: named, coloured, coded segments that 3D Slicer opens as a segmentation.

    Heads include necrosis, so the two lie in different layers of a 4D NRRD (axis order: layer, i, j, k). A hip that
    has no masks has no segments; necrosis that is empty is still listed, so that it can be drawn in. The masks of
    findings follow in layers of their own.
    Format: https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
    """
    table = segments()
    listed = [
        _own(table[label], hip.box, mask.array)
        for hip in masks
        for label, mask in ((MaskLabel.head(hip.side), hip.head), (MaskLabel.necrosis(hip.side), hip.necrosis))
    ]
    listed += _of_findings(findings)
    layers = np.zeros((*volume.shape, max([1, *(one.layer for one in listed)]) + 1), np.uint8)
    for one in listed:
        layers[..., one.layer][one.box][one.mask] = one.label

    matrix = RAS_TO_LPS @ volume.ijk_to_ras
    size = " ".join(str(n) for n in layers.shape[::-1])
    axes = " ".join(_vector(matrix[:3, axis]) for axis in range(3))
    header = [
        "NRRD0004",
        "type: uint8",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {size}",
        f"space directions: none {axes}",
        "kinds: list domain domain domain",
        "encoding: gzip",
        f"space origin: {_vector(matrix[:3, 3])}",
    ]
    for number, one in enumerate(listed):
        header += [f"Segment{number}_{key}:={value}" for key, value in _fields(one).items()]
    header += [
        "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset:=0 0 0",
    ]
    return "\n".join([*header, "", ""]).encode("ascii") + gzip.compress(layers.tobytes(), 6, mtime=0)


def _not_written(path: Path, labels: np.ndarray) -> OSError:
    full = shutil.disk_usage(path.parent).free < labels.nbytes
    return OSError(errno.ENOSPC if full else errno.EIO, f"{path.name} could not be written")


def _own(segment: Segment, box: Box, mask: np.ndarray) -> _Listed:
    label, term = segment.label, segment.terminology_entry
    return _Listed(label.name.lower(), segment.name, segment.rgb, int(label), segment.layer, term, box, mask)


def _of_findings(findings: Sequence[Finding]) -> list[_Listed]:
    """The masks of findings: those of a system in layers of its own, one for each mask of a hip."""
    found, first = [], 2
    for system in dict.fromkeys(finding.system for finding in findings):
        own = [finding for finding in findings if finding.system == system]
        for finding in own:
            for n, mask in enumerate(finding.masks):
                rgb = rgb_of(mask.color)
                place, array = mask.volume.whole, mask.volume.array
                found.append(_Listed(mask.name, mask.title, rgb, mask.label, first + n, mask.terminology, place, array))
        first += max(len(finding.masks) for finding in own)
    return found


def _fields(one: _Listed) -> dict[str, str]:
    return {
        "ID": one.name,
        "Name": one.title,
        "NameAutoGenerated": "0",
        "Color": " ".join(f"{c:.6g}" for c in one.rgb),
        "ColorAutoGenerated": "0",
        "LabelValue": str(one.label),
        "Layer": str(one.layer),
        "Extent": _extent(bounding_box(one.mask, one.box)),
        "Tags": f"TerminologyEntry:{one.terminology}|",
    }


def _extent(box: Box) -> str:
    """Return "i0 i1 j0 j1 k0 k1", both ends inside; 0 -1 on each axis when empty, as 3D Slicer writes it."""
    return " ".join(f"{part.start} {part.stop - 1}" for part in box[::-1])


def _vector(values: np.ndarray) -> str:
    return "(" + ",".join(f"{value:.12g}" for value in values) + ")"
