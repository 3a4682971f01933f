"""The reviewer's page in a real browser, with its server in the same process, so that a test sees both ends."""

import asyncio
import io
import itertools
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from web_parts import until

VIEWS = ("Coronal", "Sagittal", "Axial", "Surface")
_names = itertools.count()
CHROMIUM = os.environ.get("ONFH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ("--no-sandbox", "--disable-gpu")
FIRST_PORT = 18200 + 60 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
"""Processes that run tests side by side look for a free port at places of their own: two must not find the same."""

needs_browser = pytest.mark.skipif(
    find_spec("playwright") is None or CHROMIUM is None,
    reason="needs playwright and Debian's chromium (apt install chromium), or ONFH_CHROMIUM",
)


@dataclass
class Bench:
    """A server, a page of a browser that shows it, and what a test does with them."""

    app: object
    page: object
    browser: object
    address: str
    screenshots: Path
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    @property
    def session(self):
        return self.app.logic.session

    @property
    def review(self):
        return self.app.logic.session.review

    async def open(self, title: str = "sample.nii.gz") -> None:
        """Click on a study, and wait until server and page have it."""
        await self.page.click(f".line:has-text('{title}')")
        await until(lambda: self.session.entry and self.session.entry.title == title and not self.session.stage)
        await until(lambda: self.app.logic.data.title == title)
        if self.review is not None:
            await self.page.wait_for_selector(".card .headline")
        await self.drawn()

    async def drawn(self, view: str = "Coronal") -> None:
        """Wait until a view shows something."""
        end = time.monotonic() + 20
        while (await self.pixels(view)).std() < 5:
            assert time.monotonic() < end, f"the {view} view stays blank"
            await asyncio.sleep(0.2)

    async def area(self, view: str) -> dict[str, float]:
        """Where a view lies on the page."""
        return await self.page.locator(".remote-controlled-area").nth(VIEWS.index(view)).bounding_box()

    async def pixels(self, view: str) -> np.ndarray:
        """What the browser shows of a view, grey."""
        from PIL import Image

        shot = await self.page.screenshot(clip=await self.area(view))
        return np.asarray(Image.open(io.BytesIO(shot)).convert("L"), float)

    async def at(self, ras_mm, view: str = "Coronal") -> tuple[float, float]:
        """Where on the page a point of the body is shown."""
        import vtk

        node = self.app.slicer_app.scene.GetNodeByID(f"vtkMRMLSliceNode{view}")
        back = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), back)
        x, y, _, _ = back.MultiplyPoint((*ras_mm, 1.0))
        area, (width, height) = await self.area(view), node.GetDimensions()[:2]
        return area["x"] + x * area["width"] / width, area["y"] + area["height"] - y * area["height"] / height

    async def drag(self, start, end, steps: int = 8) -> None:
        """Draw a line with the left button."""
        mouse = self.page.mouse
        await mouse.move(*start)
        await asyncio.sleep(0.1)
        await mouse.down()
        for n in range(1, steps + 1):
            part = n / steps
            await mouse.move(*(a + (b - a) * part for a, b in zip(start, end, strict=True)))
            await asyncio.sleep(0.02)
        await mouse.up()

    async def stroke(self, side: str = "left", start=(-6.0, 0.0, -9.0), end=(6.0, 0.0, -9.0)) -> None:
        """Draw with the tool in hand from one place to another, in mm from the head's centre, on the slice in view."""
        centre = np.array(self.review.hip(side).sphere.centre_ras_mm)
        await self.drag(await self.at(centre + start), await self.at(centre + end))

    async def shown(self, text: str) -> None:
        """Wait until the page says something."""
        await self.page.get_by_text(text).first.wait_for(timeout=15000)

    async def shot(self, name: str) -> None:
        """Keep a picture of the page."""
        await self.page.screenshot(path=self.screenshots / f"{name}.png")


def on_page(
    place: Path,
    state: Path,
    screenshots: Path,
    steps: Callable[[Bench], Awaitable[None]],
    token: str = "a-token-of-the-test",
    size: tuple[int, int] = (1280, 720),
    seconds: float = 90,
) -> None:
    """Serve a folder, open the page in a browser and run the steps of a test."""
    from playwright.async_api import async_playwright

    from ONFHAssistLib.web.app import ReviewerApp
    from ONFHAssistLib.web.serve import free_port, prefer_egl

    prefer_egl()

    async def run() -> None:
        port = free_port("127.0.0.1", FIRST_PORT)
        app = ReviewerApp(sys.executable, place, state, state / "cases", server=f"reviewer{next(_names)}")
        serving = asyncio.ensure_future(app.start("127.0.0.1", port, token, "coroutine", ahead=False))
        await asyncio.wait_for(app.server.ready, seconds)
        address = f"http://127.0.0.1:{port}/"
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
            context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
            page = await context.new_page()
            bench = Bench(app, page, browser, address, screenshots)
            for event in ("request", "websocket"):
                page.on(event, lambda asked: bench.hosts.add(urlsplit(asked.url).netloc or urlsplit(asked.url).scheme))
            page.on("pageerror", lambda error: bench.errors.append(str(error)))
            try:
                await page.goto(f"{address}index.html?token={token}")
                await page.wait_for_selector(".worklist", timeout=30000)
                await asyncio.wait_for(steps(bench), seconds)
            except BaseException:
                await page.screenshot(path=screenshots / "failed.png")
                raise
            finally:
                await browser.close()
                app.logic.session.end()
                await app.server.stop()
                serving.cancel()
        assert not bench.errors, bench.errors

    asyncio.run(run())
