"""The one door through which a result leaves: `write_study`."""

from functools import partial
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.exchange.masks import segmentation_nrrd, write_nifti
from ONFHAssistLib.exchange.page import report_html
from ONFHAssistLib.exchange.pdf import report_pdf
from ONFHAssistLib.exchange.publish import Writer, publish, write_bytes
from ONFHAssistLib.exchange.tables import probabilities_csv, report_json, slices_csv

SOMETIMES = ("slice_probabilities.csv", "report.pdf")
"""Written where a system tells probabilities of slices, and where a PDF is wanted."""
REPORT_FILES = ("masks.nii.gz", "masks.seg.nrrd", "slices.csv", "report.json", "report.html", *SOMETIMES)


def require_not_overwritten(image: Path, folder: Path) -> None:
    """Refuse a folder in which a report would take the place of the image that it is about."""
    if image.resolve() in {(folder / name).resolve() for name in REPORT_FILES}:
        raise InputError(f"The report in {folder} would overwrite the image {image}; choose another folder with --out.")


def write_study(result: StudyResult, folder: Path, identify: bool = False, pdf: bool = False) -> Path:
    """Write report.json, masks.nii.gz, masks.seg.nrrd, slices.csv and report.html, all of them or none.

    Where a system tells probabilities of slices slice_probabilities.csv is written, too. Earlier files of these names
    are replaced, or removed where there is no new one, once the new ones are complete; other files stay as they are.

    Args:
        result: the study.
        folder: made if missing.
        identify: put the patient's name and ID into report.json, report.html and report.pdf.
        pdf: write report.pdf too.

    Returns:
        The path of report.html.

    Raises:
        InputError: the folder cannot be written to, or the disk is full; nothing has changed then.
    """
    masks = result.masks
    files: dict[str, Writer] = {
        "masks.nii.gz": partial(write_nifti, volume=result.volume, masks=masks),
        "masks.seg.nrrd": write_bytes(segmentation_nrrd(result.volume, masks, result.findings)),
        "slices.csv": write_bytes(slices_csv(result).encode()),
        "report.json": write_bytes(report_json(result, identify).encode()),
        "report.html": write_bytes(report_html(result, identify).encode()),
    }
    if any(found.strip for found in result.findings):
        files["slice_probabilities.csv"] = write_bytes(probabilities_csv(result).encode())
    if pdf:
        files["report.pdf"] = write_bytes(report_pdf(result, identify))
    publish(folder, files, outdated=[name for name in SOMETIMES if name not in files])
    return folder / "report.html"
