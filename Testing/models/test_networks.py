import sys

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.networks import build_network


@pytest.mark.parametrize("target", [None, "os.system", "monai.networks.nets.SomethingNew", "subprocess.Popen", 3, []])
def test_a_network_off_the_list_is_never_looked_up(target):
    with pytest.raises(InputError, match="BasicUNet"):
        build_network({"_target_": target, "args": "rm"})


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
    with pytest.raises(InputError, match="pip install -e"):
        build_network({"_target_": "monai.networks.nets.BasicUNet"})


def test_wrong_arguments_are_named():
    pytest.importorskip("monai", reason="MONAI is not installed")
    with pytest.raises(InputError, match=r"do not fit .*colour"):
        build_network({"_target_": "monai.networks.nets.BasicUNet", "colour": "red"})


def test_the_definition_is_not_changed_and_builds_that_network():
    pytest.importorskip("monai", reason="MONAI is not installed")
    definition = {"_target_": "monai.networks.nets.BasicUNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2}
    network = build_network(definition | {"features": [4, 4, 4, 4, 4, 4]})
    assert type(network).__name__ == "BasicUNet" and "_target_" in definition
    assert network.final_conv.out_channels == 2


MAPS = {
    "ClassMapResNet": {"widths": [4, 8], "strides": [1, 2]},
    "ClassMapViT": {
        "img_size": [32, 32],
        "patch_size": 8,
        "hidden_size": 12,
        "mlp_dim": 24,
        "num_layers": 2,
        "num_heads": 3,
    },
}


@pytest.mark.parametrize("name", MAPS)
def test_the_mean_of_a_class_map_is_what_pooling_before_the_last_layer_gives(name):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("monai", reason="MONAI is not installed")
    definition = {"spatial_dims": 2, "in_channels": 3, "out_channels": 5} | MAPS[name]
    network = build_network({"_target_": f"ONFHAssistLib.models.class_map.{name}"} | definition).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        maps, features = network(images), network.features(images)
        pooled = features[0].mean(1) if isinstance(features, tuple) else features.mean((2, 3))
        weight = network.classes.weight.reshape(5, -1)
        logits = pooled @ weight.T + network.classes.bias
    assert maps.shape == (2, 5, *((8, 8) if name == "ClassMapResNet" else (4, 4)))
    torch.testing.assert_close(maps.mean((2, 3)), logits)


def test_a_network_with_more_strides_than_widths_is_refused():
    pytest.importorskip("monai", reason="MONAI is not installed")
    definition = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "widths": [4], "strides": [1, 2]}
    with pytest.raises(InputError, match="1 widths and 2 strides"):
        build_network({"_target_": "ONFHAssistLib.models.class_map.ClassMapResNet"} | definition)
