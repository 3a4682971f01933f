"""S-JIC: a network classes the mid-coronal slice by the JIC and shows where it looked; beside it, the geometry."""

from typing import TYPE_CHECKING

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.systems.base import Card, Case, Models, Step, System

if TYPE_CHECKING:
    from ONFHAssistLib.imaging.read import Study

BUNDLE, SLICE_FINDER = "jic_coronal", "slice_finder"
CARD = Card(
    id="jic-coronal",
    title="The system S-JIC: the JIC class by a network",
    source="1,806 mid-coronal MR images, Shen 2024, 10.1016/j.arth.2023.08.018",
    accepts="MRI: T1, T2 or fat-suppressed volumes; one coronal slice near the middle of the head; a picture of one",
    forms=("volume", "slice", "picture"),
    bundles=(BUNDLE, SLICE_FINDER),
)
OTHER_IMAGES = ("CT", "CR", "DX", "RG", "RF", "XA", "PX", "IO", "US", "NM", "PT", "MG")


class JicCoronal:
    """The class of each hip from the slice through the middle of its head."""

    card = CARD

    def why_not(self, study: "Study") -> str:
        """Refuse what is said to be another modality, and a single slice that is said to lie in another plane."""
        source = study.source
        if source["modality"] in OTHER_IMAGES:
            return (
                f"The system {CARD.id} reads MRI, and this image is {source['modality']}; give an MR image, or leave "
                "the system out."
            )
        if study.form == "slice" and source["plane"] != "coronal":
            return (
                f"The system {CARD.id} reads the mid-coronal slice, and this one is {source['plane']}; give a coronal "
                "slice or the whole series, or leave the system out."
            )
        return ""

    def run(self, case: Case, models: Models, earlier: tuple[Finding, ...], step: Step) -> tuple[Finding, ...]:
        """Return one finding for each head, compared with the class by the masks of an earlier system."""
        from ONFHAssistLib.systems.jic_coronal.hip import in_slice, in_volume

        step(0.0, "Classing the mid-coronal slice by S-JIC")
        if case.study.form != "volume":
            return in_slice(case.study, models[BUNDLE], models[SLICE_FINDER])
        masks = {found.about: found.hip for found in earlier if found.hip is not None}
        return tuple(in_volume(case.study, head, models[BUNDLE], masks.get(head.side)) for head in case.heads)


SYSTEM: System = JicCoronal()
