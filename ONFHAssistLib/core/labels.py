"""Every label value of the project, in one place. Values are written to files and never change."""

from enum import IntEnum


class MaskLabel(IntEnum):
    """Values of ``masks.nii.gz``, where necrosis is written over head, and of the segments of ``masks.seg.nrrd``.

    Those by threshold are of the system S-T1, in ``masks.seg.nrrd`` only: they overlap the others.
    """

    BACKGROUND = 0
    RIGHT_HEAD = 1
    RIGHT_NECROSIS = 2
    LEFT_HEAD = 3
    LEFT_NECROSIS = 4
    RIGHT_HEAD_BY_THRESHOLD = 5
    RIGHT_NECROSIS_BY_THRESHOLD = 6
    LEFT_HEAD_BY_THRESHOLD = 7
    LEFT_NECROSIS_BY_THRESHOLD = 8

    @staticmethod
    def head(side: str, by_threshold: bool = False) -> "MaskLabel":
        """Return the head label of ``side`` ("right" or "left")."""
        return MaskLabel[f"{side.upper()}_HEAD{'_BY_THRESHOLD' * by_threshold}"]

    @staticmethod
    def necrosis(side: str, by_threshold: bool = False) -> "MaskLabel":
        """Return the necrosis label of ``side`` ("right" or "left")."""
        return MaskLabel[f"{side.upper()}_NECROSIS{'_BY_THRESHOLD' * by_threshold}"]


class AnatomyLabel(IntEnum):
    """Channels of the anatomy network's output, and the values of its label maps."""

    BACKGROUND = 0
    HEAD = 1
    FEMUR = 2
    HIP_BONE = 3
