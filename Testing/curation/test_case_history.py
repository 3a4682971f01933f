"""What is told of a case's saves, against what is known of the masks."""

import dataclasses

import pytest
from reviewed_hip import Hip

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.record import MaskChange

VOXEL_MM3 = 80.0


def volume(lesion_mm: float) -> int:
    return int(Hip(lesion_mm=lesion_mm).case().masks.necrosis.array.sum())


def test_each_save_tells_what_it_changed_since_the_networks_and_since_the_version_before(store):
    first = Hip(lesion_mm=20.0).case(comment="rim unclear")  # the networks: 10 mm
    case_id = store.save(first).stem
    store.save(dataclasses.replace(Hip(lesion_mm=12.0).case(reviewer="reader2"), automatic=None, automatic_result=None))
    one, two = store.history(case_id)
    (since,) = one.changes
    grown, shrunk = volume(20.0) - volume(10.0), volume(20.0) - volume(12.0)
    assert since.since == "networks" and since.masks.head == MaskChange(0, 0, 0.0, 0.0)
    assert since.masks.necrosis == MaskChange(grown, 0, grown * VOXEL_MM3, 0.0)
    assert (since.before["steinberg"], since.after["steinberg"]) == ("mild", "severe")
    assert (one.reviewer, one.comment, one.models, one.trained_with) == (
        "reader1",
        "rim unclear",
        ("necrosis 0.2.0",),
        True,
    )
    assert one.provenance == {"head": "automatic", "necrosis": "corrected"}
    (since,) = two.changes  # drawn by hand: nothing to compare with but the first reader's
    assert since.since == f"save {one.number}" and since.masks.necrosis.removed_voxels == shrunk
    assert since.masks.necrosis.removed_mm3 == shrunk * VOXEL_MM3
    assert (since.before["steinberg"], since.after["steinberg"]) == ("severe", "mild")
    assert two.reviewer == "reader2" and not two.trained_with


def test_a_withdrawal_is_told_and_the_version_after_it_compares_with_the_last_mask(store):
    case_id = store.save(Hip(lesion_mm=8.0).case()).stem
    store.withdraw(case_id, "senior", "fracture")
    store.save(Hip(lesion_mm=8.0).case(status="draft"))
    one, gone, again = store.history(case_id)
    assert (gone.status, gone.reviewer, gone.comment, gone.changes) == ("withdrawn", "senior", "fracture", ())
    assert [change.since for change in again.changes] == ["networks", f"save {one.number}"]
    assert again.changes[1].masks.necrosis == MaskChange(0, 0, 0.0, 0.0)
    assert not any(save.trained_with for save in (one, gone, again))


def test_a_case_that_is_not_there_has_no_history(store):
    with pytest.raises(InputError, match="has no case"):
        store.history("p000_nobody_R")
