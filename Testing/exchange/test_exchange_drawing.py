"""Lines, fills and texts of a drawing, in the formats that it is written in."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ONFHAssistLib.exchange.draw_png import png
from ONFHAssistLib.exchange.draw_svg import svg
from ONFHAssistLib.exchange.shapes import Circle, Drawing, Lines, Pixels, Text, box, hatching, line

RING = (
    np.array([[10.0, 10.0], [90.0, 10.0], [90.0, 90.0], [10.0, 90.0]]),
    np.array([[30.0, 30.0], [70.0, 30.0], [70.0, 70.0], [30.0, 70.0]]),
)
"""A square with a square hole."""


def pixels(*shapes) -> np.ndarray:
    """One pixel for each unit, (row, column)."""
    return np.array(Image.open(io.BytesIO(png(Drawing(0, 0, 100, 100, shapes), 100)))).astype(int)


def elements(*shapes) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg(Drawing(0, 0, 100, 100, shapes), "a test")))


def test_hatching_fills_a_ring_and_leaves_its_hole():
    lines = hatching(RING, 5.0)
    lengths = [np.linalg.norm(end - start) for start, end in lines]
    assert sum(lengths) * 5.0 == pytest.approx(80 * 80 - 40 * 40, rel=0.05)
    for start, end in lines:
        assert (end - start)[0] == pytest.approx(-(end - start)[1], abs=0.03)
        for share in (0.01, 0.5, 0.99):
            x, y = start + share * (end - start)
            assert min(x, y) >= 9.9 and max(x, y) <= 90.1
            assert not (30.1 < x < 69.9 and 30.1 < y < 69.9)
    assert hatching((), 5.0) == ()


def test_a_fill_leaves_the_hole_free_and_shows_what_lies_below():
    drawn = pixels(box(0, 0, 100, 100, "#0000ff"), Lines(RING, fill="#ff0000", opacity=0.5, closed=True))
    assert drawn[20, 20, :3] == pytest.approx([127, 0, 128], abs=2)
    assert [*drawn[50, 50]] == [*drawn[5, 5]] == [0, 0, 255, 255]
    (path,) = elements(Lines(RING, fill="#ff0000", opacity=0.5, closed=True))
    assert path.attrib == {"d": path.get("d"), "fill": "#ff0000", "fill-opacity": "0.5"}
    assert path.get("d") == "M10 10L90 10L90 90L10 90ZM30 30L70 30L70 70L30 70Z"


def test_a_closed_line_comes_back_to_its_start_and_an_open_one_does_not():
    closed, open_ = (pixels(Lines(RING[:1], "#00ff00", 2.0, closed=way)) for way in (True, False))
    assert closed[50, 10, 1] > 200 and closed[10, 50, 1] > 200
    assert open_[50, 10, 3] == 0 and open_[10, 50, 1] > 200


def test_pixels_lie_where_they_are_said_to_and_are_smooth():
    array = np.zeros((2, 2), np.uint8)
    array[0, 1] = 255
    drawn = pixels(Pixels(array, 20, 20, 40, 40))
    assert drawn[20, 59, 0] > 220 and drawn[59, 20, 0] < 30
    assert drawn[10, 10, 3] == drawn[61, 61, 3] == 0


def test_texts_are_turned_clockwise_about_their_place():
    upright, turned = (pixels(Text((50, 50), "lateral", 12, "#ff0000", "middle", turn_deg=deg)) for deg in (0, 90))
    rows, columns = (np.flatnonzero(upright[..., 3].any(axis=axis)) for axis in (1, 0))
    assert rows.max() <= 54 and np.ptp(columns) > 2 * np.ptp(rows)
    rows, columns = (np.flatnonzero(turned[..., 3].any(axis=axis)) for axis in (1, 0))
    assert columns.min() >= 46 and np.ptp(rows) > 2 * np.ptp(columns)  # what was above the line lies right of it now
    (text,) = elements(Text((50, 50), "lateral", 12, "#ff0000", "middle", turn_deg=90))
    assert text.get("transform") == "translate(50 50) rotate(90)"


def test_what_is_told_of_a_drawing_cannot_become_markup():
    evil = "<b>\"'&"
    drawing = Drawing(0, 0, 9, 9, (Text((1, 1), evil, 3, "#000000"), Circle((1, 1), 2, fill="#000000", title=evil)))
    root = ElementTree.fromstring(svg(drawing, evil, "x"))
    assert root.get("aria-label") == evil and root[0].text == evil and root[1][0].text == evil


def test_dashes_reach_the_page():
    (path,) = elements(Lines(line((0, 0), (50, 0)), "#000000", 1.0, dash=(4, 3)))
    assert path.get("stroke-dasharray") == "4 3"
