"""The status of a data set as one self-contained HTML file: plots, progress by week, what is missing, thumbnails.

It names cases by their pseudonyms only, and makes no request. Comments of the readers stay out of it.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib import __version__
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.labels import CaseLabel, is_head
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.status import WANTED, DataStatus, Week, grade_of, status_of, weeks
from ONFHAssistLib.curation.store.content import file_of_case, mask_of_case
from ONFHAssistLib.curation.store.store import Store
from ONFHAssistLib.exchange.figures import Picture, slice_picture
from ONFHAssistLib.exchange.page import template
from ONFHAssistLib.exchange.publish import publish, write_bytes
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.exchange.tables import RESEARCH_USE

MAX_THUMBNAILS = 60
_RADII, _PIXELS = 1.5, 200
_TITLES = {
    "status": "Status, all cases",
    "plane": "Plane",
    "sequence": "Sequence",
    "side": "Side",
    "Steinberg": "Steinberg extent",
    "JIC": "JIC class",
    "reviewer": "Reader",
    "fold": "Fold",
}


def write_status_page(store: Store, path: Path, until: datetime | None = None) -> None:
    """Write the page; a reader sees the earlier one or the new one, complete.

    Args:
        store: the data set.
        path: ends in ``.html`` and lies outside of the data set; an earlier page is replaced.
        until: the end of the last week, now if not given.

    Raises:
        InputError: the page can't be written there; nothing has changed then.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise InputError(f"{path} is no name for a page; give a file that ends in .html.")
    if path.resolve().is_relative_to(store.folder.resolve()):
        raise InputError(f"{path} lies in the data set, which holds cases only; write the page to another folder.")
    publish(path.parent, {path.name: write_bytes(status_html(store, until).encode("utf-8", "replace"))})


def status_html(store: Store, until: datetime | None = None) -> str:
    """Return the page."""
    until = until or datetime.now(UTC)
    every = store.cases()
    found = status_of(store, every, until)
    cases = [case for case in every if not case.problem]
    shown = sorted(
        (case for case in cases if case.status != "withdrawn"), key=lambda case: (case.saved_at, case.case_id)
    )[: -MAX_THUMBNAILS - 1 : -1]
    colours = segments()
    return template("data_status.html.j2").render(
        version=__version__,
        research_use=RESEARCH_USE,
        found=found,
        at=f"{until:%Y-%m-%d %H:%M} UTC",
        charts=[_chart(what, found) for what in found.counts],
        weeks=_progress(weeks(cases, until)),
        balance=_balance(cases),
        thumbnails=[_thumbnail(store, case) for case in shown],
        of=sum(case.status != "withdrawn" for case in cases),
        head_color=colours[MaskLabel.RIGHT_HEAD].color,
        necrosis_color=colours[MaskLabel.RIGHT_NECROSIS].color,
    )


def _chart(what: str, found: DataStatus) -> dict[str, Any]:
    """Return the bars of one chart, with the classes that are wanted and absent; lengths are % of the longest."""
    counts = {name: 0 for name in WANTED.get(what, ())} | found.counts[what]
    longest = max([1, *counts.values()])
    of = found.cases if what == "status" else found.approved
    bars = [
        {
            "name": name,
            "n": n,
            "length": 100 * n / longest,
            "share": 100 * n / of if of else 0.0,
            "absent": not n and (name in WANTED.get(what, ()) or what == "fold"),
        }
        for name, n in counts.items()
    ]
    return {"title": _TITLES[what], "bars": bars}


def _balance(cases: Sequence[CaseSummary]) -> dict[str, Any]:
    """Return how many approved cases of each Steinberg extent each fold has, and each side; with the largest count."""
    approved = [case for case in cases if case.status == "approved"]
    extents = list(dict.fromkeys([*WANTED["Steinberg"], *sorted(grade_of(case, "steinberg") for case in approved)]))
    rows: list[dict[str, Any]] = []
    for extent in extents:
        own = [case for case in approved if grade_of(case, "steinberg") == extent]
        folds = [sum(case.fold == fold for case in own) for fold in range(layout.N_FOLDS)]
        rows.append(
            {"name": extent, "cells": folds + [sum(case.side == side for case in own) for side in WANTED["side"]]}
        )
    columns = [f"Fold {n}" for n in range(layout.N_FOLDS)] + [side.capitalize() for side in WANTED["side"]]
    return {"columns": columns, "rows": rows, "most": max([1, *(n for row in rows for n in row["cells"])])}


def _progress(found: Sequence[Week]) -> dict[str, Any]:
    """Return the weeks, and a round number that the tallest bar does not pass."""
    tallest = max([1, *(max(week.first_saved, week.approved) for week in found)])
    unit = 10 ** math.floor(math.log10(tallest))
    top = next(m * unit for m in (1, 2, 5, 10) if m * unit >= tallest)
    return {"all": found, "top": top}


def _thumbnail(store: Store, case: CaseSummary) -> dict[str, Any]:
    """Return a case with its mid slice; without a picture where a file can't be read, which the check tells more of."""
    try:
        picture = _mid_slice(store, case.case_id)
    except (InputError, OSError, ValueError):
        picture = None
    grades = [grade_of(case, "steinberg"), f"JIC {grade_of(case, 'jic')}"]
    return {"case": case, "picture": picture, "grades": ", ".join(grades)}


def _mid_slice(store: Store, case_id: str) -> Picture:
    """Show the slice through the head's centre, cut about the head, in the pose of the files: like a right hip."""
    record = store.record(case_id)
    version = record.shown
    image = file_of_case(store.folder, record.image_file, record.pose)
    mask = mask_of_case(store.folder, record.pose, version.number)
    k, rows, columns, step = _around(image, record.side, version.sphere)
    grey, labels = (array[k, rows, columns] for array in (image.array, mask))
    head = is_head(labels)
    x_mm, y_mm, _ = image.spacing_mm
    return slice_picture(grey, head, labels == CaseLabel.NECROSIS, (x_mm * step, y_mm * step))


def _around(image: Volume, side: str, sphere: Sphere) -> tuple[int, slice, slice, int]:
    """Return the mid slice, and rows and columns about the head; of large images every ``step``-th."""
    x, y, z = sphere.centre_ras_mm
    centre = image.ijk(np.array([-x if side == "left" else x, y, z]))  # the world of the files is that of a right hip
    size = image.size
    reach = _RADII * sphere.radius_mm / np.array(image.spacing_mm)
    low = np.clip(np.floor(centre - reach), 0, size - 1).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, low + 1, size).astype(int)
    step = math.ceil((high - low)[:2].max() / _PIXELS)
    k = int(np.clip(np.rint(centre[2]), 0, size[2] - 1))
    return k, slice(low[1], high[1], step), slice(low[0], high[0], step), step
