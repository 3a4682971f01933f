"""DICOM files for the tests, made from nothing."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

CORONAL = (1, 0, 0, 0, 0, -1)
AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)


def pixels(n=8, rows=64, columns=72):
    """Every voxel different, so that a wrong order cannot hide."""
    return np.arange(n * rows * columns, dtype=np.uint16).reshape(n, rows, columns)


def _common(array, **tags):
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.Modality, header.SOPClassUID = "MR", MRImageStorage
    header.PatientName, header.PatientID = "Doe^Jane", "4711"
    header.SeriesNumber, header.SeriesDescription, header.BodyPartExamined = 3, "t1_tse_cor", "HIP"
    header.ScanningSequence, header.RepetitionTime, header.EchoTime = "SE", 500, 10
    header.Rows, header.Columns = array.shape[-2:]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    header.PixelData = array.astype("<u2").tobytes()
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    return header


def make_series(array=None, orientation=CORONAL, spacing=(0.8, 1.2, 5.0), positions_mm=None, **tags):
    """One dataset for each slice, along the normal; ``spacing`` is (between columns, between rows, slices)."""
    array = pixels() if array is None else array
    normal = np.cross(orientation[:3], orientation[3:])
    positions_mm = np.arange(len(array)) * spacing[2] if positions_mm is None else positions_mm
    uid = generate_uid()
    datasets = []
    for number, (plane, at) in enumerate(zip(array, positions_mm, strict=True)):
        header = _common(plane, SeriesInstanceUID=uid, InstanceNumber=number + 1)
        header.ImageOrientationPatient = list(orientation)
        header.ImagePositionPatient = [float(x) for x in np.array([-90, -80, 70]) + normal * at]
        header.PixelSpacing = [spacing[1], spacing[0]]
        for keyword, value in tags.items():
            setattr(header, keyword, value)
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        datasets.append(header)
    return datasets


def make_ct(**tags):
    return make_series(
        orientation=AXIAL,
        **{"Modality": "CT", "SOPClassUID": CTImageStorage, "RescaleSlope": 1, "RescaleIntercept": -1024} | tags,
    )


def make_enhanced(array=None, spacing=(0.8, 1.2, 5.0)):
    """One multi-frame object with functional groups, its frames stored in reverse order."""
    array = pixels() if array is None else array
    header = _common(array[::-1], SOPClassUID=EnhancedMRImageStorage, SeriesInstanceUID=generate_uid())
    for keyword in ("ScanningSequence", "RepetitionTime", "EchoTime"):
        delattr(header, keyword)
    header.SeriesDescription = "cor"
    header.NumberOfFrames = len(array)
    header.EchoPulseSequence = "SPIN"
    shared = Dataset()
    timing, echo, measures, orientation = Dataset(), Dataset(), Dataset(), Dataset()
    timing.RepetitionTime, echo.EffectiveEchoTime = 500.0, 10.0
    measures.PixelSpacing = [spacing[1], spacing[0]]
    orientation.ImageOrientationPatient = list(CORONAL)
    shared.MRTimingAndRelatedParametersSequence = Sequence([timing])
    shared.MREchoSequence = Sequence([echo])
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    header.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    normal = np.cross(CORONAL[:3], CORONAL[3:])
    for k in reversed(range(len(array))):
        frame, place, value = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [float(x) for x in np.array([-90, -80, 70]) + normal * spacing[2] * k]
        value.RescaleSlope, value.RescaleIntercept = 2, k  # differs from frame to frame
        frame.PlanePositionSequence = Sequence([place])
        frame.PixelValueTransformationSequence = Sequence([value])
        frames.append(frame)
    header.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return [header]


def write(folder, datasets, shuffle=True):
    """Write a series in an order and under names that say nothing about the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(len(datasets)) if shuffle else range(len(datasets))
    for name, n in enumerate(order):
        header: pydicom.Dataset = datasets[n]
        header.save_as(folder / f"{header.SeriesNumber}-{name}.dcm", enforce_file_format=True)
    return folder
