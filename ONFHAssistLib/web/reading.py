"""A study as the reviewer opens it: read, and looked at for what does not suit the networks."""

from dataclasses import replace
from pathlib import Path

from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.read import Study, read_study


def read_checked(path: Path) -> Study:
    """Read a study with the notices on its image; raises InputError where that is not possible.

    What lies in the folders below a folder is another study of the list, maybe of another patient.
    """
    return checked(read_study(path, below=False))


def checked(study: Study) -> Study:
    """Add the notices on the image of a study."""
    return replace(study, notices=(*study.notices, *check_image(study)))
