"""The systems on the page: what can be chosen, and their findings beside the networks' grades."""

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page_parts import Bench, needs_browser, on_page
from PIL import Image
from web_parts import at_work, key_of, until

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import Figure, Finding
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.table import open_table
from ONFHAssistLib.reviewer.analysing import ask_for
from ONFHAssistLib.reviewer.attention import ShownMap
from ONFHAssistLib.reviewer.edits import set_radius
from ONFHAssistLib.reviewer.systems import choices, variable_fields, with_variable
from ONFHAssistLib.scene.attention import highest_place
from ONFHAssistLib.scene.in_view import COMPOSITE, nodes_of
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.systems import at_hand, chosen
from ONFHAssistLib.systems.base import Case, Models
from ONFHAssistLib.web.state import hip_cards
from Testing import toy_grading, toy_system
from Testing.made_up_strip import made_up_strip


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
        assert {line.id: line.chosen for line in lines} == {name: name in ("networks", "toy") for name in at_hand()}
        assert lines[-1].title == "A toy system" and "Whatever is square" in lines[-1].about
        await session.open(key_of(session, "sample.nii.gz"))
        said = {line.id: line.why_not for line in choices(session.chosen.systems, session.study)}
        assert "reads axial T1 images" in said["steinberg-t1"] and said["networks"] == said["toy"] == ""

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
        assert "takes 18 to 110" in choices(session.chosen.systems, session.study, session.patient)[-1].why_not
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


@needs_browser
def test_a_click_on_a_bar_of_a_strip_goes_to_its_slice(place: Path, state: Path, screenshots: Path):
    async def steps(bench: Bench) -> None:
        await bench.open()
        x, y, z = bench.review.hip("left").sphere.centre_ras_mm
        strip = made_up_strip(front=(x, y + 12, z))
        found = Finding("toy", "A toy system", "left", strip=strip)
        bench.session._begin(replace(bench.review.study_result(), findings=(found,)))
        bench.session.on_study()
        await bench.shown("4 of 8 slices at or above the threshold of 40 %")
        grid = bench.review.result.volume

        async def went_to(number: int) -> None:
            nearest = int(np.rint(grid.ijk(np.array(strip.slices[number].position_ras_mm))[2]))
            await until(lambda: bench.app.logic.data.slice == nearest)
            await asyncio.sleep(0.3)  # a click that reached the card, too, would lead back to the middle
            assert bench.app.logic.data.slice == nearest == bench.app.logic.views.current_slice()

        bars = bench.page.locator("[data-bar]")
        assert await bars.count() == 8
        await bars.nth(7).click()
        await went_to(7)
        await bench.page.click("[data-strip=worst]")
        await went_to(3)
        await bars.nth(0).click()
        await went_to(0)
        await bench.page.click("[data-strip=first]")
        await went_to(2)
        await bench.shot("strip")
        bench.app.logic.data.dark = False
        await bench.shot("strip, light")

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


def toy_findings(study) -> tuple[Finding, ...]:
    """What the toy system finds of a study: of the right hip a square, with a map, and of the patient a risk."""
    (system,) = chosen(("toy",))
    tables = {"toy_risk": open_table(load_bundle("toy_risk"))}
    return system.run(Case(study), Models({}, tables), (), lambda fraction, stage: None)


def maps_in(session) -> set[int]:
    """How many maps lie over each of the views."""
    return {node.GetNumberOfAdditionalLayers() for node in nodes_of(session.scene, COMPOSITE)}


def test_a_draft_has_the_map_of_a_finding_too(toy, place: Path, state: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, "sample.nii.gz"))
        before = session.review.result
        hips = tuple(map(grade, before.masks))
        anew = replace(before, hips=hips, findings=toy_findings(session.study))
        session._adopt(Review.begin(session.scene, session.volume_node, anew))
        session.change(lambda review: set_radius(review, "right", 21.5))
        await session.open(key_of(session, "sample.nii.gz"))
        assert session.restored and session.review.hip("right").sphere.radius_mm == 21.5
        card = hip_cards(session.review)[0]
        assert [one["has_map"] for one in card["findings"]] == [True, False]
        shown = ShownMap()
        i, j, _ = session.study.volume.ijk(np.array(shown.turn(session.review, "right", 0)))
        assert 10 <= i < 30 and 10 <= j < 30, "in the toy's square"
        shown.hide()

    at_work(place, state, steps)


@needs_browser
def test_where_a_system_looked_is_switched_on_at_its_finding_and_lies_over_the_image(
    toy, place: Path, state: Path, screenshots: Path
):
    async def steps(bench: Bench) -> None:
        await bench.open()
        session, page = bench.session, bench.page
        found = toy_findings(session.study)
        session._begin(replace(bench.review.study_result(), findings=found))
        session.on_study()
        await page.click("[data-side=right]")
        switch = page.locator(".finding .v-switch input")
        await switch.wait_for(state="attached")
        assert await switch.count() == 1 and not await switch.is_checked() and maps_in(session) == {0}
        await switch.click()
        await bench.page.wait_for_selector(".legend:has-text('where the system looked')")
        await until(lambda: maps_in(session) == {1})
        highest = highest_place(found[0].attention)
        assert bench.app.logic.data.slice == round(float(session.study.volume.ijk(np.array(highest))[2]))
        await bench.drawn()
        await until_amber(bench, highest)
        await bench.shot("where it looked")
        await page.click("[data-side=left]")
        await page.wait_for_selector("[data-side=left].on")
        assert maps_in(session) == {1} and await page.locator(".finding .v-switch").count() == 0
        await page.click("[data-side=right]")
        await page.wait_for_selector("[data-side=right].on .v-switch")
        assert await switch.is_checked()
        await switch.click()
        await until(lambda: maps_in(session) == {0})
        await switch.click()
        await until(lambda: maps_in(session) == {1})
        await session.open(session.entry.key)
        assert maps_in(session) == {0}
        await page.wait_for_selector(".legend:has-text('where the system looked')", state="detached")

    on_page(place, state, screenshots, steps, seconds=180)


async def until_amber(bench: Bench, ras_mm) -> None:
    """Wait until the page shows a point of the body in amber."""
    for _ in range(100):
        x, y = await bench.at(ras_mm)
        shot = await bench.page.screenshot(clip={"x": x - 3, "y": y - 3, "width": 6, "height": 6})
        red, _, blue = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), float).reshape(-1, 3).mean(axis=0)
        if red - blue > 20:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"red {red:.0f}, blue {blue:.0f}")
