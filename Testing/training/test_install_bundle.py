"""From a candidate to an installed bundle: measured first, never worse unseen, and never half of one."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import files_of, load_bundle
from training import make_bundle
from training.bundles import install as installer
from training.bundles import make as maker
from training.bundles.card import model_card, read_evaluation
from training.bundles.replacing import replacing
from training.real.data import ROOT

torch = pytest.importorskip("torch", reason="torch is not installed: bundles are made with the train extra")
pytest.importorskip("monai", reason="MONAI is not installed: bundles are made with the train extra")

from ONFHAssistLib.models.networks import build_network  # noqa: E402

NETWORK = {
    "_target_": "monai.networks.nets.BasicUNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 3,
    "features": [4, 4, 8, 8, 8, 4],
}
FIGURE = {"at": "heads.dice", "what": "Dice", "on": "{n} heads", "shown": "{median:.2f}", "better": "higher"}
CARD = {"title": "Random", "use": "None.", "data": ["Nothing."], "figures": [FIGURE], "limits": ["Knows nothing."]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two bundles with other weights each."""
    folder = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("old", "new")):
        torch.manual_seed(seed)
        metadata = {
            "version": f"0.{seed + 1}.0",
            "changelog": {f"0.{seed + 1}.0": "Random."},
            "task": "Test",
            "description": "Random weights.",
            "authors": "The authors",
            "copyright": "Copyright 2026 the authors",
            "network_data_format": maker.network_data_format(2, ["slice"], ["background", "head", "bone"]),
            "onfh_assist": {"modalities": ["T1"], "trained_on": "Nothing.", "licence": "Apache-2.0"}
            | {"pixel_mm": 0.9, "size_px": [112, 112], "neighbour_mm": None},
        }
        card = model_card(metadata, CARD)
        maker.make_bundle(folder / name, build_network(NETWORK).state_dict(), NETWORK, metadata, card)
    return folder


@pytest.fixture
def places(made, tmp_path):
    """An installed bundle with the Dice 0.9, and a candidate for its place."""
    shutil.copytree(made / "old", tmp_path / "Bundles/random")
    shutil.copytree(made / "new", tmp_path / "candidates/random")
    evaluate(tmp_path / "docs.json", tmp_path / "Bundles", 0.9)
    weights = installer.weights_in(tmp_path / "Bundles")
    installer.write_card(tmp_path / "Bundles/random", CARD, read_evaluation(tmp_path / "docs.json"), weights)
    return tmp_path


def evaluate(path, folder, dice, **others):
    """Write what training.evaluate would write of the bundle in this folder."""
    models = installer.weights_in(folder) | others
    path.write_text(json.dumps({"heads": {"dice": {"median": dice, "n": 10}, "models": models}}), encoding="utf-8")


def install(places, allow_worse=False, names=("random",)):
    cards = {name: CARD for name in names}
    installer.install(
        list(names), cards, places / "candidates", places / "Bundles", places / "docs.json", allow_worse=allow_worse
    )


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def card(places):
    return (places / "Bundles/random/docs/README.md").read_text(encoding="utf-8")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_candidate_that_does_better_is_installed_with_its_figures(places):
    assert "Not evaluated yet." in (places / "candidates/random/docs/README.md").read_text(encoding="utf-8")
    evaluate(places / "candidates/evaluation.json", places / "candidates", 0.91)
    install(places)
    bundle = load_bundle(places / "Bundles/random")
    assert bundle.version == "0.2.0"
    assert bundle.input["figures"] == {
        "heads.dice": {"what": "Dice", "on": "10 heads", "shown": "0.91", "value": 0.91, "better": "higher"}
    }
    assert "| Dice | 10 heads | 0.91 |" in card(places)
    evaluation = json.loads((places / "docs.json").read_text(encoding="utf-8"))
    assert evaluation["heads"]["dice"]["median"] == 0.91  # the figures of docs/figures.md follow
    assert names_in(places / "Bundles") == ["random"]


def test_a_candidate_that_falls_below_is_refused_unless_told_otherwise(places):
    evaluate(places / "candidates/evaluation.json", places / "candidates", 0.89)
    before = content(places / "Bundles"), (places / "docs.json").read_bytes()
    with pytest.raises(InputError, match=r"falls below.*Dice \(10 heads\): 0\.90, now 0\.89\. Give --allow-worse"):
        install(places)
    assert (content(places / "Bundles"), (places / "docs.json").read_bytes()) == before
    install(places, allow_worse=True)
    assert load_bundle(places / "Bundles/random").version == "0.2.0" and "| 0.89 |" in card(places)


@pytest.mark.parametrize("measured", ["nothing", "other weights", "with another network"])
def test_a_candidate_without_figures_of_its_own_is_refused_unless_told_otherwise(places, measured):
    path = places / "candidates/evaluation.json"
    if measured == "other weights":
        evaluate(path, places / "Bundles", 0.99)
    elif measured == "with another network":
        evaluate(path, places / "candidates", 0.99, finder="f" * 64)
    with pytest.raises(InputError, match="has not been evaluated"):
        install(places)
    assert load_bundle(places / "Bundles/random").version == "0.1.0"
    install(places, allow_worse=True)
    assert load_bundle(places / "Bundles/random").input["figures"] == {} and "Not evaluated yet." in card(places)
    assert json.loads((places / "docs.json").read_text(encoding="utf-8"))["heads"]["dice"]["median"] == 0.9


def test_networks_that_were_measured_together_are_installed_together(places):
    shutil.copytree(places / "candidates/random", places / "candidates/second")
    evaluate(places / "candidates/evaluation.json", places / "candidates", 0.95)
    with pytest.raises(InputError, match="has not been evaluated"):
        install(places)
    assert names_in(places / "Bundles") == ["random"]
    install(places, names=("random", "second"))
    assert names_in(places / "Bundles") == ["random", "second"] and "| 0.95 |" in card(places)


def test_a_bundle_written_straight_into_the_place_of_a_better_one_is_refused(places):
    with pytest.raises(InputError, match="falls below"), replacing(places / "Bundles/random") as new:
        shutil.copytree(places / "candidates/random", new, dirs_exist_ok=True)
    assert load_bundle(places / "Bundles/random").version == "0.1.0"
    assert names_in(places / "Bundles") == ["random"]


def test_the_card_follows_a_new_evaluation_of_the_same_weights_only(places, monkeypatch, capsys):
    data = places / "random.json"
    data.write_text(json.dumps({"card": CARD}), encoding="utf-8")

    def command():
        arguments = ["make_bundle", "random", "--card", "--card-data", str(data), "--bundles", str(places / "Bundles")]
        monkeypatch.setattr(sys, "argv", [*arguments, "--evaluation", str(places / "docs.json")])
        make_bundle.main()

    evaluate(places / "docs.json", places / "Bundles", 0.7)
    command()
    assert "| 0.70 |" in card(places) and load_bundle(places / "Bundles/random").version == "0.1.0"
    evaluate(places / "docs.json", places / "candidates", 0.99)
    before = content(places / "Bundles")
    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == 2 and "no figures of the weights of random" in capsys.readouterr().err
    assert content(places / "Bundles") == before


def test_a_lost_or_damaged_graph_is_made_again_from_the_weights(places):
    folder = places / "Bundles/random"
    before = content(folder)
    (folder / "models/model.bin").unlink()
    (folder / "models/model.xml").write_text("damaged", encoding="utf-8")
    with pytest.raises(InputError):
        load_bundle(folder)
    maker.export(folder)
    assert content(folder) == before
    (folder / "models/model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"models/model\.safetensors of the model random is damaged"):
        maker.export(folder)


def test_a_failing_export_leaves_the_bundle_as_it_was(places, monkeypatch, capsys):
    def fail(_network, _network_def, path):
        path.write_text("<half", encoding="utf-8")
        raise OSError("No space left on device")

    monkeypatch.setattr(maker, "export_graph", fail)
    monkeypatch.setattr(sys, "argv", ["make_bundle", "random", "--export", "--bundles", str(places / "Bundles")])
    before = content(places / "Bundles")
    with pytest.raises(SystemExit) as stop:
        make_bundle.main()
    assert stop.value.code == 2 and capsys.readouterr().err == "No space left on device\n"
    assert content(places / "Bundles") == before


# A process that kills itself as no program can prevent: with half of the graph written, or before the nth rename.
PROCESS = """
import os, pathlib, signal, sys
from training.bundles import install as installer
from training.bundles import make as maker

folder, kill = pathlib.Path(sys.argv[1]), sys.argv[2]
renamed, rename = [], pathlib.Path.rename

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def half(_network, _network_def, path):
    path.write_text("<half")
    die()

def counted(path, target):
    renamed.append(path)
    if kill == f"rename {len(renamed)}":
        die()
    return rename(path, target)

pathlib.Path.rename = counted
if kill == "export":
    maker.export_graph = half
    maker.export(folder)
else:
    installer.install(["random"], {"random": {"figures": [], "title": "", "use": "", "data": [], "limits": []}},
                  folder.parents[1] / "candidates", folder.parent, folder.parents[1] / "docs.json", True)
"""


@pytest.mark.parametrize("kill", ["export", "rename 1", "rename 2"])
def test_the_last_good_bundle_stays_usable_when_the_process_is_killed(places, kill, monkeypatch):
    folder = places / "Bundles/random"
    before = content(folder)
    process = subprocess.run(
        [sys.executable, "-c", PROCESS, str(folder), kill], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert process.returncode == -signal.SIGKILL
    left = load_bundle(folder)
    assert left.name == "random" and left.version == "0.1.0" and content(left.folder) == before
    assert folder.is_dir() == (kill != "rename 2")
    monkeypatch.setenv("ONFH_BUNDLES", str(places / "Bundles"))
    assert load_bundle("random").version == "0.1.0"

    evaluate(places / "candidates/evaluation.json", places / "candidates", 0.95)
    install(places)
    assert load_bundle(folder).version == "0.2.0" and names_in(places / "Bundles") == ["random"]
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == set(files_of("segmentation"))
