"""The data set that reviewed cases are saved into, by many people at once, without losing anything.

Its layout is that of `layout`, how a save is all or nothing that of `journal`.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.outside import LinkError
from ONFHAssistLib.core.plain import to_plain
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case import layout, privacy
from ONFHAssistLib.curation.case.entries import new_record, withdrawal
from ONFHAssistLib.curation.case.facts import ImageFacts, ModelFacts
from ONFHAssistLib.curation.case.history import Save, saves_of
from ONFHAssistLib.curation.case.labels import CaseLabel, is_head
from ONFHAssistLib.curation.case.pose import Pose
from ONFHAssistLib.curation.case.record import Automatic, CaseRecord, Version
from ONFHAssistLib.curation.case.reviewed import ReviewedCase, require_reviewer
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.store import index, inside, journal, keys
from ONFHAssistLib.curation.store.change import Prepared, in_place, refuse_lost, refuse_withdrawn, saved, withdrawn
from ONFHAssistLib.curation.store.content import file_of_case, mask_of_case
from ONFHAssistLib.curation.store.lists import Lists, with_patient
from ONFHAssistLib.curation.store.lock import Lock, locked
from ONFHAssistLib.curation.store.records import read_record
from ONFHAssistLib.exchange.publish import reason

_ATTEMPTS = 20
LET_READ = "let who works with the data set read all of it"


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

    def record(self, case_id: str) -> CaseRecord:
        """Return all that is known of a case (``cases/<case>.json``); raises InputError where that can't be read."""
        try:
            if not layout.CASE.fullmatch(case_id):
                raise FileNotFoundError
            return read_record(self.folder, layout.case_file(case_id), case_id)
        except FileNotFoundError as error:
            raise InputError(
                f"The data set {self.folder.name} has no case {case_id}; "
                "the reviewers list them, and so does onfh-assist data status --html."
            ) from error
        except PermissionError as error:
            raise InputError(f"The file of the case {case_id} may not be read; {LET_READ}.") from error
        except OSError as error:
            remedy = "check the data set" if isinstance(error, LinkError) else "see that the folder is there"
            raise InputError(f"The file of the case {case_id} can't be read: {reason(error)}; {remedy}.") from error
        except ValueError as error:
            raise InputError(
                f"The file of the case {case_id} {error}; check the data set and let the check restore it."
            ) from error

    def history(self, case_id: str) -> tuple[Save, ...]:
        """Return all saves of a case, oldest first; raises InputError where its record can't be read."""
        return saves_of(self.record(case_id))

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
                    refuse_lost(latest, number)
                lists = Lists.read(self.folder, self.modality)
                steinberg = case.result.class_of("steinberg")
                lists = replace(lists, patients=with_patient(lists.patients, patient, steinberg))
                if latest is None:
                    day = case.study_date and key.shifted(case.study_date, patient)
                    fold = lists.patients[patient].fold
                    latest = new_record(case, case_id, patient, fold, prepared.pose, day.isoformat() if day else None)
                try:
                    journal.commit(self.folder, number, saved(lists, case, latest, prepared, number), lock.ours)
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
        record = self.record(case_id)
        pose, wanted, anew = record.pose, _readable(record, version), version == 0
        made = wanted.automatic
        image = pose.take_back(file_of_case(self.folder, record.image_file, pose).array)
        automatic = None if made is None else self._masks(pose, made, layout.AUTOMATIC)
        masks = automatic if anew and automatic is not None else self._masks(pose, wanted, layout.MASK)
        slices = None if anew else wanted.slices_from(pose.box[0][0])
        return ReviewedCase(
            patient_code="",
            image=image,
            masks=masks,
            result=_measured(masks),
            reviewer=wanted.reviewer,
            status="draft" if anew else wanted.status,
            automatic=automatic,
            automatic_result=None if automatic is None else _measured(automatic),
            source=to_plain(record.source),
            models=tuple(map(to_plain, wanted.models)),
            comment="" if anew else wanted.comment,
            provenance={} if anew else wanted.provenance,
            reviewed_slices=None if slices is None else tuple(k for k in slices if k < len(image.array)),
            independent=anew,
            seen=record.versions[-1].number,
            case_id=case_id,
        )

    def masks(self, case_id: str, version: int) -> HipMasks:
        """Return the masks of a version, 0: as the networks had made it first, on the part of the image that is kept.

        Raises:
            InputError: there is no such case or version, or a file of it is missing or damaged.
        """
        record = self.record(case_id)
        wanted = _readable(record, version)
        if version == 0 and wanted.automatic is not None:
            return self._masks(record.pose, wanted.automatic, layout.AUTOMATIC)
        return self._masks(record.pose, wanted, layout.MASK)

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
            if known.status == "withdrawn":
                raise InputError(f"The case {case_id} is withdrawn already; save it again to bring it back.")
            refuse_lost(known, number)
            lists = Lists.read(self.folder, self.modality)
            change = withdrawn(lists, known, withdrawal(number, reviewer, why))
            try:
                journal.commit(self.folder, number, change, lock.ours)
            except journal.TakenError as error:
                raise InputError(f"Somebody else has just saved into {self.folder.name}; try again.") from error

    def _names(self, case: ReviewedCase, key: keys.Key) -> tuple[str, str]:
        """Return the patient's pseudonym and the name of the case."""
        if case.case_id:
            return self.record(case.case_id).patient, case.case_id
        modality = ImageFacts.of(case.source).modality or "unknown"
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
            if self.record(other).patient != patient:  # which may have changed since its name was made
                raise InputError(
                    f"This image is in the data set under another patient code (case {other}); use the code that was "
                    "given then, or put that right (onfh-assist data rename): one patient would be trained and tested "
                    "with."
                )
            name = other if other.endswith(side) else name
        return patient, name

    def _known(self, case_id: str) -> CaseRecord | None:
        return self.record(case_id) if os.path.lexists(self.folder / layout.case_file(case_id)) else None

    def _masks(self, pose: Pose, entry: Version | Automatic, name: str) -> HipMasks:
        mask = pose.take_back(mask_of_case(self.folder, pose, entry.number, name))
        result = entry.result
        # A hip that has a head and no grade is one where nobody has looked for necrosis (`HipResult.segmented`).
        not_sought = result and result.status != "graded" and result.head_volume_ml is not None
        return HipMasks.of(
            pose.side,
            mask.like(is_head(mask.array)),
            mask.like(mask.array == CaseLabel.NECROSIS),
            entry.sphere,
            entry.landmarks,
            not_sought=result.reason if result and not_sought else None,
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
        "description of the image": to_plain(ImageFacts.of(case.source)),
        "description of the models": [to_plain(ModelFacts.of(model)) for model in case.models],
    }
    dates = [case.study_date] if case.study_date else []
    privacy.refuse_identifiers(free_text, [case.patient_code, *case.identifiers], dates)


def _digest(image: Volume) -> bytes:
    """Return a checksum of the voxels that depends neither on their type nor on who has opened the image.

    Slicer opens a left-handed grid with its slices in reverse order, so they are taken in that order.
    """
    digest = hashlib.blake2b(repr(image.shape).encode())
    left_handed = np.linalg.det(image.axes_ras) < 0
    for plane in image.array[:: -1 if left_handed else 1]:
        digest.update(np.ascontiguousarray(plane, dtype="<f4").tobytes())
    return digest.digest()


def _readable(record: CaseRecord, version: int | None) -> Version:
    """Return a version with a mask; None: the newest, 0: the first that the networks had a part in."""
    if version is None:
        return record.drawn[-1]
    if version == 0:
        found = next((one for one in record.drawn if one.automatic is not None), None)
    else:
        found = record.version(version)
    if found is not None:
        return found
    if version == 0:
        raise InputError(f"The networks had no part in the case {record.case}; open one of its versions.")
    raise InputError(f"The case {record.case} has no version {version}; its history lists them.")


def _measured(masks: HipMasks) -> HipResult:
    if not masks.head.array.any():
        return HipResult(masks.side, "not graded", "the mask of the head is empty", masks.sphere, masks.landmarks)
    return grade(masks)
