"""The articular sphere against femora built from a ball, a neck and a trochanter."""

import os
from pathlib import Path

import numpy as np
import pytest
from core_phantoms import AXIAL, CENTRE, CORONAL, SAGITTAL, grid

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.sphere import (
    HEAD_ENLARGEMENT,
    articular_sphere,
    fit_sphere,
    head_from_femur,
    initial_head_sphere,
    sphere_coverage,
)
from ONFHAssistLib.core.volume import Volume

DATA = Path(os.environ.get("ONFH_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def _femur(volume, radius=24.0, side="right", centre=CENTRE):
    """Ball, neck of 0.7 r running lateral, posterior and inferior, trochanter and shaft."""
    sign = 1.0 if side == "right" else -1.0
    neck = np.array([sign * 0.75, -0.3, -0.59])
    neck /= np.linalg.norm(neck)
    offset = volume.grid_ras() - centre
    along = offset @ neck
    across = np.linalg.norm(offset - along[..., None] * neck, axis=-1)
    mask = np.linalg.norm(offset, axis=-1) <= radius
    mask |= (along >= 0) & (along <= 50) & (across <= 0.7 * radius)
    mask |= np.linalg.norm(offset - 50 * neck, axis=-1) <= 20
    shaft = offset - 50 * neck
    mask |= (shaft[..., 2] < 0) & (np.hypot(shaft[..., 0], shaft[..., 1]) <= 14)
    return volume.like(mask)


def _error_mm(sphere, centre=CENTRE, radius=24.0):
    return np.linalg.norm(np.subtract(sphere.centre_ras_mm, centre)), abs(sphere.radius_mm - radius)


def test_points_of_a_cap_determine_their_sphere_in_spite_of_outliers():
    rng = np.random.default_rng(1)
    ray = rng.normal(size=(600, 3))
    ray /= np.linalg.norm(ray, axis=1)[:, None]
    cap = ray[ray[:, 2] > 0.2]
    points = np.concatenate([CENTRE + 23.0 * cap, CENTRE + rng.uniform(10, 40, size=(40, 1)) * ray[:40]])
    assert _error_mm(fit_sphere(points), radius=23.0) == pytest.approx((0, 0), abs=1e-3)


def test_points_that_make_no_sphere_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        fit_sphere(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="one plane"):
        fit_sphere(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 3, 0], [5, 1, 0]]))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("spacing", "axes", "rotation", "limit_mm"),
    [
        ((1.0, 1.0, 1.0), AXIAL, (0, 0, 0), 0.15),
        ((0.911, 0.911, 5.2), CORONAL, (4, -3, 6), 0.4),
        ((0.911, 0.911, 5.2), CORONAL * [1, 1, -1], (0, 0, 0), 0.4),
        ((1.0, 1.0, 4.0), AXIAL, (10, 5, 0), 0.4),
        ((0.8, 0.8, 4.0), SAGITTAL, (0, 0, 12), 0.4),
        ((2.0, 1.3, 0.9), AXIAL, (30, -50, 70), 0.3),
    ],
)
def test_the_head_of_a_femur_is_fitted_on_every_grid(side, spacing, axes, rotation, limit_mm):
    volume = grid(spacing, axes, rotation, (0.2, -0.3, 0.4), half_mm=75)
    femur = _femur(volume, side=side)
    start = Sphere(tuple(CENTRE + [4, -4, 3]), 21.0)
    centre_error, radius_error = _error_mm(articular_sphere(femur, start))
    assert centre_error < limit_mm and radius_error < limit_mm


def test_the_head_is_found_in_a_mask_of_both_femora():
    middle = np.array([0.0, 11.2, -24.7])
    volume = grid((1.8, 1.8, 5.2), CORONAL, centre=middle, half_mm=150)
    left_centre = CENTRE * [-1, 1, 1]
    both = volume.like(_femur(volume).array | _femur(volume, side="left", centre=left_centre).array)
    for side, centre in (("right", CENTRE), ("left", left_centre)):
        initial = initial_head_sphere(both, side)
        assert np.linalg.norm(np.subtract(initial.centre_ras_mm, centre)) < 6
        centre_error, radius_error = _error_mm(articular_sphere(both, initial), centre)
        assert centre_error < 0.6 and radius_error < 0.6


def test_a_mask_that_ends_with_the_head_is_fitted_too():
    volume = grid((0.9, 0.9, 3.0), CORONAL, half_mm=40)
    ball = volume.like(np.linalg.norm(volume.grid_ras() - CENTRE, axis=-1) <= 24)
    centre_error, radius_error = _error_mm(articular_sphere(ball, Sphere(tuple(CENTRE + [3, 3, 3]), 22.0)))
    assert centre_error < 0.2 and radius_error < 0.2


def test_a_head_that_the_image_cuts_off_is_fitted_from_what_is_there():
    volume = grid((0.9, 0.9, 3.0), CORONAL, half_mm=75)
    femur = _femur(volume)
    last = round(float(volume.ijk(CENTRE + [0, 8, 0])[2]))
    cut = Volume(femur.array[:last], femur.ijk_to_ras)
    centre_error, radius_error = _error_mm(articular_sphere(cut, Sphere(tuple(CENTRE + [2, -2, 2]), 22.0)))
    assert centre_error < 0.6 and radius_error < 0.6


def test_the_head_is_the_femur_inside_the_enlarged_sphere():
    volume = grid((1.0, 1.0, 2.0), CORONAL, (3, 4, 5), half_mm=75)
    femur = _femur(volume)
    sphere = Sphere(tuple(float(x) for x in CENTRE), 24.0)
    distance = np.linalg.norm(volume.grid_ras() - CENTRE, axis=-1)
    expected = femur.array & (distance <= 24.0 * HEAD_ENLARGEMENT)
    assert (head_from_femur(femur, sphere) == expected).all()
    assert HEAD_ENLARGEMENT == 1.04


@pytest.mark.parametrize("height", [-0.6, 0.0, 0.5])
def test_the_share_of_a_sphere_inside_the_image_is_that_of_its_cap(height):
    """An image that ends h radii above the centre leaves out the cap of (1 - h)^2 (2 + h) / 4 of the ball."""
    whole = grid((0.5, 1.0, 2.0), CORONAL, (3, 4, 5), half_mm=40)
    sphere = Sphere(tuple(float(x) for x in CENTRE), 24.0)
    assert sphere_coverage(whole, sphere) == 1
    end = float(whole.ijk(CENTRE)[2]) + height * 24.0 / 2.0
    cut = Volume(whole.array[: round(end)], whole.ijk_to_ras)
    h = (round(end) - 0.5 - float(whole.ijk(CENTRE)[2])) * 2.0 / 24.0
    assert sphere_coverage(cut, sphere) == pytest.approx(1 - (1 - h) ** 2 * (2 + h) / 4, abs=0.02)


def test_no_head_near_the_given_place_is_said():
    volume = grid((1.0, 1.0, 2.0), CORONAL, half_mm=40)
    with pytest.raises(ValueError, match="no surface near"):
        articular_sphere(volume, Sphere(tuple(CENTRE), 24.0))
    with pytest.raises(ValueError, match="empty"):
        initial_head_sphere(volume, "right")


@pytest.mark.skipif(not (DATA / "t1_coronal").is_dir(), reason="the real T1 studies (ONFH_DATA) are not here")
@pytest.mark.parametrize("case", ["01", "19"])
def test_spheres_of_real_femora_are_plausible(case):
    import SimpleITK as sitk

    image = sitk.ReadImage(str(DATA / "t1_coronal" / f"case_{case}_bones.nii.gz"))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    femur = Volume(sitk.GetArrayFromImage(image) == 1, np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix)
    for side in ("right", "left"):
        sphere = articular_sphere(femur, initial_head_sphere(femur, side))
        assert 20 < sphere.radius_mm < 28
        moved = Sphere(tuple(np.add(sphere.centre_ras_mm, (4, -4, 3))), sphere.radius_mm - 2)
        assert np.subtract(articular_sphere(femur, moved).centre_ras_mm, sphere.centre_ras_mm) == pytest.approx(
            0, abs=0.1
        )
