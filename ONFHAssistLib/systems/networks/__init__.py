"""The project's own networks: necrosis in each head that was found (`heads`), graded by its volume and its place."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.systems.base import Card, Case, Models, Step, System

if TYPE_CHECKING:
    from ONFHAssistLib.imaging.read import Study

CARD = Card(
    id="networks",
    title="Our own networks",
    source="this project; gradings as published, docs/clinical.md",
    accepts="MRI (measured on coronal T1, with warnings on other sequences) and CT, on which heads are outlined and "
    "necrosis is not sought by this system",
    bundles=("necrosis",),
    grades=("MR", "unknown"),
)


class Networks:
    """Necrosis by a network; the hip's masks are what a reader reviews."""

    card = CARD

    def why_not(self, study: "Study") -> str:
        """Take every volume that `imaging.domain` lets pass."""
        return ""

    def run(self, case: Case, models: Models, earlier: tuple[Finding, ...], step: Step) -> tuple[Finding, ...]:
        """Return one finding for each head, with `Finding.hip`."""
        from ONFHAssistLib.imaging.segment import segment_necrosis

        volume, source = case.study.volume, case.study.source
        found = []
        for n, head in enumerate(case.heads):
            step(n / len(case.heads), f"Grading the {head.side} hip")
            masks = segment_necrosis(volume, source["modality"], head, models["necrosis"])
            if masks.calibration and source["sequence"] not in masks.calibration.sequences:
                masks = replace(masks, calibration=None)  # what the probability is worth there is not known
            found.append(Finding(CARD.id, CARD.title, head.side, hip=masks))
        return tuple(found)


SYSTEM: System = Networks()
