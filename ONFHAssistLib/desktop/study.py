"""A volume of the scene as a study: what is known of it, and what can be said of it before it is analysed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.desktop.guard import unexpected
from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.volumes import describe, study_from_node

BOTH_HIPS_FROM_MM = 250.0
"""Two adult femoral heads lie 160 to 200 mm apart, centre to centre; an image this wide has both, if it is centred."""


@dataclass(frozen=True)
class Look:
    """What is said of a volume when it is chosen.

    Attributes:
        kind: what it is, such as "Coronal T1, 39 slices, 0.9 × 0.9 × 5.2 mm"; or why it cannot be analysed.
        view: how many hips may be in it, by its width.
        warnings: what speaks against grading it.
        usable: whether it can be analysed.
        study: as it was read; None where that is not possible.
    """

    kind: str
    view: str = ""
    warnings: tuple[str, ...] = ()
    usable: bool = False
    study: Study | None = None

    def sentence(self, review: Review | None = None) -> str:
        """Return it as a sentence; with a review, the hips that were really found."""
        if not self.usable:
            return self.kind
        if review is None:
            return f"{self.kind}, {self.view}."
        seen = [side for side in review.sides if review.hip(side).segmented]
        both = len(seen) == len(SIDES)
        found = _("both hips in view") if both else _("right hip in view") if "right" in seen else _("left hip in view")
        return f"{self.kind}, {found if seen else _('no hip graded')}."


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
        notices = (*study.notices, *check_image(study))
    except InputError as error:
        return Look(str(error))
    except Exception as error:  # whatever is chosen, the panel stays usable
        return Look(unexpected(error))
    kind = describe(study)
    warnings = tuple(dict.fromkeys(n.message for n in notices))
    return Look(f"{kind[:1].upper()}{kind[1:]}", _in_view(study.volume), warnings, True, study)


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


def _in_view(volume: Volume) -> str:
    across_mm = np.abs(volume.axes_ras[0]) @ (volume.size * volume.spacing_mm)
    if across_mm >= BOTH_HIPS_FROM_MM:
        return _("wide enough for both hips ({width:.0f} mm)").format(width=across_mm)
    return _("wide enough for one hip ({width:.0f} mm)").format(width=across_mm)
