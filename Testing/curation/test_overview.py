"""What the reviewers tell of the data set: counts, what it lacks, the last save, the next case."""

import time
from dataclasses import replace

from reviewed_hip import Hip

from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.reports.overview import Overview, data_set_in, following, listed, overview, words_of
from ONFHAssistLib.curation.store.folder import create_store, save_case


def test_counts_last_save_and_next_case_follow_what_is_saved(tmp_path):
    folder = tmp_path / "cases"
    assert data_set_in(folder) is None
    assert overview(folder) == Overview(problem="There is no data set in cases yet; the first saved case makes one.")
    save_case(Hip().case(), folder)
    first = overview(folder)
    assert first.folder == data_set_in(folder) == folder / "Dataset101_FemoralHeadMR"
    assert (first.approved, first.counts, first.next_case, first.problem) == (1, "1 approved", "", "")
    assert first.last_saved.startswith(time.strftime("%Y-%m-%d %H:", time.gmtime()))
    assert any("left" in sentence for sentence in first.lacking)
    time.sleep(1.1)  # times are kept to the second
    draft = save_case(Hip(side="left", seed=1).case(patient="P2", status="draft"), folder).stem
    second = overview(folder)
    assert (second.approved, second.counts) == (1, "1 approved, 1 draft")
    assert second.next_case.startswith(f"{draft} (left): ") and second.last_saved.endswith(draft)
    assert second.waiting == (draft,) and first.waiting == ()


def test_the_mark_changes_with_the_approved_cases_only(store):
    case = Hip().case()
    store.save(case)
    before = overview(store.folder).mark
    store.save(Hip(seed=1).case(patient="P2", status="draft"))
    assert overview(store.folder).mark == before == overview(store.folder.parent).mark
    time.sleep(1.1)  # times are kept to the second
    store.save(replace(case, reviewer="reader1", comment="looked at again"))
    assert overview(store.folder).mark != before


def test_a_data_set_that_cannot_be_read_is_a_sentence(tmp_path):
    folder = create_store(tmp_path / "Dataset101_Heads").folder
    (folder / layout.MARKER).write_text("{")
    found = overview(folder)
    assert found.folder is None and found.problem.endswith("get it back from a copy.")


def test_the_list_begins_with_what_waits_and_is_found_by_words(store, hip):
    approved = store.save(hip.case()).stem
    draft = store.save(Hip("left", seed=1).case("P2", status="draft")).stem
    withdrawn = store.save(Hip(seed=2).case("P3")).stem
    store.withdraw(withdrawn, "reader1", "fracture")
    flagged = store.save(Hip("left", seed=3).case("P4", "reader2", status="flagged")).stem
    settle = store.save(Hip(seed=4, lesion_mm=30.0).case("P5")).stem
    store.save(Hip(seed=4, lesion_mm=4.0).case("P5", "reader2"))
    cases = overview(store.folder).cases
    assert [case.case_id for case in listed(cases)] == [settle, flagged, draft, approved, withdrawn]
    assert words_of(listed(cases)[0]) == "right, severe, approved, reader1 and reader2, readers differ"
    assert [case.case_id for case in listed(cases, "LEFT reader2")] == [flagged]
    assert [case.case_id for case in listed(cases, draft[:6])] == [draft] and listed(cases, "nothing of it") == []


def test_one_damaged_case_file_does_not_take_the_list_away(store, hip):
    sound = store.save(hip.case(status="draft")).stem
    damaged = store.save(Hip("left", seed=1).case("P2", status="draft"))
    damaged.write_text("{")
    found = overview(store.folder)
    assert [case.case_id for case in found.cases] == [sound] and found.waiting == (sound,) and found.there
    assert any("1 case can't be read" in sentence for sentence in found.lacking)


def test_the_next_case_goes_through_all_that_wait(store):
    found = Overview(waiting=("a", "b", "c"))
    assert [following(found, last) for last in ("", "a", "b", "c", "settled")] == ["a", "b", "c", "a", "a"]
    for none in (Overview(), Overview(waiting=("a",))):
        assert following(none, "a") == ""
