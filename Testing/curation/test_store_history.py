"""Versions, readers, adjudication, folds: what becomes of a case over time."""

import dataclasses
import json

import numpy as np
import pytest
from reviewed_hip import Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case.nifti import read_nifti
from ONFHAssistLib.curation.case.record import MaskChange
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import create_store, open_store
from ONFHAssistLib.curation.store.lists import with_patient


def necrosis_voxels(store, case_id, place="labelsTr") -> int:
    return int((read_nifti(store.folder / place / f"{case_id}.nii.gz").array == 2).sum())


def corrected(case, lesion_mm: float, **more):
    """The same case with another lesion."""
    masks = Hip(case.side).masks(case.image, lesion_mm)
    return dataclasses.replace(case, masks=masks, result=grade(masks), provenance={}, **more)


def test_a_case_is_opened_again_with_everything_and_corrected_again(store, hip):
    first = hip.case(comment="rim unclear", reviewed_slices=(6, 7, 8, 9, 10))
    case_id = store.save(first).stem
    again = store.reopen(case_id)
    assert again.patient_code == "" and again.case_id == case_id
    kept = np.nonzero(first.image.array == first.image.array)  # every voxel; those that are kept are looked up below
    assert kept[0].size > again.image.array.size
    i, j, k = np.round(first.image.ijk(again.image.grid_ras())).astype(int).reshape(-1, 3).T
    assert np.array_equal(first.image.array[k, j, i], again.image.array.ravel())
    for name in ("head", "necrosis"):
        was, now = getattr(first.masks.whole(), name).array, getattr(again.masks.whole(), name).array
        assert np.array_equal(was[k, j, i], now.ravel()) and was.sum() == now.sum()
    assert again.masks.sphere == first.masks.sphere and again.result.volume_ratio == first.result.volume_ratio
    assert again.automatic_result.volume_ratio == pytest.approx(first.automatic_result.volume_ratio)
    assert (again.status, again.comment, again.reviewer) == ("approved", "rim unclear", "reader1")
    assert {round(z) for z in again.image.ras(np.array([[0, 0, n] for n in again.reviewed_slices]))[:, 1]} == {
        round(z) for z in first.image.ras(np.array([[0, 0, n] for n in first.reviewed_slices]))[:, 1]
    }

    store.save(corrected(again, 24.0, comment="larger"))
    facts = store.record(case_id)
    assert [entry.comment for entry in facts.versions] == ["rim unclear", "larger"]
    assert facts.versions[0].reviewed_slices == facts.versions[1].reviewed_slices == (6, 7, 8, 9, 10)
    assert store.reopen(case_id, facts.versions[0].number).result.volume_ratio == first.result.volume_ratio
    assert store.reopen(case_id).result.volume_ratio > first.result.volume_ratio
    assert check(store) == ()


def test_the_history_tells_who_changed_what(store, hip):
    case = hip.case()
    case_id = store.save(case).stem
    store.save(corrected(store.reopen(case_id), 24.0, reviewer="reader2"))
    one, two = store.record(case_id).versions
    smaller, mine = case.automatic.necrosis.array.sum(), case.masks.necrosis.array.sum()
    larger = hip.masks(case.image, 24.0).necrosis.array.sum()
    assert one.changes.from_previous is None
    assert one.changes.from_automatic.necrosis == MaskChange(mine - smaller, 0, (mine - smaller) * 80.0, 0.0)
    assert two.changes.from_previous.necrosis.added_voxels == larger - mine
    assert two.changes.from_previous.head.added_voxels == 0
    assert (one.reviewer, two.reviewer) == ("reader1", "reader2")
    assert one.models[0].version == "0.2.0" and one.saved_at <= two.saved_at
    before, after = one.automatic.result.grades["steinberg"], one.result.grades["steinberg"]
    assert before.grade == case.automatic_result.grades["steinberg"].grade
    assert after.grade == case.result.grades["steinberg"].grade and before.value < after.value


def test_nothing_in_the_history_ever_changes(store, hip):
    before: dict[str, bytes] = {}
    case_id = store.save(hip.case()).stem
    for n in range(4):
        if n == 2:
            store.withdraw(case_id, "reader1", "wrong patient")
        else:
            store.save(corrected(store.reopen(case_id), 10.0 + n, status=["draft", "flagged", "", "approved"][n]))
        now = every_byte(store.folder / "history")
        assert all(now[name] == content for name, content in before.items()) and len(now) > len(before)
        before = now


def test_only_approved_cases_are_trained_with(store, hip):
    case_id = store.save(hip.case(status="draft")).stem

    def places() -> set[str]:
        return {name.split("/")[0] for name in every_byte(store.folder) if case_id in name}

    assert places() == {"staging", "original", "cases"}
    store.save(corrected(store.reopen(case_id), 20.0, status="approved"))
    assert places() == {"imagesTr", "labelsTr", "original", "cases"}
    store.save(corrected(store.reopen(case_id), 8.0, status="draft"))  # does not take back what is approved
    assert places() == {"imagesTr", "labelsTr", "staging", "original", "cases"}
    assert necrosis_voxels(store, case_id) > necrosis_voxels(store, case_id, "staging")
    store.save(corrected(store.reopen(case_id), 8.0, status="flagged", reviewer="reader2"))
    assert store.cases()[0].status == "flagged" and places() == {"staging", "original", "cases"}
    store.save(corrected(store.reopen(case_id), 8.0, status="approved", reviewer="reader2"))
    assert store.cases()[0].status == "approved"
    store.withdraw(case_id, "reader1", "fracture")
    assert store.cases()[0].status == "withdrawn" and places() == {"staging", "original", "cases"}
    assert json.loads((store.folder / "dataset.json").read_text())["training"] == []
    with pytest.raises(InputError, match="withdrawn already"):
        store.withdraw(case_id, "reader1", "fracture")
    store.save(corrected(store.reopen(case_id), 8.0, status="approved"))
    assert store.cases()[0].status == "approved" and check(store) == ()


def test_two_readers_mark_a_hip_independently_and_somebody_settles_it(store, hip):
    case_id = store.save(hip.case(reviewer="reader1")).stem
    blind = store.reopen(case_id, version=0)  # as the networks made it: nothing of the other reader's
    assert np.array_equal(blind.masks.necrosis.array, blind.automatic.necrosis.array)
    assert blind.comment == "" and blind.reviewed_slices is None
    store.save(corrected(blind, 24.0, reviewer="reader2", status="approved"))
    assert store.cases()[0].needs_adjudication
    first = necrosis_voxels(store, case_id)
    assert first == hip.masks(hip.image()).necrosis.array.sum()  # the first reader's, until it is settled
    seen = store.reopen(case_id)
    store.save(corrected(seen, 20.0, reviewer="senior", status="approved", adjudicates=True))
    assert not store.cases()[0].needs_adjudication and necrosis_voxels(store, case_id) > first
    store.save(corrected(blind, 4.0, reviewer="reader1", status="approved"))  # does not undo the settlement
    assert store.cases()[0].needs_adjudication and necrosis_voxels(store, case_id) > first
    assert store.cases()[0].reviewers == ("reader1", "reader2", "senior") and check(store) == ()


def test_the_same_hip_saved_from_its_image_again_is_one_more_version(store, hip):
    paths = {store.save(hip.case(reviewer=f"reader{n}")) for n in (1, 2)}
    moved = hip.case()
    sphere = dataclasses.replace(moved.masks.sphere, centre_ras_mm=(94.0, 12.0, 5.0))
    paths.add(store.save(dataclasses.replace(moved, masks=dataclasses.replace(moved.masks, sphere=sphere))))
    assert len(paths) == 1 and store.cases()[0].versions == 3 and check(store) == ()


def test_a_mask_far_from_the_head_is_refused(store, hip):
    case = hip.case()
    masks = case.masks.whole()
    head = masks.head.array | Hip("left").masks(case.image).whole().head.array
    with pytest.raises(InputError, match="outside of the 80"):
        store.save(dataclasses.replace(case, masks=dataclasses.replace(masks, head=case.image.like(head))))
    assert store.cases() == ()


def test_a_patient_stays_in_one_fold_and_grades_are_spread(store):
    patients: dict = {}
    for n in range(50):
        patients = with_patient(patients, f"p{n}", "severe" if n % 5 == 0 else "mild")
        assert with_patient(patients, f"p{n}", "severe")[f"p{n}"].fold == patients[f"p{n}"].fold
    for grade_name, wanted in (("severe", 2), ("mild", 8)):
        found = [facts.fold for facts in patients.values() if facts.grade == grade_name]
        assert np.bincount(found, minlength=5).tolist() == [wanted] * 5


def test_folds_are_stable_when_cases_are_added(store):
    folds: dict[str, int] = {}
    for n in range(7):
        for side in ("right", "left"):
            store.save(Hip(side, seed=n, lesion_mm=4.0 * n + 2).case(f"patient {n}"))
        now = {case.case_id: case.fold for case in store.cases()}
        assert folds.items() <= now.items()
        folds = now
    by_patient = {(case.patient, case.fold) for case in store.cases()}
    assert len(by_patient) == 7 and {fold for _, fold in by_patient} == set(range(5))


def test_a_data_set_holds_one_modality(store, hip, tmp_path):
    source = {"modality": "CT", "kind": "NIfTI"}
    with pytest.raises(InputError, match="image is CT"):
        store.save(hip.case(source=source))
    other = create_store(tmp_path / "Dataset102_CT", "CT")
    other.save(hip.case(source=source))
    assert json.loads((other.folder / "dataset.json").read_text())["channel_names"] == {"0": "CT"}
    assert open_store(other.folder) == other


@pytest.mark.parametrize("plane", ["coronal", "axial"])
def test_the_same_image_opened_with_its_slices_in_reverse_order_is_the_same_case(store, plane):
    """Slicer does so with left-handed grids, other software does not."""
    as_in_file = Hip("left", plane).case(reviewed_slices=(8, 9, 12), reviewer="reader1")
    turned = as_in_file.image.ijk_to_ras.copy()
    turned[:3, 3] += turned[:3, 2] * (len(as_in_file.image.array) - 1)
    turned[:3, 2] *= -1

    def other_way(masks):
        whole = masks.whole()
        head, necrosis = (Volume(mask.array[::-1], turned) for mask in (whole.head, whole.necrosis))
        return HipMasks.of(masks.side, head, necrosis, masks.sphere)

    last = len(as_in_file.image.array) - 1
    as_in_slicer = dataclasses.replace(
        as_in_file, image=Volume(as_in_file.image.array[::-1], turned), masks=other_way(as_in_file.masks),
        automatic=other_way(as_in_file.automatic), reviewed_slices=tuple(last - k for k in (8, 9, 12)),
        reviewer="reader2",
    )  # fmt: skip
    paths = {store.save(as_in_file), store.save(as_in_slicer)}
    assert len(paths) == 1 and check(store) == ()
    one, two = store.record(paths.pop().stem).versions
    for field in ("mask_sha256", "reviewed_slices"):
        assert getattr(one, field) == getattr(two, field)
    assert one.automatic.number == two.automatic.number == one.number


def test_a_hip_where_nobody_looked_for_necrosis_has_no_number_when_it_is_opened_again(store, hip):
    image = hip.image()
    masks = hip.masks(image)
    nothing = masks.necrosis.like(np.zeros_like(masks.necrosis.array))
    masks = dataclasses.replace(masks, necrosis=nothing, not_sought="necrosis is not sought on CT")
    case = hip.case(status="draft", automatic=masks, automatic_result=grade(masks))
    case = dataclasses.replace(case, masks=masks, result=grade(masks), provenance={})
    again = store.reopen(store.save(case).stem)
    for result in (again.result, again.automatic_result, grade(again.masks)):
        assert (result.status, result.reason) == ("not graded", "necrosis is not sought on CT")
        assert result.volume_ratio is None


def test_a_head_that_was_saved_empty_is_graded_once_it_is_drawn(store, hip):
    first = hip.case(status="draft", automatic=None, automatic_result=None, models=())
    nothing = first.masks.head.like(np.zeros_like(first.masks.head.array))
    empty = HipResult(hip.side, "not graded", "the mask of the head is empty", first.masks.sphere)
    masks = dataclasses.replace(first.masks, head=nothing, necrosis=nothing)
    case = dataclasses.replace(first, masks=masks, result=empty, provenance={})
    again = store.reopen(store.save(case).stem)
    offset = again.image.grid_ras() - np.array(again.masks.sphere.centre_ras_mm)
    drawn = again.image.like(np.linalg.norm(offset, axis=-1) < 20)
    assert grade(dataclasses.replace(again.masks.whole(), head=drawn)).status == "graded"
