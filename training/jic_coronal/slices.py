"""Mid-coronal slices for S-JIC: procedural hips and real heads without ONFH, with painted lesions of known class.

The study behind the system (Shen 2024, docs/jic_coronal.md) split its patients 7:1:2. Here a patient is a procedural
hip, or a woman of the training studies, of whom two are for testing. The class is that of `core.gradings.jic` for the
true masks and landmarks: of the anatomy that was rendered, or marked by eye on the real heads.
"""

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np

from ONFHAssistLib.core.arcs import section_radius_mm
from ONFHAssistLib.core.geometry import SIDES, Landmarks, Sphere
from ONFHAssistLib.core.gradings.grading import NO_NECROSIS
from ONFHAssistLib.core.gradings.jic import JIC, JIC_EDGE
from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.imaging.landmarks import find_landmarks
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES, NONE
from ONFHAssistLib.systems.jic_coronal.patch import Patch, coronal_patch
from training.learning.config import Config
from training.learning.samples import (
    PATCH_MARGIN,
    measured_femora,
    procedural_hip,
    real_hip,
    recast_hip,
    run_jobs,
    save_cache,
)
from training.phantoms.lesions import decoys, paint
from training.real.data import CACHE, SAMPLES_VERSION, TRAINING_CASES, VALIDATION_CASES
from training.real.labelled import IGNORE, LabelledHip
from training.real.labels import read_marked_hips

TRAIN, VALIDATION, TEST = 0, 1, 2
TESTED_CASES = ("19", "21")
"""Women whose heads are for testing; one of VALIDATION_CASES validates, and the others are learned from."""
PARTS = (0.7, 0.8)
"""Procedural hips below the first part of all are learned from, those up to the second one validate."""
CONTRASTS, ODDS = ("t1", "t2", "stir"), (0.7, 0.15, 0.15)
SLAB_MM = 15.0
"""So much of a procedural hip is rendered before and behind the middle: landmarks are sought within 10 mm."""
PAINTINGS = 10
"""Lesions that are tried in each hip, and KEEP says which part of each class is kept, so that classes come about as
often as each other: of 100 lesions the painter gives 50 of C2, 12 of C1, 8 of B, 7 of A, and 20 beside the slice."""
KEEP = {"A": 1.0, "B": 1.0, "C1": 0.8, "C2": 0.16, NONE: 0.2}
SOUND = 1
"""Slices without a lesion, of each hip and for each PAINTINGS."""
DECOYS = 0.65
RATIO = (0.01, 0.6)
LEAST_MM2 = 15.0
"""A spot of less than this on the slice is neither a lesion there nor none: such slices are not used."""
HEAD, NECROSIS, HIP_BONE = 1, 2, 3
"""Values of the labels; 0 is everything else."""


@dataclass(frozen=True)
class Slices:
    """Slices of several patients.

    Attributes:
        images: uint8 (n, s, s), 128 + 80 x of the normalised intensity x; larger than the network's field by
            ``samples.PATCH_MARGIN``, for shifts and turns.
        labels: uint8 (n, s, s): 0, HEAD, NECROSIS, HIP_BONE or IGNORE.
        classes: uint8 (n,), index of CLASSES.
        ends: float32 (n,), where the lesion ends as a fraction of the weight-bearing portion; NaN without a class.
        marks: float32 (n, 6): lateral and superior of the head's middle (mm) of acetabular edge and teardrop, the angle
            of the lesion's lateral end (degrees; NaN without a class), and the radius of the head's section (mm).
        patient: int (n,).
        part: uint8 (n,): TRAIN, VALIDATION or TEST.
        real: bool (n,).
    """

    images: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    ends: np.ndarray
    marks: np.ndarray
    patient: np.ndarray
    part: np.ndarray
    real: np.ndarray

    def of(self, part: int) -> "Slices":
        """Keep the slices of TRAIN, VALIDATION or TEST."""
        kept = self.part == part
        return Slices(**{name: values[kept] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Drawn:
    """One slice with its truth, see `Slices`."""

    image: np.ndarray
    labels: np.ndarray
    class_index: int
    end: float
    marks: tuple[float, ...]


def read_slices(config: Config) -> Slices:
    """Return the slices of ``training/configs/jic_coronal.yaml``, from the cache or made anew (half an hour)."""
    recipe = json.dumps(
        [SAMPLES_VERSION, config.patch.plain(), config.samples.plain(), len(measured_femora())], sort_keys=True
    )
    path = CACHE / f"{config.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}.npz"
    if not path.is_file():
        jobs = jobs_of(config)
        parts = list(run_jobs(DrawHip(config.patch.side_px, config.patch.pixel_mm), jobs))
        counts = [len(part) for part in parts]
        slices = [one for part in parts for one in part]
        save_cache(
            path,
            images=np.stack([one.image for one in slices]),
            labels=np.stack([one.labels for one in slices]),
            classes=np.array([one.class_index for one in slices], np.uint8),
            ends=np.array([one.end for one in slices], np.float32),
            marks=np.array([one.marks for one in slices], np.float32),
            patient=np.repeat([_patient(job) for job in jobs], counts),
            part=np.repeat([_part(job, config.samples.procedural) for job in jobs], counts).astype(np.uint8),
            real=np.repeat([job[0] != "procedural" for job in jobs], counts),
        )
    with np.load(path) as cache:
        return Slices(**{name: cache[name] for name in Slices.__dataclass_fields__})


def jobs_of(config: Config) -> list[tuple]:
    """Return what `DrawHip` makes slices of: ("procedural", number, seed), or (case, side, paintings, seed)."""
    samples = config.samples
    jobs: list[tuple] = [("procedural", n, samples.seed * 1_000_003 + n) for n in range(samples.procedural)]
    heads = [(case, side) for case in TRAINING_CASES for side in SIDES]
    return jobs + [(*head, samples.real, samples.seed * 1_000_003 + 500_009 + n) for n, head in enumerate(heads)]


def _patient(job: tuple) -> int:
    return job[1] if job[0] == "procedural" else 1_000_000 + int(job[0])


def _part(job: tuple, procedural: int) -> int:
    if job[0] != "procedural":
        return TEST if job[0] in TESTED_CASES else VALIDATION if job[0] in VALIDATION_CASES else TRAIN
    return int(np.searchsorted(PARTS, job[1] / procedural, side="right"))


@dataclass(frozen=True)
class DrawHip:
    """Makes the slices of one hip of `jobs_of`, in a worker process."""

    size_px: int
    pixel_mm: float

    def __call__(self, job: tuple) -> list[Drawn]:
        """Return the slices of a job."""
        rng = np.random.default_rng([job[-1], 2])
        if job[0] == "procedural":
            contrast = str(rng.choice(CONTRASTS, p=ODDS))
            sample = procedural_hip(job[-1], measured_femora(), "coronal", contrast, 0.0, SLAB_MM)
            landmarks = true_landmarks(sample)
            return [one for one in self._drawn(sample, landmarks, PAINTINGS, rng) if one is not None]
        case, side, paintings, _ = job
        mark = next(mark for mark in read_marked_hips() if (mark.case, mark.side) == (case, side))
        landmarks = Landmarks(as_point(mark.acetabular_edge_ras_mm), as_point(mark.teardrop_ras_mm))
        found: list[Drawn] = []
        for _ in range(-(-paintings // PAINTINGS)):
            sample = real_hip(case, side)
            if (contrast := str(rng.choice(CONTRASTS, p=ODDS))) != "t1":
                sample = recast_hip(sample, contrast, rng)
            found += [one for one in self._drawn(sample, landmarks, PAINTINGS, rng) if one is not None]
        return found

    def _drawn(self, sample: LabelledHip, landmarks: Landmarks, paintings: int, rng: np.random.Generator) -> list:
        """Paint lesions into one hip, and keep what KEEP says; None where the slice shows too little of the lesion."""
        if landmarks.acetabular_edge_ras_mm is None or landmarks.teardrop_ras_mm is None:
            return []
        found = [self._slice(with_decoys(sample, rng), None, landmarks) for _ in range(SOUND)]
        for _ in range(paintings):
            changed = with_decoys(sample, rng)
            image, necrosis = paint_into(changed, rng)
            drawn = self._slice(replace(changed, hip=changed.hip.like(image)), necrosis, landmarks)
            if drawn is not None and rng.random() < KEEP[CLASSES[drawn.class_index]]:
                found.append(drawn)
        return found

    def _slice(self, sample: LabelledHip, necrosis: np.ndarray | None, landmarks: Landmarks) -> Drawn | None:
        volume, sphere = sample.hip.volume, Sphere(sample.centre_ras_mm, sample.radius_mm)
        size = int(self.size_px * PATCH_MARGIN)
        patch = coronal_patch(volume, sphere, sample.hip.side, size, self.pixel_mm)
        if patch is None:
            return None
        labels = labels_of(sample, necrosis)
        at = np.rint(volume.ijk(patch.points_ras())).astype(int)
        inside = np.all((at >= 0) & (at < volume.size), axis=-1)
        seen = np.full(inside.shape, IGNORE, np.uint8)
        seen[inside] = labels[tuple(at[inside].T[::-1])]
        if 0 < (seen == NECROSIS).sum() * self.pixel_mm**2 < LEAST_MM2:
            return None
        grade = true_grade(sample, necrosis, landmarks)
        name, end, end_deg = grade.grade or NONE, float("nan"), float("nan")
        if grade.grade is not None:
            assert grade.value is not None  # where there is a class, there is a value
            end, end_deg = min(grade.value, 2 * JIC_EDGE), grade.details["lateral_end_deg"]
        image = np.clip(patch.image * 80 + 128, 0, 255).astype(np.uint8)
        marks = (*_in_plane(patch, sphere, landmarks), end_deg, section_radius_mm(patch.plane, sphere))
        return Drawn(image, seen, CLASSES.index(str(name)), end, marks)


def _in_plane(patch: Patch, sphere: Sphere, landmarks: Landmarks) -> list[float]:
    """Return how far lateral and superior of the head's middle edge and teardrop lie, in mm."""
    points = np.array([landmarks.acetabular_edge_ras_mm, landmarks.teardrop_ras_mm]) - np.array(sphere.centre_ras_mm)
    return (points @ np.array([patch.lateral_ras, patch.superior_ras]).T).ravel().tolist()


def true_landmarks(sample: LabelledHip) -> Landmarks:
    """Return the landmarks of a rendered hip bone, by the rule that the software has."""
    bone = sample.hip.volume.like(sample.anatomy == AnatomyLabel.HIP_BONE)
    return find_landmarks(bone, Sphere(sample.centre_ras_mm, sample.radius_mm), sample.hip.side)


def with_decoys(sample: LabelledHip, rng: np.random.Generator) -> LabelledHip:
    """Paint, sometimes, what only looks like necrosis."""
    if rng.random() >= DECOYS:
        return sample
    image, head = sample.hip.volume.array.astype(np.float32), sample.anatomy == AnatomyLabel.HEAD
    painted = decoys(image, sample.points_mm, head, sample.radius_mm, sample.contrast, rng)
    return replace(sample, hip=sample.hip.like(painted))


def paint_into(sample: LabelledHip, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paint one lesion: image, and where it is (bool)."""
    head = sample.anatomy == AnatomyLabel.HEAD
    step = sample.points_mm[1, 0, 0] - sample.points_mm[0, 0, 0]
    ratio = float(np.exp(rng.uniform(*np.log(RATIO))))
    image = sample.hip.volume.array.astype(np.float32)
    lesion = paint(image, sample.points_mm, head, sample.radius_mm, sample.contrast, step, rng, ratio)
    return lesion.image, lesion.necrosis


def labels_of(sample: LabelledHip, necrosis: np.ndarray | None) -> np.ndarray:
    """Return 0, HEAD, NECROSIS, HIP_BONE or IGNORE for each voxel, uint8."""
    labels = np.zeros(sample.anatomy.shape, np.uint8)
    for value, anatomy in ((HEAD, AnatomyLabel.HEAD), (HIP_BONE, AnatomyLabel.HIP_BONE), (IGNORE, IGNORE)):
        labels[sample.anatomy == anatomy] = value
    if necrosis is not None:
        labels[necrosis] = NECROSIS
    return labels


def true_grade(sample: LabelledHip, necrosis: np.ndarray | None, landmarks: Landmarks) -> Grade:
    """Return the JIC grade of the true masks and landmarks; without a class where the slice shows no necrosis."""
    if necrosis is None or not necrosis.any():
        return Grade(None, NO_NECROSIS)
    volume, sphere = sample.hip.volume, Sphere(sample.centre_ras_mm, sample.radius_mm)
    head = volume.like(sample.anatomy == AnatomyLabel.HEAD)
    return JIC.grade(measure_hip(HipMasks.of(sample.hip.side, head, volume.like(necrosis), sphere, landmarks)))
