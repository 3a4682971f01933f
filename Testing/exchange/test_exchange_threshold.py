"""The result of the system S-T1 beside that of the networks, in every file of the report."""

import dataclasses
import json

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

from ONFHAssistLib.core.gradings import grade_steinberg
from ONFHAssistLib.core.hip import HipMasks, StudyResult, ThresholdResult
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.exchange.masks import segmentation_nrrd
from ONFHAssistLib.exchange.page import report_html
from ONFHAssistLib.exchange.tables import report, report_json
from ONFHAssistLib.exchange.words import threshold_notes


@pytest.fixture(scope="module")
def both(study) -> StudyResult:
    """The made-up study; S-T1 sees a smaller lesion in the right hip and fails its contrast test in the left one."""
    hips, masks = [], []
    for hip, networks in zip(study.hips, study.masks, strict=True):
        necrosis = networks.necrosis.array.copy()
        necrosis[: necrosis.shape[0] // 2] = False
        own = HipMasks(hip.side, networks.head, networks.head.like(necrosis), networks.sphere)
        measured = measure_hip(own)
        found = ThresholdResult(
            threshold=-0.25,
            contrast=0.41 if necrosis.any() else 0.1,
            contrast_from=0.22,
            passed=bool(necrosis.any()),
            head_volume_ml=measured.head_volume_ml,
            necrosis_volume_ml=measured.necrosis_volume_ml,
            volume_ratio=measured.volume_ratio,
            slices=measured.slices,
            grade=grade_steinberg(measured),
            head_dice=1.0,
            necrosis_dice=0.6 if necrosis.any() else None,
        )
        hips.append(dataclasses.replace(hip, threshold=found))
        masks.append(own)
    return dataclasses.replace(study, hips=tuple(hips), threshold_masks=tuple(masks))


def test_the_report_follows_its_schema_with_and_without_the_system(study, both):
    schema = json.loads(resource_path("Schemas", "onfh-assist-report-1.schema.json").read_text(encoding="utf-8"))
    for result in (study, both):
        jsonschema.validate(json.loads(report_json(result)), schema)
    assert [hip["threshold"] for hip in report(study)["hips"]] == [None, None]
    right, left = (hip["threshold"] for hip in report(both)["hips"])
    own = both.hips[0].threshold
    assert right["system"] == "steinberg-t1" and right["threshold"] == -0.25 and right["passed"]
    assert right["volume_ratio"] == own.volume_ratio and right["steinberg"]["grade"] == own.grade.grade
    assert [s["steinberg"] for s in right["slices"]] == [s.steinberg for s in own.slices]
    assert not left["passed"] and left["necrosis_dice"] is None and left["steinberg"]["grade"] == "without ONFH"
    broken = json.loads(report_json(both))
    del broken["hips"][0]["threshold"]["passed"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_the_page_shows_it_only_where_it_was_asked_for(study, both):
    title = "The system S-T1: a threshold inside the head"
    assert title not in report_html(study)
    page = report_html(both)
    assert page.count(title) == 1
    own = both.hips[0].threshold
    for shown in (f"{100 * own.volume_ratio:.1f} %", f"{own.necrosis_volume_ml:.1f} ml", *threshold_notes(own)):
        assert shown in page
    # The networks' lesion is outlined on every slice that has it.
    slices = both.masks[0].necrosis.array.any(axis=(1, 2))
    assert page.count('class="other"') == slices.sum()


def test_the_notes_say_whether_the_contrast_was_enough_and_how_far_both_agree(both):
    right, left = (" ".join(threshold_notes(hip.threshold)) for hip in both.hips)
    assert "Threshold −0.25" in right and "contrast 41 %, at least 22 % wanted: passed." in right
    assert "head Dice 1.00; necrosis: Dice 0.60." in right
    assert "not passed, so nothing counts as necrotic" in left and "none is marked by either" in left


def test_its_masks_lie_beside_the_others_as_segments_of_their_own(study, both, tmp_path):
    plain = segmentation_nrrd(study.volume, study.masks)
    path = tmp_path / "masks.seg.nrrd"
    path.write_bytes(segmentation_nrrd(both.volume, both.masks, both.threshold_masks))
    header = path.read_bytes().split(b"\n\n")[0].decode()
    assert b"THRESHOLD" not in plain.upper()
    for name in ("Right femoral head by threshold", "Right femoral head necrosis by threshold"):
        assert name in header
    image = sitk.ReadImage(str(path))
    layers = sitk.GetArrayFromImage(image)
    layers = layers if layers.shape[-1] == 4 else np.moveaxis(layers, 0, -1)
    right = both.threshold_masks[0]
    assert np.array_equal(layers[..., 2] == 5, right.head.array)
    assert np.array_equal(layers[..., 3] == 6, right.necrosis.array)
    assert np.array_equal(layers[..., 1] == 2, both.masks[0].necrosis.array)
