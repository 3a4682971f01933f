"""Putting a data set right from its own history; what is in the way is set aside, never deleted."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.core.outside import is_link, read_plain_file, remove_quietly
from ONFHAssistLib.curation.case import entries, layout
from ONFHAssistLib.curation.case.record import CaseRecord
from ONFHAssistLib.curation.store import disk, inside, journal
from ONFHAssistLib.curation.store.content import mask_of_case
from ONFHAssistLib.curation.store.lock import Lock
from ONFHAssistLib.curation.store.records import read_record


@dataclass(frozen=True)
class Repair:
    """The right to change files of a data set, while its lock is held."""

    folder: Path
    lock: Lock

    def put(self, path: str, content: bytes) -> None:
        """Write a file anew; what is in its place is set aside."""
        new = self.folder / f".new-{secrets.token_hex(8)}"
        try:
            disk.write(new, content)
            self._give(new, path)
        finally:
            remove_quietly(new)

    def move(self, source: str, target: str) -> None:
        """Give a file its right place; what is there is set aside."""
        self._give(inside.place(self.folder, source), target)

    def make_folder(self, name: str) -> None:
        """Make a folder of the data set in whose place something else lies, which is set aside."""
        waiting = self.folder / f".old-{secrets.token_hex(8)}"
        disk.move(inside.own_folder(self.folder, name), waiting)
        disk.make_folder(self.folder / name)
        disk.move(waiting, self._aside(name))

    def set_aside(self, path: str) -> None:
        """Move a file, folder or link out of the way, under a name that is not taken."""
        disk.move(inside.spot(self.folder, path), self._aside(path))

    def _give(self, file: Path, path: str) -> None:
        target = inside.spot(self.folder, path)
        if os.path.lexists(target):
            self.set_aside(path)
        disk.move(file, target)
        disk.flush_folder(target.parent)

    def _aside(self, path: str) -> Path:
        target = inside.own_folder(self.folder, layout.SET_ASIDE) / secrets.token_hex(4) / path
        target.parent.mkdir(parents=True)
        return target

    def finish(self) -> None:
        """Finish an interrupted save, or undo its beginnings.

        Where its plan is missing, damaged or not to be trusted, its files are known by their checksums in what it has
        saved; the rest of the check sees to the others.
        """
        with contextlib.suppress(journal.PlanError):
            journal.recover(self.folder, self.lock.ours)
        for last in journal.numbers(self.folder)[-1:]:
            waiting = f"{layout.HISTORY}/{last:06d}/{journal.WAITING}"
            place = inside.spot(self.folder, waiting)
            if os.path.lexists(place):
                for path, content in self._waiting(last, place):
                    self.put(path, content)
                self.set_aside(waiting)

    def _waiting(self, number: int, folder: Path) -> Iterator[tuple[str, bytes]]:
        """Return what waits to take its place in the data set, as far as the save that it belongs to says so."""
        with contextlib.suppress(OSError, ValueError):
            record = read_record(self.folder, layout.kept_file(number, layout.KEPT_CASE), None)
            wanted = {digest: path for path, digest in record.files.items() if not path.startswith(layout.HISTORY)}
            for entry in sorted(folder.iterdir() if not is_link(folder) else ()):
                with contextlib.suppress(OSError):
                    content = read_plain_file(entry)
                    path = wanted.get(entries.sha256(content))
                    if path is not None:
                        yield path, content


def restored(folder: Path, record: CaseRecord, path: str) -> bytes | None:
    """Return what a mask should hold, from the history; None where that is not there, and for images."""
    case_id, made = record.case, [version.automatic.number for version in record.drawn if version.automatic]
    newest, trained = record.drawn[-1].number, record.trained
    with contextlib.suppress(OSError, ValueError):
        if path == layout.draft_file(case_id):
            content = inside.read(folder, layout.kept_file(newest, layout.MASK))
        elif path == layout.original_file(case_id) and made:
            content = inside.read(folder, layout.kept_file(made[-1], layout.AUTOMATIC))
        elif path == layout.label_file(case_id) and trained is not None:
            mask = mask_of_case(folder, record.pose, trained.number)
            content = entries.training_label(mask, trained, record.pose)
        else:
            return None
        if entries.sha256(content) == record.files[path]:
            return content
    return None
