"""A second browser, a lost server, a token, a browser that is too old: nobody loses anything, everybody is told."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from page_parts import CHROMIUM, OPTIONS, Bench, needs_browser, on_page
from test_serve import Server
from web_parts import at_work, key_of, until

pytestmark = needs_browser
SAMPLE = "sample.nii.gz"


def test_a_second_tab_is_told_can_take_over_and_the_first_one_says_so(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        await bench.page.keyboard.press("p")
        await bench.stroke()
        await until(lambda: bench.review.changed("left"))
        second = await bench.page.context.new_page()
        answer = await second.goto(bench.address)
        assert answer.status == 409 and "one reader at a time" in await second.inner_text("body")
        await second.click("text=Go on here instead")
        await second.wait_for_selector(".card .headline", timeout=20000)
        await bench.shown("has taken over")
        await bench.shot("6 taken over")
        assert bench.review.changed("left"), "what was done is there"
        await second.locator(".remote-controlled-area").first.wait_for()
        assert await second.get_by_text("has taken over").count() == 0
        first = bench.page
        await first.click("text=Go on here")
        await first.wait_for_selector(".card .headline", timeout=20000)
        await second.get_by_text("has taken over").wait_for(timeout=10000)
        await bench.drawn()
        bench.errors.clear()  # trame's page complains of a connection that was closed while it was in use

    on_page(place, state, screenshots, steps)


def test_a_page_that_is_loaded_again_goes_on_where_it_was(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        await bench.page.reload()
        await bench.page.wait_for_selector(".card .headline", timeout=20000)
        await bench.drawn()
        assert bench.app.logic.data.title == SAMPLE

    on_page(place, state, screenshots, steps)


def test_the_token_lets_in_and_nothing_else_does(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        assert bench.page.url == f"{bench.address}index.html", "the token is not left in the address"
        await bench.open()
        stranger = await bench.browser.new_context()
        page = await stranger.new_page()
        for path in ("", "index.html?token=wrong"):
            answer = await page.goto(bench.address + path)
            assert answer.status == 403 and "link that the server printed" in await page.inner_text("body")

    on_page(place, state, screenshots, steps)


def test_a_browser_that_is_too_old_is_told(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        old = await bench.page.context.new_page()
        await old.add_init_script("delete window.PointerEvent")
        await old.goto(bench.address)
        await old.click("text=Go on here instead")
        await old.get_by_text("needs a newer browser").wait_for(timeout=10000)

    on_page(place, state, screenshots, steps)


def test_an_empty_folder_and_one_without_room_for_drafts_say_so(tmp_path: Path, screenshots):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("in the way")

    async def steps(bench: Bench) -> None:
        await bench.shown("No image was found in")
        await bench.shown("start with --drafts DIR")
        await bench.shot("7 empty")

    on_page(tmp_path / "empty", tmp_path / "file" / "state", screenshots, steps)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="another system")
def test_after_the_server_was_killed_in_mid_edit_the_draft_is_there(place: Path, state: Path, tmp_path: Path):
    from playwright.async_api import async_playwright

    async def edit(server: Server) -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
            page = await browser.new_page(viewport={"width": 1280, "height": 720})
            await page.goto(server.address)
            await page.click(f".line:has-text('{SAMPLE}')")
            await page.wait_for_selector(".card .headline", timeout=30000)
            await asyncio.sleep(2)  # the views settle
            before = await page.inner_text(".card.on .headline")
            area = await page.locator(".remote-controlled-area").first.bounding_box()
            x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
            await page.keyboard.press("p")
            for n in range(6):
                await page.mouse.move(x - 60, y + 10 * n)
                await page.mouse.down()
                await page.mouse.move(x + 60, y + 10 * n, steps=6)
                await page.mouse.up()
                await asyncio.sleep(0.3)
            await asyncio.sleep(3)  # the last stroke is measured
            await page.wait_for_function(
                "before => document.querySelector('.card.on .headline').innerText != before", arg=before
            )
            await page.wait_for_selector(".status.draft")
            seen["ratio"] = await page.inner_text(".card.on .headline")
            await page.mouse.move(x - 60, y + 70)
            await page.mouse.down()
            await page.mouse.move(x, y + 70, steps=4)
            os.killpg(server.process.pid, signal.SIGKILL)
            await page.get_by_text("connection to the server has ended").wait_for(timeout=15000)
            await browser.close()

    seen = {}
    with Server(place, "--drafts", state, "--port", 18640, "--no-browser") as server:
        asyncio.run(edit(server))

    async def come_back(session) -> None:
        await session.open(key_of(session, SAMPLE))
        hip = session.review.hip("left")
        assert session.restored and f"{100 * hip.volume_ratio:.1f} %" in seen["ratio"]
        assert hip.volume_ratio > session.review.automatic("left").volume_ratio

    at_work(place, state, come_back)
