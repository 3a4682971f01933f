"""Calibrating a necrosis network: hips with a known ratio, painted or reviewed, and what is written into its bundle.

``training.calibrate`` tells what is calibrated with what.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.necrosis import COVERAGE, outlines
from ONFHAssistLib.curation.reports.training_case import TrainingCase
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.models.bundle import Bundle, load_bundle
from ONFHAssistLib.models.places import BUNDLES_VARIABLE, in_place
from training.learning.curated import open_network, read_hip
from training.learning.samples import MARROW_EDGE_MM, inside_bone_mm, real_hip, run_jobs
from training.measuring.interval import LOGITS, Case, Fit, calibrate, fit, held_out
from training.measuring.runs import open_models
from training.measuring.truth import study_of
from training.measuring.unseen import segment, truth, unseen
from training.phantoms.lesions import paint
from training.phantoms.recast import recast_study
from training.real.data import VALIDATION_CASES, require_data_folder

RATIOS = (0.03, 0.5)
"""True ratios of the painted lesions; they spread evenly over the logarithm."""
SEQUENCES = {"T1": "T1", "T2": "T1 recast to T2", "STIR": "T1 recast to fat suppression"}
"""Of the painted lesions, and what their images are."""
SEED = 31
FEWEST_HIPS = 9
"""Of a group of a data set: with fewer, ceil((n + 1) * COVERAGE) of n hips are more than there are."""
UNKNOWN = {"", "unknown"}
"""What is no sequence: images of any kind go by these."""


def ratios(masks: HipMasks) -> tuple[np.ndarray, np.ndarray]:
    """Return the ratio of what is certainly and of what is possibly necrotic for each of LOGITS."""
    head = masks.head.array.sum()
    found = []
    for logit in LOGITS:
        bounds = outlines(replace(masks, calibration=Calibration(float(expit(logit)), float(expit(-logit)), ())))
        assert bounds is not None  # the masks are a network's, with a calibration
        found.append([mask.sum() / head for mask in bounds])
    certain, possible = np.array(found).T
    return certain, possible


def run_case(job: tuple[str, Side, int, str]) -> Case | None:
    """Paint lesion number n (none for 0) into a head and grade the hip on a sequence; None where it is not graded."""
    case, side, number, sequence = job
    study = study_of(case)
    sample = real_hip(case, side)
    # The head as the networks learn it and as a reader outlines it: from the marrow's edge.
    head = (sample.anatomy == AnatomyLabel.HEAD) & (inside_bone_mm(sample) >= MARROW_EDGE_MM)
    image, true_ratio = study.volume.array.astype(np.float32), 0.0
    if number:
        rng = np.random.default_rng([SEED, int(case), SIDES.index(side), number])
        ratio = float(np.exp(rng.uniform(*np.log(RATIOS))))
        step = sample.points_mm[1, 0, 0] - sample.points_mm[0, 0, 0]
        hip = sample.hip.volume.array.astype(np.float32)
        lesion = paint(hip, sample.points_mm, head, sample.radius_mm, sample.contrast, step, rng, ratio)
        sample.hip.view(image)[...] = lesion.image
        true_ratio = float(lesion.necrosis.sum() / head.sum())
    painted = Study(study.volume.like(image), study.source)
    if sequence != "T1":
        marrow = float(np.median(sample.hip.volume.array[head]))
        rng = np.random.default_rng([SEED, int(case), SIDES.index(side), number, len(sequence)])
        painted = recast_study(painted, marrow, sequence.lower(), rng)
    try:
        result = analyse(painted, AnalysisOptions(sides=(side,)), models=open_models())
    except InputError:  # no head is found
        return None
    graded = result.hips[0].status == "graded"
    return Case(f"{case}, {sequence}", true_ratio, *ratios(result.masks[0]), case) if graded else None


@dataclass(frozen=True)
class ReviewedJob:
    """Grades a case of a data set in a worker process; None where no head is found."""

    data: Path
    anatomy: Path
    necrosis: Path

    def __call__(self, case: TrainingCase) -> Case | None:
        """Return the hip."""
        hip = read_hip(self.data, case)
        masks, ratio = segment(hip, open_network(self.anatomy), open_network(self.necrosis)), truth(hip)[0]
        return Case(_group(case.sequence, ratio > 0), ratio, *ratios(masks)) if masks else None


@dataclass(frozen=True)
class Outcome:
    """What a calibration has found.

    Attributes:
        found: the two probabilities.
        sequences: that they are for.
        measured_on: with what, for the report.
        summary: what it comes to on its own hips, for the terminal.
        notes: what else is to be told of it, a sentence each.
    """

    found: Fit
    sequences: tuple[str, ...]
    measured_on: str
    summary: dict[str, Any]
    notes: tuple[str, ...] = ()


def with_painted_lesions(count: int, bundles: Path | None, sequences: Sequence[str] = ("T1",)) -> Outcome:
    """Calibrate with ``count`` lesions painted into each head of VALIDATION_CASES, and the heads as they are.

    Args:
        count: lesions a head and sequence.
        bundles: folder of bundles that go before those in use.
        sequences: of SEQUENCES; on others there is no interval.

    Raises:
        InputError: the real data is not there, or see `fit`.
    """
    require_data_folder()
    if bundles is not None:
        os.environ[BUNDLES_VARIABLE] = str(bundles.resolve())  # the processes inherit it
    heads = [(case, side) for case in VALIDATION_CASES for side in SIDES]
    jobs = [(*head, number, sequence) for sequence in sequences for head in heads for number in range(count + 1)]
    cases = [case for case in run_jobs(run_case, jobs) if case is not None]
    found, level = calibrate(cases)
    lesions = sum(case.truth > 0 for case in cases)
    measured_on = (
        f"{lesions} lesions of {100 * RATIOS[0]:.0f} to {100 * RATIOS[1]:.0f} % painted into {len(heads)} heads of "
        f"{len(VALIDATION_CASES)} patients without visible osteonecrosis, on coronal "
        + ", ".join(SEQUENCES[sequence] for sequence in sequences)
    )
    others = {patient: round(share, 4) for patient, share in held_out(cases, level).items()}
    more = {"fitted_to": level, "held_if_calibrated_on_the_others": others}
    return Outcome(found, tuple(sequences), measured_on, summary(cases, found) | more)


def with_reviewed_cases(data: Path, anatomy: Bundle, necrosis: Bundle) -> Outcome:
    """Calibrate a necrosis network with the cases of a data set, or of an export of one, that it has not learned from.

    Raises:
        InputError: the folder is neither, is damaged or holds no case that the network has not seen, no sequence has
            FEWEST_HIPS with necrosis, or see `fit`.
    """
    name, cases, _ = unseen(data, necrosis)
    whole = [case for case in cases if not case.partly_reviewed]
    graded = list(zip(whole, run_jobs(ReviewedJob(data, anatomy.folder, necrosis.folder), whole), strict=True))
    hips = [(case, hip) for case, hip in graded if hip is not None]
    counts = Counter(hip.group for _, hip in hips)
    known = {case.sequence for case, _ in hips} - UNKNOWN
    sequences = tuple(sorted(one for one in known if counts[_group(one, True)] >= FEWEST_HIPS))
    used = [(case, hip) for case, hip in hips if case.sequence in sequences and counts[hip.group] >= FEWEST_HIPS]
    groups = {group: counts[group] for group in sorted({hip.group for _, hip in used})}
    left_out = {
        "with slices that nobody has reviewed": len(cases) - len(whole),
        "without a head that the networks find": len(whole) - len(hips),
    } | {group: n for group, n in sorted(counts.items()) if group not in groups}
    few = ", ".join(f"{n} {what}" for what, n in left_out.items() if n)
    if not sequences:
        raise InputError(
            f"{name} has too few hips that the network has not learned from to calibrate it ({few}); it takes "
            f"{FEWEST_HIPS} with necrosis of one known sequence: approve more, or give a data set of other patients."
        )
    patients = len({case.patient for case, _ in used})
    found = fit([hip for _, hip in used], even=True)
    of = f"reviewed hips of {patients} patients of {name}: " + ", ".join(f"{n} {group}" for group, n in groups.items())
    notes = [f"Left out: {few}."] if few else []
    if lost := {*necrosis.input.get("calibration", {}).get("sequences", [])} - {*sequences}:
        notes.append(f"The former calibration is replaced; on {', '.join(sorted(lost))} there is no interval any more.")
    notes.append(
        f"Calibrated with the hips of {patients} patients. Those of one are alike: with few patients the interval may "
        "be too narrow."
    )
    more = {"hips": groups, "patients": patients}
    return Outcome(found, sequences, of, summary([hip for _, hip in used], found) | more, tuple(notes))


def _group(sequence: str, necrosis: bool) -> str:
    return f"{'with' if necrosis else 'without'} necrosis on {sequence or 'unknown'}"


def head_mm(anatomy: Bundle) -> float:
    """Return how far the head's whole outline may be off: half of a pixel that the anatomy network sees.

    The hips above can't tell it. Their truth is drawn by the convention that the network has learned, so there its
    outline is off by 0.2 mm at most without a lesion. Another reader's convention differs by more: from the marrow's
    edge to the middle of the dark line around it are 0.5 mm, too (``samples.MARROW_EDGE_MM``).
    """
    return anatomy.input["pixel_mm"] / 2


def write(bundle: Bundle, outcome: Outcome, outline_mm: float) -> None:
    """Put the calibration into the bundle's ``metadata.json``, in one step; ``outline_mm`` is that of the head."""
    metadata = json.loads(json.dumps(bundle.metadata))
    metadata["onfh_assist"]["calibration"] = {
        "certain": outcome.found.certain,
        "possible": outcome.found.possible,
        "head_mm": outline_mm,
        "coverage": COVERAGE,
        "sequences": list(outcome.sequences),
        "measured_on": outcome.measured_on,
    }
    path = bundle.folder / "configs" / "metadata.json"
    replace_file(path, (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode())


def summary(cases: Sequence[Case], found: Fit) -> dict[str, Any]:
    """What the calibration comes to on its own cases."""
    normal = [case for case in cases if case.truth == 0]
    return {
        "certain": found.certain,
        "possible": found.possible,
        "hips_with_lesion": len(cases) - len(normal),
        "held": {group: round(share, 4) for group, share in found.held.items()},
        "mean_width_points": round(100 * found.width, 2),
        "normal_heads_whose_interval_starts_at_0": f"{sum(map(found.holds, normal))} of {len(normal)}",
    }


def find_bundles(folder: Path | None) -> tuple[Bundle, Bundle]:
    """Return the anatomy and the necrosis bundle of a folder, the anatomy in use where it has none; None: those in use.

    Raises:
        InputError: the folder has no necrosis bundle, or one is not whole.
    """
    if folder is None:
        return load_bundle("anatomy"), load_bundle("necrosis")
    anatomy, necrosis = (in_place(folder / name) for name in ("anatomy", "necrosis"))
    if not necrosis.is_dir():
        raise InputError(f"There is no necrosis bundle in {folder}; make one there with training.make_bundle.")
    return load_bundle(anatomy if anatomy.is_dir() else "anatomy"), load_bundle(necrosis)
