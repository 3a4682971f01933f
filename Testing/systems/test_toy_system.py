"""A system that is added as one package is found everywhere, without another file being touched.

The panel and the page are looked at in Testing/desktop/test_module_systems.py and Testing/web/test_page_systems.py.
"""

import json
import math
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pypdf import PdfReader

from ONFHAssistLib import cli
from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.systems import at_hand, chosen, known
from Testing import toy_system

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = resource_path("SampleData", "procedural_t1.nii.gz")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    toy_system.install(tmp_path, monkeypatch)
    yield
    monkeypatch.undo()
    assert "toy" not in known()


def graded(path, out, *options) -> dict:
    assert cli.main(["grade", str(path), "--out", str(out), *options]) == 0
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    schema = resource_path("Schemas", "onfh-assist-report-1.schema.json").read_text(encoding="utf-8")
    jsonschema.validate(report, json.loads(schema))
    return report


@pytest.mark.usefixtures("toy")
def test_the_command_line_lists_it_with_what_it_takes_and_learned_from(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert cli.main(["systems"]) == 0
    said = capsys.readouterr().out
    for text in (
        "toy",
        "A toy system",
        "nowhere, 2026",
        "whatever is square",
        "Ten imagined squares.",
        "--patient age",
    ):
        assert text in said
    with pytest.raises(InputError, match=r"there are networks, .*toy\."):
        AnalysisOptions(systems=("typo",))


@pytest.mark.usefixtures("toy")
def test_report_page_pdf_and_masks_show_what_it_finds(tmp_path, capsys):
    out = tmp_path / "out"
    report = graded(SAMPLE, out, "--system", "toy", "--patient", "age=60", "--pdf")
    right, patient = report["findings"]
    assert right["grades"]["Toy stage"]["grade"] == "III" and right["figures"]["side_mm"]["value"] == 20
    assert patient["probabilities"]["collapse"] == pytest.approx(1 / (1 + math.exp(-0.6)))
    assert {hip["reason"] for hip in report["hips"]} == {"no system that was chosen looks for the femoral heads"}
    assert [model["name"] for model in report["models"]] == ["toy_risk"]
    shown = ("A toy system", "Toy stage", "III", "20.0 mm", "It is a square.", "Probability of collapse", "64.6 %")
    page = (out / "report.html").read_text(encoding="utf-8")
    pdf = " ".join(" ".join(page.extract_text() for page in PdfReader(out / "report.pdf").pages).split())
    printed = capsys.readouterr().out
    for text in shown:
        assert text in page and text in pdf and text in printed
    assert "A square is drawn around nothing." in page and "where the system looked" in page
    assert "#332288" in page
    header = (out / "masks.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()
    assert "Segment0_ID:=right_square" in header and "Segment0_LabelValue:=101" in header
    layers = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "masks.seg.nrrd")))
    assert (layers == 101).sum() == report["input"]["shape"][0] * 400


@pytest.mark.usefixtures("toy")
def test_it_reads_a_picture_and_refuses_what_it_cannot_use(tmp_path, capsys):
    picture = tmp_path / "hip.png"
    Image.fromarray(np.add.outer(np.arange(200), np.arange(300)).astype(np.uint16)).save(picture)
    report = graded(picture, tmp_path / "out", "--system", "toy", "--pdf")
    assert report["input"]["form"] == "picture" and report["input"]["spacing_mm"] is None
    assert [found["about"] for found in report["findings"]] == ["right", "patient"]
    both = graded(picture, tmp_path / "both", "--system", "toy", "--system", "networks")
    refused = next(found for found in both["findings"] if found["system"] == "networks")
    assert refused["reason"] == "The system networks reads a volume, and this is a picture; leave it out, or give " \
        "another image."  # fmt: skip
    capsys.readouterr()
    code = cli.main(["grade", str(picture), "--system", "toy", "--patient", "age=7", "--out", str(tmp_path / "no")])
    said = capsys.readouterr().err
    assert code == 2 and "Age (years) is 7, and the system toy takes 18 to 110" in said and said.count("\n") == 1
    assert not (tmp_path / "no").exists()


@pytest.mark.usefixtures("toy")
def test_it_reads_a_volume_file_of_one_slice_as_a_reader_sees_it_and_marks_it_at_its_place(tmp_path):
    made = sitk.GetImageFromArray(np.add.outer(np.arange(50), np.arange(60))[None].astype(np.int16))
    made.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, -1))  # rows run forwards: a reader sees them upside down
    sitk.WriteImage(made, str(tmp_path / "slice.nii.gz"))
    report = graded(tmp_path / "slice.nii.gz", tmp_path / "out", "--system", "toy", "--pdf")
    assert report["input"]["form"] == "slice" and report["input"]["plane"] == "axial"
    marked = sitk.ReadImage(str(tmp_path / "out" / "masks.seg.nrrd"))
    (k, j, i) = np.argwhere(sitk.GetArrayFromImage(marked) == 101).mean(axis=0)[:3]
    x, y, _ = marked.TransformContinuousIndexToPhysicalPoint((i, j, k))
    assert (x, y) == (19.5, 19.5 - 49)  # rows 10 to 29 from the front, which is the file's last row


@pytest.mark.usefixtures("toy")
def test_beside_the_networks_both_stand_in_the_report_and_only_what_is_needed_is_opened(tmp_path):
    report = graded(SAMPLE, tmp_path / "out", "--system", "networks", "--system", "toy")
    names = [model["name"] for model in report["models"]]
    assert names == ["hip_finder", "head_check", "anatomy", "necrosis", "toy_risk"]
    assert [hip["status"] for hip in report["hips"]] == ["graded", "graded"] and len(report["findings"]) == 2


@pytest.mark.usefixtures("toy")
def test_the_preflight_looks_at_its_model():
    preflight = pytest.importorskip("ONFHAssistLib.desktop.preflight")
    facts = preflight.gather()
    assert facts.bundles["toy_risk"] == "0.1.0"
    assert any(check.name == "Model toy_risk" and check.ok for check in preflight.checks(facts))


@pytest.mark.parametrize("text", ["age", "age=", "=5", "age=old", "age=nan"])
def test_a_patient_variable_that_is_none_is_refused(text, tmp_path, capsys):
    assert cli.main(["grade", str(SAMPLE), "--patient", text, "--out", str(tmp_path / "out")]) == 2
    assert "such as age=52" in capsys.readouterr().err


def test_each_system_has_an_id_of_its_own_and_they_are_run_in_one_order():
    every = known()
    assert next(iter(every)) == "networks" and len(every) == len({system.card.id for system in every.values()})
    assert [system.card.id for system in chosen(reversed(every))] == list(every)
    with pytest.raises(InputError, match="No system is chosen"):
        chosen(())


def test_no_other_file_names_a_published_system():
    """Its package, its training, its tests and its docs page do, with what lists all pages, files and figures."""
    own = re.compile(r"steinberg[_-]t1|\bS-T1\b", re.IGNORECASE)
    may = re.compile(
        r"(ONFHAssistLib/systems/steinberg_t1/|training/|Testing/|docs/|Resources/Bundles/steinberg_t1/"
        r"|(ONFHAssistLib|Resources)/CMakeLists\.txt$|pyproject\.toml$|mkdocs\.yml$|CHANGELOG\.md$)"
    )
    kinds = {".py", ".j2", ".json", ".ui", ".txt", ".toml", ".yml", ".md"}
    places = [ROOT / name for name in ("ONFHAssist", "ONFHAssistLib", "Resources")]
    files = [path for place in places for path in place.rglob("*") if path.suffix in kinds]
    files += [path for path in ROOT.iterdir() if path.suffix in kinds]
    assert len(files) > 200
    naming = [
        name
        for path in files
        if not may.match(name := path.relative_to(ROOT).as_posix()) and own.search(path.read_text(encoding="utf-8"))
    ]
    assert naming == []


@pytest.mark.usefixtures("toy")
def test_a_system_whose_models_are_not_there_is_not_offered_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "400")
    assert "toy" in at_hand()
    bare = tmp_path / "bare"
    bare.mkdir()
    monkeypatch.setenv("ONFH_BUNDLES", str(bare))
    assert "toy" in known() and "toy" not in at_hand() and "networks" in at_hand()
    assert cli.main(["systems"]) == 0
    assert "The model toy_risk is not installed." in capsys.readouterr().out
    picture = tmp_path / "hip.png"
    Image.fromarray(np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)).save(picture)
    assert cli.main(["grade", str(picture), "--out", str(tmp_path / "out"), "--system", "toy"]) == 2
    said = capsys.readouterr().err
    assert "needs models that are not installed (toy_risk)" in said and not (tmp_path / "out").exists()
