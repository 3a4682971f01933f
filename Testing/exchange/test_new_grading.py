"""A grading that is added by one entry and one function is found everywhere, without another file being touched.

The panel and the page are looked at in Testing/desktop/test_module_review.py and Testing/web/test_page_systems.py.
"""

import json

import jsonschema
import pytest
from made_up_study import make_study
from pypdf import PdfReader

from ONFHAssistLib import cli_shown
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.exchange.write import write_study
from Testing import toy_grading

SCHEMA = json.loads(resource_path("Schemas", "onfh-assist-report-1.schema.json").read_text(encoding="utf-8"))


def test_report_page_pdf_and_table_show_it(tmp_path, monkeypatch, capsys):
    toy_grading.install(monkeypatch)
    study = make_study()
    page = write_study(study, tmp_path / "out", pdf=True)
    report = json.loads(page.with_name("report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, SCHEMA)
    right, left = (hip["grades"]["halves"] for hip in report["hips"])
    assert (right["grade"], right["unit"], right["borderline"]) == ("small half", "fraction of the toy", True)
    assert left["grade"] is None and left["reason"] == "Without ONFH: there is no lesion to class."
    monkeypatch.setenv("COLUMNS", "200")
    cli_shown.print_result(study, page)
    printed = capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    pdf = " ".join(" ".join(one.extract_text() for one in PdfReader(page.with_name("report.pdf")).pages).split())
    for text in ("Toy halves", "small half", "By halves: small half"):
        assert text in html and text in pdf and text in printed
    margin = f"{100 * right['margin']:.1f} toy points from the nearest threshold"
    for text in (margin, "Toy halves: Nobody, J Toys 2026;1:1.", "or 45 % of the toy (Halves) of a threshold"):
        assert text.lower() in html.lower() and text.lower() in pdf.lower()


@pytest.mark.parametrize("name", GRADINGS)
def test_the_schema_lists_the_classes_of_the_entries(name):
    hips = SCHEMA["$defs"]["hip"]["properties"]["grades"]["properties"]
    described = hips[name]["properties"]["grade"]
    if name == "steinberg":
        described = SCHEMA["$defs"]["extent"]
    allowed = described.get("enum", [described.get("type")])
    assert set(allowed) - {None, "null"} == set(GRADINGS[name].classes)
