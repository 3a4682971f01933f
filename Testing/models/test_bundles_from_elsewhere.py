"""A bundle from somebody else is refused, or does what it says; it reaches nothing outside of itself."""

import json
import os

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models import places
from ONFHAssistLib.models.bundle import describe, files_of, load_bundle
from ONFHAssistLib.models.bundle import sha256 as checksum_of
from ONFHAssistLib.models.installed import id_of

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


NO_IDS = ("..", "", ".", "../x", "a/b", "/etc", "a\\b", "a\0b", "C:x", "x" * 300, 7, None, ["x"])


@pytest.mark.parametrize("text", ["{", "[]", "7", "[" * 100_000, *(json.dumps({"necrosis": name}) for name in NO_IDS)])
def test_a_spoilt_list_of_bundles_in_use_is_a_sentence(tmp_path, text):
    (tmp_path / "in-use.json").write_text(text)
    with pytest.raises(InputError, match="choose anew"):
        places.in_use(tmp_path)
