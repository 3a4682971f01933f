"""Results go through JSON and bits and come back the same; what was written once stays readable, letter for letter."""

import base64
import json
import tracemalloc
import zlib

import numpy as np
import pytest

from ONFHAssistLib.core import codec
from ONFHAssistLib.core.findings import Figure, Finding, FindingMask
from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.volume import Volume
from Testing.made_up_strip import made_up_strip

GRID = Grid((4, 5, 6), np.diag([-1.0, 2.0, 3.0, 1.0]))
BOX = (slice(1, 3), slice(0, 4), slice(2, 5))


def in_box(array) -> Volume:
    return codec.part_on(GRID, BOX, array)


@pytest.fixture
def mask() -> np.ndarray:
    return np.random.default_rng(0).random((2, 4, 3)) > 0.2


@pytest.fixture
def masks(mask) -> HipMasks:
    values = np.where(mask, np.float32(0.3), np.float32(0))
    place = GRID.cropped(BOX)
    head, necrosis, probability = (Volume.on(place, array) for array in (mask, mask & False, values))
    return HipMasks(
        "left", GRID, BOX, head, necrosis, Sphere((0.1, 2.0, 3.0), 24.5), Landmarks((1.0, 2.0, 1 / 3)), probability,
        Calibration(0.6, 0.2, ("T1",), 1.5), "not sought",
    )  # fmt: skip


def test_the_box_of_what_is_in_a_mask_brings_back_the_whole(mask):
    volume = in_box(mask)
    box, part = codec.filled_part(volume)
    assert part.size < volume.array.size and part.any(axis=(1, 2)).all()
    again = codec.part_on(GRID, box, part)
    assert again.array.dtype == bool and np.array_equal(again.array, volume.array) and again.matches(GRID)


def test_an_empty_mask_has_an_empty_box_and_comes_back_empty():
    box, part = codec.filled_part(Volume.on(GRID, np.zeros(GRID.shape, bool)))
    assert part.size == 0 and not codec.part_on(GRID, box, part).array.any()


def test_bits_are_written_as_they_always_were(mask):
    text = codec.array_to_text(mask)
    bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8))
    assert np.array_equal(bits[: mask.size].reshape(mask.shape), mask)
    assert np.array_equal(codec.mask_from_text(text, mask.shape), mask)


def test_a_map_of_numbers_is_written_as_little_endian_float32(masks):
    values = masks.probability.array
    text = codec.array_to_text(values)
    assert zlib.decompress(base64.b64decode(text)) == values.astype("<f4").tobytes()
    assert np.array_equal(codec.fractions_from_text(text, values.shape), values)


def test_what_is_known_of_masks_comes_back_the_same_in_the_order_that_files_have(masks):
    text = json.dumps(codec.masks_to_plain(masks))
    assert list(json.loads(text)) == ["calibration", "not_sought", "sphere", "landmarks"]
    images = (getattr(masks, name).array for name in ("head", "necrosis", "probability"))
    again = codec.masks_from_plain("left", json.loads(text), GRID, BOX, *images)
    for name in ("side", "sphere", "landmarks", "calibration", "not_sought"):
        assert getattr(again, name) == getattr(masks, name)


def test_masks_that_version_0_1_0_kept_say_that_necrosis_was_sought(masks):
    plain = codec.masks_to_plain(masks) | {"calibration": None}
    del plain["not_sought"]
    again = codec.masks_from_plain("left", plain, GRID, BOX, masks.head.array, masks.necrosis.array, None)
    assert again.not_sought is None and again.calibration is None


def test_a_finding_comes_back_with_its_images(masks):
    own = FindingMask("n", "Necrosis", 9, "#102030", "a~b", masks.head)
    figures = (Figure("size", 1.5, "Size", "ml"),)
    finding = Finding("toy", "A toy", "left", figures=figures, masks=(own,), attention=masks.probability)
    plain = json.loads(json.dumps(codec.finding_to_plain(finding)))
    again = codec.finding_from_plain(plain, list(finding.volumes))
    assert again.masks == finding.masks and again.figures == finding.figures
    assert again.attention is masks.probability
    with pytest.raises(ValueError, match="missing"):
        codec.finding_from_plain(plain, [masks.head])


@pytest.mark.parametrize("ends", [[[0, 2], [0, 2]], [[0, 0], [0, 2], [0, 2]], [[0, 5], [0, 2], [0, 2]], "box", [[1]]])
def test_a_box_that_lies_outside_of_the_image_is_refused(ends):
    assert codec.box_from_plain(codec.box_to_plain(BOX), GRID.shape) == BOX
    with pytest.raises(ValueError):
        codec.box_from_plain(ends, GRID.shape)


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    "text",
    [
        packed(b""),
        packed(bytes(2)),
        packed(bytes(4)),
        packed(bytes(10**8)),
        packed(bytes(3))[:-4],
        base64.b64encode(zlib.compress(bytes(3)) + b"more").decode(),
        base64.b64encode(bytes(3)).decode(),
        "",
        "no letters of base64!",
        "Größe",
    ],
    ids=["empty", "too few", "too many", "bomb", "cut off", "more behind", "not packed", "nothing", "signs", "letters"],
)
def test_bits_of_another_shape_are_no_mask_and_are_not_unpacked(text):
    shape = (2, 4, 3)
    tracemalloc.start()
    with pytest.raises(ValueError):
        codec.mask_from_text(text, shape)
    with pytest.raises(ValueError):
        codec.fractions_from_text(text, shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6
    assert not codec.mask_from_text(packed(bytes(3)), shape).any()


@pytest.mark.parametrize("number", [np.nan, np.inf, -1.0, 1.5])
def test_a_map_of_what_is_no_probability_is_refused(number):
    with pytest.raises(ValueError, match="0 to 1"):
        codec.fractions_from_text(codec.array_to_text(np.array([[[0.5, number]]])), (1, 1, 2))


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("sphere", {"centre_ras_mm": [0.0, 0.0, 0.0], "radius_mm": 1e6}),
        ("sphere", {"centre_ras_mm": [0.0, 0.0, 0.0], "radius_mm": float("nan")}),
        ("sphere", {"centre_ras_mm": [0.0, 0.0, 1e7], "radius_mm": 24.0}),
        ("sphere", None),
        ("landmarks", {"teardrop_ras_mm": [0.0, float("inf"), 0.0]}),
        ("landmarks", {"teardrop_confidence": -1.0}),
        ("calibration", {"certain": 0.4, "possible": 0.2, "sequences": []}),
        ("calibration", []),
        ("not_sought", 3),
    ],
)
def test_what_no_hip_has_is_refused(masks, what, value):
    plain = codec.masks_to_plain(masks) | {what: value}
    with pytest.raises(ValueError):
        codec.masks_from_plain("left", plain, GRID, BOX, masks.head.array, masks.necrosis.array, None)


def test_a_hip_has_a_side_and_a_head(masks):
    plain = codec.masks_to_plain(masks)
    with pytest.raises(ValueError, match="'middle'"):
        codec.masks_from_plain("middle", plain, GRID, BOX, masks.head.array, masks.necrosis.array, None)
    with pytest.raises(ValueError, match="no head"):
        codec.masks_from_plain("left", plain, GRID, BOX, masks.necrosis.array, masks.necrosis.array, None)


@pytest.mark.parametrize("plain", [None, [], "x", {}, {"masks": None}])
def test_a_finding_that_is_none_is_refused(plain):
    with pytest.raises(ValueError):
        codec.finding_from_plain(plain, [])


@pytest.mark.parametrize("first_index", [None, 2])
def test_a_strip_comes_back_the_same(first_index):
    finding = Finding("toy", "A toy", "left", strip=made_up_strip(first_index=first_index))
    plain = json.loads(json.dumps(codec.finding_to_plain(finding)))
    assert codec.finding_from_plain(plain, []) == finding
    del plain["strip"]  # of what an older version has kept
    assert codec.finding_from_plain(plain, []).strip is None


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("slices", []),
        ("slices", [{"index": None, "position_ras_mm": [0.0, 0.0, 0.0], "probability": 0.5}] * 2001),
        ("slices", [{"index": None, "position_ras_mm": [0.0, 0.0, 0.0], "probability": 1.5}]),
        ("slices", [{"index": None, "position_ras_mm": [0.0, 0.0, 0.0], "probability": float("nan")}]),
        ("slices", [{"index": None, "position_ras_mm": [0.0, 1e9, 0.0], "probability": 0.5}]),
        ("slices", [{"index": None, "position_ras_mm": [0.0, float("inf"), 0.0], "probability": 0.5}]),
        ("slices", [{"index": 0.5, "position_ras_mm": [0.0, 0.0, 0.0], "probability": 0.5}]),
        ("slices", [{"index": 1, "position_ras_mm": [0.0, 0.0], "probability": 0.5}]),
        ("threshold", -1.0),
        ("threshold", "0.5"),
        ("direction", [0.0, 0.0, 0.0]),
        ("direction", [0.0, float("nan"), 1.0]),
        ("of", 3),
        ("what is that", 3),
    ],
)
def test_a_strip_that_no_image_has_is_refused(what, value):
    plain = codec.finding_to_plain(Finding("toy", "A toy", "left", strip=made_up_strip()))
    plain["strip"] |= {what: value}
    with pytest.raises(ValueError):
        codec.finding_from_plain(plain, [])
