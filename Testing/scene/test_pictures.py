"""The polar map as a picture."""

import io

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("vtk")

from PIL import Image

from ONFHAssistLib.core.arcs import weight_bearing_portion
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.planes import mid_plane
from ONFHAssistLib.exchange.drawings import POLAR_MARGIN_DEG as MARGIN_DEG
from ONFHAssistLib.exchange.figures import POLAR_TO_DEG, polar_figure
from ONFHAssistLib.scene.pictures import _contours, polar_png
from Testing.exchange.made_up_study import make_study


@pytest.fixture(scope="module")
def study():
    return make_study()


def picture(masks, portion=None, size=276) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(polar_png(masks, portion, size))))


def colour_at(pixels: np.ndarray, lateral_deg: float, anterior_deg: float, side: str) -> np.ndarray:
    """The pixel so far from the pole towards lateral and anterior."""
    degree = len(pixels) / (2 * (POLAR_TO_DEG + MARGIN_DEG))
    column = len(pixels) / 2 + lateral_deg * degree * (-1 if side == "right" else 1)
    return pixels[round(len(pixels) / 2 - anterior_deg * degree), round(column)].astype(int)


def is_tinted(colour: np.ndarray) -> bool:
    return colour[0] - colour[2] > 40 and colour[3] == 255


def test_the_lesion_lies_lateral_and_anterior_of_the_pole(study):
    # Its axis leans by atan(0.5) to the lateral and atan(0.35) to the anterior side.
    pixels = picture(study.masks[0])
    assert is_tinted(colour_at(pixels, 24, 17, "right"))
    assert not is_tinted(colour_at(pixels, -80, -50, "right"))


def test_a_left_hip_is_the_mirror_image_of_a_right_one(study):
    from dataclasses import replace

    right = study.masks[0]
    flip = np.diag([-1.0, 1, 1, 1])
    there = Grid(right.grid.shape, flip @ right.grid.ijk_to_ras)
    x, y, z = right.sphere.centre_ras_mm
    left = replace(right.moved_to(there), side="left", sphere=replace(right.sphere, centre_ras_mm=(-x, y, z)))
    disc = slice(40, -40)  # the names at the rim change sides
    a, b = picture(right)[disc, disc].astype(int), picture(left)[disc, ::-1][:, disc].astype(int)
    assert (np.abs(a - b).max(axis=-1) > 60).mean() < 0.02


def name_at(pixels: np.ndarray, where: str) -> np.ndarray:
    """What is written in the left or right margin, turned upright."""
    margin = round(len(pixels) * MARGIN_DEG / (2 * (POLAR_TO_DEG + MARGIN_DEG)))
    alpha = pixels[..., 3] / 255.0
    part = np.rot90(alpha[:, : margin - 2], -1) if where == "left" else np.rot90(alpha[:, 2 - margin :], 1)
    rows, columns = (np.flatnonzero(part.max(axis=axis) > 0.2) for axis in (1, 0))
    return part[rows[0] : rows[0] + 8, columns[0] : columns[0] + 30]


def test_lateral_is_named_at_the_left_of_a_right_hip_and_at_the_right_of_a_left_one(study):
    right, left = (picture(masks) for masks in study.masks)
    for same, other in ((("left", "right"), "left"), (("right", "left"), "right")):
        one, two, wrong = name_at(right, same[0]), name_at(left, same[1]), name_at(left, other)
        assert np.abs(one - two).mean() < 0.5 * np.abs(one - wrong).mean()


def test_a_healthy_head_has_no_tint(study):
    pixels = picture(study.masks[1]).astype(int)
    assert (pixels[..., 0] - pixels[..., 2] > 40).sum() == 0


def test_the_weight_bearing_zone_is_drawn_where_it_is_known(study):
    masks = study.masks[1]
    portion = weight_bearing_portion(
        mid_plane(masks.grid, "coronal", masks.sphere), masks.sphere, masks.landmarks, "left"
    )
    assert portion is not None

    def green(pixels):
        return (pixels[..., 1].astype(int) - pixels[..., 0] > 40).sum()

    assert green(picture(masks, portion)) > 500
    assert green(picture(masks)) == 0


def test_the_picture_has_the_size_asked_for_and_a_transparent_surrounding(study):
    pixels = picture(study.masks[0], size=200)
    assert pixels.shape == (200, 200, 4)
    assert pixels[0, 0, 3] == 0 and pixels[100, 100, 3] == 255


def test_the_same_hip_gives_the_same_bytes(study):
    assert polar_png(study.masks[0], None) == polar_png(study.masks[0], None)


def test_the_outlines_are_those_of_the_report(study):
    """VTK finds them here, scikit-image there."""
    by_vtk, by_skimage = (polar_figure(study.masks[0], None, contours=how).involved for how in (_contours, None))
    assert len(by_vtk) == len(by_skimage) > 0
    for one, other in zip(by_vtk, by_skimage, strict=True):
        nearest = np.linalg.norm(one[:, None] - other[None], axis=-1).min(axis=1)
        assert len(one) == len(other) and nearest.max() < 0.02
