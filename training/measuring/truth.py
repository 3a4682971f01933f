"""The real T1 studies with what is true of them: manual masks, which are measured against and never learned from."""

from functools import cache

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.sphere import articular_sphere, head_from_femur, initial_head_sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.landmarks import find_landmarks
from ONFHAssistLib.imaging.read import Study, read_study
from training.real.data import read_volume, require_data_folder

FEMUR, HIP_BONE = 1, 2
"""Labels of both femora and both hip bones in the manual masks."""


@cache
def study_of(case: str) -> Study:
    """Read a real T1 study."""
    return read_study(require_data_folder() / "t1_coronal" / f"case_{case}_t1.nii.gz")


@cache
def bones_of(case: str) -> Volume:
    """Read the manual mask of a real T1 study."""
    return read_volume(require_data_folder() / "t1_coronal" / f"case_{case}_bones.nii.gz")


@cache
def truth_of(case: str, side: Side) -> tuple[Sphere, Volume]:
    """Sphere and head of the manual femur mask: the truth for this hip."""
    bones = bones_of(case)
    femur = bones.like(bones.array == FEMUR)
    sphere = articular_sphere(femur, initial_head_sphere(femur, side))
    return sphere, femur.like(head_from_femur(femur, sphere))


@cache
def true_landmarks(case: str, side: Side) -> Landmarks:
    """Landmarks of the manual hip-bone mask with the true sphere, by the rule that the software has."""
    bones = bones_of(case)
    return find_landmarks(bones.like(bones.array == HIP_BONE), truth_of(case, side)[0], side)
