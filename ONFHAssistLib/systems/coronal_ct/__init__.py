"""S-CT: a network diagnoses each coronal CT slice of a head, a second one outlines the necrosis in positive ones."""

from typing import TYPE_CHECKING

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.systems.base import Card, Case, Models, Step, System, Variable

if TYPE_CHECKING:
    from ONFHAssistLib.imaging.read import Study

DIAGNOSIS, NECROSIS, SLICE_FINDER = "ct_diagnosis", "ct_necrosis", "slice_finder"
THICKEST_MM = 5.0
"""Slices farther apart show too little of the trabeculae between them; those learned from are 1 to 4 mm thick."""
FAT_HU, FAT_SHARE = -20.0, 1e-3
"""In Hounsfield units fat and air lie below the first; at least this part of any image of a hip is one of them."""
CARD = Card(
    id="coronal-ct",
    title="The system S-CT: coronal CT, diagnosed slice by slice",
    source="2,312 patients, Chen 2026, 10.1186/s12891-026-10113-7",
    accepts="CT of adults, of which axial, sagittal and oblique slices are reformatted to coronal ones; or a coronal "
    "slice or picture of CT, which is diagnosed alone",
    forms=("volume", "slice", "picture"),
    bundles=(DIAGNOSIS, NECROSIS, SLICE_FINDER),
    grades=("CT",),
    variables=(Variable("age", "Age (years)", 16, 120, required=False),),
)


class CoronalCt:
    """Its masks are what a reader reviews on CT; a hip that it calls sound has none."""

    card = CARD

    def why_not(self, study: "Study") -> str:
        """Refuse all but CT in Hounsfield units, or pictures, with slices that are not too thick."""
        source, volume = study.source, study.volume
        picture = study.form == "picture"
        if source["modality"] != "CT" and not (picture and source["modality"] == "unknown"):
            kind = "of unknown kind" if source["modality"] == "unknown" else source["modality"]
            return f"The system {CARD.id} reads CT, and this image is {kind}; give a CT, or leave the system out."
        if picture:
            return ""
        if study.form == "slice" and source["plane"] != "coronal":
            return (
                f"The system {CARD.id} reads single slices that are coronal, and this one is {source['plane']}; give "
                "the whole series, which it reformats, or a coronal slice."
            )
        thickest = max(volume.spacing_mm)
        if study.form == "volume" and thickest > THICKEST_MM * 1.01:
            return (
                f"The system {CARD.id} reads slices of at most {THICKEST_MM:g} mm, and these lie {thickest:.1f} mm "
                "apart; give a reconstruction of thinner slices, or leave the system out."
            )
        if (volume.array[:: max(1, len(volume.array) // 32), ::4, ::4] < FAT_HU).mean() < FAT_SHARE:
            return (
                f"The system {CARD.id} reads Hounsfield units, and this image's values are none, as nothing in it is "
                "as dark as fat or air; export it with its rescale slope and intercept."
            )
        return ""

    def run(self, case: Case, models: Models, earlier: tuple[Finding, ...], step: Step) -> tuple[Finding, ...]:
        """Return one finding for each head, of a volume with `Finding.hip`, and one for the patient."""
        if case.study.form != "volume":
            from ONFHAssistLib.systems.coronal_ct.single import single_findings

            step(0.0, "Diagnosing the slice")
            return single_findings(case.study, *(models[name] for name in (SLICE_FINDER, DIAGNOSIS, NECROSIS)))
        from ONFHAssistLib.systems.coronal_ct.hip import diagnose
        from ONFHAssistLib.systems.coronal_ct.words import hip_finding, patient_finding

        hips = []
        for n, head in enumerate(case.heads):
            step(n / len(case.heads), f"Diagnosing the slices of the {head.side} hip")
            hips.append(diagnose(case.study.volume, head, models[DIAGNOSIS], models[NECROSIS]))
        contrast = bool(case.study.source["contrast_agent"])
        return (*(hip_finding(hip, contrast) for hip in hips), *([patient_finding(hips)] if hips else []))


SYSTEM: System = CoronalCt()
