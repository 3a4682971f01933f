"""Arcs that are kept from one edit to the next are those that are measured anew."""

from dataclasses import replace

import numpy as np
import pytest
from core_phantoms import AXIAL, CENTRE, CORONAL, SAGITTAL, cone, direction, grid, hip, landmarks

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.measure import PlaneArcs, measure_hip


@pytest.mark.parametrize(
    ("spacing", "axes", "turn"),
    [
        ((0.9, 0.9, 4.5), CORONAL, (4, -6, 3)),
        ((1.0, 1.0, 1.2), AXIAL * [1, 1, -1], (0, 0, 0)),
        ((2.0, 1.2, 0.8), SAGITTAL, (20, -35, 50)),
    ],
)
def test_an_edited_hip_measures_the_same_with_and_without_what_was_known_before(spacing, axes, turn):
    volume = grid(spacing, axes, turn, (0.2, 0.3, -0.1))
    masks = hip(volume, cone(50, direction(10)), "right", landmarks(-20, 60))
    whole, at, rng, arcs = masks.head.array, volume.grid_ras(), np.random.default_rng(2), PlaneArcs()
    for number in range(12):
        ball = np.linalg.norm(at - (CENTRE + rng.uniform(-22, 22, 3)), axis=-1) <= rng.uniform(2, 9)
        necrosis, head = masks.necrosis.array, masks.head.array
        if number % 4 == 3:
            head = head & ~ball if number % 8 == 3 else whole
        else:
            necrosis = necrosis | ball if number % 2 else necrosis & ~ball
        masks = replace(masks, head=volume.like(head), necrosis=volume.like(necrosis & head))
        if number == 6:
            masks = replace(masks, sphere=Sphere(tuple(CENTRE + [1.0, -2.0, 0.5]), 25.0))
        if number == 9:
            masks = replace(masks, necrosis=volume.like(necrosis & False))
        known, anew = measure_hip(masks, arcs), measure_hip(masks)
        assert known.largest_coronal_deg == anew.largest_coronal_deg
        assert known.largest_sagittal_deg == anew.largest_sagittal_deg
        assert (known.volume_ratio, known.slices) == (anew.volume_ratio, anew.slices)


def test_a_head_without_necrosis_has_arcs_of_zero_and_one_that_no_plane_shows_has_none():
    volume = grid((1.0, 1.0, 1.0))
    masks = hip(volume, lambda offset: offset[..., 2] > 99)
    measured = measure_hip(masks)
    assert (measured.largest_coronal_deg, measured.largest_sagittal_deg) == (0.0, 0.0)
    beside = replace(masks, sphere=Sphere(tuple(CENTRE + [0, 400.0, 0]), 24.0))
    assert measure_hip(beside).largest_coronal_deg is None
