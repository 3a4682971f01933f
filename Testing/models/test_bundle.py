import json
import shutil

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models import bundle as bundles
from ONFHAssistLib.models import places
from ONFHAssistLib.models.bundle import SCHEMA, describe, files_of, load_bundle


def change(folder, edit, file="configs/metadata.json"):
    path = folder / file
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def refusal(folder) -> str:
    with pytest.raises(InputError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert message.endswith((".", ").")) and "\n" not in message and len(message) < 300
    return message


def test_a_whole_bundle_is_read(bundle_folder):
    bundle = load_bundle(bundle_folder)
    assert (bundle.name, bundle.version, bundle.folder) == ("sums", "0.1.0", bundle_folder)
    assert (bundle.in_channels, bundle.out_channels, bundle.size_multiples) == (3, 4, (16, 16))
    assert bundle.input["pixel_mm"] == 0.9
    assert bundle.network_def["_target_"] == "monai.networks.nets.BasicUNet"


def test_a_path_as_text_and_a_folder_with_other_letters_are_read(write_bundle, tmp_path):
    assert load_bundle(str(write_bundle(tmp_path / "Hüfte 股骨头"))).name == "Hüfte 股骨头"


def test_a_shipped_model_is_found_by_its_name(bundle_folder, monkeypatch):
    monkeypatch.setattr(places, "resource_path", resources_at(bundle_folder))
    assert load_bundle("sums").folder == bundle_folder


def resources_at(folder):
    original = places.resource_path
    return lambda *parts: folder if parts == ("Bundles", folder.name) else original(*parts)


def test_a_folder_of_bundles_goes_before_the_shipped_ones(write_bundle, bundle_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "resource_path", resources_at(bundle_folder))
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("ONFH_BUNDLES", str(tmp_path / "mine"))
    assert load_bundle("sums").folder == bundle_folder  # what is not there is taken from the shipped ones
    own = write_bundle(tmp_path / "mine/sums")
    assert load_bundle("sums").folder == own
    monkeypatch.setenv("ONFH_BUNDLES", str(tmp_path / "nowhere"))
    assert "ONFH_BUNDLES names" in refusal("sums")


def test_the_older_bundle_is_read_where_its_replacement_was_interrupted(write_bundle, tmp_path, monkeypatch):
    previous = write_bundle(tmp_path / "sums.previous")
    assert (load_bundle(tmp_path / "sums").folder, load_bundle(tmp_path / "sums").name) == (previous, "sums")
    monkeypatch.setattr(places, "resource_path", resources_at(previous))
    assert load_bundle("sums").folder == previous
    assert load_bundle(write_bundle(tmp_path / "sums")).folder == tmp_path / "sums"


def test_a_bundle_without_its_graph_is_still_one_to_make_the_graph_from(bundle_folder):
    (bundle_folder / "models/model.xml").write_text("damaged")
    (bundle_folder / "models/model.bin").unlink()
    assert load_bundle(bundle_folder, graph=False).version == "0.1.0"
    assert "lacks models/model.bin" in refusal(bundle_folder)


@pytest.mark.parametrize("name", ["no_such_model", "", "..", "/nowhere/model", "a\\b"])
def test_a_model_that_does_not_exist_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(name)


@pytest.mark.parametrize("file", files_of("segmentation"))
def test_a_missing_file_is_named(bundle_folder, file):
    (bundle_folder / file).unlink()
    assert f"lacks {file};" in refusal(bundle_folder)


@pytest.mark.parametrize("file", [file for file in files_of("segmentation") if file.startswith("models/")])
def test_one_changed_byte_of_a_network_is_noticed(bundle_folder, file):
    path = bundle_folder / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert file in refusal(bundle_folder) and "checksum" in refusal(bundle_folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00"])
@pytest.mark.parametrize("file", ["configs/metadata.json", "configs/inference.json"])
def test_a_damaged_configuration_is_named(bundle_folder, file, content):
    (bundle_folder / file).write_bytes(content)
    assert file in refusal(bundle_folder)


def test_a_bundle_of_another_project_is_refused(bundle_folder):
    change(bundle_folder, lambda metadata: metadata.pop("onfh_assist"))
    assert "not a model of ONFHAssist" in refusal(bundle_folder)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    assert "lacks LICENSE, configs/metadata.json" in refusal(tmp_path)


def test_a_bundle_for_a_later_version_is_refused_before_its_fields_are_judged(bundle_folder):
    def later(metadata):
        metadata["onfh_assist"] = {"schema": SCHEMA + 1, "unknown": True}

    change(bundle_folder, later)
    assert f"bundle format {SCHEMA + 1}" in refusal(bundle_folder)


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda m: m.pop("authors"), "'authors'"),
        (lambda m: m.update(version="new"), "$.version"),
        (lambda m: m["onfh_assist"].update(pixel_mm=0), "$.onfh_assist.pixel_mm"),
        (lambda m: m["onfh_assist"].update(pixel_mm="0.9"), "$.onfh_assist.pixel_mm"),
        (lambda m: m["onfh_assist"].update(modalities=[]), "$.onfh_assist.modalities"),
        (lambda m: m["onfh_assist"].pop("trained_on"), "'trained_on'"),
        (lambda m: m["onfh_assist"]["sha256"].pop("model.bin"), "'model.bin'"),
        (lambda m: m["onfh_assist"]["sha256"].update({"../../x": "0" * 64}), "$.onfh_assist.sha256"),
        (lambda m: m["network_data_format"]["inputs"].pop("image"), "'image'"),
    ],
)
def test_a_wrong_field_is_named(bundle_folder, edit, place):
    change(bundle_folder, edit)
    assert place in refusal(bundle_folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.pop("network_def"),
        lambda c: c["network_def"].update(in_channels=1),
        lambda c: c["network_def"].update(out_channels=5),
        lambda c: c["network_def"].update(spatial_dims=3),
    ],
)
def test_a_network_that_does_not_fit_its_metadata_is_refused(bundle_folder, edit):
    change(bundle_folder, edit, "configs/inference.json")
    assert "does not fit its metadata" in refusal(bundle_folder)


def test_the_report_says_which_model_ran(bundle_folder):
    bundle = load_bundle(bundle_folder)
    entry = describe(bundle)
    assert entry == {
        "name": "sums",
        "version": "0.1.0",
        "sha256": bundle.checksum[:12],
        "engine": None,
        "device": None,
        "trained_on": "Nothing.",
        "licence": "Apache-2.0",
    }
    assert json.loads(json.dumps(entry)) == entry


def test_an_outline_that_may_lie_farther_off_than_a_head_is_wide_is_refused(write_bundle, tmp_path):
    folder = write_bundle(tmp_path / "sums")
    found = {"certain": 0.7, "possible": 0.3, "head_mm": 0.5, "coverage": 0.9, "sequences": ["T1"], "measured_on": "x"}
    change(folder, lambda metadata: metadata["onfh_assist"].update(calibration=found))
    assert load_bundle(folder).input["calibration"]["head_mm"] == 0.5
    change(folder, lambda metadata: metadata["onfh_assist"]["calibration"].update(head_mm=24.0))
    assert "24" in refusal(folder)


def test_a_copied_bundle_stays_valid(bundle_folder, tmp_path):
    assert load_bundle(shutil.copytree(bundle_folder, tmp_path / "copy")).name == "copy"


def test_monai_itself_verifies_the_metadata_offline(trained, monkeypatch):
    from monai.bundle import verify_metadata

    def no_network(*_args, **_kwargs):
        raise AssertionError("the schema was to be read from the file")

    monkeypatch.setattr("socket.socket.connect", no_network)
    schema = bundles.resource_path("Schemas", "bundle-metadata.schema.json")
    for folder, _ in trained.values():
        verify_metadata(meta_file=str(folder / "configs/metadata.json"), filepath=str(schema))
    change(folder, lambda metadata: metadata.pop("task"))
    try:
        with pytest.raises(ValueError, match="task"):
            verify_metadata(meta_file=str(folder / "configs/metadata.json"), filepath=str(schema))
    finally:
        change(folder, lambda metadata: metadata.update(task="Test"))
