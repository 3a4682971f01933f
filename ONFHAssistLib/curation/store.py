"""The data set that reviewed cases are saved into, by many people at once, without losing anything.

Its layout is that of `layout`, how a save is all or nothing that of `journal`.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.hip import HipMasks, HipResult, Landmarks, Sphere
from ONFHAssistLib.core.plain import from_plain
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation import index, inside, journal, keys, layout, privacy
from ONFHAssistLib.curation import record as records
from ONFHAssistLib.curation.case import ReviewedCase, require_reviewer
from ONFHAssistLib.curation.change import DataSet, Prepared, in_place, refuse_withdrawn, saved, withdrawn
from ONFHAssistLib.curation.content import file_of_case
from ONFHAssistLib.curation.index import CaseSummary
from ONFHAssistLib.curation.labels import CaseLabel
from ONFHAssistLib.curation.lock import Lock, locked
from ONFHAssistLib.curation.pose import Pose
from ONFHAssistLib.exchange.publish import reason

_ATTEMPTS = 20


@dataclass(frozen=True)
class Store:
    """An open data set.

    Attributes:
        folder: ``DatasetNNN_Name``.
        fingerprint: of its key.
        modality: "MR" or "CT"; nnU-Net scales the two differently, so a data set holds one of them.
    """

    folder: Path
    fingerprint: str
    modality: str

    @property
    def key_file(self) -> Path:
        """The file of this user's keys to hand to new members of the data set; not to be put into it."""
        return keys.key_file(self.fingerprint)

    def cases(self) -> tuple[CaseSummary, ...]:
        """Return all cases by name, also those whose file is damaged."""
        return index.cases(self.folder)

    def record(self, case_id: str) -> dict[str, Any]:
        """Return all that is known of a case (``cases/<case>.json``); raises InputError where that can't be read."""
        try:
            if not layout.CASE.fullmatch(case_id):
                raise FileNotFoundError
            return index.read_record(self.folder, layout.case_file(case_id), case_id)
        except FileNotFoundError as error:
            raise InputError(
                f"The data set {self.folder.name} has no case {case_id}; "
                "the reviewers list them, and so does onfh-assist data status --html."
            ) from error
        except OSError as error:
            raise InputError(
                f"The file of the case {case_id} can't be read: {reason(error)}; see that the folder is there."
            ) from error
        except ValueError as error:
            raise InputError(
                f"The file of the case {case_id} {error}; check the data set and let the check restore it."
            ) from error

    def study_of(self, image: Volume) -> str:
        """Return the name of an image in the data set (10 hex digits), whether or not a hip of it was saved.

        Raises:
            InputError: the data set's key is not on this computer.
        """
        return keys.key_of(self.fingerprint, self.folder.name).study(_digest(image))

    def save(self, case: ReviewedCase) -> Path:
        """Save a case: all of it or nothing; return its file.

        A hip that is in the data set already gets one more version.

        Raises:
            InputError: it cannot be saved; nothing has changed then.
        """
        key = keys.key_of(self.fingerprint, self.folder.name)
        _refuse_identifiers(case)
        patient, case_id = self._names(case, key)
        for _ in range(_ATTEMPTS):
            known = self._known(case_id)
            case = in_place(case, known)
            prepared = Prepared.of(case, known)
            with writing(self.folder, case.reviewer) as lock:
                number = journal.recover(self.folder, lock.ours) + 1
                latest = self._known(case_id)
                if (latest is None) != (known is None):
                    continue  # somebody has saved the same hip for the first time
                if latest is not None:
                    refuse_withdrawn(case, latest)
                data = DataSet.read(self.folder, self.modality)
                steinberg = case.result.class_of("steinberg")
                data = replace(data, patients=layout.with_patient(data.patients, patient, steinberg))
                if latest is None:
                    shifted = key.shifted(case.study_date, patient).isoformat() if case.study_date else None
                    fold = data.patients[patient]["fold"]
                    latest = records.new_record(case, case_id, patient, fold, prepared.pose, shifted)
                try:
                    journal.commit(self.folder, number, saved(data, case, latest, prepared, number), lock.ours)
                except journal.TakenError:
                    continue
                return self.folder / layout.case_file(case_id)
        raise InputError(f"Others are saving into {self.folder.name} all the time; try again in a minute.")

    def reopen(self, case_id: str, version: int | None = None) -> ReviewedCase:
        """Open a case again: the part of the image that is kept, with masks and everything that goes with them.

        To save it with other masks, use ``dataclasses.replace(case, masks=…, result=…, provenance={}, …)``.

        Args:
            case_id: its name.
            version: number of a version; None: the newest; 0: as the networks had made it first, to be read
                independently.

        Raises:
            InputError: there is no such case or version, or a file of it is missing or damaged.
        """
        facts = self.record(case_id)
        pose = Pose.from_json(facts["pose"])
        wanted = _readable(facts, version)
        made = wanted["automatic"]
        image_path = next(path for path in facts["files"] if path.endswith(f"_0000{layout.FILE_ENDING}"))
        image = pose.take_back(file_of_case(self.folder, image_path, pose).array)
        automatic = automatic_result = None
        if made:
            automatic = self._masks(pose, made, layout.kept_file(made["number"], layout.AUTOMATIC))
            automatic_result = _measured(automatic)
        masks = automatic
        if version != 0 or masks is None:
            masks = self._masks(pose, wanted, layout.kept_file(wanted["number"], layout.MASK))
        slices = wanted["reviewed_slices"] if version != 0 else None
        first, past = pose.box[0]
        return ReviewedCase(
            patient_code="",
            image=image,
            masks=masks,
            result=_measured(masks),
            reviewer=wanted["reviewer"],
            status=wanted["status"] if version != 0 else "draft",
            automatic=automatic,
            automatic_result=automatic_result,
            source=facts["source"],
            models=tuple(wanted["models"]),
            comment=wanted["comment"] if version != 0 else "",
            provenance=wanted["provenance"] if version != 0 else {},
            reviewed_slices=None if slices is None else tuple(k - first for k in slices if first <= k < past),
            independent=version == 0,
            seen=facts["versions"][-1]["number"],
            case_id=case_id,
        )

    def masks(self, case_id: str, version: int) -> HipMasks:
        """Return the masks of a version, 0: as the networks had made it first, on the part of the image that is kept.

        Raises:
            InputError: there is no such case or version, or a file of it is missing or damaged.
        """
        facts = self.record(case_id)
        wanted = _readable(facts, version)
        entry, name = (wanted, layout.MASK) if version else (wanted["automatic"], layout.AUTOMATIC)
        return self._masks(Pose.from_json(facts["pose"]), entry, layout.kept_file(entry["number"], name))

    def withdraw(self, case_id: str, reviewer: str, why: str) -> None:
        """Take a case out of the training; it stays in ``staging/`` and in the history, and may be saved again.

        Raises:
            InputError: there is no such case, it is withdrawn already, or the reviewer or the reason is missing.
        """
        require_reviewer(reviewer)
        if not why.strip():
            raise InputError(f"The case {case_id} is not withdrawn: say why in a few words.")
        with writing(self.folder, reviewer) as lock:
            number = journal.recover(self.folder, lock.ours) + 1
            known = self.record(case_id)
            if known["status"] == "withdrawn":
                raise InputError(f"The case {case_id} is withdrawn already; save it again to bring it back.")
            data = DataSet.read(self.folder, self.modality)
            change = withdrawn(data, known, records.withdrawal(number, reviewer, why))
            try:
                journal.commit(self.folder, number, change, lock.ours)
            except journal.TakenError as error:
                raise InputError(f"Somebody else has just saved into {self.folder.name}; try again.") from error

    def _names(self, case: ReviewedCase, key: keys.Key) -> tuple[str, str]:
        """Return the patient's pseudonym and the name of the case."""
        if case.case_id:
            return self.record(case.case_id)["patient"], case.case_id
        modality = case.source.get("modality", "unknown")
        if modality not in (self.modality, "unknown"):
            raise InputError(
                f"The image is {modality}, the data set {self.folder.name} holds {self.modality}; "
                "save it into a data set of its own."
            )
        patient = key.pseudonym(case.patient_code)
        study = key.study(_digest(case.image))
        side = case.side[0].upper()
        name = f"{patient}_{study}_{side}"
        for other in inside.case_names(self.folder):
            if other.split("_")[1] != study:
                continue
            if self.record(other)["patient"] != patient:  # which may have changed since its name was made
                raise InputError(
                    f"This image is in the data set under another patient code (case {other}); use the code that was "
                    "given then, or put that right (onfh-assist data rename): one patient would be trained and tested "
                    "with."
                )
            name = other if other.endswith(side) else name
        return patient, name

    def _known(self, case_id: str) -> dict[str, Any] | None:
        return self.record(case_id) if os.path.lexists(self.folder / layout.case_file(case_id)) else None

    def _masks(self, pose: Pose, entry: Mapping[str, Any], path: str) -> HipMasks:
        mask = pose.take_back(file_of_case(self.folder, path, pose).array)
        result = entry["result"]
        # A hip that has a head and no grade is one where nobody has looked for necrosis (`HipResult.segmented`).
        not_sought = result and result["status"] != "graded" and result.get("head_volume_ml") is not None
        return HipMasks(
            pose.side,
            mask.like(np.isin(mask.array, (CaseLabel.HEAD, CaseLabel.NECROSIS))),
            mask.like(mask.array == CaseLabel.NECROSIS),
            from_plain(Sphere, entry["sphere"], others=True),
            from_plain(Landmarks, entry["landmarks"], others=True),
            not_sought=result["reason"] if not_sought else None,
        )


@contextlib.contextmanager
def writing(folder: Path, holder: str) -> Iterator[Lock]:
    """Hold the lock of a data set; what the disk refuses becomes a sentence."""
    try:
        with locked(folder, holder) as lock:
            yield lock
    except journal.UnfinishedError as error:
        raise InputError(
            f"The case is saved in {folder.name}, but could not be put in its place: {reason(error.cause)}; "
            "this is made good when the data set is opened the next time."
        ) from error
    except OSError as error:
        raise InputError(f"Nothing was saved into {folder.name}: {reason(error)}.") from error


def _refuse_identifiers(case: ReviewedCase) -> None:
    if case.source.get("burned_in"):
        raise InputError(
            "The image says that words are drawn into it, which may name the patient (BurnedInAnnotation); "
            "export the series without them, then read it again."
        )
    free_text = {
        "comment": case.comment,
        "reviewer's code": case.reviewer,
        "description of the image": privacy.allowed(case.source, privacy.SOURCE_FIELDS),
        "description of the models": [privacy.allowed(model, privacy.MODEL_FIELDS) for model in case.models],
    }
    dates = [case.study_date] if case.study_date else []
    privacy.refuse_identifiers(free_text, [case.patient_code, *case.identifiers], dates)


def _digest(image: Volume) -> bytes:
    """Return a checksum of the voxels that depends neither on their type nor on who has opened the image.

    Slicer opens a left-handed grid with its slices in reverse order, so they are taken in that order.
    """
    digest = hashlib.blake2b(repr(image.array.shape).encode())
    left_handed = np.linalg.det(image.axes_ras) < 0
    for plane in image.array[:: -1 if left_handed else 1]:
        digest.update(np.ascontiguousarray(plane, dtype="<f4").tobytes())
    return digest.digest()


def _readable(facts: Mapping[str, Any], version: int | None) -> Mapping[str, Any]:
    """Return the entry of a version with a mask; None: the newest, 0: the first that the networks had a part in."""
    readable = [entry for entry in facts["versions"] if entry["status"] != "withdrawn"]
    if version is None:
        return readable[-1]
    for entry in readable:
        if entry["number"] == version or (version == 0 and entry["automatic"] is not None):
            return entry
    if version == 0:
        raise InputError(f"The networks had no part in the case {facts['case']}; open one of its versions.")
    raise InputError(f"The case {facts['case']} has no version {version}; its history lists them.")


def _measured(masks: HipMasks) -> HipResult:
    if not masks.head.array.any():
        return HipResult(masks.side, "not graded", "the mask of the head is empty", masks.sphere, masks.landmarks)
    return grade(masks)
