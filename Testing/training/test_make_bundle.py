import json
import pickle
import sys

import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.models.networks import build_network
from training import make_bundle
from training.bundles import graph
from training.bundles import make as maker

torch = pytest.importorskip("torch", reason="torch is not installed: bundles are made with the train extra")
pytest.importorskip("monai", reason="MONAI is not installed: bundles are made with the train extra")

NETWORK = {
    "_target_": "monai.networks.nets.BasicUNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 3,
    "features": [4, 4, 8, 8, 8, 4],
}
CONFIG = {
    "name": "random",
    "task": "anatomy",
    "network": NETWORK,
    "patch": {"size_px": 112, "pixel_mm": 0.9, "neighbour_mm": 4.0, "shift_px": 14},
    "samples": {"procedural": 1, "seed": 1},
    "training": {"steps": 1, "batch": 1, "learning_rate": 0.1, "seed": 1, "real_share": 0.0},
}
INPUT = {"pixel_mm": [0.9, 0.9], "size_px": [112, 112], "neighbour_mm": None}
CARD_DATA = {
    "version": "0.2.0",
    "changelog": {"0.2.0": "Random."},
    "task": "Test",
    "description": "Random weights.",
    "authors": "The authors",
    "copyright": "Copyright 2026 the authors",
    "inputs": ["slice"],
    "outputs": ["background", "head", "bone"],
    "onfh_assist": {"modalities": ["T1"], "trained_on": "Nothing.", "licence": "Apache-2.0"},
    "card": {
        "title": "Random hips",
        "use": "None.",
        "data": ["Nothing at all."],
        "figures": [
            {"at": "heads.dice", "what": "Dice", "on": "{n} heads", "shown": "{median:.2f}", "better": "higher"}
        ],
        "limits": ["Knows nothing."],
    },
}


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return build_network(NETWORK).state_dict()


@pytest.fixture
def metadata():
    data = {key: CARD_DATA[key] for key in ("version", "changelog", "task", "description", "authors", "copyright")}
    formats = maker.network_data_format(2, CARD_DATA["inputs"], CARD_DATA["outputs"])
    return data | {"network_data_format": formats, "onfh_assist": CARD_DATA["onfh_assist"] | INPUT}


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Return a function that runs the command line in an empty folder."""

    def run(checkpoint, *more, card_data=CARD_DATA, config=CONFIG):
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        path = tmp_path / "card.json"
        path.write_text(json.dumps(card_data))
        arguments = ["make_bundle", "random", "--checkpoint", str(checkpoint), "--card-data", str(path)]
        monkeypatch.setattr(sys, "argv", [*arguments, "--candidates", str(tmp_path / "Bundles"), *more])
        make_bundle.main()

    return run


def test_a_checkpoint_becomes_a_bundle_that_gives_what_its_network_gives(command, weights, tmp_path, capsys):
    torch.save({"step": 3, "average_network": weights}, tmp_path / "last.pt")
    command(tmp_path / "last.pt")
    assert "MB" in capsys.readouterr().out

    bundle = load_bundle(tmp_path / "Bundles/random")
    assert (bundle.version, bundle.in_channels, bundle.out_channels) == ("0.2.0", 1, 3)
    assert [bundle.input[key] for key in ("pixel_mm", "size_px", "neighbour_mm")] == [0.9, [112, 112], 4.0]
    network = build_network(NETWORK).eval()
    network.load_state_dict({name: value.half().float() for name, value in weights.items()})
    batch = np.random.default_rng(1).normal(size=(3, 1, 48, 80)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(open_engine(bundle, "cpu")(batch), expected, atol=graph.MAX_DIFFERENCE)


def test_the_weights_take_16_bits_in_both_forms(weights, metadata, tmp_path):
    maker.make_bundle(tmp_path / "random", weights, NETWORK, metadata, "# Random")
    count = sum(value.numel() for value in weights.values())
    for file in ("model.safetensors", "model.bin"):
        assert (tmp_path / "random/models" / file).stat().st_size < 2 * count + 10_000


def test_the_same_weights_give_the_same_files(weights, metadata, tmp_path):
    for name in ("one", "two"):
        maker.make_bundle(tmp_path / name, weights, NETWORK, metadata, "# Random")
    one, two = (load_bundle(tmp_path / name) for name in ("one", "two"))
    assert one.input["sha256"] == two.input["sha256"]


def test_the_card_says_data_figures_limits_and_licence(command, weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pt")
    command(tmp_path / "weights.pt", "--key", "")
    card = (tmp_path / "Bundles/random/docs/README.md").read_text()
    for text in ("# Random hips", "- Nothing at all.", "Not evaluated yet.", "- Knows nothing.", "Apache-2.0"):
        assert text in card
    assert "research use" in card and "safetensors" in card


def test_no_path_of_the_maker_is_left_in_the_bundle(weights, metadata, tmp_path):
    maker.make_bundle(tmp_path / "random", weights, NETWORK, metadata, "# Random")
    for path in (tmp_path / "random").rglob("*.*"):
        assert str(tmp_path).encode() not in path.read_bytes()


def test_a_graph_that_differs_from_torch_is_not_put_in_place(weights, metadata, tmp_path, monkeypatch):
    maker.make_bundle(tmp_path / "random", weights, NETWORK, metadata, "# The good one")
    monkeypatch.setattr(maker, "export_graph", export_of_other_weights)
    with pytest.raises(InputError, match="does not give what torch gives"):
        maker.make_bundle(tmp_path / "random", weights, NETWORK, metadata, "# The bad one")
    assert [path.name for path in tmp_path.iterdir()] == ["random"]
    load_bundle(tmp_path / "random")
    assert (tmp_path / "random/docs/README.md").read_text() == "# The good one"


def export_of_other_weights(_network, network_def, path, original=maker.export_graph):
    original(build_network(network_def).eval(), network_def, path)


def test_a_newer_bundle_replaces_the_older(weights, metadata, tmp_path):
    for card in ("# Old", "# New"):
        maker.make_bundle(tmp_path / "random", weights, NETWORK, metadata, card)
    assert [path.name for path in tmp_path.iterdir()] == ["random"]
    assert (tmp_path / "random/docs/README.md").read_text() == "# New"


def test_metadata_that_does_not_fit_is_not_put_in_place(weights, metadata, tmp_path):
    metadata["onfh_assist"]["size_px"] = [112, 112, 112]
    with pytest.raises(InputError, match="does not fit its metadata"):
        maker.make_bundle(tmp_path / "random", weights, NETWORK, metadata, "# Random")
    assert list(tmp_path.iterdir()) == []


def test_weights_beyond_16_bits_are_refused(weights, metadata, tmp_path):
    weights["final_conv.weight"][:] = 1e6
    with pytest.raises(InputError, match="do not fit 16-bit floats"):
        maker.make_bundle(tmp_path / "random", weights, NETWORK, metadata, "# Random")


def test_weights_of_another_network_are_refused(weights, metadata, tmp_path):
    with pytest.raises(InputError, match="does not hold the weights"):
        maker.make_bundle(tmp_path / "random", weights, NETWORK | {"out_channels": 2}, metadata, "# Random")


def test_a_network_of_one_channel_on_whole_images_is_checked_too(command, tmp_path, monkeypatch, capsys):
    network = NETWORK | {"out_channels": 1}
    torch.save(build_network(network).state_dict(), tmp_path / "weights.pt")
    card_data = CARD_DATA | {"outputs": ["necrosis"]}
    config = CONFIG | {"task": "finder", "network": network, "patch": {"pixel_mm": 5.0}}
    command(tmp_path / "weights.pt", "--key", "", card_data=card_data, config=config)
    assert load_bundle(tmp_path / "Bundles/random").input["size_px"] is None

    monkeypatch.setattr(graph, "MAX_DIFFERENCE", 1e9)
    monkeypatch.setattr(maker, "export_graph", export_of_other_weights)
    with pytest.raises(SystemExit):
        command(tmp_path / "weights.pt", "--key", "", card_data=card_data, config=config)
    assert "smallest Dice 0." in capsys.readouterr().err


class Attack:
    def __reduce__(self):
        return print, ("this code ran",)


def test_code_in_a_checkpoint_does_not_run(command, tmp_path, capsys):
    (tmp_path / "attack.pt").write_bytes(pickle.dumps({"model": Attack()}))
    torch.save({"model": Attack()}, tmp_path / "attack_zip.pt")
    for name in ("attack.pt", "attack_zip.pt"):
        with pytest.raises(SystemExit) as ended:
            command(tmp_path / name, "--key", "model")
        streams = capsys.readouterr()
        assert ended.value.code == 2 and "this code ran" not in streams.out
        assert "cannot be read as plain weights" in streams.err


@pytest.mark.parametrize("more", [[], ["--key", ""]])
def test_a_checkpoint_with_its_weights_elsewhere_says_what_it_holds(command, weights, tmp_path, capsys, more):
    torch.save({"epoch": 3, "model": weights}, tmp_path / "last.pt")
    with pytest.raises(SystemExit):
        command(tmp_path / "last.pt", *more)
    assert "it holds: epoch, model" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_a_checkpoint_that_is_none_is_named(command, tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "none.pt").write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        command(tmp_path / "none.pt")
    assert ended.value.code == 2 and "none.pt" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["card", "version", "inputs", "onfh_assist"])
def test_missing_card_data_is_named(command, weights, tmp_path, capsys, missing):
    torch.save(weights, tmp_path / "weights.pt")
    with pytest.raises(SystemExit) as ended:
        command(tmp_path / "weights.pt", "--key", "", card_data={k: v for k, v in CARD_DATA.items() if k != missing})
    assert ended.value.code == 2 and f"'{missing}'" in capsys.readouterr().err
