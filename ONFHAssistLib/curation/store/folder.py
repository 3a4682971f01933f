"""Which folder is a data set: making one, opening one, finding the one that a case belongs into."""

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import is_link
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.facts import ImageFacts
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store import disk, inside, journal, keys
from ONFHAssistLib.curation.store.lists import list_files
from ONFHAssistLib.curation.store.lock import locked
from ONFHAssistLib.curation.store.marker import marker_bytes, read_marker
from ONFHAssistLib.curation.store.records import read_record
from ONFHAssistLib.curation.store.store import LET_READ, Store
from ONFHAssistLib.exchange.publish import reason

DEFAULT_NAMES = {"MR": "Dataset101_FemoralHeadMR", "CT": "Dataset102_FemoralHeadCT"}


def create_store(folder: Path, modality: str = "MR", key: keys.Key | None = None) -> Store:
    """Make a data set and its key, which stays in this user's folder of keys (`Store.key_file`).

    Args:
        folder: its name has to be ``DatasetNNN_Name``, as nnU-Net wants it; missing or empty.
        modality: "MR" or "CT".
        key: of another data set of the same patients, so that they have the same pseudonyms; None: a new one.

    Raises:
        InputError: the name does not fit or its number is taken, the folder is in use, or can't be written to.
    """
    folder = Path(os.path.abspath(folder))
    found = layout.DATASET_NAME.fullmatch(folder.name)
    if not found:
        raise InputError(
            f"{folder.name} is no name for a data set; nnU-Net wants DatasetNNN_Name, as in {DEFAULT_NAMES['MR']}."
        )
    if modality not in DEFAULT_NAMES:
        raise InputError(f"The modality {modality!r} is not known; choose MR or CT.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; choose a new folder for the data set.")
    same = folder.parent.is_dir() and next(folder.parent.glob(f"Dataset{found[1]}_*"), None)
    if same and same.name != folder.name:
        raise InputError(f"The number {found[1]} is taken by {same.name} in the same folder; choose another number.")
    if keys.key_folder().resolve().is_relative_to(folder.resolve()):
        raise InputError(f"The keys would lie inside the data set {folder}; choose another folder for one of the two.")
    made_key, key = key is None, key or keys.new_key()
    key_file = keys.keep_key(key)
    marker = marker_bytes(key.fingerprint, modality)
    files = list_files(folder.name, modality, {}, {}) | {layout.MARKER: marker}
    beside = folder.parent / f".{folder.name}-{secrets.token_hex(4)}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        for name in layout.FOLDERS:
            disk.make_folder(beside / name)
        for name, content in files.items():
            disk.write(beside / name, content)
        disk.flush_folder(beside)
        if folder.exists():
            folder.rmdir()
        os.rename(beside, folder)
        disk.flush_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        if made_key:
            key_file.unlink(missing_ok=True)
        raise InputError(f"The data set could not be made in {folder}: {reason(error)}.") from error
    return Store(folder, key.fingerprint, modality)


def open_store(folder: Path, key_file: Path | None = None) -> Store:
    """Open a data set; a save that was interrupted is finished or undone first, where the folder can be written to.

    Args:
        folder: ``DatasetNNN_Name``.
        key_file: the data set's key, to be kept among this user's keys; needed once.

    Raises:
        InputError: the folder is something else, incomplete, or of a newer version; or the key is another one's.
    """
    folder = Path(os.path.abspath(folder))
    try:
        marker = read_marker(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{folder} is not a data set of this software; choose another folder or make one.") from error
    except PermissionError as error:
        raise InputError(f"The data set {folder.name} may not be read; {LET_READ}.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / layout.MARKER} can't be read; get it back from a copy.") from error
    if marker.format != layout.FORMAT:
        newer = re.fullmatch(r"onfh-assist-data/\d+", str(marker.format))
        what = "comes from a newer version of this software; update it" if newer else "has an unknown format"
        raise InputError(f"The data set {folder.name} {what} ({marker.format!s:.40}).")
    known = isinstance(marker.modality, str) and marker.modality in DEFAULT_NAMES
    if not known or not keys.is_fingerprint(marker.key_fingerprint):
        raise InputError(f"{folder / layout.MARKER} is damaged; get it back from a copy.")
    links = [name for name in (*layout.FOLDERS, layout.SET_ASIDE) if is_link(folder / name)]
    if links:
        raise InputError(
            f"In the data set {folder.name} {', '.join(links)} leads elsewhere by a link, which is not followed; "
            "put the folder itself there."
        )
    missing = [name for name in layout.FOLDERS if not (folder / name).is_dir()]
    in_use = _in_use(folder) if missing else frozenset()
    lost = [name for name in missing if name in in_use]
    if lost:
        raise InputError(f"The data set {folder.name} is incomplete ({', '.join(lost)} missing); copy it again.")
    try:
        os.scandir(folder / "cases").close()
    except PermissionError as error:
        raise InputError(f"The folder cases of the data set {folder.name} may not be read; {LET_READ}.") from error
    except OSError:  # it is made now, or cannot be
        pass
    with contextlib.suppress(OSError):  # a folder that is read-only does without
        for name in missing:  # git, zip and sync programs leave empty folders out
            (folder / name).mkdir(exist_ok=True)
    if key_file is not None:
        key = keys.read_key(key_file)
        keys.require(key, marker.key_fingerprint, folder.name)
        keys.keep_key(key)
    store = Store(folder, marker.key_fingerprint, marker.modality)
    _finish_interrupted(store)
    return store


def save_case(case: ReviewedCase, folder: Path) -> Path:
    """Save a case into the data set in a folder, or into one that is made in it.

    The folder may be a data set; or hold data sets side by side, as ``nnUNet_raw`` does: MR and CT get one each.

    Raises:
        InputError: the folder is something else, or the case cannot be saved.
    """
    folder = Path(os.path.abspath(folder))
    if (folder / layout.MARKER).exists():
        return open_store(folder).save(case)
    modality = "CT" if ImageFacts.of(case.source).modality == "CT" else "MR"
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    if not inside and layout.DATASET_NAME.fullmatch(folder.name):
        return create_store(folder, modality).save(case)
    if any(not layout.DATASET_NAME.fullmatch(path.name) for path in inside) or folder.is_file():
        raise InputError(f"{folder} holds something else than data sets; choose a new or empty folder for the cases.")
    place = folder / DEFAULT_NAMES[modality]
    store = open_store(place) if (place / layout.MARKER).exists() else create_store(place, modality)
    return store.save(case)


def _finish_interrupted(store: Store) -> None:
    try:
        if not journal.interrupted(store.folder):
            return
        with locked(store.folder, "recovery", wait_s=5) as lock:
            journal.recover(store.folder, lock.ours)
    except (OSError, InputError):
        return  # read-only, or a writer is at work: the next one finishes it; `check` says so


def _in_use(folder: Path) -> set[str]:
    """Return the folders that hold a file of some case."""
    found = {"cases", "history"}
    for name in inside.case_names(folder) if (folder / "cases").is_dir() else ():
        with contextlib.suppress(ValueError, OSError):  # of a damaged case nothing is known
            files = read_record(folder, layout.case_file(name), name).files
            found |= {path.partition("/")[0] for path in files}
    return found
