"""A case of a data set is opened again in a scene, gone on with, compared with other readings, and saved again."""

import dataclasses

import numpy as np
import pytest
from review_parts import GRIDS, add_volume, made_up, paint

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import create_store, save_case
from ONFHAssistLib.curation.store.open_case import NETWORKS, open_case
from ONFHAssistLib.scene.nodes import find_node, review_nodes
from ONFHAssistLib.scene.outlines import MODEL
from ONFHAssistLib.scene.restoring import restore
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff
from ONFHAssistLib.scene.stored_case import begin_case, study_of_case


@pytest.fixture(params=["coronal", "oblique left-handed"])
def saved(scene, tmp_path, request):
    """A data set with a right hip that R1 has corrected and approved; its necrosis lacks the front half."""
    result = made_up(GRIDS[request.param])
    review = Review.begin(scene, add_volume(scene, result.volume), result)
    paint(review, "right", "necrosis", front_half(review.masks("right").whole()), value=False)
    review.update()
    review.set_sign_off("right", SignOff("R1", "approved", "band hard to see"))
    store = create_store(tmp_path / "Dataset101_Heads")
    name = save_case(review.case("right"), store.folder).stem
    review.remove()
    return store, name


def front_half(masks):
    filled = np.flatnonzero(masks.necrosis.array.any(axis=(1, 2)))
    half = np.zeros(masks.necrosis.array.shape, bool)
    half[filled[: len(filled) // 2]] = True
    return half


def opened(scene, store, name, reviewer="R1", independent=False):
    """Open the case in a scene."""
    what, case = open_case(store.folder, name, reviewer, independent)
    return begin_case(scene, add_volume(scene, study_of_case(case).volume), what, case), case


def sign(review, store, reviewer, status="approved"):
    review.set_sign_off("right", SignOff(reviewer, status))
    return save_case(review.case("right"), store.folder)


def in_order(masks, order, flip=False):
    """The same reading with the axes i, j, k of its grid in another order, its slices in reverse order if flipped."""

    def turned(mask):
        array = np.transpose(mask.array, [2 - axis for axis in reversed(order)])
        matrix = mask.ijk_to_ras[:, [*order, 3]].copy()
        if flip:
            array = array[::-1]
            matrix[:3, 3] += matrix[:3, 2] * (len(array) - 1)
            matrix[:3, 2] *= -1
        return Volume(array, matrix)

    whole = masks.whole()
    head = turned(whole.head)
    return dataclasses.replace(
        whole, grid=head, box=head.whole, head=head, necrosis=turned(whole.necrosis), probability=None
    )


def voxels(masks):
    return int(masks.necrosis.array.sum()), int(masks.head.array.sum())


def test_a_case_opens_as_it_was_left_and_saves_as_a_further_version(scene, saved):
    store, name = saved
    review, case = opened(scene, store, name)
    assert review.sides == ("right",) and review.changed("right") and not review.unsaved
    assert review.hip("right").volume_ratio == pytest.approx(case.result.volume_ratio, abs=1e-12)
    assert voxels(review.masks("right")) == voxels(case.masks)
    assert review.sign_off("right") == SignOff("", "approved", "band hard to see")
    paint(review, "right", "necrosis", case.masks.whole().head.array)
    review.update()
    assert review.unsaved and review.hip("right").volume_ratio == pytest.approx(1.0)
    sign(review, store, "R1")
    record = store.record(name)
    assert [entry.reviewer for entry in record.versions] == ["R1", "R1"]
    assert record.versions[1].models == record.versions[0].models != []
    assert record.versions[1].automatic.number == record.versions[0].number
    assert not record.needs_adjudication and check(store) == ()


def test_going_back_leads_to_what_the_networks_had_made(scene, saved):
    review, case = opened(scene, *saved)
    review.reset("right")
    assert voxels(review.masks("right")) == voxels(case.automatic) and not review.changed("right")
    assert review.undo() and voxels(review.masks("right")) == voxels(case.masks)


def test_an_independent_reading_shows_nothing_of_the_first(scene, saved):
    store, name = saved
    review, case = opened(scene, store, name, "R2", independent=True)
    assert not review.changed("right") and voxels(review.masks("right")) == voxels(case.automatic)
    assert review.sign_off("right") == SignOff() and review.opened.readings == ()
    sign(review, store, "R2")
    assert store.cases()[0].needs_adjudication


def test_another_reading_is_drawn_and_taken_over_and_the_case_settled(scene, saved):
    store, name = saved
    second, _ = opened(scene, store, name, "R2", independent=True)
    sign(second, store, "R2")
    second.remove()
    review, _ = opened(scene, store, name, "senior")
    theirs = review.opened.masks(review.opened.readings[1].number)

    def drawn():
        node = find_node(review.volume_node, "right reading outline", MODEL)
        return node.GetPolyData().GetNumberOfCells() if node else 0

    before = voxels(review.masks("right"))
    assert drawn() == 0
    review.show_reading("right", theirs)
    shown = drawn()
    assert shown > 0 and voxels(review.masks("right")) == before and not review.unsaved
    review.show_reading("right", review.opened.masks(review.opened.readings[0].number))
    assert drawn() != shown
    review.show_reading("right", None)
    assert drawn() == 0
    review.take_over("right", theirs, "R2")
    assert voxels(review.masks("right")) == voxels(theirs)
    assert review.hip("right").volume_ratio == pytest.approx(grade(theirs).volume_ratio, abs=1e-12)
    assert review.undo() == "right hip: taken over from R2" and voxels(review.masks("right")) == before
    review.redo()
    sign(review, store, "senior")
    record = store.record(name)
    assert not record.needs_adjudication and record.versions[-1].adjudicates
    assert record.trained_with == record.versions[-1].number


def test_a_saved_scene_knows_that_it_is_a_case(scene, saved, reopened):
    store, name = saved
    review, _ = opened(scene, store, name, "senior")
    review.set_reviewed("right", [4, 5])
    review.set_sign_off("right", SignOff("senior", "draft"))
    (again,) = restore(reopened())
    assert again.opened == review.opened
    theirs, mine = (one.case("right") for one in (again, review))
    assert theirs.case_id == name and theirs.seen == mine.seen and theirs.adjudicates
    marked = [one.result.volume.ras(np.array([[0, 0, k] for k in one.reviewed("right")])) for one in (again, review)]
    normal = review.result.volume.axes_ras[:, 2]
    np.testing.assert_allclose(*[np.sort(places @ normal) for places in marked], atol=0.01)
    save_case(again.case("right"), store.folder)
    assert check(store) == ()


def test_slices_that_nobody_has_reviewed_are_not_trained_with(scene, saved):
    from ONFHAssistLib.curation.case.labels import CaseLabel
    from ONFHAssistLib.curation.case.nifti import read_nifti

    store, name = saved
    review, case = opened(scene, store, name)
    middle = int(np.flatnonzero(case.masks.whole().head.array.any(axis=(1, 2))).mean())
    assert review.reviewed("right") is None
    for index in (middle, middle + 1, middle + 2, middle + 2):
        review.turn_reviewed("right", index)
    assert review.reviewed("right") == (middle, middle + 1) and review.unsaved
    sign(review, store, "R1")
    review.mark_saved("right")
    assert not review.unsaved
    label = read_nifti(store.folder / "labelsTr" / f"{name}.nii.gz").array
    back = store.record(name).pose.take_back(label).array
    ignored = (back == CaseLabel.IGNORE).all(axis=(1, 2))
    assert np.flatnonzero(~ignored).tolist() == [middle, middle + 1]
    again, _ = opened(scene, store, name)
    assert again.reviewed("right") == (middle, middle + 1) and not again.unsaved
    again.set_reviewed("right", [])
    again.set_sign_off("right", SignOff("R1", "approved"))
    with pytest.raises(InputError, match="No slice of the right femoral head is marked"):
        again.case("right")
    again.set_reviewed("right", None)
    assert again.reviewed("right") is None


def test_the_table_shows_which_slices_are_reviewed(scene, saved):
    from ONFHAssistLib.scene.tables import REVIEWED, hip_table, row_of_slice

    review, case = opened(scene, *saved)
    middle = int(np.flatnonzero(case.masks.whole().head.array.any(axis=(1, 2))).mean())
    review.turn_reviewed("right", middle)
    table = hip_table(review.volume_node, "right").table
    column = table.GetTable().GetColumnByName(REVIEWED)
    marks = [column.GetValue(row) for row in range(column.GetNumberOfValues())]
    assert marks.count("✓") == 1 and marks[row_of_slice(table, middle)] == "✓"
    paint(review, "right", "necrosis", case.masks.whole().head.array)
    review.update()  # a stroke keeps the marks
    assert review.reviewed("right") == (middle,)


def test_a_case_that_readers_drew_alone_stays_theirs(scene, tmp_path):
    result = made_up()
    masks = result.masks[0]
    store = create_store(tmp_path / "Dataset101_Heads")
    review = Review.begin(scene, add_volume(scene, result.volume), result)
    review.set_sign_off("right", SignOff("R1", "approved"))
    case = dataclasses.replace(review.case("right"), automatic=None, automatic_result=None, models=(), provenance={})
    name = save_case(case, store.folder).stem
    again, _ = opened(scene, store, name)
    assert not again.changed("right") and voxels(again.masks("right")) == voxels(masks)
    sign(again, store, "R1")
    record = store.record(name)
    assert record.versions[1].automatic is None
    assert record.versions[1].provenance == {"head": "manual", "necrosis": "manual"}
    with pytest.raises(InputError, match="networks had no part"):
        again.opened.masks(NETWORKS)


def test_a_draft_without_a_head_can_be_opened_to_be_segmented(scene, saved):
    store, name = saved
    _, case = open_case(store.folder, name, "R1")
    empty = case.image.like(np.zeros(case.image.array.shape, bool))
    nothing = dataclasses.replace(case.masks.whole(), head=empty, necrosis=empty)
    store.save(
        dataclasses.replace(
            case, masks=nothing, automatic=None, automatic_result=None, status="draft", reviewer="R2", provenance={},
            result=dataclasses.replace(case.result, status="not graded", reason="empty", grades={}, volume_ratio=None),
        )
    )  # fmt: skip
    review, _ = opened(scene, store, name, "R2")
    assert review.hip("right").status == "not graded" and "empty" in review.hip("right").reason
    found = made_up(sides=("right",))
    masks = [
        dataclasses.replace(case.masks, landmarks=one.landmarks, calibration=one.calibration) for one in found.masks
    ]
    review.replace_hip(dataclasses.replace(found, masks=tuple(masks)), "right")
    sign(review, store, "R2", "draft")
    assert store.record(name).versions[-1].automatic is not None and check(store) == ()


def test_closing_a_case_leaves_nothing_behind(scene, saved):
    review, _ = opened(scene, *saved)
    review.show_reading("right", review.masks("right"))
    node = review.volume_node
    review.remove()
    assert review_nodes(node) == []


def test_what_was_painted_while_it_was_saved_is_not_taken_for_saved(scene, saved):
    store, name = saved
    review, case = opened(scene, store, name)
    review.set_sign_off("right", SignOff("R1", "approved"))
    handed_over = review.case("right")
    paint(review, "right", "necrosis", case.masks.whole().head.array)
    review.update()
    store.save(handed_over)
    review.mark_saved("right")
    assert review.unsaved
    sign(review, store, "R1")
    review.mark_saved("right")
    assert not review.unsaved


def test_a_comment_that_was_not_saved_counts_as_unsaved(scene, saved):
    review, _ = opened(scene, *saved)
    assert not review.unsaved
    review.set_sign_off("right", SignOff("R1", "approved", "look again"))
    assert review.unsaved


def test_corrections_of_an_opened_scene_are_known_to_be_unsaved(scene, saved, reopened):
    review, case = opened(scene, *saved)
    paint(review, "right", "necrosis", case.masks.whole().head.array)
    review.update()
    (again,) = restore(reopened())
    assert again.unsaved and voxels(again.masks("right")) == voxels(review.masks("right"))


def test_marks_of_slices_stay_on_their_slices_when_the_volume_is_moved(scene, saved):
    import vtk

    review, _ = opened(scene, *saved)
    review.set_reviewed("right", [4, 5])
    review.mark_as_stored("right")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(1, 3, 15.0)
    transform.SetMatrixTransformToParent(matrix)
    review.volume_node.SetAndObserveTransformNodeID(transform.GetID())
    review.update()
    review.volume_node.HardenTransform()
    review.update()
    assert review.reviewed("right") == (4, 5) and not review.unsaved


def test_another_reading_is_not_left_over_the_images_of_a_new_start(scene, saved, reopened):
    review, _ = opened(scene, *saved)
    review.show_reading("right", review.masks("right"))
    (again,) = restore(reopened())
    node = find_node(again.volume_node, "right reading outline", MODEL)
    assert node is None or node.GetPolyData().GetNumberOfCells() == 0


def test_a_comment_stays_when_the_networks_are_asked_again(scene, saved):
    review, _ = opened(scene, *saved)
    review.set_sign_off("right", SignOff("R1", "approved", "band hard to see"))
    again = Review.begin(scene, review.volume_node, review.result, opened=review.opened)
    assert again.sign_off("right") == SignOff("", "draft", "band hard to see") and not again.unsaved


def test_a_reading_is_taken_over_with_the_slices_that_its_reader_stood_for(scene, saved):
    review, case = opened(scene, *saved)
    review.set_reviewed("right", [4, 5, 6])
    review.take_over("right", case.automatic, "R2", (5,))
    assert review.reviewed("right") == (5,)
    review.take_over("right", case.automatic, "networks")
    assert review.reviewed("right") is None


def test_a_reading_of_the_image_in_reverse_order_is_taken_over_with_the_very_slices(scene, saved):
    review, case = opened(scene, *saved)
    theirs = in_order(case.automatic, (0, 1, 2), flip=True)
    last = theirs.head.shape[0] - 1
    review.take_over("right", theirs, "R2", (last - 5, last - 4))
    assert voxels(review.masks("right")) == voxels(case.automatic)
    assert review.reviewed("right") == (4, 5)


def test_a_reading_on_other_slices_of_the_image_is_refused(scene, saved):
    review, case = opened(scene, *saved)
    before = voxels(review.masks("right"))
    with pytest.raises(InputError, match="moved"):
        review.take_over("right", in_order(case.automatic, (2, 1, 0)), "R2", (5,))
    assert voxels(review.masks("right")) == before and not review.can_undo
