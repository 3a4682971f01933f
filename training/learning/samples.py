"""Training samples: procedural and real hips with painted lesions, cut into the patches that the networks see.

A cache is one ``.npz`` of uint8 patches; it is made once for a config and read by every later run.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, Side, Sphere
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import CanonicalHip, Plane, canonical_hip, network_slices, normalise, sphere_slices
from ONFHAssistLib.imaging.segment import CROP_MM
from training.learning.config import Patch, Samples
from training.phantoms.anatomy import MeasuredFemur, load_measured_femora, random_hip
from training.phantoms.lesions import decoys, paint
from training.phantoms.recast import recast
from training.phantoms.render import PLANES, acquire, implant, random_body, render_stack, slice_points, trabeculae
from training.real.data import TRAINING_CASES, VALIDATION_CASES, data_folder, read_case, require_data_folder
from training.real.labelled import IGNORE, LabelledHip
from training.real.labels import real_heads, real_label
from training.real.marks import marked_heads, marked_hip

# Margin of the stored patches beyond the network's field, for shifts and turns during training.
PATCH_MARGIN = 1.3
# On MR a head begins at the edge of its marrow, where most readers draw it; our own labels end in the middle of the
# dark line around it. On the training patients 0.5 mm brings the radius to that of the manual masks (-0.04 mm).
MARROW_EDGE_MM = 0.5
# How far outside its sphere a head may still reach.
SURFACE_MM = 1.0
FEMUR_LABELS = (AnatomyLabel.HEAD, AnatomyLabel.FEMUR)
# Of slices thinner than this only some become patches.
THIN_MM = 2.4
# Kinds of procedural hips, and so of jobs; another job is a real head, by its case, or one that was marked by eye.
RENDERED = ("procedural", "ct")
MARKED = "marked"
# Lesions are painted into the contrasts that necrosis is graded on.
MR_CONTRASTS, MR_ODDS = ("t1", "t2", "stir"), (0.5, 0.25, 0.25)
# Part of the procedural hips with a screw in the femoral neck.
METAL = 0.04


def procedural_hip(
    seed: int,
    femora: list[MeasuredFemur],
    plane: Plane | None = None,
    contrast: str | None = None,
    metal_chance: float = METAL,
    half_mm: float | None = None,
) -> LabelledHip:
    """Render one procedural hip as a scanner would see it: in a random plane, contrast and spacing, unless given.

    ``half_mm`` is how far the stack reaches on both sides of the head's middle; None: beyond the head.
    """
    rng = np.random.default_rng(seed)
    hip = random_hip(rng, femora)
    body = random_body(rng, hip)
    drawn = str(rng.choice(["t1", "t2", "stir", "ct"], p=[0.4, 0.2, 0.2, 0.2]))
    contrast = contrast or drawn
    planes: tuple[Plane, ...] = ("coronal", "axial", "sagittal")
    drawn_plane = planes[rng.choice(3, p=[0.45, 0.35, 0.2])]
    plane = plane or drawn_plane
    spacing = float(rng.uniform(1.5, 6.5) if contrast != "ct" else rng.uniform(1.0, 4.0))
    pixel = float(rng.uniform(0.75, 1.3) if contrast != "ct" or rng.random() < 0.6 else rng.uniform(1.3, 3.0))
    turn = _random_turn(rng, 8.0)
    half = half_mm or hip.radius_mm + 16
    count = int(np.ceil(2 * half / spacing))
    shift = PLANES[plane][0] * rng.uniform(-0.5, 0.5) * spacing
    points = slice_points(plane, count, spacing, int(150 / pixel), pixel, turn, shift)
    axes = PLANES[plane] @ turn.T.astype(np.float32)
    thickness = axes[0] * spacing * rng.uniform(0.7, 1.0)
    other = random_hip(rng, femora) if rng.random() < 0.7 else None
    image, label = render_stack(hip, body, points, thickness, contrast, [seed, 3], other)
    if contrast == "ct":
        image = trabeculae(image, points, label == AnatomyLabel.HEAD, hip.radius_mm, np.random.default_rng([seed, 4]))
    metal = np.random.default_rng([seed, 1])  # a stream of its own: without metal nothing else changes
    if metal.random() < metal_chance:
        image = implant(image, points, hip.radius_mm, contrast, metal)
    image = acquire(image, contrast, rng, pixel)
    # Canonical axes are the RAS axes of a right hip: no left-handed grid is needed.
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([axes[2] * pixel, axes[1] * pixel, axes[0] * spacing], axis=1)
    matrix[:3, 3] = points[0, 0, 0]
    canonical = CanonicalHip(
        Volume(image, matrix), "right", plane, (slice(None),) * 3, (0, 1, 2), (False, False, False)
    )
    modality = "CT" if contrast == "ct" else "MR"
    return LabelledHip(canonical, modality, contrast, label, hip.radius_mm, (0.0, 0.0, 0.0), points)


def real_hip(case: str, side: Side) -> LabelledHip:
    """Read one head of a real training study with the project's own labels."""
    volume = read_case(case)
    head = real_heads()[case, side]
    canonical = canonical_hip(volume, side, head.centre_ras_mm, CROP_MM)
    label = canonical_hip(real_label(case, side, volume), side, head.centre_ras_mm, CROP_MM)
    offset = canonical.volume.grid_ras() - np.array(head.centre_ras_mm)
    points = offset * np.array([1 if side == "right" else -1, 1, 1])
    return LabelledHip(
        canonical, "MR", "t1", label.volume.array, head.radius_mm, head.centre_ras_mm, points.astype(np.float32)
    )


def with_lesion(sample: LabelledHip, rng: np.random.Generator, chance: float) -> tuple[LabelledHip, np.ndarray]:
    """Paint decoys and, with the given chance, a lesion; returns the hip and its necrosis (0, 1, IGNORE).

    Where it is not known whether a voxel is of the head, at the surface of one marked by eye, it is not known whether
    it is necrotic.
    """
    image = sample.hip.volume.array.astype(np.float32)
    head = sample.anatomy == AnatomyLabel.HEAD
    necrosis = np.zeros(head.shape, bool)
    if head.any():
        if rng.random() < 0.65:
            image = decoys(image, sample.points_mm, head, sample.radius_mm, sample.contrast, rng)
        if rng.random() < chance:
            step = sample.points_mm[1, 0, 0] - sample.points_mm[0, 0, 0]
            lesion = paint(image, sample.points_mm, head, sample.radius_mm, sample.contrast, step, rng)
            image, necrosis = lesion.image, lesion.necrosis
    surface = np.linalg.norm(sample.points_mm, axis=-1) < sample.radius_mm + SURFACE_MM
    unknown = surface & (sample.anatomy == IGNORE)
    return replace(sample, hip=sample.hip.like(image)), np.where(unknown, np.uint8(IGNORE), necrosis)


def recast_hip(sample: LabelledHip, contrast: str, rng: np.random.Generator) -> LabelledHip:
    """Give a real T1 hip the contrast "t2" or "stir"."""
    image = sample.hip.volume.array.astype(np.float32)
    marrow = float(np.median(image[sample.anatomy == AnatomyLabel.HEAD]))
    return replace(sample, hip=sample.hip.like(recast(image, marrow, contrast, rng)), contrast=contrast)


def _random_turn(rng: np.random.Generator, degrees: float) -> np.ndarray:
    return Rotation.from_euler("xyz", rng.normal(0, degrees, 3), degrees=True).as_matrix()


def patches(
    sample: LabelledHip,
    necrosis: np.ndarray,
    task: str,
    patch: Patch,
    rng: np.random.Generator,
    edge_mm: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut one hip into patches of s = size_px * PATCH_MARGIN pixels.

    Args:
        sample: the hip.
        necrosis: shape of the hip's array; bool, or 0, 1 and IGNORE.
        task: "anatomy" or "necrosis": what is the label.
        patch: ``size_px``, ``pixel_mm``, ``neighbour_mm``, and ``sphere_mm`` if the network sees the sphere.
        rng: shifts the sphere, as the one that is found will not be exact either.
        edge_mm: how far inside the bone's outline the head begins; None: MARROW_EDGE_MM on MR, as in our own labels.

    Returns:
        images (n, 3 or 4, s, s) in uint8, stored as 128 + 80 x, where x is what the network sees, and labels (n, s, s)
        in uint8.
    """
    hip = sample.hip.like(normalise(sample.hip.volume.array, sample.modality))
    size, pixel_mm = int(patch.side_px * PATCH_MARGIN), patch.pixel_mm
    if edge_mm is None:
        edge_mm = MARROW_EDGE_MM if sample.modality == "MR" else 0.0
    centre = tuple((np.array(sample.centre_ras_mm) + rng.normal(0, 0.7, 3)).tolist())
    assert patch.neighbour_mm is not None  # Config sees to that
    images = network_slices(hip, centre, size, pixel_mm, patch.neighbour_mm)
    if patch.sphere_mm:
        found = Sphere(centre, sample.radius_mm - edge_mm + rng.normal(0, 0.6))
        images = np.concatenate([images, sphere_slices(hip, found, size, pixel_mm, patch.sphere_mm)], axis=1)
    if task == "anatomy":
        labels = _nearest(sample.hip.like(sample.anatomy), centre, size, pixel_mm)
        if edge_mm:
            inside_mm = network_slices(sample.hip.like(inside_bone_mm(sample)), centre, size, pixel_mm)[:, 1]
            labels[np.isin(labels, FEMUR_LABELS) & (inside_mm < edge_mm)] = AnatomyLabel.BACKGROUND
    else:
        labels = _nearest(sample.hip.like(necrosis.astype(np.uint8)), centre, size, pixel_mm)
    distance = np.abs(sample.points_mm.mean(axis=(1, 2)) @ _stack_direction(sample))
    reach = sample.radius_mm + (14 if task == "anatomy" else 3)
    # Of thin slices each second one or fewer: their neighbours look alike, and there are many of them.
    every = max(1, round(THIN_MM / sample.hip.volume.spacing_mm[2]))
    keep = (distance < reach) & (np.arange(len(distance)) % every == rng.integers(every))
    return np.clip(images[keep] * 80 + 128, 0, 255).astype(np.uint8), labels[keep]


def inside_bone_mm(sample: LabelledHip) -> np.ndarray:
    """How far inside the femur each voxel lies in its slice (mm, negative outside); unknown voxels count as inside."""
    solid = np.isin(sample.anatomy, (*FEMUR_LABELS, IGNORE))
    spacing = sample.hip.volume.spacing_mm[1::-1]
    distance = np.zeros(solid.shape, np.float32)
    for k, here in enumerate(solid):
        inside = ndimage.distance_transform_edt(here, sampling=spacing)
        outside = ndimage.distance_transform_edt(~here, sampling=spacing)
        # Distances are to the middle of the nearest voxel of the other kind: the border is half a voxel nearer.
        distance[k] = inside - outside - np.where(here, 0.5, -0.5) * spacing[0]
    return distance


def _stack_direction(sample: LabelledHip) -> np.ndarray:
    step = sample.points_mm[1, 0, 0] - sample.points_mm[0, 0, 0]
    return step / np.linalg.norm(step)


def _nearest(hip: CanonicalHip, centre: tuple[float, float, float], size: int, pixel_mm: float) -> np.ndarray:
    """Nearest-neighbour patches (slice, size, size) of a label map; outside is IGNORE."""
    column, row, _ = hip.volume.ijk(np.asarray(centre))
    offset = (np.arange(size) - (size - 1) / 2) * pixel_mm
    rows = np.round(row + offset / hip.volume.spacing_mm[1]).astype(int)
    columns = np.round(column + offset / hip.volume.spacing_mm[0]).astype(int)
    _, height, width = hip.volume.shape
    label = hip.volume.array[:, np.clip(rows, 0, height - 1)][:, :, np.clip(columns, 0, width - 1)].astype(np.uint8)
    label[:, (rows < 0) | (rows >= height)] = IGNORE
    label[:, :, (columns < 0) | (columns >= width)] = IGNORE
    return label


def make_cache(path: Path, task: str, patch: Patch, samples: Samples) -> None:
    """Make the samples of a training config and write them to ``path``, to a temporary file first.

    The arrays are images, labels, and for each patch whether it is of a ``real`` hip and of the ``validation`` part:
    all of VALIDATION_CASES and one procedural hip in 16.

    Args:
        path: an ``.npz``.
        task: "anatomy" or "necrosis".
        patch: what the network sees, as in ``patches``.
        samples: how many, and of what.

    Raises:
        InputError: real images are wanted and not there.
    """
    seed = samples.seed
    jobs: list[tuple] = [("procedural", seed * 1_000_003 + n) for n in range(samples.procedural)]
    if samples.real:
        require_data_folder()
        heads = [(case, side) for case in TRAINING_CASES for side in SIDES]
        first = seed * 1_000_003 + 500_009
        jobs += [(*head, first + n * len(heads) + h) for h, head in enumerate(heads) for n in range(samples.real)]
    jobs += [("ct", seed * 1_000_003 + 700_001 + n) for n in range(samples.ct)]
    if samples.marked:
        marked = [n for n, head in enumerate(marked_heads()) if task == "anatomy" or head.modality == "MR"]
        first = seed * 1_000_003 + 800_011
        jobs += [(MARKED, h, first + n * len(marked) + h) for h in marked for n in range(samples.marked)]
    parts = list(run_jobs(Job(task, patch, samples.recast), jobs))
    held_out = [job[0] in VALIDATION_CASES or (job[0] in RENDERED and job[1] % 16 == 0) for job in jobs]
    counts = [len(images) for images, _ in parts]
    arrays = {
        "images": np.concatenate([images for images, _ in parts]),
        "labels": np.concatenate([labels for _, labels in parts]),
        "real": np.repeat([job[0] not in RENDERED for job in jobs], counts),
        "validation": np.repeat(held_out, counts),
    }
    save_cache(path, **arrays)


def save_cache(path: Path, **arrays: np.ndarray) -> None:
    """Keep samples for the next run; whatever stops this leaves no half of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(path)


def run_jobs(function: Callable, jobs: list) -> Iterator:
    """Map over worker processes, with a progress bar."""
    from rich.progress import track

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield from track(pool.map(function, jobs, chunksize=4), total=len(jobs), description="samples")


@dataclass(frozen=True)
class Job:
    """Makes the patches of one job in a worker process: a rendered hip, or a real head with what is painted."""

    task: str
    patch: Patch
    recast_share: float = 0.0

    def __call__(self, job: tuple) -> tuple[np.ndarray, np.ndarray]:
        """Return the patches of a job (kind or case, …, seed), see ``patches``."""
        rng = np.random.default_rng([job[-1], 2])  # not the stream that drew the hip: decoys would follow its size
        if job[0] in RENDERED:
            contrast = "ct" if job[0] == "ct" else None
            if self.task == "necrosis":
                contrast = str(rng.choice(MR_CONTRASTS, p=MR_ODDS))
            sample = procedural_hip(job[1], measured_femora(), contrast=contrast)
        else:
            sample = marked_hip(marked_heads()[job[1]]) if job[0] == MARKED else real_hip(job[0], job[1])
            if sample.contrast == "t1" and rng.random() < self.recast_share:
                sample = recast_hip(sample, str(rng.choice(["t2", "stir"])), rng)
        sample, necrosis = with_lesion(sample, rng, 0.5 if self.task == "anatomy" else 0.6)
        return patches(sample, necrosis, self.task, self.patch, rng)


@cache
def measured_femora() -> list[MeasuredFemur]:
    """Read the measured femora, once in each process."""
    folder = data_folder()
    if folder is None:
        return []
    femora = load_measured_femora(folder / "femur_surfaces")
    if not femora:
        raise InputError("There are no femora in the data's folder femur_surfaces; complete the folder.")
    return femora
