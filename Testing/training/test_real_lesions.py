"""Real osteonecrosis as a benchmark, on a made picture: nothing of the real slices is needed."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ONFHAssistLib.core.errors import InputError
from training.measuring import real_page
from training.measuring.real_lesions import (
    Circle,
    DrawnHip,
    Reading,
    dice,
    disc,
    filled,
    measure_hip,
    network_mask,
    pixel_size,
    read_outlines,
    read_slices,
    results,
    summarise,
    table_cells,
)
from training.measuring.table import table

SHAPE = (240, 400)
LESION_PX = 12.0
RIGHT, LEFT = Circle(110.0, 120.0, 32.0), Circle(290.0, 124.0, 32.0)
NOTHING = np.zeros(SHAPE, bool)


def square(x, y, side):
    return ((x, y), (x + side, y), (x + side, y + side), (x, y + side))


def lesion_of(circle, side):
    """A disc above and lateral of the head's middle: at the picture's left of a right head."""
    lateral = -1 if side == "right" else 1
    return Circle(circle.x_px + lateral * 9, circle.y_px - 9, LESION_PX)


def ring(circle, points=60):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * circle.radius_px + [circle.x_px, circle.y_px]
    return tuple(map(tuple, points.tolist()))


def drawn(side="right", necrosis=None, image="one.png", alternative=()):
    circle = RIGHT if side == "right" else LEFT
    reading = Reading(circle, () if necrosis is None else (necrosis,), alternative, "sure")
    return DrawnHip(image, side, reading, reading)


def painted(*lesions):
    """Grey tissue, two bright heads, dark discs in them."""
    pixels = np.full(SHAPE, 90, np.uint8)
    for head in (RIGHT, LEFT):
        pixels[disc(head, SHAPE)] = 200
    for lesion in lesions:
        pixels[disc(lesion, SHAPE)] = 20
    return pixels


def folder_with(tmp_path, pixels, estimate="", sequence="T1", plane="coronal"):
    Image.fromarray(pixels).save(tmp_path / "one.png")
    names = ["file", "patient", "sequence", "plane", "mm_per_pixel_estimate"]
    with (tmp_path / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, ["one.png", "P1", sequence, plane, estimate]])
    return tmp_path


class DarkIsDead:
    """A network that calls necrotic what is dark, and remembers what it was given."""

    def __init__(self):
        self.seen = []
        own = {"neighbour_mm": 4.0, "size_px": [96, 96], "pixel_mm": 0.7, "sphere_mm": 10.0}
        self.bundle = SimpleNamespace(input=own, version="9.9.9")

    def engine(self, batch):
        self.seen.append(batch)
        return -20 * (batch[:, 1:2] + 0.5)


def measured(tmp_path, hips, *lesions, **table):
    network = DarkIsDead()
    (picture,) = read_slices(folder_with(tmp_path, painted(*lesions), **table), tuple(hips))
    return [measure_hip(picture, hip, network) for hip in picture.hips], network


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("plane", ["coronal", "axial"])
def test_a_painted_disc_is_marked_where_it_lies_on_either_side_and_the_sound_head_is_not(tmp_path, side, plane):
    circle, other = (RIGHT, "left") if side == "right" else (LEFT, "right")
    lesion = lesion_of(circle, side)
    (sick, sound), network = measured(tmp_path, [drawn(side, ring(lesion)), drawn(other)], lesion, plane=plane)
    assert sick.row["marked"] and sick.row["diseased"]
    assert sick.row["dice_a"] > 0.93 and sick.row["dice_b"] == sick.row["dice_a"] and sick.row["dice_readers"] == 1
    assert sick.row["ratio"]["network"] == pytest.approx((LESION_PX / 32) ** 2, abs=0.02)
    assert not sound.row["marked"] and sound.row["ratio"]["network"] == 0 and not sound.row["diseased"]
    assert sound.row["dice_a"] is sound.row["dice_readers"] is None
    seen = network.seen[0][0]
    assert (seen[0] == seen[1]).all() and (seen[2] == seen[1]).all()  # the neighbours are the slice itself
    dark = np.argwhere(seen[1] < -0.5) - (95 / 2)
    near = dark[np.hypot(*dark.T) < 25].mean(axis=0)  # rows, columns: above and lateral, which is left for both sides
    assert near[0] < -4 and near[1] < -4


def test_what_the_network_says_outside_of_the_head_does_not_count(tmp_path):
    beside = Circle(RIGHT.x_px - 50, RIGHT.y_px, 10.0)
    (one,), _ = measured(tmp_path, [drawn()], beside)
    assert not one.network.any()


@pytest.mark.parametrize(("part", "kept"), [(0.004, False), (0.009, True)])
def test_specks_are_dropped_in_proportion_to_the_head_whatever_the_pixels_are(tmp_path, part, kept):
    speck = disc(Circle(RIGHT.x_px, RIGHT.y_px, RIGHT.radius_px * part**0.5), SHAPE)
    for estimate in ("0.4", "1.2"):
        (picture,) = read_slices(folder_with(tmp_path, painted(), estimate), (drawn(),))
        network = DarkIsDead()
        network.engine = lambda batch: np.where(_near(batch, part), 9.0, -9.0)
        found = network_mask(picture, drawn(), network)
        assert found.any() == kept
        assert not kept or abs(found.sum() - speck.sum()) <= 0.5 * speck.sum()


def _near(batch, part):
    """A disc in the middle of the patch that is this part of the head: the sphere's channel tells where that is."""
    rows, columns = np.indices(batch.shape[2:]) - (batch.shape[2] - 1) / 2
    radius = np.sqrt((batch[:, 3:4] > 0).sum() / np.pi)
    return (rows**2 + columns**2 <= part * radius**2)[None, None]


def test_the_dice_of_known_polygons():
    one, other = filled((square(9.5, 9.5, 40),), SHAPE), filled((square(29.5, 9.5, 40),), SHAPE)
    assert one.sum() == other.sum() == 1600
    assert dice(one, other) == pytest.approx(0.5, abs=1e-4)
    assert dice(one, one) == 1 and dice(one, NOTHING) == 0 and dice(NOTHING, NOTHING) is None
    row, column = np.argwhere(filled((((0.0, 0.0), (20.0, 0.0), (20.0, 4.0), (0.0, 4.0)),), SHAPE)).max(axis=0)
    assert row <= 4 and column >= 19  # the first number of a point is x


def test_several_pieces_are_one_lesion_and_the_mean_circle_is_the_head():
    both = filled((square(9.5, 9.5, 10), square(59.5, 9.5, 10)), SHAPE)
    assert both.sum() == 200
    hip = DrawnHip("x", "left", Reading(Circle(10, 20, 30), (), (), ""), Reading(Circle(14, 22, 34), (), (), ""))
    assert hip.circle == Circle(12, 21, 32)
    assert disc(hip.circle, SHAPE)[21, 12 + 32] and not disc(hip.circle, SHAPE)[21, 12 + 33]


def test_the_pixel_size_is_the_estimate_or_from_heads_of_48_mm():
    assert pixel_size((drawn(),), "0.71") == (0.71, "images.csv")
    size, said = pixel_size((drawn("right"), drawn("left")), "")
    assert size == pytest.approx(48 / 64) and said == "head's width"


def test_the_upper_half_is_the_dice_of_a_mask_that_knows_nothing(tmp_path):
    (one,), _ = measured(tmp_path, [drawn(necrosis=ring(RIGHT, 200))])
    assert one.row["dice_upper_half"] == pytest.approx(2 / 3, abs=0.02)  # half of what is all necrotic


def row(sequence, diseased, marked, value=None):
    figures = dict.fromkeys(("dice_a", "dice_b", "dice_readers", "dice_upper_half"), value)
    return {"sequence": sequence, "diseased": diseased, "marked": marked, **figures}


def test_diseased_and_sound_heads_are_counted_by_sequence_and_sound_ones_have_no_dice():
    rows = [row("T1", True, True, 0.9), row("T1", True, False, 0.0), row("T1", False, True, 0.0)]
    rows += [row("STIR", True, True, 0.6), row("T2 fat-suppressed", True, True, 0.8), row("STIR", False, False)]
    found = summarise(rows)
    assert (found["t1"]["hips"], found["t1"]["marked"], found["t1"]["sound"], found["t1"]["sound_marked"]) == (
        2,
        1,
        1,
        1,
    )
    assert found["t1"]["dice_a"]["median"] == pytest.approx(0.45) and found["t1"]["dice_a"]["n"] == 2
    own = found["fat_suppressed"]
    assert (own["hips"], own["marked"], own["sound"], own["sound_marked"]) == (2, 2, 1, 0)
    assert own["dice_b"]["median"] == pytest.approx(0.7)
    cells = table_cells(found)
    assert cells[0][3] == "1 of 2; 0.45, 0.45, 0.45" and cells[1][3] == "1"
    assert "| 1 of 2; 0.45, 0.45, 0.45 | `real`" in table({"real": found})


def test_page_drawings_and_pictures_show_each_head_and_no_pixel_of_a_slice_gets_into_the_docs(tmp_path, monkeypatch):
    monkeypatch.setattr("training.measuring.real_lesions.read_outlines", lambda: hips)
    lesion = lesion_of(RIGHT, "right")
    hips = (drawn("right", ring(lesion), alternative=(ring(lesion),)), drawn("left"))
    (tmp_path / "in").mkdir()
    ones, network = measured(tmp_path / "in", hips, lesion)
    section = results(network, ones, tmp_path / "in")
    assert set(section) == {"t1", "fat_suppressed", "pixels_off", "rows"} and len(section["rows"]) == 2
    assert json.loads(json.dumps(section)) == section
    real_page.write_page(tmp_path / "docs", section, ones, network.bundle)
    text = (tmp_path / "docs/real_onfh.md").read_text(encoding="utf-8")
    assert "network 9.9.9" in text and "| 1 of 1 |" in text and "**0 of 1**" in text
    assert "10 % smaller or 10 % larger" in text
    files = sorted(path.name for path in (tmp_path / "docs").rglob("*") if path.is_file())
    assert files == ["real_onfh.md", "real_onfh.svg", "real_sound.svg"]
    sick = (tmp_path / "docs/images/real_onfh.svg").read_text(encoding="utf-8")
    assert sick.count("<polygon") == 3 and "P1, T1, right" in sick and "<image" not in sick
    assert "<polygon" not in (tmp_path / "docs/images/real_sound.svg").read_text(encoding="utf-8")
    real_page.write_pictures(tmp_path / "pictures", ones)
    picture = np.asarray(Image.open(tmp_path / "pictures/one_right.png")).astype(int)
    assert (tmp_path / "pictures/one_left.png").is_file() and picture.shape == (420, 840, 3)
    plain, outlined = picture[:, :420], picture[:, 420:]
    coloured = np.argwhere(np.ptp(outlined, axis=2) > 60)
    scale = 420 / (2 * 1.5 * 32)
    centre = (np.array([lesion.y_px - RIGHT.y_px, lesion.x_px - RIGHT.x_px]) + 1.5 * 32) * scale
    assert np.abs(np.hypot(*(coloured - centre).T) / scale - LESION_PX).max() < 1.5
    assert np.ptp(plain, axis=2).max() == 0 and plain[tuple(centre.astype(int))].max() < 40


@pytest.mark.parametrize("missing", ["images.csv", "one.png"])
def test_missing_pictures_are_named(tmp_path, missing):
    (folder_with(tmp_path, painted()) / missing).unlink()
    with pytest.raises(InputError, match=missing):
        read_slices(tmp_path, (drawn(),))


def test_both_readers_outlined_every_head_and_agree_on_what_is_sound():
    hips = read_outlines()
    assert len(hips) == 17 and sum(hip.diseased for hip in hips) == 9
    for hip in hips:
        assert bool(hip.a.necrosis) == bool(hip.b.necrosis)
        apart = np.hypot(hip.a.circle.x_px - hip.b.circle.x_px, hip.a.circle.y_px - hip.b.circle.y_px)
        assert apart < 0.2 * hip.circle.radius_px
        for one in (*hip.a.necrosis, *hip.b.necrosis, *hip.a.alternative):
            away = np.hypot(*(np.array(one) - [hip.circle.x_px, hip.circle.y_px]).T)
            assert away.max() < 1.25 * hip.circle.radius_px
