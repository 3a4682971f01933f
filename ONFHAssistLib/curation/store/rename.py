"""A wrong patient code put right: the cases of an image, or all of a patient, are given to another patient.

A case keeps its name and its saves; what changes is to whom it belongs, and with that its fold and the shift of its
date. The change is a save of its own, with who made it and why.
"""

from dataclasses import replace
from datetime import date

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case import privacy
from ONFHAssistLib.curation.case.entries import rename_of
from ONFHAssistLib.curation.case.record import CaseRecord, Rename
from ONFHAssistLib.curation.case.reviewed import require_reviewer
from ONFHAssistLib.curation.store import journal, keys
from ONFHAssistLib.curation.store.change import refuse_lost, renamed
from ONFHAssistLib.curation.store.lists import Lists, with_patient
from ONFHAssistLib.curation.store.records import readable_records
from ONFHAssistLib.curation.store.store import Store, writing


def rename(
    store: Store, case_id: str, patient_code: str, reviewer: str, why: str, every: bool = False
) -> tuple[str, ...]:
    """Give a case, and the other hip of its image, to the patient with another code; return the names of the cases.

    Whether the code may be a slip itself is for the caller to ask (`codes.similar_codes`).

    Args:
        store: the data set.
        case_id: name of the case.
        patient_code: the right one.
        reviewer: code of who puts it right.
        why: the reason, without the patient's code.
        every: all cases that belong to the same patient now, not only those of the image.

    Raises:
        InputError: there is no such case, the patient has this code already, something is missing, or the key is not
            here. Cases are changed one after the other; where that is interrupted, do it again.
    """
    require_reviewer(reviewer)
    if not patient_code.strip() or not why.strip():
        raise InputError(f"The case {case_id} is not renamed: give the right patient code, and say why in a few words.")
    privacy.refuse_identifiers({"reason": why}, [patient_code])
    key = keys.key_of(store.fingerprint, store.folder.name)
    patient, earlier = key.pseudonym(patient_code), store.record(case_id).patient
    if patient == earlier:
        raise InputError(f"The case {case_id} has this patient code already; give the right one.")
    study = _study(case_id)
    with writing(store.folder, reviewer) as lock:
        number = journal.recover(store.folder, lock.ours)
        owners = {record.case: record.patient for record in readable_records(store.folder)}
        chosen = [name for name, who in owners.items() if who == earlier and (every or _study(name) == study)]
        for name in chosen:
            refuse_lost(store.record(name), number + 1)
        for name in chosen:
            number += 1
            lock.renew()
            record = store.record(name)
            lists = Lists.read(store.folder, store.modality)
            grade = record.shown.result.class_of("steinberg")
            patients = with_patient(lists.patients, patient, grade)
            entry = rename_of(number, reviewer, why, earlier)
            record = _renamed(record, key, patient, patients[patient].fold, entry)
            owners[name] = patient
            if earlier not in owners.values():
                patients.pop(earlier, None)
            try:
                journal.commit(store.folder, number, renamed(replace(lists, patients=patients), record), lock.ours)
            except journal.TakenError as error:
                raise InputError(f"Somebody else has just saved into {store.folder.name}; try again.") from error
    return tuple(chosen)


def _study(case_id: str) -> str:
    return case_id.split("_")[1]


def _renamed(record: CaseRecord, key: keys.Key, patient: str, fold: int, entry: Rename) -> CaseRecord:
    kept = record.study_date
    day = None if kept is None else key.unshifted(date.fromisoformat(kept), record.patient)
    day = day and key.shifted(day, patient)
    shifted = day.isoformat() if day else None
    return replace(record, patient=patient, fold=fold, study_date=shifted, renames=(*record.renames, entry))
