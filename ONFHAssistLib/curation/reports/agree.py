"""How well readers agree with each other, and with themselves.

A reading is the last approved version of a reader that was made without seeing what anybody had drawn before: from the
image, or read anew in the reviewer. Who corrects or settles a case has seen that, and is left out. A reader is compared
with themselves where they have so approved a hip more than once: the first time and the last. Whether they remembered
the first one nobody knows.
"""

import html
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.metrics import segmentation_metrics, weighted_kappa
from ONFHAssistLib.core.plain import finite
from ONFHAssistLib.core.statistics import Agreement, Estimate, bland_altman, bootstrap, icc_2_1
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.labels import CaseLabel, is_head
from ONFHAssistLib.curation.case.record import CaseRecord, Version
from ONFHAssistLib.curation.reports.bland_altman import bland_altman_svg
from ONFHAssistLib.curation.store.content import mask_of_case
from ONFHAssistLib.curation.store.records import readable_records
from ONFHAssistLib.curation.store.store import Store

CLASSES = {name: tuple(map(str, GRADINGS[name].classes)) for name in ("steinberg", "jic")}
_NAMES = {"steinberg": "Steinberg", "jic": "JIC"}
_MASKS = ("head", "necrosis")
T = TypeVar("T")


@dataclass(frozen=True)
class Pair:
    """Two readings of one hip.

    Attributes:
        case, patient: names.
        dice, hd95_mm: of "head" and "necrosis", on the slices that both have reviewed; None where both are empty, a
            distance also where one is.
        ratios: of both, percentage points; None where one was not measured. Where somebody has reviewed some slices
            only, of the slices that both have reviewed.
        grades: "steinberg" (by these ratios) and "jic": the classes of both; None where one has no class.
    """

    case: str
    patient: str
    dice: dict[str, float | None]
    hd95_mm: dict[str, float | None]
    ratios: tuple[float, float] | None
    grades: dict[str, tuple[str, str] | None]


@dataclass(frozen=True)
class ReaderAgreement:
    """How two readers, or one with themselves, agree; what is inconclusive is NaN or None.

    Attributes:
        first, second: codes; the same for one reader.
        pairs: of readings, by case.
        dice, hd95_mm: of "head" and "necrosis": mean, with its 95 % interval by drawing patients with replacement.
        ratio: Bland-Altman, first less second, percentage points; None without a pair.
        icc: ICC(2,1) of the ratio.
        kappa: quadratic-weighted, of "steinberg" and "jic", with its interval by drawing patients.
        left_out: names of the cases that both have read, and of which a mask can't be read.
    """

    first: str
    second: str
    pairs: tuple[Pair, ...]
    dice: dict[str, Estimate]
    hd95_mm: dict[str, Estimate]
    ratio: Agreement | None
    icc: Estimate
    kappa: dict[str, Estimate]
    left_out: tuple[str, ...] = ()


def agree(store: Store) -> tuple[ReaderAgreement, ...]:
    """Compare all readers that have read the same hips, then each reader with themselves.

    A hip whose mask is missing or damaged is left out of the comparisons that it belongs to, and named there.

    Raises:
        InputError: no hip was read twice.
    """
    pairs: dict[tuple[str, str], list[Pair]] = {}
    left_out: dict[tuple[str, str], list[str]] = {}
    for record in readable_records(store.folder):
        approved: dict[str, list[Version]] = {}
        for version in record.drawn:
            if version.status == "approved" and version.unseen:
                approved.setdefault(version.reviewer, []).append(version)
        masks: dict[int, Volume] = {}
        last = {reader: versions[-1] for reader, versions in sorted(approved.items())}
        readings = {names: (last[names[0]], last[names[1]]) for names in itertools.combinations(last, 2)}
        readings |= {(name, name): (own[0], own[-1]) for name, own in approved.items() if len(own) > 1}
        for names, both in readings.items():
            pairs.setdefault(names, [])
            try:
                pairs[names].append(_pair(store, record, *both, masks))
            except InputError:
                left_out.setdefault(names, []).append(record.case)
    if not pairs:
        raise InputError(
            f"No hip of {store.folder.name} was approved by two readers, or twice by one; let a second reader "
            "read some cases anew in the reviewer."
        )
    ordered = sorted(pairs, key=lambda names: (names[0] == names[1], names))
    return tuple(_agreement(*names, pairs[names], left_out.get(names, ())) for names in ordered)


def compare_masks(one: Volume, other: Volume, known: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Dice and HD95 (mm) of head and necrosis of two label volumes, where ``known`` is true."""
    dice, hd95 = {}, {}
    for name, marked in (("head", is_head), ("necrosis", lambda labels: labels == CaseLabel.NECROSIS)):
        found = segmentation_metrics(*(volume.like(marked(volume.array) & known) for volume in (one, other)))
        dice[name], hd95[name] = (None if math.isnan(x) else x for x in (found.dice, found.hd95_mm))
    return dice, hd95


def _pair(store: Store, record: CaseRecord, first: Version, second: Version, masks: dict[int, Volume]) -> Pair:
    pose = record.pose
    for version in (first, second):
        if version.number not in masks:
            masks[version.number] = pose.file_volume(mask_of_case(store.folder, pose, version.number))
    known = pose.of_slices(first.reviewed_slices) & pose.of_slices(second.reviewed_slices)
    dice, hd95 = compare_masks(masks[first.number], masks[second.number], known)
    ratios = _both(first.result.volume_ratio, second.result.volume_ratio)
    given = {name: (first.result.class_of(name), second.result.class_of(name)) for name in CLASSES}
    if not known.all() and ratios is not None:  # the whole heads are not what both stand for
        ratios = _both(*(_ratio(masks[version.number].array[known]) for version in (first, second)))
        given = {name: (None, None) for name in CLASSES}
        if ratios is not None:
            given["steinberg"] = steinberg_grade(ratios[0]), steinberg_grade(ratios[1])
    grades = {name: pair if set(pair) <= set(CLASSES[name]) else None for name, pair in given.items()}
    return Pair(
        record.case,
        record.patient,
        dice,
        hd95,
        None if ratios is None else (100 * ratios[0], 100 * ratios[1]),
        {name: None if pair is None else _both(*pair) for name, pair in grades.items()},
    )


def _both(one: T | None, other: T | None) -> tuple[T, T] | None:
    return None if one is None or other is None else (one, other)


def _ratio(labels: np.ndarray) -> float | None:
    """Return necrosis / head of label values; None without a head."""
    head = is_head(labels).sum()
    return float((labels == CaseLabel.NECROSIS).sum() / head) if head else None


def _agreement(first: str, second: str, pairs: Sequence[Pair], left_out: Sequence[str]) -> ReaderAgreement:
    ratios = [pair.ratios for pair in pairs if pair.ratios is not None]
    nothing = Estimate(math.nan, math.nan, math.nan)
    kappa = {}
    for name, classes in CLASSES.items():
        graded = [(pair, grades) for pair in pairs if (grades := pair.grades[name]) is not None]
        places = np.array([[classes.index(grade) for grade in grades] for _, grades in graded])
        kappa[name] = _estimate([pair for pair, _ in graded], places, partial(_kappa, classes=len(classes)))
    means = {
        what: {
            name: _estimate(
                [pair for pair in pairs if getattr(pair, what)[name] is not None],
                np.array([value for pair in pairs if (value := getattr(pair, what)[name]) is not None]),
                lambda x: float(x.mean()),
            )
            for name in _MASKS
        }
        for what in ("dice", "hd95_mm")
    }
    return ReaderAgreement(
        first,
        second,
        tuple(pairs),
        means["dice"],
        means["hd95_mm"],
        bland_altman(*zip(*ratios, strict=True)) if ratios else None,
        icc_2_1(np.array(ratios)) if len(ratios) > 1 else nothing,
        kappa,
        tuple(left_out),
    )


def _kappa(places: np.ndarray, classes: int) -> float:
    first, second = places.T.tolist()
    return weighted_kappa(first, second, range(classes))


def _estimate(pairs: Sequence[Pair], values: np.ndarray, statistic: Callable[[np.ndarray], float]) -> Estimate:
    if not len(values):
        return Estimate(math.nan, math.nan, math.nan)
    return bootstrap(statistic, [pair.patient for pair in pairs], values, repeats=1000)


def rows(found: ReaderAgreement) -> list[tuple[str, str]]:
    """Return what a table shows: each figure in words, and its value with its interval."""
    patients = len({pair.patient for pair in found.pairs})
    shown = [("Hips", f"{len(found.pairs)} of {patients} patients")]
    if found.left_out:
        shown.append(("Left out, as they can't be read", ", ".join(found.left_out)))
    for what, title in (("dice", "Dice"), ("hd95_mm", "HD95, mm")):
        shown += [(f"{title}, {name}", estimate_text(getattr(found, what)[name])) for name in _MASKS]
    if found.ratio is not None:
        told = not math.isnan(found.ratio.lower_limit)
        limits = (
            f"({found.ratio.lower_limit:+.2f} to {found.ratio.upper_limit:+.2f})" if told else "(limits inconclusive)"
        )
        shown.append(("Ratio, bias (limits of agreement), points", f"{found.ratio.bias:+.2f} {limits}"))
    shown.append(("Ratio, ICC(2,1)", estimate_text(found.icc)))
    shown += [(f"{_NAMES[name]}, weighted kappa", estimate_text(value)) for name, value in found.kappa.items()]
    return shown


def estimate_text(found: Estimate) -> str:
    """Return a figure with its 95 % interval in words."""
    if math.isnan(found.value):
        return "inconclusive"
    interval = "" if math.isnan(found.low) else f" ({found.low:.3f} to {found.high:.3f})"
    return f"{found.value:.3f}{interval}"


def title(found: ReaderAgreement) -> str:
    """Return who is compared."""
    if found.first == found.second:
        return f"{found.first}, first and last reading"
    return f"{found.first} and {found.second}"


def agreement_json(name: str, found: Sequence[ReaderAgreement]) -> bytes:
    """Return all numbers as JSON; those that have no meaning are null."""
    return layout.json_bytes({"data_set": name, "readers": finite([asdict(one) for one in found])})


def agreement_page(name: str, found: Sequence[ReaderAgreement]) -> str:
    """Return tables and Bland-Altman plots as one HTML page."""
    parts = []
    for one in found:
        table = "".join(f"<tr><th>{html.escape(what)}<td>{html.escape(value)}" for what, value in rows(one))
        ratios = [pair.ratios for pair in one.pairs if pair.ratios is not None]
        names = (one.first, one.second) if one.first != one.second else ("first", "last")
        plot = ""
        if ratios:
            first, second = zip(*ratios, strict=True)
            plot = bland_altman_svg(first, second, "Ratio of necrosis to head", "points", names)
        parts.append(f"<h2>{html.escape(title(one))}</h2><table>{table}</table>{plot}")
        for grading, classes in CLASSES.items():
            pairs = [grades for pair in one.pairs if (grades := pair.grades[grading]) is not None]
            if pairs:
                parts.append(_confusion(_NAMES[grading], classes, pairs, names))
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;border-bottom:1px solid #ccc}"
        "th{text-align:left;font-weight:500}"
    )
    heading = f"Agreement of readers: {html.escape(name)}"
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{heading}</title><style>{style}</style>'
        f"<h1>{heading}</h1><p>For research use. Means with their 95 % interval by drawing patients with replacement. "
        "Readings that adjudicate are left out.</p>" + "".join(parts) + "</html>\n"
    )


def _confusion(name: str, classes: Sequence[str], pairs: Sequence[tuple[str, str]], names: tuple[str, str]) -> str:
    head = "".join(f"<th>{html.escape(each)}" for each in classes)
    body = "".join(
        f"<tr><th>{html.escape(one)}" + "".join(f"<td>{pairs.count((one, other)) or ''}" for other in classes)
        for one in classes
    )
    corner = f"{html.escape(name)}: {html.escape(names[0])} down, {html.escape(names[1])} across"
    return f"<table><tr><th>{corner}{head}{body}</table>"
