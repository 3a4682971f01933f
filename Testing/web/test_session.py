"""A reader at work, without a page: open, analyse, correct, leave, come back, sign."""

import asyncio
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from web_parts import at_work, erase, key_of, row_of, same_masks, sample, saved, until

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, HeadSeed
from ONFHAssistLib.reviewer.signing import Signature, sign
from ONFHAssistLib.reviewer.study import study_line
from ONFHAssistLib.web import drafts
from ONFHAssistLib.web.worklist import Summary

SAMPLE = "sample.nii.gz"


def numbers(review, side: str = "left") -> tuple:
    hip = review.hip(side)
    return hip.volume_ratio, hip.necrosis_volume_ml, hip.grades


def test_a_study_is_opened_analysed_and_listed_with_its_grade(place: Path, tmp_path: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        assert session.review is None and study_line(session.study).startswith("Coronal T1, 23 slices")
        stages = set()
        session.on_change = lambda: stages.add(session.stage)
        await session.analyse()
        assert len(stages) > 3, "the page is told how far it is"
        assert [session.review.hip(side).status for side in session.review.sides] == ["graded", "graded"]
        row = row_of(session, SAMPLE)
        assert row.status == "analysed" and row.summary.hips[1].steinberg == "moderate"
        assert row.summary.hips[1].ratio == session.review.hip("left").volume_ratio

    at_work(place, tmp_path / "state", steps)


def test_an_analysis_can_be_cancelled_and_done_again(place: Path, tmp_path: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        work = asyncio.ensure_future(session.analyse())
        await until(lambda: session.stage not in ("", "Starting"))
        with pytest.raises(InputError, match="running"):
            await session.open(key_of(session, SAMPLE))
        session.run.cancel()
        await work
        assert session.review is None and "nothing was changed" in session.message and not session.stage
        await session.analyse()
        assert session.review is not None

    at_work(place, tmp_path / "state", steps)


def test_no_other_study_is_opened_while_an_analysis_waits_for_the_worker(place: Path, state: Path, monkeypatch):
    """What it finds would be laid over the other image."""
    sample(place, "other.nii.gz")

    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        free = asyncio.Event()
        monkeypatch.setattr(session.ahead, "yield_worker", free.wait)
        work = asyncio.ensure_future(session.analyse())
        await until(lambda: session.stage == "Starting")
        for again in (session.open(key_of(session, "other.nii.gz")), session.analyse()):
            with pytest.raises(InputError, match="running"):
                await again
        free.set()
        await work
        assert session.entry.title == SAMPLE and session.review is not None

    at_work(place, state, steps)


def test_what_is_corrected_while_the_study_is_analysed_again_is_kept(place: Path, state: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        work = asyncio.ensure_future(session.analyse())
        await until(lambda: session.stage not in ("", "Starting"))
        erase(session.review, "left", slice(9, 11))
        await work
        assert "that is kept" in session.message and session.review.can_undo
        assert not session.review.masks("left").whole().necrosis.array[9:11].any()
        await session.analyse()
        assert session.review.masks("left").whole().necrosis.array[9:11].any() and not session.review.can_undo

    at_work(place, state, steps)


def test_a_correction_is_measured_and_undone_to_the_very_numbers(place: Path, state: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        review = session.review
        before, masks = numbers(review), review.masks("left").whole()
        for _ in range(50):
            erase(review, "left", slice(9, 11))
            await until(lambda: session.unsaved)
            assert numbers(review)[0] < before[0] and row_of(session, SAMPLE).status == "draft"
            assert not review.masks("left").whole().necrosis.array[9:11].any()
            session.undo()
            assert numbers(review) == before and row_of(session, SAMPLE).status == "analysed"
        assert same_masks(review.masks("left"), masks)

    at_work(place, state, steps)


def test_what_was_corrected_is_there_again_after_the_server_was_ended(place: Path, state: Path):
    kept = {}

    async def correct(session) -> None:
        session.reviewer = "R7"
        await session.open(key_of(session, SAMPLE))
        assert not session.restored
        erase(session.review, "left", slice(0, 10))
        session.settling.now()
        kept["numbers"], kept["masks"] = numbers(session.review), session.review.masks("left").whole()
        kept["automatic"] = session.review.automatic("left")

    async def come_back(session) -> None:
        assert row_of(session, SAMPLE).status == "draft"
        await session.open(key_of(session, SAMPLE))
        assert session.restored and session.reviewer == "R7"
        assert same_masks(session.review.masks("left"), kept["masks"])
        assert numbers(session.review) == kept["numbers"]
        assert session.review.automatic("left") == kept["automatic"]
        session.forget_draft()
        assert not session.unsaved and row_of(session, SAMPLE).status == "analysed"
        session.undo()
        assert numbers(session.review) == kept["numbers"], "forgetting can be undone"
        session.redo()

    async def nothing_left(session) -> None:
        await session.open(key_of(session, SAMPLE))
        assert not session.restored and not session.unsaved

    for steps in (correct, come_back, nothing_left):
        at_work(place, state, steps)


def test_a_hip_that_was_segmented_anew_comes_back_with_its_own_automatic_result(place: Path, state: Path):
    kept = {}

    async def anew(session) -> None:
        await session.open(key_of(session, SAMPLE))
        review = session.review
        first = review.automatic("left")
        centre = np.array(review.hip("left").sphere.centre_ras_mm) + [1.0, 0.0, 1.0]
        await session.analyse(HeadSeed("left", tuple(centre), 20.0))
        assert review is session.review and review.automatic("left") != first
        kept["anew"] = review.automatic("left")
        session.undo()
        assert review.automatic("left") == first
        session.redo()
        erase(review, "left", slice(0, 10))
        session.settling.now()
        kept["masks"] = review.masks("left").whole()

    async def come_back(session) -> None:
        await session.open(key_of(session, SAMPLE))
        assert same_masks(session.review.masks("left"), kept["masks"])
        session.change(lambda review: review.reset("left"))
        assert session.review.hip("left") == kept["anew"]

    at_work(place, state, anew)
    at_work(place, state, come_back)


def test_another_image_under_the_same_name_gets_no_draft(place: Path, state: Path):
    async def correct(session) -> None:
        await session.open(key_of(session, SAMPLE))
        erase(session.review, "left", slice(0, 10))
        session.settling.now()

    async def other(session) -> None:
        await session.open(key_of(session, SAMPLE))
        assert session.review is None and not session.restored

    at_work(place, state, correct)
    import SimpleITK as sitk

    sitk.WriteImage(sitk.ReadImage(str(place / SAMPLE)) + 1, str(place / SAMPLE))
    at_work(place, state, other)


@pytest.mark.parametrize("name", [drafts.MADE, drafts.NOW])
def test_a_damaged_draft_is_no_harm(place: Path, state: Path, name: str):
    key = next(state.iterdir()).name
    (state / key / drafts.NOW).write_text(
        json.dumps({"image": json.loads((state / key / drafts.MADE).read_text())["image"], "hips": {"left": 3}})
    )
    if name == drafts.MADE:
        (state / key / name).write_bytes((state / key / name).read_bytes()[:1000])

    async def steps(session) -> None:
        await session.open(key)
        assert (session.review is None) == (name == drafts.MADE) and not session.restored
        assert session.message.startswith("The draft of this study") and session.alarm

    at_work(place, state, steps)


def test_signed_studies_go_to_the_data_set_and_the_next_one_waits(place: Path, state: Path, tmp_path: Path):
    sample(place, "a second one.nii.gz")
    cases, both = tmp_path / "cases", dict.fromkeys(SIDES, "approved")

    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        erase(session.review, "left", slice(0, 10))
        with pytest.raises(InputError, match="patient code"):
            sign(session.review, Signature(both, "R7"), cases)
        with pytest.raises(InputError, match="reviewer"):
            sign(session.review, Signature(both, "", "P1"), cases)
        assert not cases.exists()
        signed = await saved(session, cases, "R7", comment="posterior part is a vessel")
        assert [(case.side, case.status) for case in signed.cases] == [("right", "approved"), ("left", "approved")]
        assert signed.cases[1].provenance == {"head": "automatic", "necrosis": "corrected"}
        row = row_of(session, SAMPLE)
        assert (row.status, row.summary.reviewer) == ("approved", "R7") and row is session.rows[-1]
        assert session.next_key() == key_of(session, "a second one.nii.gz")
        assert not session.review.unsaved

    at_work(place, state, steps)
    assert len(list((tmp_path / "cases").rglob("labelsTr/*.nii.gz"))) == 2


def test_each_hip_has_a_status_of_its_own_and_the_study_waits_until_both_are_signed(place, state, tmp_path):
    def listed(session) -> tuple:
        row = row_of(session, SAMPLE)
        return row.status, tuple(hip.status for hip in row.summary.hips)

    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        assert listed(session) == ("analysed", ("", ""))
        await saved(session, tmp_path / "cases", "R7", sides=("right",))
        assert listed(session) == ("draft", ("approved", ""))
        await saved(session, tmp_path / "cases", "R7", "flagged", sides=("left",))
        assert listed(session) == ("flagged", ("approved", "flagged"))
        erase(session.review, "left", slice(0, 10))
        await until(lambda: session.unsaved)
        assert listed(session) == ("draft", ("approved", ""))
        session.undo()
        assert listed(session) == ("flagged", ("approved", "flagged")) and not session.unsaved

    async def come_back(session) -> None:
        assert listed(session) == ("flagged", ("approved", "flagged"))
        await session.open(key_of(session, SAMPLE))
        assert not session.restored and not session.unsaved, "nothing waits to be saved"
        session.undo()
        assert listed(session) == ("flagged", ("approved", "flagged"))

    at_work(place, state, steps)
    at_work(place, state, come_back)


def test_a_study_that_is_deleted_under_the_reader_can_still_be_finished(place, state, tmp_path: Path):
    async def steps(session) -> None:
        key = key_of(session, SAMPLE)
        await session.open(key)
        (place / SAMPLE).unlink()
        erase(session.review, "left", slice(0, 10))
        session.settling.now()
        signed = sign(session.review, Signature(dict.fromkeys(SIDES, "draft"), "R7", "P1"), tmp_path / "cases")
        assert signed.cases[1].provenance["necrosis"] == "corrected"
        with pytest.raises(InputError, match="was removed"):
            await session.open(key)
        assert session.review is not None, "what is open stays open"
        session.folder.look_through()
        assert session.rows == []
        shutil.rmtree(place)
        with pytest.raises(InputError, match="does not exist"):
            session.folder.look_through()

    at_work(place, state, steps)


def test_an_unreadable_study_says_why_and_leaves_the_open_one(place: Path, state: Path):
    import SimpleITK as sitk

    sitk.WriteImage(sitk.Image(8, 8, 8, sitk.sitkVectorFloat32), str(place / "colour.nii.gz"))

    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        with pytest.raises(InputError):
            await session.open(key_of(session, "colour.nii.gz"))
        assert session.entry.title == SAMPLE and session.review is not None and session.stage == ""
        row = row_of(session, "colour.nii.gz")
        assert row.status == "not usable" and row.summary.problem

    at_work(place, state, steps)


def test_a_study_without_a_hip_is_listed_with_the_reason_and_not_as_new(place: Path, state: Path):
    import SimpleITK as sitk

    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.normal(500, 60, (30, 60, 60)).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 5.0))
    sitk.WriteImage(image, str(place / "no_hip.nii.gz"))

    async def steps(session) -> None:
        await session.open(key_of(session, "no_hip.nii.gz"))
        with pytest.raises(InputError, match="No femoral head"):
            await session.analyse()
        row = row_of(session, "no_hip.nii.gz")
        assert row.status == "not usable" and "No femoral head" in row.summary.problem
        assert session.study is not None, "its head can still be pointed at"

    at_work(place, state, steps)


def test_of_two_studies_asked_for_at_once_the_last_one_is_opened(place: Path, state: Path):
    sample(place, "other.nii.gz")

    async def steps(session) -> None:
        keys = [key_of(session, name) for name in (SAMPLE, "other.nii.gz", SAMPLE)]
        await asyncio.gather(*(session.open(key) for key in keys))
        assert session.entry.title == SAMPLE and session.review is not None
        assert session.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1

    at_work(place, state, steps)


def test_without_room_for_drafts_the_reader_is_told_at_once_and_again_when_there_is(place: Path, tmp_path: Path):
    state = tmp_path / "a file" / "state"
    state.parent.write_text("in the way")

    async def steps(session) -> None:
        assert "--drafts DIR" in session.folder.unkept and str(state) in session.folder.unkept
        state.parent.unlink()
        await session.open(key_of(session, SAMPLE))
        session.folder.know(session.entry, Summary("flagged"))
        await until(lambda: (state / session.entry.key / "summary.json").exists())

    at_work(place, state, steps)


def test_twenty_studies_leave_nothing_behind_in_the_scene(place: Path, state: Path):
    sample(place, "other.nii.gz")

    async def steps(session) -> None:
        counts = []
        for name in (SAMPLE, "other.nii.gz") * 10:
            await session.open(key_of(session, name))
            counts.append(session.scene.GetNumberOfNodes())
        session.close()
        assert counts[-2:] == counts[2:4]

    at_work(place, state, steps)


def test_a_mask_that_is_emptied_leaves_the_surface_of_the_head(place: Path, state: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        review = session.review
        review.segmentation_node.CreateClosedSurfaceRepresentation()

        def points(what: str) -> int:
            segment = review.segmentation_node.GetSegmentation().GetSegment(review.segment_id("left", what))
            surface = segment.GetRepresentation("Closed surface")
            return surface.GetNumberOfPoints() if surface else 0

        head, necrosis = points("head"), points("necrosis")
        assert head and necrosis
        erase(review, "left", slice(None))
        await until(lambda: session.unsaved)
        session.undo()
        session.redo()  # the review itself writes the empty mask
        assert (points("head"), points("necrosis")) == (head, 0)
        session.undo()
        assert (points("head"), points("necrosis")) == (head, necrosis)

    at_work(place, state, steps)


def test_a_draft_of_an_image_that_was_changed_is_not_forgotten_in_silence(place: Path, state: Path):
    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        erase(session.review, "left", slice(0, 10))
        session.settling.now()
        session.volume_node.SetSpacing(9.0, 9.0, 9.0)
        with pytest.raises(InputError, match="The volume was changed or scaled"):
            session.forget_draft()
        assert session.unsaved

    at_work(place, state, steps)
