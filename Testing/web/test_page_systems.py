"""The systems on the page: what can be chosen, and their findings beside the networks' grades."""

from dataclasses import replace
from pathlib import Path

import pytest
from page_parts import Bench, needs_browser, on_page
from web_parts import at_work, key_of, until

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import Figure, Finding
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.reviewer.analysing import ask_for
from ONFHAssistLib.reviewer.systems import choices, variable_fields, with_variable
from ONFHAssistLib.web.state import hip_cards
from Testing import toy_grading, toy_system


@pytest.fixture
def toy(tmp_path, monkeypatch):
    toy_system.install(tmp_path / "toy", monkeypatch)


def test_every_system_can_be_chosen_and_says_what_it_reads(toy, place: Path, state: Path):
    async def steps(session) -> None:
        session.choose(session.chosen.with_systems(["toy", "networks", "unknown"]))
        assert session.chosen.systems == ("networks", "toy") == session.ahead.chosen.systems
        session.choose(session.chosen.with_systems([]))
        assert session.chosen.systems == ("networks", "toy")
        lines = choices(session.chosen.systems)
        assert {line.id: line.chosen for line in lines} == {"networks": True, "steinberg-t1": False, "toy": True}
        assert lines[2].title == "A toy system" and "Whatever is square" in lines[2].about
        await session.open(key_of(session, "sample.nii.gz"))
        lines = choices(session.chosen.systems, session.study)
        assert "reads axial T1 images" in lines[1].why_not and lines[0].why_not == lines[2].why_not == ""

    at_work(place, state, steps)


def test_what_a_system_asks_of_the_patient_is_given_to_it_and_to_no_other_study(toy, place: Path, state: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, "sample.nii.gz"))
        session.choose(session.chosen.with_systems(["networks", "toy"]))
        (field,) = variable_fields(session.chosen.systems, session.patient)
        assert (field.title, field.limits, field.value) == ("Age (years)", "18 to 110, or empty", "")
        with pytest.raises(InputError, match="'old' is no number"):
            with_variable(session.patient, "age", "old")
        session.patient = with_variable(session.patient, "age", "200")
        assert "takes 18 to 110" in choices(session.chosen.systems, session.study, session.patient)[2].why_not
        session.patient = with_variable(session.patient, "age", "52,5")
        assert ask_for(session.chosen, session.review, patient=session.patient).patient == {"age": 52.5}
        await session.open(key_of(session, "sample.nii.gz"))
        assert session.patient == {}

    at_work(place, state, steps)


def test_findings_stand_beside_the_grades_of_a_hip(place: Path, state: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, "sample.nii.gz"))
        result = session.review.study_result()
        ratio = Figure("volume_ratio", 0.125, "Necrosis / head", "fraction")
        found = (
            Finding("toy", "A toy system", "left", figures=(ratio,), notes=("It is a square.",)),
            Finding("toy", "A toy system", "patient", probabilities={"collapse": 0.25}),
        )
        session._begin(replace(result, findings=found))
        right, left = hip_cards(session.review)
        assert [row["title"] for one in right["findings"] for row in one["rows"]] == ["Probability of collapse"]
        row = left["findings"][0]["rows"][0]
        networks = f"{100 * session.review.hip('left').volume_ratio:.1f} %"
        assert (row["title"], row["value"], row["networks"]) == ("Necrosis / head", "12.5 %", networks)
        assert left["findings"][0]["notes"] == ("It is a square.",)

    at_work(place, state, steps)


@needs_browser
def test_a_system_is_chosen_on_the_page_and_its_findings_are_read_there(place: Path, state: Path, screenshots: Path):
    async def steps(bench: Bench) -> None:
        await bench.open()
        await bench.page.click(".systems .v-field")
        await bench.page.click(".v-list-item:has-text('S-T1')")
        await until(lambda: bench.session.chosen.systems == ("networks", "steinberg-t1"))
        await bench.shown("reads axial T1 images")
        await bench.page.keyboard.press("Escape")
        found = Finding("toy", "A toy system", "left", probabilities={"collapse": 0.25}, notes=("It is a square.",))
        bench.session._begin(replace(bench.review.study_result(), findings=(found,)))
        bench.session.on_study()
        for text in ("A toy system", "Probability of collapse", "25.0 %", "It is a square."):
            await bench.shown(text)
        await bench.shot("systems")

    on_page(place, state, screenshots, steps)


def test_a_grading_that_is_added_by_one_entry_stands_on_the_card(place: Path, state: Path, monkeypatch):
    toy_grading.install(monkeypatch)

    async def steps(session) -> None:
        await session.open(key_of(session, "sample.nii.gz"))
        result = session.review.study_result()
        session._begin(replace(result, hips=tuple(grade(masks) for masks in result.masks)))
        rows = [row for card in hip_cards(session.review) for row in card["lines"] if row["title"] == "Toy halves"]
        assert rows and rows[0]["grade"] == "small half" and "toy points from the nearest threshold" in rows[0]["told"]

    at_work(place, state, steps)


@needs_browser
def test_device_and_engine_are_chosen_on_the_page(place: Path, state: Path, screenshots: Path):
    async def steps(bench: Bench) -> None:
        await bench.page.click("[aria-label='How the networks run']")
        await bench.shown("The grades are the same.")
        await bench.page.locator(".v-dialog .v-field").nth(1).click()
        await bench.page.click(".v-list-item:has-text('PyTorch')")
        await until(lambda: bench.session.ahead.chosen.engine == "torch")
        assert bench.session.chosen.device == "auto" and bench.app.logic.data.engine == "torch"
        await bench.shot("how the networks run")

    on_page(place, state, screenshots, steps)
