"""The sample studies that come with the software, in Slicer's Sample Data module; they need no network."""

import hashlib

from slicer.i18n import tr as _

from ONFHAssistLib.core.resources import resource_path

T1_SAMPLE, CT_SAMPLE = "ONFHAssist T1", "ONFHAssist CT"


def register_sample_data() -> None:
    """List the samples; called when Slicer has started."""
    import SampleData

    for name, file, title in (
        (T1_SAMPLE, "procedural_t1.nii.gz", _("Hips, T1 (procedural)")),
        (CT_SAMPLE, "procedural_ct.nii.gz", _("Hips, CT (procedural)")),
    ):
        path = resource_path("SampleData", file)
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="ONFHAssist",
            sampleName=name,
            uris=path.as_uri(),
            fileNames=f"ONFHAssist_{file}",
            nodeNames=title,
            loadFileTypes="VolumeFile",  # a segmentation may be a NIfTI file, too, and the first reader asked takes it
            checksums=f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
        )
