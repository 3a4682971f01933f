"""The approved cases of a data set, or of an export of one, for a training."""

from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.reports.export_lock import LOCK, read_lock
from ONFHAssistLib.curation.reports.training_case import TrainingCase, training_case
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.records import all_records


def training_cases(folder: Path) -> tuple[str, tuple[TrainingCase, ...]]:
    """Return the name of a data set, or of the one that an export comes from, and its approved cases by name.

    Raises:
        InputError: the folder is neither, is damaged, or holds no approved case.
    """
    folder = Path(folder)
    if (folder / LOCK).is_file():
        lock = read_lock(folder / LOCK)
        name, cases = lock.data_set, lock.cases
    else:
        store = open_store(folder)
        approved = ((record, record.trained) for record in all_records(store.folder))
        name = store.folder.name
        cases = tuple(training_case(record, version, store.modality) for record, version in approved if version)
    if not cases:
        raise InputError(f"The data set {folder.name} holds no approved case; approve some first.")
    return name, cases
