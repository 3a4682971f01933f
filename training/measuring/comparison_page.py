"""The report of ``training.compare``: a summary for the terminal, and a page with plots and pictures."""

import base64
import html
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.curation.reports.bland_altman import bland_altman_svg
from training.learning.curated import CuratedHip
from training.measuring.comparison import Comparison, Figure, Row

COLOURS = {"reader": (255, 255, 255), "old": (238, 119, 51), "new": (0, 187, 238)}
"""Of the outlines; told apart by the colour-blind, too."""
_PIXELS = 320

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .7rem;border-bottom:1px solid #ccc}"
    "td,th{text-align:left}"
    "td.n{text-align:right}.verdict{font-size:1.2rem;font-weight:600}figure{display:inline-block;margin:.5rem}"
    "figcaption{max-width:20rem;font-size:.85rem}img{image-rendering:auto}"
)


def summary(outcome: Comparison) -> str:
    """Return the verdict and the figures for a terminal."""
    lines = [outcome.sentence]
    for figure in outcome.figures:
        lines.append(f"  {figure.what}: {_numbers(figure)}")
    lines.append("By patient (Dice old, new):")
    for patient, (old, new, count) in by_patient(outcome.rows).items():
        lines.append(f"  {patient}: {_or_dash(old, 3)}, {_or_dash(new, 3)} ({count} hips)")
    return "\n".join(lines)


def by_patient(rows: tuple[Row, ...]) -> dict[str, tuple[float, float, int]]:
    """Return the mean Dice of old and new, and the number of cases, of each patient."""
    found = {}
    for patient in sorted({row.patient for row in rows}):
        own = [row for row in rows if row.patient == patient]
        pairs = [(r.old.dice, r.new.dice) for r in own if r.old.dice is not None and r.new.dice is not None]
        old, new = np.mean(pairs, axis=0) if pairs else (np.nan, np.nan)
        found[patient] = float(old), float(new), len(own)
    return found


def page(outcome: Comparison, shown: Mapping[str, tuple[CuratedHip, HipMasks | None, HipMasks | None]]) -> str:
    """Return the report as one HTML page.

    Args:
        outcome: of the comparison.
        shown: masks of the cases that changed most: the reader's, old and new.
    """
    task = outcome.old.split("-")[0]
    figures = "".join(
        f"<tr><td>{html.escape(figure.what)}<td class=n>{figure.old:.3f}<td class=n>{figure.new:.3f}"
        f"<td class=n>{figure.difference.value:+.3f} ({figure.difference.low:+.3f} to {figure.difference.high:+.3f})"
        f"<td>{html.escape(figure.better)}"
        for figure in outcome.figures
    )
    patients = "".join(
        f"<tr><td>{html.escape(name)}<td class=n>{count}<td class=n>{_or_dash(old, 3)}<td class=n>{_or_dash(new, 3)}"
        f"<td class=n>{_or_dash(new - old, 3)}"
        for name, (old, new, count) in by_patient(outcome.rows).items()
    )
    plots = ""
    for which in ("old", "new"):
        known = [row for row in outcome.rows if getattr(row, which).ratio is not None]
        if known:
            own = [100 * getattr(row, which).ratio for row in known]
            plots += bland_altman_svg(
                own, [100 * row.ratio for row in known], f"Ratio: {which} network and reader", "points",
                (f"{which} network", "reader"),
            )  # fmt: skip
    most = sorted(outcome.rows, key=lambda row: -row.changed_mm3)
    pictures = "".join(_figure(row, shown[row.case], task) for row in most if row.case in shown and row.changed_mm3 > 0)
    cases = "".join(
        f"<tr><td>{html.escape(row.case)}<td class=n>{100 * row.ratio:.1f}<td>{row.grade}"
        + "".join(
            f"<td class=n>{_or_dash(m.dice, 3)}<td class=n>{_or_dash(m.ratio and 100 * m.ratio, 1)}<td>{m.grade or '–'}"
            for m in (row.old, row.new)
        )
        for row in outcome.rows
    )
    kappa = ", ".join(f"{which} {value:.3f}" for which, value in outcome.kappa.items())
    title = f"{html.escape(outcome.old)} and {html.escape(outcome.new)}"
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>For research use. On {len(outcome.rows)} cases of {html.escape(outcome.data_set)}; "
        f"{outcome.left_out} more were left out, as one of the networks has seen their patients.</p>"
        f"<p class=verdict>{html.escape(outcome.sentence)}</p>"
        "<p>New less old, with the 95 % interval by drawing patients with replacement. With few patients such an "
        "interval is too narrow: look at each of them, too.</p>"
        f"<table><tr><th>figure<th>old<th>new<th>difference<th>better{figures}</table>"
        f"<p>Quadratic-weighted kappa of the Steinberg grade with the reader's: {kappa}.</p>"
        f"<h2>Patients</h2><table><tr><th>patient<th>hips<th>Dice, old<th>Dice, new<th>difference{patients}</table>"
        f"<h2>Ratio of necrosis to head</h2>{plots}"
        "<h2>What changed most</h2><p>The slice with most changes; "
        "outlines: reader white, old orange, new blue.</p>"
        f"{pictures or '<p>Nothing changed.</p>'}"
        "<h2>Cases</h2><table><tr><th>case<th>ratio, %<th>grade<th>old: Dice<th>ratio<th>grade<th>new: Dice<th>ratio"
        f"<th>grade{cases}</table></html>\n"
    )


def picture(hip: CuratedHip, old: np.ndarray, new: np.ndarray, reader: np.ndarray) -> bytes:
    """Draw the slice on which two masks differ most, cut to the head, with the outlines of all three; a PNG.

    Args:
        hip: the case.
        old, new, reader: bool, shape of the hip's array.
    """
    k = int((old ^ new).sum(axis=(1, 2)).argmax())
    volume = hip.hip.volume
    column, row, _ = volume.ijk(np.array(hip.case.centre_ras_mm))
    half = [1.35 * hip.case.radius_mm / volume.spacing_mm[axis] for axis in (1, 0)]
    box = tuple(
        slice(max(int(middle - reach), 0), min(int(middle + reach) + 1, length))
        for middle, reach, length in zip((row, column), half, volume.shape[1:], strict=True)
    )
    plane = volume.array[k][box].astype(float)
    low, high = np.percentile(plane, [1, 99])
    grey = (np.clip((plane - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
    width = _PIXELS
    height = round(width * plane.shape[0] * volume.spacing_mm[1] / (plane.shape[1] * volume.spacing_mm[0]))
    image = Image.fromarray(grey).resize((width, height), Image.Resampling.BICUBIC).convert("RGB")
    draw, scale = ImageDraw.Draw(image), np.array([height / plane.shape[0], width / plane.shape[1]])
    for name, mask in (("reader", reader), ("old", old), ("new", new)):
        for line in find_contours(np.pad(mask[k][box].astype(float), 1), 0.5):
            points = (line - 1 + 0.5) * scale
            draw.line([(x, y) for y, x in points], fill=COLOURS[name], width=2)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _figure(row: Row, masks: tuple[CuratedHip, HipMasks | None, HipMasks | None], task: str) -> str:
    hip, *both = masks
    nothing = np.zeros(hip.labels.shape, bool)
    old, new = (
        nothing if one is None else (one.necrosis if task == "necrosis" else one.head).array & hip.known for one in both
    )
    content = picture(hip, old, new, hip.necrosis if task == "necrosis" else hip.head)
    dice = f"Dice {_or_dash(row.old.dice, 3)} → {_or_dash(row.new.dice, 3)}"
    ratios = (_or_dash(m.ratio and 100 * m.ratio, 1) for m in (row.old, row.new))
    text = f"{row.case}: {dice}; ratio {' → '.join(ratios)} %, reader {100 * row.ratio:.1f} %"
    data = base64.b64encode(content).decode()
    return (
        f'<figure><img alt="" src="data:image/png;base64,{data}"><figcaption>{html.escape(text)}</figcaption></figure>'
    )


def _numbers(figure: Figure) -> str:
    apart = figure.difference
    return (
        f"old {figure.old:.3f}, new {figure.new:.3f}, difference {apart.value:+.3f} "
        f"(95 % interval {apart.low:+.3f} to {apart.high:+.3f}); better: {figure.better}"
    )


def _or_dash(value: float | None, digits: int) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.{digits}f}"
