"""Pictures and single slices in the browser: listed, shown, analysed by what can read them, and kept."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from page_parts import Bench, needs_browser, on_page
from PIL import Image
from web_parts import at_work, key_of, row_of, until

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.reviewer.signing import Signature, sign
from ONFHAssistLib.reviewer.study import study_line
from ONFHAssistLib.reviewer.systems import choices
from ONFHAssistLib.scene.finding_masks import MASKS, SEGMENTATION
from ONFHAssistLib.scene.nodes import find_node
from ONFHAssistLib.scene.segmentation import LABELMAP
from ONFHAssistLib.web import drafts
from ONFHAssistLib.web.state import PageState, hip_cards, legend
from ONFHAssistLib.web.worklist import next_unsigned
from ONFHAssistLib.worker.client import Worker
from Testing import toy_system

TOY = Path(toy_system.__file__)


def hip_picture() -> np.ndarray:
    """A round head on a neck, as it may look on an X-ray: (rows, columns), 8 bits."""
    y, x = np.mgrid[:120, :160]
    head, neck = np.hypot(y - 50, x - 80) < 32, (np.abs(x - 80 + 0.5 * (y - 50)) < 14) & (y > 50)
    return (40 + 150 * head + 110 * (neck & ~head) + 10 * np.sin(x / 3)).astype(np.uint8)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    toy_system.install(tmp_path / "toy", monkeypatch)


@pytest.fixture
def pictures(place: Path) -> Path:
    """The folder of the sample study, with a picture and a single slice."""
    Image.fromarray(hip_picture()).save(place / "hip.png")
    made = sitk.GetImageFromArray(hip_picture()[None].astype(np.int16))
    made.SetSpacing((0.8, 0.8, 5.0))
    sitk.WriteImage(made, str(place / "slice.nii.gz"))
    return place


@pytest.fixture
def worker(tmp_path):
    """The real worker, which knows of the system in the temporary package, too."""
    start = (
        f"import sys; sys.path[:0] = [{str(TOY.parents[1])!r}]\n"
        "from ONFHAssistLib import systems\n"
        f"systems.__path__.append({str(tmp_path / 'toy' / 'systems')!r})\n"
        "from ONFHAssistLib.worker.serve import main; main()"
    )
    return Worker([sys.executable, "-c", start])


async def analysed(session, title: str) -> None:
    await session.open(key_of(session, title))
    await session.analyse()


def test_without_a_system_for_them_pictures_are_listed_with_the_reason(pictures: Path, state: Path):
    async def steps(session) -> None:
        assert row_of(session, "hip.png").status == "not usable"
        assert "one slice only; give the whole volume" in row_of(session, "slice.nii.gz").entry.problem

    at_work(pictures, state, steps)


def test_a_picture_is_shown_analysed_by_what_can_read_it_and_kept(toy, pictures: Path, state: Path, worker):
    async def steps(session) -> None:
        await session.open(key_of(session, "hip.png"))
        assert study_line(session.study) == "Picture, 160 × 120 pixels of a size that is not known."
        networks, _, other = choices(session.chosen.systems, session.study)
        assert (networks.offered, networks.chosen) == (False, False) and "reads a volume, and this" in networks.why_not
        assert (other.offered, other.chosen) == (True, True)  # nothing need be chosen
        await session.analyse()
        assert session.chosen.systems == ("networks",)  # what a volume gets stays as it was
        right, patient = hip_cards(session.review)
        assert (right["side"], right["headline"]) == ("right", "Toy stage: III")
        assert (patient["side"], patient["headline"]) == ("patient", "Probability of collapse: 62.2 %")
        assert [row["title"] for row in right["findings"][0]["rows"]] == ["Toy stage", "Side of the square"]
        assert [line["text"] for line in legend(session.review)] == ["Right square"]
        row = row_of(session, "hip.png")
        assert (row.status, row.summary.plane) == ("analysed", "picture")
        assert next_unsigned([row], "") is None  # nothing of it is to be signed
        await session.open(key_of(session, "sample.nii.gz"))
        assert session.review.sides and find_node(session.volume_node, MASKS, SEGMENTATION) is None
        await until((state / row.entry.key / drafts.MADE).exists)
        await session.open(key_of(session, "hip.png"))
        assert hip_cards(session.review)[0]["findings"] == right["findings"] and not session.message

    at_work(pictures, state, steps, worker)


def test_masks_lie_over_the_picture_and_are_hidden_with_the_others(toy, pictures: Path, state: Path, worker):
    async def steps(session) -> None:
        await analysed(session, "slice.nii.gz")
        marked = find_node(session.volume_node, MASKS, SEGMENTATION)
        assert marked.GetSegmentation().GetSegment("right_square").GetName() == "Right square"
        drawn = marked.GetSegmentation().GetSegment("right_square").GetRepresentation(LABELMAP)
        assert drawn.GetExtent() == (10, 29, 10, 29, 0, 0) and drawn.GetScalarRange() == (101, 101)
        session.review.show_masks(False)
        assert not marked.GetDisplayNode().GetVisibility()
        session.review.show_masks(True)
        assert marked.GetDisplayNode().GetVisibility()

    at_work(pictures, state, steps, worker)


def test_what_is_for_volumes_only_is_said_in_a_sentence(toy, pictures: Path, state: Path, worker):
    async def steps(session) -> None:
        await analysed(session, "hip.png")
        says = "This is a picture: hips are outlined, corrected, signed and followed up in volumes only"
        for forbidden in (
            lambda: session.change(lambda review: review.turn_reviewed("right", 0)),
            session.undo,
            session.with_hips,
            lambda: sign(session.review, Signature({"right": "approved"}, "R1", "P1"), state / "cases"),
        ):
            with pytest.raises(InputError, match=says):
                forbidden()
        with pytest.raises(InputError, match=says):
            await session.analyse(HeadSeed("right", (0.0, 0.0, 0.0)))
        session.set_comment("a")
        await session.analyse()
        assert hip_cards(session.review) and json.dumps(legend(session.review)) and PageState().form == "volume"

    at_work(pictures, state, steps, worker)


@needs_browser
def test_the_page_shows_a_picture_in_one_view_with_what_was_found(
    toy, pictures: Path, state: Path, worker, screenshots: Path
):
    async def steps(bench: Bench) -> None:
        bench.session._worker = bench.session.run._worker = worker
        await bench.page.click(".line:has-text('hip.png')")
        await until(lambda: bench.session.entry and bench.session.entry.title == "hip.png" and not bench.session.stage)
        await bench.shown("160 × 120 pixels of a size that is not known")
        await bench.page.click(".systems .v-field")
        await bench.shown("The system networks reads a volume, and this is a picture")
        await bench.shot("picture systems")
        await bench.page.keyboard.press("Escape")
        await bench.page.click("button:has-text('Analyse')")
        await until(lambda: bench.review is not None, 60)
        for text in ("Toy stage", "Probability of collapse", "20.0 mm", "Right square", "in volumes only"):
            await bench.shown(text)
        assert await bench.page.locator(".remote-controlled-area").count() == 1  # no planes that a picture has not
        assert (
            await bench.page.locator(".edge:visible").count() == 0 and not await bench.page.locator(".sign-off").count()
        )
        await asyncio.sleep(2)
        await bench.shot("picture")
        await bench.page.keyboard.press("p")
        await bench.shown("This is a picture: hips are outlined")
        await bench.page.keyboard.press("h")
        await bench.page.click(".line:has-text('sample.nii.gz')")
        await until(lambda: bench.review is not None and bench.review.sides, 60)
        await bench.page.wait_for_selector(".sign-off")
        await bench.drawn()
        assert await bench.page.locator(".remote-controlled-area").count() == 4
        await bench.shot("volume after a picture")

    on_page(pictures, state, screenshots, steps, seconds=300)
