"""Volume files of one slice: read where a system takes slices, in the patient's place; refused where none does."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import make_ct, make_series, write
from PIL import Image

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.one_slice import as_seen, in_order_of
from ONFHAssistLib.imaging.picture import read_image
from ONFHAssistLib.imaging.studies import find_studies

ALL = ("volume", "slice", "picture")
NOISE = np.random.default_rng(0).integers(0, 1000, (20, 24)).astype(np.int16)


def slice_file(path: Path, axis: int = 0, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)) -> Path:
    """A file whose array (k, j, i) has one voxel along an axis."""
    made = sitk.GetImageFromArray(np.expand_dims(NOISE, axis))
    made.SetSpacing((0.9, 1.1, 4.0))
    made.SetOrigin((10, -20, 30))
    made.SetDirection(direction)
    sitk.WriteImage(made, str(path))
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_file_of_one_slice_is_a_slice_at_its_place_whichever_axis_it_lies_across(tmp_path, name, axis):
    study = read_image(slice_file(tmp_path / name, axis), ALL)
    assert study.form == "slice" and study.volume.array.shape == (1, 20, 24)
    assert np.array_equal(study.volume.array[0], NOISE) and study.source["shape"] == [1, 20, 24]
    ijk = np.insert([5, 3], 2 - axis if axis else 2, 0)  # along (i, j) of what is left: column 5, row 3
    x, y, z = sitk.ReadImage(str(tmp_path / name)).TransformIndexToPhysicalPoint(ijk.tolist())
    assert np.allclose(study.volume.ras(np.array([5, 3, 0])), (-x, -y, z), atol=1e-4)
    assert study.source["plane"] == ("axial", "coronal", "sagittal")[axis]
    assert study.source["spacing_mm"] == pytest.approx(
        np.array([0.9, 1.1, 4.0])[[[0, 1, 2], [0, 2, 1], [1, 2, 0]][axis]]
    )


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_where_volumes_alone_are_wanted_the_sentence_says_what_to_do(tmp_path, name):
    path = slice_file(tmp_path / name)
    with pytest.raises(InputError, match="has one slice only; give the whole volume, or choose a system that reads sl"):
        read_image(path, ("volume",))
    with pytest.raises(InputError, match="one row of voxels"):
        sitk.WriteImage(sitk.GetImageFromArray(NOISE[None, :1]), str(path))
        read_image(path, ALL)
    with pytest.raises(InputError, match="only 12 x 20 pixels large"):
        sitk.WriteImage(sitk.GetImageFromArray(NOISE[None, :, :12]), str(path))
        read_image(path, ALL)


@pytest.mark.parametrize(
    "turn", [(0, 0, 1, 1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0, 0, 0, 1), (0, 1, 0, 0, 0, 1, 1, 0, 0)]
)
def test_a_system_sees_each_slice_as_a_reader_does_and_what_it_marks_goes_back_to_its_place(tmp_path, turn):
    volume = read_image(slice_file(tmp_path / "a.mha", 0, turn), ALL).volume
    seen = as_seen(volume)
    columns, rows, normal = seen.axes_ras.T
    axis = int(np.argmax(np.abs(normal)))
    right, down = [((0, -1, 0), (0, 0, -1)), ((-1, 0, 0), (0, 0, -1)), ((-1, 0, 0), (0, -1, 0))][axis]
    assert columns @ right > 0.9 and rows @ down > 0.9
    marked = seen.like(np.zeros(seen.shape, bool))
    marked.array[0, 2, 7] = True
    back = in_order_of(marked, volume)
    assert back.matches(volume) and back.array.sum() == 1
    (k, j, i) = np.argwhere(back.array)[0]
    assert np.allclose(volume.ras(np.array([i, j, k])), seen.ras(np.array([7, 2, 0])))
    assert volume.array[k, j, i] == seen.array[0, 2, 7]


def test_the_one_slice_of_a_dicom_series_is_read_beside_volumes_too(tmp_path):
    folder = write(tmp_path / "mr", make_series()[:1])
    (file,) = folder.iterdir()
    for path in (file, folder):
        assert read_image(path, ALL).form == "slice"
        with pytest.raises(InputError, match="one slice only; give the whole series, or choose a system"):
            read_image(path, ("volume",))
    whole = write(tmp_path / "ct", make_ct())
    assert read_image(sorted(whole.iterdir())[0], ALL).form == read_image(whole, ALL).form == "volume"


def test_a_list_of_studies_has_what_is_wanted_and_the_reason_for_the_rest(tmp_path):
    slice_file(tmp_path / "slice.nii.gz")
    Image.fromarray((NOISE // 4).astype(np.uint8)).save(tmp_path / "hip.png")
    (tmp_path / "notes.txt").write_text("x")
    x_rays = make_series(Modality="DX", SeriesNumber=9)[:2]
    write(tmp_path / "x", x_rays)
    write(tmp_path / "x", make_series())
    found = {place.title: place.problem for place in find_studies(tmp_path)}
    assert set(found) == {"slice.nii.gz", "hip.png", "notes.txt", "x"} and found["x"] == ""
    assert "one slice only; give the whole volume" in found["slice.nii.gz"] and "NIfTI" in found["hip.png"]
    found = {place.title: place.problem for place in find_studies(tmp_path, ALL)}
    assert found["slice.nii.gz"] == found["hip.png"] == found["x"] == "" and "NIfTI" in found["notes.txt"]
    pictures = [place for place in find_studies(tmp_path, ALL) if place.title.startswith("x/")]
    assert len(pictures) == 2 and all(read_image(place.path, ALL).form == "picture" for place in pictures)


def test_the_stack_of_a_slice_runs_across_it_however_thin_it_is():
    from ONFHAssistLib.core.planes import stack_axis

    for axis in range(3):
        shape = [8, 8, 8]
        shape[2 - axis] = 1
        spacing = [2.0, 3.0, 4.0]
        spacing[axis] = 0.1
        assert stack_axis(Volume(np.zeros(shape), np.diag([*spacing, 1.0]))) == axis
