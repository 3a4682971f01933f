"""The probability on each slice, in every file of the report."""

import csv
import dataclasses
import io
import json

import jsonschema
import numpy as np
import pytest
from pypdf import PdfReader

from ONFHAssistLib.core.findings import Finding, Strip
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.exchange import drawings
from ONFHAssistLib.exchange.page import report_html
from ONFHAssistLib.exchange.pdf import report_pdf
from ONFHAssistLib.exchange.shapes import Lines, Text
from ONFHAssistLib.exchange.strips import colour, strip_card
from ONFHAssistLib.exchange.tables import PROBABILITY_COLUMNS, probabilities_csv, report, report_json
from ONFHAssistLib.exchange.write import write_study
from Testing.made_up_strip import PROBABILITIES, THRESHOLD, made_up_strip

TOLD = "4 of 8 slices at or above the threshold of 40 %; first: slice 7 (40 %); highest: slice 8 (95 %)."


def told(study, strip: Strip):
    found = Finding("toy", "A toy", "left", strip=strip)
    return dataclasses.replace(study, findings=(found, Finding("toy", "A toy", "patient", notes=("A note.",))))


def test_report_json_and_its_table_hold_every_slice(study, tmp_path):
    result = told(study, made_up_strip(first_index=5))
    schema = json.loads(resource_path("Schemas", "onfh-assist-report-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(report_json(result)), schema)
    strip, nothing = (found["strip"] for found in report(result)["findings"])
    assert nothing is None and (strip["of"], strip["threshold"]) == ("necrosis", THRESHOLD)
    assert [s["probability"] for s in strip["slices"]] == list(PROBABILITIES)
    rows = list(csv.DictReader(io.StringIO(probabilities_csv(result))))
    assert tuple(rows[0]) == PROBABILITY_COLUMNS and [int(row["slice"]) for row in rows] == list(range(5, 13))
    assert [float(row["probability"]) for row in rows] == list(PROBABILITIES)
    assert [float(row["position_a_mm"]) for row in rows] == [20.0 - 3 * n for n in range(8)]
    assert {(row["system"], row["about"], row["of"]) for row in rows} == {("toy", "left", "necrosis")}
    reformatted = csv.DictReader(io.StringIO(probabilities_csv(told(study, made_up_strip()))))
    assert {row["slice"] for row in reformatted} == {""}


def test_the_table_is_there_only_where_it_has_rows_and_an_older_one_goes(study, tmp_path):
    write_study(told(study, made_up_strip()), tmp_path)
    assert (tmp_path / "slice_probabilities.csv").is_file()
    write_study(study, tmp_path)
    assert not (tmp_path / "slice_probabilities.csv").exists() and (tmp_path / "slices.csv").is_file()


def test_page_and_pdf_tell_it_in_words_too(study, tmp_path):
    result = told(study, made_up_strip(first_index=5))
    page = report_html(result)
    assert page.count(TOLD) == 2 and "Probability of necrosis on each slice" in page  # shown, and told of the drawing
    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(result))
    text = " ".join(" ".join(one.extract_text() for one in PdfReader(path).pages).split())
    for words in (TOLD, "from 40 %", "anterior", "posterior", "first", "highest"):
        assert words in text


def test_a_reformatted_slice_is_named_by_its_place():
    card = strip_card(made_up_strip(front=(80.0, 4.0, -5.0)))
    assert [bar.told for bar in card.bars[:3]] == ["A 4 mm (2 %)", "A 1 mm (10 %)", "P 2 mm (40 %)"]
    assert {bar.index for bar in card.bars} == {None} and card.ends == ("anterior", "posterior")


def test_bars_are_as_high_as_probable_and_positive_from_the_threshold_on():
    """The third lies on the threshold: it is positive, and its bar ends at the line."""
    card = strip_card(made_up_strip())
    assert [bar.positive for bar in card.bars] == [False, False, True, True, True, True, False, False]
    assert (card.first, card.worst) == (2, 3)
    drawn = drawings.strip(card)
    bars = [shape for shape in drawn.shapes if isinstance(shape, Lines) and shape.fill in {b.colour for b in card.bars}]
    heights = [float(np.ptp(bar.parts[0][:, 1])) for bar in bars]
    assert heights[1:-1] == pytest.approx([70 * p for p in PROBABILITIES[1:-1]])
    assert 0 < heights[-1] < 2  # that a slice is there is seen at 0 %, too
    (line,) = (shape for shape in drawn.shapes if isinstance(shape, Lines) and shape.dash)
    assert line.parts[0][0, 1] == pytest.approx(bars[2].parts[0][:, 1].min())


def test_colours_change_at_the_threshold_and_differ_in_lightness_and_for_every_eye():
    """Blue below and orange above differ in the blue channel, which red-green blindness leaves as it is."""
    blue = [int(colour(p, THRESHOLD)[5:], 16) - int(colour(p, THRESHOLD)[1:3], 16) for p in (0, 0.2, 0.39, 0.4, 0.7, 1)]
    assert min(blue[:3]) > 30 and max(blue[3:]) < -100
    assert len({colour(p, THRESHOLD) for p in np.linspace(0, 1, 11)}) == 11


@pytest.mark.parametrize(
    ("probabilities", "marks"),
    [((0.1, 0.3, 0.2), ["highest"]), ((0.1, 0.9, 0.2), ["first and highest"]), ((0.5, 0.9, 0.2), ["first", "highest"])],
)
def test_the_bars_to_go_to_are_named_inside_of_the_drawing(probabilities, marks):
    strip = made_up_strip()
    slices = tuple(dataclasses.replace(s, probability=p) for s, p in zip(strip.slices, probabilities, strict=False))
    drawn = drawings.strip(strip_card(dataclasses.replace(strip, slices=slices)))
    names = [s for s in drawn.shapes if isinstance(s, Text) and s.text in {"first", "highest", "first and highest"}]
    assert [s.text for s in names] == marks
    for text in names:
        assert drawn.left + 30 < text.at[0] < drawn.left + drawn.width - 50


def test_one_slice_alone_is_a_strip_too():
    strip = made_up_strip()
    card = strip_card(dataclasses.replace(strip, slices=strip.slices[3:4]))
    assert card.told.startswith("1 of 1 slice at or above") and drawings.strip(card).shapes
