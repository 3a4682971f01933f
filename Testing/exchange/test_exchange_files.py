"""Files that other programs read: report.json, slices.csv, masks.nii.gz, masks.seg.nrrd."""

import csv
import dataclasses
import gzip
import io
import json
import os

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from made_up_study import PATIENT, coronal_grid, make_study

from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.exchange.masks import label_map, segmentation_nrrd, write_nifti
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.exchange.tables import report, report_json, slices_csv

GRIDS = {
    "straight": coronal_grid(),
    "oblique": coronal_grid(turn_deg=17.3),
    "left-handed": coronal_grid(mirror=True),
    "oblique and left-handed": coronal_grid(turn_deg=-31.0, mirror=True),
}


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(resource_path("Schemas", "onfh-assist-report-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_a_report_follows_its_schema(study, validator):
    validator.validate(json.loads(report_json(study)))
    validator.validate(json.loads(report_json(study, identify=True)))


def test_what_is_uncertain_is_in_the_report_where_it_is_known_and_null_where_not(study, doubtful, validator):
    right, left = json.loads(report_json(study))["hips"]
    assert [hip["ratio_interval"] for hip in (right, left)] == [None, None]
    assert right["look_first"] == [] and right["grades"]["steinberg"]["interval"] is None
    assert {s["uncertain_mm2"] for s in right["slices"]} == {None}
    content = json.loads(report_json(doubtful))
    validator.validate(content)
    right, left = content["hips"]
    low, high = right["ratio_interval"]
    assert low < right["volume_ratio"] < high
    assert right["grades"]["steinberg"]["interval"] == [low, high] and right["grades"]["jic"]["interval"] is None
    area = {s["index"]: s["uncertain_mm2"] for s in right["slices"]}
    assert [area[index] for index in right["look_first"]] == sorted(area.values(), reverse=True)[:3]
    assert left["ratio_interval"] == [0, 0] and left["look_first"] == []


def test_a_hip_that_was_not_graded_is_reported_with_its_reason(study, validator):
    hips = (study.hips[0], HipResult("left", "not graded", "A metal implant lies in the left head."))
    content = json.loads(report_json(dataclasses.replace(study, hips=hips, masks=study.masks[:1])))
    validator.validate(content)
    assert content["hips"][1]["status"] == "not graded"
    assert content["hips"][1]["reason"] == "A metal implant lies in the left head."
    assert content["hips"][1]["volume_ratio"] is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("research_use"),
        lambda r: r.update(extra=1),
        lambda r: r["hips"][0].update(side="both"),
        lambda r: r["hips"][0].update(status="not graded"),
        lambda r: r["hips"][0].update(volume_ratio=31.4),
        lambda r: r["hips"][0].update(ratio_interval=[0.1, 31.4]),
        lambda r: r["hips"][0].update(look_first=[1, 2, 3, 4]),
        lambda r: r["hips"][0]["slices"][0].update(ratio=None),
        lambda r: r["hips"][0]["sphere"].update(centre_ras_mm=[1, 2]),
        lambda r: r["hips"][0]["grades"]["steinberg"].update(grade="bad"),
        lambda r: r["hips"][0]["grades"]["steinberg"].pop("worst_slice"),
        lambda r: r["hips"][0]["grades"]["jic"].update(grade="D"),
        lambda r: r["hips"][1]["grades"]["jic"].update(reason=None),
        lambda r: r["hips"][0].update(grades={}),
        lambda r: r["hips"][0]["grades"].pop("cjfh"),
        lambda r: r["input"].pop("contrast_agent"),
        lambda r: r["input"].update(spacing_mm=[1, 2]),
        lambda r: r["models"][0].pop("trained_on"),
    ],
)
def test_the_schema_refuses_a_report_that_is_wrong(study, validator, spoil):
    content = report(study)
    spoil(content)
    assert list(validator.iter_errors(content))


def test_a_grade_that_cannot_be_given_is_null_with_its_reason(study):
    jic = report(study)["hips"][1]["grades"]["jic"]
    assert jic["grade"] is None
    assert jic["reason"] == study.hips[1].grades["jic"].rule != ""


def test_numbers_that_are_not_finite_and_numpy_numbers_become_plain_json(study):
    grade = Grade("A", "rule", float("nan"), float("inf"), "deg", {"arc": np.array([1.5, np.nan]), "n": np.int64(3)})
    hip = dataclasses.replace(study.hips[0], grades={"jic": grade})
    jic = json.loads(report_json(dataclasses.replace(study, hips=(hip,))))["hips"][0]["grades"]["jic"]
    assert (jic["value"], jic["margin"], jic["arc"], jic["n"]) == (None, None, [1.5, None], 3)


def test_the_patient_is_named_only_when_asked_for(study):
    assert "patient" not in report(study)
    assert not any(secret in report_json(study) for secret in PATIENT.values())
    assert report(study, identify=True)["patient"] == PATIENT


def test_the_same_result_gives_the_same_bytes(study):
    assert report_json(study) == report_json(study)
    assert segmentation_nrrd(study.volume, study.masks) == segmentation_nrrd(study.volume, study.masks)


def test_slices_csv_holds_every_slice_with_its_numbers(study):
    rows = list(csv.DictReader(io.StringIO(slices_csv(study))))
    expected = [(hip.side, s) for hip in study.hips for s in hip.slices]
    assert len(rows) == len(expected) > 10
    for row, (side, s) in zip(rows, expected, strict=True):
        assert (row["side"], int(row["index"]), row["steinberg"]) == (side, s.index, s.steinberg)
        position = [float(row[f"position_{axis}_mm"]) for axis in "ras"]
        assert position == pytest.approx(s.position_ras_mm, abs=1e-3)
        assert float(row["head_mm2"]) == pytest.approx(s.head_mm2, abs=0.01)
        assert float(row["necrosis_mm2"]) == pytest.approx(s.necrosis_mm2, abs=0.01)
        assert float(row["ratio"]) == pytest.approx(s.necrosis_mm2 / s.head_mm2, abs=1e-5)


def test_slices_csv_says_how_much_of_a_slice_is_uncertain_where_it_is_known(study, doubtful):
    assert {row["uncertain_mm2"] for row in csv.DictReader(io.StringIO(slices_csv(study)))} == {""}
    found = [float(row["uncertain_mm2"]) for row in csv.DictReader(io.StringIO(slices_csv(doubtful)))]
    assert found == pytest.approx([s.uncertain_mm2 for hip in doubtful.hips for s in hip.slices], abs=0.01)


@pytest.mark.parametrize("matrix", GRIDS.values(), ids=GRIDS.keys())
def test_masks_lie_on_the_grid_of_the_input(tmp_path, matrix):
    result = make_study(matrix)
    write_nifti(tmp_path / "masks.nii.gz", result.volume, result.masks)
    image = sitk.ReadImage(str(tmp_path / "masks.nii.gz"))
    assert image.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(sitk.GetArrayFromImage(image), label_map(result.volume, result.masks))
    for ijk in [(0, 0, 0), (129, 0, 0), (0, 69, 0), (0, 0, 19), (129, 69, 19)]:
        r, a, s = result.volume.ras(np.array(ijk))
        assert image.TransformIndexToPhysicalPoint(ijk) == pytest.approx((-r, -a, s), abs=1e-4)


def test_necrosis_is_written_over_head_and_sides_keep_their_values(study):
    labels = label_map(study.volume, study.masks)
    right, left = (masks.whole() for masks in study.masks)
    assert np.array_equal(labels == MaskLabel.RIGHT_NECROSIS, right.necrosis.array)
    assert np.array_equal(labels == MaskLabel.RIGHT_HEAD, right.head.array & ~right.necrosis.array)
    assert np.array_equal(labels == MaskLabel.LEFT_HEAD, left.head.array)
    assert set(np.unique(labels)) == {0, 1, 2, 3}


def parse_nrrd(content: bytes) -> tuple[dict[str, str], np.ndarray]:
    """Read a gzip NRRD by its specification: header fields "key: value" and "key:=value", then the voxels."""
    header, _, data = content.partition(b"\n\n")
    lines = header.decode().splitlines()
    assert lines[0] == "NRRD0004"
    fields = dict(line.split(":=" if ":=" in line else ": ", 1) for line in lines[1:])
    shape = [int(n) for n in fields["sizes"].split()][::-1]
    return fields, np.frombuffer(gzip.decompress(data), np.uint8).reshape(shape)


@pytest.mark.parametrize("matrix", GRIDS.values(), ids=GRIDS.keys())
def test_segments_overlap_in_slicers_format_and_lie_where_the_masks_are(matrix):
    result = make_study(matrix)
    fields, voxels = parse_nrrd(segmentation_nrrd(result.volume, result.masks))
    assert fields["kinds"] == "list domain domain domain"
    assert fields["space"] == "left-posterior-superior"
    masks = [m.array for hip in result.masks for m in (hip.whole().head, hip.whole().necrosis)]
    for number, mask in enumerate(masks):
        layer, value = int(fields[f"Segment{number}_Layer"]), int(fields[f"Segment{number}_LabelValue"])
        assert np.array_equal(voxels[..., layer] == value, mask)
    directions = fields["space directions"].split()
    assert directions[0] == "none"
    steps = np.array([json.loads(v.replace("(", "[").replace(")", "]")) for v in directions[1:]])
    origin = np.array(json.loads(fields["space origin"].replace("(", "[").replace(")", "]")))
    r, a, s = result.volume.ras(np.array([100, 50, 15]))
    assert origin + np.array([100, 50, 15]) @ steps == pytest.approx((-r, -a, s), abs=1e-6)


def test_segments_carry_name_colour_extent_and_terms(study):
    fields, _ = parse_nrrd(segmentation_nrrd(study.volume, study.masks))
    names = [fields[f"Segment{n}_Name"] for n in range(4)]
    assert names == [
        "Right femoral head",
        "Right femoral head necrosis",
        "Left femoral head",
        "Left femoral head necrosis",
    ]
    assert len({fields[f"Segment{n}_Color"] for n in range(4)}) == 4
    for n in range(4):
        tag, entry = fields[f"Segment{n}_Tags"].rstrip("|").split(":", 1)
        parts = entry.split("~")
        assert tag == "TerminologyEntry"
        assert len(parts) == 7
        assert all(parts[m].count("^") == 2 for m in (1, 2, 3, 5, 6))
    assert "SCT^2812003^Femoral head~SCT^24028007^Right" in fields["Segment0_Tags"]
    assert "SCT^6574001^Necrosis~^^~" in fields["Segment3_Tags"]
    assert fields["Segment3_Tags"].endswith("SCT^2812003^Femoral head~SCT^7771000^Left|")
    k, j, i = np.nonzero(study.masks[0].whole().necrosis.array)
    assert fields["Segment1_Extent"] == f"{i.min()} {i.max()} {j.min()} {j.max()} {k.min()} {k.max()}"
    assert fields["Segment3_Extent"] == "0 -1 0 -1 0 -1"


def test_every_label_but_the_background_has_a_segment():
    assert set(segments()) == set(MaskLabel) - {MaskLabel.BACKGROUND}


@pytest.mark.parametrize(
    ("name", "grade", "expected"),
    [
        ("steinberg", Grade("severe", "r", 0.329, 0.029, "fraction"), True),
        ("steinberg", Grade("severe", "r", 0.331, 0.031, "fraction"), False),
        ("steinberg", Grade("without ONFH", "r", 0.0, 0.001, "fraction"), False),
        ("steinberg", Grade("mild", "r", 0.004, 0.003, "fraction"), True),
        ("kerboul", Grade(2, "r", 209.0, 9.0, "deg"), True),
        ("kerboul", Grade(2, "r", 211.0, 11.0, "deg"), False),
        ("cjfh", Grade("C", "r"), False),
        ("jic", Grade(None, "r", 1.0, 1.0, "deg"), False),
    ],
)
def test_a_grade_close_to_a_threshold_is_borderline(name, grade, expected):
    assert is_borderline(name, grade) is expected


def test_masks_are_written_into_a_folder_whose_name_is_not_utf8(tmp_path):
    result = make_study()
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    write_nifti(folder / "masks.nii.gz", result.volume, result.masks)
    (folder / "masks.nii.gz").rename(tmp_path / "masks.nii.gz")
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "masks.nii.gz"))), label_map(result.volume, result.masks)
    )
