"""S-CT on one slice or picture: discs for heads, a smaller disc for a lesion; the networks read grey levels."""

import dataclasses
import json

import jsonschema
import numpy as np
import pytest
from scipy import ndimage

from ONFHAssistLib import cli
from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.tables import report
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.slice_heads import RADIUS_UNIT_PX
from ONFHAssistLib.systems import chosen
from ONFHAssistLib.systems.base import Models, refusal
from Testing.hip_phantom import network

RADIUS_PX, LESION_PX = 60, 22
PLACES = {"right": (150, 160), "left": (570, 160)}
"""Column and row of the heads on the picture."""
LESION_OFF = (10, -20)
TISSUE, BONE, SICK = 60.0, 150.0, 225.0
SOURCE = {"kind": "PNG", "modality": "unknown", "sequence": "unknown", "plane": "coronal", "fat_suppressed": False}
SOURCE |= {"obliquity_deg": 0.0, "shape": [1, 330, 720]}
SOURCE |= {"sequence_from": "image", "contrast_agent": None, "body_part": "", "form": "picture", "spacing_mm": None}
PATCH = {"size_px": [128, 128], "pixel_mm": 0.75, "neighbour_mm": 3.0}
DECISION = {"rule": "maximum", "slice_from": 0.4, "hip_from": 0.5, "run_from": 0.5, "measured_on": "Nobody."}


def disc(shape, column, row, radius) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.hypot(columns - column, rows - row) < radius


def lesion(shape, side: str) -> np.ndarray:
    column, row = PLACES[side]
    return disc(shape, column + LESION_OFF[0], row + LESION_OFF[1], LESION_PX)


def picture(*sides, sick=("right",), white=()) -> Study:
    """An 8-bit picture of 720 x 330 pixels, the patient's right at the left."""
    shape = (330, 720)
    array = TISSUE + np.random.default_rng(0).uniform(0, 6, shape)
    for side in sides:
        array[disc(shape, *PLACES[side], RADIUS_PX)] = BONE
        array[lesion(shape, side) & (side in sick)] = SICK
        array[disc(shape, *PLACES[side], 30) & (side in white)] = 255
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    return Study(Volume(array[None].astype(np.float32), matrix), SOURCE)


def finder(sees: bool):
    """See each disc of bone: its middle and its radius; or nothing at all."""

    def maps(batch):
        found = np.zeros((len(batch), 3, *batch.shape[2:]))
        found[:, :2] = -12
        rows, columns = np.indices(batch.shape[2:])
        for image, out in zip(batch[:, 0], found, strict=True):
            pieces, count = ndimage.label(image > -0.3)
            for n in range(1, count * sees + 1):
                radius = np.sqrt((pieces == n).sum() / np.pi)
                row, column = ndimage.center_of_mass(pieces == n)
                bell = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (0.1 * radius**2))
                out[0] = np.maximum(out[0], -12 + 15 * bell)
                out[2][pieces == n] = np.log(radius / RADIUS_UNIT_PX)
        return found

    return network(maps, "slice_finder", size_px=[192, 192], pixel_mm=1.0)


def models(outline_from: float = 0.5, sees: bool = True) -> Models:
    """Grey levels go from -1 to 1: what is brighter than 0.5 is a lesion."""

    def looks(batch):
        sick = (batch[:, 1:2] > 0.5).reshape(len(batch), 1, 16, 8, 16, 8).mean(axis=(3, 5))
        return np.where(sick.any(axis=(1, 2, 3), keepdims=True), 4.0, -4.0) * np.ones_like(sick) + sick - sick.mean()

    return Models.of(
        finder(sees),
        network(looks, "ct_diagnosis", decision=DECISION, **PATCH),
        network(lambda batch: 40 * (batch[:, 1:2] - outline_from), "ct_necrosis", **PATCH),
    )


def found_on(study: Study, **more):
    return analyse(study, AnalysisOptions(systems=("coronal-ct",)), models=models(**more))


def test_a_picture_is_diagnosed_by_the_slice_and_its_lesion_outlined_on_the_picture_itself():
    study = picture("right", "left")
    result = found_on(study)
    right, left = result.findings
    assert (right.about, left.about) == ("right", "left") and result.hips == ()
    assert (
        right.grades["Necrosis on CT"].grade == "necrosis" and left.grades["Necrosis on CT"].grade == "no necrosis seen"
    )
    assert right.value("value") > 0.9 > 0.1 > left.value("value") and left.masks == ()
    (mask,) = right.masks
    drawn = lesion(study.volume.shape[1:], "right")
    dice = 2 * (mask.volume.array[0] & drawn).sum() / (mask.volume.array.sum() + drawn.sum())
    assert dice > 0.92 and right.value("ratio") == pytest.approx((LESION_PX / (1.04 * RADIUS_PX)) ** 2, rel=0.12)
    assert right.value("pixel_mm") == pytest.approx(48 / (2 * RADIUS_PX), rel=0.03)
    looked = right.attention.array[0]
    assert looked.max() <= 1 and looked[drawn].mean() > 0.9 and not looked[:, 400:].any()


def test_it_is_said_what_a_picture_does_not_know():
    (right, _) = found_on(picture("right", "left")).findings
    notes = " ".join(right.notes)
    for words in ("no Hounsfield units", "taken for a coronal CT", "The pixel size is not known", "this slice alone"):
        assert words in notes
    assert right.grades["Necrosis on CT"].rule.endswith("≥ 40.0 %: necrosis.")


def test_the_report_of_a_picture_follows_the_schema():
    schema = json.loads(resource_path("Schemas", "onfh-assist-report-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(report(found_on(picture("right", "left"))), schema)


def test_a_head_white_as_metal_is_refused_and_the_other_one_diagnosed():
    right, left = found_on(picture("right", "left", sick=(), white=("left",))).findings
    assert right.reason is None and "metal at the left femoral head (2" in left.reason and left.grades == {}


def test_a_head_at_the_border_is_refused():
    study = picture("right", "left")
    cut = Volume(study.volume.array[:, :, 115:], study.volume.ijk_to_ras)
    right = next(f for f in found_on(dataclasses.replace(study, volume=cut)).findings if f.about == "right")
    assert "cut by the border" in right.reason


def test_a_picture_without_a_head_says_so():
    (found,) = found_on(picture(), sees=False).findings
    assert found.about == "patient" and "saw no femoral head" in found.reason


def test_a_slice_that_looks_diseased_without_an_outline_is_not_sound():
    right, _ = found_on(picture("right", "left"), outline_from=2.0).findings
    assert right.grades["Necrosis on CT"].grade == "not sound" and right.masks == ()
    assert "by which disease is not said" in " ".join(right.notes)


def as_slice(study: Study, spacing_mm: float = 0.4) -> Study:
    """The same as a coronal slice of a CT, in HU; what was grey 0 to 255 is -200 to 800 HU."""
    matrix = study.volume.ijk_to_ras.copy()
    matrix[:3, :3] *= spacing_mm
    array = study.volume.array / 255 * 1000 - 200
    array[:, :40] = -1000
    source = SOURCE | {"form": "slice", "modality": "CT", "spacing_mm": [spacing_mm] * 3}
    return Study(Volume(array, matrix), source)


def test_a_coronal_slice_in_hounsfield_units_is_diagnosed_with_its_own_pixel_size():
    right, left = found_on(as_slice(picture("right", "left"))).findings
    assert (
        right.grades["Necrosis on CT"].grade == "necrosis" and left.grades["Necrosis on CT"].grade == "no necrosis seen"
    )
    assert right.value("pixel_mm") == pytest.approx(0.4)
    assert not any("Hounsfield" in note or "pixel size" in note for note in right.notes)


def test_slices_and_pictures_that_it_cannot_read_are_refused():
    (system,) = chosen(["coronal-ct"])
    plain = picture("right")
    coronal = as_slice(plain)

    def refused(study, **source):
        return refusal(system, dataclasses.replace(study, source=study.source | source), {})

    assert refused(plain) == refused(coronal) == ""
    assert "this image is DX" in refused(plain, modality="DX")
    assert "this one is axial; give the whole series" in refused(coronal, plane="axial")
    grey = dataclasses.replace(coronal, volume=coronal.volume.like(np.abs(coronal.volume.array)))
    assert "this image's values are none" in refused(grey)


def test_a_png_of_a_ct_is_diagnosed_on_the_command_line(tmp_path, capfd):
    """With the shipped networks, on a picture of nothing: it ends in a sentence."""
    if any(
        not resource_path("Bundles").joinpath(name).is_dir() for name in ("ct_diagnosis", "ct_necrosis", "slice_finder")
    ):
        pytest.skip("the bundles of S-CT are not there")
    from PIL import Image

    array = np.random.default_rng(0).uniform(0, 90, (200, 300)).astype(np.uint8)
    Image.fromarray(array).save(tmp_path / "noise.png")
    code = cli.main(["grade", str(tmp_path / "noise.png"), "--system", "coronal-ct", "--out", str(tmp_path / "out")])
    assert code == 0, capfd.readouterr().err
