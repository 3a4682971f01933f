"""What a reader can make out on the page: letters, controls, and an image that stays where it is."""

import io

import numpy as np
from page_parts import Bench, needs_browser, on_page
from PIL import Image
from web_parts import until

pytestmark = needs_browser


async def boxes(bench: Bench, what: str) -> list[dict[str, float]]:
    return [await found.bounding_box() for found in await bench.page.locator(what).all()]


def apart(one: dict[str, float], other: dict[str, float]) -> bool:
    return any(
        a[start] + a[size] <= b[start]
        for start, size in (("x", "width"), ("y", "height"))
        for a, b in ((one, other), (other, one))
    )


def test_in_a_narrow_window_the_sides_of_the_body_stand_clear_of_the_buttons(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        letters, buttons = await boxes(bench, ".edge"), await boxes(bench, ".view-head .v-btn")
        assert len(letters) == 12 and len(buttons) == 12
        assert all(apart(letter, button) for letter in letters for button in buttons)

    on_page(place, state, screenshots, steps, size=(1024, 768))


def test_the_sides_of_the_body_can_be_read_on_white_fat(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        for box in await boxes(bench, ".edge"):
            shot = Image.open(io.BytesIO(await bench.page.screenshot(clip=box))).convert("L")
            grey = np.asarray(shot, float)
            assert grey.min() < 100 and grey.max() > 200, "white, with a dark rim"

    on_page(place, state, screenshots, steps, size=(1280, 800))


def test_the_image_stays_under_the_brush_when_the_first_stroke_lengthens_the_legend(place, state, screenshots):
    async def steps(bench: Bench) -> None:
        await bench.open()
        before = await bench.area("Coronal")
        await bench.page.keyboard.press("p")
        await bench.page.wait_for_selector(".settings:has-text('5 mm across')")
        await bench.stroke()
        await until(lambda: bench.review.changed("left"))
        await bench.page.wait_for_selector(".legend:has-text('automatic result')")
        assert await bench.area("Coronal") == before

    on_page(place, state, screenshots, steps, size=(1280, 800))
