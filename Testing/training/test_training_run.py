"""Training on a task that is easy: find a bright disc."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

from ONFHAssistLib.core.errors import InputError  # noqa: E402
from ONFHAssistLib.models.networks import build_network  # noqa: E402
from training import batches, train  # noqa: E402
from training.augment import decode, geometry, intensity  # noqa: E402
from training.data import ROOT, cache_path  # noqa: E402
from training.label_real import IGNORE  # noqa: E402
from training.losses import heatmap_loss, segmentation_loss  # noqa: E402

CONFIG = {
    "name": "disc",
    "task": "necrosis",
    "network": {
        "_target_": "monai.networks.nets.BasicUNet",
        "spatial_dims": 2,
        "in_channels": 3,
        "out_channels": 1,
        "features": [4, 4, 8, 8, 8, 4],
    },
    "patch": {"size_px": 32, "pixel_mm": 1.0, "shift_px": 3},
    "samples": {"procedural": 1, "real": 0, "seed": 1},
    "training": {"steps": 20, "batch": 4, "learning_rate": 0.03, "seed": 5, "real_share": 0.5},
}


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
    """A sample cache of discs; a third of them count as real."""
    images, labels = discs()
    monkeypatch.setattr("training.data.CACHE", tmp_path)
    np.savez(cache_path(CONFIG), images=images, labels=labels, real=np.arange(len(images)) % 3 == 0)
    return tmp_path


def read(checkpoint):
    return torch.load(checkpoint, weights_only=True)


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=0)


def loss_on_discs(weights):
    network = build_network(CONFIG["network"])
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
    whole = read(train.train(CONFIG, tmp_path / "whole"))
    first = read(train.train(CONFIG, tmp_path / "parts", stop_after=7))
    assert (first["step"], whole["step"]) == (7, 20)
    resumed = read(train.train(CONFIG, tmp_path / "parts"))
    assert resumed["step"] == 20
    for name in ("network", "average", "average_network"):
        assert_same(whole[name], resumed[name])
    torch.manual_seed(0)
    untrained = build_network(CONFIG["network"]).state_dict()
    assert loss_on_discs(whole["network"]) < 0.6 * loss_on_discs(untrained)
    # the run carries its config, and a finished run does nothing more
    assert yaml.safe_load((tmp_path / "whole" / "disc" / "config.yaml").read_text(encoding="utf-8")) == CONFIG
    assert_same(read(train.train(CONFIG, tmp_path / "parts"))["network"], whole["network"])


def test_another_seed_gives_other_weights(cache, tmp_path):
    weights = []
    for seed in (5, 6):
        config = CONFIG | {"training": CONFIG["training"] | {"seed": seed}}
        weights.append(read(train.train(config, tmp_path / str(seed), stop_after=1))["network"])
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_does_not_go_on_with_another_config(cache, tmp_path):
    train.train(CONFIG, tmp_path, stop_after=1)
    other = CONFIG | {"training": CONFIG["training"] | {"learning_rate": 0.5}}
    with pytest.raises(InputError, match="made with another config"):
        train.train(other, tmp_path)
    longer = CONFIG | {"training": CONFIG["training"] | {"steps": 3}}
    assert read(train.train(longer, tmp_path))["step"] == 3


def test_the_learning_rate_warms_up_and_ends_at_a_hundredth_of_its_peak():
    rates = [train.learning_rate(step, 1000, 0.01) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01 / 20) and max(rates) == pytest.approx(0.01)
    assert rates[:20] == sorted(rates[:20]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[1000] == pytest.approx(0.0001)


def test_the_configs_that_are_shipped_are_complete_and_buildable():
    paths = sorted((ROOT / "training" / "configs").glob("*.yaml"))
    assert [path.stem for path in paths] == ["anatomy", "hip_finder", "necrosis"]
    for path in paths:
        config = train.read_config(path)
        assert config["name"] == path.stem
        build_network(config["network"])


def test_a_config_that_lacks_something_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "mine.yaml"
    with pytest.raises(InputError, match="no training config"):
        train.read_config(path)
    path.write_text(yaml.safe_dump({name: CONFIG[name] for name in ("name", "task", "network")}), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml lacks patch, samples, training\.$"):
        train.read_config(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="lacks"):
        train.read_config(path)


def test_the_command_refuses_a_bad_config_without_a_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit) as stop:
        train.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("There is no training config")


def test_batches_depend_on_the_step_alone(cache):
    def batch(first, skip):
        stream, _ = batches.make_batches(CONFIG, first)
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
    monkeypatch.setattr("training.data.CACHE", tmp_path)
    np.savez(cache_path(CONFIG), images=images, labels=np.zeros((10, 41, 41), np.uint8), real=real)
    monkeypatch.setattr(batches, "intensity", lambda images, generator: images)
    config = CONFIG | {"training": CONFIG["training"] | {"real_share": share}}
    stream, _ = batches.make_batches(config, 0)
    middle = next(stream)[0][:, 1, 16, 16]
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
