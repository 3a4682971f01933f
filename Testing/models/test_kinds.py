"""Kinds of models: each is checked at load for what it needs, and a hostile one is refused with one sentence."""

import json
import math

import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import load_bundle, sha256
from ONFHAssistLib.models.engine import import_openvino, open_engine, try_out
from ONFHAssistLib.models.table import open_table

TABLE = {"outcome": "collapse within 5 years", "link": "logistic", "intercept": -1.5, "coefficients": {"age": 0.02}}
METADATA = {
    "schema": "x", "version": "0.1.0", "changelog": {"0.1.0": "First."}, "monai_version": "1", "pytorch_version": "2",
    "numpy_version": "2", "task": "Predict", "description": "A test.", "authors": "x", "copyright": "x",
}  # fmt: skip


def make_table(folder, table=TABLE, **own):
    for file in ("LICENSE", "docs/README.md", "configs/metadata.json", "models/table.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("x")
    (folder / "models/table.json").write_text(json.dumps(table))
    sums = {"table.json": sha256(folder / "models/table.json")}
    known = {"schema": 1, "kind": "table", "trained_on": "Nothing.", "licence": "Apache-2.0", "sha256": sums}
    (folder / "configs/metadata.json").write_text(json.dumps(METADATA | {"onfh_assist": known | own}))
    return folder


def test_a_table_is_a_linear_or_logistic_combination_of_named_variables(tmp_path):
    table = open_table(load_bundle(make_table(tmp_path / "risk")))
    assert table({"age": 50.0}) == pytest.approx(1 / (1 + math.exp(0.5)))
    assert 0 <= table({"age": -1e12}) < 1e-9 and table({"age": 1e12}) <= 1
    linear = open_table(load_bundle(make_table(tmp_path / "score", TABLE | {"link": "identity"})))
    assert linear({"age": 50.0, "other": 9.0}) == pytest.approx(-0.5)
    with pytest.raises(KeyError):
        linear({})


@pytest.mark.parametrize(
    "table",
    [
        [],
        {},
        TABLE | {"link": "__import__"},
        TABLE | {"intercept": "1"},
        TABLE | {"intercept": True},
        TABLE | {"coefficients": {}},
        TABLE | {"coefficients": {"age": 1e30}},
        TABLE | {"coefficients": {"x" * 999: 1.0}},
        TABLE | {"coefficients": {f"v{n}": 1.0 for n in range(10_001)}},
        TABLE | {"code": "print()"},
        TABLE | {"outcome": ""},
    ],
)
def test_what_is_no_table_of_coefficients_is_refused(tmp_path, table):
    with pytest.raises(InputError) as error:
        load_bundle(make_table(tmp_path / "risk", table))
    assert "install" in str(error.value) and str(error.value).count(".") >= 1 and "\n" not in str(error.value)


def test_a_table_with_numbers_that_are_none_is_refused(tmp_path):
    folder = make_table(tmp_path / "risk")
    (folder / "models/table.json").write_text(json.dumps(TABLE).replace("-1.5", "NaN"))
    with pytest.raises(InputError, match="not readable JSON"):
        load_bundle(folder)


def test_a_table_that_was_changed_is_refused(tmp_path):
    folder = make_table(tmp_path / "risk")
    (folder / "models/table.json").write_text(json.dumps(TABLE | {"intercept": 9}))
    with pytest.raises(InputError, match="checksum differs"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("own", "said"),
    [({"kind": "spell"}, "of the kind 'spell'"), ({"kind": ["table"]}, "of the kind"), ({"sha256": {}}, "not valid")],
)
def test_an_unknown_kind_and_missing_checksums_are_refused(tmp_path, own, said):
    with pytest.raises(InputError, match=said):
        load_bundle(make_table(tmp_path / "risk", **own))


def test_a_network_that_lacks_its_weights_is_no_table(tmp_path):
    with pytest.raises(InputError, match=r"lacks .*model\.safetensors"):
        load_bundle(make_table(tmp_path / "risk", kind="classification"))


def as_kind(folder, kind, spatial_shape=(), pool=True):
    """Make a network give one vector for each image: the mean of each channel of its input's sums."""
    import openvino
    from openvino import opset13 as ops

    path = folder / "configs/metadata.json"
    content = json.loads(path.read_text())
    content["onfh_assist"]["kind"] = kind
    content["network_data_format"]["outputs"]["pred"]["spatial_shape"] = list(spatial_shape)
    if pool:
        graph = import_openvino().Core().read_model(folder / "models/model.xml")
        mean = ops.reduce_mean(graph.outputs[0].get_node().input_value(0), [2, 3], keep_dims=False)
        made = openvino.Model([mean], graph.get_parameters(), "means")
        for name in ("model.xml", "model.bin"):
            (folder / "models" / name).unlink()
        openvino.save_model(made, folder / "models/model.xml", compress_to_fp16=True)
        content["onfh_assist"]["sha256"] = {one.name: sha256(one) for one in (folder / "models").iterdir()}
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("kind", ["classification", "features"])
def test_a_classification_and_features_give_one_vector_for_each_image(bundle_folder, kind):
    bundle = load_bundle(as_kind(bundle_folder, kind))
    found = open_engine(bundle, "cpu", engine="openvino")(np.ones((2, 3, 32, 32), np.float32))
    assert bundle.kind == kind and found.shape == (2, 4) and np.allclose(found, [[3, 6, 9, 12]] * 2, rtol=1e-2)


def test_a_classification_that_declares_a_map_and_a_segmentation_that_declares_none_are_refused(write_bundle, tmp_path):
    with pytest.raises(InputError, match="does not fit"):
        load_bundle(as_kind(write_bundle(tmp_path / "a"), "classification", ["16*n", "16*n"]))
    with pytest.raises(InputError, match="does not fit"):
        load_bundle(as_kind(write_bundle(tmp_path / "b"), "segmentation"))


def test_a_graph_that_gives_a_map_is_no_classification(bundle_folder):
    bundle = load_bundle(as_kind(bundle_folder, "classification", pool=False))
    with pytest.raises(InputError, match="does not fit"):
        open_engine(bundle, "cpu", engine="openvino")


@pytest.mark.parametrize("name", ["ClassMapResNet", "ClassMapViT"])
def test_a_bundle_of_class_maps_is_made_and_gives_them_without_torch(tmp_path, name):
    torch = pytest.importorskip("torch", reason="torch is not installed: bundles are made with the train extra")
    pytest.importorskip("monai", reason="MONAI is not installed: bundles are made with the train extra")
    from ONFHAssistLib.models.networks import build_network
    from Testing.models.conftest import metadata_of
    from Testing.models.test_networks import MAPS
    from training.bundles.make import make_bundle, network_data_format

    torch.manual_seed(1)
    definition = {"spatial_dims": 2, "in_channels": 3, "out_channels": 5} | MAPS[name]
    definition = {"_target_": f"ONFHAssistLib.models.class_map.{name}"} | definition
    network = build_network(definition).eval()
    metadata = metadata_of(definition)
    inputs, outputs = ["before", "slice", "after"], list("12345")
    size = definition.get("img_size")
    metadata["network_data_format"] = network_data_format(2, inputs, outputs, size=size)
    metadata["onfh_assist"]["kind"] = "class_map"
    make_bundle(tmp_path / "maps", network.state_dict(), definition, metadata, "# Maps")

    bundle = load_bundle(tmp_path / "maps")
    try_out(bundle)
    engine = open_engine(bundle, "cpu", engine="openvino")
    images = np.random.default_rng(1).normal(size=(2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    assert bundle.kind == "class_map" and bundle.one_size == (size is not None)
    np.testing.assert_allclose(engine(images), expected, atol=5e-3)  # weights of 16 bits
    if bundle.one_size:
        with pytest.raises(ValueError, match=r"\(n, 3, 32, 32\)"):
            engine(np.zeros((1, 3, 64, 64), np.float32))
