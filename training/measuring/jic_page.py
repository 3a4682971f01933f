"""The page of S-JIC: the study's table, and ours apart from it; drawings of what it saw on real osteonecrosis."""

import html
from typing import Any

import numpy as np
from skimage.measure import find_contours

from ONFHAssistLib.systems.jic_coronal.classes import CLASSES
from training.measuring.jic_real import Pictured
from training.measuring.real_page import CAPTION, COLOURS, COLUMNS, PANEL, RADIUS

PUBLISHED = {
    "internal (1,472 images of 1,155 hips, 7:1:2)": (87.8, 0.90, 84.8, 84.8, 84.6),
    "external (334 images of 182 hips)": (83.8, 0.87, 79.5, 80.5, 79.9),
}
"""Shen et al., J Arthroplasty 2024;39:379."""
COLUMNS_OF = ("accuracy", "macro AUC", "precision", "recall", "F")
SYMBOL = 5
"""Half the size of the cross where the map is highest, in pixels of a drawing."""
PAGE = """# S-JIC: the JIC class from the mid-coronal slice

**The lesions are painted**, in procedural hips and in real heads without osteonecrosis. No figure but those under
"Real images" says anything about patients. For research use.

Written by `python -m training.benchmarks.jic`; all figures: [jic_coronal.json](jic_coronal.json).

A residual network gives a map for each of five classes (none, A, B, C1, C2); the mean of a map is the class's logit,
so that the map shows which places speak for the class, and they sum to it. It sees the mid-coronal slice of one hip,
96 mm wide, as a right hip. It learned from {train} slices; the split is 7:1:2 by patient, where a patient is a
procedural hip or one of ten women whose heads were painted into. In training only, it also tells tissue and the
lesion's end, and its map is asked to be highest inside the lesion. Its probabilities were calibrated on the
validation patients.

## Classes

Per cent, but for the AUC. *Internal*: {patients} patients that were not learned from, lesions of the first painter,
class true by the rendered or marked anatomy. *External*: the ten heads of the five test studies through the whole
way, {lesions} lesions of the second painter in each contrast and each head without one; class true by the manual
masks.

{classes}

- **By geometry** is the class by masks and landmarks of this software's own networks, on the same hips.
- **Readers** have the true masks and misplace each landmark at random by so much (root mean square): this is what
  uncertain landmarks alone cost. Slices without necrosis are right by themselves there.
- {not_graded} of the external hips were not graded at all; they are left out of both rows.

{confusions}

## Where it looked

{where}

*Painted out*: the same slice without its lesion; the probability of the class that was named falls.

## Time

{ms} ms for a hip on one thread of the CPU.

## Real images

**Heads without osteonecrosis**: {sound} of {heads} are classed "none" ({sound_studies} T1 studies of women; the test
studies and the last two of them were never learned from).

**Real osteonecrosis**: the coronal pictures of [real osteonecrosis](real_onfh.md), as they are, without a pixel size:
the head is found on the picture and taken to be 48 mm wide. Two laymen drew the outlines before any network was run.

{pictures}

Orange and blue: what the readers drew. Grey: where the evidence is at least half of its highest value, which the
cross marks. The disc is the head; the patient's right is at the left. With the slices at hand, `--pictures DIR` lays
the map over them.

![Where S-JIC looked on real osteonecrosis](images/jic_real.svg)

## What it cannot

- The class of a real lesion was measured on nobody: there are no real lesions here whose class is known.
- It does not know how far a single slice lies from the middle of the head, nor the size of a picture's pixels.
- It can't tell a child's open growth plate, and has not seen one.
- What lies between the classes is a matter of degrees: {near} % of its internal errors are of neighbouring classes.

## Published figures: of other data, not comparable

The study behind S-JIC (Shen et al., J Arthroplasty 2024;39:379, abstract) reports, on MR images of patients with
osteonecrosis, in per cent but for the AUC:

{published}
"""


def page(measured: dict[str, Any]) -> str:
    """Return the page as Markdown, of the section of ``jic_coronal.json``."""
    own, every = measured["internal"], measured["external"]["all"]
    real = measured["real"]
    errors, neighbours = _errors(own["confusion"])
    return PAGE.format(
        train=measured["learned_from"],
        patients=own["patients"],
        lesions=measured["lesions"],
        classes=_classes(measured),
        not_graded=f"{every['not_graded']} of {every['hips']}",
        confusions="\n\n".join(
            f"{name} (rows: true; columns: given)\n\n{_confusion(matrix)}"
            for name, matrix in (
                ("Internal", own["confusion"]),
                ("External, T1", measured["external"]["t1"]["network"]["confusion"]),
            )
        ),
        where=_where(measured),
        ms=measured["ms_a_hip"],
        sound=real["sound"]["none"],
        heads=real["sound"]["heads"],
        sound_studies=real["sound"]["heads"] // 2,
        pictures=_pictures(real["pictures"]),
        near=round(100 * neighbours / errors) if errors else "–",
        published=_table(
            "", COLUMNS_OF, {k: [f"{v:.2f}" if v < 1 else f"{v:.1f}" for v in row] for k, row in PUBLISHED.items()}
        ),
    ).replace("\n\n\n", "\n\n")


def _errors(confusion: list[list[int]]) -> tuple[int, int]:
    matrix = np.array(confusion)
    rows, columns = np.indices(matrix.shape)
    return int(matrix[rows != columns].sum()), int(matrix[np.abs(rows - columns) == 1].sum())


def _table(corner: str, columns: tuple[str, ...], rows: dict[str, list[str]]) -> str:
    lines = [f"| {corner} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def _figures(own: dict[str, Any]) -> list[str]:
    auc = f"{own['macro_auc']:.3f}" if "macro_auc" in own else "–"
    return [
        str(own["n"]),
        f"{100 * own['accuracy']:.1f}",
        auc,
        *(f"{100 * own[k]:.1f}" for k in ("precision", "recall", "f")),
    ]


def _classes(measured: dict[str, Any]) -> str:
    rows = {"internal, network": _figures(measured["internal"])}
    rows |= {f"internal, readers {mm} mm off": _figures(one) for mm, one in measured["panel"].items()}
    for name, title in (("t1", "T1"), ("t2", "T2"), ("stir", "fat-suppressed"), ("all", "all")):
        own = measured["external"][name]
        rows[f"external, {title}: network"] = _figures(own["network"])
        rows[f"external, {title}: by geometry"] = _figures(own["geometry"])
    return _table("", ("slices", *COLUMNS_OF), rows)


def _confusion(matrix: list[list[int]]) -> str:
    return _table("", CLASSES, {name: [str(n) for n in row] for name, row in zip(CLASSES, matrix, strict=True)})


def _where(measured: dict[str, Any]) -> str:
    inside = measured["internal_place"]
    rows = {
        "internal": [str(inside["n"]), _percent(inside["highest_inside"]), _percent(inside["energy_inside"]), "–", "–"]
    }
    for name, title in (("t1", "T1"), ("t2", "T2"), ("stir", "fat-suppressed")):
        own = measured["external"][name]
        rows[f"external, {title}"] = [
            str(own["energy_inside"]["n"]),
            _percent(own["highest_inside"]),
            _percent(own["energy_inside"]["median"]),
            _percent(own["deleted_fell"]),
            f"{100 * own['deleted_by']['median']:.0f} points",
        ]
    columns = (
        "lesions",
        "map highest inside the lesion",
        "evidence inside it, median",
        "painted out: falls",
        "by, median",
    )
    return _table("", columns, rows)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _pictures(rows: list[dict[str, Any]]) -> str:
    cells = {}
    for row in rows:
        name = f"{row['image'].partition('_')[0]}, {row['sequence']}, {row['side']}"
        inside = "–"
        if row["class"] is not None and row["diseased"]:
            inside = " / ".join("yes" if one else "no" for one in row["highest_inside"])
        said = row["class"] or html.escape(row["reason"])
        chance = f"{100 * row['chances'][row['class']]:.0f} %" if row["class"] else "–"
        cells[name] = ["osteonecrosis" if row["diseased"] else "none seen", said, chance, inside]
    return _table("", ("readers", "class", "probability", "highest inside the outline of A / B"), cells)


def sheet(pictured: list[Pictured]) -> str:
    """Draw the hips as an SVG: readers' outlines and evidence over a disc, one panel each."""
    rows = -(-len(pictured) // COLUMNS)
    width, height = COLUMNS * PANEL, rows * (PANEL + CAPTION)
    panels = []
    for n, one in enumerate(pictured):
        row, column = divmod(n, COLUMNS)
        panels.append(f'<g transform="translate({column * PANEL} {row * (PANEL + CAPTION)})">{_panel(one)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="10" text-anchor="middle"><title>Where S-JIC looked</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(one: Pictured) -> str:
    circle, middle = one.hip.circle, PANEL / 2
    scale = RADIUS / circle.radius_px

    def at(points: np.ndarray) -> np.ndarray:
        return (points - [circle.x_px, circle.y_px]) * scale + middle

    def polygon(points: np.ndarray, style: str) -> str:
        return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at(points))}" {style}/>'

    parts = [f'<circle cx="{middle:g}" cy="{middle:g}" r="{RADIUS}" fill="#eeeeee" stroke="#bbbbbb"/>']
    seen = None if one.finding is None or one.finding.attention is None else one.finding.attention.array[0]
    if seen is not None:
        for line in find_contours(np.pad(seen, 1), 0.5):
            parts.append(polygon(line[:, ::-1] - 1, 'fill="#777777" fill-opacity="0.3" stroke="#222222"'))
    for name in ("a", "b"):
        for drawn in getattr(one.hip, name).necrosis:
            parts.append(polygon(np.array(drawn), f'fill="none" stroke="{COLOURS[name]}" stroke-width="1.5"'))
    if seen is not None:
        highest = np.unravel_index(int(seen.argmax()), seen.shape)
        x, y = at(np.array(highest[::-1], float))
        parts.append(
            f'<path d="M{x - SYMBOL:.1f} {y:.1f}h{2 * SYMBOL}M{x:.1f} {y - SYMBOL:.1f}v{2 * SYMBOL}" '
            'stroke="#222222" stroke-width="2"/>'
        )
    row = one.row
    said = f"{row['class'] or 'no class'}" + (f" {100 * row['chances'][row['class']]:.0f} %" if row["class"] else "")
    captions = (f"{one.hip.image.partition('_')[0]}, {one.sequence}, {one.hip.side}", said)
    for n, text in enumerate(captions):
        parts.append(f'<text x="{middle:g}" y="{PANEL + 8 + 13 * n}">{html.escape(text)}</text>')
    return "".join(parts)
