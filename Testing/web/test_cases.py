"""Cases of the data set, without a page: opened again with their drafts, read anew, compared, signed."""

import asyncio
import json
from pathlib import Path

import pytest
from web_parts import at_work, erase, key_of, same_masks, saved, until

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, HeadSeed
from ONFHAssistLib.curation.reports.overview import Overview, data_set_in
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.reviewer.signing import Signature
from ONFHAssistLib.reviewer.signing import sign as sign_off
from ONFHAssistLib.reviewer.study import study_line
from ONFHAssistLib.web.logic_cases import drafted_here

SAMPLE = "sample.nii.gz"


@pytest.fixture
def store(place: Path, state: Path, tmp_path: Path):
    """A data set with both hips of the sample study, approved by R1."""

    async def sign(session) -> None:
        await session.open(key_of(session, SAMPLE))
        await saved(session, tmp_path / "cases", "R1", comment="clear")

    at_work(place, state, sign)
    return open_store(data_set_in(tmp_path / "cases"))


def name_of(store, side: str) -> str:
    return next(case.case_id for case in store.cases() if case.side == side)


async def sign(session, store, reviewer: str, status: str = "approved") -> None:
    await saved(session, store.folder, reviewer, status)


def test_a_case_is_opened_corrected_and_saved_as_a_further_version(place, state, store):
    name = name_of(store, "left")

    async def steps(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        review = session.review
        assert session.stored.name == name and review.sides == ("left",) and not session.unsaved
        assert study_line(session.study, session.review).startswith("Coronal T1")
        erase(review, "left", slice(0, len(review.result.volume.array) // 2))
        await until(lambda: session.unsaved)
        await sign(session, store, "R1")
        assert not session.unsaved and not session.restored
        record = store.record(name)
        assert [entry.reviewer for entry in record.versions] == ["R1", "R1"] and check(store) == ()
        assert [row.entry.title for row in session.rows] == [SAMPLE], "the list of studies is as it was"

    at_work(place, state, steps)


def test_a_draft_of_a_case_is_there_again_after_the_server_was_ended(place, state, store):
    name, kept = name_of(store, "left"), {}

    async def correct(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        session.change(lambda review: review.turn_reviewed("left", 8))
        kept["masks"] = session.review.masks("left").whole()

    async def go_on(session) -> None:
        await session.open_case(store.folder, name)
        assert session.restored and session.unsaved and session.reviewer == "R1"
        assert same_masks(session.review.masks("left"), kept["masks"])
        assert session.review.reviewed("left") == (8,)
        session.forget_draft()
        assert not session.unsaved and session.review.reviewed("left") is None
        assert same_masks(session.review.masks("left"), store.masks(name, store.record(name).trained_with))

    async def forgotten(session) -> None:
        await session.open_case(store.folder, name)
        assert not session.restored

    async def second_reading(session) -> None:
        with pytest.raises(InputError, match="enter your reviewer's code first"):
            await session.open_case(store.folder, name, independent=True)
        assert session.stored is None and not session.stage
        session.reviewer = "R1"
        await session.open_case(store.folder, name, independent=True)
        assert not session.restored, "a second reading has a draft of its own"

    at_work(place, state, correct)
    at_work(place, state, second_reading)
    at_work(place, state, go_on)
    at_work(place, state, forgotten)


def test_a_signed_case_leaves_no_draft_behind(place, state, store):
    name = name_of(store, "left")

    async def correct(session) -> None:
        await session.open_case(store.folder, name)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        await sign(session, store, "R1")

    async def again(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        newest = store.record(name).versions[-1].number
        assert not session.restored and same_masks(session.review.masks("left"), store.masks(name, newest))

    at_work(place, state, correct)
    at_work(place, state, again)


def test_a_second_reading_is_settled_by_a_third_reader(place, state, store):
    name = name_of(store, "left")

    async def steps(session) -> None:
        session.reviewer = "R2"
        await session.open_case(store.folder, name, independent=True)
        assert session.stored.readings == () and not session.review.changed("left")
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        await sign(session, store, "R2")
        session.reviewer = "R3"
        await session.open_case(store.folder, name)
        assert session.stored.differ and len(session.stored.readings) == 3
        reading = session.stored.readings[1]
        theirs = session.stored.masks(reading.number)
        session.review.show_reading("left", theirs)
        assert not session.unsaved
        session.change(lambda review: review.take_over("left", theirs, reading.whose, reading.reviewed))
        assert session.unsaved and same_masks(session.review.masks("left"), theirs)
        await sign(session, store, "R3")
        assert not store.record(name).needs_adjudication

    at_work(place, state, steps)


def test_a_case_is_analysed_anew_and_stays_the_case(place, state, store):
    name = name_of(store, "left")

    async def steps(session) -> None:
        await session.open_case(store.folder, name)
        with pytest.raises(InputError, match="left hip only"):
            await session.analyse(HeadSeed("right", session.review.hip("left").sphere.centre_ras_mm))
        await session.analyse()
        assert session.stored.name == name and session.review.sides == ("left",)
        assert session.review.hip("left").status == "graded"
        await sign(session, store, "R1")
        assert len(store.record(name).versions) == 2 and check(store) == ()

    at_work(place, state, steps)


def test_a_case_that_is_gone_is_a_sentence_and_the_open_study_stays(place, state, store):
    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        review = session.review
        with pytest.raises(InputError, match="has no case"):
            await session.open_case(store.folder, "p0_0_L")
        assert session.review is review and not session.stage
        await session.open_case(store.folder, name_of(store, "right"))
        await session.open(key_of(session, SAMPLE))
        assert session.stored is None and len(session.review.sides) == 2

    at_work(place, state, steps)


def test_slices_that_count_are_kept_with_the_draft_of_a_study_too(place, state, tmp_path):
    async def mark(session) -> None:
        await session.open(key_of(session, SAMPLE))
        session.change(lambda review: review.turn_reviewed("left", 9))
        session.change(lambda review: review.turn_reviewed("left", 10))
        assert session.unsaved

    async def go_on(session) -> None:
        await session.open(key_of(session, SAMPLE))
        assert session.restored and session.review.reviewed("left") == (9, 10)
        signature = Signature(dict.fromkeys(SIDES, "approved"), "R1", "P1")
        right, left = sign_off(session.review, signature, tmp_path / "cases").cases
        assert right.reviewed_slices is None and left.reviewed_slices == (9, 10)
        session.change(lambda review: review.set_reviewed("left", None))
        assert session.review.reviewed("left") is None

    at_work(place, state, mark)
    at_work(place, state, go_on)


def test_what_was_painted_while_a_case_was_saved_stays_a_draft(place, state, store):
    name = name_of(store, "left")

    async def steps(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        signed = sign_off(session.review, Signature({"left": "approved"}, "R1"), store.folder)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        session.note_saved(signed, await asyncio.to_thread(signed.save))
        assert session.unsaved
        painted = session.review.masks("left").whole()
        session.close()
        await asyncio.sleep(0.3)
        await session.open_case(store.folder, name)
        assert session.restored and same_masks(session.review.masks("left"), painted)

    at_work(place, state, steps)


def test_an_old_draft_does_not_settle_what_was_saved_since(place, state, store):
    name = name_of(store, "left")

    async def leave_a_draft(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        session.set_comment("left half to do")

    async def meanwhile(session) -> None:
        session.reviewer = "R2"
        await session.open_case(store.folder, name, independent=True)
        erase(session.review, "left", slice(8, 12))
        await until(lambda: session.unsaved)
        await sign(session, store, "R2")

    async def go_on(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        assert session.restored and "was saved since your draft was begun" in session.message
        assert session.review.sign_off("left").comment == "left half to do"
        await sign(session, store, "R1")
        assert store.record(name).needs_adjudication

    at_work(place, state, leave_a_draft)
    at_work(place, state, meanwhile)
    at_work(place, state, go_on)


def test_a_draft_that_cannot_be_read_shows_the_case_as_it_is_stored(place, state, store):
    name = name_of(store, "left")

    async def correct(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        await sign(session, store, "R1")
        erase(session.review, "left", slice(6, 9))
        await until(lambda: session.unsaved)

    async def damaged(session) -> None:
        session.reviewer = "R1"
        (draft,) = (path for path in state.glob("*/now.json") if '"seen": null' not in path.read_text())
        content = json.loads(draft.read_text())
        content["hips"]["left"]["head"] = "AAAA"
        draft.write_text(json.dumps(content))
        await session.open_case(store.folder, name)
        newest = store.record(name).versions[-1].number
        assert "shown as it is stored" in session.message and not session.restored
        assert same_masks(session.review.masks("left"), store.masks(name, newest))

    at_work(place, state, correct)
    at_work(place, state, damaged)


def test_second_readings_of_two_readers_do_not_see_each_others_drafts(place, state, store):
    name = name_of(store, "left")

    async def first(session) -> None:
        session.reviewer = "R2"
        await session.open_case(store.folder, name, independent=True)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)

    async def second(session) -> None:
        session.reviewer = "R3"
        await session.open_case(store.folder, name, independent=True)
        assert not session.restored and not session.review.changed("left")

    at_work(place, state, first)
    at_work(place, state, second)


def test_the_list_knows_at_once_which_cases_have_a_draft_here(place, state, store):
    name = name_of(store, "left")

    async def correct(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        assert drafted_here(session, Overview(store.folder, cases=tuple(store.cases()))) == frozenset()
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        assert drafted_here(session, Overview(store.folder, cases=tuple(store.cases()))) == {name}

    async def sign_it(session) -> None:
        session.reviewer = "R1"
        assert drafted_here(session, Overview(store.folder, cases=tuple(store.cases()))) == {name}
        await session.open_case(store.folder, name)
        await sign(session, store, "R1")
        assert drafted_here(session, Overview(store.folder, cases=tuple(store.cases()))) == frozenset()

    at_work(place, state, correct)
    at_work(place, state, sign_it)


def test_a_draft_of_a_case_whose_image_was_moved_is_not_forgotten_in_silence(place, state, store):
    name = name_of(store, "left")

    async def steps(session) -> None:
        session.reviewer = "R1"
        await session.open_case(store.folder, name)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        session.change(lambda review: review.turn_reviewed("left", 8))
        x, y, z = session.volume_node.GetOrigin()
        session.volume_node.SetOrigin(x + 7.3, y, z)
        with pytest.raises(InputError, match="The image was moved since it was saved"):
            session.forget_draft()
        assert session.unsaved and session.review.reviewed("left") == (8,)

    at_work(place, state, steps)
