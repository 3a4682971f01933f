"""Drafts and summaries that a disk, a sync client or somebody has damaged, and studies that fail: the others go on."""

import asyncio
import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_parts import at_work, key_of, row_of, sample, until

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.web import ahead, drafts
from ONFHAssistLib.web.state import study_lines

SAMPLE = "sample.nii.gz"
ODD = (None, True, -1, 1e300, "x", [], [1], {}, {"x": 1})
WHOLE = (b"", b"null", b"[]", b'"x"', b"3", b"{", b"\xff\xfe", b"[" * 100_000, b'{"image": 1e999}')


def places(plain, path: tuple = ()) -> Iterator[tuple]:
    """Return the way to each value of a JSON document, of lists to the first two."""
    parts = plain.items() if isinstance(plain, dict) else enumerate(plain[:2]) if isinstance(plain, list) else ()
    for name, part in parts:
        yield (*path, name)
        yield from places(part, (*path, name))


def damaged(plain) -> Iterator[bytes]:
    """Return a JSON document with one value after the other replaced or missing, and documents that are none."""
    yield from WHOLE
    for path in places(plain):
        for odd in ODD:
            changed = copy.deepcopy(plain)
            place = changed
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = odd
            yield json.dumps(changed).encode()
        del place[path[-1]]
        yield json.dumps(changed).encode()


def test_the_list_comes_up_whatever_a_summary_has_become(place: Path, state: Path):
    async def steps(session) -> None:
        file = state / key_of(session, SAMPLE) / "summary.json"
        contents = list(damaged(json.loads(file.read_text())))
        assert len(contents) > 100
        for content in contents:
            file.write_bytes(content)
            session.folder.rows = []
            session.folder.look_through()
            assert [line["title"] for line in study_lines(session.rows)] == [SAMPLE], content[:300]

    at_work(place, state, steps)


@pytest.mark.parametrize("name", [drafts.MADE, drafts.NOW])
def test_a_study_opens_whatever_its_draft_has_become(place: Path, state: Path, name: str):
    async def steps(session) -> None:
        key = key_of(session, SAMPLE)
        await session.open(key)
        session.change(lambda review: review.turn_reviewed("left", session.review.hip("left").slices[0].index))
        file = state / key / name
        await until((state / key / drafts.NOW).exists)
        study, mark = session.study, drafts.fingerprint(session.study)
        contents = list(damaged(json.loads(file.read_text())))
        contents = random.Random(0).sample(contents, 150)
        session.close()
        for n, content in enumerate(contents):
            file.write_bytes(content)
            drafts.read(file.parent, study, mark)
            if n % 5 == 0:
                await session.open(key)
                assert session.study is not None
                session.close()

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
