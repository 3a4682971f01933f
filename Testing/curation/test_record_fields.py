"""A field of a record is written down once: nobody else takes it out of a dictionary by its name."""

import ast
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from ONFHAssistLib.curation.case import facts, record
from ONFHAssistLib.curation.reports.export_lock import ExportLock
from ONFHAssistLib.curation.reports.training_case import TrainingCase
from ONFHAssistLib.curation.store.lists import Patient
from ONFHAssistLib.curation.store.marker import Marker

LIBRARY = Path(record.__file__).parents[2]
IN_RECORD = [
    kind
    for kind in (vars(record) | vars(facts)).values()
    if is_dataclass(kind) and kind.__module__.startswith("ONFHAssist")
]
NAMES = {field.name for kind in (*IN_RECORD, ExportLock, TrainingCase, Patient, Marker) for field in fields(kind)}


ELSEWHERE = {
    "plain.get('format')",
    "content.get('format')",  # which has to be known before a file of it can be read
    "model['sha256']",  # as the networks of an analysis tell of themselves
    "found.counts['status']",
    "counts['fold']",
    "WANTED['side']",  # charts, by what they count
}


def taken_by_name(source: str) -> list[str]:
    """Fields of records that are taken out of a dictionary: ``x["status"]`` and ``x.get("status")``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        key: ast.AST | None = None
        if isinstance(node, ast.Subscript):
            key = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
            key = node.args[0] if node.args else None
        if isinstance(key, ast.Constant) and key.value in NAMES:
            found.append(ast.unparse(node))
    return found


def test_the_fields_of_all_parts_of_a_record_are_looked_for():
    assert {"case", "versions", "reviewed_slices", "volume_ratio", "contrast_agent", "trained_on"} <= NAMES
    assert taken_by_name("a['case']; b.get('versions', ()); c['other']; Literal['x']") == [
        "a['case']",
        "b.get('versions', ())",
    ]


@pytest.mark.parametrize(
    "path", sorted((LIBRARY / "curation").rglob("*.py")), ids=lambda path: path.relative_to(LIBRARY).as_posix()
)
def test_no_part_of_a_record_is_taken_out_of_a_dictionary(path: Path):
    assert set(taken_by_name(path.read_text(encoding="utf-8"))) - ELSEWHERE == set()


def test_nobody_who_asks_the_data_set_for_a_record_takes_it_apart_by_name():
    asking = [path for path in LIBRARY.rglob("*.py") if ".record(" in path.read_text(encoding="utf-8")]
    asking = [path for path in asking if "curation" not in path.parts]
    assert asking
    for path in asking:
        assert taken_by_name(path.read_text(encoding="utf-8")) == [], path
