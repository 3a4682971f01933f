import sys
from pathlib import Path

import pytest

from ONFHAssistLib import cli

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "curation"))
from reviewed_hip import Hip

from ONFHAssistLib.curation.folder import create_store


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
    assert "2 of 1 patients" in said and "approved 1" in said and "draft 1" in said and "right 1 (100 %)" in said
    assert "No approved case is side left." in said and "2 saved, 1 approved" in said


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
    assert "1 cases of 1 patients" in capsys.readouterr().out
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
