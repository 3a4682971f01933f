"""The user's own models: what is installed, in use, brought back and removed; and what is refused."""

import json
import os
import shutil

import pytest

from ONFHAssistLib import cli
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.models import installed, places
from ONFHAssistLib.models.bundle import load_bundle, sha256
from ONFHAssistLib.models.installed import find_bundle, install, models, remove, use

SHIPPED = resource_path("Bundles", "necrosis")


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """The user's folder of bundles; it does not exist yet."""
    monkeypatch.delenv("ONFH_BUNDLES", raising=False)
    folder = tmp_path / "data" / "ONFHAssist" / "bundles"
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return folder


@pytest.fixture
def better(tmp_path):
    """The shipped network under another version, as a trainer hands it over."""
    folder = shutil.copytree(SHIPPED, tmp_path / "handed over" / "necrosis")
    change(folder, lambda metadata: metadata.update(version="9.1.0", changelog={"9.1.0": "Better."}))
    return folder


def change(folder, edit):
    path = folder / "configs/metadata.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def in_use() -> str:
    return next(model.id for model in models() if model.name == "necrosis" and model.in_use)


def relabel(tensor: str, channel: str, meaning: str):
    """Return what gives a channel of the bundle another meaning."""

    def edit(metadata):
        formats = metadata["network_data_format"]
        (formats["inputs"] | formats["outputs"])[tensor]["channel_def"][channel] = meaning

    return lambda folder: change(folder, edit)


def inner(**values):
    """Return what changes what the bundle says of its input."""
    return lambda folder: change(folder, lambda metadata: metadata["onfh_assist"].update(values))


def graph_of_another_network(folder):
    """Exchange the graph for one that can't be run, with its checksum."""
    graph = folder / "models/model.xml"
    graph.write_bytes(graph.read_bytes().replace(b'"Convolution"', b'"Convulsion"'))
    inner(sha256=load_bundle(SHIPPED).input["sha256"] | {"model.xml": sha256(graph)})(folder)


def every_file(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} if folder.exists() else {}


def test_a_new_model_is_taken_once_it_is_in_use_and_the_former_one_comes_back(better):
    shipped = in_use()
    model = install(better)
    assert model.id.startswith("necrosis-9.1.0-") and in_use() == shipped
    assert load_bundle("necrosis").folder == SHIPPED
    assert use(model.id).id == shipped
    assert in_use() == model.id and load_bundle("necrosis").version == "9.1.0"
    shutil.rmtree(better)  # what is installed does not need what was handed over
    assert load_bundle("necrosis").version == "9.1.0" and load_bundle("necrosis").name == "necrosis"
    assert load_bundle("anatomy").folder == resource_path("Bundles", "anatomy")
    assert use(shipped).id == model.id
    assert load_bundle("necrosis").folder == SHIPPED and in_use() == shipped
    remove(model.id)
    assert all(model.shipped for model in models())


def test_installing_the_same_model_again_changes_nothing_but_mends_a_damaged_one(better, own):
    model = install(better)
    before = every_file(own)
    assert install(better) == model and every_file(own) == before
    weights = model.folder / "models/model.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "checksum" in next(m.problem for m in models() if m.id == model.id)
    assert install(better) == model and every_file(own) == before


def test_what_else_lies_in_the_folder_is_not_copied(better, own):
    (better / "notes of the trainer.txt").write_text("private")
    assert not list(install(better).folder.rglob("notes*"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "models/model.safetensors").write_bytes(b"x"), "checksum differs"),
        (lambda f: (f / "models/model.bin").unlink(), "lacks models/model.bin"),
        (lambda f: (f / "configs/metadata.json").write_text('{"task": "Spleen"}'), "not a model of ONFHAssist"),
        (lambda f: change(f, lambda m: m["onfh_assist"].update(schema=99)), "bundle format 99"),
        (relabel("pred", "0", "oedema"), r"made for other labels \(oedema\)"),
        (relabel("image", "3", "T2"), "made for other input"),
        (inner(pixel_mm=1e-9), "has pixel_mm 1e-09, necrosis of this software 0.7"),
        (inner(pixel_mm=[0.7, 0.7]), "has pixel_mm"),
        (inner(size_px=[96, 4096]), "has size_px"),
        (inner(size_px=[100, 100]), "sizes differ"),
        (inner(neighbour_mm=None), "has neighbour_mm None"),
        (inner(sphere_mm=1e9), "has sphere_mm"),
        (graph_of_another_network, "does not give what|does not fit|cannot read"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_and_nothing_is_touched(better, own, damage, said):
    damage(better)
    with pytest.raises(InputError, match=said):
        install(better)
    assert every_file(own) == {} and in_use().startswith("necrosis-0")


def test_a_model_of_a_name_without_use_is_refused(better, own):
    spleen = better.rename(better.with_name("spleen"))
    with pytest.raises(InputError, match="no use for a model spleen; it takes anatomy"):
        install(spleen)
    assert not own.exists()


@pytest.mark.parametrize("unknown", ["necrosis", "necrosis-1.2.3-00000000", "../../etc"])
def test_an_id_that_is_not_listed_is_refused(unknown):
    for action in (use, remove):
        with pytest.raises(InputError, match="There is no model"):
            action(unknown)


def test_what_is_shipped_or_in_use_is_not_removed(better, own):
    with pytest.raises(InputError, match="came with the software"):
        remove(in_use())
    model = install(better)
    use(model.id)
    with pytest.raises(InputError, match="is in use"):
        remove(model.id)
    assert SHIPPED.is_dir() and load_bundle("necrosis").version == "9.1.0"


def test_a_damaged_model_is_not_taken_into_use(better):
    model = install(better)
    (model.folder / "models/model.xml").write_bytes(b"")
    with pytest.raises(InputError, match="checksum"):
        use(model.id)
    assert load_bundle("necrosis").folder == SHIPPED


def test_a_model_in_use_that_is_gone_is_told_of_and_the_shipped_one_can_be_taken(better):
    shipped, model = in_use(), install(better)
    use(model.id)
    shutil.rmtree(model.folder.parent)
    with pytest.raises(InputError, match="no model folder"):
        load_bundle("necrosis")
    use(shipped)
    assert load_bundle("necrosis").folder == SHIPPED


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"necrosis": 3}', '{"necrosis": "../../elsewhere"}', '{"necrosis": ".."}']
)
def test_a_damaged_list_of_models_in_use_is_told_of(own, content):
    own.mkdir(parents=True)
    (own / places.IN_USE).write_text(content)
    with pytest.raises(InputError, match="choose anew with onfh-assist models use"):
        load_bundle("necrosis")


def test_a_damaged_list_of_models_in_use_is_mended_by_choosing_anew(better, own, capsys):
    model = install(better)
    (own / places.IN_USE).write_text('{"necrosis": "1.2.3 and more"}')
    assert cli.main(["models", "list"]) == 2
    said = capsys.readouterr()
    assert model.id in said.out and "choose anew with onfh-assist models use" in said.err
    assert not any(model.in_use for model in models()) and install(better) == model
    with pytest.raises(InputError, match="can't be read"):
        remove(model.id)  # it may be the one that was chosen
    use(model.id)
    assert in_use() == model.id == places.in_use(own)["necrosis"]


def test_a_bad_bundle_among_the_installed_ones_costs_itself_only_and_is_named(better, own, capsys):
    model, shipped = install(better), in_use()
    folder = own / places.INSTALLED
    shutil.copytree(model.folder.parent, folder / "a name that is no id")
    shutil.copytree(model.folder.parent, folder / ("necrosis-1." + "9" * 210))
    shutil.copytree(model.folder.parent, folder / "broken")
    (folder / "broken/necrosis/configs/metadata.json").write_text("[" * 10**5)
    (folder / "empty/necrosis").mkdir(parents=True)
    (folder / "file").write_text("")
    if os.name == "posix":
        (folder / "link").symlink_to("link")
    use(model.id)
    bad = {found.id: found.problem for found in models() if found.problem}
    assert len(bad) == 4 and sum("no id" in problem for problem in bad.values()) == 2
    for bundle_id in bad:
        with pytest.raises(InputError):
            use(bundle_id)
    assert in_use() == model.id and load_bundle("necrosis").folder == model.folder
    assert cli.main(["models", "list"]) == 0 and "broken" in capsys.readouterr().out
    shutil.rmtree(model.folder.parent)
    assert next(found for found in models() if found.in_use and found.name == "necrosis").problem
    use(shipped)


def test_a_model_laid_into_the_folder_by_hand_goes_before_and_is_told_of(better, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setenv("ONFH_BUNDLES", str(mine))
    model = install(better)
    use(model.id)
    assert load_bundle("necrosis").folder == model.folder and str(mine) in str(model.folder)
    shutil.copytree(SHIPPED, mine / "necrosis")
    assert load_bundle("necrosis").folder == mine / "necrosis"
    assert next(m.folder for m in models() if m.in_use and m.name == "necrosis") == mine / "necrosis"
    with pytest.raises(InputError, match="goes before all others"):
        use(model.id)


def test_a_model_is_found_by_its_id_its_name_and_its_folder(better, tmp_path, monkeypatch):
    model = install(better)
    assert find_bundle(model.id).folder == model.folder and find_bundle(in_use()).folder == SHIPPED
    assert find_bundle("necrosis").folder == SHIPPED and find_bundle(str(better)).folder == better
    with pytest.raises(InputError, match="no model folder"):
        find_bundle("nowhere")


@pytest.mark.parametrize("step", ["copyfile", "rename", "replace"])
def test_an_interrupted_step_leaves_the_models_as_they_were(better, own, monkeypatch, step):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    if step == "replace":
        model = install(better)
    before = every_file(own)
    monkeypatch.setattr(installed.shutil if step == "copyfile" else installed.os, step, fail)
    with pytest.raises(InputError, match="No space left on device; the models are as they were"):
        use(model.id) if step == "replace" else install(better)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_DATA_HOME", str(own.parents[1]))
    assert every_file(own) == before


def test_the_command_line_installs_uses_lists_and_removes(better, capsys):
    shipped = in_use()
    assert cli.main(["models", "install", str(better), "--use"]) == 0
    said = capsys.readouterr().out
    assert "is installed." in said and f"comes back with: onfh-assist models use {shipped}" in said
    assert cli.main(["models", "list"]) == 0
    assert "installed" in capsys.readouterr().out
    assert cli.main(["models", "use", shipped]) == 0
    new = next(model.id for model in models() if not model.shipped)
    assert cli.main(["models", "remove", new]) == 0
    assert cli.main(["models", "remove", shipped]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "stays" in said.err


def test_a_bundle_that_came_with_the_software_is_not_installed_a_second_time(own):
    before = models()
    shipped = next(model for model in before if model.name == "necrosis" and model.shipped)
    assert install(shipped.folder) == shipped and models() == before
