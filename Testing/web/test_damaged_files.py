"""Drafts and summaries that a disk, a sync client or somebody has damaged, and studies that fail: the others go on."""

import asyncio
import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_parts import at_work, key_of, row_of, sample, until

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.plain import to_plain
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.hip_state import automatic_of
from ONFHAssistLib.scene.state import packed, packed_state, unpacked
from ONFHAssistLib.web import ahead, drafts
from ONFHAssistLib.web.state import study_lines
from Testing.damage import WHOLE, apart_from, damaged
from Testing.scene.review_parts import CORONAL, Grid, made_up

SAMPLE = "sample.nii.gz"


def contents(plain) -> Iterator[bytes]:
    """A file of JSON as it may have become."""
    yield from WHOLE
    for _, changed in damaged(plain):
        yield json.dumps(changed).encode()


def test_the_list_comes_up_whatever_a_summary_has_become(place: Path, state: Path):
    async def steps(session) -> None:
        file = state / key_of(session, SAMPLE) / "summary.json"
        found = list(contents(json.loads(file.read_text())))
        assert len(found) > 100
        for content in found:
            file.write_bytes(content)
            session.folder.rows = []
            session.folder.look_through()
            assert [line["title"] for line in study_lines(session.rows)] == [SAMPLE], content[:300]

    at_work(place, state, steps)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Study, dict]:
    """A small study, and what a reader has made of it; the files are those of ``tmp_path``."""
    made = made_up(Grid(CORONAL, (6.0, 6.0, 12.0)), missed=("left",))
    automatic = automatic_of(made)
    study = Study(made.volume, made.source, made.patient)
    now = {"image": drafts.fingerprint(study), "hips": {"right": packed_state(automatic["right"].state)}}
    now |= {"reviewer": "AB", "reviewed": {"right": [3], "left": None}, "seen": 2}
    now |= {"signed": {"right": {"reviewer": "AB", "status": "flagged", "comment": "c"}}, "saved": ["right"]}
    drafts.write(tmp_path / drafts.MADE, {"image": now["image"], "made": packed(made, automatic)})
    drafts.write(tmp_path / drafts.NOW, now)
    return study, json.loads(json.dumps(now))


def test_what_a_reader_made_of_a_study_comes_back_or_is_refused_whatever_its_file_has_become(
    tmp_path: Path, monkeypatch, kept
):
    study, now = kept
    mark, file = now["image"], tmp_path / drafts.NOW
    measured = unpacked(json.loads((tmp_path / drafts.MADE).read_text())["made"], study.volume)
    monkeypatch.setattr(drafts, "unpacked", lambda *_: measured)  # once is enough
    sound = drafts.read(tmp_path, study, mark)
    refused = {"right": None}
    for content in WHOLE:
        file.write_bytes(content)
        assert drafts.read(tmp_path, study, mark).now == refused, content[:100]
    taken = 0
    for path, changed in damaged(now):
        file.write_text(json.dumps(changed))
        found = drafts.read(tmp_path, study, mark)
        assert found.result == sound.result
        if (found.reviewer, found.signed, found.reviewed) == ("", {}, {}):
            assert found.now == refused or (path == ("image",) and not found.now)
            continue
        again = {
            "image": mark,
            **{name: to_plain(getattr(found, name)) for name in now if name not in ("image", "hips")},
        }
        again = json.loads(json.dumps({**again, "hips": found.now}))
        assert apart_from(again, path) == apart_from(now, path), path
        taken += 1
    assert taken > 50


@pytest.mark.parametrize("content", WHOLE)
def test_what_the_networks_made_is_none_where_its_file_is_none(tmp_path: Path, kept, content: bytes):
    study, now = kept
    assert drafts.read(tmp_path, study, now["image"]).result.hips
    (tmp_path / drafts.MADE).write_bytes(content)
    found = drafts.read(tmp_path, study, now["image"])
    assert isinstance(found, drafts.Damaged) and "damaged" in found.sentence and "put aside" in found.sentence
    assert (tmp_path / "made.json.damaged").read_bytes() == content  # somebody may still get something out of it
    assert json.loads((tmp_path / "now.json.damaged").read_text()) == now
    assert drafts.read(tmp_path, study, now["image"]) is None  # told once; what is analysed now is kept


def test_what_was_never_kept_is_no_damage(tmp_path: Path, kept):
    study, now = kept
    assert drafts.read(tmp_path / "elsewhere", study, now["image"]) is None


def test_the_draft_of_another_image_is_none_of_this(tmp_path: Path, kept):
    study, now = kept
    assert drafts.read(tmp_path, study, "0" * 32) is None
    drafts.write(tmp_path / drafts.NOW, {**now, "image": "0" * 32})
    assert drafts.read(tmp_path, study, now["image"]).now == {}


def test_a_study_opens_and_says_so_where_its_draft_cannot_be_read(place: Path, state: Path):
    def change(file: Path, *path: str, value: object) -> None:
        plain = json.loads(sound[file])
        part = plain
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value
        file.write_text(json.dumps(plain))

    async def steps(session) -> None:
        key = key_of(session, SAMPLE)
        await session.open(key)
        session.change(lambda review: review.turn_reviewed("left", session.review.hip("left").slices[0].index))
        session.close()
        made, now = (state / key / name for name in (drafts.MADE, drafts.NOW))
        await until(now.exists)
        sound.update((file, file.read_text()) for file in (made, now))
        bomb = base64.b64encode(zlib.compress(bytes(10**8))).decode()
        for spoil in (
            lambda: change(now, "hips", "left", "sphere", "radius_mm", value=1e6),
            lambda: change(now, "hips", "left", "head", value=bomb),
            lambda: change(now, "reviewed", value="x"),
            lambda: now.write_text("{"),
        ):
            spoil()
            await session.open(key)
            assert session.message.startswith("The draft of this study cannot be read") and session.alarm
            assert session.review is not None and not session.unsaved
        for spoil in (
            lambda: change(made, "made", "automatic", "left", "sphere", "radius_mm", value=1e6),
            lambda: change(made, "made", "automatic", "left", "head", value=bomb),
            lambda: made.write_text("{"),
        ):
            spoil()
            await session.open(key)
            assert session.study is not None and session.review is None and session.alarm
            assert session.message.startswith("The draft of this study is damaged (")
            assert session.message.endswith("and was put aside; analyse the study again.")
            now.write_text(sound[now])

    sound: dict[Path, str] = {}
    at_work(place, state, steps)


def test_one_study_that_fails_unforeseen_does_not_stop_those_behind_it(place: Path, tmp_path: Path, monkeypatch, capfd):
    sample(place, "a bad one.nii.gz")
    monkeypatch.setattr(ahead, "QUIET_S", 0.1)
    read = ahead.read_checked

    def broken(path: Path):
        if "bad" in path.name:
            raise IndexError("Doe_Jane")
        return read(path)

    monkeypatch.setattr(ahead, "read_checked", broken)

    async def steps(session) -> None:
        session.ahead.wanted = True
        await until(lambda: row_of(session, SAMPLE).status == "analysed", 60)
        bad = row_of(session, "a bad one.nii.gz")
        assert bad.status == "not usable" and "error of the program" in bad.summary.problem

    at_work(place, tmp_path / "state", steps)
    assert "IndexError" in (said := capfd.readouterr().err) and "Doe" not in said


def test_the_opening_of_a_bad_file_leaves_the_open_study_and_the_list(place: Path, state: Path):
    (place / "cut.nii.gz").write_bytes((place / SAMPLE).read_bytes()[:20_000])

    async def steps(session) -> None:
        await session.open(key_of(session, SAMPLE))
        with pytest.raises(InputError):
            await session.open(key_of(session, "cut.nii.gz"))
        assert session.entry.title == SAMPLE and session.review is not None
        assert row_of(session, "cut.nii.gz").status == "not usable"
        await asyncio.sleep(0)

    at_work(place, state, steps)
