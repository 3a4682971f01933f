"""What both reviewers say and let a reader do, against a study whose numbers are known; no window."""

from dataclasses import replace

import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import Figure, Finding
from ONFHAssistLib.core.geometry import SIDES, HeadSeed
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.overview import Overview
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.reviewer.analysing import Chosen, ask_for, replaces_corrections, take_result
from ONFHAssistLib.reviewer.cards import hip_card, hip_to_begin_with
from ONFHAssistLib.reviewer.cases import case_card, case_lines, next_case
from ONFHAssistLib.reviewer.edits import set_radius
from ONFHAssistLib.reviewer.follow_up import changes
from ONFHAssistLib.reviewer.run import CANCELLED, Phase, Run
from ONFHAssistLib.reviewer.signing import Signature, note_saved, saved_in_words, sign
from ONFHAssistLib.reviewer.slices import reviewed_line, slice_lines
from ONFHAssistLib.reviewer.study import study_line
from ONFHAssistLib.systems import OWN
from ONFHAssistLib.worker.client import Failed, Finished, Progress, Stopped
from Testing.made_up_strip import made_up_strip

BOTH = dict.fromkeys(SIDES, "approved")


@pytest.fixture
def review(scene):
    """A review of the made-up study: a lesion of a quarter of the right head, a small one in the left."""
    from review_parts import add_volume, made_up

    from ONFHAssistLib.scene.review import Review

    result = made_up()
    return Review.begin(scene, add_volume(scene, result.volume), result)


def without_necrosis(review, side="right"):
    """Let the reader erase all necrosis of a hip."""
    masks = review.masks(side)
    review.take_over(side, replace(masks, necrosis=masks.necrosis.like(np.zeros_like(masks.necrosis.array))), "nobody")


def test_a_card_has_the_true_ratio_and_after_a_correction_what_the_networks_had(review):
    from review_parts import ratio

    before = hip_card(review, "right")
    assert before.graded and before.title == "Right hip" and before.automatic == ""
    assert f"{100 * ratio('right'):.0f}" in before.headline
    assert any(line.title == "JIC class" for line in before.lines) and before.others.startswith("JIC")
    without_necrosis(review)
    now = hip_card(review, "right")
    assert now.headline.startswith("Without ONFH") and now.automatic == f"automatic: {before.headline}"
    assert {line.title for line in now.lines if line.automatic} >= {"Steinberg extent"}
    assert hip_card(review, "left").automatic == ""
    assert hip_card(None, "left").headline == "not analysed"


def test_a_finding_about_the_patient_says_so_on_the_card_of_a_hip(review):
    found = (
        Finding("toy", "A system", "left", figures=(Figure("n", 0.5, "Share", "fraction"),), notes=("A note.",)),
        Finding("toy", "A system", "patient", reason="no age is given"),
    )
    review = take_result(review.scene, review.volume_node, review, replace(review.result, findings=found))
    of_hip, of_patient = hip_card(review, "left").findings
    assert (of_hip.heading, of_hip.sentences) == ("A system", ("A note.",))
    assert (of_patient.heading, of_patient.sentences) == ("A system (Patient)", ("no age is given",))


def test_the_card_of_a_hip_has_the_strip_of_its_slices_with_places_to_go_to(review):
    strip = made_up_strip(first_index=4)
    found = (Finding("toy", "A system", "left", strip=strip),)
    review = take_result(review.scene, review.volume_node, review, replace(review.result, findings=found))
    assert hip_card(review, "right").findings == ()
    (card,) = hip_card(review, "left").findings
    assert [bar.at for bar in card.strip.bars] == [s.position_ras_mm for s in strip.slices]
    assert (card.strip.first, card.strip.worst) == (2, 3) and "4 of 8 slices" in card.strip.told


def test_a_reader_begins_with_the_hip_that_has_more_necrosis(review):
    assert hip_to_begin_with(review) == "right"
    without_necrosis(review)
    assert hip_to_begin_with(review) == "left"


def test_the_slices_stand_in_the_order_of_the_body_with_what_was_erased(review):
    lines = slice_lines(review, "right")
    places = {s.index: s.position_ras_mm[1] for s in review.hip("right").slices}
    along = [places[line.index] for line in lines]
    assert along == sorted(along) and len(lines) > 3, "coronal slices, from posterior to anterior"
    assert not any(line.was for line in lines)
    without_necrosis(review)
    was = {line.index: line.was for line in slice_lines(review, "right")}
    assert {index for index, ratio in was.items() if ratio} == {line.index for line in lines if line.ratio != "0.0 %"}
    assert reviewed_line(review, "right").startswith("All slices count")
    review.turn_reviewed("right", lines[0].index)
    assert reviewed_line(review, "right").startswith(f"1 of {len(lines)} slices")


def test_the_line_of_a_study_tells_the_hips_that_were_found(review):
    study = Study(review.result.volume, review.result.source)
    assert study_line(study).endswith(" mm).") and study_line(study, review).endswith("both hips in view.")


def test_an_analysis_looks_for_both_hips_until_there_is_a_review(review):
    seed = HeadSeed("left", (-86.0, 9.0, -21.0))
    chosen = Chosen(engine="torch").with_systems(["nonsense", OWN])
    first = ask_for(chosen, None, seed)
    assert (first.sides, first.heads, first.engine, first.systems) == (SIDES, (seed,), "torch", (OWN,))
    assert ask_for(chosen, review, seed).sides == ("left",) and ask_for(chosen, review).sides == SIDES
    review.renew(OpenCase("/data", "p1_L", "left"))
    assert ask_for(chosen, review).sides == ("left",)
    with pytest.raises(InputError, match="left hip only"):
        ask_for(chosen, review, replace(seed, side="right"))


def test_a_result_that_does_not_fit_the_volume_any_more_leaves_the_review_open(review):
    result = review.study_result()
    review.volume_node.SetSpacing(9.0, 9.0, 9.0)
    with pytest.raises(InputError, match="changed or moved"):
        take_result(review.scene, review.volume_node, review, result)
    assert not review.closed


def test_corrections_are_asked_about_before_a_new_analysis_takes_them_away(review):
    assert not replaces_corrections(None) and not replaces_corrections(review)
    without_necrosis(review)
    assert replaces_corrections(review)


def test_a_radius_that_no_head_has_is_refused(review):
    set_radius(review, "right", 21.5)
    assert review.hip("right").sphere.radius_mm == 21.5
    with pytest.raises(InputError, match="4 mm is not that of a femoral head"):
        set_radius(review, "right", 4.0)


def test_each_hip_is_signed_by_itself_and_unsaved_until_then(review, tmp_path):
    without_necrosis(review)
    assert review.unsaved_sides == ("right",)
    with pytest.raises(InputError, match="No hip is chosen"):
        sign(review, Signature({}, "R1", "P1"), tmp_path)
    with pytest.raises(InputError, match="no patient code"):
        sign(review, Signature(BOTH, "R1"), tmp_path)
    signed = sign(review, Signature({"right": "flagged"}, "R1", "P1", "band?"), tmp_path / "cases")
    assert [(case.side, case.status, case.comment) for case in signed.cases] == [("right", "flagged", "band?")]
    assert signed.question() == "" and review.unsaved_sides == ("right",)
    review.set_reviewed("right", [review.hip("right").slices[0].index])  # goes on while it is written
    note_saved(review, signed, signed.save())
    assert review.unsaved_sides == ("right",)
    review.set_reviewed("right", None)
    assert review.unsaved_sides == ()
    assert saved_in_words(signed.cases) == "Right hip flagged."


def test_a_second_reading_that_another_reader_signs_is_asked_about(review, tmp_path):
    review.renew(OpenCase(str(tmp_path), "p1_R", "right", "R1", independent=True))
    ours, theirs = (sign(review, Signature({"right": "draft"}, reader), tmp_path) for reader in ("R1", "R2"))
    assert ours.question() == "" and not ours.anothers
    assert "begun by R1" in theirs.question() and "does not count as an independent reading" in theirs.question()


def a_case(name, status="draft", **more):
    return CaseSummary(case_id=name, side="left", status=status, reviewers=("R1",), saved_at=name, **more)


def test_while_a_case_is_read_anew_the_list_tells_nothing_of_what_others_found():
    found = Overview(cases=(a_case("b"), a_case("a", "approved", needs_adjudication=True)), waiting=("a", "b"))
    lines, more = case_lines(found, here="b", drafted={"b"})
    assert [(line.name, line.differ, line.draft, line.on) for line in lines] == [
        ("a", True, False, False),
        ("b", False, True, True),
    ]
    assert more == 0 and "R1" in lines[0].words and "readers differ" in lines[0].words
    blind, _ = case_lines(Overview(cases=(a_case("b", needs_adjudication=True), a_case("a"))), blind=True)
    assert [(line.name, line.words) for line in blind] == [("a", "left, draft"), ("b", "left, draft")]
    assert case_lines(found, "approved", blind=True)[0] == [], "not even the filter finds what it does not tell"
    assert next_case(found, "a") == "b" and case_card(None) is None
    with pytest.raises(InputError, match="No other case"):
        next_case(Overview(waiting=("a",)), "a")


def test_what_has_changed_since_the_baseline_is_told_in_points_and_classes(review):
    before = [review.hip(side) for side in SIDES]
    without_necrosis(review)
    right, left = changes(before, [review.hip(side) for side in SIDES])
    title, was, now, difference = right.lines[0]
    assert (title, now) == ("Ratio", "0.0 %") and difference == f"-{was.removesuffix(' %')} points"
    assert ("Steinberg extent", "changed") in [(line[0], line[3]) for line in right.lines]
    assert all(line[3] in ("", "+0.0 points", "+0.0 ml") for line in left.lines)


class Scripted:
    """A worker that says what a test lets it say."""

    def __init__(self, *events):
        self.events, self.cancelled = list(events), False

    def analyse(self, study, options):
        self.asked = study, options

    def poll(self):
        return [self.events.pop(0)] if self.events else []

    def cancel(self):
        self.cancelled = True


def test_an_analysis_is_followed_to_its_result_its_failure_or_its_end():
    results, told = [], []
    run = Run(Scripted(Progress(0.5, "Looking"), Finished("result")), lambda: told.append(run.stage))
    run.start("study", Chosen().options(), results.append)
    with pytest.raises(InputError, match="An analysis is running"):
        run.require_idle()
    run.poll()
    assert (run.fraction, run.stage, run.can_cancel) == (0.5, "Looking", True)
    run.poll()
    assert run.idle and results == ["result"] and told == ["Starting", "Looking", ""]

    failing = Run(Scripted(Failed("No head.", remedy=True)), lambda: None)
    failing.start("study", Chosen().options(), results.append)
    failing.poll()
    assert failing.idle and failing.failed and failing.message == "No head."

    stopped = Run(worker := Scripted(), lambda: None)
    stopped.start("study", Chosen().options(), results.append)
    stopped.cancel()
    worker.events = [Finished("too late"), Stopped()]
    assert worker.cancelled and stopped.phase is Phase.STOPPING
    stopped.poll()
    assert stopped.idle and stopped.message == CANCELLED and not stopped.failed and results == ["result"]
