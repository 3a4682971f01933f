"""Which hips are in an image; networks and hips are the solids of hip_phantom."""

import numpy as np
import pytest

from ONFHAssistLib.imaging.locate import locate_hips, look
from Testing.hip_phantom import (
    AXIAL,
    CODES,
    CORONAL,
    RADIUS_MM,
    add_hip,
    anatomy_network,
    finder_network,
    grid,
    hu,
    network,
)

CENTRES = {"right": (88.0, 2.0, -4.0), "left": (-84.0, 5.0, 1.0)}
GRIDS = {
    "axial": grid(AXIAL, (1.5, 1.5, 3.0), (320, 126, 120)),
    "coronal, oblique": grid(CORONAL, (1.3, 1.3, 5.0), (330, 150, 130), turn_deg=(6, -5, 4)),
    "left-handed": grid(AXIAL, (1.5, 1.5, 4.0), (320, 130, 124), flip=(0,)),
}


def pelvis(name, *sides):
    volume = GRIDS[name]
    for side in sides:
        volume = add_hip(volume, side, CENTRES[side], lesion=False)
    return volume


def assert_found(found, *sides):
    assert set(found) == set(sides)
    for side in sides:
        assert np.linalg.norm(np.subtract(found[side], CENTRES[side])) < 1.0


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("sides", [("right", "left"), ("right",), ("left",)])
def test_each_hip_in_view_is_found_on_its_side(name, sides):
    found = locate_hips(pelvis(name, *sides), "CT", finder_network(), anatomy_network()).heads
    assert_found(found, *sides)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_side_of_a_single_head_is_read_off_its_anatomy_not_off_its_place(side):
    # A coil about one hip: the image may lie anywhere in the scanner.
    centre = (-5.0, 3.0, 2.0) if side == "right" else (12.0, 3.0, 2.0)
    volume = add_hip(grid(AXIAL, (1.5, 1.5, 3.0), (160, 130, 124)), side, centre, lesion=False)
    sight = look(volume, "CT", centre, anatomy_network())
    assert sight.side == side and sight.femur_beyond_mm > 15
    assert sight.cover > 0.4


def test_a_ball_without_an_acetabulum_is_no_hip():
    volume = GRIDS["axial"]
    distance = np.linalg.norm(volume.grid_ras() - np.array(CENTRES["right"]), axis=-1)
    ball = volume.like(np.where(distance < RADIUS_MM, hu(CODES["head"]), volume.array).astype(np.float32))
    assert look(ball, "CT", CENTRES["right"], anatomy_network()) is None
    assert locate_hips(ball, "CT", finder_network(), anatomy_network()).heads == {}


def test_a_wrong_proposal_does_no_harm():
    """The finder's hottest place is empty, and a second one is above the hip where no other head can be."""

    def heat(batch):
        logits = finder_network().engine(batch)
        logits[0, 0, 3, 3, 3] = 9.0
        logits[0, 0, -3, -3, -3] = 8.0
        return logits

    found = locate_hips(
        pelvis("axial", "left"), "CT", network(heat, "hip_finder", pixel_mm=5.0), anatomy_network()
    ).heads
    assert_found(found, "left")


def test_nothing_proposed_is_nothing_found():
    empty = network(lambda batch: np.full_like(batch, -9.0), "hip_finder", pixel_mm=5.0)
    assert locate_hips(pelvis("axial", "right", "left"), "CT", empty, anatomy_network()).heads == {}
