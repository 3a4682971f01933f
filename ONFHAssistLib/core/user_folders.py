"""Where this user's settings, data and cache lie, by the customs of the system."""

import os
import sys
from pathlib import Path
from typing import Literal

Kind = Literal["settings", "data", "cache"]

_WINDOWS = {"settings": ("APPDATA", "Roaming"), "data": ("LOCALAPPDATA", "Local"), "cache": ("LOCALAPPDATA", "Local")}
_MAC = {"settings": "Application Support", "data": "Application Support", "cache": "Caches"}
_OTHERS = {
    "settings": ("XDG_CONFIG_HOME", ".config"),
    "data": ("XDG_DATA_HOME", ".local/share"),
    "cache": ("XDG_CACHE_HOME", ".cache"),
}
"""XDG Base Directory Specification, version 0.8; a relative path in one of these variables counts for nothing there."""


def user_folder(kind: Kind) -> Path:
    """Return this software's folder of a kind; it need not exist."""
    if sys.platform == "win32":
        variable, name = _WINDOWS[kind]
        base = Path(os.environ.get(variable) or Path.home() / "AppData" / name)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / _MAC[kind]
    else:
        variable, name = _OTHERS[kind]
        chosen = Path(os.environ.get(variable, ""))
        base = chosen if chosen.is_absolute() else Path.home() / name
    return base / "ONFHAssist"
