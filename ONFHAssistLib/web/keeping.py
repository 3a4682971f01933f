"""What is kept of the study that is open: its draft on the disk, and its line in the list."""

from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.web import drafts, worklist
from ONFHAssistLib.web.folder import StudyFolder
from ONFHAssistLib.web.worklist import Entry


class Keeper:
    """Keeps one study, or one case of a data set, up to date."""

    def __init__(self, folder: StudyFolder, entry: Entry, mark: str) -> None:
        """``mark`` is the fingerprint of its image."""
        self._folder, self._entry, self._mark = folder, entry, mark
        self._made: tuple[object, ...] = ()

    def kept_already(self, review: Review) -> None:
        """Take it that the files have what the networks made."""
        self._made = _made(review)

    def keep(self, review: Review, reviewer: str, opened: OpenCase | None, sort: bool = False) -> None:
        """Write what has changed, and list it.

        A draft is there as long as it says more than what the networks made; of a case, more than the data set has.

        Args:
            review: of the study.
            reviewer: the reader's code.
            opened: the case that it is; the list of studies does not have it.
            sort: put the list in order.
        """
        folder, entry = self._folder, self._entry
        made = _made(review)
        if len(made) != len(self._made) or any(a is not b for a, b in zip(made, self._made, strict=True)):
            folder.keep(entry, drafts.MADE, self._mark, made=review.made())
            self._made = made
        if review.unsaved if opened else drafts.says_more(review):
            content = drafts.present(review, reviewer, opened.seen if opened else None)
            folder.keep(entry, drafts.NOW, self._mark, **content)
        else:
            folder.drop(entry, drafts.NOW)
        if opened is None:
            folder.know(entry, worklist.summarise_review(review, reviewer), sort)


def _made(review: Review) -> tuple[object, ...]:
    """Return what is another object once an analysis has made something else."""
    return (review.result.findings, *(review.automatic(side) for side in review.sides))
