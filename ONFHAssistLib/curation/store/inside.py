"""Every path that comes out of a data set's folder becomes a place on the disk here, or is refused.

A data set may come from anybody. Its files name other files (the plan of an unfinished save, the list of a case's
files), and what they name is read, moved, replaced and removed. So a name has to be one that this software gives
(`layout.is_known`): no absolute path, no "..", no other folder. Neither the file nor a folder on the way may be a link,
which would lead elsewhere under a good name.
"""

from pathlib import Path
from typing import Any

from ONFHAssistLib.core.outside import JSON_BYTES, LinkError, is_link, parse_json, read_plain_file
from ONFHAssistLib.curation.case import layout


class ForeignPathError(LinkError):
    """A path that leads out of the data set, or is none of it."""


def place(folder: Path, name: str) -> Path:
    """Return where a file of a data set lies, which need not exist.

    Args:
        folder: of the data set; how it was reached is the user's affair.
        name: relative to ``folder``, with "/".

    Raises:
        ForeignPathError: it is no name that this software gives, or a link is on the way, or in its place.
    """
    if not isinstance(name, str) or not layout.is_known(name):
        raise ForeignPathError(f"{name!r:.80} is no file of a data set")
    path = spot(folder, name)
    if is_link(path):
        raise ForeignPathError(f"{name} is a link")
    return path


def spot(folder: Path, name: str) -> Path:
    """Return where something lies that was found in a data set, to be moved out of the way: it may be a link itself.

    Raises:
        ForeignPathError: it leads out of the data set, or a link is on the way to it.
    """
    *above, last = name.split("/")
    if not last or any(part in ("", ".", "..") for part in (*above, last)) or Path(name).is_absolute():
        raise ForeignPathError(f"{name!r:.80} is no file of a data set")
    path = own_folder(folder, above[0]) if above else folder
    for part in above[1:]:
        path = path / part
        if is_link(path):
            raise ForeignPathError(f"{path.relative_to(folder).as_posix()} is a link")
    return path / last


def own_folder(folder: Path, name: str) -> Path:
    """Return a folder of a data set (of `layout.FOLDERS`, or `layout.SET_ASIDE`), which need not exist.

    Raises:
        ForeignPathError: it is another one, or a link.
    """
    path = folder / name
    if name not in (*layout.FOLDERS, layout.SET_ASIDE) or is_link(path):
        raise ForeignPathError(f"{name!r:.80} is a link or no folder of a data set")
    return path


def read(folder: Path, name: str) -> bytes:
    """Read a file of a data set.

    Raises:
        OSError: it is not there, can't be read, is no plain file, or lies elsewhere (see `place`).
    """
    return read_plain_file(place(folder, name), JSON_BYTES if name.endswith(".json") else layout.IMAGE_BYTES)


def read_json(folder: Path, name: str) -> Any:
    """Read a JSON file of a data set; raises OSError as `read`, and ValueError where it is damaged."""
    return parse_json(read(folder, name))


def case_names(folder: Path) -> list[str]:
    """Return the names of all cases by their files, in order; what a sync program has laid beside is left out."""
    return sorted(name.removesuffix(".json") for name in case_file_names(folder) if is_case_file(name))


def strangers(folder: Path) -> list[str]:
    """Return the JSON files beside the cases that are none, such as the copy that a sync program makes of a conflict.

    Hidden files are not told of.
    """
    names = [name for name in case_file_names(folder) if name.endswith(".json") and not name.startswith(".")]
    return sorted(name for name in names if not is_case_file(name))


def case_file_names(folder: Path) -> list[str]:
    """Return the names of all that lies among the cases."""
    return [entry.name for entry in own_folder(folder, "cases").iterdir()]


def is_case_file(name: str) -> bool:
    """Say whether a file among the cases has the name of a case."""
    return name.endswith(".json") and layout.CASE.fullmatch(name.removesuffix(".json")) is not None
