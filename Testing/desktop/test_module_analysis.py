"""One button: analyse, cancel, and what the panel says when it does not go well."""

import re

import pytest
from module_parts import MODULE, ToldWorker, add_study, analysed, made, misbehaving

from ONFHAssistLib.core.errors import InputError


def test_analyse_shows_stage_and_progress_then_the_hips(host, widget, worker):
    _, result = add_study(host)
    host.click(widget.ui.analyseButton)
    assert widget.ui.analyseButton.text == "Cancel"
    worker.progress(0.4, "Segmenting the right hip")
    host.wait_for(lambda: widget.ui.statusLabel.text == "Segmenting the right hip")
    assert widget.ui.progressBar.visible
    assert widget.ui.progressBar.value == 40
    worker.finish(result)
    host.wait_for(lambda: widget.panel.review() is not None)
    assert widget.ui.analyseButton.text == "Analyse"
    assert not widget.ui.progressBar.visible
    for side in ("right", "left"):
        host.wait_for(lambda side=side: " %" in getattr(widget.ui, f"{side}Card").text)
        shown = re.search(r"([\d.]+) %", getattr(widget.ui, f"{side}Card").text)
        assert float(shown[1]) == pytest.approx(100 * made.ratio(side), abs=1.5)


def test_cancel_ends_it_and_leaves_nothing_behind(host, widget, worker):
    add_study(host)
    before = host.scene.GetNumberOfNodes()
    host.click(widget.ui.analyseButton)
    host.click(widget.ui.analyseButton)
    assert not widget.ui.analyseButton.enabled  # a second click has nothing to do
    host.wait_for(lambda: widget.ui.analyseButton.text == "Analyse", 1.0, "the end of the cancelled analysis")
    assert "Cancelled" in widget.ui.statusLabel.text
    assert host.scene.GetNumberOfNodes() == before
    assert widget.panel.review() is None


def test_a_result_that_comes_with_the_cancel_is_dropped(host, widget, worker):
    _, result = add_study(host)
    host.click(widget.ui.analyseButton)
    worker.finish(result)
    host.click(widget.ui.analyseButton)
    host.wait_for(lambda: widget.ui.analyseButton.text == "Analyse")
    assert widget.panel.review() is None


def test_a_failure_is_one_sentence_and_the_next_analysis_works(host, widget, worker):
    node, result = add_study(host)
    host.click(widget.ui.analyseButton)
    worker.fail("No femoral head was found in this image; give an image of the hip.")
    host.wait_for(lambda: "No femoral head" in widget.ui.statusLabel.text)
    assert widget.ui.statusLabel.text.startswith("⚠")
    analysed(host, widget, worker, node, result)
    assert not widget.ui.statusLabel.visible


@pytest.mark.parametrize(("behaviour", "sentence"), [("killed", "memory ran out"), ("no memory", "memory")])
def test_a_worker_that_dies_is_told_in_a_sentence(host, monkeypatch, behaviour, sentence):

    from ONFHAssistLib.desktop import session

    worker = misbehaving(behaviour)
    monkeypatch.setattr(session, "slicer_worker", lambda: worker)
    widget = host.load(MODULE)
    add_study(host)
    host.click(widget.ui.analyseButton)
    host.wait_for(lambda: widget.ui.statusLabel.text.startswith("⚠"), 30)
    assert sentence in widget.ui.statusLabel.text
    assert "Traceback" not in widget.ui.statusLabel.text
    assert widget.ui.analyseButton.text == "Analyse"


def test_a_second_analysis_is_refused_with_a_sentence(host, widget, worker):
    node, _ = add_study(host)
    host.click(widget.ui.analyseButton)
    with pytest.raises(InputError, match="An analysis is running"):
        widget.logic.session.analyse(node)
    assert len(worker.asked) == 1


def test_the_scene_is_closed_in_mid_run(host, widget, worker):
    _, result = add_study(host)
    host.click(widget.ui.analyseButton)
    host.close_scene()
    worker.finish(result)
    host.wait_for(lambda: widget.ui.analyseButton.text == "Analyse")
    assert widget.panel.review() is None
    assert "No volume is chosen" in widget.ui.studyLabel.text
    add_study(host)
    assert widget.ui.analyseButton.enabled


def test_the_volume_is_deleted_in_mid_run(host, widget, worker):
    node, result = add_study(host)
    host.click(widget.ui.analyseButton)
    host.scene.RemoveNode(node)
    worker.finish(result)
    host.wait_for(lambda: widget.ui.analyseButton.text == "Analyse")
    assert "The volume was removed" in widget.ui.statusLabel.text
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_another_study_may_be_looked_at_meanwhile(host, widget, worker):
    first, result = add_study(host, name="First")
    add_study(host, name="Second")
    host.click(widget.ui.analyseButton)
    host.choose(widget.ui.volumeSelector, "Second")
    worker.finish(result)
    host.wait_for(lambda: "other study is done" in widget.ui.statusLabel.text)
    assert widget.panel.review() is None
    host.choose(widget.ui.volumeSelector, "First")
    assert widget.panel.review().volume_node is first


@pytest.mark.parametrize(("answer", "sentence"), [("decline", "did not want"), ("fail", "could not be installed")])
def test_missing_packages_are_asked_for_and_a_refusal_is_told(host, widget, worker, monkeypatch, answer, sentence):
    from ONFHAssistLib.desktop import install

    monkeypatch.setattr(install, "installed_version", lambda name: None)
    host.packaging.missing, host.packaging.answer = ["openvino"], answer
    add_study(host)
    host.click(widget.ui.analyseButton)
    assert sentence in widget.ui.statusLabel.text
    assert worker.asked == []
    assert widget.ui.analyseButton.text == "Analyse"


def test_analysing_again_asks_before_corrections_are_replaced(host, widget, worker, review):
    review.set_sphere("left", made.Sphere(review.hip("left").sphere.centre_ras_mm, 20.0))
    host.dialogs.expect("replaced by a new automatic result", "Cancel")
    host.click(widget.ui.analyseButton)
    assert len(worker.asked) == 1


def test_closing_the_module_ends_the_worker(host, widget, worker):
    widget.cleanup()
    assert worker.closed
    assert isinstance(worker, ToldWorker)
