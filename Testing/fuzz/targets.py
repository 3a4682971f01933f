"""What is done with a changed input: what a user does with it first."""

import importlib
from pathlib import Path

from ONFHAssistLib.core.errors import InputError

KINDS = ("nifti", "nrrd", "mha", "dicom", "case", "bundle")
SHARES = {"nifti": 6, "nrrd": 5, "mha": 5, "dicom": 5, "case": 2, "bundle": 2}
"""Of 25 cases."""


def use(kind: str, folder: Path) -> None:
    """Read an input; whatever is wrong with it ends in InputError, anything else that is raised is a finding."""
    {"case": _data_set, "bundle": _bundle, "dicom": _dicom}.get(kind, _image)(folder)


def import_all() -> None:
    """Import what is used, so that the first case does not take the time for it."""
    for name in ("curation.reports.status", "curation.store.check", "imaging.domain", "models.bundle", "web.worklist"):
        importlib.import_module(f"ONFHAssistLib.{name}")


def refused(action, *given) -> bool:
    try:
        action(*given)
    except InputError as error:
        assert "\n" not in str(error), "a sentence is one line"
        return True
    return False


def _image(folder: Path) -> None:
    from ONFHAssistLib.imaging.domain import check_image
    from ONFHAssistLib.imaging.hips import coarse_volume
    from ONFHAssistLib.imaging.read import read_study
    from ONFHAssistLib.imaging.studies import find_studies

    for entry in find_studies(folder):
        if entry.problem:
            assert refused(read_study, entry.path), "the worklist refuses what the command line reads"
            continue
        try:
            study = read_study(entry.path)
            check_image(study)
            coarse_volume(study.volume, study.source["modality"])
        except InputError as error:
            assert "\n" not in str(error), "a sentence is one line"


def _dicom(folder: Path) -> None:
    """As a series, and one file of it as a picture."""
    from ONFHAssistLib.imaging.picture import read_image

    _image(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files[:1]:
        try:  # a sound series may be none, too: its files can hold several frames
            read_image(path, ("slice", "picture"))
        except InputError as error:
            assert "\n" not in str(error), "a sentence is one line"


def _data_set(folder: Path) -> None:
    from ONFHAssistLib.curation.reports.status import status
    from ONFHAssistLib.curation.store.check import check
    from ONFHAssistLib.curation.store.folder import open_store
    from ONFHAssistLib.curation.store.open_case import open_case

    place = next(folder.iterdir())
    names = [path.stem for path in (place / "cases").glob("*.json")]
    for name in names:
        refused(open_case, place, name, "reader2")
    try:
        store = open_store(place)
    except InputError:
        return
    refused(status, store)
    refused(check, store)
    refused(lambda: check(store, repair=True))


def _bundle(folder: Path) -> None:
    from ONFHAssistLib.models.bundle import load_bundle

    refused(load_bundle, next(folder.iterdir()))
