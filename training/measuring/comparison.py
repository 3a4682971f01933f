"""Two networks of one task on the cases of a data set that neither has seen: figures, differences, a verdict.

For each figure the difference of the two is taken case by case, and its 95 % interval by drawing patients with
replacement. A figure is better where the interval leaves out 0. A network is better if some figure is, and none is
worse; else, and with fewer than five patients, it is inconclusive.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.metrics import segmentation_metrics, weighted_kappa
from ONFHAssistLib.core.plain import finite
from ONFHAssistLib.core.statistics import Estimate, bland_altman, bootstrap
from ONFHAssistLib.imaging.segment import Network
from ONFHAssistLib.models.bundle import Bundle, load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.models.installed import id_of, require_fit
from training.learning.curated import CLASSES, TASKS, CuratedHip, read_hip
from training.measuring.unseen import segment, truth, unseen

FEWEST_PATIENTS = 5
"""With fewer, drawing patients with replacement says too little."""
SHOWN = 10
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Measured:
    """What one network makes of one case, compared with the reader's masks on the slices that were reviewed.

    Attributes:
        dice: of what the network segments; 0 where no head was found; None where neither reader nor network has any.
        ratio: necrosis / head; None where no head was found.
        ratio_error: its distance from the reader's, percentage points; that of the reader's ratio itself if no head
            was found.
        grade: Steinberg's extent.
        right: whether that is the reader's.
    """

    dice: float | None
    ratio: float | None
    ratio_error: float
    grade: str | None
    right: bool


@dataclass(frozen=True)
class Row:
    """One case: what the reader's masks say, what both networks make of it, and by how much they differ."""

    case: str
    patient: str
    ratio: float
    grade: str
    old: Measured
    new: Measured
    changed_mm3: float


@dataclass(frozen=True)
class Figure:
    """One figure of both networks.

    Attributes:
        what: in words, with its unit.
        old, new: means over the cases.
        difference: new less old, with its 95 % interval.
        better: "old", "new", or INCONCLUSIVE.
    """

    what: str
    old: float
    new: float
    difference: Estimate
    better: str


@dataclass(frozen=True)
class Comparison:
    """The outcome.

    Attributes:
        old, new: ids of the bundles.
        data_set: name.
        rows: by case.
        left_out: cases that one of them has seen.
        figures: Dice, error of the ratio, grade.
        verdict: "old", "new", or INCONCLUSIVE; ``sentence`` says it plainly, with the reason.
        agreement: Bland-Altman of the ratio, network less reader, percentage points, of old and new.
        kappa: quadratic-weighted, of the Steinberg grade with the reader's, of old and new.
    """

    old: str
    new: str
    data_set: str
    rows: tuple[Row, ...]
    left_out: int
    figures: tuple[Figure, ...]
    verdict: str
    sentence: str
    agreement: dict[str, Any]
    kappa: dict[str, float]


def measure(hip: CuratedHip, masks: HipMasks | None, task: str) -> Measured:
    """Compare the masks of a network (None: no head found) with the reader's."""
    true_ratio, true_grade = truth(hip)
    if masks is None:
        return Measured(0.0, None, 100 * true_ratio, None, False)
    head, necrosis = (mask.array & hip.known for mask in (masks.head, masks.necrosis))
    own, wanted = (necrosis, hip.necrosis) if task == "necrosis" else (head, hip.head)
    grid = hip.hip.volume
    dice = segmentation_metrics(grid.like(own), grid.like(wanted)).dice
    ratio = float(necrosis.sum() / head.sum()) if head.any() else 0.0
    grade = steinberg_grade(ratio)
    return Measured(
        None if math.isnan(dice) else dice, ratio, 100 * abs(ratio - true_ratio), grade, grade == true_grade
    )


def compare_rows(rows: Sequence[Row]) -> tuple[tuple[Figure, ...], str, str]:
    """Return the figures of the two networks, which one is better, and the sentence that says so."""
    patients = [row.patient for row in rows]
    count = len(set(patients))
    enough = count >= FEWEST_PATIENTS
    dice = np.array([[np.nan if d is None else d for d in (row.old.dice, row.new.dice)] for row in rows], float)
    error = np.array([(row.old.ratio_error, row.new.ratio_error) for row in rows], float)
    right = np.array([(row.old.right, row.new.right) for row in rows], float)
    figures = tuple(
        _figure(what, values, sign, patients, enough)
        for what, values, sign in (
            ("Dice", dice, 1),
            ("error of the ratio, percentage points", error, -1),
            ("Steinberg grade right, part of the hips", right, 1),
        )
    )
    better = {which: [figure.what for figure in figures if figure.better == which] for which in ("old", "new")}
    of = f"{len(rows)} hips of {count} patients"
    if not enough:
        return figures, INCONCLUSIVE, f"The comparison is inconclusive: {of} are too few to say."
    if better["old"] and better["new"]:
        parts = f"the new one is better in {', '.join(better['new'])}, the old one in {', '.join(better['old'])}"
        return figures, INCONCLUSIVE, f"The comparison is inconclusive: {parts} ({of})."
    for which, what in better.items():
        if what:
            return figures, which, f"The {which} network is better: in {', '.join(what)}; in nothing worse ({of})."
    return figures, INCONCLUSIVE, f"The comparison is inconclusive: no figure differs beyond chance ({of})."


def _figure(what: str, values: np.ndarray, sign: int, patients: Sequence[str], enough: bool) -> Figure:
    """``values``: shape (cases, 2), old and new; NaN where there is none. ``sign``: 1 where more is better."""

    def difference(pairs: np.ndarray) -> float:
        apart = pairs[:, 1] - pairs[:, 0]
        return float(apart[~np.isnan(apart)].mean()) if not np.isnan(apart).all() else math.nan

    paired = ~np.isnan(values).any(axis=1)
    if not paired.any():
        nothing = Estimate(math.nan, math.nan, math.nan)
        return Figure(what, math.nan, math.nan, nothing, INCONCLUSIVE)
    found = bootstrap(difference, patients, values)
    better = INCONCLUSIVE
    if enough and (found.low > 0 or found.high < 0):
        better = "new" if sign * found.value > 0 else "old"
    old, new = values[paired].mean(axis=0)
    return Figure(what, float(old), float(new), found, better)


def compare(
    old: Bundle, new: Bundle, folder: Path, device: str = "auto", say: Any = lambda done, of: None
) -> tuple[Comparison, dict[str, tuple[CuratedHip, HipMasks | None, HipMasks | None]]]:
    """Compare two bundles.

    Args:
        old, new: two networks of one task.
        folder: a data set, or an export of one.
        device: where they run.
        say: called with the number of cases that are done, and of all.

    Returns:
        the outcome, and for the cases that changed most the reader's and both networks' masks, by their names.

    Raises:
        InputError: the bundles can't be compared, or no case is left that both have not seen.
    """
    task = old.name
    for bundle in (old, new):
        require_fit(bundle, task)
    if task not in TASKS:
        raise InputError(f"Networks of the kind {task} can't be compared on heads; only {' and '.join(TASKS)} can.")
    if old.metadata["onfh_assist"]["sha256"] == new.metadata["onfh_assist"]["sha256"]:
        raise InputError("Both are the same network; give two.")
    name, cases, left_out = unseen(folder, old, new)
    networks = {bundle.name: _open(bundle, device) for bundle in map(load_bundle, TASKS)}
    pair = [networks | {task: _open(bundle, device)} for bundle in (old, new)]
    rows = []
    shown: dict[str, tuple[CuratedHip, HipMasks | None, HipMasks | None]] = {}
    for done, case in enumerate(cases, 1):
        hip = read_hip(folder, case)
        before, after = (segment(hip, one["anatomy"], one["necrosis"]) for one in pair)
        rows.append(_row(hip, (before, after), task))
        shown[case.case] = hip, before, after
        # Of many cases only those are kept that will be shown.
        for row in sorted(rows, key=lambda row: -row.changed_mm3)[SHOWN:]:
            shown.pop(row.case, None)
        say(done, len(cases))
    figures, verdict, sentence = compare_rows(rows)
    agreement, kappa = {}, {}
    for which in ("old", "new"):
        found = [(100 * m.ratio, 100 * row.ratio) for row in rows if (m := getattr(row, which)).ratio is not None]
        agreement[which] = asdict(bland_altman(*zip(*found, strict=True))) if found else None
        graded = [(row.grade, m.grade) for row in rows if (m := getattr(row, which)).grade is not None]
        truths, grades = zip(*graded, strict=True) if graded else ((), ())
        kappa[which] = weighted_kappa(truths, grades, CLASSES) if graded else math.nan
    outcome = Comparison(
        id_of(old), id_of(new), name, tuple(rows), left_out, figures, verdict, sentence, agreement, kappa
    )
    return outcome, shown


def _row(hip: CuratedHip, masks: Sequence[HipMasks | None], task: str) -> Row:
    def of(one: HipMasks | None) -> np.ndarray:
        if one is None:
            return np.zeros(hip.labels.shape, bool)
        return (one.necrosis if task == "necrosis" else one.head).array & hip.known

    ratio, grade = truth(hip)
    changed = float((of(masks[0]) ^ of(masks[1])).sum() * hip.hip.volume.voxel_ml * 1000)
    old, new = (measure(hip, one, task) for one in masks)
    return Row(hip.case.case, hip.case.patient, ratio, grade, old, new, changed)


def _open(bundle: Bundle, device: str) -> Network:
    return Network(bundle, open_engine(bundle, device))


def as_json(outcome: Comparison) -> str:
    """Return the outcome as JSON; numbers that JSON does not know are null."""
    return json.dumps(finite(asdict(outcome)), indent=1, ensure_ascii=False) + "\n"


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files into a folder, each in one step."""
    for name, content in files.items():
        replace_file(folder / name, content.encode())
