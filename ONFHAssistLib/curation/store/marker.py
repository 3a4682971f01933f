"""What tells that a folder is a data set: ``onfh-assist.json``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.store import inside


@dataclass(frozen=True)
class Marker:
    """The content of the file; see `store.Store`. Of another version it may be anything: the reader looks first."""

    format: Any
    key_fingerprint: Any
    modality: Any


def marker_bytes(fingerprint: str, modality: str) -> bytes:
    """Return the file of a new data set."""
    return layout.json_bytes(to_plain(Marker(layout.FORMAT, fingerprint, modality)))


def read_marker(folder: Path) -> Marker:
    """Read the file; raises OSError as `inside.read`, and ValueError where it is damaged or lacks a field."""
    return from_plain(Marker, inside.read_json(folder, layout.MARKER), others=True)
