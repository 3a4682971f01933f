"""What is written about a case stays byte for byte what it was, whatever the program makes of it in memory."""

import json
import re
import zipfile

import pytest
from golden import ARCHIVE, made

from ONFHAssistLib.curation.case.record import record_bytes
from ONFHAssistLib.curation.case.schema import record_of

OF_0_1_0 = ARCHIVE.parent / "made_by_0_1_0" / "Dataset101_Heads.zip"


@pytest.fixture(scope="module")
def kept() -> dict[str, bytes]:
    with zipfile.ZipFile(ARCHIVE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_shape_of_a_record_is_written_as_before(kept, tmp_path, monkeypatch):
    found = made(tmp_path, monkeypatch)
    assert found.keys() == kept.keys()
    assert [name for name in kept if found[name].decode() != kept[name].decode()] == []


@pytest.mark.parametrize("place", [ARCHIVE, OF_0_1_0], ids=lambda place: place.name)
def test_a_record_that_is_read_and_written_again_is_the_same(place):
    with zipfile.ZipFile(place) as archive:
        names = [name for name in archive.namelist() if re.search(r"/cases/.+|/case\.json$", name)]
        records = [archive.read(name) for name in names]
    assert len(records) > 10
    for content in records:
        again = record_bytes(record_of(content, None))
        assert again == content or (b"later" in content and in_order(again) == in_order(content))


def in_order(content: bytes) -> str:
    """A record as it is, but for white space: another program may have laid it out otherwise."""
    return json.dumps(json.loads(content))


def test_the_shapes_that_are_compared_are_all_that_there_are(kept):
    """Each optional part is there in one record and not there in another."""
    records = [json.loads(content) for name, content in kept.items() if "/cases/" in name]
    versions = [entry for record in records for entry in record["versions"]]
    drawn = [entry for entry in versions if entry["status"] != "withdrawn"]

    def some(values) -> bool:
        values = list(map(bool, values))
        return any(values) and not all(values)

    assert {entry["status"] for entry in versions} == {"draft", "approved", "flagged", "withdrawn"}
    assert {record["status"] for record in records} == {"draft", "approved", "flagged", "withdrawn"}
    assert some("renames" in record for record in records) and some(record["study_date"] for record in records)
    assert some(record["needs_adjudication"] for record in records) and some(record["source"] for record in records)
    assert some("contrast_agent" in record["source"] for record in records)
    for name in ("independent", "later"):
        assert some(name in entry for entry in drawn)
    for name in ("adjudicates", "models", "reviewed_slices", "automatic", "comment"):
        assert some(entry[name] for entry in drawn)
    for name in ("from_automatic", "from_previous"):
        assert some(entry["changes"][name] for entry in drawn)
    assert some(entry["automatic"]["result"] for entry in drawn if entry["automatic"])
    for name in ("ratio_interval", "grades", "necrosis_volume_ml"):
        assert some(entry["result"][name] for entry in drawn)
    assert {entry["result"]["status"] for entry in drawn} == {"graded", "not graded"}
    models = [model for entry in drawn for model in entry["models"]]
    assert some("engine" in model for model in models) and some(model.get("engine") for model in models)
