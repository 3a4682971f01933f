"""The report as a PDF: the content of the page (`exchange.page`), laid out for A4. Drawn with reportlab."""

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.exchange.page import content


def report_pdf(result: StudyResult, identify: bool = False) -> bytes:
    """Return the bytes of the PDF; the same result gives the same bytes, without a time.

    Args:
        result: the study.
        identify: show the patient's name and ID; otherwise nothing in the file names the patient.

    Raises:
        InputError: reportlab is not installed.
    """
    try:
        from ONFHAssistLib.exchange.pdf_pages import pages
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "reportlab":
            raise
        raise InputError("The PDF needs reportlab, which is not installed; install it, or take report.html.") from error
    return pages(content(result, identify))
