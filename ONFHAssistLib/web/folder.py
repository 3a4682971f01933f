"""The folder that is served, and beside it what is kept of its studies: the list, and files written off the loop."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.files import require_writable
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.exchange.publish import reason
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.hip_state import automatic_of
from ONFHAssistLib.scene.state import packed
from ONFHAssistLib.web import drafts, worklist
from ONFHAssistLib.web.drafts import Plain
from ONFHAssistLib.web.worklist import Entry, Row, Summary


class StudyFolder:
    """The studies of a folder with what is known of each.

    Attributes:
        rows: the list in its order.
        state: where drafts and summaries are kept.
        unkept: why nothing can be kept at the moment, in one sentence; "".
    """

    def __init__(self, place: Path, state: Path, told: Callable[[str], None]) -> None:
        """Look through a folder, or take one study.

        Args:
            place: the folder, or the file or DICOM folder of one study.
            state: made when there is something to keep.
            told: called with the new ``unkept``, in a thread of its own.

        Raises:
            InputError: ``place`` is missing or cannot be read.
        """
        self.state = state
        self.rows: list[Row] = []
        self._place = place
        self._failed: set[str] = set()
        self._writer = drafts.Writer(lambda why: told(self._sentence(why)))
        self.unkept = ""
        try:
            require_writable(state)
        except OSError as error:
            self.unkept = self._sentence(reason(error))
        self.look_through()

    @property
    def entries(self) -> list[Entry]:
        """The studies, and what is not usable, in the list's order."""
        return [row.entry for row in self.rows]

    def look_through(self) -> None:
        """Look for studies again; raises InputError where that is not possible any more."""
        entries = worklist.studies_in(self._place)
        known = {row.entry.key: row for row in self.rows}
        fresh = worklist.rows([entry for entry in entries if entry.key not in known], self.state)
        self.rows = worklist.ordered([*fresh, *(Row(e, known[e.key].summary) for e in entries if e.key in known)])

    def entry(self, key: str) -> Entry:
        """Return the entry that a browser asks for; raises InputError for any that is not in the list."""
        return worklist.entry_of(self.entries, key)

    def summary(self, entry: Entry) -> Summary:
        """Return what is known of a study."""
        return next((row.summary for row in self.rows if row.entry.key == entry.key), Summary())

    def know(self, entry: Entry, summary: Summary, sort: bool = True) -> None:
        """Remember what has become known of a study, and keep it; without ``sort`` it stays where it is in the list."""
        if summary == self.summary(entry):
            return
        self._set(entry, summary, sort)
        self._writer.put(worklist.summary_file(self.state, entry), worklist.plain_summary(summary))

    def cannot_use(self, entry: Entry, sentence: str) -> None:
        """List why a study cannot be used; this is looked at anew with every start.

        With "" it is listed as before; it is not analysed ahead any more in either case.
        """
        self._failed.add(entry.key)
        if sentence:
            self._set(entry, replace(self.summary(entry), problem=sentence), sort=True)

    def try_again(self) -> None:
        """Let studies be analysed ahead that could not be before."""
        self._failed.clear()

    def unseen(self, but: Entry | None) -> Entry | None:
        """Return the first study of the list that nobody has looked at, other than this one."""
        waiting = (row.entry for row in self.rows if row.status == "new" and row.entry.key not in self._failed)
        return next((entry for entry in waiting if entry is not but), None)

    def found(self, entry: Entry, study: Study, result: StudyResult) -> None:
        """Keep what was found ahead, unless the reader was quicker."""
        if self.summary(entry).status == "new":
            made = packed(result, automatic_of(result))
            self.keep(entry, drafts.MADE, drafts.fingerprint(study), made=made)
            self.know(entry, worklist.summarise(result.source, result.hips, "analysed"))

    def sort(self) -> None:
        """Put the list in order."""
        self.rows = worklist.ordered(self.rows)

    def drafted(self, folder: Path, names: Iterable[str]) -> frozenset[str]:
        """Return those cases of a data set of which there is a draft on the disk, other than a second reading's."""
        keys = {name: worklist.stored_case(folder, name, False, "").key for name in names}
        return frozenset(name for name, key in keys.items() if (self.state / key / drafts.NOW).exists())

    def keep(self, entry: Entry, name: str, mark: str, **content: Any) -> None:
        """Write a draft file of a study soon; ``mark`` is the fingerprint of its image."""
        self._put(entry, name, {"image": mark, **content})

    def drop(self, entry: Entry, name: str) -> None:
        """Remove a draft file of a study soon."""
        self._put(entry, name, None)

    def close(self) -> None:
        """Finish what is being written."""
        self._writer.close()

    def _put(self, entry: Entry, name: str, content: Plain | None) -> None:
        self._writer.put(self.state / entry.key / name, content)

    def _set(self, entry: Entry, summary: Summary, sort: bool) -> None:
        changed = [Row(row.entry, summary) if row.entry.key == entry.key else row for row in self.rows]
        self.rows = worklist.ordered(changed) if sort else changed

    def _sentence(self, why: str) -> str:
        if not why:
            return ""
        return f"Drafts are not kept, in {self.state}: {why}. Until then sign off, or start with --drafts DIR."
