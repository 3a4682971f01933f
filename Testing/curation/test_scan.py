"""The scan before a save finds the patient however somebody has written the name, and lets ordinary words pass."""

from datetime import date

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.privacy import refuse_identifiers

PATIENT = ("MÜLLER^ANNA MARIA", "ZZPID777", "19431213", "ACC-2024-0815", "Universitätsklinik Freiburg, Hip Center")


def found(comment: str, *identifiers: str, dates=()) -> bool:
    try:
        refuse_identifiers({"comment": comment}, identifiers, dates)
    except InputError as error:
        assert "comment" in str(error) and not any(
            word.casefold() in str(error).casefold() for word in identifiers if len(word) > 4
        )
        return True
    return False


@pytest.mark.parametrize(
    "comment",
    [
        "Mueller", "MUELLER", "Muller", "Müller", "mu\u0308ller", "Müllers hip", "Müller's hip", "Muellers Hüfte",
        "AnnaMuller", "annamuller", "mullerAnna", "ANNA_MUELLER", "anna.mueller", "Mül-ler", "M ü l l e r",
        "Mü\u200bller", "Mü\u00adller", "M\u2060üller", "Мüller", "MuIler Müllеr", "Ｍüller", "𝐌𝐮𝐥𝐥𝐞𝐫", "ᴍᴜʟʟᴇʀ",
        "case of Anna", "ZZPID-777", "ZZPID 777", "zzpid_777", "zzpid777", "ZZ PID-777", "ZZPID.777", "ZZPІD777",
        "ACC20240815", "acc 2024 0815", "2024-0815", "Dec 13 1943", "13 Dec 1943", "December 13th, 1943",
        "13. Dezember 1943", "13 décembre 1943", "13 de diciembre de 1943", "13.12.1943", "12/13/1943", "1943-12-13",
        "13121943", "13dec1943", "13-DEC-43", "13.12.43", "131243", "1943 Dec 13", "born 13/12/43", "from Freiburg",
    ],
)  # fmt: skip
def test_the_patient_is_found_however_it_is_written(comment):
    assert found(f"slice 12 is dark; {comment}, rim unclear", *PATIENT)


@pytest.mark.parametrize("comment", ["Herr Li", "HERR LI", "Mrs. Wu", "Dr Wu", "Li Wu", "Wu, Li", "WuLi", "patient Li"])
def test_names_of_two_letters_are_found_after_a_title_or_beside_the_other_name(comment):
    assert found(f"rim unclear; {comment}", "Li^Wu")


@pytest.mark.parametrize(
    ("comment", "identifier"),
    [
        ("Ivanov came back", "Иванов^Пётр"),
        ("Иванов", "Иванов^Пётр"),
        ("Petr", "ПЁТР"),
        ("患者李明复查", "李明"),
        ("李", "李"),
        ("Aase", "Åse^Bø"),
        ("Soerensen", "Sørensen"),
        ("Strauss", "Strauß"),
        ("Lukasz", "Łukasz"),
        ("McDonalds", "McDonald"),
        ("mcdonald", "McDonald^R"),
        ("OBrien", "O'Brien"),
        ("o brien", "O'Brien"),
        ("Garcia Lopez", "García-López"),
        ("Smithson-Jones", "JONES"),
        ("x4711x 47-11", "4711"),
        ("HOSP4711", "HOSP-4711"),
    ],
)
def test_other_names_and_numbers(comment, identifier):
    assert found(comment, identifier)


USUAL = [
    "rim unclear", "necrosis at the anterior rim, slices 4, 7, 11", "head flattened; collapse 2 mm", "T1 dark",
    "motion artefact in slices 12-15", "see Steinberg", "Steinberg II, JIC C1", "Ficat 3", "maybe subchondral fracture",
    "left hip better than the right", "may be oedema", "the second reader should look", "compare with the axial series",
    "small lesion, long crescent", "flip angle 20, TR 500, TE 12", "grade 2024 of 1", "31 mm from the centre",
    "drawn in Dec", "checked again on Monday", "no necrosis", "double line sign", "Kerboul 252", "femoral head",
    "medial third spared", "cyst in the acetabulum", "vein, no lesion", "Gefäß, keine Nekrose", "Rand unscharf",
    "von Hand korrigiert", "in den Schichten 3 bis 8", "the MRI of the clinic is older", "image of the hospital",
    "13 slices, 12 with necrosis, 43 ml", "1.5 T, 4 mm", "50 % of the head", "bone marrow oedema syndrome", "test case",
    "mulled over it", "anal margin", "marginal", "an area of 7 mm", "ID of the slice: 77", "zz", "pid 7", "case 15",
    "li", "wu", "line 4", "lived with pain since March", "slices 2019 to 2024", "p 12", "x 13 12", "12 13",
    "Dec 13", "1943", "Anne's area", "freeing", "center of rotation", "Hip-Spine", "müde Aufnahme", "mull",
]  # fmt: skip


@pytest.mark.parametrize("comment", USUAL)
def test_usual_comments_pass(comment):
    assert not found(comment, *PATIENT, "Li^Wu", "M", "4", dates=(date(2024, 1, 31), date(2024, 3, 5)))


def test_a_study_date_written_with_its_month_is_found():
    assert found("MRI of 31 Jan 2024", dates=(date(2024, 1, 31),)) and found(
        "MRI of 31jan24", dates=(date(2024, 1, 31),)
    )
    assert not found("MRI of 30 Jan 2024", dates=(date(2024, 1, 31),))
