"""The report page: one self-contained HTML file, without scripts and without requests."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ONFHAssistLib import __version__
from ONFHAssistLib.core.arcs import weight_bearing_portion
from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.findings import PATIENT
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.planes import mid_plane
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.exchange import drawings, figures, words
from ONFHAssistLib.exchange.draw_svg import svg
from ONFHAssistLib.exchange.finding_figures import finding_tiles
from ONFHAssistLib.exchange.finding_words import finding_card
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.exchange.tables import RESEARCH_USE, shown_patient

if TYPE_CHECKING:
    from jinja2 import Template

SERIOUS = frozenset({"noise", "sequence-outside-training", "modality-unknown", "head-not-confirmed", "side-doubtful"})
"""Codes of warnings that stand above the grades, because the grades are not to be relied on."""


def report_html(result: StudyResult, identify: bool = False) -> str:
    """Return the page.

    Args:
        result: the study.
        identify: show the patient's name and ID.
    """
    return template("report.html.j2").render(content(result, identify))


def content(result: StudyResult, identify: bool = False) -> dict[str, Any]:
    """Return what a report shows, as page or PDF: words, and pictures that are ready to be drawn."""
    masks = {hip.side: hip for hip in result.masks}
    table = segments()
    return {
        "version": __version__,
        "research_use": RESEARCH_USE,
        "patient": shown_patient(result) if identify else {},
        "headline": _headline(result.source),
        "facts": _facts(result.source),
        "warnings": result.warnings,
        "serious": any(notice.code in SERIOUS for notice in result.warnings),
        "models": [_facts(model) for model in result.models],
        "hips": [
            _hip(hip, result, masks.get(hip.side)) for hip in sorted(result.hips, key=lambda h: SIDES.index(h.side))
        ],
        "head_color": table[MaskLabel.RIGHT_HEAD].color,
        "necrosis_color": table[MaskLabel.RIGHT_NECROSIS].color,
        "systems": _systems(result),
        "polar_to": figures.POLAR_TO_DEG,
        "borderline_rules": {by_interval: words.borderline_rule(by_interval) for by_interval in (False, True)},
        "gradings": GRADINGS.values(),
    }


@cache
def template(name: str) -> "Template":
    """Return a page of ``Resources/Report``; kept, because reading it takes as long as filling it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(resource_path("Report", name).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = words.percent
    environment.filters["share"] = words.share_in_words
    environment.globals["draw"] = drawings
    environment.globals["svg"] = svg
    return environment.get_template(name)


def _hip(hip: HipResult, result: StudyResult, masks: HipMasks | None) -> dict[str, Any]:
    """Return what the template draws of one hip; pictures are None where there are none."""
    drawn: dict[str, Any] = {"coronal": None, "polar": None, "plot": None, "tiles": []}
    if hip.status != "graded" and hip.sphere:  # show where to look, and what was taken for the head
        box = figures.head_box(result.volume, masks.sphere if masks else hip.sphere)
        image = result.volume.cropped(box)
        nothing = image.like(np.zeros(image.shape, bool))
        near = masks.within(box) if masks else HipMasks(hip.side, image.grid, image.whole, nothing, nothing, hip.sphere)
        drawn["coronal"] = figures.coronal_figure(image, near, hip)
    elif masks is not None:
        image, near = figures.crop(result.volume, masks)
        first = round(float(result.volume.ijk(image.ijk_to_ras[:3, 3])[2]))
        plane = mid_plane(image, "coronal", masks.sphere)
        portion = weight_bearing_portion(plane, masks.sphere, masks.landmarks, masks.side) if plane else None
        drawn = {
            "coronal": figures.coronal_figure(image, near, hip),
            "polar": figures.polar_figure(near, portion),
            "plot": figures.ratio_plot(hip, result.volume),
            "tiles": figures.contact_sheet(image, near, hip, first),
        }
    steinberg = hip.grades.get("steinberg")
    look_first = hip.look_first if steinberg and is_borderline("steinberg", steinberg) else ()
    return {"result": hip, "rows": words.rows(hip), "look_first": look_first, **drawn}


def _systems(result: StudyResult) -> list[dict[str, Any]]:
    """Return a section for each system that has found something, or says why it has not."""
    hips = {hip.side: hip for hip in result.hips}
    masks = {one.side: one for one in result.masks if one.not_sought is None}
    sections: dict[str, dict[str, Any]] = {}
    for finding in sorted(result.findings, key=lambda found: (*SIDES, PATIENT).index(found.about)):
        section = sections.setdefault(finding.system, {"title": finding.title, "caption": "", "findings": []})
        section["caption"] = section["caption"] or finding.caption
        hip = None if finding.about == PATIENT else hips.get(finding.about)
        other = None if finding.about == PATIENT else masks.get(finding.about)
        drawn = {
            "about": finding.about,
            "card": finding_card(finding, hip),
            "tiles": finding_tiles(result.volume, finding, other.whole().necrosis if other else None),
            "count": len(finding.slices),
            "keys": [(mask.title, mask.color) for mask in finding.masks],
            "attention": finding.attention is not None,
            "compared": other is not None and bool(finding.masks),
        }
        section["findings"].append(drawn)
    return list(sections.values())


def _headline(source: dict[str, Any]) -> str:
    """Return for example "Coronal T1, MR, 0.91 × 0.91 × 5.2 mm", from what is known."""
    known = [
        str(source[key]) for key in ("plane", "sequence", "modality") if source.get(key) not in (None, "", "unknown")
    ]
    words_ = " ".join(dict.fromkeys(known))
    spacing = " × ".join(f"{x:.2g}" for x in source.get("spacing_mm") or ())
    text = ", ".join(part for part in (words_[:1].upper() + words_[1:], spacing and f"voxels of {spacing} mm") if part)
    return text or "Image of unknown kind"


def _facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a dictionary of JSON-ready values as (name, text), without what is empty."""
    return [
        (key.replace("_deg", " (°)").replace("_mm", " (mm)").replace("_", " "), _text(value))
        for key, value in values.items()
        if value not in (None, "", [], {})
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        numbers = all(isinstance(item, (int, float)) for item in value)
        return (" × " if numbers else ", ").join(_text(item) for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return str(value)
