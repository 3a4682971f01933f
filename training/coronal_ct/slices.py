"""Coronal CT slices of hips for the two networks: made once, kept as files of a folder, a file for each hip.

Each hip is a patient; it is scanned several times, with another scanner, other decoys and another lesion, or none. All
scans of a hip are of one part: of ten procedural patients seven are learned from, one chooses (checkpoint, rule,
thresholds) and two test. The external part has hips, lesions and scanners of its own (``second_ct_painter``).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from training.coronal_ct.hips import TEST_IMAGES, TRAINING_IMAGES, real_heads, real_hip
from training.learning.config import Config
from training.learning.samples import measured_femora, run_jobs, save_cache
from training.phantoms.ct_bone import FineHip, sound_hip
from training.phantoms.ct_decoys import ARTHRITIC_SPACE_MM, arthritic, with_decoys
from training.phantoms.ct_lesions import silent, with_lesion
from training.phantoms.ct_scan import Scanner, random_scanner, scan
from training.phantoms.second_ct_painter import other_scanner, paint_second
from training.real.data import CACHE
from training.real.marks import marked_heads, read_image

Part = Literal["training", "validation", "internal", "external", "silent"]
PARTS: tuple[Part, ...] = ("training", "validation", "internal", "external", "silent")
VERSION = 1
"""Raise it with each change to what is made here: older slices are then made anew."""
LESIONS = 0.55
"""Part of the scans with a lesion."""
SCANS = 4
"""Scans of each procedural hip; of an external one half as many."""
EXTERNAL = 5
"""One external hip for so many others."""
SILENT = 12
"""Hips with lesions that CT hardly shows, for a measurement of its own."""
HU_RANGE = (-300.0, 1300.0)
"""What is stored, in 256 steps of 6.3 HU."""
POSITIVE_MM2 = 20.0
"""A slice is positive from this area of necrosis on, a patch of 5 mm across; one with less, but some, is not scored and
not learned from as a slice: it is partial volume of the next one."""
WITHIN_RADII = 0.95
HEAD, NECROSIS = 1, 2
"""Values of the labels; 0 is everything else."""


@dataclass(frozen=True)
class Slices:
    """Coronal slices, those of a scan one after the other from front to back.

    Attributes:
        images: uint8 (n, s, s): HU_RANGE in 256 steps.
        labels: uint8 (n, s, s): 0, HEAD or NECROSIS.
        scan: int (n,), number of the scan.
        patient: int (n,), number of the hip; of real ones REAL and more.
        part: int (n,), index into PARTS.
        graded: bool (n,): within WITHIN_RADII of the head's centre; the others are neighbours only.
        pitch_mm: float (n,), to the next slice.
    """

    images: np.ndarray
    labels: np.ndarray
    scan: np.ndarray
    patient: np.ndarray
    part: np.ndarray
    graded: np.ndarray
    pitch_mm: np.ndarray

    def of(self, *parts: Part) -> "Slices":
        """Keep some parts."""
        return self.where(np.isin(self.part, [PARTS.index(part) for part in parts]))

    def where(self, kept: np.ndarray) -> "Slices":
        """Keep the slices of a boolean or an index array; whole scans, so that neighbours stay."""
        return Slices(*(getattr(self, name)[kept] for name in ARRAYS))

    def neighbours(self, index: np.ndarray) -> np.ndarray:
        """Return (n, 3) indices: the slice before, the slice, the slice after; at the end of a scan its last one."""
        last = len(self.scan) - 1
        around = np.stack([np.clip(index - 1, 0, last), index, np.clip(index + 1, 0, last)], axis=1)
        return np.where(self.scan[around] == self.scan[index][:, None], around, index[:, None])

    def necrosis_mm2(self, pixel_mm: float) -> np.ndarray:
        """Area of necrosis of each slice."""
        return np.array([(labels == NECROSIS).sum() for labels in self.labels]) * pixel_mm**2


ARRAYS = ("images", "labels", "scan", "patient", "part", "graded", "pitch_mm")
FIRST_PATIENT = {"procedural": 0, "external": 20_000, "silent": 30_000, "real": 100_000}
"""Numbers of the patients of a kind begin here."""
ARTHRITIC = 0.2
"""Part of the procedural hips with a narrow joint space."""
FINE_MM = 0.9
"""Real images with smaller voxels than this are as good as the fine grid."""


def folder(config: Config) -> Path:
    """Return where the slices of a config are kept: another recipe has another folder."""
    recipe = json.dumps([VERSION, config.samples.plain(), len(measured_femora()), len(marked_heads())], sort_keys=True)
    return CACHE / f"coronal_ct-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"


def read_slices(config: Config, wait: bool = True) -> Slices:
    """Return all slices, made where they are missing (an hour on two cores); whatever stops that, it goes on there.

    Args:
        config: its ``samples`` say how many hips and how many scans of each real head.
        wait: whether to make what is missing; otherwise what is there is returned.
    """
    place, jobs = folder(config), list(all_jobs(config))
    if wait:
        missing = [job for job in jobs if not (place / job.file).is_file()]
        for _ in run_jobs(Maker(str(place)), missing):
            pass
    parts = []
    for n, job in enumerate(jobs):
        if (place / job.file).is_file():
            with np.load(place / job.file) as kept:
                parts.append({name: kept[name] for name in kept} | {"number": n})
    return _joined(parts)


def _joined(parts: list[dict]) -> Slices:
    """Put the files together; scans get numbers of their own."""
    offset = 0
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
    for part in parts:
        for name in ARRAYS:
            arrays[name].append(part[name] + offset if name == "scan" else part[name])
        offset += int(part["scan"].max()) + 1
    return Slices(*(np.concatenate(arrays[name]) for name in ARRAYS))


@dataclass(frozen=True)
class Job:
    """One hip: "procedural", "external", "silent" or "real"; its seed or the number of its mark; how many scans."""

    kind: str
    number: int
    seed: int
    scans: int

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.kind}-{self.number:05d}.npz"


def all_jobs(config: Config) -> Iterator[Job]:
    """Return the hips in the order in which they are made, so that a part of them is like the whole."""
    samples = config.samples
    first = samples.seed * 1_000_003
    for head in real_heads(TRAINING_IMAGES):
        yield Job(
            "real", head.number, first + 700_000 + head.number, samples.marked if head.mark.whole else samples.real
        )
    for head in real_heads(TEST_IMAGES):
        yield Job("real", head.number, first + 700_000 + head.number, samples.real)
    for n in range(samples.procedural):
        yield Job("procedural", n, first + n, SCANS)
        if n % EXTERNAL == 0:
            yield Job("external", n, first + 500_000 + n, SCANS // 2)
    for n in range(SILENT):
        yield Job("silent", n, first + 600_000 + n, 1)


def part_of(job: Job) -> Part:
    """Return the part of a hip: of ten procedural patients seven train, one chooses and two test."""
    if job.kind == "real":
        return "training" if marked_heads()[job.number].image in TRAINING_IMAGES else "internal"
    if job.kind == "procedural":
        return "validation" if job.number % 10 == 7 else "internal" if job.number % 10 > 7 else "training"
    return "external" if job.kind == "external" else "silent"


@dataclass(frozen=True)
class Maker:
    """Makes the file of one hip in a worker process."""

    place: str

    def __call__(self, job: Job) -> None:
        """Render, paint, scan and save."""
        scans = [_slices_of(fine, necrosis, scanner, rng) for fine, necrosis, scanner, rng in _scans(job)]
        arrays = {name: np.concatenate([one[name] for one in scans]) for name in scans[0]}
        counts = [len(one["graded"]) for one in scans]
        arrays["scan"] = np.repeat(np.arange(len(scans)), counts)
        arrays["patient"] = np.full(sum(counts), job.number + FIRST_PATIENT[job.kind])
        arrays["part"] = np.full(sum(counts), PARTS.index(part_of(job)))
        save_cache(Path(self.place) / job.file, **arrays)


Taken = tuple[FineHip, np.ndarray, Scanner, np.random.Generator]


def _scans(job: Job) -> Iterator[Taken]:
    """Yield the hip with what was painted, its necrosis, the scanner and the source of chance, scan by scan."""
    rng = np.random.default_rng([job.seed, 10])
    narrow = job.kind != "real" and rng.random() < ARTHRITIC
    base = None
    if job.kind != "real":
        base = sound_hip(job.seed, measured_femora(), rng.uniform(*ARTHRITIC_SPACE_MM) if narrow else None)
    for n in range(job.scans):
        rng = np.random.default_rng([job.seed, n, 11])
        fine = base or real_hip(marked_heads()[job.number], rng)
        if narrow and rng.random() < 0.8:
            fine = arthritic(fine, rng)
        elif rng.random() < 0.6:
            fine = with_decoys(fine, rng)
        necrosis = np.zeros(fine.head.shape, bool)
        if job.kind == "silent":
            fine, necrosis = silent(fine, rng)
        elif rng.random() < LESIONS:
            fine, necrosis = (paint_second if job.kind == "external" else with_lesion)(fine, rng)
        scanner = (other_scanner if job.kind == "external" else random_scanner)(rng)
        yield fine, necrosis, _gentler(scanner, job, rng) if job.kind == "real" else scanner, rng


def _gentler(scanner: Scanner, job: Job, rng: np.random.Generator) -> Scanner:
    """A real image was blurred and is noisy: those of 1 mm in the slice get hardly more of either."""
    if read_image(marked_heads()[job.number].image).spacing_mm[0] < FINE_MM:
        return replace(scanner, noise_hu=0.4 * scanner.noise_hu, blur_mm=0.5 * scanner.blur_mm)
    return replace(scanner, noise_hu=float(rng.uniform(0, 10)), blur_mm=0.2, axial_mm=0.6, coronal_mm=1.25)


def _slices_of(
    fine: FineHip, necrosis: np.ndarray, scanner: Scanner, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Scan a hip and keep the slices of its head, with a neighbour before and behind."""
    stack = scan(fine.image, np.stack([fine.head, necrosis]), scanner, rng)
    head, dead = stack.masks
    kept = np.abs(stack.offset_mm) < WITHIN_RADII * fine.radius_mm + scanner.pitch_mm
    return {
        "images": encode(stack.image[kept]),
        "labels": np.where(dead & head, NECROSIS, head * HEAD).astype(np.uint8)[kept],
        "graded": (np.abs(stack.offset_mm) < WITHIN_RADII * fine.radius_mm)[kept],
        "pitch_mm": np.full(int(kept.sum()), scanner.pitch_mm, np.float32),
    }


def encode(hounsfield: np.ndarray) -> np.ndarray:
    """HU to the uint8 in which slices are stored."""
    low, high = HU_RANGE
    return np.clip((hounsfield - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)


def decode(stored: np.ndarray) -> np.ndarray:
    """Stored slices back to HU, float32."""
    low, high = HU_RANGE
    return stored.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
