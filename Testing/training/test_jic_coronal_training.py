"""The training of S-JIC: slices whose class is true, batches in which classes are even, a loss that wants the place."""

import numpy as np
import pytest
import torch

from ONFHAssistLib.core.gradings.jic import jic_class
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES, NONE
from ONFHAssistLib.systems.jic_coronal.seen import Seen
from training.jic_coronal.calibrate import reliability, temperature_of
from training.jic_coronal.internal import panel, places
from training.jic_coronal.networks import Supervised, loss_of, packed, shipped
from training.jic_coronal.slices import LEAST_MM2, NECROSIS, TEST, TRAIN, VALIDATION, DrawHip, Slices, _part
from training.jic_coronal.task import batch, weights
from training.learning.config import config_of
from training.real.data import TRAINING_CASES

SIZE, PIXEL_MM = 64, 1.5
CONFIG = {
    "name": "jic_test",
    "task": "jic_coronal",
    "network": {
        "_target_": "ONFHAssistLib.models.class_map.ClassMapResNet",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 5,
        "widths": [8, 8],
        "strides": [2, 2],
    },
    "patch": {"size_px": SIZE, "pixel_mm": PIXEL_MM, "shift_px": 2},
    "samples": {"procedural": 10, "seed": 3},
    "training": {"steps": 2, "batch": 8, "learning_rate": 0.001, "seed": 1, "real_share": 0.0},
}


@pytest.fixture(scope="module")
def slices() -> Slices:
    """The slices of two procedural hips; without the real data their femora are parametric."""
    drawn = [one for seed in (5, 8) for one in DrawHip(SIZE, PIXEL_MM)(("procedural", seed, seed))]
    return Slices(
        images=np.stack([one.image for one in drawn]),
        labels=np.stack([one.labels for one in drawn]),
        classes=np.array([one.class_index for one in drawn], np.uint8),
        ends=np.array([one.end for one in drawn], np.float32),
        marks=np.array([one.marks for one in drawn], np.float32),
        patient=np.zeros(len(drawn), int),
        part=np.zeros(len(drawn), np.uint8),
        real=np.zeros(len(drawn), bool),
    )


def test_a_slice_has_a_class_where_it_shows_a_lesion_and_that_of_its_end(slices):
    shown = (slices.labels == NECROSIS).sum(axis=(1, 2)) * PIXEL_MM**2
    assert ((shown == 0) | (shown >= LEAST_MM2)).all() and (shown > 0).any() and (shown == 0).any()
    for n, end, area in zip(slices.classes, slices.ends, shown, strict=True):
        assert (CLASSES[n] == NONE) == np.isnan(end)
        if area == 0:
            assert CLASSES[n] == NONE
        elif not np.isnan(end):
            assert CLASSES[n] == jic_class(float(end))


def test_readers_without_an_error_give_the_true_classes_and_those_with_one_do_not(slices):
    many = Slices(**{name: np.repeat(values, 40, axis=0) for name, values in vars(slices).items()})
    assert panel(slices, 0.0)["accuracy"] == 1.0
    small, large = panel(many, 2.0)["accuracy"], panel(many, 8.0)["accuracy"]
    assert large < small <= 1.0


def test_each_class_comes_as_often_as_each_other(slices):
    share = weights(slices, 0.0)
    found = [share[slices.classes == n].sum() for n in np.unique(slices.classes)]
    assert share.sum() == pytest.approx(1) and found == pytest.approx([1 / len(found)] * len(found))


def test_batches_are_the_same_for_the_same_step_and_hold_the_truth(slices):
    config = config_of(CONFIG)
    images, target = batch(slices, config, 7, 8)
    again, _ = batch(slices, config, 7, 8)
    assert torch.equal(images, again) and images.shape == (8, 1, SIZE, SIZE)
    assert target.shape == (8, 2 + 4 * 64)
    shares = target[:, 2:].reshape(8, 4, 8, 8)
    assert float(shares.sum(1).max()) <= 1 + 1e-6  # less than 1 where nobody knows
    classed = ~target[:, 1].isnan()
    assert (shares[classed, 2].sum((1, 2)) > 0).all()


def test_the_loss_wants_the_class_its_place_and_the_end():
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[0, :4, :4] = NECROSIS
    target = packed(torch.tensor([3]), torch.tensor([0.8]), labels, 4)
    maps = torch.zeros(1, 5, 4, 4)
    tissue, end = torch.zeros(1, 4, 4, 4), torch.full((1, 1, 4, 4), 0.8)

    def loss(maps, end=end):
        return float(loss_of((maps, tissue, end), target))

    inside, outside = maps.clone(), maps.clone()
    inside[0, 3, 0, 0], outside[0, 3, 3, 3] = 8.0, 8.0
    assert loss(inside) < loss(outside) < loss(maps) + 1.0
    assert loss(inside) < loss(maps)
    assert loss(inside, end + 0.3) > loss(inside)


def test_what_is_shipped_gives_maps_only_and_was_trained_with_more():
    from ONFHAssistLib.models.networks import build_network

    network = Supervised(build_network(CONFIG["network"]))
    images = torch.zeros(2, 1, SIZE, SIZE)
    assert len(network(images)) == 3
    own = shipped(network)
    assert own.eval()(images).shape == (2, 5, 8, 8)
    assert not [name for name in own.state_dict() if name.startswith(("tissue", "end"))]


def test_a_temperature_brings_overconfident_answers_to_how_often_they_are_right():
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1.5, (4000, 5))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = (chances.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    assert temperature_of(3 * logits, classes) == pytest.approx(3.0, rel=0.1)
    for row in reliability(logits, classes):
        assert row["right"] == pytest.approx(row["said"], abs=0.06)
    assert sum(row["n"] for row in reliability(logits, classes)) == 4000


def test_where_the_map_is_highest_is_compared_with_the_lesion(slices):
    n = int(np.flatnonzero((slices.labels == NECROSIS).any(axis=(1, 2)))[0])
    one = Slices(**{name: values[n : n + 1] for name, values in vars(slices).items()})
    first = (one.labels.shape[-1] - SIZE) // 2
    lesion = one.labels[0, first : first + SIZE, first : first + SIZE] == NECROSIS
    share = lesion.reshape(8, 8, 8, 8).mean(axis=(1, 3))
    right, wrong = (np.where(np.arange(5)[:, None, None] == 4, part, -9.0) for part in (share, 1 - share))
    assert places(one, [Seen(right.astype(np.float32))], SIZE)["highest_inside"] == 1.0
    assert places(one, [Seen(wrong.astype(np.float32))], SIZE)["highest_inside"] == 0.0


def test_patients_are_split_seven_to_one_to_two_and_women_are_never_in_two_parts():
    parts = np.array([_part(("procedural", n, n), 1000) for n in range(1000)])
    assert [(parts == part).sum() for part in (TRAIN, VALIDATION, TEST)] == [700, 100, 200]
    women = [_part((case, "left", 1, 1), 1000) for case in TRAINING_CASES]
    assert [women.count(part) for part in (TRAIN, VALIDATION, TEST)] == [7, 1, 2]
