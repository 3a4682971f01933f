"""S-T1: on axial T1 slices, a U-Net finds the head, a threshold inside it the necrosis, their ratio gives the grade."""

from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.systems.base import Card, Case, Models, Step, System

if TYPE_CHECKING:
    from ONFHAssistLib.imaging.read import Study

BUNDLE = "steinberg_t1"
CARD = Card(
    id="steinberg-t1",
    title="The system S-T1: a threshold inside the head",
    source="261 axial T1 slices, PMC11680720",
    accepts="axial T1 MRI without fat suppression",
    bundles=(BUNDLE,),
)


class SteinbergT1:
    """The head by its own network, ended at the sphere of the heads that were found."""

    card = CARD

    def why_not(self, study: "Study") -> str:
        """Refuse all but axial T1 without fat suppression."""
        source = study.source
        sequence = "fat-suppressed T1" if source["fat_suppressed"] else source["sequence"]
        if source["plane"] == "axial" and sequence == "T1":
            return ""
        known = "of unknown sequence" if sequence == "unknown" else sequence
        return (
            f"The system {CARD.id} reads axial T1 images, and this one is {source['plane']}, {known}; "
            "give an axial T1 series, or leave the system out."
        )

    def run(self, case: Case, models: Models, earlier: tuple[Finding, ...], step: Step) -> tuple[Finding, ...]:
        """Return one finding for each head, compared with the masks of an earlier system where there are some."""
        from ONFHAssistLib.systems.steinberg_t1.hip import find

        others = {found.about: found.hip for found in earlier if found.hip is not None}
        found = []
        for n, head in enumerate(case.heads):
            step(n / len(case.heads), f"Grading the {head.side} hip by S-T1")
            found.append(find(case.study, head, models[BUNDLE], others.get(head.side)))
        return tuple(found)

    def kept_by_0_1_0(self, figures: dict[str, Any], own: HipMasks) -> Finding:
        """Read what scenes and drafts of version 0.1.0 have kept."""
        from ONFHAssistLib.systems.steinberg_t1.hip import finding
        from ONFHAssistLib.systems.steinberg_t1.threshold import Extraction

        threshold, contrast = float(figures["threshold"]), float(figures["contrast"])
        extraction = Extraction(own.necrosis.array, threshold, contrast, bool(figures["passed"]))
        return finding(extraction, own, (figures["head_dice"], figures["necrosis_dice"]))


SYSTEM: System = SteinbergT1()
