"""A patient code that may be a slip of the fingers is asked about."""

from pathlib import Path

import slicer

from ONFHAssistLib.curation.store.codes import similar_codes
from ONFHAssistLib.desktop.busy import while_busy


def is_meant(code: str, folder: Path, renamed: str = "") -> bool:
    """Ask about a new patient code that is almost another patient's; return whether it is that of another patient.

    ``renamed`` names the case whose code is put right, if any.
    """
    found = while_busy(lambda: similar_codes(folder, code, renamed))
    return all(slicer.util.confirmYesNoDisplay(similar.question, windowTitle="ONFHAssist") for similar in found)
