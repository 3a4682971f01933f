"""What an export holds for other software, that it can be made again, and what is refused."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from reviewed_hip import Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.reports.data_card import _plain
from ONFHAssistLib.curation.reports.export import CARD, export, export_again
from ONFHAssistLib.curation.reports.export_lock import LOCK
from ONFHAssistLib.curation.reports.training_cases import training_cases
from ONFHAssistLib.curation.store import disk
from ONFHAssistLib.curation.store.folder import create_store

GRADED = "status == approved and grade != none"


@pytest.fixture
def filled(store):
    """Three approved hips of two patients, one without necrosis, one of them reviewed in part; and a draft."""
    store.save(Hip().case(reviewed_slices=tuple(range(5, 15))))
    store.save(Hip("left").case())
    store.save(Hip(seed=1, lesion_mm=0).case("another"))
    store.save(Hip("left", seed=1).case("another", status="draft"))
    return store


def sums_of_card(folder) -> dict[str, str]:
    rows = [line.split("|") for line in (folder / CARD).read_text(encoding="utf-8").splitlines()]
    return {row[2].strip(): row[1].strip() for row in rows if len(row) == 4 and len(row[1].strip()) == 64}


@pytest.mark.parametrize("kind", ["nnunet", "monai", "monailabel"])
def test_the_card_has_the_checksum_of_every_other_file(filled, tmp_path, kind):
    made = export(filled, tmp_path / "out" / "Dataset201_Made", kind, GRADED, "CC BY 4.0")
    assert (made.cases, made.patients) == (3, 2)
    files = every_byte(made.folder)
    card = files.pop(CARD).decode()
    assert sums_of_card(made.folder) == {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    assert "3 femoral heads of 2 patients" in card and "CC BY 4.0" in card and made.version in card
    assert "| Only some slices reviewed | no: 2, yes: 1 |" in card
    assert sum(path.endswith(".nii.gz") for path in files) == 6
    assert not any(b"HOSP-4711" in content for content in every_byte(made.folder).values())


def test_nnunets_own_check_passes(filled, tmp_path):
    integrity = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity")
    made = export(filled, tmp_path / "Dataset201_Made", "nnunet", GRADED)
    integrity.verify_dataset_integrity(str(made.folder), num_processes=1)
    content = json.loads((made.folder / "dataset.json").read_text())
    assert content["numTraining"] == 3 and content["labels"]["ignore"] == 3


def test_monai_loads_every_case(filled, tmp_path):
    from monai.data import CacheDataset, load_decathlon_datalist
    from monai.transforms import LoadImaged

    made = export(filled, tmp_path / "made", "monai")
    listed = load_decathlon_datalist(str(made.folder / "dataset.json"), True, "training")
    loaded = CacheDataset(listed, LoadImaged(["image", "label"]), num_workers=0, progress=False)
    assert len(loaded) == 3
    for entry in loaded:
        assert entry["image"].shape == entry["label"].shape
    assert set(np.unique([np.asarray(entry["label"]).max() for entry in loaded])) == {1, 2, 3}


def test_monai_label_finds_a_mask_of_the_same_stem_for_every_image(filled, tmp_path):
    made = export(filled, tmp_path / "made", "monailabel")
    images = sorted(path.name for path in made.folder.glob("*.nii.gz"))
    assert images == sorted(path.name for path in (made.folder / "labels" / "final").glob("*.nii.gz"))
    assert len(images) == 3


def test_the_condition_selects(filled, tmp_path):
    made = export(filled, tmp_path / "made", "monai", "grade == 'without ONFH' and status == approved")
    name, (case,) = training_cases(made.folder)
    assert name == "Dataset101_Heads" and case.grades["steinberg"] == "without ONFH"


def test_an_export_tells_a_training_what_the_data_set_does(filled, tmp_path):
    made = export(filled, tmp_path / "made", "monai")
    of_set, of_export = (training_cases(folder)[1] for folder in (filled.folder, made.folder))
    assert [replace(case, image="", label="") for case in of_set] == [
        replace(case, image="", label="") for case in of_export
    ]
    for folder, cases in ((filled.folder, of_set), (made.folder, of_export)):
        for case in cases:
            label = sitk.ReadImage(folder / case.label)
            head = np.argwhere(np.isin(sitk.GetArrayFromImage(label), (1, 2)))
            lps = np.array(label.TransformContinuousIndexToPhysicalPoint(head.mean(axis=0)[::-1].tolist()))
            assert case.partly_reviewed or np.abs(lps * [-1, -1, 1] - case.centre_ras_mm).max() < 3


def test_the_lock_file_makes_the_same_export_again_although_the_data_set_went_on(filled, tmp_path):
    first = export(filled, tmp_path / "a" / "Dataset201_Made", "nnunet", GRADED)
    before = every_byte(first.folder)
    filled.save(Hip(lesion_mm=9).case(reviewer="reader2", adjudicates=True))
    filled.save(Hip(seed=5).case("a third"))
    filled.save(replace(Hip("left").case(), status="flagged"))
    other = export(filled, tmp_path / "b" / "Dataset201_Made", "nnunet", GRADED)
    assert other.version != first.version
    again = export_again(filled, first.folder / LOCK, tmp_path / "c" / "Dataset201_Made")
    assert every_byte(again.folder) == before and again.version == first.version
    assert every_byte(export_again(filled, first.folder / LOCK, tmp_path / "d" / "Dataset300_Other").folder) == before


def test_two_exports_of_the_same_cases_are_the_same(filled, tmp_path):
    one, other = (export(filled, tmp_path / name, "monai") for name in ("one", "other"))
    assert every_byte(one.folder) == every_byte(other.folder)


def test_a_withdrawn_case_is_taken_again_on_purpose_only(filled, tmp_path):
    first = export(filled, tmp_path / "first", "monai")
    gone = training_cases(first.folder)[1][0].case
    filled.withdraw(gone, "reader1", "the patient has asked for it")
    with pytest.raises(InputError, match=f"{gone} is withdrawn since the export"):
        export_again(filled, first.folder / LOCK, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    made = export_again(filled, first.folder / LOCK, tmp_path / "again", withdrawn=True)
    assert every_byte(made.folder) == every_byte(first.folder)
    assert gone not in {case.case for case in training_cases(export(filled, tmp_path / "new", "monai").folder)[1]}


@pytest.mark.parametrize(
    ("name", "kind", "where", "said"),
    [
        ("Dataset101_Heads", "nnunet", GRADED, "exists; choose a new folder"),
        ("Dataset101_More", "nnunet", GRADED, "number 101 is taken by Dataset101_Heads"),
        ("heads", "nnunet", GRADED, "wants DatasetNNN_Name"),
        ("Dataset101_Heads/mine", "monai", GRADED, "inside the data set"),
        ("out", "zarr", GRADED, "choose one of nnunet, monai, monailabel"),
        ("out", "monai", "grade == moderat", "never 'moderat'"),
        ("out", "monai", "status == approved and reviewer == nobody", "No case of Dataset101_Heads meets"),
        ("out", "monai", "side == left", "is not approved, and only what is approved may be trained with"),
    ],
)
def test_what_can_not_be_exported_is_refused_and_nothing_is_touched(filled, tmp_path, name, kind, where, said):
    before = every_byte(tmp_path)
    with pytest.raises(InputError, match=said):
        export(filled, tmp_path / name, kind, where)
    assert {path for path in every_byte(tmp_path) if "cache" not in path} == {p for p in before if "cache" not in p}


def test_a_number_that_nnunet_has_taken_elsewhere_is_refused(filled, tmp_path, monkeypatch):
    (tmp_path / "preprocessed" / "Dataset201_Liver").mkdir(parents=True)
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "preprocessed"))
    with pytest.raises(InputError, match="taken by Dataset201_Liver"):
        export(filled, tmp_path / "Dataset201_Made", "nnunet")


@pytest.mark.parametrize("folder", ["imagesTr", "labelsTr"])
def test_a_file_that_was_changed_by_hand_is_not_exported_and_costs_its_own_case(filled, tmp_path, folder):
    whole = export(filled, tmp_path / "whole", "monai")
    path = next((filled.folder / folder).iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    made = export(filled, tmp_path / "made", "monai")
    assert path.read_bytes() not in every_byte(made.folder).values()
    if folder == "imagesTr":  # of the label the history still has the mask
        (spoilt,) = made.left_out
        assert path.name.startswith(spoilt) and made.cases == whole.cases - 1
        with pytest.raises(InputError, match="can't be made again: a case"):
            export_again(filled, whole.folder / LOCK, tmp_path / "again")
        for image in (filled.folder / folder).iterdir():
            image.write_bytes(b"x")
        with pytest.raises(InputError, match="not as they were saved; check the data set"):
            export(filled, tmp_path / "none", "monai")
        assert not (tmp_path / "none").exists() and not (tmp_path / "again").exists()
    else:
        assert made.cases == whole.cases and not made.left_out


def test_a_full_disk_at_any_file_leaves_nothing(filled, tmp_path, monkeypatch):
    write, count = disk.write, iter(range(100))
    for failing in (0, 3, 6, 7, 8):
        count = iter(range(100))

        def fail(path, content, failing=failing, count=count):
            if next(count) == failing:
                raise OSError(28, "No space left on device")
            write(path, content)

        monkeypatch.setattr(disk, "write", fail)
        with pytest.raises(InputError, match="disk is full"):
            export(filled, tmp_path / "out" / "made", "monai")
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not the lock file"),
        ("[]", "is not the lock file"),
        ('{"format": "onfh-assist-export/2"}', "this version reads onfh-assist-export/1"),
        ('{"format": "onfh-assist-export/1", "cases": 3}', "is damaged"),
    ],
)
def test_a_lock_file_that_is_something_else_is_refused(filled, tmp_path, content, said):
    (tmp_path / "lock").write_text(content)
    with pytest.raises(InputError, match=said):
        export_again(filled, tmp_path / "lock", tmp_path / "made")
    with pytest.raises(InputError, match="is not the lock file"):
        export_again(filled, tmp_path / "nowhere", tmp_path / "made")


def test_a_lock_file_that_leads_out_of_the_folder_is_refused(filled, tmp_path):
    made = export(filled, tmp_path / "made", "monai")
    lock = json.loads((made.folder / LOCK).read_text())
    lock["cases"][0]["image"] = "../../stolen.nii.gz"
    (tmp_path / "lock").write_text(json.dumps(lock))
    with pytest.raises(InputError, match="is damaged"):
        export_again(filled, tmp_path / "lock", tmp_path / "again")


@pytest.mark.parametrize(("field", "value"), [("licence", "CC0"), ("cases", []), ("version", "672ac9a0e2a2")])
def test_a_lock_file_that_was_changed_is_refused(filled, tmp_path, field, value):
    made = export(filled, tmp_path / "made", "monai")
    lock = json.loads((made.folder / LOCK).read_text())
    (tmp_path / "lock").write_text(json.dumps({**lock, field: value}))
    with pytest.raises(InputError, match="it was changed"):
        export_again(filled, tmp_path / "lock", tmp_path / "again")


def test_what_cases_say_is_text_on_the_data_card_and_not_markup():
    assert _plain("net\n\n## Approved\n<script>|") == r"net \#\# Approved &lt;script&gt;\|"


def test_a_lock_file_of_another_data_set_is_refused(filled, tmp_path):
    made = export(filled, tmp_path / "made", "monai")
    other = create_store(tmp_path / "Dataset102_Others")
    with pytest.raises(InputError, match="is of the data set Dataset101_Heads, not of Dataset102_Others"):
        export_again(other, made.folder / LOCK, tmp_path / "again")
