"""The pages of the PDF report, from the content of `exchange.page.content`. Needs reportlab."""

import io
from collections.abc import Iterable
from html import escape
from itertools import combinations_with_replacement, pairwise
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, SimpleDocTemplate, Spacer, Table

from ONFHAssistLib.exchange import drawings
from ONFHAssistLib.exchange.draw_pdf import BOLD, TEXT, Figure
from ONFHAssistLib.exchange.drawings import LINE, SOFT
from ONFHAssistLib.exchange.pdf_findings import findings
from ONFHAssistLib.exchange.pdf_parts import (
    ACCENT,
    FONT,
    FRAME,
    GAP,
    MARGIN,
    PAD,
    WARN,
    WARN_LINE,
    WARN_PAPER,
    WIDTH,
    box,
    column_width,
    font_of,
    heading,
    key_to,
    paragraph,
    register_fonts,
    side_by_side,
)

FACT_COLUMNS = 3


def pages(content: dict[str, Any]) -> bytes:
    """Lay out the report and return the bytes of the PDF."""
    register_fonts()
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN - FRAME,
        rightMargin=MARGIN - FRAME,
        topMargin=MARGIN,
        bottomMargin=18 * mm,
        title="Femoral head osteonecrosis: extent in each hip (for research use)",
        author=f"ONFHAssist {content['version']}",
        lang="en",
    )
    patient = ", ".join(str(value) for value in content["patient"].values())
    document.build(
        list(_story(content, patient)),
        canvasmaker=lambda *args, **options: _Numbered(
            *args, patient=patient, **{**options, "invariant": True, "pageCompression": 1, "initialFontName": TEXT}
        ),
    )
    return file.getvalue()


class _Numbered(Canvas):
    """Writes the foot of each page once it is known how many there are."""

    def __init__(self, *args: Any, patient: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._patient = patient
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, start=1):
            self.__dict__.update(page)
            self.setFillColor(HexColor(SOFT))
            first, rest = "For research use only. ", "Not a medical device; not for diagnosis or treatment."
            self.setFont(BOLD, 7)
            self.drawString(MARGIN, 10 * mm, first)
            self.setFont(TEXT, 7)
            self.drawString(MARGIN + self.stringWidth(first, BOLD, 7), 10 * mm, rest)
            self.drawRightString(A4[0] - MARGIN, 10 * mm, f"{number} of {len(self._pages)}")
            if self._patient:
                self.setFont(font_of(self._patient), 7)
                self.drawCentredString(A4[0] / 2 + 26 * mm, 10 * mm, self._patient)
            super().showPage()
        super().save()


def _story(content: dict[str, Any], patient: str) -> Iterable[Flowable]:
    hips = content["hips"]
    first, _, rest = content["research_use"].partition(". ")
    yield paragraph(f"ONFHAssist {content['version']}", 8, ACCENT, bold=True)
    yield paragraph("Osteonecrosis of the femoral head: extent", 16, bold=True, after=1)
    if patient:
        yield paragraph(patient, 9, bold=True, font=font_of(patient))
    yield paragraph(content["headline"], 9, SOFT, after=5)
    yield box(
        [paragraph(f"<b>{escape(first)}.</b> {escape(rest)}", 8, WARN, markup=True)], WIDTH, WARN_LINE, WARN_PAPER
    )
    yield Spacer(0, 3 * mm)
    if content["warnings"] and content["serious"]:
        yield from _warnings(content["warnings"])
    if hips:  # a picture has none
        yield side_by_side([_card(hip, column_width(hips)) for hip in hips], column_width(hips))
        yield Spacer(0, 3 * mm)
    if content["warnings"] and not content["serious"]:
        yield from _warnings(content["warnings"])
    doubt = any(hip["result"].ratio_interval for hip in hips)
    for section in (_plot, _coronal, _polar, _slices):
        yield from section(content, doubt)
    yield from findings(content)
    yield from _facts(content)
    yield from _notes(content, doubt)


def _warnings(warnings: Iterable[Any]) -> Iterable[Flowable]:
    warnings = list(warnings)
    title = f"{len(warnings)} warning{'s' * (len(warnings) != 1)}"
    told = [paragraph("• " + notice.message, 8, after=1) for notice in warnings]
    yield box([paragraph(title, 9, WARN, bold=True, after=2), *told], WIDTH, WARN_LINE, WARN_PAPER)
    yield Spacer(0, 3 * mm)


def _card(hip: dict[str, Any], width: float) -> Flowable:
    result, rows = hip["result"], hip["rows"]
    inner = width - 2 * PAD
    title = paragraph(f"{result.side.capitalize()} hip", 11, bold=True, after=4)
    if result.status != "graded" or not rows:
        reason = result.reason or "No reason was recorded."
        return box([title, paragraph("Not graded", 16, bold=True, after=2), paragraph(reason, 8)], width)
    lead = rows[0]
    shown = [title, _named(lead), paragraph(lead.grade or "Not given", 17, bold=True, after=4)]
    if result.volume_ratio is not None:
        shown += [Figure(drawings.gauge(result.volume_ratio, result.ratio_interval), min(inner, 84 * mm)), Spacer(0, 4)]
    shown += [*_reasons(lead), Spacer(0, 4)]
    for row in rows[1:]:
        grade = row.grade or "–"
        colour = ACCENT if row.grade else SOFT
        chip = paragraph(grade, 12 if len(grade) < 3 else 10 if len(grade) < 5 else 8, colour, bold=True, centred=True)
        shown.append(
            Table(
                [[chip, [_named(row), *_reasons(row)]]],
                colWidths=[13 * mm, inner - 13 * mm],
                style=[
                    FONT,
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("LINEABOVE", (0, 0), (-1, -1), 0.5, HexColor(LINE)),
                    ("LEFTPADDING", (0, 0), (-1, -1), 0),
                    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                    ("RIGHTPADDING", (0, 0), (0, 0), 6),
                    ("TOPPADDING", (0, 0), (-1, -1), 4),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
                ],
            )
        )
    sizes = f"Head {result.head_volume_ml:.1f} ml · necrosis {result.necrosis_volume_ml:.1f} ml"
    return box(
        [*shown, paragraph(f"{sizes} · sphere radius {result.sphere.radius_mm:.1f} mm", 8, SOFT, before=3)], width
    )


def _named(row: Any) -> Flowable:
    doubt = f' <font color="{WARN}"> · borderline</font>' if row.borderline else ""
    return paragraph(f"{escape(row.title)}{doubt}", 7.5, SOFT, bold=True, markup=True)


def _reasons(row: Any) -> list[Flowable]:
    margin = row.margin[:1].upper() + row.margin[1:]
    told = [paragraph(row.rule, 8)]
    if margin:
        told.append(paragraph(margin, 7.5, WARN if row.borderline else SOFT))
    return told + [paragraph(note, 7.5, SOFT) for note in row.notes]


def _coronal(content: dict[str, Any], doubt: bool) -> Iterable[Flowable]:
    head, necrosis = content["head_color"], content["necrosis_color"]
    keys = [
        key_to(head, "head"),
        key_to(necrosis, "necrosis"),
        *([key_to(drawings.DOUBT, "uncertain: may or may not be necrosis")] if doubt else []),
        "dashed: best-fit sphere",
        key_to(drawings.ARC, "weight-bearing portion in thirds: a lesion that ends there laterally is A, B or C1; at "
               "or past the acetabular edge C2"),
        key_to(necrosis, "tick: where it ends"),
        key_to(drawings.MARK, "crosses: lateral acetabular edge, teardrop"),
    ]  # fmt: skip
    return _pictures(
        content, "coronal", "Mid-coronal slice", keys,
        lambda hip, width: Figure(drawings.coronal(hip["coronal"], head, necrosis), min(width, 80 * mm)),
    )  # fmt: skip


def _polar(content: dict[str, Any], _: bool) -> Iterable[Flowable]:
    keys = [
        key_to("#e58b4a", "necrosis below the surface: the darker, the deeper it goes towards the centre"),
        key_to(drawings.LESION, "reaches the surface"),
        key_to(drawings.ZONE, "hatched: weight-bearing zone, drawn 30° before and behind the mid-coronal plane"),
        f"Seen along the body axis, laid out as an axial slice, to {content['polar_to']:.0f}° from the superior pole.",
    ]
    return _pictures(
        content, "polar", "Where the lesion lies on the head's surface", keys,
        lambda hip, width: Figure(drawings.polar(hip["polar"]), min(width, 66 * mm)),
    )  # fmt: skip


def _plot(content: dict[str, Any], _: bool) -> Iterable[Flowable]:
    keys = [
        "Filled: slices with at least half of the largest head area",
        "hollow: smaller slices near the poles, which do not count as “worst slice”",
    ]
    return _pictures(
        content, "plot", "Necrotic share along the slices", keys,
        lambda hip, width: Figure(drawings.plot(hip["plot"]), min(width, 84 * mm)),
    )  # fmt: skip


def _slices(content: dict[str, Any], doubt: bool) -> Iterable[Flowable]:
    keys = ["Slice index (from 0) and necrotic share of the head's area."]
    if any(hip["result"].volume_ratio for hip in content["hips"]):
        keys += ["Bar: Steinberg class", *(key_to(colour, name) for name, colour in drawings.BARS.items())]
    if doubt:
        keys.append(key_to(drawings.DOUBT, "uncertain: may or may not be necrosis"))
    if any(hip["look_first"] for hip in content["hips"]):
        keys.append("half-filled circle: look here first, the most uncertain slices of a borderline hip")

    def draw(hip: dict[str, Any], width: float) -> Flowable:
        colours = content["head_color"], content["necrosis_color"]
        return _sheet(hip["tiles"], colours, hip["look_first"], len(hip["result"].slices), width)

    return _pictures(content, "tiles", "Slices", keys, draw)


def _sheet(tiles: list[Any], colours: tuple[str, str], look_first: Iterable[int], count: int, width: float) -> Flowable:
    """The contact sheet in rows, with a word on the slices that are not in it."""
    columns = max(4, int(width // (24 * mm)))
    wide = width / columns - 3
    drawn = [Figure(drawings.tile(shown, *colours, shown.measured.index in look_first), wide) for shown in tiles]
    rows: list[list[Any]] = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    rows = [row + [[]] * (columns - len(row)) for row in rows]
    style: list[tuple[object, ...]] = [
        FONT,
        *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP")),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    if len(tiles) < count:
        note = paragraph(f"{len(tiles)} of {count} slices; all of them are in slices.csv.", 7.5, SOFT)
        rows.append([note] + [[]] * (columns - 1))
        style.append(("SPAN", (0, -1), (-1, -1)))
    return Table(rows, colWidths=[width / columns] * columns, style=style)


def _pictures(content: dict[str, Any], key: str, title: str, keys: list[str], draw: Any) -> Iterable[Flowable]:
    """A section with a picture of each hip, and the legend below; none where no hip has one."""
    hips = content["hips"]
    if not any(hip[key] for hip in hips):
        return
    width = column_width(hips)
    shown = []
    for hip in hips:
        graded = hip["result"].status == "graded"
        empty = "The image does not reach it." if graded else "Not graded"
        picture = draw(hip, width) if hip[key] else paragraph(empty, 8, SOFT, centred=True, before=20, after=20)
        shown.append([paragraph(hip["result"].side.capitalize(), 8.5, bold=True, after=3), picture])
    legend = paragraph(" &nbsp; ".join(keys), 7.5, SOFT, markup=True, before=3)
    yield KeepTogether([heading(title), side_by_side(shown, width), legend, Spacer(0, 4 * mm)])


def _facts(content: dict[str, Any]) -> Iterable[Flowable]:
    models = content["models"]
    groups = [("Image", content["facts"])]
    groups += [(f"Model {n} of {len(models)}" if len(models) > 1 else "Model", m) for n, m in enumerate(models, 1)]
    width = (WIDTH - GAP * (FACT_COLUMNS - 1)) / FACT_COLUMNS
    cells = []
    for title, facts in groups:
        rows = [[paragraph(name, 7, SOFT), paragraph(text, 7)] for name, text in facts]
        table = Table(
            rows or [[[], []]],
            colWidths=[0.32 * width, 0.68 * width],
            style=[
                FONT,
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 0.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 0.5),
            ],
        )
        cells.append([paragraph(title, 8, bold=True, before=3, after=2), table])
    yield CondPageBreak(50 * mm)
    yield heading("Image and models")
    yield side_by_side(_columns(cells, width), width)
    if not models:
        yield paragraph("No model was used.", 7.5, SOFT)
    yield Spacer(0, 3 * mm)


def _columns(cells: list[list[Flowable]], width: float) -> list[list[Flowable]]:
    """Put cells of unequal height into `FACT_COLUMNS`, in their order, so that the highest one is as low as can be."""
    heights = [sum(part.wrap(width, A4[1])[1] for part in cell) for cell in cells]

    def columns(ends: tuple[int, ...]) -> list[slice]:
        return [slice(start, end) for start, end in pairwise((0, *ends, len(cells)))]

    ways = combinations_with_replacement(range(len(cells) + 1), FACT_COLUMNS - 1)
    best = min(ways, key=lambda ends: max(sum(heights[column]) for column in columns(ends)))
    return [[part for cell in cells[column] for part in (*cell, Spacer(0, 2 * mm))] for column in columns(best)]


def _notes(content: dict[str, Any], doubt: bool) -> Iterable[Flowable]:
    first, _, rest = content["research_use"].partition(". ")
    sources = " ".join(f"{grading.title}: {grading.source}." for grading in content["gradings"])
    yield paragraph(f"<b>{escape(first)}.</b> {escape(rest)}", 7.5, SOFT, markup=True, after=2)
    yield paragraph(
        f"{content['borderline_rules'][doubt]} Pictures: radiological convention, the patient's right is at the left. "
        "Numbers: report.json and slices.csv; masks: masks.nii.gz and masks.seg.nrrd.", 7.5, SOFT, after=2,
    )  # fmt: skip
    yield paragraph(f"Sources. {sources}", 7.5, SOFT)
