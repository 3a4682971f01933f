"""A case of the data set is opened again: to go on with it, to read it independently, to settle a difference."""

import dataclasses

import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.curation.reports.agree import agree
from ONFHAssistLib.curation.store.open_case import NETWORKS, OpenCase, open_case, told


def again(opened, case, hip, lesion_mm, reviewer, status="approved"):
    """What a reader makes of an opened case: a lesion of another height."""
    masks = hip.masks(case.image, lesion_mm)
    return dataclasses.replace(
        case, masks=masks, result=grade(masks), provenance={}, reviewer=reviewer, status=status,
        adjudicates=opened.adjudicates(reviewer),
    )  # fmt: skip


@pytest.fixture
def case_id(store, hip):
    """A case that reader1 has approved."""
    return store.save(hip.case(reviewer="reader1", comment="band hard to see")).stem


def necrosis(masks):
    return int(masks.necrosis.array.sum())


def test_a_reader_goes_on_with_what_he_has_saved(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader1")
    assert necrosis(case.masks) == necrosis(hip.masks(case.image)) and case.comment == "band hard to see"
    assert opened.readers == ("reader1",) and not opened.adjudicates("reader1")
    store.save(again(opened, case, hip, 12.0, "reader1", "draft"))
    _, draft = open_case(store.folder, case_id, "reader1")
    assert necrosis(draft.masks) == necrosis(hip.masks(case.image, 12.0)) and draft.status == "draft"
    _, of_another = open_case(store.folder, case_id, "reader2")  # the draft is not what counts
    assert necrosis(of_another.masks) == necrosis(hip.masks(case.image)) and of_another.comment == ""


def test_a_second_reader_sees_nothing_of_the_first(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader2", independent=True)
    assert necrosis(case.masks) == necrosis(case.automatic) and case.comment == ""
    assert opened.readings == () and opened.history == () and not opened.adjudicates("reader2")
    store.save(again(opened, case, hip, 22.0, "reader2"))
    assert store.cases()[0].needs_adjudication


def test_an_independent_reading_can_be_left_and_gone_on_with(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader2", independent=True)
    store.save(again(opened, case, hip, 22.0, "reader2", "draft"))
    opened, case = open_case(store.folder, case_id, "reader2", independent=True)
    assert necrosis(case.masks) == necrosis(hip.masks(case.image, 22.0)) and opened.readings == ()
    store.save(again(opened, case, hip, 22.0, "reader2"))
    _, third = open_case(store.folder, case_id, "reader2", independent=True)  # how well he agrees with himself
    assert necrosis(third.masks) == necrosis(third.automatic)


def test_who_has_seen_the_others_settles_the_case(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader2", independent=True)
    store.save(again(opened, case, hip, 22.0, "reader2"))
    opened, case = open_case(store.folder, case_id, "senior")
    assert opened.differ and [reading.words.split(",")[0] for reading in opened.readings] == [
        "reader1", "reader2", "networks: mild",
    ]  # fmt: skip
    ratio = hip.masks(case.image, 22.0).necrosis.array.sum() / case.masks.head.array.sum()
    assert opened.readings[1].words.endswith(f"approved: severe, {100 * ratio:.1f} %")
    theirs = opened.masks(opened.readings[1].number)
    assert np.array_equal(theirs.necrosis.array, hip.masks(case.image, 22.0).necrosis.array)
    assert necrosis(opened.masks(NETWORKS)) == necrosis(case.automatic)
    assert len(opened.history) == 2 and "“band hard to see”" in opened.history[0]
    store.save(again(opened, case, hip, 20.0, "senior"))
    assert not store.cases()[0].needs_adjudication
    settled, _ = open_case(store.folder, case_id, "reader1")
    assert "settled" in settled.readings[2].words and "approved, settles" in settled.history[-1]


def test_what_another_has_saved_meanwhile_is_not_settled_unseen(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "senior")
    meanwhile, of_reader = open_case(store.folder, case_id, "reader2", independent=True)
    store.save(again(meanwhile, of_reader, hip, 22.0, "reader2"))
    store.save(again(opened, case, hip, 20.0, "senior"))
    assert store.cases()[0].needs_adjudication
    opened, case = open_case(store.folder, case_id, "senior")
    store.save(again(opened, case, hip, 20.0, "senior"))
    assert not store.cases()[0].needs_adjudication


def test_a_withdrawn_case_opens_as_it_was_before(store, hip, case_id):
    store.withdraw(case_id, "reader1", "fracture")
    opened, case = open_case(store.folder, case_id, "reader1")
    assert necrosis(case.masks) == necrosis(hip.masks(case.image)) and "fracture" in opened.history[-1]
    store.save(again(opened, case, hip, 16.0, "reader1"))
    assert store.cases()[0].status == "approved"


def test_a_case_without_networks_cannot_be_read_independently(store, hip):
    manual = hip.case(automatic=None, automatic_result=None, models=())
    case_id = store.save(manual).stem
    opened, case = open_case(store.folder, case_id, "reader1")
    assert case.automatic is None and [reading.number for reading in opened.readings] == [case.seen]
    with pytest.raises(InputError, match="networks had no part"):
        open_case(store.folder, case_id, "reader2", independent=True)
    with pytest.raises(InputError, match="networks had no part"):
        store.masks(case_id, NETWORKS)
    with pytest.raises(InputError, match="no version 99"):
        store.masks(case_id, 99)
    with pytest.raises(InputError, match="has no case"):
        open_case(store.folder, "p0", "reader1")


def test_a_saved_scene_can_keep_what_is_open(store, case_id):
    opened, _ = open_case(store.folder, case_id, "reader2")
    assert from_plain(OpenCase, to_plain(opened)) == opened


def test_a_withdrawal_is_not_undone_by_who_has_not_seen_it(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader1")
    store.withdraw(case_id, "reader2", "fracture, not necrosis")
    with pytest.raises(InputError, match=r"withdrawn by reader2 since you opened it \(fracture, not necrosis\)"):
        store.save(again(opened, case, hip, 12.0, "reader1"))
    assert store.cases()[0].status == "withdrawn"
    opened, case = open_case(store.folder, case_id, "reader1")
    store.save(again(opened, case, hip, 12.0, "reader1"))
    assert store.cases()[0].status == "approved"


def test_after_a_save_the_case_tells_what_others_have_saved_unseen(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "senior")
    store.save(again(opened, case, hip, 12.0, "senior"))
    seen = opened.renewed("senior")
    assert seen.readers == ("reader1", "senior") and seen.unseen == () and not seen.differ
    other, of_other = open_case(store.folder, case_id, "reader2", independent=True)
    store.save(again(other, of_other, hip, 22.0, "reader2"))
    store.save(again(seen, dataclasses.replace(case, seen=seen.seen), hip, 13.0, "senior"))
    late = seen.renewed("senior")
    assert late.unseen == ("reader2",) and late.differ and late.seen == seen.seen
    assert "saved by reader2 since it was opened; open it again" in told(late)


def test_only_what_was_drawn_unseen_counts_as_a_reading(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader1")
    store.save(again(opened, case, hip, 12.0, "reader1"))  # he saw his first one
    opened, case = open_case(store.folder, case_id, "senior")
    other, of_other = open_case(store.folder, case_id, "reader2", independent=True)
    store.save(again(other, of_other, hip, 22.0, "reader2"))
    store.save(again(opened, case, hip, 16.0, "senior"))  # does not settle it, but saw reader1's
    (found,) = agree(store)
    assert (found.first, found.second) == ("reader1", "reader2")


def test_a_draft_of_a_correction_is_no_beginning_of_a_second_reading(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader2")
    store.save(again(opened, case, hip, 12.0, "reader2", "draft"))
    _, anew = open_case(store.folder, case_id, "reader2", independent=True)
    assert necrosis(anew.masks) == necrosis(anew.automatic)


def test_status_and_comment_of_another_reader_are_not_taken_for_ones_own(store, case_id):
    _, own = open_case(store.folder, case_id, "reader1")
    _, of_another = open_case(store.folder, case_id, "reader2")
    assert (own.status, own.comment) == ("approved", "band hard to see")
    assert (of_another.status, of_another.comment) == ("draft", "")
    with pytest.raises(InputError, match="enter your reviewer's code"):
        open_case(store.folder, case_id, "", independent=True)


def test_a_second_reading_begins_with_what_the_networks_made_first(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader1")
    segmented_anew = hip.masks(case.image, 2.0)
    store.save(dataclasses.replace(again(opened, case, hip, 12.0, "reader1"), automatic=segmented_anew))
    manual = dataclasses.replace(
        again(opened, case, hip, 12.0, "reader1"), automatic=None, automatic_result=None, models=()
    )
    store.save(manual)
    opened, anew = open_case(store.folder, case_id, "reader2", independent=True)
    assert necrosis(anew.masks) == necrosis(hip.masks(case.image, hip.lesion_mm / 2))
    listed, _ = open_case(store.folder, case_id, "reader2")
    assert listed.readings[-1].whose == "networks" and necrosis(listed.masks(NETWORKS)) == necrosis(anew.masks)


def test_the_networks_interval_outlives_a_save_of_an_opened_case(store, hip):
    first = hip.case(reviewer="reader1")
    made = dataclasses.replace(first.automatic_result, ratio_interval=(0.05, 0.2))
    untouched = dataclasses.replace(first, masks=first.automatic, result=made, automatic_result=made, provenance={})
    case_id = store.save(untouched).stem
    opened, case = open_case(store.folder, case_id, "reader1")
    assert case.automatic_result.ratio_interval is None
    store.save(dataclasses.replace(case, adjudicates=opened.adjudicates("reader1")))
    _, second = store.record(case_id).versions
    assert second.automatic.result.ratio_interval == (0.05, 0.2) == second.result.ratio_interval
    store.save(again(opened, case, hip, 12.0, "reader1"))
    third = store.record(case_id).versions[2]
    assert third.automatic.result.ratio_interval == (0.05, 0.2) and third.result.ratio_interval is None


def test_a_data_set_that_is_gone_is_not_made_anew_by_a_save(store, hip, case_id):
    opened, case = open_case(store.folder, case_id, "reader1")
    elsewhere = store.folder.rename(store.folder.with_name("Dataset101_Moved"))
    with pytest.raises(InputError, match="is not a data set"):
        opened.save(again(opened, case, hip, 12.0, "reader1"))
    assert not store.folder.exists() and elsewhere.is_dir()


def test_a_withdrawn_case_says_so_and_a_reading_tells_the_slices_it_stands_for(store, hip):
    case_id = store.save(hip.case(reviewer="reader1", reviewed_slices=(8, 9))).stem
    store.withdraw(case_id, "reader2", "fracture")
    opened, case = open_case(store.folder, case_id, "reader1")
    assert "withdrawn by reader2 (fracture)" in told(opened)
    first = store.record(case_id).pose.box[0][0]
    assert opened.readings[0].reviewed == (8 - first, 9 - first) == case.reviewed_slices
    assert opened.readings[-1].reviewed is None
