"""Reformatting to coronal, checked on images that are known everywhere."""

import numpy as np
import pytest

from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import plane_of
from ONFHAssistLib.imaging.reformat import coronal_grid, resampled, tilt_deg
from Testing.hip_phantom import AXIAL, CORONAL, grid

CENTRE = (80.0, 12.0, -7.0)
GRIDS = {
    "axial": grid(AXIAL, (0.8, 0.8, 3.0), (120, 120, 120), CENTRE),
    "oblique": grid(AXIAL, (0.7, 0.7, 1.5), (140, 140, 140), CENTRE, turn_deg=(20, 9, -14)),
    "left-handed": grid(AXIAL, (0.8, 0.8, 2.0), (120, 120, 120), CENTRE, flip=(1,)),
    "sagittal": grid(CORONAL[:, [2, 1, 0]], (1.0, 1.0, 2.5), (120, 120, 120), CENTRE),
}


def ramp(where) -> np.ndarray:
    """An image that linear interpolation reproduces."""
    return (where.grid_ras() @ np.array([3.0, -5.0, 2.0]) + 40).astype(np.float32)


@pytest.mark.parametrize("name", GRIDS)
def test_what_is_linear_in_space_stays_as_it_is_in_every_orientation(name):
    image = GRIDS[name].like(ramp(GRIDS[name]))
    there = coronal_grid(CENTRE, (40.0, 60.0, 50.0), 0.75, 2.0)
    found = resampled(image, there, outside=-9.0)
    assert found.array == pytest.approx(ramp(there), abs=2e-2)
    assert plane_of(found) == ("coronal", 0.0) and tilt_deg(found) == 0


def test_the_place_lies_in_the_middle_and_slices_run_from_front_to_back():
    there = coronal_grid(CENTRE, (40.0, 60.0, 50.0), 0.75, 2.0)
    assert there.ras((there.size - 1) / 2) == pytest.approx(CENTRE)
    assert there.shape == (20, 80, 67) and there.spacing_mm == (0.75, 0.75, 2.0)
    assert there.axes_ras[:, 2] == pytest.approx([0, -1, 0]) and there.axes_ras[:, 1] == pytest.approx([0, 0, -1])


def test_outside_of_the_image_is_the_value_that_was_asked_for():
    image = grid(AXIAL, (1.0, 1.0, 1.0), (20, 20, 20), CENTRE).like(np.full((20, 20, 20), 5.0, np.float32))
    found = resampled(image, coronal_grid(CENTRE, (40.0, 40.0, 40.0), 1.0, 1.0), outside=-9.0)
    assert set(np.unique(found.array)) == {-9.0, 5.0}
    assert (found.array == 5).sum() == 20**3


def test_what_is_finer_than_a_slice_is_averaged():
    """Sheets that alternate every 0.5 mm from front to back are grey on slices of 2 mm, not one of the two."""
    fine = grid(AXIAL, (1.0, 0.5, 1.0), (40, 40, 40), CENTRE)
    sheets = np.broadcast_to((np.arange(fine.shape[1]) % 2 * 100.0)[None, :, None], fine.shape)
    found = resampled(fine.like(sheets.astype(np.float32)), coronal_grid(CENTRE, (20.0, 20.0, 20.0), 1.0, 2.0), 0.0)
    assert found.array == pytest.approx(np.full(found.shape, 50.0), abs=1)


def test_only_the_part_about_the_place_is_touched():
    """A CT of 300 MB costs no more than the box about a head: all else may be no numbers at all."""
    image = np.full((100, 200, 200), np.nan, np.float32)
    whole = Volume(image, grid(AXIAL, (1.0, 1.0, 1.0), (200, 200, 100), CENTRE).ijk_to_ras)
    near = np.linalg.norm(whole.grid_ras() - np.array(CENTRE), axis=-1) < 40
    image[near] = 7.0
    found = resampled(whole, coronal_grid(CENTRE, (40.0, 40.0, 40.0), 1.0, 2.0), 0.0)
    assert (found.array == 7).all()


def test_a_tilt_is_told_whichever_axis_is_turned():
    assert tilt_deg(grid(CORONAL, (1.0, 1.0, 3.0), (50, 50, 50), turn_deg=(0, 12, 0))) == pytest.approx(12, abs=0.01)
    assert tilt_deg(grid(CORONAL, (1.0, 1.0, 3.0), (50, 50, 50), turn_deg=(15, 0, 0))) == pytest.approx(15, abs=0.01)
