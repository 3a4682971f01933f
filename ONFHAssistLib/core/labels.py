"""Every label value of the project, in one place. Values are written to files and never change."""

from enum import IntEnum


class MaskLabel(IntEnum):
    """Values of ``masks.nii.gz``, where necrosis is written over head, and of the segments of ``masks.seg.nrrd``.

    The masks of further systems have values of their own from 5 on (`findings.FindingMask`), in ``masks.seg.nrrd``
    only: they overlap these.
    """

    BACKGROUND = 0
    RIGHT_HEAD = 1
    RIGHT_NECROSIS = 2
    LEFT_HEAD = 3
    LEFT_NECROSIS = 4

    @staticmethod
    def head(side: str) -> "MaskLabel":
        """Return the head label of ``side`` ("right" or "left")."""
        return MaskLabel[f"{side.upper()}_HEAD"]

    @staticmethod
    def necrosis(side: str) -> "MaskLabel":
        """Return the necrosis label of ``side`` ("right" or "left")."""
        return MaskLabel[f"{side.upper()}_NECROSIS"]


class AnatomyLabel(IntEnum):
    """Channels of the anatomy network's output, and the values of its label maps."""

    BACKGROUND = 0
    HEAD = 1
    FEMUR = 2
    HIP_BONE = 3
