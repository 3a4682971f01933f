"""S-T1 beside U-Net and LinkNet: the slices, the networks, the table."""

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.networks import build_network
from training.learning import loop
from training.learning.config import Config, Patch, read_config
from training.learning.curated import initial_weights, with_init
from training.learning.loop import learning_rate
from training.real.labelled import IGNORE
from training.steinberg_t1 import table as benchmark
from training.steinberg_t1.networks import (
    DISTANCE_MM,
    KINDS,
    circles,
    distance_maps,
    gflop,
    loss_of,
    make_network,
    shipped,
)
from training.steinberg_t1.slices import LIVING, NECROSIS, SLICES, Slices, batch, plain, split
from training.steinberg_t1.task import task_on
from training.steinberg_t1.threshold import Trial, best, trials


@pytest.fixture(scope="module")
def config() -> Config:
    return read_config(benchmark.CONFIG)


@pytest.fixture
def small(config) -> Config:
    """The same recipe on slices of 32 pixels."""
    return replace(
        config,
        patch=Patch(size_px=32, pixel_mm=3.0, shift_px=2),
        training=replace(config.training, steps=4, batch=2),
    )


def disc_slices(size: int = 41, count: int = 4) -> Slices:
    """Bright discs (heads) in grey; in every second one a third of the rows is necrosis, and dark."""
    at = np.hypot(*(np.indices((size, size)) - (size - 1) / 2))
    labels = np.repeat(np.where(at < size / 3, LIVING, 0).astype(np.uint8)[None], count, axis=0)
    dead = labels.astype(bool) & (np.arange(size) < size / 2)[None, :, None]
    dead[::2] = False
    labels[dead] = NECROSIS
    images = np.select([labels == LIVING, labels == NECROSIS], [200, 60], 100).astype(np.uint8)
    return Slices(images, labels, np.arange(count))


def read(checkpoint: Path) -> dict:
    return torch.load(checkpoint, weights_only=True)


# --- networks ---


def test_the_three_networks_cost_the_same_and_little(config):
    cost = [gflop(shipped(make_network(kind, config)), config.patch.side_px) for kind in KINDS]
    assert max(cost) <= 3 and max(cost) / min(cost) < 1.1


def test_the_cost_counts_a_multiplication_with_its_addition_as_two():
    assert gflop(torch.nn.Conv2d(1, 4, 3, padding=1, bias=False), 10) == pytest.approx(2 * 9 * 4 * 100 / 1e9)


def test_the_paths_leave_the_shipped_network_as_it_is(config):
    torch.manual_seed(3)
    supervised = make_network("s-t1", config).eval()
    plain_network = build_network(config.network)
    plain_network.load_state_dict(shipped(supervised).state_dict())  # the same keys and shapes, or it raises
    images = torch.randn(1, 1, 256, 256)
    with torch.no_grad():
        assert torch.equal(supervised(images), plain_network.eval()(images))
        assert torch.equal(supervised.with_paths(images)[0], supervised(images))


def test_each_path_teaches_the_network_and_not_the_other_path(small):
    network = make_network("s-t1", small)
    logits, *coarse, distance, circle = network.with_paths(torch.randn(2, 1, 32, 32))
    assert logits.shape == (2, 1, 32, 32) and [part.shape[-1] for part in coarse] == [16, 8]
    assert distance.shape == (2, 1, 16, 16) and circle.shape == (2, 3)
    for part, own, other in (
        (distance.sum() + circle.sum(), (*network.distance.parameters(), *network.circle.parameters()), network.pixel),
        (sum(p.sum() for p in coarse), tuple(network.pixel.parameters()), network.distance),
    ):
        network.zero_grad(set_to_none=True)
        part.backward(retain_graph=True)
        assert all(parameter.grad is not None for parameter in own)
        assert all(parameter.grad is None for parameter in other.parameters())
        assert any(parameter.grad is not None for parameter in network.network.parameters())


def test_the_loss_of_s_t1_holds_its_paths_and_falls(small):
    torch.manual_seed(1)
    network = make_network("s-t1", small)
    images, labels = batch(disc_slices(), small, step=0)

    def loss() -> torch.Tensor:
        return loss_of(network(images), labels, small.patch.pixel_mm)

    first = loss()
    assert first.item() > loss_of(shipped(network)(images), labels, small.patch.pixel_mm).item()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(8):
        optimiser.zero_grad()
        last = loss()
        last.backward()
        optimiser.step()
    assert last.item() < 0.9 * first.item()


def test_the_distance_map_of_a_disc_is_its_signed_distance():
    at = np.hypot(*(np.indices((101, 101)) - 50))
    labels = torch.from_numpy(np.where(at <= 30, 1, 0))[None]
    labels[0, 0] = IGNORE
    found, known = distance_maps(labels, pixel_mm=0.5)
    expected = np.tanh((at - 30) * 0.5 / DISTANCE_MM)
    assert np.abs(found[0].numpy() - expected).max() < 0.09  # within a pixel
    assert known[0, 0].sum() == 0 and known[0, 1:].all()
    assert (distance_maps(torch.zeros(1, 8, 8, dtype=torch.int64), 1.0)[0] == 1).all()


def test_the_circle_of_a_disc_is_that_disc():
    rows, columns = np.indices((100, 100))
    disc = np.hypot(rows - 39.5, columns - 69.5) < 20
    labels = torch.from_numpy(np.stack([disc, np.zeros_like(disc)]).astype(np.int64))
    circle, there = circles(labels)
    assert circle[0].tolist() == pytest.approx([-0.2, 0.4, 0.4], abs=0.005)
    assert there.tolist() == [1, 0]


# --- slices ---


def test_four_fifths_of_the_patients_are_trained_on_and_none_of_them_is_tested_on(config):
    learn, test = split(config)
    patients = config.samples.procedural
    assert patients * SLICES == 261  # as in the study
    assert len(learn) == 70 and len(test) == 17 and not set(learn) & set(test)
    assert {*learn, *test} == set(range(patients))


def test_all_networks_see_the_same_batches_and_each_step_another(small):
    one, other = (batch(disc_slices(), small, step=5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[0], batch(disc_slices(), small, step=6)[0])
    images, labels = one
    assert images.shape == (2, 1, 32, 32) and labels.shape == (2, 32, 32)
    assert set(labels.unique().tolist()) <= {0, 1, IGNORE}  # necrosis is head


def test_the_field_of_the_network_is_cut_out_of_the_middle():
    slices = disc_slices()
    images, heads, necrosis = plain(slices, 33)
    assert images.shape == heads.shape == (4, 33, 33)
    assert (heads == (slices.labels[:, 4:37, 4:37] > 0)).all()
    assert not necrosis[0].any() and necrosis[1].any() and not (necrosis & ~heads).any()
    assert images[heads & ~necrosis].mean() == pytest.approx((200 - 128) / 80)


# --- table ---


def test_a_perfect_network_gets_full_marks_and_a_blind_one_none(small):
    def perfect(images):
        return (np.abs(images) > 0.5) - 0.5  # heads are bright, or dark with necrosis

    def blind(images):
        return images * 0 - 1

    slices = disc_slices(141)
    fine = replace(small, patch=replace(small.patch, size_px=101, pixel_mm=0.5))
    found = benchmark.measure(perfect, slices, fine)
    assert found == pytest.approx(dict.fromkeys(found, 1.0))
    found = benchmark.measure(blind, slices, fine)
    assert found["sensitivity"] == found["dice"] == 0 and found["specificity"] == 1 and math.isnan(found["ppv"])
    assert found["grading_accuracy"] == 0.5  # the sound half


def test_the_figures_are_means_of_the_slices(small):
    def left(images):
        return np.broadcast_to(np.where(np.arange(images.shape[-1]) < 4, 1.0, -1.0), images.shape)

    labels = np.zeros((2, 8, 8), np.uint8)
    labels[0, :4] = LIVING  # the upper half; 16 of its 32 pixels are called, as are 16 others
    labels[1, :, :2] = LIVING  # a left quarter: all of its 16 pixels are called, and 16 others
    slices = Slices(np.full((2, 8, 8), 128, np.uint8), labels, np.arange(2))
    found = benchmark.measure(left, slices, replace(small, patch=replace(small.patch, size_px=8)))
    assert found["accuracy"] == pytest.approx((32 / 64 + 48 / 64) / 2)
    assert found["sensitivity"] == pytest.approx((0.5 + 1) / 2)
    assert found["specificity"] == pytest.approx((0.5 + 32 / 48) / 2)
    assert found["ppv"] == pytest.approx(0.5)
    assert found["dice"] == pytest.approx((0.5 + 2 * 16 / 48) / 2)


def made_up_runs() -> list[dict]:
    names = (*benchmark.HEAD_FIGURES, "grading_accuracy")
    dice = {"s-t1": (0.90, 0.92, 0.94), "u-net": (0.91, 0.91, 0.94), "linknet": (0.80, 0.85, 0.90)}
    return [
        {"kind": kind, "seed": seed, **dict.fromkeys(names, value)}
        for kind, values in dice.items()
        for seed, value in enumerate(values)
    ]


def test_mean_and_spread_over_the_seeds_are_those_by_hand():
    found = benchmark.summary(made_up_runs())
    assert list(found) == ["s-t1", "u-net", "linknet"]
    assert found["s-t1"]["dice"] == pytest.approx((0.92, 0.02))
    assert found["u-net"]["ppv"] == pytest.approx((0.92, math.sqrt(0.0003)))
    assert found["linknet"]["grading_accuracy"] == pytest.approx((0.85, 0.05))


def test_the_table_says_that_the_data_is_synthetic_and_the_published_figures_are_of_other_data(config):
    cost = {kind: {"gflop": 0.82, "parameters": 1} for kind in KINDS}
    data = dict.fromkeys(("training_patients", "training_slices", "test_patients", "test_slices"), 7)
    text = benchmark.markdown(
        {
            "statement": benchmark.STATEMENT, "data": data | {"statement": "Painted."}, "steps": 9, "batch": 2,
            "seeds": [1, 2, 3], "cost": cost, "summary": benchmark.summary(made_up_runs()),
            "order_by_dice": ["u-net", "s-t1", "linknet"], "grading_accuracy_with_true_heads": 0.7,
        }
    )  # fmt: skip
    own, _, published = text.partition("## Published figures: of other data, not comparable")
    assert "The data is synthetic" in own and "For research use" in own
    assert "| U-Net | 92.00 ± 1.73 |" in own and "97.73" not in own
    assert "97.73 | 91.17 | 99.40 | 96.98 | 93.34 | 90.80" in published and "other data" in published


# --- training ---


def by_hand(kind: str, seed: int, config: Config, slices: Slices) -> dict:
    """The weights that are shipped after all steps, by a loop that does nothing but train."""
    config = replace(config, training=replace(config.training, seed=seed))
    options = config.training
    torch.manual_seed(seed)
    network = make_network(kind, config).train()
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=1e-4)
    for step in range(options.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, options.steps, options.learning_rate)
        images, labels = batch(slices, config, step)
        with torch.autocast("cpu", torch.bfloat16):
            given = network(images)
        given = tuple(part.float() for part in given) if isinstance(given, tuple) else given.float()
        optimiser.zero_grad(set_to_none=True)
        loss_of(given, labels, config.patch.pixel_mm).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(network)
    return shipped(average.module).state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_the_training_loop_gives_each_network_the_weights_of_a_loop_by_hand(kind, small, tmp_path):
    slices, config = disc_slices(83), replace(small, patch=replace(small.patch, size_px=64))
    trained = read(benchmark.train(kind, 3, config, slices, tmp_path))["average_network"]
    expected = by_hand(kind, 3, config, slices)
    assert trained.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(trained[name], value, rtol=0, atol=0)


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(small, tmp_path):
    config = replace(small, name="stopped")
    make_task = partial(task_on, disc_slices())
    whole = read(loop.train(config, tmp_path / "whole", make_task=make_task))
    first = read(loop.train(config, tmp_path / "parts", stop_after=2, make_task=make_task))
    resumed = read(loop.train(config, tmp_path / "parts", make_task=make_task))
    assert (first["step"], whole["step"], resumed["step"]) == (2, 4, 4)
    for name, value in whole["average_network"].items():
        torch.testing.assert_close(resumed["average_network"][name], value, rtol=0, atol=0)
    build_network(small.network).load_state_dict(whole["average_network"])


def test_a_checkpoint_of_another_recipe_is_refused(small, tmp_path):
    benchmark.train("u-net", 1, small, disc_slices(), tmp_path)
    changed = replace(small, training=replace(small.training, learning_rate=0.5))
    with pytest.raises(InputError, match="another config"):
        benchmark.train("u-net", 1, changed, disc_slices(), tmp_path)


def test_a_training_can_begin_with_the_weights_of_the_systems_bundle(small, tmp_path):
    bundle = load_bundle("steinberg_t1")
    config = with_init(replace(small, patch=replace(small.patch, pixel_mm=bundle.input["pixel_mm"])), bundle)
    still = replace(config, training=replace(config.training, learning_rate=1e-12, keep_init=0.25))
    trained = read(loop.train(still, tmp_path, init=bundle, make_task=partial(task_on, disc_slices())))
    for name, value in initial_weights(bundle).items():
        torch.testing.assert_close(trained["average_network"][name], value, rtol=0, atol=1e-6)


# --- threshold ---


def test_the_threshold_is_chosen_among_those_that_spare_normal_heads():
    found = [Trial(2, 0.1, 0.9, 0.8), Trial(2, 0.2, 0.7, 0.96), Trial(3, 0.2, 0.7, 0.97), Trial(3, 0.4, 0.6, 1.0)]
    assert best(found) == found[2]


def test_more_contrast_wanted_finds_less(small):
    fine = replace(small, patch=replace(small.patch, pixel_mm=0.5))
    images, heads, necrosis = plain(disc_slices(141), 101)
    images = images + np.linspace(-0.1, 0.1, 101, dtype=np.float32)  # a coil is nearer on one side
    found = trials([benchmark.slice_volume(image, fine) for image in images], heads, necrosis)
    by = {
        (trial.rim_mm, trial.contrast_from): SimpleNamespace(right=trial.right, normal=trial.normal_right)
        for trial in found
    }
    assert by[2.0, 0.22].right == 1 and by[2.0, 0.0].normal < 1


def test_the_constants_of_the_system_are_among_those_that_are_tried():
    from ONFHAssistLib.systems.steinberg_t1.threshold import CONTRAST_FROM, RIM_MM
    from training.steinberg_t1.threshold import CONTRASTS, RIMS_MM

    assert RIM_MM in RIMS_MM and CONTRAST_FROM in CONTRASTS


def test_the_table_that_is_shipped_was_made_with_this_config(config):
    path = benchmark.ROOT / "docs" / "steinberg_t1.json"
    if not path.is_file():
        pytest.skip("docs/steinberg_t1.json is not made yet")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["steps"] == config.training.steps and content["seeds"] == list(range(1, 4))
    assert len(content["runs"]) == 3 * len(content["seeds"]) and len(content["seeds"]) >= 3
    for kind, figures in benchmark.summary(content["runs"]).items():
        for name, (mean, sd) in figures.items():
            assert content["summary"][kind][name] == pytest.approx([mean, sd])
    assert benchmark.markdown(content) == (path.with_suffix(".md")).read_text(encoding="utf-8")
