"""The report page as a reader, a browser without network and a privacy officer see it."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from made_up_study import PATIENT, RADIUS_MM, coronal_grid, make_study

from ONFHAssistLib.core.geometry import Landmarks
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.measurements import SliceMeasurement
from ONFHAssistLib.core.results import Grade, HipResult, Notice
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange import drawings, figures
from ONFHAssistLib.exchange.page import report_html
from ONFHAssistLib.exchange.words import rows

VOID = {"meta", "br", "img", "input", "hr", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.stack, self.text = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if not self.stack or self.stack[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def page(study):
    return report_html(study)


def test_the_page_is_well_formed(page):
    assert Page(page).stack == []


def test_the_page_needs_no_network_no_files_and_no_script(page):
    tags = Page(page).tags
    assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe", "object", "embed", "base", "form")]
    sources = [a[k] for _, a in tags for k in ("src", "href", "xlink:href", "srcset", "action") if k in a]
    assert len(sources) > 10
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http:" not in page and "https:" not in page and "@import" not in page
    assert all(re.match(r"url\(#", found) for found in re.findall(r"url\([^)]*", page))


def test_the_page_says_at_the_top_and_at_the_bottom_that_it_is_for_research_use(page):
    places = [m.start() / len(page) for m in re.finditer("For research use only", page)]
    assert len(places) == 2
    assert page.index("For research use only") < page.index("Right hip")
    assert page.index("</main>") < page.rindex("For research use only")


def test_right_comes_before_left_and_grades_before_pictures(study):
    turned = dataclasses.replace(study, hips=study.hips[::-1], masks=study.masks[::-1])
    words = Page(report_html(turned)).words
    parts = ["Right hip", "Severe (C)", "Left hip", "Without ONFH", "Mid-coronal slice", "models learned"]
    assert sorted(parts[:5], key=words.index) == parts[:5]


def test_each_grade_stands_with_its_rule_and_its_margin(study, page):
    words = Page(page).words
    for given in study.hips[0].grades.values():
        assert given.rule in words
    assert "percentage points from the nearest threshold" in words
    assert study.warnings[0].message in words
    assert study.models[0]["trained_on"] in words


def test_the_interval_of_the_ratio_stands_beside_it_with_the_slices_to_look_at_first(doubtful):
    html = report_html(doubtful)
    words, hip = Page(html).words, doubtful.hips[0]
    low, high = (f"{100 * end:.1f} %" for end in hip.ratio_interval)
    first, second, third = hip.look_first
    sentence = f"90 % interval {low} to {high}, across 30 %: look first at slices {first}, {second} and {third}"
    assert sentence in words and words.count("look first at") == 1
    assert "from the nearest threshold" in words  # the other gradings have none
    marked = re.findall(r"<span>(\d+) <em", html)
    assert sorted(map(int, marked)) == sorted(hip.look_first)
    drawn = [a for tag, a in Page(html).tags if tag == "path" and a.get("class") == "uncertain"]
    uncertain = [s for s in hip.slices if s.uncertain_mm2]
    assert len(drawn) == 1 + len(uncertain)  # the mid-coronal slice and the contact sheet
    assert 'class="interval"' in html and "uncertain: may or may not be necrosis" in words


def test_the_uncertain_band_is_drawn_as_large_as_it_was_measured(doubtful):
    image, masks = figures.crop(doubtful.volume, doubtful.masks[0])
    first = round(float(doubtful.volume.ijk(image.ijk_to_ras[:3, 3])[2]))
    for tile in figures.contact_sheet(image, masks, doubtful.hips[0], first):
        areas = [area(line) for line in tile.picture.uncertain]
        possible, *certain = sorted(areas, reverse=True) or [0.0]
        assert possible - sum(certain) == pytest.approx(tile.measured.uncertain_mm2, rel=0.1, abs=25)


def test_where_no_interval_is_known_the_page_says_nothing_of_one(page):
    assert "interval" not in Page(page).words.lower() and "uncertain" not in Page(page).words
    assert 'class="interval"' not in page and 'class="uncertain"' not in page


def test_the_bars_below_the_slices_are_explained_where_there_are_any(study):
    html = report_html(study)
    assert "Bar: Steinberg class mild moderate severe" in Page(html).words
    classes = {hip_slice.steinberg for hip in study.hips for hip_slice in hip.slices} & set(drawings.BARS)
    assert classes, "the lesion has bars"
    for name in classes:
        assert f'style="--c:{drawings.BARS[name]}"></i>{name}' in html
        assert f".sheet .{name} {{ border-color: {drawings.BARS[name]}; }}" in html


def test_every_grading_has_a_title_and_its_source_stands_in_the_footer(study, page):
    assert list(study.hips[0].grades) == list(GRADINGS)
    footer = Page(page[page.index("<footer>") : page.index("</body>")]).words
    for grading in GRADINGS.values():
        assert f"{grading.title}: {grading.source}." in footer


def test_borderline_grades_are_marked_and_others_are_not(study):
    def marks(margin):
        grades = {"steinberg": Grade("severe", "31 %: severe", 0.3 + margin, margin, "fraction", {})}
        hip = dataclasses.replace(study.hips[0], grades=grades)
        return Page(report_html(dataclasses.replace(study, hips=(hip,), masks=()))).words.count("Borderline")

    assert marks(0.02) == 1 + marks(0.2)


def test_a_hip_that_was_not_graded_shows_why(study):
    hips = (study.hips[0], HipResult("left", "not graded", "A metal implant lies in the left head."))
    words = Page(report_html(dataclasses.replace(study, hips=hips, masks=study.masks[:1]))).words
    assert "Not graded A metal implant lies in the left head." in words


def test_a_study_without_any_graded_hip_still_has_a_page(study):
    hips = tuple(HipResult(side, "not graded", f"No {side} head was found.") for side in ("right", "left"))
    html = report_html(dataclasses.replace(study, hips=hips, masks=(), models=(), warnings=()))
    assert "No left head was found." in html
    assert "<svg" not in html


def test_the_patient_is_on_the_page_only_when_asked_for(study, page):
    assert not any(secret in page for secret in PATIENT.values())
    named = report_html(study, identify=True)
    assert all(secret in named for secret in PATIENT.values())


def test_text_from_files_cannot_become_markup(study):
    evil = "<script>alert(1)</script>\"'&"
    spoiled = dataclasses.replace(
        study,
        source={**study.source, "sequence": evil, evil: evil},
        warnings=(Notice("x", evil),),
        models=({"name": evil},),
        patient={"name": evil},
        hips=(dataclasses.replace(study.hips[0], grades={"jic": Grade(evil, evil)}), study.hips[1]),
    )
    html = report_html(spoiled, identify=True)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    Page(html)


def test_every_picture_says_in_words_what_it_shows(page):
    drawings = [a for tag, a in Page(page).tags if tag == "svg"]
    assert len(drawings) > 10
    assert all(a.get("role") == "img" and len(a.get("aria-label", "")) > 20 for a in drawings)


def test_grades_missing_for_one_reason_are_told_in_one_line(study):
    lines = rows(study.hips[1])
    assert [line.grade for line in lines] == ["Without ONFH", None]
    assert lines[1].title == "JIC class, Modified Kerboul, Index of necrotic extent, CJFH type"


def area(line: np.ndarray) -> float:
    x, y = line.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize("mirror", [False, True])
def test_the_patients_right_is_at_the_left_of_the_coronal_picture(mirror):
    study = make_study(coronal_grid(mirror=mirror))
    for masks, hip in zip(study.masks, study.hips, strict=True):
        figure = figures.coronal_figure(*figures.crop(study.volume, masks), hip)
        assert (figure.edge[0] < figure.centre[0]) is (masks.side == "right")  # the edge is lateral
        assert figure.edge[1] < figure.centre[1] < figure.teardrop[1]
        (outline,) = figure.picture.head
        reach = np.linalg.norm(outline - figure.centre, axis=1)
        assert reach == pytest.approx(RADIUS_MM, abs=2.0)  # one pixel
        assert figure.radius == pytest.approx(RADIUS_MM, abs=0.2)
        assert len(figure.thirds) == 3


def test_without_landmarks_no_weight_bearing_portion_is_drawn(study):
    masks = dataclasses.replace(study.masks[0], landmarks=Landmarks())
    figure = figures.coronal_figure(study.volume, masks, grade(masks))
    assert (figure.thirds, figure.edge, figure.teardrop, figure.lesion_end) == ((), None, None, None)
    html = report_html(dataclasses.replace(study, masks=(masks, study.masks[1])))
    assert "the weight-bearing zone is not known" in html


def test_a_lesion_lies_where_the_surface_map_shows_it(study):
    polar = figures.polar_figure(study.masks[0], None)
    middle = np.concatenate(polar.involved).mean(axis=0)
    assert polar.lateral == "left"
    assert middle[0] < -5 and middle[1] < -5  # lateral of a right hip is left; anterior is up
    assert polar.zone == ()
    assert figures.polar_figure(study.masks[1], None).involved == ()


def test_the_contact_sheet_shows_each_slice_with_its_own_outline(study):
    image, masks = figures.crop(study.volume, study.masks[0])
    first = round(float(study.volume.ijk(image.ijk_to_ras[:3, 3])[2]))
    tiles = figures.contact_sheet(image, masks, study.hips[0], first)
    assert [tile.measured for tile in tiles] == list(study.hips[0].slices)
    for tile in tiles:
        (head,) = tile.picture.head
        assert area(head) == pytest.approx(tile.measured.head_mm2, rel=0.1, abs=10)
        assert bool(tile.picture.necrosis) is (tile.measured.necrosis_mm2 > 0)


def test_many_slices_are_thinned_out_but_the_worst_and_the_middle_one_stay(study):
    many = tuple(dataclasses.replace(study.hips[0].slices[0], index=n) for n in range(90))
    details = {"worst_slice": {"index": 31}, "mid_slice": {"index": 46}}
    hip = dataclasses.replace(study.hips[0], slices=many, grades={"steinberg": Grade("mild", "r", details=details)})
    chosen = [s.index for s in figures.chosen_slices(hip)]
    assert len(chosen) <= figures.MAX_TILES
    assert {0, 31, 46, 89} <= set(chosen)
    assert chosen == sorted(chosen)


@pytest.mark.parametrize(
    ("axis", "ends"), [(0, ("left", "right")), (1, ("posterior", "anterior")), (2, ("inferior", "superior"))]
)
@pytest.mark.parametrize("step_mm", [5.0, -5.0])
def test_the_plot_runs_along_the_slices_of_any_orientation(study, axis, ends, step_mm):
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    matrix[axis, 2] = step_mm
    for column, other in enumerate(a for a in range(3) if a != axis):
        matrix[other, column] = 2.0
    volume = Volume(np.zeros((12, 4, 4)), matrix)
    slices = tuple(
        SliceMeasurement(k, tuple(map(float, volume.ras(np.array([1.5, 1.5, k])))), 900.0, 9.0 * k, k / 100, "mild")
        for k in range(2, 10)
    )
    plot = figures.ratio_plot(dataclasses.replace(study.hips[0], slices=slices), volume)
    assert plot.ends == ends
    assert [x for x, _, _ in plot.points] == pytest.approx([5.0 * n for n in range(8)])
    order = [s.index for _, s, _ in plot.points]
    assert order == sorted(order, reverse=step_mm < 0)


@pytest.mark.parametrize(("code", "first"), [("sequence-guessed", "grades"), ("modality-unknown", "warning")])
def test_grades_come_first_unless_a_warning_says_not_to_rely_on_them(study, code, first):
    html = report_html(dataclasses.replace(study, warnings=(Notice(code, "Mind this sentence."),)))
    assert html.count("Mind this sentence.") == 1
    assert (html.index("Mind this sentence.") < html.index("Right hip")) == (first == "warning")


@pytest.mark.parametrize(("x", "words"), [(-3.0, "‹ teardrop"), (20.0, "teardrop"), (500.0, "teardrop ›")])
def test_the_name_of_a_teardrop_beside_the_picture_is_not_cut(study, x, words):
    hip = study.hips[0]
    figure = figures.coronal_figure(*figures.crop(study.volume, study.masks[0]), hip)
    drawn = drawings.coronal(dataclasses.replace(figure, teardrop=(x, 60.0)), "#000000", "#ffffff")
    name = next(shape for shape in drawn.shapes if getattr(shape, "text", "") == words)
    assert 0 < name.at[0] < figure.picture.width
