import errno
import json
import os
import re
import sys
from pathlib import Path

import pytest

from ONFHAssistLib import cli
from ONFHAssistLib.core.errors import InputError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "curation"))
from reviewed_hip import Hip

from ONFHAssistLib.curation.store.folder import create_store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = create_store(tmp_path / "Dataset101_Heads")
    store.save(Hip().case())
    store.save(Hip("left").case(status="draft"))
    return store


def test_status_shows_counts_and_what_is_lacking(store, capsys):
    assert cli.main(["data", "status", str(store.folder)]) == 0
    said = capsys.readouterr().out
    assert "2 (1 patient)" in said and "approved 1" in said and "draft 1" in said and "right 1 (100 %)" in said
    assert "No approved case is side left." in said and "2 saved, 1 approved" in said


def test_status_is_written_as_a_page(store, tmp_path, capsys):
    assert cli.main(["data", "status", str(store.folder), "--html", str(tmp_path / "new" / "status.html")]) == 0
    assert "Written to" in capsys.readouterr().out
    page = (tmp_path / "new" / "status.html").read_text(encoding="utf-8")
    assert "No approved case is side left." in page and all(case.case_id in page for case in store.cases())
    assert cli.main(["data", "status", str(store.folder), "--html", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_history_of_a_case_is_told_and_a_withdrawal_belongs_to_it(store, capsys):
    case_id = next(case.case_id for case in store.cases() if case.side == "right")
    store.save(Hip(lesion_mm=24.0).case(reviewer="reader2", status="draft", comment="[larger]"))
    ask = ["data", "withdraw", str(store.folder), case_id, "--reviewer", "reader2", "--why"]
    assert cli.main([*ask, " "]) == 2
    assert "say why" in capsys.readouterr().err and store.record(case_id).status == "approved"
    assert cli.main([*ask, "fracture"]) == 0
    assert "is withdrawn" in capsys.readouterr().out and store.record(case_id).status == "withdrawn"
    assert cli.main([*ask, "fracture"]) == 2
    assert "is withdrawn already" in capsys.readouterr().err
    assert cli.main(["data", "history", str(store.folder), case_id]) == 0
    said = capsys.readouterr().out
    first, second, last = re.split(r"\n(?=\d)", said.strip())
    added = (Hip(lesion_mm=24.0).case().masks.necrosis.array & ~Hip().case().masks.necrosis.array).sum()
    assert (
        "reader1  approved" in first
        and "networks: necrosis 0.2.0" in first
        and "since networks: necrosis +120 −0 voxels (+9600 −0 mm³)" in first
    )
    assert "reader2  draft" in second and "[larger]" in second and "steinberg moderate → severe" in second
    assert f"since save 1: necrosis +{added} −0 voxels (+{added * 80} −0 mm³)" in second
    assert last.endswith("reader2  withdrawn\n    fracture") and "since" not in last
    assert cli.main(["data", "history", str(store.folder), "p1_nobody_R"]) == 2
    assert "has no case p1_nobody_R" in capsys.readouterr().err


def test_a_comment_cannot_pass_for_another_save_in_the_history(store, capsys):
    case_id = next(case.case_id for case in store.cases() if case.side == "right")
    forged = "9 2026-01-01 00:00 UTC chief approved, adjudicates"
    store.save(Hip(lesion_mm=24.0).case(reviewer="reader2", status="draft", comment=f"larger\n{forged}"))
    assert cli.main(["data", "history", str(store.folder), case_id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"    larger {forged}" in lines and not any(line.startswith("9") for line in lines)


def test_check_tells_what_is_wrong_and_mends_it_when_asked(store, capsys):
    assert cli.main(["data", "check", str(store.folder)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    (store.folder / "imagesTr" / "stranger_0000.nii.gz").write_bytes(b"x")
    assert cli.main(["data", "check", str(store.folder)]) == 3
    said = capsys.readouterr().out
    assert "stranger_0000.nii.gz" in said and "to do: " in said and "1 left" in said
    assert cli.main(["data", "check", str(store.folder), "--repair"]) == 0
    assert "1 repaired, 0 left" in capsys.readouterr().out
    assert cli.main(["data", "check", str(store.folder)]) == 0


def test_a_folder_in_the_place_of_a_mask_is_told_of_set_aside_and_left_out(store, tmp_path, capsys):
    store.save(Hip().case(reviewer="reader2"))
    store.save(Hip("left").case(reviewer="reader3"))
    store.save(Hip("left").case(reviewer="reader4"))
    spoilt = next(case.case_id for case in store.cases() if case.side == "right")
    for path in (store.folder / "labelsTr" / f"{spoilt}.nii.gz", store.folder / "history" / "000003" / "mask.nii.gz"):
        path.unlink()
        path.mkdir()
    ask = [str(store.folder), "--format", "monai", "--out", str(tmp_path / "made")]
    assert cli.main(["data", "check", str(store.folder)]) == 3
    assert f"labelsTr/{spoilt}.nii.gz: A file of the case" in capsys.readouterr().out
    assert cli.main(["data", "agree", str(store.folder)]) == 0
    assert "Left out" in (said := capsys.readouterr().out) and "reader3 and reader4" in said
    assert cli.main(["data", "export", *ask]) == 0  # the history has the mask that is trained with
    assert "2 cases" in capsys.readouterr().out
    assert cli.main(["data", "check", str(store.folder), "--repair"]) == 3
    assert "1 left" in (said := capsys.readouterr().out) and "get it back from a copy" in said
    assert (store.folder / "labelsTr" / f"{spoilt}.nii.gz").is_file()


def test_the_key_is_handed_to_another_member(store, tmp_path, monkeypatch, capsys):
    assert cli.main(["data", "key", str(store.folder)]) == 0
    mine = Path(capsys.readouterr().out.splitlines()[0])
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "keys of another member"))
    assert cli.main(["data", "key", str(store.folder)]) == 0
    assert "ask a member" in capsys.readouterr().out
    assert cli.main(["data", "key", str(store.folder), "--add", str(mine)]) == 0
    assert Path(capsys.readouterr().out.splitlines()[0]).read_bytes() == mine.read_bytes()


@pytest.mark.parametrize("command", ["status", "check", "key"])
def test_a_folder_that_is_no_data_set_ends_in_one_sentence(tmp_path, capsys, command):
    assert cli.main(["data", command, str(tmp_path / "nowhere")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "is not a data set" in said.err and said.err.count("\n") == 1


def test_an_export_is_written_and_made_again_from_its_lock_file(store, tmp_path, capsys):
    ask = ["data", "export", str(store.folder), "--format", "monai"]
    assert cli.main([*ask, "--out", str(tmp_path / "one"), "--where", "status == approved and grade != none"]) == 0
    assert "1 case of 1 patient." in capsys.readouterr().out
    assert cli.main([*ask, "--out", str(tmp_path / "two"), "--lock", str(tmp_path / "one" / "export.lock.json")]) == 0
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()} for n in ("one", "two"))
    assert one == two and "DATACARD.md" in one


def test_an_export_that_can_not_be_made_ends_in_one_sentence(store, tmp_path, capsys):
    ask = ["data", "export", str(store.folder), "--format", "monai", "--out", str(tmp_path / "new")]
    assert cli.main([*ask, "--where", "status = approved"]) == 2
    said = capsys.readouterr()
    assert (
        said.err.count("\n") == 1 and "write as in status == approved" in said.err and not (tmp_path / "new").exists()
    )


def test_agreement_of_two_readers_is_shown_and_written(store, tmp_path, capsys):
    assert cli.main(["data", "agree", str(store.folder)]) == 2
    assert "approved by two readers" in capsys.readouterr().err
    store.save(Hip().case(reviewer="reader2"))
    assert cli.main(["data", "agree", str(store.folder), "--out", str(tmp_path / "out")]) == 0
    assert "reader1 and reader2" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["agreement.html", "agreement.json"]


def test_next_suggests_drafts_and_studies_that_are_not_in_the_set(store, tmp_path, capsys, monkeypatch):
    import SimpleITK as sitk

    from ONFHAssistLib.core.results import HipResult
    from ONFHAssistLib.core.study import StudyResult

    assert cli.main(["data", "next", str(store.folder)]) == 0
    said = capsys.readouterr().out
    assert "left, draft" in said and "right" not in said
    (tmp_path / "in").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(Hip(seed=3).image().array), str(tmp_path / "in" / "new.nii.gz"))
    (tmp_path / "in" / "broken.nii.gz").write_bytes(b"nothing")
    asked = []

    def analyse(study, models):
        asked.append(study)
        hips = (HipResult("right", "graded", volume_ratio=0.2), HipResult("left", "not graded", "metal"))
        return StudyResult(study.volume, study.source, hips, ())

    class Models:
        @staticmethod
        def describe():
            return ({"sha256": "abc"},)

    monkeypatch.setattr("ONFHAssistLib.analysis.analyse", analyse)
    monkeypatch.setattr("ONFHAssistLib.analysis.open_models", Models)
    for _ in range(2):  # the second time the study is remembered
        assert cli.main(["data", "next", str(store.folder), "--studies", str(tmp_path / "in")]) == 0
        said = capsys.readouterr()
        assert "left, draft" in said.out and "right, new" in said.out and "left, new" in said.out
        assert "broken.nii.gz" in said.err
    assert len(asked) == 1


def test_what_contradicts_a_lock_file_is_refused(store, tmp_path, capsys):
    ask = ["data", "export", str(store.folder)]
    assert cli.main([*ask, "--format", "monai", "--out", str(tmp_path / "one")]) == 0
    lock = ["--lock", str(tmp_path / "one" / "export.lock.json"), "--out", str(tmp_path / "two")]
    for option, value in (("--format", "monailabel"), ("--where", "side == left")):
        assert cli.main([*ask, *lock, option, value]) == 2
        assert f"leave {option} out" in capsys.readouterr().err and not (tmp_path / "two").exists()
    assert cli.main([*ask, "--withdrawn", "--out", str(tmp_path / "two")]) == 2
    assert "--withdrawn goes with --lock" in capsys.readouterr().err


def test_no_escape_sequence_of_a_data_set_reaches_the_terminal(store, capsys):
    """Neither from what a file says nor from its name."""
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m"
    for path in [*store.folder.glob("cases/*.json"), *store.folder.glob("history/*/case.json")]:
        record = json.loads(path.read_text())
        record["versions"][0] |= {"comment": evil, "software": evil}
        record["source"] |= {"sequence": evil}
        path.write_text(json.dumps(record))
    (store.folder / "cases" / f"{evil.replace('/', '')}.json").write_text("{}")
    (store.folder / ".lock").write_text(json.dumps({"holder": evil, "host": evil, "pid": 1}))
    folder = store.folder.rename(store.folder.with_name(f"Dataset101_{evil}"))
    case_id = next(path.stem for path in folder.glob("cases/p*.json"))
    for words in (["status"], ["check"], ["history", case_id], ["history", evil], ["export", "--out", evil], ["next"]):
        cli.main(["data", words[0], str(folder), *words[1:]])
    said = "".join(capsys.readouterr())
    assert "owned" in said and not set("\x1b\x07\x9b") & set(said)


@pytest.mark.parametrize("command", ["status", "next", "agree", "check"])
@pytest.mark.parametrize(
    ("closed", "says"),
    [("cases", "The folder cases of the data set"), ("onfh-assist.json", "The data set")],
)
def test_a_data_set_that_may_not_be_read_is_told_as_that(store, monkeypatch, capsys, command, closed, says):
    def refused(ask):
        def guarded(path, *arguments, **options):
            if os.path.basename(path) == closed:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return ask(path, *arguments, **options)

        return guarded

    for name in ("scandir", "lstat", "listdir"):
        monkeypatch.setattr(os, name, refused(getattr(os, name)))
    assert cli.main(["data", command, str(store.folder)]) == 2
    said = capsys.readouterr().err
    assert f"{says} {store.folder.name} may not be read; let who works with the data set read all of it." in said
    assert "writ" not in said and "copy" not in said


def test_a_case_that_may_not_be_read_is_told_as_that(store, monkeypatch):
    from ONFHAssistLib.curation.store import store as module

    case_id = store.cases()[0].case_id

    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module, "read_record", refused)
    with pytest.raises(InputError, match="may not be read; let who works with the data set read all of it"):
        store.record(case_id)
