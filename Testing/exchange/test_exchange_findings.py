"""What systems find beside the networks, in every file of the report."""

import dataclasses
import json

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from pypdf import PdfReader

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.exchange.finding_words import finding_card
from ONFHAssistLib.exchange.masks import segmentation_nrrd
from ONFHAssistLib.exchange.page import report_html
from ONFHAssistLib.exchange.pdf import report_pdf
from ONFHAssistLib.exchange.tables import report, report_json
from ONFHAssistLib.systems.steinberg_t1 import CARD
from ONFHAssistLib.systems.steinberg_t1.hip import finding, overlaps_of
from ONFHAssistLib.systems.steinberg_t1.threshold import Extraction


@pytest.fixture(scope="module")
def both(study) -> StudyResult:
    """The made-up study; a second system sees a smaller lesion in the right hip and fails its test in the left one."""
    found = []
    for networks in (masks.whole() for masks in study.masks):
        necrosis = networks.necrosis.array.copy()
        necrosis[: necrosis.shape[0] // 2] = False
        own = HipMasks.of(networks.side, networks.head, networks.head.like(necrosis), networks.sphere)
        passed = bool(necrosis.any())
        found.append(
            finding(Extraction(necrosis, -0.25, 0.41 if passed else 0.1, passed), own, overlaps_of(own, networks))
        )
    return dataclasses.replace(study, findings=tuple(found))


def refused(study) -> StudyResult:
    reason = "It reads axial images, and this one is coronal."
    return dataclasses.replace(study, findings=(Finding("other", "Another system", "patient", reason=reason),))


def test_the_report_follows_its_schema_with_and_without_findings(study, both):
    schema = json.loads(resource_path("Schemas", "onfh-assist-report-1.schema.json").read_text(encoding="utf-8"))
    for result in (study, both, refused(study)):
        jsonschema.validate(json.loads(report_json(result)), schema)
    assert report(study)["findings"] == []
    right, left = report(both)["findings"]
    assert (right["system"], right["about"], left["about"]) == (CARD.id, "right", "left")
    assert right["figures"]["threshold"] == {"value": -0.25, "unit": ""} and right["figures"]["passed"]["value"]
    own = both.findings[0]
    assert right["figures"]["volume_ratio"]["value"] == own.value("volume_ratio")
    assert right["grades"]["steinberg"]["grade"] == own.grades["steinberg"].grade
    assert [s["steinberg"] for s in right["slices"]] == [s.steinberg for s in own.slices]
    assert [mask["label"] for mask in right["masks"] + left["masks"]] == [5, 6, 7, 8]
    assert not left["figures"]["passed"]["value"] and left["figures"]["necrosis_dice"]["value"] is None
    broken = json.loads(report_json(both))
    del broken["findings"][0]["figures"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_the_page_shows_it_only_where_it_was_asked_for(study, both):
    assert CARD.title not in report_html(study)
    page = report_html(both)
    assert page.count(CARD.title) == 1
    own = both.findings[0]
    shown = (f"{100 * own.value('volume_ratio'):.1f} %", f"{own.value('necrosis_volume_ml'):.1f} ml", *own.notes)
    for text in (*shown, own.caption, "Networks", "This system"):
        assert text in page
    # The networks' lesion is outlined on every slice that has it.
    slices = both.masks[0].necrosis.array.any(axis=(1, 2))
    assert page.count('class="other"') == slices.sum()


def test_the_pdf_shows_the_same_words(both, tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(both))
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(path).pages).split())
    for row in finding_card(both.findings[0], both.hips[0]).rows:
        assert row.title in text and row.value in text
    assert CARD.title in text and "This system" in text and both.findings[1].notes[0][:60] in text


def test_a_system_that_says_nothing_is_shown_with_its_reason(study, tmp_path):
    result = refused(study)
    assert "Another system" in report_html(result) and "this one is coronal" in report_html(result)
    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(result))
    assert "this one is coronal" in " ".join(page.extract_text() for page in PdfReader(path).pages)


def test_the_notes_say_whether_the_contrast_was_enough_and_how_far_both_agree(both):
    right, left = (" ".join(found.notes) for found in both.findings)
    assert "Threshold −0.25" in right and "contrast 41 %, at least 22 % wanted: passed." in right
    assert "head Dice 1.00; necrosis: Dice 0." in right
    assert "not passed, so nothing counts as necrotic" in left and "none is marked by either" in left


def test_its_masks_lie_beside_the_others_as_segments_of_their_own(study, both, tmp_path):
    plain = segmentation_nrrd(study.volume, study.masks)
    path = tmp_path / "masks.seg.nrrd"
    path.write_bytes(segmentation_nrrd(both.volume, both.masks, both.findings))
    header = path.read_bytes().split(b"\n\n")[0].decode()
    assert b"THRESHOLD" not in plain.upper()
    for name in ("Right femoral head by threshold", "Right femoral head necrosis by threshold"):
        assert name in header
    image = sitk.ReadImage(str(path))
    layers = sitk.GetArrayFromImage(image)
    layers = layers if layers.shape[-1] == 4 else np.moveaxis(layers, 0, -1)
    head, necrosis = (mask.volume.array for mask in both.findings[0].masks)
    assert np.array_equal(layers[..., 2] == 5, head)
    assert np.array_equal(layers[..., 3] == 6, necrosis)
    assert np.array_equal(layers[..., 1] == 2, both.masks[0].whole().necrosis.array)
