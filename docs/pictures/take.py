"""Take the pictures of docs/images that show browser reviewer and report anew, from the sample study.

python docs/pictures/take.py [browser] [cases] [report]      # all, if none is named

It needs the extras review and test, and Debian's chromium. That of 3D Slicer is taken by slicer.py.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "Testing" / "web")]  # not this folder: slicer.py would stand for Slicer
OUT = ROOT / "docs" / "images"
PAGE_SIZE, REPORT_SIZE = (1440, 900), (1280, 1000)
MARGIN_PX = 20
TAKEN_AWAY_MM = 3.0
SETTLED_MS = 4000
"""The views catch up with the masks."""
STROKES_MM = (((15.0, 0.0, 12.0), (8.0, 0.0, -1.0)), ((12.0, 0.0, 12.0), (6.0, 0.0, 0.0)))
"""From, to, from the centre of the left head: along the medial border of the lesion."""


@cache
def analysed():
    """The sample study, analysed."""
    from ONFHAssistLib.analysis import analyse
    from ONFHAssistLib.core.resources import resource_path
    from ONFHAssistLib.imaging.read import read_study

    return analyse(read_study(resource_path("SampleData", "procedural_t1.nii.gz")))


def data_set(folder: Path) -> None:
    """Save both hips of the sample study as R1 approved them, and the left one as R2 did: a rim smaller."""
    from ONFHAssistLib.core.grade import grade
    from ONFHAssistLib.curation.case.reviewed import ReviewedCase
    from ONFHAssistLib.curation.store.folder import save_case
    from ONFHAssistLib.curation.store.open_case import open_case

    result = analysed()
    for masks, hip in zip(result.masks, result.hips, strict=True):
        case = ReviewedCase(
            "sample", result.volume, masks, hip, "R1", "approved", masks, hip, result.source, result.models
        )
        path = save_case(case, folder)
    _, case = open_case(path.parents[1], path.stem, "R2", independent=True)
    spacing = case.image.spacing_mm[::-1]
    necrosis = case.masks.necrosis
    deep = ndimage.distance_transform_edt(np.pad(necrosis.array, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    smaller = replace(case.masks, necrosis=necrosis.like(deep > TAKEN_AWAY_MM))
    save_case(
        replace(case, masks=smaller, result=grade(smaller), reviewer="R2", status="approved", provenance={}),
        path.parents[1],
    )


async def correction(bench) -> None:
    """Analyse the study, and correct the lesion of the left hip."""
    from web_parts import until

    page = bench.page
    await bench.open()
    await page.click("button:has-text('Analyse')")
    await page.wait_for_selector(".card .headline", timeout=120000)
    await page.click(".worklist .v-switch input")  # on for a reader, off in the tests; there is nothing left to analyse
    await page.click(".legend")
    await page.wait_for_timeout(SETTLED_MS)
    await page.keyboard.press("p")
    await page.wait_for_selector(".settings:has-text('5 mm across')")
    for start, stop in STROKES_MM:
        before = bench.review.hip("left")
        await bench.stroke("left", start, stop)
        await until(lambda before=before: bench.review.hip("left") != before)
    await page.wait_for_timeout(SETTLED_MS)
    await bench.shot("browser")


async def other_reading(bench) -> None:
    """Open the case in which two readers differ, and draw the other reading over it."""
    from web_parts import until

    page = bench.page
    await page.click(".tab:has-text('Data set')")
    await page.click(".line:has-text('readers differ') .title")
    await until(lambda: bench.session.stored and not bench.session.stage)
    await bench.drawn()
    await page.click(".reading:has-text('R2,')")
    await page.wait_for_selector(".legend:has-text('the other reading')")
    await page.wait_for_timeout(SETTLED_MS)
    await bench.shot("cases")


def take_browser(place: Path) -> None:
    """The reviewer with a corrected lesion."""
    from page_parts import on_page
    from web_parts import sample

    on_page(sample(place / "studies").parent, place / "state", place, correction, size=PAGE_SIZE, seconds=180)


def take_cases(place: Path) -> None:
    """A case of a data set in which two readers differ."""
    from page_parts import on_page
    from web_parts import sample

    data_set(place / "state" / "cases")
    on_page(sample(place / "studies").parent, place / "state", place, other_reading, size=PAGE_SIZE, seconds=180)


def take_report(place: Path) -> None:
    """The report down to its first pictures."""
    from page_parts import CHROMIUM, OPTIONS
    from playwright.sync_api import sync_playwright

    from ONFHAssistLib.exchange.write import write_study

    report = write_study(analysed(), place / "report")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        page = browser.new_page(viewport=dict(zip(("width", "height"), REPORT_SIZE, strict=True)))
        page.goto(report.as_uri())
        first = page.locator("main > section").first.bounding_box()
        shown = {"x": 0, "y": 0, "width": REPORT_SIZE[0], "height": round(first["y"] + first["height"]) + MARGIN_PX}
        page.screenshot(path=place / "report.png", full_page=True, clip=shown)
        browser.close()


PICTURES = {"browser": take_browser, "cases": take_cases, "report": take_report}


def main() -> None:
    """Take the pictures that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", metavar="picture", help=f"one of {', '.join(PICTURES)}; default: all")
    wanted = parser.parse_args().pictures or list(PICTURES)
    if unknown := sorted(set(wanted) - set(PICTURES)):
        parser.error(f"there is no picture {', '.join(unknown)}; choose from {', '.join(PICTURES)}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"ONFH_KEYS": f"{folder}/keys", "XDG_CACHE_HOME": f"{folder}/cache"}
        for name in wanted:
            place = Path(folder) / name
            place.mkdir()
            PICTURES[name](place)
            with Image.open(place / f"{name}.png") as shot:
                colours = shot.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4)
            colours.save(OUT / f"{name}.png", optimize=True)
            print(OUT / f"{name}.png")


if __name__ == "__main__":
    main()
