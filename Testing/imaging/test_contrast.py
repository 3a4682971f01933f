"""Which words of a header tell that an image is no plain T1."""

import pytest
from dicom_files import make_enhanced
from pydicom import Dataset

from ONFHAssistLib.imaging.sequence import kind_from_tags

T1 = {"Modality": "MR", "ScanningSequence": "SE", "RepetitionTime": 500, "EchoTime": 10}


def kind(**tags):
    made = Dataset()
    for keyword, value in (T1 | tags).items():
        setattr(made, keyword, value)
    return kind_from_tags(made)


@pytest.mark.parametrize(
    "words",
    [
        "SPIR_COR", "T1FS", "T1 FATSUP", "cor_CHESS", "t1_tse_fs_cor", "T1 FAT SAT", "T1_FatSat_cor",
        "t1w fat-suppressed",
        "T1 fat suppression", "T1 SPAIR", "t1_fl2d_we", "WATER: Cor T1 IDEAL", "mDIXON T1 W", "t1_tse_dixon_cor_W",
        "eT1W_mDIXON W", "T1 F/S COR", "T1 Fettsättigung", "T1 fettges. FS", "T1 sat graisse", "T1 supresion de grasa",
        "T1 ProSet", "water excitation t1", "T1_FSCOR",
    ],
)  # fmt: skip
def test_suppressed_fat_is_seen_in_the_words_of_any_scanner(words):
    assert kind(SeriesDescription=words).fat_suppressed


@pytest.mark.parametrize(
    "words",
    [
        "t1_tse_cor", "T1 COR NON FS", "T1 no fat sat", "T1 w/o FS", "t1 ohne fs", "T1 W COR", "t1 offset",
        "COR T1 FSE",
        "t1_tse_cor limf nodes CM", "InPhase: Cor T1 IDEAL", "t1_tse_dixon_in", "T1 hips W L", "Wheelchair t1",
        "t1 subcutaneous",
        "T1 flexion F",
    ],
)  # fmt: skip
def test_plain_t1_stays_plain(words):
    found = kind(SeriesDescription=words)
    assert (found.sequence, found.fat_suppressed, found.notices) == ("T1", False, ())


@pytest.mark.parametrize(
    ("words", "component"),
    [
        ("OutPhase: Cor T1 IDEAL", "opposed-phase"), ("t1_vibe_opp_tra", "opposed-phase"),
        ("T1 out of phase", "opposed-phase"),
        ("t1_tse_dixon_opp", "opposed-phase"), ("mDIXON OP", "opposed-phase"), ("T1 Gegenphase", "opposed-phase"),
        ("FAT: Cor T1 IDEAL", "fat"), ("t1_tse_dixon_cor_F", "fat"), ("T1_COR_SUB", "subtraction"),
        ("t1 subtraction", "subtraction"), ("t1 MIP", "projection"), ("T1 map", "map"),
    ],
)  # fmt: skip
def test_what_is_not_as_acquired_is_no_t1_and_is_told(words, component):
    found = kind(SeriesDescription=words)
    assert (found.component, found.sequence) == (component, "unknown")
    assert [n.code for n in found.notices] == ["image-component"]


@pytest.mark.parametrize(
    ("values", "component"),
    [
        (["ORIGINAL", "PRIMARY", "W", "W", "DERIVED"], "water"), (["DERIVED", "PRIMARY", "DIXON", "WATER"], "water"),
        (["ORIGINAL", "PRIMARY", "M", "ND", "OPP_PHASE"], "opposed-phase"),
        (["DERIVED", "PRIMARY", "OP"], "opposed-phase"),
        (["ORIGINAL", "PRIMARY", "F"], "fat"), (["ORIGINAL", "PRIMARY", "M", "IN_PHASE"], "in-phase"),
        (["DERIVED", "PRIMARY", "SUBTRACTION"], "subtraction"), (["DERIVED", "PRIMARY", "M", "SUB"], "subtraction"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "ADC"], "map"),
        (["DERIVED", "SECONDARY", "PROJECTION IMAGE"], "projection"),
        (["ORIGINAL", "PRIMARY", "P", "ND"], "phase"), (["DERIVED", "PRIMARY", "T1 MAP"], "map"),
        (["ORIGINAL", "PRIMARY", "M", "ND", "NORM"], ""), (["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"], ""),
    ],
)  # fmt: skip
def test_the_image_type_tells_what_is_shown(values, component):
    assert kind(ImageType=values, SeriesDescription="t1_cor").component == component


def test_a_subtraction_is_known_by_its_derivation():
    assert kind(DerivationDescription="Subtracted images").component == "subtraction"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["DERIVED", "SECONDARY"], True), (["DERIVED", "SECONDARY", "CALC"], True),
        (["DERIVED", "SECONDARY", "OTHER"], False),
        (["DERIVED", "PRIMARY", "T1", "NONE"], False), (["DERIVED", "SECONDARY", "MPR"], False),
        (["ORIGINAL", "PRIMARY"], False),
    ],
)  # fmt: skip
def test_an_image_that_was_computed_from_others_is_told_unless_it_is_only_reformatted(values, told):
    assert [n.code for n in kind(ImageType=values).notices] == ["derived"] * told


def test_one_kind_for_each_frame_of_an_enhanced_object():
    made = make_enhanced()[0]
    for n, frame in enumerate(made.PerFrameFunctionalGroupsSequence):
        of_frame = Dataset()
        of_frame.FrameType = ["ORIGINAL", "PRIMARY", "M", "WATER" if n % 2 else "IN_PHASE"]
        frame.MRImageFrameTypeSequence = [of_frame]
    assert [kind_from_tags(made, n).component for n in (0, 1)] == ["in-phase", "water"]


def test_private_sequences_do_not_override_the_contrast():
    made = make_enhanced()[0]
    private = Dataset()
    private.EffectiveEchoTime, private.RepetitionTime = 90.0, 4000.0
    made.SharedFunctionalGroupsSequence[0].add_new(0x2005140F, "SQ", [private])
    del made.SharedFunctionalGroupsSequence[0].MREchoSequence
    assert kind_from_tags(made).sequence == "unknown"


def test_a_decimal_comma_in_the_timing_counts_as_missing():
    made = Dataset.from_json({"00080060": {"vr": "CS", "Value": ["MR"]}})
    made.ScanningSequence, made.EchoTime, made.SeriesDescription = "SE", 10, "t1_cor"
    made.add(_raw(0x00180080, "DS", b"512,25"))
    assert kind_from_tags(made).sequence == "T1"


def _raw(tag, vr, value):
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    return RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
