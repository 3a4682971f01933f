"""What tells that a folder is a data set: ``onfh-assist.json``."""

from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.store import inside


@dataclass(frozen=True)
class Marker:
    """The content of the file; see `store.Store`."""

    format: str
    key_fingerprint: str
    modality: str


def marker_bytes(fingerprint: str, modality: str) -> bytes:
    """Return the file of a new data set."""
    return layout.json_bytes(to_plain(Marker(layout.FORMAT, fingerprint, modality)))


def read_marker(folder: Path) -> Marker:
    """Read the file; raises OSError as `inside.read`, and ValueError where it is damaged."""
    return from_plain(Marker, inside.read_json(folder, layout.MARKER), others=True)
