"""Where bundles are looked for: a folder to try some, the user's own, then the shipped ones.

::

    <folder>/<name>/                                a bundle laid there by hand, to try or measure it: goes before all
    <folder>/in-use.json                            {"<name>": "<id>"} of the installed bundles that are in use
    <folder>/installed/<id>/<name>/                 an installed bundle; its id is <name>-<version>-<checksum>

The folder is the one that ``ONFH_BUNDLES`` names, or the usual one for a user's data. A name that ``in-use.json`` does
not list is that of the shipped bundle. `installed` manages it.
"""

import contextlib
import os
import re
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import read_json
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.user_folders import user_folder

BUNDLES_VARIABLE = "ONFH_BUNDLES"
IN_USE = "in-use.json"
INSTALLED = "installed"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""Of its parts the version has at most 20 characters, by the schema of the metadata."""
PREVIOUS = ".previous"
"""For a moment, while a bundle is replaced, the older one lies beside its place under its name with this added."""


def bundles_folder() -> Path:
    """Return the folder of this user's bundles; it need not exist unless the environment names it.

    Raises:
        InputError: the environment names something that is no folder.
    """
    if own := os.environ.get(BUNDLES_VARIABLE):
        if not Path(own).is_dir():
            raise InputError(f"{BUNDLES_VARIABLE} names {own!r}, which is no folder; correct or unset it.")
        return Path(own)
    return user_folder("data") / "bundles"


def find(name: str) -> Path:
    """Return the folder of the bundle that is taken for a name; where there is none, one that does not exist.

    Raises:
        InputError: the environment or the list of bundles in use is wrong.
    """
    own = bundles_folder()
    if (found := in_place(own / name)).is_dir():
        return found
    if (chosen := in_use(own).get(name)) is not None:
        return own / INSTALLED / chosen / name
    for shipped in (name, name + PREVIOUS):
        with contextlib.suppress(FileNotFoundError):
            return resource_path("Bundles", shipped)
    return in_place(Path(name))


def in_use(folder: Path) -> dict[str, str]:
    """Return the id of the installed bundle that is in use for each name.

    Raises:
        InputError: the list is damaged. Which bundles were chosen is not known then, and no other is taken instead.
    """
    path = folder / IN_USE
    try:
        content = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        content = None
    whole = isinstance(content, dict) and all(isinstance(chosen, str) for chosen in content.values())
    if not whole or not all(map(is_id, content.values())):
        raise InputError(f"{path} can't be read; choose anew with onfh-assist models use, once for each model.")
    return content


def is_id(text: str) -> bool:
    """Whether this can be the id of an installed bundle, which is also the name of its folder."""
    return _ID.fullmatch(text) is not None


def in_place(folder: Path) -> Path:
    """Return where a bundle lies: its folder, or the older one's where its replacement was interrupted."""
    previous = Path(f"{folder}{PREVIOUS}")
    return previous if previous.is_dir() and not folder.exists() else folder
