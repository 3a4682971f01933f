"""A wrong patient code put right: the cases of an image, or all of a patient, are given to another patient.

A case keeps its name and its saves; what changes is to whom it belongs, and with that its fold and the shift of its
date. The change is a save of its own, with who made it and why.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from ONFHAssistLib import __version__
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation import journal, keys, layout, privacy
from ONFHAssistLib.curation import record as records
from ONFHAssistLib.curation.case import require_reviewer
from ONFHAssistLib.curation.change import DataSet
from ONFHAssistLib.curation.journal import Change
from ONFHAssistLib.curation.store import Store, writing
from ONFHAssistLib.curation.training_case import fields_of, readable_records


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
    patient, earlier = key.pseudonym(patient_code), store.record(case_id)["patient"]
    if patient == earlier:
        raise InputError(f"The case {case_id} has this patient code already; give the right one.")
    study = _study(case_id)
    with writing(store.folder, reviewer) as lock:
        number = journal.recover(store.folder, lock.ours)
        known = {one["case"]: one for one in readable_records(store.folder)}
        chosen = [name for name, one in known.items() if one["patient"] == earlier and (every or _study(name) == study)]
        for name in chosen:
            number += 1
            lock.renew()
            record = known[name]
            entry = {
                "number": number,
                "saved_at": records.now(),
                "software": __version__,
                "reviewer": reviewer,
                "comment": why,
                "patient": earlier,
            }
            data = DataSet.read(store.folder, store.modality)
            data = replace(data, patients=layout.with_patient(data.patients, patient, str(fields_of(record)["grade"])))
            changed = _renamed(record, key, patient, data.patients[patient]["fold"], entry)
            known[name] = changed
            left = {one["patient"] for one in known.values()}
            patients = {who: facts for who, facts in data.patients.items() if who in left or who != earlier}
            try:
                journal.commit(store.folder, number, _change(replace(data, patients=patients), changed), lock.ours)
            except journal.TakenError as error:
                raise InputError(f"Somebody else has just saved into {store.folder.name}; try again.") from error
    return tuple(chosen)


def _study(case_id: str) -> str:
    return case_id.split("_")[1]


def _renamed(
    record: Mapping[str, Any], key: keys.Key, patient: str, fold: int, entry: Mapping[str, Any]
) -> dict[str, Any]:
    day = record["study_date"]
    if day is not None:
        day = key.shifted(key.unshifted(date.fromisoformat(day), record["patient"]), patient).isoformat()
    renames = [*record.get("renames", ()), dict(entry)]
    return {**record, "patient": patient, "fold": fold, "study_date": day, "renames": renames}


def _change(data: DataSet, record: Mapping[str, Any]) -> Change:
    case_id, content = record["case"], layout.json_bytes(record)
    lists = data.with_case(case_id, record["fold"], record["status"] == "approved")
    return Change({layout.KEPT_CASE: content}, {layout.case_file(case_id): content} | lists)
