"""A data set of reviewed cases as training samples, beside procedural hips that keep what the network knows.

What is learned from is what ``onfh-assist data`` keeps or exports: approved cases, by the folds of their patients. One
fold chooses the checkpoint, another one is kept out for ``training.calibrate`` and ``training.compare``. Slices that
nobody has reviewed count for nothing.
"""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.plain import to_plain
from ONFHAssistLib.curation.case.labels import CaseLabel, is_head
from ONFHAssistLib.curation.case.nifti import read_nifti
from ONFHAssistLib.curation.reports.training_case import TrainingCase
from ONFHAssistLib.curation.reports.training_cases import training_cases
from ONFHAssistLib.imaging.canonical import CanonicalHip, from_network, network_slices, normalise
from ONFHAssistLib.imaging.segment import Network
from ONFHAssistLib.models.bundle import WEIGHTS, Bundle, load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.models.installed import require_fit
from training.learning.config import Config, Data, Init, Patch
from training.learning.samples import Job, LabelledHip, patches, run_jobs
from training.real.labelled import IGNORE

if TYPE_CHECKING:
    import torch

TASKS = ("anatomy", "necrosis")
"""Networks that learn from outlines of heads; the finder looks at whole pelves, which a data set does not keep."""
CLASSES = ("without ONFH", "mild", "moderate", "severe")


@dataclass(frozen=True)
class CuratedHip:
    """A case as it lies in the files.

    Attributes:
        hip: raw intensities in canonical order, like a right hip.
        labels: CaseLabel, uint8, shape of the hip's array.
        case: what is known of it.
    """

    hip: CanonicalHip
    labels: np.ndarray
    case: TrainingCase

    @property
    def known(self) -> np.ndarray:
        """Where somebody has looked (bool)."""
        return self.labels != CaseLabel.IGNORE

    @property
    def head(self) -> np.ndarray:
        """The head with its necrosis (bool)."""
        return is_head(self.labels)

    @property
    def necrosis(self) -> np.ndarray:
        """The necrosis (bool)."""
        return self.labels == CaseLabel.NECROSIS


def read_hip(folder: Path, case: TrainingCase) -> CuratedHip:
    """Read image and mask of a case.

    Raises:
        InputError: a file is missing, differs from what was saved, or does not fit the other.
    """
    volumes = []
    for path, digest in ((case.image, case.image_sha256), (case.label, case.label_sha256)):
        try:
            content = (Path(folder) / path).read_bytes()
        except OSError as error:
            raise InputError(f"{path} of {Path(folder).name} can't be read; check the data set.") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputError(f"{path} of {Path(folder).name} is not as it was saved; check the data set.")
        volumes.append(read_nifti(Path(folder) / path))
    image, label = volumes
    values = set(np.unique(label.array).tolist())
    if image.shape != label.array.shape or not values <= set(map(int, CaseLabel)):
        raise InputError(f"The mask of the case {case.case} does not fit its image or labels; check the data set.")
    whole = (slice(None),) * 3
    hip = CanonicalHip(image, "right", case.plane, whole, (0, 1, 2), (False, False, False))
    return CuratedHip(hip, label.array.astype(np.uint8), case)


def with_data(config: Config, folder: Path, init: Bundle | None, fold: int = 0, keep_out: int | None = None) -> Config:
    """Return a training config that also tells what is learned from, and where the weights begin.

    Args:
        config: see ``training/learning/config.py``.
        folder: a data set, or an export of one.
        init: the bundle whose weights the network begins with; None: random ones.
        fold: chooses the checkpoint.
        keep_out: fold that is neither learned from nor chosen by; None: none.

    Raises:
        InputError: the task can't be learned from a data set, the bundle is another network, or too few cases remain.
    """
    if config.task not in TASKS:
        raise InputError(f"The {config.task} can't be trained on reviewed heads; only {' and '.join(TASKS)} can.")
    name, cases = training_cases(folder)
    modalities = sorted({case.modality for case in cases})
    if fold == keep_out:
        raise InputError(f"Fold {fold} can't both choose the checkpoint and be kept out; give two folds.")
    seen = [case for case in cases if case.fold != keep_out]
    for what, own in (
        ("learn from", [case for case in seen if case.fold != fold]),
        ("choose the checkpoint with", [case for case in seen if case.fold == fold]),
    ):
        if not own:
            folds = ", ".join(map(str, sorted({case.fold for case in cases})))
            raise InputError(
                f"{name} has no approved case to {what} (validation fold {fold}, kept out {keep_out}); "
                f"its cases are in the folds {folds}: choose others with --fold and --keep-out, or annotate more."
            )
    content = json.dumps([modalities, [to_plain(case) | {"image": "", "label": ""} for case in cases]], sort_keys=True)
    data = Data(
        name=name,
        content=hashlib.sha256(content.encode()).hexdigest()[:16],
        cases=len(seen),
        fold=fold,
        keep_out=keep_out,
        patients=tuple(sorted({case.patient for case in seen})),
        modalities=tuple(modalities),
    )
    config = replace(config, data=data)
    return with_init(config, init) if init else config


def cautions(folder: Path) -> list[str]:
    """Return what a training on a data set should be told of, one sentence each."""
    _, cases = training_cases(folder)
    sound = sum(case.ratio is not None and steinberg_grade(case.ratio) == CLASSES[0] for case in cases)
    if sound * 4 < len(cases):
        return [
            f"Only {sound} of {len(cases)} approved hips are {CLASSES[0]}: a network that is trained on lesions alone "
            "marks sound heads, too; approve sound hips as well."
        ]
    return []


def with_init(config: Config, bundle: Bundle) -> Config:
    """Return a config that also tells which bundle's weights the training begins with.

    Raises:
        InputError: the bundle is not the config's network.
    """
    require_fit(bundle, config.task)
    own, patch = bundle.input, config.patch
    wanted = {name: getattr(patch, name) for name in ("pixel_mm", "neighbour_mm", "sphere_mm")}
    has = {name: own.get(name) for name in wanted}
    if bundle.network_def != config.network or has != wanted:
        raise InputError(
            f"The network of {bundle.name} {bundle.version} is not that of the config {config.name} (its size, or "
            "what it sees); take a config of the same network."
        )
    init = Init(
        name=bundle.name,
        version=bundle.version,
        sha256=own["sha256"][Path(WEIGHTS).name],
        trained_on=own["trained_on"],
        patients=tuple(sorted(own.get("learned_from", {}).get("patients", []))),
    )
    return replace(config, init=init)


def initial_weights(bundle: Bundle) -> dict[str, Any]:
    """Return the weights of a bundle as 32-bit tensors."""
    from safetensors.torch import load_file

    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in load_file(bundle.folder / WEIGHTS).items()
    }


def mixed(network: "torch.nn.Module", initial: "Mapping[str, torch.Tensor]", keep: float) -> "torch.nn.Module":
    """Return a copy of a network whose weights are part new, part those that its training began with.

    What a network forgets of other images by being trained on comes back sooner than what it has learned goes: weights
    between the two are better on both than either of them (Wortsman et al., Robust fine-tuning of zero-shot models,
    CVPR 2022).

    Args:
        network: trained on.
        initial: weights that its training began with.
        keep: part of these, 0 to 1.
    """
    import torch

    copied = copy.deepcopy(network)
    copied.load_state_dict(
        {
            name: torch.lerp(value, initial[name].to(value), keep) if value.is_floating_point() else value
            for name, value in network.state_dict().items()
        }
    )
    return copied


def make_cache(path: Path, config: Config, folder: Path, init: Bundle | None) -> None:
    """Make the samples of a config with ``data`` and write them to ``path``, to a temporary file first.

    The arrays are those of ``samples.make_cache``; ``real`` are the patches of the data set.

    Raises:
        InputError: a file of the data set is missing or damaged.
    """
    data, samples, task, patch = config.data, config.samples, config.task, config.patch
    assert data is not None  # the config tells of one
    cases = [case for case in training_cases(folder)[1] if case.fold != data.keep_out]
    seed = samples.seed
    jobs: list[tuple] = [
        (case, seed * 1_000_003 + 300_007 + n * samples.real + variant)
        for n, case in enumerate(cases)
        for variant in range(samples.real)
    ]
    own = len(jobs)
    jobs += [("procedural", seed * 1_000_003 + n) for n in range(samples.procedural)]
    jobs += [("ct", seed * 1_000_003 + 700_001 + n) for n in range(samples.ct)]
    parts = list(run_jobs(_CuratedJob(task, patch, Path(folder), init.folder if init else None), jobs))
    counts = [len(images) for images, _ in parts]
    held_out = [job[0].fold == data.fold if n < own else job[1] % 16 == 0 for n, job in enumerate(jobs)]
    arrays = {
        "images": np.concatenate([images for images, _ in parts]),
        "labels": np.concatenate([labels for _, labels in parts]),
        "real": np.repeat([n < own for n in range(len(jobs))], counts),
        "validation": np.repeat(held_out, counts),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(path)


def labelled_hip(curated: CuratedHip, anatomy: np.ndarray | None = None) -> LabelledHip:
    """Return a case as the other samples are; ``anatomy`` are its labels for that task."""
    case, hip = curated.case, curated.hip
    offset = hip.volume.grid_ras() - np.array(case.centre_ras_mm)
    labels = np.zeros(curated.labels.shape, np.uint8) if anatomy is None else anatomy
    contrast = "ct" if case.modality == "CT" else case.sequence.lower()
    return LabelledHip(
        hip, case.modality, contrast, labels, case.radius_mm, case.centre_ras_mm, offset.astype(np.float32)
    )


def case_patches(
    curated: CuratedHip, task: str, patch: Patch, rng: np.random.Generator, network: Network | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a case into patches, see ``samples.patches``; readers draw heads at the marrow's edge already."""
    unknown = ~curated.known
    if task == "necrosis":
        labels = np.where(unknown, IGNORE, curated.necrosis).astype(np.uint8)
        return patches(labelled_hip(curated), labels, task, patch, rng, edge_mm=0.0)
    anatomy = anatomy_labels(curated, network)
    return patches(labelled_hip(curated, anatomy), anatomy, task, patch, rng, edge_mm=0.0)


def anatomy_labels(curated: CuratedHip, network: Network | None) -> np.ndarray:
    """Return the labels (AnatomyLabel, IGNORE) that the anatomy network learns from a case.

    The reader's head counts. Around it the reader has drawn nothing: there the labels are what the network that the
    training begins with takes for most probable, the head left out. Without a network nothing is known there.
    """
    around = np.full(curated.labels.shape, IGNORE, np.uint8)
    if network is not None:
        own = network.bundle.input
        centre, size, pixel_mm = curated.case.centre_ras_mm, own["size_px"][0], own["pixel_mm"]
        hip = curated.hip.like(normalise(curated.hip.volume.array, curated.case.modality))
        logits = network.engine(network_slices(hip, centre, size, pixel_mm, own["neighbour_mm"]))
        logits = logits - logits.max(axis=1, keepdims=True)
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        at_voxels = from_network(probability, hip, centre, pixel_mm)
        seen = at_voxels.sum(axis=0) > 0.5
        at_voxels[AnatomyLabel.HEAD] = -1
        around = np.where(seen, at_voxels.argmax(axis=0), IGNORE).astype(np.uint8)
    around[curated.head] = AnatomyLabel.HEAD
    around[~curated.known] = IGNORE
    return around


@cache
def open_network(folder: Path) -> Network:
    """Open the network of a bundle on one thread, once in each process: the processes share the cores."""
    bundle = load_bundle(folder)
    return Network(bundle, open_engine(bundle, "cpu", 1))


@dataclass(frozen=True)
class _CuratedJob:
    task: str
    patch: Patch
    folder: Path
    init: Path | None

    def __call__(self, job: tuple) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(job[0], TrainingCase):
            return Job(self.task, self.patch)(job)
        network = open_network(self.init) if self.task == "anatomy" and self.init is not None else None
        rng = np.random.default_rng([job[1], 2])
        return case_patches(read_hip(self.folder, job[0]), self.task, self.patch, rng, network)


def fine_tuned(metadata: dict[str, Any], card: dict[str, Any], config: Config) -> None:
    """Write into a bundle's metadata and card what a fine-tuned network has learned from, and give it its version.

    Args:
        metadata: of the card data, changed in place.
        card: of the same card data, changed in place.
        config: of the run; nothing is done where it tells of no data set.
    """
    if config.data is None:
        return
    data, init = config.data, config.init
    learned = f"{data.cases} reviewed hips of {len(data.patients)} patients ({data.name}, {data.content})"
    own = metadata["onfh_assist"]
    if "CT" in data.modalities and "CT" not in own["modalities"]:
        own["modalities"] = [*own["modalities"], "CT"]  # so necrosis is sought there (`imaging.segment.segment_hip`)
    own["learned_from"] = {
        "data_set": data.name,
        "content": data.content,
        "patients": sorted({*data.patients, *(init.patients if init else ())}),
    }
    if init is None:
        own["trained_on"] = f"{learned}; procedural hips."
        card["data"] = [*card["data"], f"Trained on {learned}."]
        return
    major, minor, _ = init.version.split(".")
    metadata["version"] = version = f"{major}.{int(minor) + 1}.0"
    before = f"{init.name} {init.version} ({init.sha256[:8]})"
    metadata["changelog"] = metadata["changelog"] | {version: f"Fine-tuned from {before} on {learned}."}
    own["trained_on"] = f"{init.trained_on} Fine-tuned on {learned}."
    card["data"] = [*card["data"], f"Fine-tuned from {before} on {learned}."]
