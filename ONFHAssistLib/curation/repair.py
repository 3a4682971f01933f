"""Putting a data set right from its own history; what is in the way is set aside, never deleted."""

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation import disk, layout
from ONFHAssistLib.curation import record as records
from ONFHAssistLib.curation.lock import Lock
from ONFHAssistLib.curation.nifti import read_nifti
from ONFHAssistLib.curation.pose import Pose
from ONFHAssistLib.curation.versions import standing


@dataclass(frozen=True)
class Repair:
    """The right to change files of a data set, while its lock is held."""

    folder: Path
    lock: Lock

    def put(self, path: str, content: bytes) -> None:
        """Write a file anew; the earlier one is set aside."""
        target = self.folder / path
        new = self.folder / f".new-{secrets.token_hex(4)}"
        disk.write(new, content)
        if target.exists():
            self.set_aside(path)
        disk.move(new, target)
        disk.flush_folder(target.parent)

    def move(self, source: str, target: str) -> None:
        """Give a file its right place."""
        disk.move(self.folder / source, self.folder / target)

    def set_aside(self, path: str) -> None:
        """Move a file out of the way, under a name that is not taken."""
        place = self.folder / layout.SET_ASIDE / secrets.token_hex(4)
        target = place / path
        target.parent.mkdir(parents=True)
        disk.move(self.folder / path, target)


def restored(folder: Path, facts: Mapping[str, Any], path: str) -> bytes | None:
    """Return what a mask should hold, from the history; None where that is not there, and for images."""
    case_id, stands = facts["case"], standing(facts["versions"])
    with contextlib.suppress(OSError, InputError, StopIteration, TypeError):
        if path == layout.draft_file(case_id):
            content = (folder / records.kept_file(stands.newest, records.MASK)).read_bytes()
        elif path == layout.original_file(case_id):
            made = [entry["automatic"]["number"] for entry in facts["versions"] if entry.get("automatic")]
            content = (folder / records.kept_file(made[-1], records.AUTOMATIC)).read_bytes()
        elif path == layout.label_file(case_id):
            trained = records.version(facts, stands.trained_with)
            mask = read_nifti(folder / records.kept_file(trained["number"], records.MASK)).array
            content = records.training_label(mask, trained, Pose.from_json(facts["pose"]))
        else:
            return None
        if records.sha256(content) == facts["files"][path]:
            return content
    return None
