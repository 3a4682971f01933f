"""What leaves the module as files: report as page or PDF, slices as a table, the whole scene."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.desktop.busy import while_busy
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.exchange.publish import publish, write_bytes
from ONFHAssistLib.scene.review import Review


def page(result: StudyResult) -> bytes:
    """Return the report as one HTML page."""
    from ONFHAssistLib.exchange.page import report_html  # needs Jinja2

    return report_html(result).encode()


def pdf(result: StudyResult) -> bytes:
    """Return the report as PDF."""
    from ONFHAssistLib.exchange.pdf import report_pdf  # needs reportlab

    return report_pdf(result)


def table(result: StudyResult) -> bytes:
    """Return the slices as CSV."""
    from ONFHAssistLib.exchange.tables import slices_csv

    return slices_csv(result).encode()


class Export:
    """The export buttons; each asks for a file and says where it was written."""

    def __init__(self, ui: Any, review: Callable[[], Review | None], ready: Callable[[], None]) -> None:
        """``review`` returns the current one; ``ready`` sees to what the reports need, or raises InputError."""
        self._label, self._review, self._ready = ui.exportLabel, review, ready
        self._folder = Path.home()
        for button, content, name, kind in (
            (ui.htmlButton, page, "report.html", _("Web page (*.html)")),
            (ui.pdfButton, pdf, "report.pdf", "PDF (*.pdf)"),
            (ui.csvButton, table, "slices.csv", "CSV (*.csv)"),
        ):
            button.connect("clicked()", lambda c=content, n=name, k=kind: self._write(c, n, k))
        ui.sceneButton.connect("clicked()", self._write_scene)

    def tell(self, sentence: str) -> None:
        """Show a sentence below the buttons."""
        self._label.text = sentence
        self._label.setVisible(bool(sentence))

    @guarded
    def _write(self, content: Callable[[StudyResult], bytes], name: str, kind: str) -> None:
        review = self._review()
        path = self._ask(name, kind) if review else None
        if review is None or path is None:
            return
        if content is not table:
            self._ready()
        result = review.study_result()
        while_busy(lambda: publish(path.parent, {path.name: write_bytes(content(result))}))
        self.tell(_("Written: {name}").format(name=path.name))

    @guarded
    def _write_scene(self) -> None:
        path = self._ask("review.mrb", _("Slicer scene (*.mrb)"))
        if path is None:
            return
        with slicer.util.WaitCursor():
            saved = slicer.util.saveScene(str(path))
        if not saved:
            raise InputError(_("The scene could not be written; choose another folder, or make room on the disk."))
        self.tell(_("Written: {name}").format(name=path.name))

    def _ask(self, name: str, kind: str) -> Path | None:
        chosen = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Save as"), str(self._folder / name), kind)
        if not chosen:
            return None
        path = Path(chosen)
        path = path if path.suffix else path.with_suffix(Path(name).suffix)
        self._folder = path.parent
        return path
