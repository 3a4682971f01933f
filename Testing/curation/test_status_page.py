"""The page of `data status --html`: what a person reads there, and what is never in it."""

import base64
import io
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from reviewed_hip import RADIUS_MM, Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.status import weeks
from ONFHAssistLib.curation.reports.status_page import MAX_THUMBNAILS, status_html, write_status_page
from ONFHAssistLib.curation.store.folder import create_store


class Page(HTMLParser):
    """What is on a page: texts, labels of pictures, and everything that a tag refers to."""

    def __init__(self, text: str):
        super().__init__()
        self.labels: list[str] = []
        self.links: list[str] = []
        self.outlines: dict[str, list[str]] = {"head": [], "necrosis": []}
        self.words = ""
        self.feed(text)
        self.words = re.sub(r"\s+", " ", self.words)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.labels.append(values.get("aria-label") or "")
        self.links += [values[name] for name in ("href", "src", "srcset", "action", "data") if values.get(name)]
        if tag == "path" and values.get("class") in self.outlines:
            self.outlines[values["class"]].append(values["d"])
        assert tag not in ("script", "link", "iframe", "object")

    def handle_data(self, data):
        self.words += f" {data}"


def points(path: str) -> np.ndarray:
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), float)


def test_the_page_counts_what_the_set_holds_and_lacks(store):
    store.save(Hip(lesion_mm=8.0).case())
    store.save(Hip("left", seed=1, lesion_mm=24.0).case("other", "reader2"))
    store.save(Hip(seed=2).case("third", status="draft"))
    page = Page(status_html(store))
    for label in (
        "Status, all cases: approved 2, draft 1, flagged 0, withdrawn 0",
        "Side: right 1, left 1",
        "Plane: coronal 2",
        "Steinberg extent: without ONFH 0, mild 1, moderate 0, severe 1",
        "Reader: reader1 1, reader2 1",
    ):
        assert label in page.labels
    assert "No approved case is Steinberg without ONFH, moderate." in page.words
    assert "For research use only" in page.words and "3 of 3 patients" in page.words
    assert "without ONFH missing" in page.words and "mild 1 (50 %)" in page.words
    assert "Mild 1 0 0 0 0 1 0" in page.words  # in fold 0, a right one


def test_the_page_asks_for_nothing_and_tells_nothing_of_the_patient(store, hip):
    path = store.save(hip.case("HOSP-4711", comment="a remark for colleagues", study_date=datetime(2019, 3, 4).date()))
    text = status_html(store)
    page = Page(text)
    assert page.links and all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "default-src 'none'" in text and not re.search(r"url\(|@import|https?://", text)
    assert path.stem in text
    for secret in ("HOSP-4711", "remark", "2019", str(store.folder.parent)):
        assert secret not in text


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("plane", ["coronal", "axial", "sagittal"])
def test_a_thumbnail_shows_the_slice_through_the_heads_centre(store, side, plane):
    case = Hip(side, plane, spacing_mm=(1.0, 1.0, 2.0)).case()
    store.save(case)
    page = Page(status_html(store))
    (head,) = page.outlines["head"]
    width = np.ptp(points(head), axis=0)
    assert np.abs(width - 2 * RADIUS_MM).max() < 2.1  # the largest circle, in both directions
    picture = Image.open(io.BytesIO(base64.b64decode(page.links[0].split(",")[1])))
    assert abs(picture.width - 3 * RADIUS_MM) <= 3 and abs(picture.height - 3 * RADIUS_MM) <= 3  # pixels of 1 mm
    if plane == "axial":  # the cap of 16 mm at the top ends above the centre
        assert page.outlines["necrosis"] == []
        return
    (necrosis,) = page.outlines["necrosis"]
    assert abs(points(necrosis)[:, 1].min() - points(head)[:, 1].min()) < 1.1
    assert abs(np.ptp(points(necrosis)[:, 1]) - Hip().lesion_mm) < 2.1


def test_a_large_set_shows_its_newest_cases_and_a_large_image_is_made_smaller(store, monkeypatch):
    monkeypatch.setattr("ONFHAssistLib.curation.reports.status_page.MAX_THUMBNAILS", 2)
    times = iter(f"2026-01-0{n}T00:00:00+00:00" for n in range(1, 9))
    monkeypatch.setattr("ONFHAssistLib.curation.case.entries.now", lambda: next(times))
    names = [store.save(Hip(seed=n, spacing_mm=(1.0, 0.3, 9.0)).case(f"p{n}")).stem for n in range(3)]
    page = Page(status_html(store, datetime(2026, 1, 5, tzinfo=UTC)))
    assert [name in page.words for name in names] == [False, True, True] and MAX_THUMBNAILS > 2
    assert page.words.index(names[2]) < page.words.index(names[1]) and "The 2 newest of 3 cases" in page.words
    for link in page.links:
        assert max(Image.open(io.BytesIO(base64.b64decode(link.split(",")[1]))).size) <= 200
    assert all(np.abs(np.ptp(points(path), axis=0) - 2 * RADIUS_MM).max() < 3 for path in page.outlines["head"])


def test_a_withdrawn_case_is_not_shown_and_a_damaged_one_is_told_of(store):
    gone, damaged, lost = (store.save(Hip(seed=n).case(f"p{n}")).stem for n in range(3))
    store.withdraw(gone, "reader1", "consent taken back")
    (store.folder / "imagesTr" / f"{damaged}_0000.nii.gz").write_bytes(b"nothing")
    (store.folder / "cases" / f"{lost}.json").write_bytes(b"{")
    page = Page(status_html(store))
    assert gone not in page.words and "consent" not in page.words
    assert f"Its files can't be read; check the data set. approved Right, coronal moderate, JIC none {damaged}" in (
        page.words
    )
    assert f"Damaged: {lost}" in page.words


def test_an_empty_set_has_a_page(store):
    page = Page(status_html(store))
    assert "No case is saved yet." in page.words and "there is nothing to train with" in page.words


def test_progress_is_counted_by_week_up_to_now():
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)

    def case(saved_days: float, approved_days: float | None = None) -> CaseSummary:
        at = [
            None if days is None else (now - timedelta(days=days)).isoformat() for days in (saved_days, approved_days)
        ]
        return CaseSummary("x", first_saved_at=at[0], saved_at=at[0], approved_at=at[1])

    found = weeks([case(1), case(6.9, 0.5), case(7.1, 3), case(20, 20)], now)
    assert [(week.first_saved, week.approved, week.approved_so_far) for week in found] == [
        (1, 1, 1),
        (1, 0, 1),
        (2, 2, 3),
    ]
    assert found[-1].until == now and found[0].until == now - timedelta(days=14)
    old = weeks([case(400, 399), case(1)], now)
    assert len(old) == 26 and old[0].approved_so_far == 1 and sum(week.first_saved for week in old) == 1


def test_the_page_is_written_whole_and_never_over_something_else(store, hip, tmp_path):
    store.save(hip.case())
    target = tmp_path / "out" / "status.html"
    write_status_page(store, target)
    first = target.read_bytes()
    store.save(Hip(seed=1).case("other"))
    write_status_page(store, target)
    assert target.read_bytes() != first and [path.name for path in target.parent.iterdir()] == ["status.html"]
    before = every_byte(tmp_path)
    (tmp_path / "pages.html").mkdir()
    for wrong, said in (
        (tmp_path / "notes.txt", "ends in .html"),
        (tmp_path / "pages.html", "ends in .html"),
        (store.folder / "status.html", "lies in the data set"),
        (target / "status.html", "a part of that path is a file"),
    ):
        with pytest.raises(InputError, match=said):
            write_status_page(store, wrong)
    assert every_byte(tmp_path) == before


def test_names_are_text_on_the_page(tmp_path):
    store = create_store(tmp_path / "Dataset102_Heads")
    source = {"modality": "MR", "sequence": "<b>T1</b>"}
    store.save(Hip().case(source=source))
    text = status_html(store)
    assert "<b>" not in text and "&lt;b&gt;T1&lt;/b&gt;" in text
