"""The report as a PDF: what it says and shows, on pages that can be printed."""

import io
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

pytest.importorskip("reportlab")
pypdf = pytest.importorskip("pypdf")

from ONFHAssistLib.core.results import HipResult, Notice  # noqa: E402
from ONFHAssistLib.core.study import StudyResult  # noqa: E402
from ONFHAssistLib.exchange.page import content, report_html  # noqa: E402
from ONFHAssistLib.exchange.pdf import report_pdf  # noqa: E402
from ONFHAssistLib.exchange.write import write_study  # noqa: E402
from Testing.exchange.made_up_study import PATIENT, coronal_grid, make_study  # noqa: E402


def opened(result: StudyResult, identify: bool = False):
    return pypdf.PdfReader(io.BytesIO(report_pdf(result, identify)))


def words(result: StudyResult, identify: bool = False) -> str:
    """All text, with single spaces."""
    return " ".join(" ".join(page.extract_text() for page in opened(result, identify).pages).split())


@pytest.fixture(scope="module")
def text(doubtful) -> str:
    return words(doubtful)


def test_every_grade_is_there_with_its_rule_and_margin(doubtful, text):
    rows = [row for hip in content(doubtful)["hips"] for row in hip["rows"]]
    assert len(rows) >= 6
    for row in rows:
        for part in (row.title, row.grade or "–", row.rule, row.margin[1:], *row.notes):
            assert " ".join(part.split()) in text


def test_what_the_page_shows_is_in_the_pdf_too(doubtful, text):
    shown = content(doubtful)
    facts = [fact for group in (shown["facts"], *shown["models"]) for fact in group]
    for part in (shown["headline"], *(value for _, value in facts), *(notice.message for notice in shown["warnings"])):
        assert " ".join(part.split()) in text
    for title in (
        "Mid-coronal slice",
        "Where the lesion lies",
        "Necrotic share along the slices",
        "Slices",
        "Image and models",
    ):
        assert title in text


def test_page_and_pdf_explain_interval_and_bars_in_the_same_words(doubtful, text):
    page = " ".join(re.sub("<[^>]*>", " ", unescape(report_html(doubtful))).split())
    interval = re.search(r"Interval: .*?\.", page)[0]
    assert "set so that the true ratio of 90 %" in interval and interval in text
    for report in (page, text.replace("— ", "")):
        assert "Bar: Steinberg class mild moderate severe" in report


def test_signs_of_the_rules_are_readable(text):
    for sign in ("°", "×", "≥", "·", "–"):
        assert sign in text
    assert "■" not in text and "\ufffd" not in text


def test_each_page_says_that_it_is_for_research(study):
    pages = opened(study).pages
    assert len(pages) >= 2
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert "For research use only." in text
        assert f"{number} of {len(pages)}" in text


def test_two_hips_fit_on_three_pages(doubtful):
    assert len(opened(doubtful).pages) == 3


def test_nothing_names_the_patient_unless_asked(study):
    raw = report_pdf(study)
    everything = raw.decode("latin-1") + words(study) + str(opened(study).metadata)
    assert not any(value in everything for value in PATIENT.values())
    pages = opened(study, identify=True).pages
    assert all(value in page.extract_text() for value in PATIENT.values() for page in pages)


def test_a_patient_with_a_name_in_other_letters_is_named(study):
    named = replace(study, patient={"name": "山田^太郎", "id": "4711"})
    assert "山田^太郎, 4711" in words(named, identify=True)


def test_the_same_study_gives_the_same_bytes_without_a_time(study):
    assert report_pdf(study) == report_pdf(study)
    assert opened(study).metadata.creation_date.year == 2000


def test_each_slice_of_the_contact_sheet_is_drawn(study):
    drawn = sum(len(page.images) for page in opened(study).pages)
    shown = content(study)["hips"]
    coronal, polar = 2, 2
    assert len({tile.picture.image.tobytes() for hip in shown for tile in hip["tiles"]}) + coronal + polar == drawn


def test_every_font_that_is_used_is_in_the_file(study):
    for page in opened(study).pages:
        used = set(re.findall(r"/(\S+) [\d.]+ Tf", page.get_contents().get_data().decode("latin-1")))
        assert len(used) >= 2
        for name in used:
            font = page["/Resources"]["/Font"][f"/{name}"].get_object()
            assert "/FontFile2" in font["/FontDescriptor"].get_object()


def test_a_hip_that_was_not_graded_says_why(study):
    missed = HipResult("right", "not graded", "No femoral head was found in the image.")
    text = words(replace(study, hips=(missed, study.hips[1]), masks=study.masks[1:]))
    assert "Not graded No femoral head was found in the image." in text


def test_one_hip_alone_has_its_report(study):
    assert "Left hip" not in words(replace(study, hips=study.hips[:1], masks=study.masks[:1]))


def test_a_warning_that_forbids_grading_stands_above_the_grades(study):
    text = words(replace(study, warnings=(Notice("modality-unknown", "Nobody knows."),)))
    assert text.index("Nobody knows.") < text.index("Right hip")
    assert words(study).index("Right hip") < words(study).index(study.warnings[0].message)


def test_many_warnings_and_long_reasons_run_on_to_further_pages(study):
    warnings = tuple(Notice("code", f"Warning number {n}: {'long ' * 40}") for n in range(60))
    reason = "Because of this and that. " * 400
    missed = HipResult("right", "not graded", reason)
    text = words(replace(study, warnings=warnings, hips=(missed, study.hips[1]), masks=study.masks[1:]))
    assert "Warning number 0:" in text and "Warning number 59:" in text
    assert text.count("Because of this and that.") == 400


def test_text_of_the_input_is_no_markup(study):
    text = words(replace(study, warnings=(Notice("code", "a < b & <b>c</b> > d"),)))
    assert "a < b & <b>c</b> > d" in text


def test_oblique_and_mirrored_images_have_their_pictures():
    turned = make_study(coronal_grid(turn_deg=12.0, mirror=True))
    assert len(opened(turned).pages) == 3


def test_the_pictures_are_those_of_the_image(study):
    """The largest picture is the enlarged mid-coronal slice: bright marrow around the middle, noise at the corners."""
    pictures = [image.image for page in opened(study).pages for image in page.images]
    largest = np.array(max((p for p in pictures if p.mode == "L"), key=lambda p: p.size[0] * p.size[1]), float)
    rows, columns = largest.shape
    middle = largest[int(0.55 * rows) : int(0.65 * rows), int(0.45 * columns) : int(0.55 * columns)]
    assert middle.mean() > 3 * largest[: rows // 12, : columns // 12].mean()


def test_the_pdf_lies_beside_the_page_and_does_not_outlive_its_study(study, tmp_path):
    write_study(study, tmp_path / "out", pdf=True)
    assert (tmp_path / "out" / "report.pdf").read_bytes() == report_pdf(study)
    write_study(study, tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists()
    assert not (tmp_path / "out" / "report.pdf").exists()


def test_without_reportlab_there_is_one_sentence(study, monkeypatch):
    import sys

    from ONFHAssistLib.core.errors import InputError

    for name in [
        name
        for name in sys.modules
        if name.startswith(("reportlab", "ONFHAssistLib.exchange.pdf_", "ONFHAssistLib.exchange.draw_pdf"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "reportlab", None)
    with pytest.raises(InputError, match=r"needs reportlab, which is not installed; install it"):
        report_pdf(study)


def test_the_columns_of_image_and_models_are_about_equally_high():
    from reportlab.platypus import Spacer

    from ONFHAssistLib.exchange.pdf_pages import _columns

    cells = [[Spacer(0, height)] for height in (95, 104, 113, 112, 167)]
    heights = [[part.height for part in column[::2]] for column in _columns(cells, 200)]
    assert heights == [[95, 104], [113, 112], [167]]
    assert _columns(cells[:1], 200).count([]) == 2
