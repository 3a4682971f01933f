"""What is known of a case: the record in ``cases/<case>.json``, each field once (some in `facts`), as in the file.

`schema.record_of` reads a record and checks it, `entries` makes what a save adds, `record_bytes` writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.plain import UNSET, Unset, to_plain
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.facts import ImageFacts, ModelFacts, ResultFacts
from ONFHAssistLib.curation.case.pose import Pose
from ONFHAssistLib.curation.case.reviewed import Provenance, Status

CaseStatus = Literal["draft", "approved", "flagged", "withdrawn"]
CASE_STATUSES: tuple[CaseStatus, ...] = ("approved", "draft", "flagged", "withdrawn")


@dataclass(frozen=True)
class MaskChange:
    """How a mask differs from an earlier one."""

    added_voxels: int
    removed_voxels: int
    added_mm3: float
    removed_mm3: float


@dataclass(frozen=True)
class MaskChanges:
    """How the masks differ: of the head with its necrosis, and of necrosis."""

    head: MaskChange
    necrosis: MaskChange


@dataclass(frozen=True)
class Changes:
    """What a reader has changed; None where there is nothing to compare with."""

    from_automatic: MaskChanges | None
    from_previous: MaskChanges | None


@dataclass(frozen=True)
class Automatic:
    """What the networks had made; ``number`` is that of the save whose folder in the history holds their masks."""

    number: int
    sphere: Sphere
    landmarks: Landmarks
    result: ResultFacts | None


@dataclass(frozen=True, kw_only=True)
class Version:
    """A case as one save left it; see `reviewed.ReviewedCase`.

    Attributes:
        number: of the save in the data set.
        saved_at: ISO time, UTC.
        software: version of this program.
        independent: UNSET where it was not asked yet.
        reviewed_slices: indices along k of the input that was saved first; None: all.
        mask_sha256: of the mask's voxels in the pose of the files.
        automatic: None where the networks had no part in it.
    """

    number: int
    saved_at: str
    software: str
    reviewer: str
    status: Status
    independent: bool | Unset = UNSET
    adjudicates: bool
    comment: str
    models: tuple[ModelFacts, ...]
    provenance: dict[str, Provenance]
    reviewed_slices: tuple[int, ...] | None
    sphere: Sphere
    landmarks: Landmarks
    result: ResultFacts
    mask_sha256: str
    automatic: Automatic | None
    changes: Changes

    @property
    def unseen(self) -> bool:
        """Whether it was drawn without seeing what others had drawn; before that was asked, who settled had seen it."""
        return not self.adjudicates if self.independent is UNSET else bool(self.independent)

    def slices_from(self, first: int) -> tuple[int, ...] | None:
        """Return the reviewed slices counted from slice ``first`` of the input; None: all."""
        if self.reviewed_slices is None:
            return None
        return tuple(k - first for k in self.reviewed_slices if k >= first)


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """A save that takes the case out of the training; ``comment`` is the reason."""

    number: int
    saved_at: str
    software: str
    reviewer: str
    status: Literal["withdrawn"] = "withdrawn"
    adjudicates: bool = False
    comment: str


@dataclass(frozen=True, kw_only=True)
class Rename:
    """A save that gives the case to another patient; ``patient`` is the one before, ``comment`` the reason."""

    number: int
    saved_at: str
    software: str
    reviewer: str
    comment: str
    patient: str


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """All that is known of a case.

    Attributes:
        case, patient: names.
        fold: of the patient.
        status, trained_with, needs_adjudication: what the versions come to, see `standing.standing`.
        study_date: ISO day, shifted; None where it is not known.
        pose: the way from the image to the files.
        files: checksum of each file of the case, by its path in the data set.
        versions: oldest first; the first one is a `Version`.
        renames: oldest first.
        kept: the content of the file that it was read from; empty for a new case. `record_bytes` needs it.
    """

    case: str
    patient: str
    side: Side
    fold: int
    status: CaseStatus
    trained_with: int | None
    needs_adjudication: bool
    study_date: str | None
    source: ImageFacts
    pose: Pose
    files: dict[str, str]
    versions: tuple[Version | Withdrawal, ...]
    renames: tuple[Rename, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def drawn(self) -> tuple[Version, ...]:
        """The versions with a mask, oldest first."""
        return tuple(entry for entry in self.versions if isinstance(entry, Version))

    @property
    def shown(self) -> Version:
        """The version that is trained with, else the newest one with a mask."""
        return self.trained or self.drawn[-1]

    @property
    def trained(self) -> Version | None:
        """The version that is trained with; None where none is."""
        return next((entry for entry in self.drawn if entry.number == self.trained_with), None)

    @property
    def numbers(self) -> list[int]:
        """The numbers of all saves, in order; at least one."""
        return sorted(entry.number for entry in (*self.versions, *self.renames))

    @property
    def image_file(self) -> str:
        """Path of the image in the data set."""
        return next(path for path in self.files if path.endswith(layout.IMAGE_ENDING))

    def version(self, number: int) -> Version | None:
        """Return the version with this number; None where none with a mask has it."""
        return next((entry for entry in self.drawn if entry.number == number), None)


def record_bytes(record: CaseRecord) -> bytes:
    """Return the file of a record.

    What was read from a file is written again as it stood there, with what this version of the software does not know
    and without what that one left out: the history is only added to.
    """
    kept = record.kept or {"format": layout.CASE_FORMAT}
    own: dict[str, Any] = {}
    for name in (one.name for one in fields(record) if one.name != "kept"):
        value, before = getattr(record, name), kept.get(name)
        if name in ("versions", "renames"):
            entries = [*(before or ()), *map(to_plain, value[len(before or ()) :])]
            if entries or name == "versions":
                own[name] = entries
        elif name in ("source", "pose") and before is not None:
            own[name] = before
        else:
            own[name] = value.to_json() if isinstance(value, Pose) else to_plain(value)
    return layout.json_bytes({**kept, **own})
