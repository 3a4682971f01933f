"""What travels between the processes arrives as it was, to the last bit."""

import io
from dataclasses import replace

import numpy as np
import pytest

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.findings import Figure, Finding, FindingMask
from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.core.masks import Calibration
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.results import Grade, HipResult, Notice
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.worker import wire
from Testing.exchange.made_up_study import coronal_grid, make_study


def through_a_pipe(message, arrays):
    pipe = io.BytesIO()
    wire.write(pipe, message, arrays)
    pipe.seek(0)
    received = wire.read(pipe)
    assert wire.read(pipe) is None
    return received


def same_masks(a, b) -> bool:
    volumes = ("head", "necrosis", "probability")
    for name in volumes:
        one, other = getattr(a, name), getattr(b, name)
        if (one is None) != (other is None):
            return False
        if one is not None and not (
            one.array.dtype == other.array.dtype
            and np.array_equal(one.array, other.array)
            and np.array_equal(one.ijk_to_ras, other.ijk_to_ras)
        ):
            return False
    rest = ("side", "box", "sphere", "landmarks", "calibration", "not_sought")
    return a.grid.matches(b.grid) and all(getattr(a, name) == getattr(b, name) for name in rest)


def same_finding(a, b) -> bool:
    same = (
        one.array.dtype == other.array.dtype and np.array_equal(one.array, other.array)
        for one, other in zip(a.volumes, b.volumes, strict=True)
    )
    described = [
        replace(each.with_volumes(lambda volume: None), attention=each.attention is not None) for each in (a, b)
    ]
    return all(same) and described[0] == described[1]


def same_result(a, b) -> bool:
    """Whether two results are equal in all that they hold."""
    without = {"volume": None, "masks": (), "findings": ()}
    return (
        replace(a, **without) == replace(b, **without)
        and np.array_equal(a.volume.array, b.volume.array)
        and len(a.masks) == len(b.masks)
        and all(map(same_masks, a.masks, b.masks))
        and len(a.findings) == len(b.findings)
        and all(map(same_finding, a.findings, b.findings))
    )


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        np.asfortranarray(np.arange(24, dtype=">f8").reshape(2, 3, 4))[:, ::-1],
        np.zeros((0, 3, 4), bool),
        np.array([np.nan, -0.0, np.inf], np.float32),
    ],
    ids=["int16", "big-endian, not contiguous", "empty", "special floats"],
)
def test_arrays_arrive_as_they_were(array):
    message, (received,) = through_a_pipe({"kind": "x", "text": "Größe"}, [array])
    assert message == {"kind": "x", "text": "Größe"}
    assert received.dtype == array.dtype and received.shape == array.shape
    assert received.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "said",
    [
        b"hello\n",
        b"[1]\n",
        b'{"id": 1, "arrays": []}\n',
        b'{"kind": "x", "arrays": [{"dtype": "|O", "shape": [1]}]}\n',
    ],
)
def test_what_is_no_message_is_refused(said):
    with pytest.raises(ValueError):
        wire.read(io.BytesIO(said))


def test_a_message_that_ends_in_the_middle_is_no_message():
    pipe = io.BytesIO()
    wire.write(pipe, {"kind": "x"}, [np.arange(9)])
    with pytest.raises(EOFError):
        wire.read(io.BytesIO(pipe.getvalue()[:-1]))


def test_options_arrive_as_they_were():
    options = AnalysisOptions(
        ("left",),
        "cuda",
        (HeadSeed("left", (0.1, -2.0, 1e-17)),),
        "torch",
        "bf16",
        ("networks", "steinberg-t1"),
        {"age": 52.0},
    )
    study = Study(make_study().volume, {"modality": "MR", "spacing_mm": [0.1, 0.2, 5.0], "contrast_agent": None})
    entries, arrays = wire.pack_study(study, options)
    received, received_options = wire.unpack_study(*through_a_pipe({"kind": "analyse", **entries}, arrays))
    assert received_options == options
    assert received.source == study.source and received.patient == {} and received.notices == ()
    assert np.array_equal(received.volume.ijk_to_ras, study.volume.ijk_to_ras)
    assert np.array_equal(received.volume.array, study.volume.array)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_result_arrives_as_it_was(mirror):
    """Oblique, mirrored; a hip that is not graded; findings with masks and a map, and without; an empty mask."""
    made = make_study(coronal_grid(turn_deg=17.3, mirror=mirror), calibration=Calibration(0.8, 0.1 + 0.2, ("T1",)))
    right, left = (masks.whole() for masks in made.masks)
    volume = made.volume
    attention = volume.like(right.head.array.astype(np.float32) * np.float32(0.1))
    masks = tuple(
        FindingMask(name, f"Right {name}", label, "#009e73", "a~b", mask)
        for name, label, mask in (("head", 5, right.head), ("hole", 6, left.necrosis))
    )
    grade = Grade("mild", "14 %", 0.14, 0.01)
    findings = (
        Finding(
            "toy", "A toy", "right", grades={"steinberg": grade}, probabilities={"collapse": 0.1 + 0.2},
            figures=(Figure("contrast", 0.25, unit="fraction"), Figure("passed", True), Figure("dice", None, "Dice")),
            slices=made.hips[0].slices, masks=masks, attention=attention, notes=("Größe.",), caption="Look.",
        ),
        Finding("toy", "A toy", "patient", reason="It needs the age."),
    )  # fmt: skip
    refused = HipResult("left", "not graded", "There is metal in the left hip.")
    result = replace(
        made,
        hips=(made.hips[0], refused),
        masks=(made.masks[0], replace(made.masks[1], probability=None, calibration=None)),
        findings=findings,
    )
    assert not left.necrosis.array.any()
    study = Study(result.volume, result.source, result.patient, (Notice("read", "Seen while reading."),))
    entry, arrays = wire.pack_result(result)
    message, received = through_a_pipe({"kind": "finished", "result": entry}, arrays)
    back = wire.unpack_result(message["result"], received, study)
    assert same_result(back, replace(result, warnings=(*study.notices, *result.warnings)))
    assert back.volume is study.volume
    whole = [getattr(masks, name) for masks in (right, left) for name in ("head", "necrosis", "probability")]
    assert sum(array.nbytes for array in arrays) < 0.2 * sum(volume.array.nbytes for volume in whole if volume)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda masks: masks.update(side="middle"),
        lambda masks: masks.update(sphere={"centre_ras_mm": [0.0, 0.0, 0.0], "radius_mm": 1e6}),
        lambda masks: masks["from"].__setitem__(0, -1),
        lambda masks: masks["from"].__setitem__(0, 10**6),
        lambda masks: masks.update({"from": [0, 0]}),
        lambda masks: masks["from"].append(0),
    ],
)
def test_masks_that_do_not_lie_on_the_image_are_refused(spoil):
    made = make_study()
    entry, arrays = wire.pack_result(made)
    spoil(entry["masks"][0])
    with pytest.raises(ValueError):
        wire.unpack_result(entry, arrays, Study(made.volume, made.source))


def test_a_result_whose_images_were_not_sent_is_refused():
    made = make_study()
    entry, arrays = wire.pack_result(made)
    with pytest.raises(ValueError, match="not sent"):
        wire.unpack_result(entry, arrays[:-1], Study(made.volume, made.source))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda hip: hip | {"side": "middle"}, "side"),
        (lambda hip: hip | {"volume_ratio": "much"}, "volume_ratio"),
        (lambda hip: hip | {"colour": "red"}, "colour"),
        (lambda hip: {"side": hip["side"]}, "not complete"),
        (lambda hip: hip | {"look_first": [1, None]}, "look_first"),
    ],
)
def test_plain_values_that_do_not_fit_are_refused(spoil, reason):
    plain = to_plain(make_study().hips[0])
    assert from_plain(HipResult, plain) == make_study().hips[0]
    with pytest.raises(ValueError, match=reason):
        from_plain(HipResult, spoil(plain))


def test_what_an_older_version_did_not_know_takes_its_default():
    plain = to_plain(make_study().hips[0])
    del plain["look_first"]
    assert from_plain(HipResult, plain).look_first == ()


def test_images_are_no_plain_values():
    with pytest.raises(TypeError):
        to_plain(make_study().masks[0])
