"""Studies resampled to finer pixels and slices, and what is told of them."""

import numpy as np
import pytest

from ONFHAssistLib.core.volume import Volume
from training.measuring.resolution import AS_ACQUIRED, VARIANTS, resampled, summarise
from training.measuring.table import table


@pytest.fixture
def slope():
    """Intensity is the place along a tilted direction; slices 5 mm apart on an oblique, left-handed grid."""
    turn = np.array([[0.8, 0.0, -0.6], [0.0, 1.0, 0.0], [0.6, 0.0, 0.8]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn * [0.7, -0.7, 5.0]
    matrix[:3, 3] = [-20.0, 7.0, 3.0]
    grid = Volume(np.zeros((9, 40, 50)), matrix)
    return grid.like(grid.grid_ras() @ [0.3, 0.5, 0.8])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_resampled_study_shows_the_same_things_at_the_same_places(slope, variant):
    finer = resampled(slope, *VARIANTS[variant])
    inner = (slice(5, -5),) * 3 if variant == "1 mm slices" else (slice(1, -1), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(finer.array[inner], (finer.grid_ras() @ [0.3, 0.5, 0.8])[inner], atol=1e-3)
    pixel, slices = VARIANTS[variant]
    assert finer.spacing_mm == pytest.approx((pixel or 0.7, pixel or 0.7, slices or 5.0), rel=0.02)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_resampled_study_covers_the_same_part_of_the_body(slope, variant):
    finer = resampled(slope, *VARIANTS[variant])
    corners = [v.ras(np.array([[-0.5] * 3, np.array(v.array.shape[::-1]) - 0.5])) for v in (slope, finer)]
    np.testing.assert_allclose(*corners, atol=1e-4)


def row(side, variant, x, radius, verdict="without ONFH"):
    sphere = [x, 2.0, 3.0, radius]
    told = {"dice": 0.95, "sphere": sphere, "ratio": 0.0, "steinberg": verdict}
    return {"case": "04", "side": side, "variant": variant, "found": True, **told}


def test_spheres_are_compared_with_those_of_the_same_hip_as_acquired_and_a_lost_hip_is_told():
    rows = [row("right", AS_ACQUIRED, 80.0, 24.0), row("left", AS_ACQUIRED, -80.0, 22.0)]
    rows += [row("right", "0.4 mm pixels", 80.5, 23.8), row("left", "0.4 mm pixels", -80.0, 22.0, "mild")]
    rows += [row("right", "1 mm slices", 80.0, 24.0)]
    rows += [{"case": "04", "side": "left", "variant": "1 mm slices", "found": False}]
    summary = summarise(rows)
    pixels, slices = summary["0.4 mm pixels"], summary["1 mm slices"]
    assert (pixels["heads"], pixels["found"], pixels["without_onfh"]) == (2, 2, 1)
    assert pixels["centre_moved_mm"]["max"] == 0.5 and pixels["radius_changed_mm"]["max"] == pytest.approx(0.2)
    assert (slices["heads"], slices["found"], slices["without_onfh"]) == (2, 1, 1)
    text = table({"resolution": summary})
    assert "MR with 1 mm slices" in text and "as acquired: 0.950; 2" in text and "MR with as acquired" not in text
