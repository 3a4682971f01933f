"""The studies of a folder: what lies in it and below it, by names and headers alone."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import shown
from ONFHAssistLib.imaging.dicom_header import looks_like_dicom
from ONFHAssistLib.imaging.picture import PICTURES, is_picture_in_dicom, picture_kind
from ONFHAssistLib.imaging.read import ONE_SLICE, declare, kind_of_name

VOXELS_OF_OTHERS = (".raw", ".zraw", ".raw.gz", ".raw.bz2", ".img", ".img.gz")
"""Files that belong to a header, also where that is missing or damaged; of a sound header all are known."""
STATE_FOLDER = "onfh-review"
"""The browser reviewer keeps drafts and signed cases in a folder of this name, which holds no studies."""
PICTURES_AMONG = 100
"""DICOM files of a folder with more are slices; of fewer, each is asked whether it is an X-ray or a saved screen."""
_VOLUMES = ("volume",)
_UNREAD = "This is not an image that can be read: NIfTI, NRRD, MetaImage or a folder of DICOM files is wanted."


@dataclass(frozen=True)
class StudyPlace:
    """One study, or one thing in its place that is not usable.

    Attributes:
        path: file, or folder of DICOM files.
        place: where that is in the folder that was looked through, "." for the folder itself; with any bytes that a
            name may have.
        title: the same as a reader can be shown it.
        problem: why it is not usable; "".
    """

    path: Path
    place: str
    title: str
    problem: str = ""


def find_studies(folder: Path, forms: Collection[str] = _VOLUMES) -> list[StudyPlace]:
    """Look through a folder and all below it; hidden files and the state folder are left out.

    A folder that holds DICOM files is one study. Where pictures are wanted, too, each DICOM picture in it is one of its
    own. Only headers are read.

    Args:
        folder: where to look.
        forms: that are wanted, see `systems.base.Form`; what is of another is not usable.

    Raises:
        InputError: it does not exist, is a file, or cannot be read.
    """
    try:
        if not folder.is_dir():
            reason = "is a file; give the folder it lies in" if folder.exists() else "does not exist; check the path"
            raise InputError(f"{folder} {reason}.")
        os.listdir(folder)
    except PermissionError as error:
        raise InputError(f"{folder} cannot be read: permission denied; make it readable.") from error
    return sorted(_places(folder, forms), key=lambda found: found.title)


def study_at(path: Path, forms: Collection[str] = _VOLUMES) -> StudyPlace:
    """Return the one file or DICOM folder that was named; raises InputError where it does not exist."""
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    return _place(path.parent, path, "" if path.is_dir() or looks_like_dicom(path) else _problem(path, forms)[0])


def _places(folder: Path, forms: Collection[str]) -> Iterator[StudyPlace]:
    for place, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith(".") and name != STATE_FOLDER)
        files = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        dicom = {path for path in files if looks_like_dicom(path)}
        slices = [path for path in files if path in dicom and path.name != "DICOMDIR"]
        if "picture" in forms and 1 < len(slices) <= PICTURES_AMONG:
            pictures = [path for path in slices if is_picture_in_dicom(path)]
            slices = [path for path in slices if path not in pictures]
            yield from (_place(folder, path, "") for path in pictures)
        if slices:
            yield _place(folder, Path(place), "")
        looked_at = {path: _problem(path, forms) for path in files if path not in dicom and path.name != "DICOMDIR"}
        voxels = {other for path, (_, others) in looked_at.items() for other in others if other != path}
        for path, (problem, _) in looked_at.items():
            if path not in voxels and not path.name.lower().endswith(VOXELS_OF_OTHERS):
                yield _place(folder, path, problem)


def _place(folder: Path, path: Path, problem: str) -> StudyPlace:
    place = path.relative_to(folder).as_posix()
    return StudyPlace(path, place, shown(folder.name if place == "." else place), problem)


def _problem(path: Path, forms: Collection[str]) -> tuple[str, tuple[Path, ...]]:
    """Say why a file is no study, by its header alone; and return the files with its voxels."""
    if kind_of_name(path) is None:
        return "" if "picture" in forms and picture_kind(path) in PICTURES else _UNREAD, ()
    try:
        declared = declare(path)
        one_slice = declared.one_slice and "slice" not in forms
        return f"This file {ONE_SLICE}." if one_slice else "", declared.packed.paths
    except InputError as error:
        return f"{_UNREAD.partition(':')[0]}: {str(error).replace(shown(str(path)), 'this file')}", ()
