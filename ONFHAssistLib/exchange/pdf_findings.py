"""The sections of the PDF report that show what systems have found. Needs reportlab."""

from collections.abc import Iterable
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Spacer, Table

from ONFHAssistLib.exchange import drawings
from ONFHAssistLib.exchange.draw_pdf import Figure
from ONFHAssistLib.exchange.drawings import INK, LINE, SOFT
from ONFHAssistLib.exchange.finding_figures import FindingTile
from ONFHAssistLib.exchange.pdf_parts import FONT, WARN, column_width, heading, key_to, paragraph, side_by_side

_PLAIN = (
    FONT,
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
)


def findings(content: dict[str, Any]) -> Iterable[Flowable]:
    """Return a section for each system."""
    for system in content["systems"]:
        shown = system["findings"]
        width = column_width(shown[:2])
        cells = [_finding(found, content["necrosis_color"], width) for found in shown]
        yield heading(system["title"])
        for start in range(0, len(cells), 2):
            yield side_by_side(cells[start : start + 2], width)
        if system["caption"]:
            yield paragraph(system["caption"], 7.5, SOFT, before=3)
        yield Spacer(0, 4 * mm)


def _finding(found: dict[str, Any], necrosis_color: str, width: float) -> list[Flowable]:
    card = found["card"]
    shown: list[Flowable] = [paragraph(card.about, 8.5, bold=True, after=3)]
    if card.reason:
        shown.append(paragraph(card.reason, 8, SOFT))
    if card.rows:
        shown.append(_table(card.rows, width))
    if card.strip:
        shown.append(paragraph(card.strip.title, 8, bold=True, before=3, after=2))
        shown.append(Figure(drawings.strip(card.strip), min(width, 100 * mm)))
        shown.append(paragraph(card.strip.told, 7.5, SOFT, before=2))
    shown += [paragraph(text, 7.5, SOFT, before=2) for text in (*(row.told for row in card.rows), *card.notes) if text]
    if found["tiles"]:
        keys = [key_to(color, title) for title, color in found["keys"]]
        keys += [key_to(necrosis_color, "necrosis by the networks")] * found["compared"]
        keys += [key_to("#ffaa00", "where the system looked")] * found["attention"]
        shown += [_sheet(found["tiles"], necrosis_color, width)]
        shown += [paragraph(" &nbsp; ".join(keys), 7.5, SOFT, markup=True, before=3)]
        if len(found["tiles"]) < found["count"]:
            text = f"{len(found['tiles'])} of {found['count']} slices; all of them are in report.json."
            shown.append(paragraph(text, 7.5, SOFT))
    return shown


def _table(rows: Iterable[Any], width: float) -> Flowable:
    rows = list(rows)
    compared = any(row.networks for row in rows)
    cells = [["", "Networks", "This system"]] if compared else []
    cells += [[row.title, row.networks or "–", row.value] if compared else [row.title, row.value] for row in rows]
    borderline = [False] * compared + [row.borderline for row in rows]
    parts = (0.4, 0.3, 0.3) if compared else (0.5, 0.5)

    def cell(text: str, line: int, column: int) -> Flowable:
        last = column == len(parts) - 1
        if last and borderline[line]:
            return paragraph(f"{text} · borderline", 7.5, WARN)
        return paragraph(text, 7.5, SOFT if column == 0 or (compared and line == 0) else INK)

    return Table(
        [[cell(text, line, column) for column, text in enumerate(row)] for line, row in enumerate(cells)],
        colWidths=[part * width for part in parts],
        style=[*_PLAIN, ("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(LINE))],
    )


def _sheet(tiles: tuple[FindingTile, ...], other: str, width: float) -> Flowable:
    columns = max(4, int(width // (24 * mm))) if len(tiles) > 1 else 1
    wide = (width / columns if columns > 1 else min(width, 80 * mm)) - 3
    drawn = [Figure(drawings.finding_tile(tile, other), wide) for tile in tiles]
    rows: list[list[Any]] = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    rows = [row + [[]] * (columns - len(row)) for row in rows]
    padding = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP")]
    style = [FONT, *padding, ("BOTTOMPADDING", (0, 0), (-1, -1), 3)]
    return Table(rows, colWidths=[width / columns] * columns, style=style)
