"""What the pages of the PDF are made of: paragraphs, boxes, columns, fonts. Needs reportlab."""

from html import escape
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.fonts import addMapping
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, Table

from ONFHAssistLib.exchange.draw_pdf import BOLD, TEXT
from ONFHAssistLib.exchange.drawings import INK, LINE

MARGIN = 14 * mm
WIDTH = A4[0] - 2 * MARGIN
GAP = 6 * mm
PAD = 3.5 * mm
FONT = ("FONTNAME", (0, 0), (-1, -1), TEXT)
"""Of a table's cells; reportlab's own would not be in the file."""
FRAME = 6
"""What reportlab adds to the margins, in points."""
WARN, WARN_PAPER, WARN_LINE, ACCENT = "#8a4b00", "#fff4de", "#efbf6c", "#14507f"


def column_width(hips: list[Any]) -> float:
    """The width of one hip's column."""
    return (WIDTH - GAP * (len(hips) - 1)) / max(1, len(hips))


def side_by_side(cells: list[Any], width: float) -> Flowable:
    """Put cells of this width beside each other, with a gap."""
    row: list[Any] = []
    widths: list[float] = []
    for cell in cells:
        row += [[], cell] if row else [cell]
        widths += [GAP, width] if widths else [width]
    return Table(
        [row],
        colWidths=widths,
        hAlign="LEFT",
        splitInRow=1,
        style=[
            FONT,
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")),
        ],
    )


def box(content: list[Flowable], width: float, line: str = LINE, paper: str = "#ffffff") -> Flowable:
    """Put content into a frame; too much of it runs on to the next page."""
    return Table(
        [[content]],
        colWidths=[width],
        hAlign="LEFT",
        splitInRow=1,
        cornerRadii=[5, 5, 5, 5],
        style=[
            FONT,
            ("BOX", (0, 0), (-1, -1), 0.7, HexColor(line)),
            ("BACKGROUND", (0, 0), (-1, -1), HexColor(paper)),
            ("LEFTPADDING", (0, 0), (-1, -1), PAD),
            ("RIGHTPADDING", (0, 0), (-1, -1), PAD),
            ("TOPPADDING", (0, 0), (-1, -1), 0.7 * PAD),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0.8 * PAD),
        ],
    )


def heading(title: str) -> Flowable:
    """Return the heading of a section."""
    return paragraph(title, 11, bold=True, before=2, after=5)


def key_to(colour: str, meaning: str) -> str:
    """A piece of the legend: a stroke of the colour and what it means."""
    return f'<font color="{colour}" name="{BOLD}" size="9">—</font> {escape(meaning)}'


def paragraph(
    text: str,
    size: float,
    colour: str = INK,
    bold: bool = False,
    centred: bool = False,
    before: float = 0,
    after: float = 0,
    markup: bool = False,
    font: str = "",
) -> Paragraph:
    """Return a paragraph; sizes and spaces in points; ``markup``: the text is reportlab's own, otherwise plain."""
    style = ParagraphStyle(
        "", fontName=font or (BOLD if bold else TEXT), fontSize=size, leading=1.32 * size, textColor=HexColor(colour),
        alignment=1 if centred else 0, spaceBefore=before, spaceAfter=after, splitLongWords=1,
    )  # fmt: skip
    return Paragraph(text if markup else escape(text), style)


def register_fonts() -> None:
    """Bitstream Vera comes with reportlab; it has °, ², ≤, −, ×. Known to reportlab, it is not read again."""
    if TEXT in pdfmetrics.getRegisteredFontNames():
        return
    pdfmetrics.registerFont(TTFont(TEXT, "Vera.ttf"))
    pdfmetrics.registerFont(TTFont(BOLD, "VeraBd.ttf"))
    for italic in (0, 1):
        addMapping(TEXT, 0, italic, TEXT)
        addMapping(TEXT, 1, italic, BOLD)


def font_of(text: str) -> str:
    """Return a font that can write a patient's name; one for East Asian letters comes from the reader's machine."""
    known = pdfmetrics.getFont(TEXT).face.charToGlyph
    if all(ord(letter) in known for letter in text):
        return TEXT
    name = "STSong-Light"
    if any("\uac00" <= letter <= "\ud7a3" for letter in text):
        name = "HYSMyeongJo-Medium"
    elif any("\u3040" <= letter <= "\u30ff" for letter in text):
        name = "HeiseiKakuGo-W5"
    if name not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name
