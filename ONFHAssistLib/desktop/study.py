"""A volume of the scene as a study: what is known of it, and what can be said of it before it is analysed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import slicer

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.desktop.guard import unexpected
from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.reviewer.study import study_line, volumes_only, warnings_of
from ONFHAssistLib.reviewer.systems import readable_forms
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.volumes import study_from_node

NOT_READ = {
    "slice": "The volume has one slice only; load the whole series, and choose that.",
    "picture": "The volume is a picture, which no system here reads; load a hip MRI or CT, and choose it.",
}
"""What is said where no system takes such an image."""


@dataclass(frozen=True)
class Look:
    """What is said of a volume when it is chosen.

    Attributes:
        why_not: why it cannot be analysed, in one sentence; "" where it can.
        study: as it was read, with the notices on its image; None where that is not possible.
    """

    why_not: str = ""
    study: Study | None = None

    @property
    def usable(self) -> bool:
        """Whether it can be analysed."""
        return self.study is not None

    def sentence(self, review: Review | None = None) -> str:
        """Return what it is; with a review, the hips that were really found."""
        return study_line(self.study, review) if self.study else self.why_not

    def warnings(self, review: Review | None = None) -> tuple[str, ...]:
        """Return what speaks against grading it; of a slice or picture also what is for volumes only."""
        only_volumes = volumes_only(self.study.source) if self.study else ""
        return (*warnings_of(self.study.notices if self.study else (), review), *filter(None, [only_volumes]))

    @property
    def plane(self) -> str:
        """The plane of a slice or a picture; "" of a volume."""
        return self.study.source["plane"] if self.study and self.study.form != "volume" else ""


def read(node: Any, known: Mapping[str, Any] | None = None) -> Study:
    """Return a volume node as a study; raises InputError where it is none.

    Args:
        node: vtkMRMLScalarVolumeNode; its DICOM header counts if Slicer's database has it.
        known: `Study.source`, where it need not be guessed from the image: that of a case of the data set.
    """
    study = study_from_node(node, dicom_header(node))
    return study if known is None else replace(study, source=dict(known))


def look_at(node: Any, known: Mapping[str, Any] | None = None) -> Look:
    """Say what is seen in a volume node, None included; ``known``: see `read`."""
    try:
        study = read(node, known)
        notices = check_image(study) if study.form == "volume" else ()
        if study.form not in readable_forms():
            return Look(NOT_READ[study.form])
        return Look(study=replace(study, notices=(*study.notices, *notices)))
    except InputError as error:
        return Look(str(error))
    except Exception as error:  # whatever is chosen, the panel stays usable
        return Look(unexpected(error))


def dicom_header(node: Any) -> Any:
    """Return the header (pydicom.Dataset) of a volume's first DICOM file; None where there is none to be had."""
    uids = (node.GetAttribute("DICOM.instanceUIDs") or "").split() if node is not None else []
    database = getattr(slicer, "dicomDatabase", None)
    path = database.fileForInstance(uids[0]) if uids and database is not None else ""
    if not path:
        return None
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (OSError, pydicom.errors.InvalidDicomError):
        return None
