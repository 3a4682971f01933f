"""The bundles that come with the software: both engines see the same, and a bundle is opened once for many studies."""

from functools import cache

import numpy as np
import pytest

from ONFHAssistLib import analysis
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.imaging.canonical import network_slices
from ONFHAssistLib.imaging.head_check import head_box
from ONFHAssistLib.imaging.hips import coarse_volume
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.imaging.segment import crop_hip
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import open_engine

BUNDLES = sorted(path.name for path in resource_path("Bundles").iterdir() if (path / "configs").is_dir())


@cache
def sample():
    """The procedural sample study, and what the analysis makes of it."""
    study = read_study(resource_path("SampleData", "procedural_t1.nii.gz"))
    return study, analysis.analyse(study, models=models())


@cache
def models():
    return analysis.open_models("cpu")


def image_like(bundle) -> np.ndarray:
    """The whole sample study for a network in 3D, the slices of its hips for one in 2D."""
    study, result = sample()
    if len(bundle.size_multiples) == 3 and bundle.input["size_px"]:
        size, pixel_mm = bundle.input["size_px"][0], bundle.input["pixel_mm"]
        return np.stack([head_box(study.volume, "MR", hip.sphere, hip.side, size, pixel_mm) for hip in result.hips])
    if len(bundle.size_multiples) == 3:
        return coarse_volume(study.volume, "MR").array[None, None]
    own = bundle.input
    hips = [crop_hip(study.volume, "MR", hip.side, hip.sphere.centre_ras_mm) for hip in result.hips]
    patches = np.concatenate(
        [
            network_slices(
                hip, seen.sphere.centre_ras_mm, own["size_px"][-1], own["pixel_mm"], own.get("neighbour_mm") or 4.0
            )
            for hip, seen in zip(hips, result.hips, strict=True)
        ]
    )
    # The slice itself first, so that a network with one channel sees it.
    return patches[:, [(1, 0, 2)[channel % 3] for channel in range(bundle.in_channels)]]


@pytest.mark.parametrize("name", BUNDLES)
def test_openvino_marks_what_torch_marks(name):
    """A Dice of at least 0.999 for each class on images like those that the network was made for, both in f32."""
    pytest.importorskip("torch", reason="torch is not installed: it comes with the train extra")
    pytest.importorskip("monai", reason="MONAI is not installed: it comes with the train extra")
    bundle = load_bundle(name)
    batch = image_like(bundle)
    with_openvino = open_engine(bundle, "cpu", engine="openvino", precision="f32")
    with_torch = open_engine(bundle, "cpu", engine="torch", precision="f32")
    assert (with_openvino.name.split()[0], with_torch.name.split()[0]) == ("OpenVINO", "torch")
    ours, theirs = with_openvino(batch), with_torch(batch)
    assert np.abs(ours - theirs).max() < 1e-3 * max(1.0, np.abs(theirs).max())
    classes = range(ours.shape[1])
    for label in classes if len(classes) > 1 else [True]:
        marked = [logits.argmax(1) == label if len(classes) > 1 else logits[:, 0] > 0 for logits in (ours, theirs)]
        assert dice(*marked) >= 0.999


def dice(ours: np.ndarray, theirs: np.ndarray) -> float:
    both = ours.sum() + theirs.sum()
    return 2 * (ours & theirs).sum() / both if both else 1.0


def test_a_bundle_is_opened_once_for_two_studies(monkeypatch):
    opened = []

    def counted(bundle, *arguments, **named):
        opened.append(bundle.name)
        return open_engine(bundle, *arguments, **named)

    monkeypatch.setattr(analysis, "open_engine", counted)
    study, first = sample()
    kept = analysis.open_models("cpu")
    again = [analysis.analyse(study, models=kept) for _ in range(2)]
    assert opened == ["hip_finder", "head_check", "anatomy", "necrosis"]
    for result in again:
        assert result.hips == first.hips
        for masks, expected in zip(result.masks, first.masks, strict=True):
            np.testing.assert_array_equal(masks.head.array, expected.head.array)
