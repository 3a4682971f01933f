"""NIfTI, NRRD and MetaImage as hospitals and other programs write them: voxels and places as of ITK and nibabel."""

import bz2
import gzip
import itertools
import os
import struct

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.imaging.read import read_study

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 1000, (6, 20, 24)).astype(np.int16)
"""Shape (k, j, i)."""
AFFINE = np.array([[-0.9, 0, 0, 90], [0, 0, 4.0, -40], [0, -1.1, 0, 30], [0, 0, 0, 1]])
"""Coronal, in RAS."""


def nifti(path, array=NOISE, sform=AFFINE, qform=AFFINE, codes=(1, 1), **fields):
    image = nibabel.Nifti1Image(array.T, np.eye(4))
    image.header.set_sform(np.eye(4) if sform is None else sform, codes[0])
    image.header.set_qform(np.eye(4) if qform is None else qform, codes[1])
    for name, value in fields.items():
        image.header[name] = value
    kind = nibabel.Nifti1Pair if path.suffix in (".hdr", ".img") else nibabel.Nifti1Image
    if path.name.endswith((".gz", ".nii")) or kind is nibabel.Nifti1Pair:
        raw = kind(image.dataobj, None, image.header)
        raw.header.set_data_dtype(array.dtype)
        nibabel.save(raw, path)
    return path


def itk_matrix(path):
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1, 1, 1]) @ matrix, sitk.GetArrayFromImage(image)


def codes(study):
    return [notice.code for notice in study.notices]


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_study(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


ORIENTATIONS = [
    np.array(signs)[:, None] * np.eye(3)[list(order)]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd"])
def test_voxels_and_places_are_those_of_itk_in_all_48_orientations_and_oblique(tmp_path, ending):
    turned = sitk.Euler3DTransform()
    turned.SetRotation(0.2, -0.3, 0.1)
    oblique = np.array(turned.GetMatrix()).reshape(3, 3)
    for n, turn in enumerate([*ORIENTATIONS, oblique, ORIENTATIONS[17] @ oblique]):
        image = sitk.GetImageFromArray(NOISE.astype((np.int16, np.uint16, np.float32, np.float64, np.int32)[n % 5]))
        image.SetSpacing((0.9, 1.1, 4.0))
        image.SetOrigin((10.5, -20.25, 30))
        image.SetDirection(turn.ravel().tolist())
        path = tmp_path / f"{n}.{ending}"
        sitk.WriteImage(image, str(path), useCompression=bool(n % 2))
        study = read_study(path)
        matrix, array = itk_matrix(path)
        assert study.volume.array.dtype == array.dtype
        np.testing.assert_array_equal(study.volume.array, array)
        np.testing.assert_allclose(study.volume.ijk_to_ras, matrix, atol=2e-4)
        assert codes(study) == []


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_each_type_of_number_in_both_byte_orders_is_read(tmp_path, kind, big):
    dtype = np.dtype((">" if big else "<") + kind)
    array = RNG.integers(0, 100, (6, 20, 24)).astype(dtype)
    header = nibabel.Nifti1Header(endianness=dtype.byteorder if dtype.itemsize > 1 else "<")
    header.set_data_dtype(dtype)
    nibabel.save(nibabel.Nifti1Image(array.T, AFFINE, header), tmp_path / "a.nii.gz")
    names = {"i1": "int8", "u1": "unsigned char", "i2": "short int", "u2": "ushort", "i4": "signed int"}
    names |= {"u4": "unsigned int", "f4": "float", "f8": "double"}
    text = f"NRRD0004\ntype: {names[kind]}\ndimension: 3\nsizes: 24 20 6\nencoding: raw\nspace: RAS\n"
    text += f"endian: {'big' if big else 'little'}\nspace directions: (1,0,0) (0,1,0) (0,0,4)\n\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + array.tobytes())
    met = (
        {"i": "", "u": "U"}.get(kind[0], "") + {"1": "CHAR", "2": "SHORT", "4": "INT"}[kind[1]]
        if kind[0] != "f"
        else ("FLOAT" if kind == "f4" else "DOUBLE")
    )
    text = f"ObjectType = Image\nNDims = 3\nDimSize = 24 20 6\nElementSpacing = 1 1 4\nElementType = MET_{met}\n"
    text += f"ElementByteOrderMSB = {big}\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(text.encode() + array.tobytes())
    for name in ("a.nii.gz", "a.nrrd", "a.mha"):
        np.testing.assert_array_equal(read_study(tmp_path / name).volume.array, array)


def test_slope_and_intercept_give_the_values_of_itk(tmp_path):
    path = nifti(tmp_path / "a.nii", scl_slope=0.37, scl_inter=12.5)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<2f", raw, 112, 0.37, 12.5)
    path.write_bytes(raw)
    _, expected = itk_matrix(path)
    study = read_study(path)
    assert study.volume.array.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(study.volume.array, expected)


def test_forms_that_contradict_each_other_left_to_right_are_told_and_the_sform_is_taken(tmp_path):
    mirrored = np.diag([-1.0, 1, 1, 1]) @ AFFINE
    study = read_study(nifti(tmp_path / "a.nii.gz", qform=mirrored))
    assert codes(study) == ["orientation-contradiction"]
    np.testing.assert_allclose(study.volume.ijk_to_ras, nibabel.load(tmp_path / "a.nii.gz").affine, atol=1e-4)
    slightly = AFFINE.copy()
    slightly[:3, :3] = np.array(sitk.Euler3DTransform([0, 0, 0], 0, 0, 0.2).GetMatrix()).reshape(3, 3) @ AFFINE[:3, :3]
    assert codes(read_study(nifti(tmp_path / "b.nii.gz", qform=slightly))) == []


def test_without_orientation_a_nifti_lies_as_in_nibabel(tmp_path):
    path = nifti(tmp_path / "a.nii", codes=(0, 0))
    study = read_study(path)
    assert codes(study) == ["no-orientation"]
    np.testing.assert_allclose(study.volume.ijk_to_ras, nibabel.load(path).affine, atol=1e-4)


@pytest.mark.parametrize("space", ["3D-right-handed", "3D-left-handed", "scanner-xyz", "right-posterior-superior", ""])
def test_an_nrrd_in_a_space_without_sides_is_told(tmp_path, space):
    where = f"space: {space}\n" if space else "space dimension: 3\n"
    text = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 24 20 6\nendian: little\nencoding: raw\n{where}"
    text += "space directions: (1,0,0) (0,0,-1) (0,4,0)\nspace origin: (1,2,3)\n\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + NOISE.tobytes())
    study = read_study(tmp_path / "a.nrrd")
    assert codes(study) == ["no-orientation"]
    right = 1 if space.startswith("right") else -1  # else as ITK: to the left
    np.testing.assert_allclose(study.volume.ijk_to_ras[:3, 0], [right, 0, 0])


def test_an_nrrd_with_spacings_only_and_a_metaimage_without_matrix_are_told(tmp_path):
    text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 24 20 6\nspacings: 1 1 4\nendian: little\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + NOISE.tobytes())
    text = "NDims = 3\nDimSize = 24 20 6\nElementSpacing = 1 1 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(text.encode() + NOISE.tobytes())
    for name in ("a.nrrd", "a.mha"):
        study = read_study(tmp_path / name)
        assert codes(study) == ["no-orientation"] and study.volume.spacing_mm == (1, 1, 4)
    (tmp_path / "b.mha").write_bytes(text.replace("ElementSpacing = 1 1 4\n", "").encode() + NOISE.tobytes())
    assert "size of its voxels" in refusal(tmp_path / "b.mha")


@pytest.mark.parametrize("degrees", [0.1, 0.4, 0.49])
def test_a_slightly_sheared_sform_is_read_with_its_middle_in_place(tmp_path, degrees):
    sheared = AFFINE.copy()
    sheared[0, 2] = 4.0 * np.tan(np.radians(degrees))
    path = nifti(tmp_path / "a.nii.gz", sform=sheared, codes=(2, 0))
    volume = read_study(path).volume
    middle = np.array([11.5, 9.5, 2.5])
    np.testing.assert_allclose(volume.ras(middle), sheared[:3, :3] @ middle + sheared[:3, 3], atol=1e-4)
    assert np.abs(volume.axes_ras.T @ volume.axes_ras - np.eye(3)).max() < 1e-6


def test_a_sheared_sform_is_named_as_such(tmp_path):
    sheared = AFFINE.copy()
    sheared[0, 2] = 4.0 * np.tan(np.radians(2))
    assert "right angles (off by 2.0 degrees" in refusal(nifti(tmp_path / "a.nii.gz", sform=sheared, codes=(2, 0)))


def test_a_negative_pixdim_with_a_good_sform_is_read_by_the_sform(tmp_path):
    path = nifti(tmp_path / "a.nii", codes=(1, 0))
    raw = bytearray(path.read_bytes())
    struct.pack_into("<f", raw, 80, -0.9)
    path.write_bytes(raw)
    np.testing.assert_allclose(read_study(path).volume.ijk_to_ras, AFFINE, atol=1e-5)
    struct.pack_into("<2h", raw, 252, 1, 0)  # by the qform: contradictory
    path.write_bytes(raw)
    assert "spacing that is negative" in refusal(path)


def test_two_sizes_of_a_voxel_are_told(tmp_path):
    path = nifti(tmp_path / "a.nii", codes=(1, 0))
    raw = bytearray(path.read_bytes())
    struct.pack_into("<f", raw, 80, 1.8)
    path.write_bytes(raw)
    assert codes(read_study(path)) == ["voxel-sizes-differ"]


def test_what_is_in_a_file_decides_how_it_is_unpacked_and_not_its_name(tmp_path):
    raw = nifti(tmp_path / "a.nii").read_bytes()
    (tmp_path / "packed.nii").write_bytes(gzip.compress(raw))
    (tmp_path / "plain.nii.gz").write_bytes(raw)
    cut = len(raw) // 2
    (tmp_path / "members.nii.gz").write_bytes(gzip.compress(raw[:cut]) + gzip.compress(raw[cut:]))
    for name in ("packed.nii", "plain.nii.gz", "members.nii.gz"):
        np.testing.assert_array_equal(read_study(tmp_path / name).volume.array, NOISE)


@pytest.mark.parametrize("given", ["a.hdr", "a.img"])
@pytest.mark.parametrize("offset", [0, 352])
def test_a_pair_of_hdr_and_img_is_read(tmp_path, given, offset):
    nifti(tmp_path / "a.hdr")
    raw = bytearray((tmp_path / "a.hdr").read_bytes())
    struct.pack_into("<f", raw, 108, offset)  # some programs write the offset of a single file
    (tmp_path / "a.hdr").write_bytes(raw)
    np.testing.assert_array_equal(read_study(tmp_path / given).volume.array, NOISE)
    (tmp_path / "a.img").unlink()
    assert "a.img is missing" in refusal(tmp_path / "a.hdr")


def test_an_analyze_file_is_named_as_such(tmp_path):
    nifti(tmp_path / "a.hdr")
    raw = bytearray((tmp_path / "a.hdr").read_bytes())
    raw[344:348] = bytes(4)
    (tmp_path / "a.hdr").write_bytes(raw)
    assert "Analyze" in refusal(tmp_path / "a.hdr")


@pytest.mark.parametrize("name", ["größe.raw", os.fsdecode(b"gr\xf6\xdfe.raw")])
@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
def test_voxels_in_a_file_with_a_name_that_is_not_ascii_are_found(tmp_path, name, ending):
    head = {
        "mhd": "NDims = 3\nDimSize = 24 20 6\nElementSpacing = 1 1 4\nElementType = MET_SHORT\nElementDataFile = ",
        "nhdr": "NRRD0004\ntype: short\ndimension: 3\nsizes: 24 20 6\nspacings: 1 1 4\nendian: little\nencoding: raw\n"
        "data file: ",
    }[ending]
    (tmp_path / f"a.{ending}").write_bytes(head.encode() + os.fsencode(name) + b"\n")
    (tmp_path / name).write_bytes(NOISE.tobytes())
    np.testing.assert_array_equal(read_study(tmp_path / f"a.{ending}").volume.array, NOISE)


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha", "mhd"])
def test_a_name_that_is_not_utf8_is_no_obstacle(tmp_path, ending):
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    image = sitk.GetImageFromArray(NOISE)
    sitk.WriteImage(image, str(tmp_path / f"a.{ending}"))
    for path in [p for p in tmp_path.iterdir() if p.is_file()]:
        path.rename(folder / path.name)
    (folder / f"a.{ending}").rename(folder / (os.fsdecode(b"\xe9.") + ending))
    np.testing.assert_array_equal(read_study(folder / (os.fsdecode(b"\xe9.") + ending)).volume.array, NOISE)
    refusal(folder / "none.nii").encode()


def test_packed_and_listed_voxels_of_an_nrrd_are_read(tmp_path):
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 24 20 6\nspacings: 1 1 4\nendian: little\n"
    (tmp_path / "a.raw.bz2").write_bytes(bz2.compress(NOISE.tobytes()))
    (tmp_path / "a.nhdr").write_text(head + "encoding: bzip2\ndata file: a.raw.bz2\n")
    (tmp_path / "b.dat").write_bytes(b"line\n" + bytes(7) + NOISE.tobytes())
    (tmp_path / "b.nhdr").write_text(head + "encoding: raw\nline skip: 1\nbyte skip: 7\ndata file: b.dat\n")
    (tmp_path / "c.nhdr").write_text(head + "encoding: raw\nbyte skip: -1\ndatafile: b.dat\n")
    for n in range(2):
        (tmp_path / f"d{n}").write_bytes(NOISE[3 * n : 3 * n + 3].tobytes())
    (tmp_path / "d.nhdr").write_text(head + "encoding: raw\ndata file: LIST\nd0\nd1\n")
    for name in "abcd":
        np.testing.assert_array_equal(read_study(tmp_path / f"{name}.nhdr").volume.array, NOISE)


def test_the_sample_data_are_read_as_by_itk():
    for name in ("procedural_t1.nii.gz", "procedural_ct.nii.gz"):
        path = resource_path("SampleData", name)
        matrix, array = itk_matrix(path)
        volume = read_study(path).volume
        np.testing.assert_array_equal(volume.array, array)
        np.testing.assert_allclose(volume.ijk_to_ras, matrix, atol=1e-4)
