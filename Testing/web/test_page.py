"""The reviewer's page in a real browser: what a reader sees, and what the server then has."""

import asyncio
import hashlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from page_parts import VIEWS, Bench, needs_browser, on_page
from web_parts import row_of, same_masks, sample, until

from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.curation.reports.overview import data_set_in
from ONFHAssistLib.curation.store.codes import similar_codes

pytestmark = needs_browser
SAMPLE = "sample.nii.gz"
ROUNDS = int(os.environ.get("ONFH_ROUNDS", "5"))


async def ratio_on_page(bench: Bench) -> str:
    return await bench.page.inner_text(".card.on .headline")


def test_a_study_is_opened_analysed_and_seen(place: Path, tmp_path: Path, screenshots: Path):
    (place / "notes.txt").write_text("not an image")

    async def steps(bench: Bench) -> None:
        page = bench.page
        await bench.open()
        await bench.shown("not analysed yet")
        await bench.shot("1 opened")
        await page.click("button:has-text('Analyse')")
        await page.wait_for_selector("button:has-text('Cancel')")
        await page.wait_for_selector(".card .headline", timeout=60000)
        hip = bench.review.hip("left")
        assert await ratio_on_page(bench) == f"Moderate (B), {100 * hip.volume_ratio:.1f} %"
        line = await page.inner_text(f".line:has-text('{SAMPLE}')")
        assert "analysed" in line and "L moderate 24 %" in line
        assert "not an image" in (await page.inner_text(".line:has-text('notes.txt')")).lower()
        for view in VIEWS:
            await bench.drawn(view)
        assert (await bench.pixels("Coronal")).mean() > 40, "the image lies below the masks"
        slices = page.locator("table.slices tr.row")
        assert await slices.count() == len(hip.slices) == await page.locator(".page svg circle").count()
        assert await page.locator("img.polar").evaluate("image => image.complete && image.naturalWidth > 100")
        point = page.locator(".page svg circle").nth(2)
        index = int((await point.text_content()).split(":")[0].removeprefix("Slice "))
        await point.click()
        await until(lambda: bench.app.logic.views.current_slice() == index)
        await page.wait_for_selector(f"tr.on[data-slice='{index}']")
        await page.keyboard.press("1")
        await bench.shown("Without ONFH")
        await until(lambda: bench.app.logic.data.side == "right")
        await page.keyboard.press("2")
        await bench.shot("2 analysed")
        assert bench.hosts - {"blob", "data"} == {bench.address.split("/")[2]}, "nothing is asked for from elsewhere"

    on_page(place, tmp_path / "state", screenshots, steps)


def test_a_stroke_changes_voxels_and_numbers_and_undo_brings_the_very_same_back(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        review, page = bench.review, bench.page
        masks, hip, told = review.masks("left").whole(), review.hip("left"), await ratio_on_page(bench)
        k = bench.app.logic.views.current_slice()
        await page.keyboard.press("p")
        await page.wait_for_selector(".settings:has-text('5 mm across')")
        await bench.stroke()
        await until(lambda: review.hip("left") != hip)
        painted = review.masks("left").whole()
        added = painted.necrosis.array & ~masks.necrosis.array
        grid = review.result.volume
        area_mm2 = added.sum() * np.prod(grid.spacing_mm[:2])
        assert set(np.flatnonzero(added.any(axis=(1, 2)))) == {k}
        assert 0.7 * (12 * 5 + 19.6) < area_mm2 < 1.2 * (12 * 5 + 19.6), "a line of 12 mm with a brush of 5 mm"
        assert np.array_equal(painted.head.array, masks.head.array)
        assert not (masks.necrosis.array & ~painted.necrosis.array).any()
        now = review.hip("left").volume_ratio
        assert np.isclose(now - hip.volume_ratio, added.sum() / masks.head.array.sum(), rtol=1e-6)
        await page.wait_for_selector(f".card.on .headline:has-text('{100 * now:.1f} %')")
        await page.wait_for_selector("text=automatic result")
        row = await page.inner_text(f"tr[data-slice='{k}']")
        assert f"{100 * hip.slices[k - hip.slices[0].index].ratio:.1f} %" in row, "the former ratio stands beside"
        assert row_of(bench.session, SAMPLE).status == "draft"
        await bench.shot("3 painted")
        await page.keyboard.press("Control+z")
        await until(lambda: review.hip("left") == hip)
        assert same_masks(review.masks("left"), masks)
        await page.wait_for_selector(f".card.on .headline:has-text('{told}')")
        await page.keyboard.press("Control+y")
        await until(lambda: review.hip("left").volume_ratio == now)

    on_page(place, state, screenshots, steps)


def test_painting_never_leaves_the_head_and_erasing_takes_away(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        review, page = bench.review, bench.page
        masks = review.masks("left").whole()
        await page.keyboard.press("p")
        await bench.stroke(start=(10.0, 0.0, -10.0), end=(34.0, 0.0, -10.0))
        await until(lambda: review.changed("left"))
        painted = review.masks("left").whole()
        assert painted.necrosis.array.sum() > masks.necrosis.array.sum()
        assert not (painted.necrosis.array & ~masks.head.array).any()
        await page.keyboard.press("Control+z")
        await until(lambda: not review.changed("left"))
        await page.keyboard.press("e")
        await bench.stroke(start=(-6.0, 0.0, 10.0), end=(6.0, 0.0, 10.0))
        await until(lambda: review.changed("left"))
        erased = review.masks("left").whole()
        assert erased.necrosis.array.sum() < masks.necrosis.array.sum()
        assert not (erased.necrosis.array & ~masks.necrosis.array).any()
        assert np.array_equal(erased.head.array, masks.head.array)

    on_page(place, state, screenshots, steps)


def test_rounds_of_painting_and_undoing_end_with_exactly_the_first_masks(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        review, page = bench.review, bench.page
        first, hip = {side: review.masks(side).whole() for side in review.sides}, review.hip("left")
        await page.keyboard.press("p")
        for n in range(ROUNDS):
            height = -12.0 + n % 10
            await bench.stroke(start=(-8.0, 0.0, height), end=(8.0, 0.0, height))
            await until(lambda: review.changed("left"))
            await page.keyboard.press("Control+z")
            await until(lambda: not review.changed("left"))
        assert review.hip("left") == hip
        assert all(same_masks(review.masks(side), first[side]) for side in first)

    on_page(place, state, screenshots, steps, seconds=30 + 5 * ROUNDS)


def test_a_landmark_is_dragged_and_the_class_follows(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        review = bench.review
        before = review.hip("left")
        edge = np.array(before.landmarks.acetabular_edge_ras_mm)
        await bench.drag(await bench.at(edge), await bench.at(edge + [0.0, 0.0, 8.0]))

        def moved() -> np.ndarray:
            return np.array(review.hip("left").landmarks.acetabular_edge_ras_mm) - edge

        await until(lambda: np.allclose(moved(), [0, 0, 8], atol=2.0))  # it is measured on the way, too
        assert review.hip("left").grades["jic"] != before.grades["jic"]
        assert review.hip("left").volume_ratio == before.volume_ratio
        await bench.shot("4 landmark")

    on_page(place, state, screenshots, steps)


def test_a_missed_hip_is_started_with_a_click_on_its_centre(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        review, page = bench.review, bench.page
        first = review.automatic("left")
        centre = np.array(first.sphere.centre_ras_mm)
        await page.click("button[aria-label^='Place a landmark']")
        await page.click("text=Segment the left hip: click")
        await bench.shown("Click on the left head centre")
        await page.mouse.click(*await bench.at(centre + [2.0, 0.0, 2.0]))
        await until(lambda: review.automatic("left") is not first, 40)
        assert np.linalg.norm(np.array(review.hip("left").sphere.centre_ras_mm) - centre) < 5
        assert review.hip("left").status == "graded"
        await page.keyboard.press("Control+z")
        await until(lambda: review.automatic("left") == first)

    on_page(place, state, screenshots, steps)


def test_one_key_signs_off_and_opens_the_next_study(place, state, screenshots):
    sample(place, "zz second.nii.gz")

    async def steps(bench: Bench) -> None:
        await bench.open()
        page = bench.page
        await page.keyboard.press("Control+Enter")
        await bench.shown("no patient code")
        await page.get_by_label("Reader (a code)").fill("R7")
        await page.get_by_label("Patient (a code)").fill("P1")
        await page.keyboard.press("Control+Enter")
        await until(lambda: bench.session.entry.title == "zz second.nii.gz", 30)
        await bench.shown("Right hip approved, left hip approved.")
        assert "approved" in await page.inner_text(f".line:has-text('{SAMPLE}')")
        data = bench.app.logic.data
        assert (data.reviewer, data.patient_code) == ("R7", ""), "the same reader, another patient"
        assert len(list((state / "cases").rglob("labelsTr/*.nii.gz"))) == 2
        await bench.shot("5 signed")

    on_page(place, state, screenshots, steps)


def test_the_keyboard_is_explained_and_typed_text_is_no_command(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        page, data = bench.page, bench.app.logic.data
        await page.keyboard.press("?")
        await bench.shown("previous and next slice that matters")
        await page.keyboard.press("Escape")
        await page.get_by_label("Comment, without names").fill("")
        await page.get_by_label("Comment, without names").press_sequentially("p he[")
        await asyncio.sleep(0.5)
        assert data.tool == "" and data.masks
        await page.click(".legend")
        for key, told in (
            ("h", lambda: not data.masks),
            ("h", lambda: data.masks),
            ("w", lambda: data.tool == "window"),
        ):
            await page.keyboard.press(key)
            await until(told)
        volume = bench.session.volume_node.GetDisplayNode()
        before = volume.GetWindow(), volume.GetLevel()
        centre = np.array(bench.review.hip("left").sphere.centre_ras_mm)
        await bench.drag(await bench.at(centre), await bench.at(centre + [15, 0, 15]))
        await until(lambda: (volume.GetWindow(), volume.GetLevel()) != before)
        await page.keyboard.press("Escape")
        now = bench.app.logic.views.current_slice()
        await page.keyboard.press("]")
        await until(lambda: bench.app.logic.views.current_slice() != now)
        await page.keyboard.press("f")
        await asyncio.sleep(1)
        assert await page.locator(".remote-controlled-area").count() == 1
        await bench.drawn()
        await page.keyboard.press("f")
        await asyncio.sleep(1)
        for view in VIEWS:
            await bench.drawn(view)

    on_page(place, state, screenshots, steps)


def test_a_pen_draws_like_the_mouse(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        review = bench.review
        centre = np.array(review.hip("left").sphere.centre_ras_mm)
        await bench.page.keyboard.press("p")
        pen = await bench.page.context.new_cdp_session(bench.page)
        points = [await bench.at(centre + [x, 0.0, -9.0]) for x in np.linspace(-6, 6, 8)]
        for n, (x, y) in enumerate([points[0], *points, points[-1]]):
            kind = "mousePressed" if n == 0 else "mouseReleased" if n == len(points) + 1 else "mouseMoved"
            await pen.send(
                "Input.dispatchMouseEvent",
                {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"},
            )
            await asyncio.sleep(0.05)
        await until(lambda: review.changed("left"))
        assert review.masks("left").necrosis.array.sum() > 0

    on_page(place, state, screenshots, steps)


# In the browser itself: the server, which shares its process with the test, is busy meanwhile.
TYPES_FAST = """async ([code, how]) => {
  const fields = [...document.querySelectorAll(".sign-off .v-field")];
  const field = fields.find((one) => one.textContent.includes("Patient")).querySelector("input");
  for (let n = 1; n <= code.length; n++) {
    field.value = code.slice(0, n);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => setTimeout(done, 40));
  }
  const enter = { key: "Enter", ctrlKey: true, bubbles: true };
  if (how === "key") field.dispatchEvent(new KeyboardEvent("keydown", enter));
  else [...document.querySelectorAll(".sign-off button")].find((one) => one.innerText.match(/approve/i)).click();
}"""


@pytest.mark.parametrize("how", ["key", "button"])
def test_a_code_that_is_typed_fast_on_a_busy_server_is_signed_whole(place, state, screenshots, how):
    async def steps(bench: Bench) -> None:
        await bench.open()
        page, data = bench.page, bench.app.logic.data
        await page.get_by_label("Reader (a code)").fill("R7")
        await until(lambda: data.reviewer == "R7")
        bench.app.server.state.change(bench.app.logic.name.patient_code)(lambda **_: time.sleep(0.4))
        await page.evaluate(TYPES_FAST, ["P06", how])
        await bench.shown("Right hip approved, left hip approved.")
        assert similar_codes(data_set_in(state / "cases"), "P06") == (), "it is this patient's own"
        assert [one.code for one in similar_codes(data_set_in(state / "cases"), "P0")] == ["p06"]

    on_page(place, state, screenshots, steps)


def test_the_map_of_one_patient_is_never_beside_the_image_of_another(place, state, screenshots):
    sample(place, "zz second.nii.gz")
    first, second = (hashlib.sha256(name.encode()).hexdigest()[:16] for name in (SAMPLE, "zz second.nii.gz"))
    shutil.copytree(state / first, state / second)

    async def steps(bench: Bench) -> None:
        await bench.open()
        data = bench.app.logic.data
        await until(lambda: data.polar)
        await bench.page.click(".line:has-text('zz second')")
        await until(lambda: data.title != SAMPLE, every=0.01)
        assert data.polar == "" and data.comment == data.patient_code == ""
        await until(lambda: data.polar)

    on_page(place, state, screenshots, steps)


def test_on_ct_there_is_no_number_and_no_map_until_necrosis_is_drawn(place, state, screenshots):
    shutil.copy(resource_path("SampleData", "procedural_ct.nii.gz"), place / "zz ct.nii.gz")

    async def steps(bench: Bench) -> None:
        page, data = bench.page, bench.app.logic.data
        await bench.open("zz ct.nii.gz")
        await page.click("button:has-text('Analyse')")
        await page.wait_for_selector(".card .headline", timeout=60000)
        await bench.shown("not sought on CT")
        await asyncio.sleep(1.0)
        assert data.polar == "" and data.slices == [] and bench.review.hip("right").volume_ratio is None
        await page.keyboard.press("p")
        await bench.stroke("right")
        await until(lambda: bench.review.hip("right").volume_ratio)
        await until(lambda: data.polar)
        assert f"{100 * bench.review.hip('right').volume_ratio:.1f} %" in await ratio_on_page(bench)

    on_page(place, state, screenshots, steps)
