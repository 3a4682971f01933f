"""The labels of our own making for the real training studies."""

import numpy as np
import pytest

from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.volume import Volume
from training.real.data import data_folder
from training.real.labelled import IGNORE
from training.real.labels import MarkedHip, crop, label_hip, read_corrected, read_marked_hips

TRAINING_CASES = {"01", "03", "06", "07", "10", "12", "15", "16", "19", "21"}


def test_both_heads_of_every_training_study_are_marked_and_no_test_study_is():
    marked = {(hip.case, hip.side) for hip in read_marked_hips()}
    assert marked == {(case, side) for case in TRAINING_CASES for side in ("right", "left")}


@pytest.mark.parametrize("hip", read_marked_hips(), ids=lambda hip: f"{hip.case}-{hip.side}")
def test_a_marked_head_is_of_human_size_and_its_landmarks_lie_about_it(hip: MarkedHip):
    assert 19.0 < hip.radius_mm < 27.0
    lateral = 1.0 if hip.side == "right" else -1.0
    assert lateral * hip.centre_ras_mm[0] > 0
    edge = (np.array(hip.acetabular_edge_ras_mm) - hip.centre_ras_mm) * [lateral, 1, 1]
    tear = (np.array(hip.teardrop_ras_mm) - hip.centre_ras_mm) * [lateral, 1, 1]
    assert edge[0] > 8 and edge[2] > 10  # lateral and above
    assert tear[0] < -hip.radius_mm and tear[2] < 0  # medial and below
    assert abs(edge[1]) < 6 and abs(tear[1]) < 6  # the slice of the centre, 5.2 mm thick and a little oblique


def test_the_two_heads_of_a_woman_are_alike_in_size():
    radius = {(hip.case, hip.side): hip.radius_mm for hip in read_marked_hips()}
    assert all(abs(radius[case, "right"] - radius[case, "left"]) < 1.0 for case in TRAINING_CASES)


def test_a_crop_keeps_its_place_in_the_patient():
    rng = np.random.default_rng(0)
    matrix = np.array([[-0.9, 0, 0, 80.0], [0, 0, -5.0, 60.0], [0, -0.9, 0, 70.0], [0, 0, 0, 1.0]])
    volume = Volume(rng.random((24, 160, 170)), matrix)
    box = crop(volume, np.array([10.0, 0.0, 5.0]), 30.0)
    inside = np.abs(box.grid_ras() - [10.0, 0.0, 5.0])
    assert inside.max() <= 30.0
    i, j, k = np.rint(volume.ijk(box.ras(np.array([3, 4, 2])))).astype(int)
    assert box.array[2, 4, 3] == volume.array[k, j, i]


def test_the_labels_of_a_real_hip_hold_its_head_and_leave_the_joint_between_head_and_hip_bone():
    if data_folder() is None:
        pytest.skip("the real test data is not here (set ONFH_DATA)")
    path = data_folder() / "t1_coronal" / "case_12_t1.nii.gz"
    hip = next(hip for hip in read_marked_hips() if (hip.case, hip.side) == ("12", "right"))
    labels = label_hip(read_corrected(path), hip)
    distance = np.linalg.norm(labels.grid_ras() - np.array(hip.centre_ras_mm), axis=-1)
    core = labels.array[distance < hip.radius_mm - 4]
    assert (core == AnatomyLabel.HEAD).mean() > 0.97
    assert distance[labels.array == AnatomyLabel.HEAD].max() <= 1.04 * hip.radius_mm
    ball_ml = 4 / 3 * np.pi * hip.radius_mm**3 / 1000
    head_ml = (labels.array == AnatomyLabel.HEAD).sum() * labels.voxel_ml
    assert 0.85 * ball_ml < head_ml < 1.13 * ball_ml
    assert (labels.array[distance < hip.radius_mm - 1] != AnatomyLabel.HIP_BONE).all()
    assert {0, 1, 2, 3, IGNORE} == set(np.unique(labels.array).tolist())
    roof = np.array(hip.centre_ras_mm) + [0, 0, hip.radius_mm + 8]
    i, j, k = np.rint(labels.ijk(roof)).astype(int)
    assert labels.array[k, j, i] == AnatomyLabel.HIP_BONE


def test_a_drawn_hip_gets_its_head_and_roof_and_ignores_slices_far_from_the_head():
    rng = np.random.default_rng(1)
    matrix = np.array([[-1.0, 0, 0, 64.0], [0, 0, -5.0, 60.0], [0, -1.0, 0, 64.0], [0, 0, 0, 1.0]])
    blank = Volume(np.zeros((25, 129, 129)), matrix)
    grid = blank.grid_ras()
    distance = np.linalg.norm(grid, axis=-1)
    image = np.where(distance < 22, 1.0, np.where(distance < 25, 0.1, 0.45))  # marrow, cortex and joint, muscle
    roof = (grid[..., 2] > 25) & (distance >= 25) & (np.abs(grid[..., 0]) < 25)
    image = np.where(roof, 1.0, image)
    volume = blank.like(image + rng.normal(0, 0.02, image.shape))
    hip = MarkedHip("00", "right", (0.0, 0.0, 0.0), 22.5, (18.0, 0.0, 18.0), (-30.0, 0.0, -12.0), {})
    labels = label_hip(volume, hip)
    place = np.linalg.norm(labels.grid_ras(), axis=-1)
    assert (labels.array[place < 20] == AnatomyLabel.HEAD).all()
    ball_ml = 4 / 3 * np.pi * 22.5**3 / 1000
    assert (labels.array == AnatomyLabel.HEAD).sum() * labels.voxel_ml == pytest.approx(ball_ml, rel=0.1)
    x, ap, up = np.moveaxis(labels.grid_ras(), -1, 0)
    inner = (up > 30) & (up < 50) & (np.abs(x) < 20) & (np.abs(ap) < 12)
    assert (labels.array[inner] == AnatomyLabel.HIP_BONE).mean() > 0.95
    assert (labels.array[(up > 30) & (np.abs(x) < 20) & (ap > 35)] == IGNORE).all()
