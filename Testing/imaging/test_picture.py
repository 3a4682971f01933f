"""Pictures and single slices: their grey values, pixel size and place, and what is refused."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import CORONAL, make_series, write
from PIL import Image, ImageOps
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    SecondaryCaptureImageStorage,
)

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.picture import read_image, read_picture

GREY = (np.add.outer(np.arange(40), np.arange(60)) * 2).astype(np.uint8)
ALL = ("volume", "slice", "picture")


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def dicom(folder, **tags):
    """One file; returns its path and its pixels as they were stored."""
    (header, *_) = make_series(**tags)
    for keyword, value in tags.items():
        if value is None:
            delattr(header, keyword)
    write(folder, [header])
    return next(folder.iterdir()), header.pixel_array


def test_a_png_keeps_its_values_and_says_nothing_of_its_size(tmp_path):
    study = read_picture(saved(tmp_path / "a.png", GREY))
    assert study.form == "picture" and study.source["kind"] == "PNG" and study.source["spacing_mm"] is None
    assert np.array_equal(study.volume.array[0], GREY) and study.volume.array.shape == (1, 40, 60)


def test_colours_become_their_brightness(tmp_path):
    colours = np.zeros((40, 60, 4), np.uint8)
    colours[..., 1], colours[..., 3] = GREY, 255
    study = read_picture(saved(tmp_path / "a.png", colours))
    assert np.allclose(study.volume.array[0], 0.587 * GREY, atol=0.01)


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    deep = GREY.astype(np.uint16) * 300
    assert np.array_equal(read_picture(saved(tmp_path / "a.png", deep)).volume.array[0], deep)


def test_a_jpeg_is_read_by_what_is_in_it_whatever_its_name(tmp_path):
    study = read_picture(saved(tmp_path / "hip.image", GREY, format="JPEG", quality=98))
    assert study.source["kind"] == "JPEG"
    assert np.abs(study.volume.array[0].astype(int) - GREY).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path, kind):
    path = saved(tmp_path / "a", np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8), format=kind)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="cut off"):
        read_picture(path)


def test_a_png_that_unpacks_to_more_than_is_read_is_refused(tmp_path):
    path = saved(tmp_path / "a.png", np.zeros((9000, 9000), np.uint8))
    with pytest.raises(InputError, match=r"pixels|cannot be decoded"):
        read_picture(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_whose_bytes_were_changed_is_read_or_refused_with_one_sentence(tmp_path, kind):
    random = np.random.default_rng(0)
    whole = saved(tmp_path / "a", random.integers(0, 255, (60, 80), dtype=np.uint8), format=kind).read_bytes()
    for n in range(5):
        changed = bytearray(whole)
        for at in random.integers(8, len(whole), 1 + 4 * n):
            changed[at] = random.integers(0, 256)
        (tmp_path / "b").write_bytes(changed)
        try:
            assert read_picture(tmp_path / "b").volume.array.size
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("array", [np.zeros((40, 60), np.uint8), GREY[:8]])
def test_an_empty_or_tiny_picture_is_refused(tmp_path, array):
    with pytest.raises(InputError):
        read_picture(saved(tmp_path / "a.png", array))


def test_one_slice_of_an_mr_has_its_size_and_place(tmp_path):
    path, stored = dicom(tmp_path / "mr")
    study = read_picture(path)
    assert study.form == "slice" and study.source["sequence"] == "T1" and study.source["plane"] == "coronal"
    assert np.array_equal(study.volume.array[0], stored)
    assert study.volume.spacing_mm[:2] == pytest.approx((0.8, 1.2))
    assert study.volume.ras(np.zeros(3)) == pytest.approx([90, 80, 70])  # the file holds LPS
    assert study.volume.axes_ras[:, 0] == pytest.approx(np.array(CORONAL[:3]) * [-1, -1, 1])
    assert study.patient["name"] == "Doe^Jane" and "Doe" not in str(study.source)


def x_ray(folder, **tags):
    known = {"Modality": "CR", "SOPClassUID": ComputedRadiographyImageStorage, "ImageOrientationPatient": None}
    return dicom(folder, **known | {"ImagePositionPatient": None, "PixelSpacing": None, "ViewPosition": "AP"} | tags)


def test_an_x_ray_has_the_pixels_of_its_detector_and_says_so(tmp_path):
    study = read_picture(x_ray(tmp_path / "a", ImagerPixelSpacing=[0.2, 0.1])[0])
    assert study.form == "picture" and study.source["view"] == "CR AP"
    assert study.volume.spacing_mm[:2] == pytest.approx((0.1, 0.2))
    assert [notice.code for notice in study.notices] == ["pixel-size-at-detector"]
    known = {"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 1.25}
    study = read_picture(x_ray(tmp_path / "b", **known)[0])
    assert study.volume.spacing_mm[:2] == pytest.approx((0.16, 0.16)) and study.notices == ()


def test_an_x_ray_whose_low_values_are_bright_is_turned(tmp_path):
    path, stored = x_ray(tmp_path / "a", PhotometricInterpretation="MONOCHROME1")
    study = read_picture(path)
    assert np.array_equal(study.volume.array[0], stored.max() - stored.astype(int))
    assert study.source["spacing_mm"] is None


def test_rescaling_is_applied(tmp_path):
    path, stored = x_ray(tmp_path / "a", RescaleSlope=2, RescaleIntercept=-100)
    assert np.allclose(read_picture(path).volume.array[0], stored * 2.0 - 100)


def test_a_view_that_could_name_the_patient_is_not_kept(tmp_path):
    assert read_picture(x_ray(tmp_path / "a", ViewPosition="DOE JANE")[0]).source["view"] == "CR"


def test_a_saved_screen_in_colours_becomes_grey(tmp_path):
    pixels = np.repeat(GREY[..., None], 3, axis=-1)
    known = {"Modality": "OT", "SOPClassUID": SecondaryCaptureImageStorage, "SamplesPerPixel": 3, "BitsAllocated": 8}
    known |= {"PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsStored": 8, "HighBit": 7}
    known |= {"Rows": 40, "Columns": 60, "PixelData": pixels.tobytes()}
    study = read_picture(dicom(tmp_path / "a", **known)[0])
    assert study.form == "picture" and np.allclose(study.volume.array[0], GREY, atol=0.01)


def test_one_file_stands_for_its_series_only_where_a_volume_is_wanted(tmp_path):
    folder = write(tmp_path / "mr", make_series())
    file = sorted(folder.iterdir())[0]
    assert read_image(file, ALL).form == "volume" and read_image(file, ALL).volume.array.shape[0] == 8
    assert read_image(file, ("slice",)).volume.array.shape[0] == 1
    assert read_image(x_ray(tmp_path / "x", ImagerPixelSpacing=[0.2, 0.2])[0], ALL).form == "picture"


def test_for_volumes_alone_a_picture_is_refused_as_what_it_is(tmp_path):
    with pytest.raises(InputError, match=r"is a picture \(PNG\), and the chosen systems read volumes only; give NIfTI"):
        read_image(saved(tmp_path / "a.png", GREY), ("volume",))


def test_several_frames_are_no_picture(tmp_path):
    from dicom_files import make_enhanced

    folder = write(tmp_path / "a", make_enhanced())
    with pytest.raises(InputError, match="8 frames"):
        read_picture(next(folder.iterdir()))


def png(path, array, depth, colour=0, interlaced=False, extra=b""):
    """Write a PNG of whole samples (rows, columns[, channels]) as no library here does: any depth, in Adam7's order."""
    array = array.reshape(*array.shape[:2], -1)
    lines = []
    order = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    for row, column, down, across in order if interlaced else [(0, 0, 1, 1)]:
        for samples in array[row::down, column::across]:
            bits = (samples.reshape(-1, 1).astype(int) >> np.arange(depth)[::-1]) & 1
            lines.append(b"\0" + np.packbits(bits.astype(np.uint8).ravel()).tobytes())
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], depth, colour, 0, 0, interlaced)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + chunk(b"IEND", b"")
    )
    return path


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_png_of_any_depth_and_order_has_its_values(tmp_path, depth, interlaced):
    samples = (GREY.astype(int) * 257) >> (16 - depth)
    known = samples * (1 if depth == 16 else 255 // (2**depth - 1))
    study = read_picture(png(tmp_path / "a.png", samples, depth, interlaced=interlaced))
    assert np.array_equal(study.volume.array[0], known)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "CMYK", "YCbCr", "RGB"])
def test_a_picture_of_any_mode_has_its_brightness(tmp_path, mode):
    file = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    if mode == "P":
        image = Image.fromarray(255 - GREY, "P")
        image.putpalette(np.repeat(np.arange(256)[::-1], 3).tolist())
    else:
        image = Image.fromarray(GREY).convert("RGB").convert(mode)
    image.save(file, quality=98)
    close = 8 if mode in ("CMYK", "YCbCr") else 0.01
    assert np.abs(read_picture(file).volume.array[0] - GREY.astype(float)).max() < close


@pytest.mark.parametrize("colour", [4, 6])
@pytest.mark.parametrize("depth", [8, 16])
def test_transparency_is_left_out_where_it_lets_nothing_through_and_refused_elsewhere(tmp_path, depth, colour):
    samples = np.repeat(GREY[..., None].astype(int), 2 if colour == 4 else 4, axis=2)
    samples[..., -1] = 2**depth - 1
    file = png(tmp_path / "a.png", samples, depth, colour)
    if (depth, colour) == (16, 4):
        with pytest.raises(InputError, match="save it without transparency"):
            read_picture(file)
    else:
        assert np.allclose(read_picture(file).volume.array[0], GREY, atol=0.01)
    samples[3, 3, -1] = 7
    with pytest.raises(InputError, match="save it without transparency"):
        read_picture(png(tmp_path / "a.png", samples, depth, colour))


@pytest.mark.parametrize(("depth", "seen"), [(8, 40), (8, 1), (4, 1), (16, 40)])
def test_a_grey_that_stands_for_nothing_is_no_grey(tmp_path, depth, seen):
    """tRNS: one of the values is transparent, be it in the picture or not (1 is not in it)."""
    extra = chunk(b"tRNS", struct.pack(">H", seen))
    file = png(tmp_path / "a.png", GREY.astype(int) >> (4 if depth == 4 else 0), depth, extra=extra)
    if (depth, seen) == (8, 1):
        assert np.array_equal(read_picture(file).volume.array[0], GREY)
    else:
        with pytest.raises(InputError, match="save it without transparency"):
            read_picture(file)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_photograph_is_turned_as_every_viewer_turns_it(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path / "a", GREY, format=kind, exif=exif)
    with Image.open(file) as image:
        known = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert np.abs(read_picture(file).volume.array[0] - known).max() < 3
    assert known.shape == ((60, 40) if 5 <= orientation <= 8 else (40, 60))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0MM no TIFF\xff\xd9"}])
def test_a_jpeg_whose_data_end_early_is_refused_wherever_its_end_mark_stands(tmp_path, options):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)
    whole = saved(tmp_path / "a.jpg", noise, format="JPEG", **options).read_bytes()
    for damaged in (whole[:-2000], whole[:-2000] + b"\xff\xd9", whole[:9000] + bytes(5000) + whole[14000:]):
        (tmp_path / "b.jpg").write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged or cut off"):
            read_picture(tmp_path / "b.jpg")
    (tmp_path / "b.jpg").write_bytes(whole + b"notes of a camera " * 1000)
    assert np.array_equal(read_picture(tmp_path / "b.jpg").volume.array, read_picture(tmp_path / "a.jpg").volume.array)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_jpeg_in_dicom_whose_data_end_early_is_refused(tmp_path, bits):
    """8 bits: lossy, as Pillow writes it; 16 bits: lossless, as ITK does."""
    noise = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8 if bits == 8 else np.uint16)
    if bits == 8:
        whole = saved(tmp_path / "a.jpg", noise, format="JPEG", quality=98).read_bytes()
    else:
        image = sitk.GetImageFromArray(noise)
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "a.dcm"))
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.Execute(image)
        whole = next(generate_frames(pydicom.dcmread(tmp_path / "a.dcm").PixelData, number_of_frames=1)).rstrip(b"\0")
    known = {"Rows": 200, "Columns": 200, "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    known |= {"PixelRepresentation": 0, "syntax": JPEGBaseline8Bit if bits == 8 else JPEGLosslessSV1}
    read = read_picture(compressed(tmp_path / "whole", whole, **known)).volume.array[0]
    assert np.abs(read.astype(int) - noise).max() < (12 if bits == 8 else 1)
    with pytest.raises(InputError, match="cannot be decoded"):
        read_picture(compressed(tmp_path / "cut", whole[:-2000] + b"\xff\xd9", **known))


def compressed(folder, code, syntax, **tags):
    (header, *_) = make_series(**tags)
    header.file_meta.TransferSyntaxUID = syntax
    header.PixelData = encapsulate([code])
    header["PixelData"].is_undefined_length = True
    folder.mkdir()
    header.save_as(folder / "a.dcm", enforce_file_format=True)
    return folder / "a.dcm"


def test_several_pictures_in_one_file_and_kinds_that_are_not_read_are_named(tmp_path):
    turned = Image.fromarray(255 - GREY)
    Image.fromarray(GREY).save(tmp_path / "a.png", save_all=True, append_images=[turned])
    with pytest.raises(InputError, match=r"several pictures \(APNG\)"):
        read_picture(tmp_path / "a.png")
    for kind in ("GIF", "TIFF", "BMP", "WebP"):
        several = {"save_all": True, "append_images": [turned]} if kind in ("GIF", "TIFF") else {}
        Image.fromarray(GREY).save(tmp_path / "a", format=kind, **several)
        with pytest.raises(InputError, match=rf"\({kind}\); save it as PNG"):
            read_image(tmp_path / "a", ALL)
        with pytest.raises(InputError, match=rf"is a picture \({kind}\), and the chosen systems read volumes only"):
            read_image(tmp_path / "a", ("volume",))


@pytest.mark.parametrize("size", [(5000, 100), (100, 5000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_declares_more_than_is_read_is_refused_before_it_is_unpacked(tmp_path, size):
    file = png(tmp_path / "a.png", GREY, 8)
    content = file.read_bytes()
    header = struct.pack(">II", *size) + content[24:29]
    file.write_bytes(content[:8] + chunk(b"IHDR", header) + content[33:])
    with pytest.raises(InputError, match="side of more than 4,096 pixels"):
        read_picture(file)


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b", "a\0b.png", "none", "empty", "fifo", "loop"])
def test_a_path_that_can_be_no_picture_is_a_sentence(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    if os.name == "posix":
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "loop").symlink_to("loop")
    for read in (
        lambda: read_picture(Path(path)),
        lambda: read_image(path, ALL),
        lambda: read_image(path, ("volume",)),
    ):
        with pytest.raises(InputError):
            read()


def test_a_name_whose_bytes_are_no_text_is_read(tmp_path):
    strange = tmp_path / os.fsdecode(b"\xfc.png")
    saved(tmp_path / "a.png", GREY).rename(strange)
    assert np.array_equal(read_picture(strange).volume.array[0], GREY)


SCREEN = {
    "Modality": "OT",
    "SOPClassUID": SecondaryCaptureImageStorage,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelRepresentation": 0,
    "Rows": 40,
    "Columns": 60,
}


@pytest.mark.parametrize("bits", [8, 16])
def test_the_numbers_of_a_palette_become_its_colours(tmp_path, bits):
    tags = SCREEN | {"PhotometricInterpretation": "PALETTE COLOR", "PixelData": GREY.tobytes()}
    entries = np.arange(256)[::-1].astype(np.uint8 if bits == 8 else "<u2")
    for colour in ("Red", "Green", "Blue"):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        tags[f"{colour}PaletteColorLookupTableData"] = entries.tobytes()
    assert np.allclose(read_picture(dicom(tmp_path / "a", **tags)[0]).volume.array[0], 255 - GREY, atol=0.01)


@pytest.mark.parametrize(
    "tags",
    [
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PhotometricInterpretation": "HSV"},
        {"PhotometricInterpretation": "RGB"},
        {"ModalityLUTSequence": [pydicom.Dataset()]},
        {"PixelAspectRatio": [2, 1]},
    ],
    ids=lambda tags: next(iter(tags)),
)
def test_a_screen_whose_values_are_no_brightness_or_whose_pixels_are_no_squares_is_refused(tmp_path, tags):
    known = SCREEN | {"PhotometricInterpretation": "MONOCHROME2", "PixelData": GREY.tobytes(), "PixelSpacing": None}
    file, _ = dicom(tmp_path / "a", **known | {"ImageOrientationPatient": None, "ImagePositionPatient": None} | tags)
    with pytest.raises(InputError):
        read_picture(file)


def test_an_image_that_is_to_be_shown_inverted_is_turned(tmp_path):
    path, stored = x_ray(tmp_path / "a", PresentationLUTShape="INVERSE")
    assert np.array_equal(read_picture(path).volume.array[0], stored.max() - stored.astype(int))
