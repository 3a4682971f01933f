"""Calibrate the interval of the necrosis ratio: ``python -m training.calibrate [--bundles FOLDER]``.

Lesions are painted into the heads of the training patients that no network learned from (``data.VALIDATION_CASES``),
and each head is graded once without one. All go the whole way through the software. Sought are two probabilities: the
ratio of what is more probable than the one and that of what is more probable than the other shall hold the true ratio
between them in 90 % of the hips of a patient (``core/necrosis.py``), also of one who was not calibrated on: that is
tried on each patient with the others. What is not known of the head's own outline comes on top: half a pixel of the
anatomy network. They are written into ``metadata.json`` of the necrosis bundle; weights and checksums stay. A bundle
that is trained anew has none until it is calibrated.
"""

import argparse
import json
import math
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from ONFHAssistLib.analysis import AnalysisOptions, Models, analyse, open_models
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.core.hip import SIDES, Calibration, HipMasks, Side
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.necrosis import COVERAGE, outlines
from ONFHAssistLib.imaging.read import Study, read_study
from ONFHAssistLib.models.bundle import Bundle, load_bundle
from ONFHAssistLib.models.places import BUNDLES_VARIABLE
from training.data import VALIDATION_CASES, require_data_folder
from training.lesions import paint
from training.samples import MARROW_EDGE_MM, inside_bone_mm, real_hip, run_jobs

RATIOS = (0.03, 0.5)
"""True ratios of the painted lesions; they spread evenly over the logarithm."""
LOGITS = np.linspace(0, 12, 41)
"""How far from even odds the two probabilities are sought."""
SEQUENCES = ("T1",)
SEED = 31


@dataclass(frozen=True)
class Case:
    """One hip that was graded: its true ratio, and its ratio at each of LOGITS on either side.

    Attributes:
        patient: whose hip.
        truth: fraction of the head.
        certain: shape (len(LOGITS),), ratio of what is more probable than ``expit(LOGITS)``.
        possible: the same for ``expit(-LOGITS)``.
    """

    patient: str
    truth: float
    certain: np.ndarray
    possible: np.ndarray


@dataclass(frozen=True)
class Fit:
    """The probabilities sought, and what they come to on the cases that they were sought with.

    Attributes:
        inner, outer: which of LOGITS.
        held: part of each patient's hips whose true ratio is held.
        width: mean width of the interval, as a fraction of the head.
    """

    inner: int
    outer: int
    held: dict[str, float]
    width: float

    @property
    def certain(self) -> float:
        """The higher probability, see `Calibration`."""
        return float(expit(LOGITS[self.inner]))

    @property
    def possible(self) -> float:
        """The lower one."""
        return float(expit(-LOGITS[self.outer]))

    def holds(self, case: Case) -> bool:
        """Whether a hip's interval holds its true ratio."""
        return bool(case.certain[self.inner] <= case.truth <= case.possible[self.outer])


def fit(cases: list[Case], coverage: float = COVERAGE) -> Fit:
    """Find the two probabilities with the narrowest intervals on average that hold enough true ratios.

    Enough is ``ceil((n + 1) * coverage)`` of the n hips of each patient: one more than that part, because the hips of
    tomorrow are not among them (split conformal prediction, Lei et al., J Am Stat Assoc 2018;113:1094), and of each
    patient, because the hips of one are alike.

    Raises:
        InputError: no case, or even the widest outlines hold too few.
    """
    if not cases:
        raise InputError("No hip was graded, so there is nothing to calibrate with.")
    truth = np.array([case.truth for case in cases])
    patients = np.array([case.patient for case in cases])
    above = np.stack([case.certain for case in cases]) <= truth[:, None]  # (hip, logit)
    below = np.stack([case.possible for case in cases]) >= truth[:, None]
    held = {
        str(patient): (above[own].T.astype(int) @ below[own].astype(int), int(own.sum()))
        for patient in np.unique(patients)
        for own in [patients == patient]
    }
    enough = np.all([count >= math.ceil((n + 1) * coverage) for count, n in held.values()], axis=0)
    if not enough.any():
        worst = min(count.max() / n for count, n in held.values())
        raise InputError(
            f"Even the widest outlines hold the true ratio of {100 * worst:.0f} % of a patient's hips only: "
            "the networks miss too many lesions to be calibrated, or there are too few."
        )
    certain, possible = (np.mean([getattr(case, name) for case in cases], axis=0) for name in ("certain", "possible"))
    width = np.where(enough, possible[None, :] - certain[:, None], np.inf)
    inner, outer = (int(n) for n in np.unravel_index(int(width.argmin()), width.shape))
    shares = {patient: float(count[inner, outer] / n) for patient, (count, n) in held.items()}
    return Fit(inner, outer, shares, float(width[inner, outer]))


def calibrate(cases: list[Case]) -> tuple[Fit, float]:
    """Fit to as much more than COVERAGE as it takes to hold COVERAGE of the hips of a patient who is left out.

    Patients differ more than the hips of one: probabilities that hold nine of ten hips of those seen hold fewer of the
    next patient's. So the part of the hips to be held is raised from COVERAGE in steps of 1 % until the calibration on
    the other patients holds COVERAGE of each patient's hips, or until no outlines hold more. With one patient it stays.

    Returns:
        the fit to all cases, and the part that it was fitted to.

    Raises:
        InputError: see `fit`.
    """
    found, level = fit(cases), COVERAGE
    while len({case.patient for case in cases}) > 1 and min(held_out(cases, level).values()) < COVERAGE:
        higher = round(level + 0.01, 2)
        try:
            held_out(cases, higher)
            found, level = fit(cases, higher), higher
        except InputError:
            break
    return found, level


def held_out(cases: list[Case], coverage: float = COVERAGE) -> dict[str, float]:
    """Return the part of each patient's hips that a calibration on the other patients holds."""
    shares = {}
    for patient in sorted({case.patient for case in cases}):
        found = fit([case for case in cases if case.patient != patient], coverage)
        shares[patient] = float(np.mean([found.holds(case) for case in cases if case.patient == patient]))
    return shares


def ratios(masks: HipMasks) -> tuple[np.ndarray, np.ndarray]:
    """Return the ratio of what is certainly and of what is possibly necrotic for each of LOGITS."""
    head = masks.head.array.sum()
    found = []
    for logit in LOGITS:
        bounds = outlines(replace(masks, calibration=Calibration(float(expit(logit)), float(expit(-logit)), SEQUENCES)))
        found.append([mask.sum() / head for mask in bounds])
    certain, possible = np.array(found).T
    return certain, possible


def run_case(job: tuple[str, Side, int]) -> Case | None:
    """Paint lesion number n (none for 0) into a head and grade the hip; None where it is not graded."""
    case, side, number = job
    study = _study(case)
    sample = real_hip(case, side)
    # The head as the networks learn it and as a reader outlines it: from the marrow's edge.
    head = (sample.anatomy == AnatomyLabel.HEAD) & (inside_bone_mm(sample) >= MARROW_EDGE_MM)
    image, truth = study.volume.array.astype(np.float32), 0.0
    if number:
        rng = np.random.default_rng([SEED, int(case), SIDES.index(side), number])
        ratio = float(np.exp(rng.uniform(*np.log(RATIOS))))
        step = sample.points_mm[1, 0, 0] - sample.points_mm[0, 0, 0]
        hip = sample.hip.volume.array.astype(np.float32)
        lesion = paint(hip, sample.points_mm, head, sample.radius_mm, sample.contrast, step, rng, ratio)
        sample.hip.view(image)[...] = lesion.image
        truth = float(lesion.necrosis.sum() / head.sum())
    painted = Study(study.volume.like(image), study.source)
    result = analyse(painted, AnalysisOptions(sides=(side,)), models=_models())
    return Case(case, truth, *ratios(result.masks[0])) if result.masks else None


def head_mm(anatomy: Bundle) -> float:
    """Return how far the head's whole outline may be off: half of a pixel that the anatomy network sees.

    The hips above can't tell it. Their truth is drawn by the convention that the network has learned, so there its
    outline is off by 0.2 mm at most without a lesion. Another reader's convention differs by more: from the marrow's
    edge to the middle of the dark line around it are 0.5 mm, too (``samples.MARROW_EDGE_MM``).
    """
    return anatomy.input["pixel_mm"] / 2


def write(bundle: Bundle, found: Fit, outline_mm: float, measured_on: str) -> None:
    """Put the calibration into the bundle's ``metadata.json``, in one step; ``outline_mm`` is that of the head."""
    metadata = json.loads(json.dumps(bundle.metadata))
    metadata["onfh_assist"]["calibration"] = {
        "certain": found.certain,
        "possible": found.possible,
        "head_mm": outline_mm,
        "coverage": COVERAGE,
        "sequences": list(SEQUENCES),
        "measured_on": measured_on,
    }
    path = bundle.folder / "configs" / "metadata.json"
    replace_file(path, (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode())


@cache
def _study(case: str) -> Study:
    return read_study(require_data_folder() / "t1_coronal" / f"case_{case}_t1.nii.gz")


@cache
def _models() -> Models:
    """Open the networks on one thread, once in each process: the processes share the cores."""
    return open_models("cpu", threads=1)


def summary(cases: list[Case], found: Fit, level: float) -> dict[str, Any]:
    """What the calibration comes to on its own cases."""
    normal = [case for case in cases if case.truth == 0]
    return {
        "certain": found.certain,
        "possible": found.possible,
        "hips_with_lesion": len(cases) - len(normal),
        "held": {patient: round(share, 4) for patient, share in found.held.items()},
        "fitted_to": level,
        "held_if_calibrated_on_the_others": {p: round(share, 4) for p, share in held_out(cases, level).items()},
        "mean_width_points": round(100 * found.width, 2),
        "normal_heads_whose_interval_starts_at_0": f"{sum(map(found.holds, normal))} of {len(normal)}",
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50, help="how many lesions to paint into each head")
    parser.add_argument("--bundles", type=Path, help="calibrate the necrosis bundle in this folder")
    options = parser.parse_args()
    if options.bundles:
        os.environ[BUNDLES_VARIABLE] = str(options.bundles.resolve())
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what the processes inherit
    try:
        require_data_folder()
        bundle = load_bundle("necrosis")
        heads = [(case, side) for case in VALIDATION_CASES for side in SIDES]
        jobs = [(*head, number) for head in heads for number in range(options.count + 1)]
        cases = [case for case in run_jobs(run_case, jobs) if case is not None]
        found, level = calibrate(cases)
        lesions = sum(case.truth > 0 for case in cases)
        write(
            bundle,
            found,
            head_mm(load_bundle("anatomy")),
            f"{lesions} lesions of {100 * RATIOS[0]:.0f} to {100 * RATIOS[1]:.0f} % painted into {len(heads)} heads of "
            f"{len(VALIDATION_CASES)} patients without visible osteonecrosis, on coronal T1",
        )
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps(summary(cases, found, level), indent=1))


if __name__ == "__main__":
    main()
