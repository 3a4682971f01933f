"""The systems on the panel: chosen by check boxes, kept, and their findings beside the networks' grades."""

import re
from dataclasses import replace

import numpy as np
import pytest
from module_parts import add_study, analysed
from PySide6 import QtCore

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.table import open_table
from ONFHAssistLib.scene.attention import highest_place
from ONFHAssistLib.scene.in_view import COMPOSITE, nodes_of
from ONFHAssistLib.systems import at_hand, chosen
from ONFHAssistLib.systems.base import Case, Models
from Testing import toy_system
from Testing.made_up_strip import made_up_strip


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
    assert list(boxes(widget)) == list(at_hand()) and "toy" in boxes(widget)
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


@pytest.fixture
def found(toy, host, widget, worker):
    """A study under review, with what the system has found of it."""
    node, result = add_study(host)
    (system,) = chosen(("toy",))
    tables = {"toy_risk": open_table(load_bundle("toy_risk"))}
    study = widget.panel._look.study
    findings = system.run(Case(study), Models({}, tables), (), lambda fraction, stage: None)
    return analysed(host, widget, worker, node, replace(result, findings=findings))


def maps_in(host):
    """How many maps lie over the views that show a volume."""
    composites = [node for node in nodes_of(host.scene, COMPOSITE) if node.GetBackgroundVolumeID()]
    return {node.GetNumberOfAdditionalLayers() for node in composites}


def follow_link(host, widget, side, words):
    """Click on words in the text of a card."""
    browser = getattr(widget.ui, f"{side}Details")
    (link,) = re.findall(f'<a href="([^"]+)"><span[^>]*>[^<]*{words}', browser.toHtml())
    browser.anchorClicked.emit(QtCore.QUrl(link))
    host.spin()


def test_where_it_looked_is_switched_on_at_its_finding_and_off_again(toy, host, widget, found):
    right = widget.ui.rightDetails
    host.click(widget.ui.rightCard)
    assert right.toPlainText().count("☐ Show where it looked") == 1 and maps_in(host) == {0}
    assert "Show where" not in widget.ui.leftDetails.toPlainText()
    follow_link(host, widget, "right", "Show where it looked")
    assert "☑ Show where it looked" in right.toPlainText() and maps_in(host) == {1}
    place = np.array(highest_place(found.findings("right")[0].attention))
    assert widget.panel._slice_in_view() == round(float(found.result.volume.ijk(place)[2]))
    host.click(widget.ui.leftCard)
    host.click(widget.ui.rightCard)
    assert "☑ Show where it looked" in right.toPlainText() and maps_in(host) == {1}
    assert not found.can_undo and not found.unsaved
    follow_link(host, widget, "right", "Show where it looked")
    assert "☐ Show where it looked" in right.toPlainText() and maps_in(host) == {0}


def test_where_it_looked_goes_with_the_study_and_with_the_finding(toy, host, widget, worker, found):
    host.click(widget.ui.rightCard)
    follow_link(host, widget, "right", "Show where it looked")
    assert maps_in(host) == {1}
    add_study(host, name="Another")
    host.choose(widget.ui.volumeSelector, "Another")
    assert maps_in(host) == {0}
    host.choose(widget.ui.volumeSelector, "Image")
    follow_link(host, widget, "right", "Show where it looked")
    assert maps_in(host) == {1}
    analysed(host, widget, worker, found.volume_node, replace(found.result, findings=()))
    assert maps_in(host) == {0}


def test_its_findings_stand_below_the_grades_of_the_hip(toy, widget, found):
    right, left = (getattr(widget.ui, f"{side}Details").toPlainText() for side in ("right", "left"))
    for text in ("A toy system", "Toy stage: III", "Side of the square: 20.0 mm", "It is a square."):
        assert text in right and (text == "A toy system" or text not in left)
    assert "Probability of collapse: 62.2 %" in right and "Probability of collapse: 62.2 %" in left


def test_a_click_on_a_bar_of_a_strip_and_on_its_names_goes_there(host, widget, worker):
    import qt
    import slicer

    from ONFHAssistLib.desktop.cards import details
    from ONFHAssistLib.reviewer.cards import hip_card
    from ONFHAssistLib.scene.views import current_slice

    node, result = add_study(host)
    sphere = next(hip.sphere for hip in result.hips if hip.side == "left")
    x, y, z = sphere.centre_ras_mm
    strip = made_up_strip(front=(x, y + 9, z))
    analysed(host, widget, worker, node, replace(result, findings=(Finding("toy", "A toy", "left", strip=strip),)))
    browser = widget.ui.leftDetails
    text = browser.toPlainText()
    assert "Probability of necrosis on each slice, anterior → posterior" in text and "4 of 8 slices at or above" in text
    links = re.findall(r'href="(place:[^"]+)"', details(hip_card(widget.panel.review(), "left")))
    assert len(links) == len(strip.slices) + 2  # a bar for each slice; the first positive, and the highest one
    at = [strip.slices[n] for n in (*range(8), 2, 3)]
    for link, slice_ in zip(links, at, strict=True):
        browser.anchorClicked(qt.QUrl(link))
        nearest = int(np.rint(result.volume.ijk(np.array(slice_.position_ras_mm))[2]))
        assert current_slice(slicer.mrmlScene, node) == nearest


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
