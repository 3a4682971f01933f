"""The report page."""

from ONFHAssistLib.core.hip import StudyResult


def report_html(result: StudyResult, identify: bool = False) -> str:
    """Return the page."""
    return ""
