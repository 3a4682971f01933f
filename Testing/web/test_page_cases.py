"""Cases of the data set on the page: found, opened, compared, taken over, signed, withdrawn; slices that count."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from page_parts import Bench, needs_browser, on_page
from web_parts import at_work, erase, key_of, sample, saved, until

from ONFHAssistLib.curation.reports.overview import data_set_in
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.open_case import open_case

pytestmark = needs_browser
SAMPLE = "sample.nii.gz"


@pytest.fixture
def store(place: Path, state: Path):
    """The data set beside the page's drafts: R1 approved both hips, R2 read the left one anew and differs."""

    async def read(session) -> None:
        await session.open(key_of(session, SAMPLE))
        await saved(session, state / "cases", "R1")
        folder = data_set_in(state / "cases")
        left = next(case.case_id for case in open_store(folder).cases() if case.side == "left")
        session.reviewer = "R2"
        await session.open_case(folder, left, independent=True)
        erase(session.review, "left", slice(0, 6))
        await until(lambda: session.unsaved)
        await saved(session, folder, "R2")

    at_work(place, state, read)
    return open_store(data_set_in(state / "cases"))


async def opened(bench: Bench, text: str) -> None:
    """Click on a case in the list, and wait until server and page have it."""
    await bench.page.click(f".line:has-text('{text}') .title")
    await until(lambda: bench.session.stored and not bench.session.stage)
    await bench.page.wait_for_selector(".card:has-text('Case of the data set')")
    await bench.drawn()


async def become(bench: Bench, reviewer: str) -> None:
    """Type a reviewer's code, and wait until the server has it."""
    await bench.page.get_by_label("Reader (a code)").fill(reviewer)
    await until(lambda: bench.app.logic.data.reviewer == reviewer)


def test_a_case_in_which_readers_differ_is_settled_on_the_page(place, state, store, screenshots):
    async def steps(bench: Bench) -> None:
        page = bench.page
        await page.click(".tab:has-text('Data set')")
        lines = await page.locator(".line").all_inner_texts()
        assert len(lines) == 2 and "readers differ" in lines[0] and "left" in lines[0]
        await page.fill(".worklist input", "right")
        await page.wait_for_selector(".line:has-text('left')", state="detached")
        await page.fill(".worklist input", "")
        await opened(bench, "readers differ")
        assert "R1 and R2 differ" in await page.inner_text(".card:has-text('Case of the data set')")
        assert await page.get_by_label("Patient (a code)").count() == 0
        review = bench.review
        before = int(review.masks("left").necrosis.array.sum())
        await page.click(".reading:has-text('R2,')")
        await page.wait_for_selector(".legend:has-text('the other reading')")
        await bench.shot("case with another reading")
        await page.click("button:has-text('Take over')")
        await until(lambda: int(review.masks("left").necrosis.array.sum()) != before)
        await page.keyboard.press("Control+z")
        await until(lambda: int(review.masks("left").necrosis.array.sum()) == before)
        await page.keyboard.press("Control+y")
        await until(lambda: int(review.masks("left").necrosis.array.sum()) != before)
        await page.click(".reading.on")
        await until(lambda: bench.app.logic.data.reading == -1)
        await become(bench, "R3")
        await page.click("button:has-text('Approve, next')")
        await bench.shown("No other case of the data set waits")
        case = store.record(bench.session.stored.name)
        assert case.versions[-1].adjudicates and not case.needs_adjudication
        await page.wait_for_selector(".line:has-text('readers differ')", state="detached")
        await page.click(".tab:has-text('Studies')")
        await page.wait_for_selector(f".line:has-text('{SAMPLE}')")

    on_page(place, state, screenshots, steps)


def test_slices_are_marked_by_a_key_and_a_case_is_withdrawn(place, state, store, screenshots):
    async def steps(bench: Bench) -> None:
        page = bench.page
        await page.click(".tab:has-text('Data set')")
        await opened(bench, "right")
        await bench.shown("All slices count as reviewed")
        await page.keyboard.press("m")
        await bench.shown("slices reviewed; only these are trained with")
        assert len(bench.review.reviewed("right")) == 1
        assert await page.locator("tr.row:has-text('✓')").count() == 1
        await bench.shot("reviewed slices")
        await page.click(".link:has-text('All')")
        await until(lambda: bench.review.reviewed("right") is None)
        await become(bench, "R1")
        await page.click("button:has-text('Withdraw')")
        await page.get_by_label("Why, without names").fill("fracture seen later")
        await bench.shot("withdraw")
        await page.click(".v-dialog button:has-text('Withdraw')")
        await bench.shown("is withdrawn; it is not trained with any more")
        assert store.record(bench.session.stored.name).status == "withdrawn"

    on_page(place, state, screenshots, steps)


def test_a_second_reader_reads_anew_and_sees_nothing_of_the_first(place, state, store, screenshots):
    async def steps(bench: Bench) -> None:
        page = bench.page
        await page.click(".tab:has-text('Data set')")
        await page.click(".line:has-text('right') button[aria-label^='Read anew']")
        await bench.shown("enter your reviewer's code first")
        await page.get_by_label("Your code").fill("R2")
        await until(lambda: bench.app.logic.data.reviewer == "R2")
        await page.click(".line:has-text('right') button[aria-label^='Read anew']")
        await until(lambda: bench.session.stored and not bench.session.stage)
        card = ".card:has-text('Case of the data set')"
        await page.wait_for_selector(card)
        text = await page.inner_text(card)
        assert "read anew" in text and "R1" not in text and await page.locator(".reading").count() == 0

    on_page(place, state, screenshots, steps)


async def read_anew(bench: Bench, side: str, reviewer: str) -> None:
    """Begin a second reading."""
    page = bench.page
    await page.click(".tab:has-text('Data set')")
    await page.get_by_label("Your code").fill(reviewer)
    await page.click(f".line:has-text('{side}') button[aria-label^='Read anew']")
    await until(lambda: bench.session.stored and bench.session.stored.independent and not bench.session.stage)
    await page.wait_for_selector(".card:has-text('read anew')")


def test_a_second_reading_that_somebody_else_signs_is_asked_about_and_is_not_independent(
    place, state, store, screenshots
):
    async def steps(bench: Bench) -> None:
        page, name = bench.page, None
        await read_anew(bench, "right", "R2")
        name = bench.session.stored.name
        await page.get_by_label("Reader (a code)").fill("R3")
        await page.click("button:has-text('Approve, next')")
        await bench.shown("This second reading was begun by R2")
        await bench.shot("another's second reading")
        await page.click(".v-dialog button:has-text('Go back')")
        await page.wait_for_selector("text=This second reading was begun", state="hidden")
        assert len(store.record(name).versions) == 1, "nothing is saved before the answer"
        await page.click("button:has-text('Approve, next')")
        await page.click(".v-dialog button:has-text('Sign')")
        await until(lambda: len(store.record(name).versions) == 2, 30)
        saved = store.record(name).versions[-1]
        assert saved.reviewer == "R3" and not saved.independent and not saved.adjudicates

    on_page(place, state, screenshots, steps)


def test_after_a_second_reading_was_saved_nothing_tells_that_readers_differ_until_it_is_left(
    place, state, store, screenshots
):
    async def steps(bench: Bench) -> None:
        page = bench.page
        await read_anew(bench, "right", "R2")
        name = bench.session.stored.name
        erase(bench.review, "right", slice(0, 7), "head")
        await until(lambda: bench.session.unsaved)
        await page.click("button:has-text('Approve, next')")
        await bench.shown("Read the next one anew from the list")
        await until(lambda: store.record(name).needs_adjudication)
        await asyncio.sleep(1.5)  # the list was looked at again
        text = await page.inner_text(".page")
        assert "differ" not in text and "R1" not in text and "read anew" in text
        await bench.shot("still blind")
        lines = await page.locator(".worklist .line").all_inner_texts()
        assert [line.splitlines()[-1] for line in lines] == sorted(case.case_id for case in store.cases())
        await page.fill(".worklist input", "differ")
        await bench.shown("Nothing fits the filter")
        await page.fill(".worklist input", "")
        await page.click(f".line:has-text('{name}') .title")
        await page.wait_for_selector(".card:has-text('R1 and R2 differ')")

    on_page(place, state, screenshots, steps)


def test_a_code_almost_like_another_patients_is_asked_about(place, state, store, screenshots):
    sample(place, "zz second.nii.gz")

    async def steps(bench: Bench) -> None:
        page = bench.page
        await page.click(".tab:has-text('Studies')")
        await bench.open("zz second.nii.gz")
        await page.click("button:has-text('Analyse')")
        await page.wait_for_selector(".card .headline", timeout=60000)
        await page.get_by_label("Reader (a code)").fill("R1")
        await page.get_by_label("Patient (a code)").fill("P12")
        await page.click("button:has-text('Flag')")
        await bench.shown("really another patient?")
        await bench.shot("similar code")
        await page.click(".v-dialog button:has-text('Go back')")
        await page.wait_for_selector(".v-dialog", state="hidden")
        await page.get_by_label("Patient (a code)").fill("Q77")
        await page.click("button:has-text('Flag')")
        await page.wait_for_selector(".banner.alarm", timeout=15000)  # this image is P1's, whatever the answer

    on_page(place, state, screenshots, steps)


def test_a_wrong_patient_code_is_put_right_in_the_window_with_history(place, state, store, screenshots):
    names = [case.case_id for case in store.cases()]
    _, left = open_case(store.folder, next(name for name in names if name.endswith("L")), "R1")
    elsewhere = left.image.like(left.image.array + 1)
    store.save(replace(left, case_id=None, patient_code="P13", image=elsewhere))  # the right code is almost this one

    async def steps(bench: Bench) -> None:
        page = bench.page
        await page.click(".tab:has-text('Data set')")
        await opened(bench, "right")
        before = store.record(bench.session.stored.name)
        await become(bench, "R1")
        await page.click("button:has-text('Patient…')")
        await page.get_by_label("Why, without names or codes").fill("typed too fast")
        await page.get_by_label("The right patient code").fill("P12")
        await page.click(".v-dialog :text-is('Rename')")
        await bench.shown("really another patient?")
        await bench.shot("rename")
        await page.click(".v-dialog :text-is('It is another patient')")
        await bench.shown("the patient's code is changed")
        after = {name: store.record(name) for name in names}
        assert all(record.patient != before.patient for record in after.values()) and len(after) == 2
        assert after[before.case].renames[-1].comment == "typed too fast"
        assert "typed too fast" in await page.inner_text(".card:has-text('Case of the data set')")

    on_page(place, state, screenshots, steps)
