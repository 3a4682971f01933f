"""What the page is told of a review, in plain values, against the review itself."""

import base64
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from web_parts import at_work, erase, key_of

from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.curation.reports.overview import Overview
from ONFHAssistLib.reviewer.data_set import data_set_card
from ONFHAssistLib.reviewer.slices import slice_lines
from ONFHAssistLib.web import state as told
from ONFHAssistLib.web.state import PageState, on_page, study_lines
from ONFHAssistLib.worker.fine_tune import FineTune, TrainingPlace


@pytest.fixture
def reviewed(place: Path, state: Path):
    """Run a check on the opened sample study."""

    def run(check) -> None:
        async def steps(session) -> None:
            await session.open(key_of(session, "sample.nii.gz"))
            check(session)

        at_work(place, state, steps)

    return run


def test_a_card_tells_the_grades_and_after_a_correction_the_automatic_ones(reviewed):
    def check(session) -> None:
        review = session.review
        right, left = told.hip_cards(review)
        assert right["headline"] == "Without ONFH, 0.0 %" and left["headline"].startswith("Moderate (B), ")
        assert left["automatic"] == "" and not any(line["automatic"] for line in left["lines"])
        assert left["radius_mm"] == round(review.hip("left").sphere.radius_mm, 1)
        erase(review, "left", slice(0, 11))
        session.settling.now()
        now = told.hip_cards(review)[1]
        assert now["headline"] != left["headline"] and now["automatic"] == f"automatic: {left['headline']}"
        changed = [line["title"] for line in now["lines"] if line["automatic"]]
        assert "Steinberg extent" in changed
        assert told.hip_cards(review)[0] == right

    reviewed(check)


def test_table_and_plot_have_every_slice_and_the_former_ratio_where_it_differs(reviewed):
    def check(session) -> None:
        review = session.review
        before = review.hip("left")
        erase(review, "left", slice(10, 11))
        session.settling.now()
        hip = review.hip("left")
        lines = slice_lines(review, "left")
        assert sorted(line.index for line in lines) == [s.index for s in hip.slices]
        assert [line.index for line in lines if line.was] == [10]
        was = next(s.ratio for s in before.slices if s.index == 10)
        assert next(line for line in lines if line.index == 10).was == f"{100 * was:.1f} %"
        plot = told.plot_lines(review, "left")
        assert sorted(point["index"] for point in plot["points"]) == [s.index for s in hip.slices]
        heights = {point["index"]: point["y"] for point in plot["points"]}
        assert heights[10] == told.PLOT[1], "nothing is left of the lesion there"
        assert plot["before"].count(",") == len(before.slices) and plot["ends"] == ["posterior", "anterior"]
        ticks = {tick["text"]: tick["y"] for tick in plot["ticks"]}
        ratio = next(s.ratio for s in hip.slices if s.index == 9)
        per_unit = (ticks["0 %"] - ticks["30 %"]) / 0.3
        assert np.isclose((ticks["0 %"] - heights[9]) / per_unit, ratio, atol=0.003)

    reviewed(check)


def test_the_map_of_the_surface_is_a_picture_that_changes_with_the_mask(reviewed):
    def check(session) -> None:
        before = told.polar_picture(session.review.masks("left"))
        assert base64.b64decode(before.removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"
        erase(session.review, "left", slice(0, 40))
        session.settling.now()
        assert told.polar_picture(session.review.masks("left")) not in ("", before)

    reviewed(check)


def test_everything_that_the_page_gets_can_be_sent_to_a_browser(reviewed):
    def check(session) -> None:
        review = session.review
        plain = [
            told.hip_cards(review),
            told.plot_lines(review, "left"),
            study_lines(session.rows),
            told.legend(review),
        ]
        assert json.dumps(plain)
        assert json.dumps(asdict(PageState()))

    reviewed(check)


def test_a_hip_that_was_not_found_says_where_to_click(reviewed):
    reason = "no femoral head was found (no bone); if it is in view, give its centre"
    assert "click on its centre" in on_page(reason)

    def check(session) -> None:
        result = replace(
            session.review.result,
            hips=(session.review.result.hips[0], HipResult("left", "not graded", reason)),
            masks=session.review.result.masks[:1],
        )
        session._begin(result)
        card = told.hip_cards(session.review)[1]
        assert card["headline"] == "not graded" and "click on its centre" in card["reason"]
        assert told.plot_lines(session.review, "left") == {}

    reviewed(check)


def test_the_sentences_of_the_analysis_are_those_that_are_rewritten():
    import inspect

    from ONFHAssistLib.systems import heads

    source = inspect.getsource(heads)
    assert all(given in source for given in told._CLICKS), "the analysis says something else now"


def test_the_card_of_the_data_set_tells_what_is_there_and_how_a_training_is_getting_on(tmp_path):
    tuning, found, nowhere = FineTune(), Overview(problem="There is no data set in cases yet."), TrainingPlace("", "")
    card = data_set_card(found, tuning, nowhere)
    assert not card.title and card.problem == found.problem and not card.can_tune
    lacking = ("No approved case is side left.",)
    folder = tmp_path / "Dataset101_Heads"
    found = Overview(
        folder, 2, "2 approved, 1 draft", lacking, "2026-01-02 03:04 UTC, p1_L", "p2_R (right): Unread.", "a"
    )
    card = data_set_card(found, tuning, nowhere)
    assert card.title == "Dataset101_Heads" and card.counts == "2 approved, 1 draft"
    assert card.lines == ("Last saved: 2026-01-02 03:04 UTC, p1_L", "Next: p2_R (right): Unread.", *lacking)
    assert card.tuning.startswith("No Python of a training environment is named") and not card.running
    blind = data_set_card(found, tuning, nowhere, blind=True)
    assert blind.counts == "" and "nothing is told" in blind.lines[0] and len(blind.lines) == 1
    tuning.running, tuning.fraction, tuning.stage = True, 0.2, "Step 300 of 1500"
    card = data_set_card(found, tuning, nowhere)
    assert (card.tuning, card.running, card.percent, card.failed) == ("Step 300 of 1500", True, 20, False)
    tuning.running, tuning.failed, tuning.message = False, True, "The memory ran out."
    card = data_set_card(found, tuning, nowhere)
    assert (card.tuning, card.running, card.failed) == ("The memory ran out.", False, True)
