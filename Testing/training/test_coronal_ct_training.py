"""Coronal CT: slices, batches, losses, thresholds and figures, on shapes whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ONFHAssistLib.models.networks import build_network
from ONFHAssistLib.systems.coronal_ct.pooling import Decision
from training.coronal_ct.measure import Found, by_area, decide, find, hip_figures, slice_figures, threshold, unsure
from training.coronal_ct.page import markdown
from training.coronal_ct.slabs import slab_heads, slab_patch
from training.coronal_ct.slices import HEAD, NECROSIS, PARTS, Job, Slices, all_jobs, decode, encode, part_of
from training.coronal_ct.task import Taught, batch, diagnosis_loss, groups_of, plain, task_on
from training.learning.config import read_config
from training.real.data import ROOT, data_folder

CONFIGS = ROOT / "training" / "configs"


@pytest.fixture
def config():
    return read_config(CONFIGS / "ct_diagnosis.yaml")


@pytest.fixture
def slices() -> Slices:
    """Eight scans of five slices; every other scan has a bright square of 9 mm in three of its slices."""
    n, s = 40, 144
    hounsfield = np.full((n, s, s), 40.0)
    labels = np.zeros((n, s, s), np.uint8)
    labels[:, 50:94, 50:94] = HEAD
    hounsfield[:, 50:94, 50:94] = 250
    scan = np.repeat(np.arange(8), 5)
    for k in range(n):
        if scan[k] % 2 and 1 <= k % 5 <= 3:
            labels[k, 60:72, 60:72], hounsfield[k, 60:72, 60:72] = NECROSIS, 700
    part = np.where(scan < 4, PARTS.index("training"), PARTS.index("validation"))
    return Slices(encode(hounsfield), labels, scan, scan + 100, part, np.ones(n, bool), np.full(n, 3.0))


def oracle(images: np.ndarray) -> np.ndarray:
    """A segmentation that marks what is brighter than bone."""
    return np.where(images[:, 1:2] > 0.3, 9.0, -9.0)


def test_what_is_stored_comes_back_within_a_step():
    hounsfield = np.array([-300.0, 0.0, 421.0, 1300.0])
    assert np.abs(decode(encode(hounsfield)) - hounsfield).max() < 3.2


def test_neighbours_are_of_the_same_scan(slices):
    around = slices.neighbours(np.array([0, 2, 4, 5]))
    assert around.tolist() == [[0, 0, 1], [1, 2, 3], [3, 4, 4], [5, 5, 6]]


def test_no_patient_is_in_two_parts_and_seven_of_ten_train(config):
    jobs = list(all_jobs(config)) if data_folder() else [Job("procedural", n, n, 4) for n in range(160)]
    parts = [part_of(job) for job in jobs if job.kind == "procedural"]
    assert [parts.count(part) for part in ("training", "validation", "internal")] == [112, 16, 32]
    assert part_of(Job("external", 0, 0, 2)) == "external"


def test_the_same_step_gives_the_same_batch(slices, config):
    groups = groups_of(slices, config.patch.pixel_mm)
    first, again, other = (batch(slices, groups, config, step) for step in (3, 3, 4))
    n = config.training.batch
    assert first[0].shape == (n, 3, 128, 128) and first[1].shape == (n, 128, 128)
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], other[0])
    assert 0.2 * n <= int(first[1].amax((1, 2)).sum()) <= 0.8 * n


def test_a_batch_of_the_second_stage_is_mostly_of_slices_with_necrosis(slices):
    config = read_config(CONFIGS / "ct_necrosis.yaml")
    labels = torch.cat([batch(slices, groups_of(slices, 0.75), config, step)[1] for step in range(4)])
    assert 0.6 < float(labels.amax((1, 2)).float().mean()) < 0.95


def test_the_networks_see_the_window_of_ct(slices):
    images, labels = plain(slices, np.array([6]), 128)
    assert images[0, 1, 0, 0] == pytest.approx((40 - 300) / 500, abs=0.01)
    assert images[0, 1][labels[0] == NECROSIS].mean() == pytest.approx(0.8, abs=0.01)


def test_the_loss_is_small_where_class_and_place_are_right():
    labels = torch.zeros(2, 128, 128, dtype=torch.int64)
    labels[0, 8:16, 8:16] = 1
    right = torch.full((2, 1, 16, 16), -4.0)
    right[0] += 0.0
    right[0, 0, 1, 1] = 4.0 * 256 * 2
    wrong = torch.full((2, 1, 16, 16), -4.0)
    wrong[0, 0, 9, 9] = 4.0 * 256 * 2
    assert float(diagnosis_loss(right, labels)) < 0.05
    assert float(diagnosis_loss(wrong, labels)) > 1.0


@pytest.mark.parametrize("name", ["ct_diagnosis", "ct_resnet"])
def test_what_is_taught_beside_the_diagnosis_changes_nothing_of_the_network(name):
    network = build_network(read_config(CONFIGS / f"{name}.yaml").network)
    taught = Taught(network).eval()
    images = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        alone = taught(images)
        for module in taught.modules():
            module.training = module is taught  # the training path, with the layers as they are used
        maps, outline = taught(images)
    assert torch.allclose(maps, alone, atol=1e-4)
    assert outline.shape == (2, 1, 128, 128)


def test_a_few_steps_teach_the_first_stage_a_bright_square(slices, config):
    small = {"hidden_size": 32, "mlp_dim": 64, "num_layers": 1, "num_heads": 2, "patch_size": 16}
    own = replace(config, network=config.network | small, training=replace(config.training, batch=8))
    task = task_on(slices.of("training"), slices.of("validation"), own, 0, torch.device("cpu"), slice(None))
    torch.manual_seed(0)
    network = task.build(own.network)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(80):
        images, labels = next(task.batches)
        loss = task.loss(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert task.score is not None and task.score(network.eval()) > 0.9


def test_a_perfect_segmentation_has_perfect_figures(slices):
    found = find(slices, lambda x: np.where(oracle(x).max((1, 2, 3), keepdims=True) > 0, 3.0, -3.0), oracle, 128, 0.75)
    decision, auc = decide(found, "these")
    figures = slice_figures(found, decision)
    assert set(auc.values()) == {1.0}
    assert (figures["auc"][0], figures["dice"], figures["hd95_mm"], figures["without_mask"]) == (1.0, 1.0, 0.0, 0.0)
    hips = hip_figures(found, decision)
    assert (hips["sensitivity"], hips["specificity"], hips["prevalence"]) == (1.0, 1.0, 0.5)


def found_of(probability: list[float], positive: list[bool]) -> Found:
    n = len(probability)
    truth = np.zeros((n, 8, 8), bool)
    truth[positive, 2:6, 2:6] = True
    area = np.where(positive, 25.0, 0.0)
    every = np.arange(n)
    return Found(np.array(probability), truth, np.ones_like(truth), truth, area, every, every, np.full(n, 3.0), 0.75)


def test_figures_are_what_is_counted_by_hand():
    found = found_of([0.9, 0.8, 0.2, 0.7, 0.1, 0.3], [True, True, True, False, False, False])
    figures = slice_figures(found, Decision("maximum", 0.5, 0.5, 0.5, ""))
    assert figures["sensitivity"] == pytest.approx(2 / 3) and figures["specificity"] == pytest.approx(2 / 3)
    assert figures["ppv"] == pytest.approx(2 / 3) and figures["npv"] == pytest.approx(2 / 3)
    assert figures["auc"][0] == pytest.approx(7 / 9)
    assert figures["dice"] == pytest.approx(2 / 3) and figures["without_mask"] == pytest.approx(1 / 3)


def test_a_slice_with_traces_only_is_not_scored():
    found = replace(found_of([0.9, 0.1], [True, False]), area_mm2=np.array([5.0, 0.0]))
    assert found.scored.tolist() == [False, True]


def test_the_threshold_keeps_98_of_100_and_no_more():
    truth = np.repeat([True, False], 100)
    values = np.concatenate([np.linspace(0.5, 1.0, 100), np.linspace(0.0, 0.4, 100)])
    assert (values[:100] >= threshold(truth, values)).sum() == 98


def test_hips_are_near_the_threshold_where_nine_in_ten_are_not_told_right():
    values = np.arange(30) / 30
    truth = np.concatenate([np.zeros(10, bool), np.tile([True, False], 5), np.ones(10, bool)])
    low, high = unsure(truth, values, 0.5)
    assert (~truth[values < low]).mean() >= 0.9 > (~truth[values < low + 3 / 30]).mean()
    assert truth[values >= high].mean() >= 0.9 > truth[values >= high - 3 / 30].mean()


def test_a_segmentation_alone_needs_20_square_millimetres():
    segmented = np.zeros((2, 64, 64))
    segmented[0, :6, :6] = 0.8  # 36 pixels of 0.5625 mm2 = 20.25 mm2
    segmented[1, :5, :7] = 0.8
    assert by_area(segmented, 0.75).tolist() == [0.8, 0.0]


def test_the_page_names_prevalence_and_leaves_the_readers_columns_empty():
    found = found_of([0.9, 0.8, 0.2, 0.7, 0.1, 0.3], [True, True, True, False, False, False])
    decision = Decision("longest run", 0.5, 2.0, 0.5, "")
    row = {"slices": slice_figures(found, decision), "hips": hip_figures(found, decision)}
    counts = {part: {"patients": 3, "scans": 6, "slices": 60} for part in PARTS}
    content = {
        "counts": counts,
        "decision": vars(decision),
        "two stages": {"internal": row, "external": row},
        "silent": {"hips": 12, "called": 0.25},
        "real": [
            {
                "image": "ct_hips/x",
                "side": "left",
                "whole": True,
                "kind": "never seen",
                "below": True,
                "slices_called": "0 of 17",
                "marked": 0.0,
            }
        ],
        "pictures": [],
    }
    text = markdown(content)
    assert "| two stages, internal | 6 | 50.0 % |" in text
    assert "| Dice | 0.667 | | | |" in text
    assert "72.64 %" in text and "not comparable" in text


def test_marked_heads_of_the_pictures_lie_in_the_middle_of_their_patches():
    if data_folder() is None or not (Path(data_folder()) / "hip_ct_slabs").is_dir():
        pytest.skip("hip_ct_slabs is not there")
    head = next(head for head in slab_heads() if head.file == "s10_coronal_1.png")
    patch = slab_patch(head, 128, 0.75)
    yy, xx = np.indices((128, 128)) - 63.5
    ring = np.hypot(xx, yy) * 0.75
    assert patch.shape == (3, 128, 128)
    assert patch[1][ring < 20].mean() > patch[1][(ring > 26) & (xx < -20)].mean()
