"""A bundle from somebody else is refused, or does what it says; it reaches nothing outside of itself."""

import json
import os
from pathlib import Path

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models import places
from ONFHAssistLib.models.bundle import GRAPH, describe, files_of, load_bundle
from ONFHAssistLib.models.bundle import sha256 as checksum_of
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.models.installed import find_bundle, id_of, install

links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


def edited(folder, change) -> None:
    path = folder / "configs/metadata.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_another_graph_has_another_checksum_in_the_report(bundle_folder):
    before = load_bundle(bundle_folder)
    graph = bundle_folder / "models/model.xml"
    graph.write_text(graph.read_text().replace("<net ", "<net  ", 1))
    edited(bundle_folder, lambda c: c["onfh_assist"]["sha256"].update({"model.xml": checksum_of(graph)}))
    after = load_bundle(bundle_folder)
    assert describe(before)["sha256"] != describe(after)["sha256"] and id_of(before) != id_of(after)


def test_another_scale_of_the_input_has_another_checksum_in_the_report(bundle_folder):
    before = describe(load_bundle(bundle_folder))["sha256"]
    edited(bundle_folder, lambda content: content["onfh_assist"].update(pixel_mm=1.0))
    assert describe(load_bundle(bundle_folder))["sha256"] != before


@pytest.mark.parametrize(
    "graph",
    [
        b"\x08\x08\x12\x04made:\x00",  # the beginning of an ONNX graph, which may name further files
        b'node { name: "\x1b]0;other title\x07" op: "Const" }',
        b"<net/>",
        b'<net name="x" version="99"><layers/></net>',
        b'<other version="11"><layers/></other>',
        b'<net version="11"><layers>',
    ],
)
def test_a_graph_of_another_kind_is_refused_before_openvino_looks_at_it(bundle_folder, capfd, graph):
    path = bundle_folder / GRAPH
    path.write_bytes(graph)
    edited(bundle_folder, lambda content: content["onfh_assist"]["sha256"].update({"model.xml": checksum_of(path)}))
    with pytest.raises(InputError, match="is no OpenVINO graph"):
        open_engine(load_bundle(bundle_folder), "cpu", engine="openvino")
    assert capfd.readouterr() == ("", "")


@links
@pytest.mark.parametrize("name", [*files_of("segmentation"), "docs", "models"])
def test_a_linked_file_is_not_followed(bundle_folder, tmp_path, name):
    (tmp_path / "mine").write_text("mine")
    path, elsewhere = bundle_folder / name, tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(InputError, match="by a link, which is not followed"):
        load_bundle(bundle_folder)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"version": 1e999}', "\ufeff[]", '"x"', "", "NaN", '{"version": "\\ud800"}']
)
@pytest.mark.parametrize("file", ["configs/metadata.json", "configs/inference.json"])
def test_json_that_nobody_writes_is_a_sentence(bundle_folder, file, text):
    (bundle_folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_bundle(bundle_folder)
    assert str(caught.value).endswith((".", ").")) and len(str(caught.value)) < 300


def test_no_escape_sequence_of_a_bundle_reaches_the_terminal(bundle_folder):
    edited(bundle_folder, lambda content: content["onfh_assist"].update(trained_on="\x1b]0;owned\x07red\x1b[31m"))
    assert "\x1b" not in describe(load_bundle(bundle_folder))["trained_on"]
    edited(bundle_folder, lambda content: content.update(version="\x1b[31m"))
    with pytest.raises(InputError) as caught:
        load_bundle(bundle_folder)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("version", ["1.2.3\n", "1.2." + "3" * 190, "1.2." + "3" * 300, "1.2.٣", "", "1.2", " 1.2.3"])
def test_a_version_that_could_be_no_name_of_a_folder_is_refused(bundle_folder, version):
    edited(bundle_folder, lambda content: content.update(version=version, changelog={"1.2.3": "First."}))
    with pytest.raises(InputError, match=r"not valid at \$\.version"):
        load_bundle(bundle_folder)


ENDLESS = "x" * 100_000
DEEP = json.loads("[" * 600 + "]" * 600)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["onfh_assist"].update(trained_on=ENDLESS),
        lambda content: content["onfh_assist"].update(kind=ENDLESS),
        lambda content: content["onfh_assist"].update(schema=ENDLESS),
        lambda content: content["onfh_assist"].update(figures={ENDLESS: {}}),
        lambda content: content["onfh_assist"].update(modalities=["T1", *range(20_000), ENDLESS]),
        lambda content: content["changelog"].update({ENDLESS: "First."}),
        lambda content: content["network_data_format"]["outputs"]["pred"]["channel_def"].update({"0": ENDLESS}),
        lambda content: content["network_data_format"]["inputs"]["image"].update(spatial_shape=["9" * 5000 + "*n"] * 2),
        lambda content: content.update(notes=[DEEP, "\x01"]),
    ],
)
def test_what_has_no_end_in_the_metadata_is_refused_in_a_short_sentence(bundle_folder, change):
    edited(bundle_folder, change)
    with pytest.raises(InputError) as caught:
        load_bundle(bundle_folder)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("file", [f for f in files_of("segmentation") if not f.endswith((".bin", ".safetensors"))])
def test_a_text_that_is_larger_than_any_is_not_read(bundle_folder, file):
    os.truncate(bundle_folder / file, 3 * 2**30)  # a hole: it takes no room on the disk
    with pytest.raises(InputError, match=rf"{file} .* has more than 4 MB"):
        load_bundle(bundle_folder)


@pytest.mark.parametrize("path", ["a" * 5000, "a/" * 3000, "a\0b", "fifo", "file", "file/below", "loop", "", "."])
def test_a_path_that_is_no_bundle_is_a_sentence(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    if os.name == "posix":
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "loop").symlink_to("loop")
    for read in (load_bundle, find_bundle, lambda path: install(Path(path))):
        with pytest.raises(InputError) as caught:
            read(path)
        assert len(str(caught.value)) < 2000


NO_IDS = ("..", "", ".", "../x", "a/b", "/etc", "a\\b", "a\0b", "C:x", "x" * 300, 7, None, ["x"])


@pytest.mark.parametrize("text", ["{", "[]", "7", "[" * 100_000, *(json.dumps({"necrosis": name}) for name in NO_IDS)])
def test_a_spoilt_list_of_bundles_in_use_is_a_sentence(tmp_path, text):
    (tmp_path / "in-use.json").write_text(text)
    with pytest.raises(InputError, match="choose anew"):
        places.in_use(tmp_path)
