"""The systems on the panel: chosen by check boxes, kept, and their findings beside the networks' grades."""

from dataclasses import replace

import pytest
from module_parts import add_study, analysed

from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.table import open_table
from ONFHAssistLib.systems import chosen
from ONFHAssistLib.systems.base import Case, Models
from Testing import toy_system


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Before the panel is built: it knows of the system then."""
    toy_system.install(tmp_path / "toy", monkeypatch)


def kept():
    from ONFHAssistLib.desktop.settings import read_settings  # where ctk is there

    return read_settings().systems


def boxes(widget):
    return widget.panel._systems._boxes


def test_what_is_chosen_is_shown_before_there_is_a_study(toy, widget):
    assert [name for name, box in boxes(widget).items() if box.checked] == ["networks"]


def test_a_system_is_chosen_kept_and_asked_for(toy, host, widget, worker):
    assert list(boxes(widget)) == ["networks", "steinberg-t1", "toy"]
    add_study(host)
    host.click(boxes(widget)["toy"])
    assert kept() == ("networks", "toy")
    host.click(boxes(widget)["networks"])
    host.click(boxes(widget)["toy"])  # the last one stays
    assert kept() == ("toy",) and boxes(widget)["toy"].checked
    host.click(widget.ui.analyseButton)
    assert worker.asked[-1][1].systems == ("toy",)


def test_what_a_system_asks_of_the_patient_is_given_to_it_and_to_no_other_study(toy, host, widget, worker):
    add_study(host)
    field = widget.panel._systems._fields["age"]
    assert not field.visible
    host.click(boxes(widget)["toy"])
    assert field.visible and "18 to 110, or empty" in field.placeholderText
    host.type(field, "old\r")
    assert "'old' is no number" in widget.ui.statusLabel.text and widget.panel.session.patient == {}
    host.type(field, "200\r")
    assert boxes(widget)["toy"].text.endswith("⚠") and "takes 18 to 110" in boxes(widget)["toy"].toolTip
    host.type(field, "52\r")
    host.click(widget.ui.analyseButton)
    assert worker.asked[-1][1].patient == {"age": 52.0} and not boxes(widget)["toy"].text.endswith("⚠")
    widget.panel._systems.show(None)
    assert field.text == "" and widget.panel.session.patient == {}


def test_what_cannot_read_the_study_says_why(toy, host, widget):
    add_study(host)
    box = boxes(widget)["steinberg-t1"]
    host.click(box)
    assert box.text.endswith("⚠") and "reads axial T1 images" in box.toolTip
    assert "Whatever is square" in boxes(widget)["toy"].toolTip


def test_its_findings_stand_below_the_grades_of_the_hip(toy, host, widget, worker):
    node, result = add_study(host)
    (system,) = chosen(("toy",))
    tables = {"toy_risk": open_table(load_bundle("toy_risk"))}
    study = widget.panel._look.study
    found = system.run(Case(study), Models({}, tables), (), lambda fraction, stage: None)
    analysed(host, widget, worker, node, replace(result, findings=found))
    right, left = (getattr(widget.ui, f"{side}Details").toPlainText() for side in ("right", "left"))
    for text in ("A toy system", "Toy stage: III", "Side of the square: 20.0 mm", "It is a square."):
        assert text in right and (text == "A toy system" or text not in left)
    assert "Probability of collapse: 62.2 %" in right and "Probability of collapse: 62.2 %" in left


def test_what_stands_beside_a_value_does_not_run_into_it(host):
    from ONFHAssistLib.desktop.cards import details
    from ONFHAssistLib.exchange.finding_words import FindingCard, FindingRow
    from ONFHAssistLib.reviewer.cards import GradeLine, HipCard

    line = GradeLine("JIC class", "C2", borderline=False, told="", automatic="C1")
    row = FindingRow("Head", "33.7 ml", networks="33.1 ml")
    found = FindingCard("A system", "Left hip", "", (row, FindingRow("Stage", "III")), ())
    card = HipCard("left", "Left hip", "", graded=True, lines=(line,), findings=(found,))
    text = details(card).replace("<b>", "").replace("</b>", "")
    assert "JIC class: C2 · automatic: C1<" in text
    assert "Head: 33.7 ml · networks: 33.1 ml<" in text and "Stage: III<" in text
