"""A study or a picture as the reviewer opens it: read, and looked at for what does not suit the networks."""

from dataclasses import replace
from pathlib import Path

from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.picture import read_image
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.reviewer.systems import readable_forms


def read_checked(path: Path) -> Study:
    """Read a study, or a picture that a system takes, with the notices on it; raises InputError where that fails.

    What lies in the folders below a folder is another study of the list, maybe of another patient.
    """
    return checked(read_image(path, readable_forms(), below=False))


def checked(study: Study) -> Study:
    """Add the notices on the image of a study; of a picture there are none."""
    if study.form != "volume":
        return study
    return replace(study, notices=(*study.notices, *check_image(study)))
