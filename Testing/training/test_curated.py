"""Training on with a data set of reviewed cases: what is learned from, what is kept out, and what is refused."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("tensorboard", reason="TensorBoard is not installed")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "curation"))
from reviewed_hip import RADIUS_MM, Hip  # noqa: E402

from ONFHAssistLib.core.errors import InputError  # noqa: E402
from ONFHAssistLib.core.labels import AnatomyLabel  # noqa: E402
from ONFHAssistLib.curation.reports.export import export  # noqa: E402
from ONFHAssistLib.curation.reports.training_cases import training_cases  # noqa: E402
from ONFHAssistLib.curation.store.folder import create_store  # noqa: E402
from ONFHAssistLib.models.bundle import load_bundle  # noqa: E402
from ONFHAssistLib.models.networks import build_network  # noqa: E402
from training import train as command  # noqa: E402
from training.bundles.make import make_bundle  # noqa: E402
from training.learning import curated, loop  # noqa: E402
from training.learning.checkpoint import load_checkpoint  # noqa: E402
from training.learning.config import Data, Patch, cache_path, config_of, read_config  # noqa: E402
from training.real.data import ROOT  # noqa: E402
from training.real.labelled import IGNORE  # noqa: E402

PLAIN = {
    "name": "tuned",
    "task": "necrosis",
    "network": {
        "_target_": "monai.networks.nets.BasicUNet",
        "spatial_dims": 2,
        "in_channels": 4,
        "out_channels": 1,
        "features": [4, 4, 8, 8, 8, 4],
    },
    "patch": {"size_px": 32, "pixel_mm": 2.0, "neighbour_mm": 4.0, "sphere_mm": 10.0, "shift_px": 2},
    "samples": {"procedural": 0, "real": 2, "seed": 1},
    "training": {"steps": 6, "batch": 4, "learning_rate": 0.001, "seed": 5, "real_share": 1.0, "epoch_steps": 3},
}
CONFIG = config_of(PLAIN)
PATCH = CONFIG.patch


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("training.real.data.CACHE", tmp_path / "cache")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    monkeypatch.setattr(curated, "run_jobs", lambda function, jobs: map(function, jobs))


@pytest.fixture
def store(tmp_path):
    """Both hips of one patient, and one hip each of four more: a patient in each fold."""
    store = create_store(tmp_path / "Dataset101_Heads")
    store.save(Hip().case("p0"))
    store.save(Hip("left", seed=9).case("p0"))
    for n in range(1, 5):
        store.save(Hip(seed=n, lesion_mm=14 + n).case(f"p{n}"))
    store.save(Hip(seed=7).case("p7", status="draft"))
    return store


@pytest.fixture
def bundle(tmp_path):
    """A small network that says of itself that it is the necrosis network."""
    metadata = json.loads(json.dumps(load_bundle("necrosis").metadata))
    own = metadata["onfh_assist"]
    for name in ("figures", "calibration", "sha256"):
        own.pop(name, None)
    own |= {"pixel_mm": 2.0, "size_px": [32, 32]}
    torch.manual_seed(3)
    weights = build_network(CONFIG.network).state_dict()
    make_bundle(tmp_path / "bundles" / "necrosis", weights, CONFIG.network, metadata, "# Small")
    return load_bundle(tmp_path / "bundles" / "necrosis")


def read_cache(config):
    with np.load(cache_path(config)) as cache:
        return dict(cache)


def by_fold(store):
    return {case.case: case.fold for case in training_cases(store.folder)[1]}


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("plane", ["coronal", "axial", "sagittal"])
def test_a_case_lies_in_its_patches_as_its_masks_do(tmp_path, side, plane):
    store = create_store(tmp_path / "Dataset101_Heads")
    store.save(Hip(side, plane, spacing_mm=(2.0, 2.0, 2.5)).case())
    (case,) = training_cases(store.folder)[1]
    hip = curated.read_hip(store.folder, case)
    patch = Patch(size_px=64, pixel_mm=1.0, neighbour_mm=4.0, sphere_mm=10.0)
    images, labels = curated.case_patches(hip, "necrosis", patch, np.random.default_rng(0))
    voxel_mm3 = np.prod(hip.hip.volume.spacing_mm)
    assert labels.astype(bool).sum() * 2.5 == pytest.approx(hip.necrosis.sum() * voxel_mm3, rel=0.08)
    cap = np.pi * 16**2 * (RADIUS_MM - 16 / 3)  # the lesion is a cap of 16 mm on the head's upper pole
    assert labels.astype(bool).sum() * 2.5 == pytest.approx(cap, rel=0.1)
    sphere = (images[:, 3].astype(float) - 128) / 80 > 0  # inside the head's sphere
    assert sphere.sum() * 2.5 == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.12)
    assert (labels.astype(bool) & ~sphere).sum() < 0.15 * labels.astype(bool).sum()
    rows = np.nonzero(labels.any(axis=(0, 2)))[0] - (labels.shape[1] - 1) / 2
    slices = np.nonzero(labels.any(axis=(1, 2)))[0] - (len(labels) - 1) / 2
    up = -slices * 2.5 if plane == "axial" else -rows  # superior
    assert up.min() > 0 and up.max() == pytest.approx(RADIUS_MM, abs=5)


def test_slices_that_nobody_has_reviewed_count_for_nothing(tmp_path):
    store = create_store(tmp_path / "Dataset101_Heads")
    store.save(Hip().case(reviewed_slices=tuple(range(5, 12))))
    (case,) = training_cases(store.folder)[1]
    hip = curated.read_hip(store.folder, case)
    _, labels = curated.case_patches(hip, "necrosis", PATCH, np.random.default_rng(0))
    unknown = (labels == IGNORE).all(axis=(1, 2))
    assert 0 < unknown.sum() < len(labels) and set(np.unique(labels[~unknown])) <= {0, 1, IGNORE}
    assert (curated.anatomy_labels(hip, None)[~hip.known] == IGNORE).all()


def test_the_anatomy_network_learns_the_readers_head_and_keeps_its_labels_around(store):
    class Femur:
        """An engine that takes everything for head, and then for the rest of the femur."""

        bundle = type("Bundle", (), {"input": {"size_px": [96, 96], "pixel_mm": 1.0, "neighbour_mm": 4.0}})

        @staticmethod
        def engine(batch):
            logits = np.zeros((len(batch), 4, *batch.shape[2:]), np.float32)
            logits[:, AnatomyLabel.HEAD], logits[:, AnatomyLabel.FEMUR] = 5, 3
            return logits

    case = training_cases(store.folder)[1][0]
    hip = curated.read_hip(store.folder, case)
    labels = curated.anatomy_labels(hip, Femur)
    np.testing.assert_array_equal(labels == AnatomyLabel.HEAD, hip.head)
    assert set(np.unique(labels)) == {AnatomyLabel.HEAD, AnatomyLabel.FEMUR, IGNORE}  # IGNORE outside of the patch
    assert set(np.unique(curated.anatomy_labels(hip, None))) == {AnatomyLabel.HEAD, IGNORE}


def test_folds_decide_what_is_learned_from_and_what_is_kept_out(store, tmp_path):
    config = curated.with_data(CONFIG, store.folder, None, fold=0, keep_out=4)
    folds = by_fold(store)
    assert sorted(folds.values()) == [0, 0, 1, 2, 3, 4]
    assert config.data.cases == 5 and len(config.data.patients) == 4
    kept_out = next(case.patient for case in training_cases(store.folder)[1] if case.fold == 4)
    assert kept_out not in config.data.patients
    loop.train(config, tmp_path / "runs", data=store.folder)
    cache = read_cache(config)
    assert cache["real"].all() and 0 < cache["validation"].sum() < len(cache["real"])
    assert cache["validation"].mean() == pytest.approx(2 / 5, abs=0.1)
    everything = curated.with_data(CONFIG, store.folder, None, fold=0, keep_out=None)
    assert everything.data.cases == 6


def test_a_data_set_and_an_export_of_it_are_the_same_to_a_training(store, tmp_path):
    made = export(store, tmp_path / "made", "monai")
    assert curated.with_data(CONFIG, store.folder, None) == curated.with_data(CONFIG, made.folder, None)
    for folder in (store.folder, made.folder):
        case = training_cases(folder)[1][0]
        assert curated.read_hip(folder, case).head.any()


def test_training_begins_with_the_bundles_weights_and_goes_on_after_a_stop(store, bundle, tmp_path):
    config = curated.with_data(CONFIG, store.folder, bundle)
    given = {"data": store.folder, "init": bundle}
    whole = loop.train(config, tmp_path / "whole", **given)
    loop.train(config, tmp_path / "halves", stop_after=2, **given)
    halves = loop.train(config, tmp_path / "halves", **given)
    one, two = (load_checkpoint(path)["network"] for path in (whole, halves))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=0)
    still = replace(config, name="still", training=replace(config.training, learning_rate=1e-9, steps=1))
    weights = load_checkpoint(loop.train(still, tmp_path / "runs", **given))["network"]
    for name, value in curated.initial_weights(bundle).items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("keep", [0.25, 1.0])
def test_a_part_of_the_first_weights_is_kept_in_the_result(store, bundle, tmp_path, keep):
    config = curated.with_data(CONFIG, store.folder, bundle)
    given = {"data": store.folder, "init": bundle}
    free = load_checkpoint(loop.train(config, tmp_path / "free", **given))["average_network"]
    kept = replace(config, training=replace(config.training, keep_init=keep))
    mixed = load_checkpoint(loop.train(kept, tmp_path / "kept", **given))["average_network"]
    first = curated.initial_weights(bundle)
    assert any(not torch.equal(free[name], first[name]) for name in free)
    for name, value in free.items():
        torch.testing.assert_close(mixed[name], value + keep * (first[name] - value), rtol=0, atol=1e-6)


def test_a_run_does_not_go_on_with_a_data_set_that_has_changed(store, bundle, tmp_path):
    config = curated.with_data(CONFIG, store.folder, bundle)
    loop.train(config, tmp_path, stop_after=1, data=store.folder, init=bundle)
    store.save(Hip(seed=8).case("p8"))
    changed = curated.with_data(CONFIG, store.folder, bundle)
    with pytest.raises(InputError, match="another config or data set"):
        loop.train(changed, tmp_path, data=store.folder, init=bundle)
    with pytest.raises(InputError, match="give the same again"):
        loop.train(config, tmp_path)


def test_the_bundle_of_a_run_tells_what_it_has_learned_from(store, bundle, tmp_path):
    config = curated.with_data(CONFIG, store.folder, bundle, keep_out=4)
    metadata = {"version": "0.1.0", "changelog": {"0.1.0": "First."}, "onfh_assist": {"trained_on": "?"}}
    card = {"data": ["Before."]}
    curated.fine_tuned(metadata, card, config)
    own = metadata["onfh_assist"]
    assert tuple(own["learned_from"]["patients"]) == config.data.patients and len(own["learned_from"]["patients"]) == 4
    assert "Fine-tuned on 5 reviewed hips of 4 patients" in own["trained_on"]
    major, minor, _ = map(int, bundle.version.split("."))
    assert metadata["version"] == f"{major}.{minor + 1}.0" and metadata["version"] in metadata["changelog"]
    assert len(card["data"]) == 2 and "Dataset101_Heads" in card["data"][1]
    # The patients that the first network had learned from were seen by the next one, too.
    own |= {name: bundle.input[name] for name in ("pixel_mm", "size_px", "neighbour_mm", "sphere_mm", "sha256")}
    next_one = replace(bundle, metadata=bundle.metadata | {"onfh_assist": own})
    assert curated.with_data(CONFIG, store.folder, next_one).init.patients == config.data.patients


def test_bad_data_sets_and_bundles_are_refused(store, bundle, tmp_path):
    with pytest.raises(InputError, match="is not a data set"):
        curated.with_data(CONFIG, tmp_path / "nowhere", bundle)
    with pytest.raises(InputError, match="holds no approved case"):
        curated.with_data(CONFIG, create_store(tmp_path / "Dataset102_Empty").folder, bundle)
    with pytest.raises(InputError, match="finder can't be trained on reviewed heads"):
        curated.with_data(replace(CONFIG, task="finder"), store.folder, None)
    with pytest.raises(InputError, match="can't both"):
        curated.with_data(CONFIG, store.folder, bundle, 4, 4)
    with pytest.raises(InputError, match=r"choose the checkpoint with \(validation fold 9"):
        curated.with_data(CONFIG, store.folder, bundle, 9)
    with pytest.raises(InputError, match="made for other labels"):
        curated.with_data(replace(CONFIG, task="anatomy"), store.folder, bundle)
    with pytest.raises(InputError, match="is not that of the config"):
        curated.with_data(replace(CONFIG, patch=replace(PATCH, pixel_mm=1.0)), store.folder, bundle)


@pytest.mark.parametrize("folder", ["imagesTr", "labelsTr"])
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_file_that_is_missing_or_changed_ends_the_training(store, tmp_path, folder, damage):
    config = curated.with_data(CONFIG, store.folder, None)
    path = sorted((store.folder / folder).iterdir())[0]
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="check the data set"):
        loop.train(config, tmp_path, data=store.folder)
    assert not cache_path(config).exists()


@pytest.mark.parametrize("name", ["necrosis", "anatomy"])
def test_the_shipped_networks_can_be_trained_on(store, name):
    config = read_config(ROOT / "training/configs" / f"finetune_{name}.yaml")
    bundle = load_bundle(name)
    described = curated.with_data(config, store.folder, bundle)
    assert described.init.version == bundle.version
    build_network(config.network).load_state_dict(curated.initial_weights(bundle))


def test_a_fine_tuned_network_becomes_a_bundle_that_can_be_installed(store, bundle, tmp_path, monkeypatch, capsys):
    """By the command lines of training.train, training.make_bundle and onfh-assist models."""
    from ONFHAssistLib import cli
    from training import make_bundle as maker
    from training.bundles.install import CARDS

    monkeypatch.setattr(loop, "RUNS", tmp_path / "runs")
    path = tmp_path / "tuned.yaml"
    path.write_text(json.dumps(PLAIN), encoding="utf-8")
    major, minor, _ = json.loads((CARDS / "necrosis.json").read_text(encoding="utf-8"))["version"].split(".")
    newer = f"{major}.{int(minor) + 1}.0"
    given = ["train", str(path), "--data", str(store.folder), "--init", str(bundle.folder)]
    monkeypatch.setattr(sys, "argv", given)
    command.main()
    best = tmp_path / "runs" / "tuned" / "best.pt"
    made = ["make_bundle", "necrosis", "--checkpoint", str(best), "--candidates", str(tmp_path / "candidates")]
    monkeypatch.setattr(sys, "argv", made)
    maker.main()
    candidate = load_bundle(tmp_path / "candidates" / "necrosis")
    assert candidate.version == newer and len(candidate.input["learned_from"]["patients"]) == 4
    assert candidate.input["pixel_mm"] == 2.0 and "calibration" not in candidate.input
    monkeypatch.setenv("ONFH_BUNDLES", str(tmp_path / "candidates" / ".."))
    assert cli.main(["models", "install", str(candidate.folder), "--use"]) == 0
    assert load_bundle("necrosis").version == newer
    capsys.readouterr()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--init", "necrosis"], "is not that of the config"),
        (["--data", "nowhere"], "is not a data set"),
        (["--data", "nowhere", "--init", "spleen"], "no model folder 'spleen'"),
        (["--data", "nowhere", "--keep-out", "x"], "invalid"),
    ],
)
def test_a_wrong_command_line_ends_in_one_sentence(tmp_path, monkeypatch, capsys, more, said):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tuned.yaml"
    path.write_text(json.dumps(PLAIN), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["train", str(path), *more])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_a_data_set_of_lesions_alone_is_warned_of(store, tmp_path):
    (said,) = curated.cautions(store.folder)
    assert "Only 0 of 6 approved hips are without ONFH" in said
    for n in range(2):
        store.save(Hip(seed=20 + n, lesion_mm=0).case(f"sound{n}"))
    assert curated.cautions(store.folder) == []


@pytest.mark.parametrize(("modalities", "expected"), [(["CT"], ["T1", "CT"]), (["MR"], ["T1"])])
def test_a_network_that_was_trained_on_ct_cases_is_used_on_ct(modalities, expected):
    data = Data("D", "c", 9, 0, None, ("p1",), tuple(modalities))
    metadata = {"onfh_assist": {"modalities": ["T1"]}}
    curated.fine_tuned(metadata, {"data": []}, replace(CONFIG, data=data))
    assert metadata["onfh_assist"]["modalities"] == expected
