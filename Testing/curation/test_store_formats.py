"""What other software finds in the folder: nnU-Net v2, MONAI, SimpleITK, nibabel, a person with an editor."""

import json
import re

import numpy as np
import pytest
import SimpleITK as sitk
from reviewed_hip import CENTRES, RADIUS_MM, Hip

from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case.nifti import read_nifti


def test_nnunet_finds_its_names_labels_and_files(store, hip):
    """Names and rules as in nnU-Net's documentation/dataset_format.md and utilities/dataset_name_id_conversion."""
    store.save(hip.case())
    store.save(Hip("left").case(status="draft"))
    store.save(Hip(seed=1).case("another"))
    dataset = json.loads((store.folder / "dataset.json").read_text())
    assert re.fullmatch(r"Dataset\d{3}_.+", store.folder.name)
    assert dataset["labels"] == {"background": 0, "head": 1, "necrosis": 2, "ignore": 3}
    assert dataset["channel_names"] == {"0": "MR"} and dataset["file_ending"] == ".nii.gz"
    images = sorted(path.name for path in (store.folder / "imagesTr").iterdir())
    labels = sorted(path.name for path in (store.folder / "labelsTr").iterdir())
    assert dataset["numTraining"] == len(images) == len(labels) == 2
    assert [name.removesuffix("_0000.nii.gz") for name in images] == [name.removesuffix(".nii.gz") for name in labels]
    for image, label in zip(images, labels, strict=True):
        one = sitk.ReadImage(store.folder / "imagesTr" / image)
        other = sitk.ReadImage(store.folder / "labelsTr" / label)
        assert one.GetSize() == other.GetSize()
        for place in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(one, place)(), getattr(other, place)(), atol=1e-5)
        assert set(np.unique(sitk.GetArrayFromImage(other))) <= {0, 1, 2, 3}
    splits = json.loads((store.folder / "splits_final.json").read_text())
    cases = {name.removesuffix(".nii.gz") for name in labels}
    assert len(splits) == 5 and all(set(fold["train"]) | set(fold["val"]) == cases for fold in splits)
    assert sorted(case for fold in splits for case in fold["val"]) == sorted(cases)
    assert not any(set(fold["train"]) & set(fold["val"]) for fold in splits)


def test_monai_reads_the_list_and_the_images(store, hip):
    from monai.data import CacheDataset, load_decathlon_datalist
    from monai.transforms import LoadImaged

    store.save(hip.case())
    store.save(Hip("left").case())
    listed = load_decathlon_datalist(str(store.folder / "dataset.json"), True, "training")
    assert [sorted(entry) for entry in listed] == [["fold", "image", "label"]] * 2
    loaded = CacheDataset(listed, LoadImaged(["image", "label"]), num_workers=0, progress=False)
    for entry in loaded:
        assert entry["image"].shape == entry["label"].shape
        assert set(np.unique(np.asarray(entry["label"]))) == {0, 1, 2}


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("plane", ["coronal", "axial", "sagittal"])
@pytest.mark.parametrize("turn_deg", [0.0, 11.0])
def test_every_hip_lies_like_a_right_one_and_finds_its_way_back(store, side, plane, turn_deg):
    case = Hip(side, plane, turn_deg=turn_deg).case()
    path = store.save(case)
    facts = json.loads(path.read_text())
    image = read_nifti(store.folder / "imagesTr" / f"{path.stem}_0000.nii.gz")
    label = read_nifti(store.folder / "labelsTr" / f"{path.stem}.nii.gz").array

    # the world of the file: a right hip, for those who look at the orientation ...
    centre = np.array(CENTRES[side]) * [1 if side == "right" else -1, 1, 1]
    heads = image.grid_ras()[label > 0]
    assert np.linalg.norm(heads.mean(axis=0) - centre) < 1.5
    assert abs(np.linalg.norm(heads - centre, axis=1).max() - RADIUS_MM) < 4
    assert heads[label[label > 0] == 2][:, 2].mean() > centre[2] + 10
    # ... and for those who do not: the columns run from lateral to medial (sagittal: the slices)
    towards_medial = image.axes_ras[:, 2 if plane == "sagittal" else 0]
    assert towards_medial[0] < -0.9

    # back: voxel by voxel
    pose = facts["pose"]
    k, j, i = np.nonzero(label >= 0)
    to_input = np.array(pose["file_ijk_to_input_ijk"])
    x, y, z, _ = to_input @ np.stack([i, j, k, np.ones_like(i)])
    assert np.array_equal(case.image.array[z, y, x], image.array[k, j, i])
    assert np.array_equal(case.masks.whole().head.array[z, y, x], label[k, j, i] > 0)
    assert (label > 0).sum() == case.masks.head.array.sum()
    to_patient = np.array(pose["file_world_to_patient_ras"])
    world = image.ras(np.stack([i, j, k], axis=-1))
    np.testing.assert_allclose(world @ to_patient[:3, :3], case.image.ras(np.stack([x, y, z], axis=-1)), atol=1e-3)


def test_slices_that_were_not_reviewed_are_not_trained_with(store, hip):
    case = hip.case(reviewed_slices=(4, 5, 6))
    path = store.save(case)
    label = read_nifti(store.folder / "labelsTr" / f"{path.stem}.nii.gz").array
    to_input = np.array(json.loads(path.read_text())["pose"]["file_ijk_to_input_ijk"])
    for k, plane in enumerate(label):
        if to_input[2] @ [0, 0, k, 1] in (4, 5, 6):
            assert set(np.unique(plane)) <= {0, 1, 2}
        else:
            assert set(np.unique(plane)) == {3}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("mirror", [False, True])
def test_our_nifti_is_that_of_other_software(tmp_path, dtype, mirror):
    import nibabel

    volume = Hip(turn_deg=17.0).image()
    matrix = volume.ijk_to_ras.copy()
    if mirror:
        matrix[:, 0] *= -1
    volume = Volume((volume.array % 200).astype(dtype), matrix)
    path = tmp_path / "image.nii.gz"
    path.write_bytes(nifti_bytes(volume))
    assert nifti_bytes(volume) == path.read_bytes()
    by_itk = read_nifti(path)
    assert by_itk.array.dtype == dtype and np.array_equal(by_itk.array, volume.array)
    np.testing.assert_allclose(by_itk.ijk_to_ras, matrix, atol=1e-4)
    other = nibabel.load(path)
    assert np.array_equal(np.asarray(other.dataobj).T, volume.array)
    np.testing.assert_allclose(other.get_sform(), matrix, atol=1e-4)
    np.testing.assert_allclose(other.get_qform(), matrix, atol=1e-3)
    assert other.header["descrip"] == b"" and not other.header.extensions
