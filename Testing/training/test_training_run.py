"""Training on a task that is easy: find a bright disc."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

from ONFHAssistLib.core.errors import InputError  # noqa: E402
from ONFHAssistLib.models.networks import build_network  # noqa: E402
from training import train as command  # noqa: E402
from training.learning import batches, config, loop, processes, speed  # noqa: E402
from training.learning.augment import decode, geometry, grain, intensity  # noqa: E402
from training.learning.config import cache_path  # noqa: E402
from training.learning.losses import heatmap_loss, segmentation_loss  # noqa: E402
from training.learning.tasks import Task  # noqa: E402
from training.real.data import ROOT, SAMPLES_VERSION  # noqa: E402
from training.real.labelled import IGNORE  # noqa: E402

PLAIN = {
    "name": "disc",
    "task": "necrosis",
    "network": {
        "_target_": "monai.networks.nets.BasicUNet",
        "spatial_dims": 2,
        "in_channels": 3,
        "out_channels": 1,
        "features": [4, 4, 8, 8, 8, 4],
    },
    "patch": {"pixel_mm": 1.0, "size_px": 32, "neighbour_mm": 4.0, "shift_px": 3},
    "samples": {"procedural": 1, "seed": 1},
    "training": {"steps": 20, "batch": 4, "learning_rate": 0.03, "seed": 5, "real_share": 0.5},
}
CONFIG = config.config_of(PLAIN)


def discs(count=12, size=41):
    """Stored patches with a bright disc each: images (n, 3, s, s) and labels (n, s, s), uint8."""
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size))
    labels = np.zeros((count, size, size), np.uint8)
    for label in labels:
        row, column, radius = rng.uniform(16, 25), rng.uniform(16, 25), rng.uniform(5, 9)
        label[np.hypot(y - row, x - column) < radius] = 1
    images = np.clip(60 + 130 * labels[:, None] + rng.normal(0, 6, (count, 3, size, size)), 0, 255)
    return images.astype(np.uint8), labels


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A sample cache of discs; a third of them count as real, the last three are held out."""
    images, labels = discs()
    count = np.arange(len(images))
    monkeypatch.setattr("training.real.data.CACHE", tmp_path)
    np.savez(cache_path(CONFIG), images=images, labels=labels, real=count % 3 == 0, validation=count > 8)
    return tmp_path


def with_training(**changes):
    """The config with other training options."""
    return replace(CONFIG, training=replace(CONFIG.training, **changes))


def task_of(config, first_step=0):
    return batches.make_task(config, first_step, torch.device("cpu"), slice(None))


def read(checkpoint):
    return torch.load(checkpoint, weights_only=True)


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=0)


def loss_on_discs(weights):
    network = build_network(CONFIG.network)
    network.load_state_dict(weights)
    images, labels = discs()
    with torch.no_grad():
        return float(
            segmentation_loss(
                network(decode(torch.from_numpy(images[..., 4:36, 4:36]))),
                torch.from_numpy(labels[:, 4:36, 4:36]).long(),
            )
        )


def test_the_loss_falls_and_a_resumed_run_ends_with_the_very_same_weights(cache, tmp_path):
    whole = read(loop.train(CONFIG, tmp_path / "whole"))
    first = read(loop.train(CONFIG, tmp_path / "parts", stop_after=7))
    assert (first["step"], whole["step"]) == (7, 20)
    resumed = read(loop.train(CONFIG, tmp_path / "parts"))
    assert resumed["step"] == 20
    for name in ("network", "average", "average_network"):
        assert_same(whole[name], resumed[name])
    torch.manual_seed(0)
    untrained = build_network(CONFIG.network).state_dict()
    assert loss_on_discs(whole["network"]) < 0.6 * loss_on_discs(untrained)
    # the run carries its config, and a finished run does nothing more
    assert yaml.safe_load((tmp_path / "whole" / "disc" / "config.yaml").read_text(encoding="utf-8")) == PLAIN
    assert_same(read(loop.train(CONFIG, tmp_path / "parts"))["network"], whole["network"])


def test_another_seed_gives_other_weights(cache, tmp_path):
    weights = [
        read(loop.train(with_training(seed=seed), tmp_path / str(n), stop_after=1))["network"]
        for n, seed in enumerate((5, 5, 6))
    ]
    assert_same(weights[0], weights[1])
    assert any(not torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_a_run_does_not_go_on_with_another_config(cache, tmp_path):
    loop.train(CONFIG, tmp_path, stop_after=1)
    with pytest.raises(InputError, match="made with another config"):
        loop.train(with_training(learning_rate=0.5), tmp_path)
    assert read(loop.train(with_training(steps=3, epoch_steps=1), tmp_path))["step"] == 3


def test_a_damaged_checkpoint_is_named_and_stays_where_it_is(cache, tmp_path):
    checkpoint = loop.train(CONFIG, tmp_path, stop_after=1)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"checkpoint\.pt cannot be read"):
        loop.train(CONFIG, tmp_path)
    assert checkpoint.stat().st_size == 1000


def test_a_checkpoint_of_version_0_1_0_goes_on(cache, tmp_path):
    checkpoint = loop.train(CONFIG, tmp_path, stop_after=2)
    old = read(checkpoint)
    del old["best"]  # all other keys are as they were
    torch.save(old, checkpoint)
    assert read(loop.train(CONFIG, tmp_path))["step"] == 20


# A process that trains; with KILL_AT it kills itself there as no program can prevent, at a step or in the third write
# of a checkpoint; with UNCLIPPED gradients keep their size.
PROCESS = """
import os, pathlib, signal, sys
import torch
import training.real.data
from training import train
from training.learning import loop

folder = pathlib.Path(sys.argv.pop())
training.real.data.CACHE = loop.RUNS = folder
kill, rate, write = os.environ.get("KILL_AT", ""), loop.learning_rate, os.fsync
written = []

def learning_rate(step, *more):
    if kill == f"step {step}":
        os.kill(os.getpid(), signal.SIGKILL)
    return rate(step, *more)

def fsync(file):
    written.append(file)
    if kill == "write" and len(written) == 3:
        os.truncate(file, 1000)
        os.kill(os.getpid(), signal.SIGKILL)
    write(file)

if os.environ.get("UNCLIPPED"):
    torch.nn.utils.clip_grad_norm_ = lambda *arguments: None
loop.learning_rate, os.fsync = learning_rate, fsync
train.main()
"""


def run_process(folder, config, *launcher, **environment):
    """Train in a process of its own, or as many as the launcher starts."""
    program, path = folder / "process.py", folder / "disc.yaml"
    program.write_text(PROCESS, encoding="utf-8")
    path.write_text(yaml.safe_dump(config.plain()), encoding="utf-8")
    command = [sys.executable, *launcher, str(program), str(path), str(folder)]
    # As many threads as here: the order of additions, and with it the last digit, depends on them.
    threads = str(torch.get_num_threads())
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": threads, "GLOO_SOCKET_IFNAME": "lo"} | environment
    return subprocess.run(command, env=os.environ | environment, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("kill", ["step 8", "write"])
def test_a_killed_run_loses_less_than_an_epoch_and_ends_with_the_same_weights(cache, tmp_path, kill):
    config = with_training(steps=10, epoch_steps=3)
    if kill == "write":  # without validation there is one write for each epoch: the third one dies
        with np.load(cache_path(CONFIG)) as stored:
            arrays = {name: stored[name] for name in ("images", "labels", "real")}
        np.savez(cache_path(CONFIG), **arrays)
    killed = run_process(tmp_path, config, KILL_AT=kill)
    assert killed.returncode == -signal.SIGKILL
    checkpoint = tmp_path / "disc" / "checkpoint.pt"
    assert read(checkpoint)["step"] == 6
    assert checkpoint.with_suffix(".part").is_file() == (kill == "write")
    loop.train(config, tmp_path)
    whole = read(loop.train(config, tmp_path / "whole"))
    assert read(checkpoint)["step"] == whole["step"] == 10
    for name in ("network", "average_network"):
        assert_same(read(checkpoint)[name], whole[name])


def test_two_processes_end_with_the_weights_of_one(cache, tmp_path, monkeypatch):
    config = with_training(steps=6, epoch_steps=4, mixed_precision=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--master_addr=127.0.0.1", f"--master_port={port}")
    done = run_process(tmp_path, config, *launcher, UNCLIPPED="yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained:") == 1 and done.stdout.count("images/s") == 1
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *arguments: None)
    two, one = read(tmp_path / "disc" / "checkpoint.pt"), read(loop.train(config, tmp_path / "one"))
    for name, value in one["network"].items():
        # Instance normalisation takes away what these add: their gradient is nothing but rounding.
        if not name.endswith("conv.bias") or name == "final_conv.bias":
            torch.testing.assert_close(two["network"][name], value, rtol=0, atol=1e-4)
    # AdamW does not feel the size of the gradients, so they are compared too.
    for number, state in one["optimiser"]["state"].items():
        mean = two["optimiser"]["state"][number]["exp_avg"]
        torch.testing.assert_close(mean, state["exp_avg"], rtol=1e-3, atol=1e-6)


def test_a_batch_that_the_processes_cannot_share_is_refused(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(processes.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(processes.dist, "get_rank", lambda: 0)
    monkeypatch.setattr(processes.dist, "get_world_size", lambda: 3)
    with pytest.raises(InputError, match="batch of 4 cannot be shared by 3 processes"):
        loop.train(CONFIG, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_more_processes_than_cards_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match=r"no GPU for each process; give --nproc_per_node=2\."):
        processes.choose_device()


def test_the_best_epoch_is_kept_beside_the_last_and_all_is_logged(cache, tmp_path, monkeypatch):
    scores = iter([0.2, 0.9, 0.4])
    task = batches.make_task

    def scored(*arguments):
        made = task(*arguments)
        assert 0 < made.score(build_network(CONFIG.network).eval()) < 1  # of the discs that are held out
        return Task(made.batches, made.loss, lambda network: next(scores))

    monkeypatch.setattr(batches, "make_task", scored)
    monkeypatch.setattr(loop, "LOG_STEPS", 5)
    last = loop.train(with_training(steps=12, epoch_steps=5), tmp_path)
    assert (read(last)["step"], read(last.with_name("best.pt"))["step"]) == (12, 10)
    assert read(last)["best"] == read(last.with_name("best.pt"))["best"] == 0.9

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(last.parent)).Reload()
    logged = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert [step for step, _ in logged["loss"]] == [5, 10]
    assert logged["learning_rate"][0] == (5, pytest.approx(loop.learning_rate(4, 12, 0.03)))
    assert logged["validation"] == [(5, pytest.approx(0.2)), (10, pytest.approx(0.9)), (12, pytest.approx(0.4))]


def test_nothing_is_learned_from_what_is_held_out(tmp_path, monkeypatch):
    images = np.zeros((10, 3, 41, 41), np.uint8)
    held = np.arange(10) >= 8
    images[held] = 200
    monkeypatch.setattr("training.real.data.CACHE", tmp_path)
    monkeypatch.setattr(batches, "intensity", lambda images, generator: images)
    arrays = {"images": images, "labels": np.zeros((10, 41, 41), np.uint8), "real": np.arange(10) % 2 == 0}
    for more in ({"validation": held}, {"validation": np.zeros(10, bool), "group": np.where(held, 9, 3)}):
        np.savez(cache_path(CONFIG), **arrays, **more)
        task = task_of(with_training(batch=64))
        assert (next(task.batches)[0][:, :, 16, 16] < 0).all()
        seen = []

        def network(images, seen=seen):
            seen.append(images)
            return torch.zeros_like(images[:, :1])

        task.score(network)
        assert len(seen[0]) == 2 and (seen[0] > 0).all()


def test_the_pooled_dice_counts_what_is_marked_where_nothing_is():
    target = torch.zeros((3, 8, 8), dtype=torch.int64)
    target[0, :4], target[1, :4] = 1, 2  # 32 pixels each; nothing in the third image
    answer = target.clone()
    answer[2, :2] = 1  # 16 pixels that are wrong
    target[0, 0], answer[0, 0] = IGNORE, 0  # 8 that nobody knows: 24 are left
    logits = torch.nn.functional.one_hot(answer, 3).movedim(-1, 1).float()
    dice = batches.pooled_dice(lambda images: logits, iter([(logits, target)]))
    assert dice == pytest.approx((2 * 24 / (24 + 40) + 1) / 2)
    single = batches.pooled_dice(lambda images: logits[:, 1:2] - 0.5, iter([(logits, target)]))
    assert single == pytest.approx(2 * 24 / (24 + 40))


def test_the_arithmetic_of_a_step_is_counted_and_compared_with_what_the_machine_can_do():
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    images = torch.randn(2, 3, 16, 16)
    task = Task(iter(()), lambda logits, target: logits.sum(), None)
    one_way = 2 * 2 * 8 * 3 * 9 * 16 * 16  # multiply and add, images, channels out and in, kernel, pixels
    # Back: for the weights the same again; nothing for the image, which has no gradient.
    assert speed.step_flops(convolution, task, (images, images)) == 2 * one_way
    assert speed.peak_flops(torch.device("cpu"), torch.float32, size=64, repeats=2) > 0


def test_the_learning_rate_warms_up_and_ends_at_a_hundredth_of_its_peak():
    rates = [loop.learning_rate(step, 1000, 0.01) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01 / 20) and max(rates) == pytest.approx(0.01)
    assert rates[:20] == sorted(rates[:20]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[1000] == pytest.approx(0.0001)


def test_the_configs_that_are_shipped_are_complete_and_buildable():
    paths = sorted((ROOT / "training" / "configs").glob("*.yaml"))
    tuned = ["finetune_anatomy", "finetune_necrosis"]
    of_systems = ["ct_diagnosis", "ct_necrosis", "ct_resnet", "ct_unet", "jic_coronal", "steinberg_t1"]
    own = ["anatomy", "head_check", "hip_finder", "necrosis", "slice_finder"]
    assert [path.stem for path in paths] == sorted([*own, *tuned, *of_systems])
    for path in paths:
        content = config.read_config(path)
        assert content.name == path.stem
        build_network(content.network)


def test_a_config_that_is_wrong_somewhere_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "mine.yaml"

    def refusal(content):
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        with pytest.raises(InputError) as refused:
            config.read_config(path)
        assert str(refused.value).startswith(f"The training config {path} is not ")
        return str(refused.value)

    def other(section, **changes):
        return PLAIN | {section: PLAIN[section] | changes}

    with pytest.raises(InputError, match="no training config"):
        config.read_config(path)
    assert "not readable YAML" in refusal("name: [disc")
    assert "the config is None; give a mapping with the keys name, task, network" in refusal("")
    message = refusal({name: PLAIN[name] for name in ("name", "task", "network")})
    assert all(f"{name} is missing; give a mapping of its keys" in message for name in ("patch", "samples", "training"))
    assert "training.steps is missing; give a whole number, 1 or more" in refusal(PLAIN | {"training": {"seed": 1}})
    assert "training.steps is 'many'; give a whole number, 1 or more" in refusal(other("training", steps="many"))
    assert "training.seed is True; give a whole number" in refusal(other("training", seed=True))
    assert "training.learning_rate is '2e-3'; give a number above 0" in refusal(other("training", learning_rate="2e-3"))
    assert "training.learning_rate is inf; give" in refusal(other("training", learning_rate=float("inf")))
    assert "training.steps is [1]; give" in refusal(other("training", steps=[1]))
    assert "training.real_share is 1.5; give a number from 0 to 1" in refusal(other("training", real_share=1.5))
    assert "patch.pixel_mm is 0; give a number of mm above 0" in refusal(other("patch", pixel_mm=0))
    assert "samples is [1]; give a mapping with the keys procedural, seed" in refusal(PLAIN | {"samples": [1]})
    assert "task is 'brain'; give one of finder, head_check, slice_finder, anatomy, necrosis" in refusal(
        PLAIN | {"task": "brain"}
    )
    assert "name is '../disc'; give letters, digits, - and _" in refusal(PLAIN | {"name": "../disc"})
    assert "network is {'a': 1}; give a mapping with _target_" in refusal(PLAIN | {"network": {"a": 1}})
    assert "patch.size_px must be given for the task necrosis" in refusal(
        PLAIN | {"patch": {"pixel_mm": 1.0, "neighbour_mm": 4.0}}
    )
    path.write_text(yaml.safe_dump(PLAIN), encoding="utf-8")
    assert config.read_config(path) == CONFIG


def test_a_key_that_is_not_known_is_named_with_the_one_that_may_have_been_meant():
    with pytest.raises(InputError) as refused:
        config.config_of(PLAIN | {"training": PLAIN["training"] | {"step": 3, "speed": 9}, "sample": {}})
    message = str(refused.value)
    assert "training.step is not a key; did you mean steps?" in message
    assert "training.speed is not a key; " in message and "sample is not a key; did you mean samples?" in message


def test_a_setting_that_is_changed_in_a_program_is_checked_too():
    with pytest.raises(InputError, match=r"training\.steps is 0; give a whole number, 1 or more"):
        with_training(steps=0)


@pytest.mark.parametrize("path", sorted((ROOT / "training" / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_is_written_as_it_was_read_so_samples_that_were_made_are_found_again(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    made = config.read_config(path)
    assert made.plain() == content
    recipe = json.dumps([SAMPLES_VERSION, *(content[key] for key in ("task", "patch", "samples"))], sort_keys=True)
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    assert cache_path(made).name == f"{path.stem}-{digest}.npz"


def test_what_is_written_out_though_it_is_the_default_changes_nothing():
    told = config.config_of(PLAIN | {"samples": PLAIN["samples"] | {"ct": 0, "recast": 0.0}})
    assert told == CONFIG and cache_path(told) == cache_path(CONFIG)


def test_each_own_task_has_a_module_that_makes_it():
    assert tuple(loop.TASKS) == config.OWN_TASKS


def test_the_command_refuses_a_bad_config_without_a_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("There is no training config")


def test_batches_depend_on_the_step_alone(cache):
    def batch(first, skip):
        stream = task_of(CONFIG, first).batches
        for _ in range(skip):
            next(stream)
        return next(stream)

    for one, two in zip(batch(0, 3), batch(3, 0), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(batch(0, 0)[0], batch(1, 0)[0])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_real_samples_is_kept(tmp_path, monkeypatch, share):
    images = np.zeros((10, 3, 41, 41), np.uint8)
    real = np.arange(10) < 5
    images[real] = 200
    monkeypatch.setattr("training.real.data.CACHE", tmp_path)
    np.savez(cache_path(CONFIG), images=images, labels=np.zeros((10, 41, 41), np.uint8), real=real)
    monkeypatch.setattr(batches, "intensity", lambda images, generator: images)
    middle = next(task_of(with_training(real_share=share)).batches)[0][:, 1, 16, 16]
    assert ((middle > 0) == bool(share)).all()


def test_turning_and_shifting_keep_image_and_label_together():
    images, labels = (torch.from_numpy(x) for x in discs(8))
    generator = torch.Generator().manual_seed(1)
    out, target = geometry(decode(images), labels, 32, 3, generator)
    assert out.shape == (8, 3, 32, 32) and target.shape == (8, 32, 32) and target.dtype == torch.int64
    assert set(target.unique().tolist()) <= {0, 1, IGNORE}
    known, bright = target != IGNORE, out[:, 1] > 0
    assert ((target == 1) == bright)[known].float().mean() > 0.97
    assert not torch.equal(target[0], labels[0, 4:36, 4:36].long())
    again = geometry(decode(images), labels, 32, 3, torch.Generator().manual_seed(1))
    torch.testing.assert_close(again[0], out, rtol=0, atol=0)


def test_what_lies_beyond_the_stored_patch_is_unknown_and_grey():
    images, labels = torch.full((6, 3, 20, 20), 255, dtype=torch.uint8), torch.ones((6, 20, 20), dtype=torch.uint8)
    out, target = geometry(decode(images), labels, 40, 0, torch.Generator().manual_seed(1))
    corner = (target[:, 0, 0] == IGNORE) & (out[:, 1, 0, 0] == 0)
    assert corner.all()
    assert (target[:, 20, 20] == 1).all()
    assert set(target.unique().tolist()) == {1, IGNORE}


def test_changes_of_contrast_keep_bright_brighter_than_dark():
    images, labels = discs(8)
    out = intensity(decode(torch.from_numpy(images)), torch.Generator().manual_seed(2))
    assert out.shape == images.shape and torch.isfinite(out).all()
    for image, label in zip(out[:, 1].numpy(), labels, strict=True):
        assert image[label == 1].mean() > image[label == 0].mean() + 0.3


def test_the_grain_of_marrow_is_coarse_and_another_one_in_each_slice():
    flat = torch.full((400, 3, 48, 48), 0.5)
    flat[:, :, :4] = -1.5  # black stays black
    added = grain(flat, 0.1, torch.Generator().manual_seed(3)) - flat
    assert (added[:, :, :4] == 0).all()
    noise = added[:, :, 8:40, 8:40] / 2  # as a part of the brightness
    assert 0.02 < noise.std() < 0.06 and abs(noise.mean()) < 0.002
    assert noise.std(dim=(1, 2, 3)).max() < 0.1

    def alike(one, other):
        return float((one * other).mean() / noise.var())

    assert alike(noise[:, 1], noise[:, 0]) == pytest.approx(0, abs=0.05)
    assert alike(noise[..., 1:], noise[..., :-1]) > 0.7
    assert alike(noise[..., 9:], noise[..., :-9]) == pytest.approx(0, abs=0.05)


def test_grain_changes_slices_only_and_a_config_without_it_nothing(tmp_path, monkeypatch):
    """What follows the three slices is where the sphere lies."""
    images, labels = discs(8)
    images = np.concatenate([images, images[:, :1]], axis=1)
    monkeypatch.setattr("training.real.data.CACHE", tmp_path)
    np.savez(cache_path(CONFIG), images=images, labels=labels, real=np.ones(8, bool))
    plain, none, grained = (
        next(task_of(with_training(**more)).batches) for more in ({}, {"grain": 0.0}, {"grain": 0.1})
    )
    torch.testing.assert_close(none[0], plain[0], rtol=0, atol=0)
    torch.testing.assert_close(grained[0][:, 3], plain[0][:, 3], rtol=0, atol=0)
    assert not torch.equal(grained[0][:, :3], plain[0][:, :3]) and torch.equal(grained[1], plain[1])


def perfect(target, classes, height=20.0):
    """Logits that are sure of the truth."""
    if classes == 1:
        return (torch.where(target == 1, height, -height))[:, None]
    truth = torch.nn.functional.one_hot(torch.where(target == IGNORE, 0, target), classes)
    return height * truth.movedim(-1, 1).float()


@pytest.mark.parametrize("classes", [1, 4])
def test_a_perfect_answer_costs_nothing_and_unknown_pixels_never_do(classes):
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, max(classes, 2), (2, 16, 16), generator=generator)
    target[:, :5] = IGNORE
    logits = perfect(target, classes)
    assert float(segmentation_loss(logits, target)) == pytest.approx(0, abs=1e-3)
    assert float(segmentation_loss(-logits, target)) > 5

    noisy = torch.randn(logits.shape, generator=generator, requires_grad=True)
    segmentation_loss(noisy, target).backward()
    assert not noisy.grad[:, :, :5].any() and noisy.grad[:, :, 5:].all()
    before = noisy.detach()
    changed = before.clone()
    changed[:, :, :5] = 50
    torch.testing.assert_close(segmentation_loss(changed, target), segmentation_loss(before, target))


@pytest.mark.parametrize("classes", [1, 4])
def test_a_batch_of_unknown_pixels_costs_nothing(classes):
    target = torch.full((1, 8, 8), IGNORE)
    assert float(segmentation_loss(torch.randn((1, classes, 8, 8)), target)) == 0


def test_the_heat_loss_is_least_for_the_heat_itself():
    target = torch.rand((1, 2, 4, 4, 4), generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05
    best = torch.logit(target)
    for change in (-0.5, -0.1, 0.1, 0.5):
        assert heatmap_loss(best + change, target) > heatmap_loss(best, target)
    empty = torch.zeros_like(target)
    assert heatmap_loss(empty - 20, empty) == pytest.approx(0, abs=1e-6)
