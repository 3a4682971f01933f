"""The result of one study, from which everything is shown and written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult, Notice
from ONFHAssistLib.core.volume import Volume


@dataclass(frozen=True)
class StudyResult:
    """The result of one study, ready to be written.

    Attributes:
        volume: the input image.
        source: JSON-ready facts about the input (file kind, modality, plane, sequence, spacing, shape); nothing
            here identifies the patient.
        patient: what the input says of the patient; a report has name and ID, and only when asked to.
        masks: one entry for each hip that is segmented.
        findings: of the systems that were chosen beside the networks, about a hip or the patient.
    """

    volume: Volume
    source: dict[str, Any]
    hips: tuple[HipResult, ...]
    masks: tuple[HipMasks, ...]
    warnings: tuple[Notice, ...] = ()
    models: tuple[Mapping[str, Any], ...] = ()
    patient: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
