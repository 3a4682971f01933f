"""Every decision can be found, with its date and whether it still holds."""

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("0*.md"))
FORM = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\n"
    r"- Date: (?P<date>\d{4}-\d\d-\d\d)\n"
    r"- Status: (?P<status>accepted|superseded)(?: by \[\d+\]\((?P<by>.+)\))?\n\n\S"
)
ROW = re.compile(r"\| (?P<number>\d+) \| \[(?P<title>.+)\]\((?P<file>.+)\) \| (?P<date>\S+) \| (?P<status>\w+) \|")


def read(page: Path) -> re.Match:
    found = FORM.match(page.read_text(encoding="utf-8"))
    assert found, f"{page.name} does not begin as the others do"
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_decision_tells_its_date_and_whether_it_holds(page: Path):
    found = read(page)
    assert page.name.startswith(f"{int(found['number']):04d}-") and date.fromisoformat(found["date"])
    assert (found["status"] == "superseded") is (found["by"] is not None)
    if found["by"]:
        assert read(FOLDER / found["by"])["status"] == "accepted"


def test_the_index_lists_every_decision_as_its_page_says_it():
    rows = [row.groupdict() for row in ROW.finditer((FOLDER / "index.md").read_text(encoding="utf-8"))]
    pages = [
        {name: read(page)[name] for name in ("number", "title", "date", "status")} | {"file": page.name}
        for page in PAGES
    ]
    assert len(rows) == len(pages) > 90 and sorted(rows, key=lambda row: row["file"]) == pages
    assert [int(page["number"]) for page in pages] == [*range(1, len(pages) + 1)]
