"""What the reviewers tell of the data set: counts, what it lacks, the last save, the next case."""

import time
from dataclasses import replace

from reviewed_hip import Hip

from ONFHAssistLib.curation import layout
from ONFHAssistLib.curation.case import save_case
from ONFHAssistLib.curation.folder import create_store
from ONFHAssistLib.curation.overview import Overview, data_set_in, overview


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
