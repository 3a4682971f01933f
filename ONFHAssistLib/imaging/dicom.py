"""DICOM series: finding, judging, choosing and reading them. Classic and enhanced multi-frame, MR and CT.

DICOM speaks LPS; everything that leaves this file is RAS.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.dicom_frames import Frame, count_of_frames, frames_of
from ONFHAssistLib.imaging.dicom_header import (
    Fault,
    Person,
    damaged,
    image_fault,
    is_directory_record,
    person,
    read_header,
    series_uid,
    several_people,
    shown_names,
)
from ONFHAssistLib.imaging.dicom_parts import parts_of, without_copies, without_strangers
from ONFHAssistLib.imaging.dicom_pixels import inverted, read_pixels
from ONFHAssistLib.imaging.dicom_series import Series
from ONFHAssistLib.imaging.sequence import text_of

_LISTED = 6


@dataclass(frozen=True)
class Found:
    """The series of a folder, and the damaged files that belong to none of them."""

    series: tuple[Series, ...]
    strangers: tuple[Fault, ...] = ()

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Name the files that were passed over."""
        if not self.strangers:
            return ()
        people = {one for series in self.series for one in series.people}
        count = len(self.strangers)
        names = shown_names([fault.path for fault in self.strangers], people)
        what = "One damaged file was" if count == 1 else f"{count} damaged files were"
        text = f"{what} passed over ({names}); if it should be a slice of this series, export the series again."
        return (Notice("files-passed-over", text),)

    def passed_over(self, chosen: Series) -> tuple[Notice, ...]:
        """Say which series was taken, and name the others."""
        others = [one for one in self.series if one is not chosen]
        if not others:
            return ()
        are = "the other one is" if len(others) == 1 else "the others are"
        named = "; ".join(_beside(one, chosen) for one in others)
        text = f"Series {chosen.summary} was taken; {are} {named}; --series NUMBER takes another one."
        return (Notice("several-series", text),)


def find_series(path: Path, below: bool = True) -> Found:
    """Find every image series in a folder, or the one that a file belongs to.

    Args:
        path: folder or file.
        below: look into the folders below it, too.

    Raises:
        InputError: nothing there is a DICOM image.
    """
    wanted = _wanted(path) if path.is_file() else None
    files = _files(path.parent, False, path) if wanted else _files(path, below)
    groups: dict[tuple, list[tuple[pydicom.Dataset, tuple[Frame, ...]]]] = {}
    faults, others = [], 0
    for file in files:
        header = read_header(file)
        if header is None and _should_be_dicom(file):
            faults.append(Fault(file, f"{file} is not a DICOM file or is damaged; copy it again.", "", False))
        if isinstance(header, Fault):
            faults.append(header)
        if not isinstance(header, pydicom.Dataset):
            continue
        try:
            if is_directory_record(header):
                continue
            image = image_fault(header)
            others += image is False
            count_of_frames(header)
            if isinstance(image, Fault):
                faults.append(image)
            elif image and (wanted is None or series_uid(header) == series_uid(wanted)):
                frames = frames_of(header)
                groups.setdefault(_group(header), []).append((header, frames))
        except InputError as error:
            faults.append(Fault(file, str(error), series_uid(header), bool(image)))
        except Exception:  # pydicom parses when asked, and raises errors of every kind
            faults.append(damaged(file))
    made = [one for group in groups.values() for one in _made_of(group)]
    if wanted is not None:
        made = [one for one in made if any(f.path == path for f in one.frames)] or [
            one for one in made if _group(one.header) == _group(wanted) and person(wanted) in one.people
        ]
    made, strangers = _blamed(made, faults)
    if not made:
        raise InputError(_nothing(path, faults, others))
    return Found(tuple(_numbered(made)), tuple(strangers))


def choose(found: tuple[Series, ...], wanted: str | None) -> Series:
    """Pick the series to grade.

    Without ``wanted`` the one with the best score wins: coronal T1 that covers both hips first. Points: T1 8, CT 6,
    PD and T2 4, STIR 3, unknown 2, gradient echo 1; fat suppression or a water image -4; an opposed-phase or fat image
    2 for its sequence and -3; a subtraction, map, phase or projection -10; in-phase or derived -1; coronal 4, axial 2,
    sagittal 1; at least 250 mm from left to right 2; hip or pelvis by its tags 1; localizers and stacks of fewer than 6
    slices -10; what is no volume -100. A tie goes to the one with more slices, then to the lower UID.

    What is ambiguous is not chosen: usable series of several people; a tie between studies, or between those that
    ``wanted`` names; parts of one series with the same contrast and plane.

    Args:
        found: the series of a folder.
        wanted: series number, UID, or a part of its description.

    Raises:
        InputError: nothing is like ``wanted``, it is ambiguous, or the chosen one is no volume (its own reason).
    """
    among = found if wanted is None else _like(found, wanted)
    best = min(among, key=lambda s: (-s.score, -len(s.frames), s.uid))
    if best.problem:
        raise InputError(best.problem)
    usable = tuple(s for s in among if not s.problem)
    if several_people(one for s in usable for one in s.people):
        raise InputError(
            f"There are images of several patients, by their IDs, names or dates of birth: {_listed(usable)}; "
            "give a folder of one patient, or one file of the series you mean."
        )
    tied = tuple(s for s in usable if s.score == best.score)
    if len({s.study for s in tied}) > 1:
        raise InputError(
            f"There are series of several studies that suit equally: {_listed(tied)}; "
            "give the folder of one study, or one file of the series you mean."
        )
    parts = tuple(s for s in usable if s.uid == best.uid and (s.kind.words, s.plane) == (best.kind.words, best.plane))
    if len(parts) > 1 or (len(tied) > 1 and wanted is not None):
        these = parts if len(parts) > 1 else tied
        what = "Echoes, times or stacks of one series" if len(parts) > 1 else "Several series"
        how = f"give one as --series, such as --series {these[0].number}"
        if len({s.number for s in these}) < len(these):
            how = "give one file of the one you mean"
        raise InputError(f"{what} suit equally, and only you can tell which is meant: {_listed(these)}; {how}.")
    return best


def load(series: Series) -> Volume:
    """Read the pixels of a series: whole numbers where its rescaling allows, otherwise float32.

    Raises:
        InputError: the series is no volume, or a file's pixels cannot be decoded.
    """
    frames, matrix = series.grid
    array = read_pixels(frames)
    # HU are the same, however they are to be shown.
    if text_of(series.header, "PhotometricInterpretation") == "MONOCHROME1" and series.kind.modality != "CT":
        array = inverted(array)
    return Volume(array, matrix)


def _wanted(path: Path) -> pydicom.Dataset:
    header = read_header(path)
    if header is None:
        raise InputError(f"{path} is not a DICOM file or is damaged; give a NIfTI, NRRD, MHA or DICOM image.")
    if isinstance(header, Fault):
        raise InputError(header.sentence)
    if is_directory_record(header):
        raise InputError(f"{path} is the index of a disc (DICOMDIR), not an image; give the folder it lies in.")
    image = image_fault(header)
    if isinstance(image, Fault):
        raise InputError(image.sentence)
    if not image:
        kind = text_of(header, "Modality") or "unknown kind"
        raise InputError(f"{path} is a DICOM object without an image ({kind}); give a file of the image series.")
    frames_of(header)
    return header


def _files(folder: Path, below: bool, also: Path | None = None) -> list[Path]:
    """List the files of a folder; what is hidden (a bin, what a Mac leaves beside its files) only if it is named."""
    found = [also] if also else []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if below and not name.startswith(".")]
        found += [Path(root, name) for name in names if not name.startswith(".")]
    return sorted({file for file in found if file.is_file()})  # no dangling links, no sockets


def _should_be_dicom(file: Path) -> bool:
    """Whether a file that is not DICOM was meant to be: by its name, or because it is empty and says nothing."""
    suffix = file.suffix.lower()
    return suffix in (".dcm", ".ima") or (not suffix and file.stat().st_size == 0)


def _nothing(path: Path, faults: list[Fault], others: int) -> str:
    images = [fault for fault in faults if fault.may_be_image] or faults
    if images:
        return images[0].sentence
    if others:
        return f"{path} holds DICOM objects but none of them is an image; give the folder of the images."
    what = "is an empty folder" if path.is_dir() and not any(path.iterdir()) else "holds no DICOM image"
    return f"{path} {what}; give a folder with a DICOM series, or an image file."


def _group(header: pydicom.Dataset) -> tuple[str, ...]:
    """What belongs together: a series, or a multi-frame object, which is a volume of its own, in all its parts."""
    own = text_of(header, "ConcatenationUID")
    if not own and count_of_frames(header) > 1:
        own = text_of(header, "SOPInstanceUID")
    return series_uid(header), own


def _made_of(group: list[tuple[pydicom.Dataset, tuple[Frame, ...]]]) -> list[Series]:
    """The series of one UID: several where people or studies contradict each other, or it has parts."""
    people = {id(header): (person(header), text_of(header, "StudyInstanceUID")) for header, _ in group}
    if several_people(one for one, _ in people.values()) or len({study for _, study in people.values() if study}) > 1:
        groups = [[one for one in group if people[id(one[0])] == who] for who in dict.fromkeys(people.values())]
    else:
        groups = [group]
    found = []
    for members in groups:
        headers = [header for header, _ in members]
        frames = tuple(f for _, all_of_one in members for f in all_of_one)
        who = frozenset(people[id(header)][0] for header in headers)
        frames, copies = without_copies(frames)
        frames, strangers = without_strangers(frames)
        notices = (
            *_left_out("copies-left-out", "an exact copy of another", "exact copies of others", copies, who),
            *_left_out(
                "strangers-left-out",
                "no slice of this stack (as a scout or a saved screen)",
                "no slices of this stack (as scouts or saved screens)",
                strangers,
                who,
            ),
        )
        fault = _incomplete(headers)
        parts = [frames] if fault else parts_of(frames)
        found += [Series(part, who, fault, 0, notices) for part in parts]
    return found


def _left_out(code: str, one: str, many: str, frames: tuple[Frame, ...], who: Iterable[Person]) -> list[Notice]:
    paths = sorted({frame.path for frame in frames})
    if not paths:
        return []
    what = (
        f"One file of the series is {one} and was"
        if len(paths) == 1
        else (f"{len(paths)} files of the series are {many} and were")
    )
    return [Notice(code, f"{what} left out ({shown_names(paths, who)}).")]


def _incomplete(headers: list[pydicom.Dataset]) -> str:
    """Why a concatenation (PS3.3 C.7.6.16.1) is not whole; "" where it is, or is none."""
    if not text_of(headers[0], "ConcatenationUID"):
        return ""
    there = {text_of(header, "InConcatenationNumber") for header in headers}
    total = max(
        (int(t) for header in headers if (t := text_of(header, "InConcatenationTotalNumber")).isdigit()), default=0
    )
    if there == {str(n + 1) for n in range(total)}:
        return ""
    name = f"Series {text_of(headers[0], 'SeriesNumber') or '?'}"
    of = f"{len(there)} of {total} parts are there" if total else "it does not say how many parts there are"
    return f"{name} is an object in several files (a concatenation), and {of}; export the whole series again."


def _blamed(made: list[Series], faults: list[Fault]) -> tuple[list[Series], list[Fault]]:
    """Put each damaged file to the series that it may be a slice of; the others are strangers."""
    strangers = list(faults)
    blamed = []
    for series in made:
        folders = {frame.path.parent for frame in series.frames}
        own = [
            fault
            for fault in faults
            if fault.may_be_image
            and (fault.series_uid == series.uid if fault.series_uid else fault.path.parent in folders)
        ]
        strangers = [fault for fault in strangers if fault not in own]
        blamed.append(replace(series, fault=series.fault or own[0].sentence) if own else series)
    return blamed, strangers


def _numbered(made: list[Series]) -> list[Series]:
    """Number what has the same series UID and is of the same people and study."""
    alike: dict[tuple, list[Series]] = {}
    for one in made:
        alike.setdefault((one.uid, one.study, one.people), []).append(one)
    parts = {id(one): n + 1 for group in alike.values() if len(group) > 1 for n, one in enumerate(group)}
    return [replace(one, part=parts.get(id(one), 0)) for one in made]


def _like(found: tuple[Series, ...], wanted: str) -> tuple[Series, ...]:
    for names in (
        lambda s: wanted in (s.number, s.uid),
        lambda s: wanted == s.number.partition(".")[0],
        lambda s: wanted.lower() in text_of(s.header, "SeriesDescription").lower(),
    ):
        among = tuple(filter(names, found))
        if among:
            return among
    raise InputError(f"No series matches {wanted!r}; there are {_listed(found)}.")


def _beside(one: Series, chosen: Series) -> str:
    """Name a series that was not taken."""
    what = one.summary
    if several_people(one.people | chosen.people):
        what += ", of another patient"
    elif one.study and chosen.study and one.study != chosen.study:
        what += ", of another study"
    return f"{what}, not usable" if one.problem else what


def _listed(found: tuple[Series, ...]) -> str:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return "; ".join(s.summary for s in found[:_LISTED]) + more
