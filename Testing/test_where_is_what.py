"""The table "Where is what" of CONTRIBUTING.md: its files and the names in them exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _rows() -> list[list[str]]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Where is what\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row[0])
def test_a_newcomer_finds_what_the_table_names(row: list[str]) -> None:
    names = re.findall(r"`([^`]+)`", row[2])
    paths = [row[1].strip("`"), *(name for name in names if "/" in name)]
    for path in paths:
        assert (ROOT / path).is_file(), path

    source = (ROOT / paths[0]).read_text(encoding="utf-8")
    for name in names:
        if "/" not in name:
            assert re.search(rf"\b{name}\b", source), f"{name} is not in {paths[0]}"
