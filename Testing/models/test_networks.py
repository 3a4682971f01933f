import sys

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.networks import build_network


@pytest.mark.parametrize("target", [None, "os.system", "monai.networks.nets.SomethingNew", "subprocess.Popen", 3, []])
def test_a_network_off_the_list_is_never_looked_up(target):
    with pytest.raises(InputError, match="BasicUNet"):
        build_network({"_target_": target, "args": "rm"})


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai.networks", None)
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
