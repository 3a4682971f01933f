import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.volume import Volume
from training.phantoms.bright_lesions import EDGE_MM, SIGNAL, paint_bright


def ball(radius_mm=24.0):
    matrix = np.diag([-1.0, -1.0, 5.0, 1.0])
    matrix[:3, 3] = [130, 40, -40]
    image = Volume(np.full((20, 80, 80), 100.0), matrix)
    sphere = Sphere((90.0, 0.0, 10.0), radius_mm)
    return image, np.linalg.norm(image.grid_ras() - np.array(sphere.centre_ras_mm), axis=-1) <= radius_mm, sphere


@pytest.mark.parametrize("ratio", [0.06, 0.2, 0.35])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_lesion_has_its_size_lies_in_the_head_and_is_bright(side, ratio):
    image, head, sphere = ball()
    lesion = paint_bright(image, head, sphere, side, ratio, np.random.default_rng(4))
    assert lesion.necrosis.sum() / head.sum() == pytest.approx(ratio, abs=0.005)
    assert not (lesion.necrosis & ~head).any()
    np.testing.assert_array_equal(lesion.image[~head], 100)
    depth = sphere.radius_mm - np.linalg.norm(image.grid_ras() - np.array(sphere.centre_ras_mm), axis=-1)
    inner = lesion.image[lesion.necrosis & (depth > EDGE_MM + 5)]
    assert inner.size and SIGNAL[0] * 90 < np.median(inner) < SIGNAL[1] * 110
    assert lesion.image.min() > 80  # no dark band anywhere


def test_the_same_seed_gives_the_same_lesion_and_the_input_stays():
    image, head, sphere = ball()
    one, two = (paint_bright(image, head, sphere, "right", 0.2, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert (image.array == 100).all()


@pytest.mark.parametrize("ratio", [0.0, -1.0, 0.7])
def test_a_ratio_that_makes_no_sense_is_refused(ratio):
    image, head, sphere = ball()
    with pytest.raises(InputError):
        paint_bright(image, head, sphere, "right", ratio, np.random.default_rng(1))
    with pytest.raises(InputError):
        paint_bright(image, np.zeros_like(head), sphere, "right", 0.2, np.random.default_rng(1))
