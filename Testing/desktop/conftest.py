"""Fixtures for the module on the host: a Slicer for each test, and its complaints at the end."""

import ctypes
import importlib.util
import os
import sys

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

if not all(importlib.util.find_spec(name) for name in ("PySide6", "slicer")):
    collect_ignore_glob = ["test_host*.py", "test_module_*.py"]


@pytest.fixture(scope="session")
def qt_application():
    """The one QApplication of the process."""
    from PySide6 import QtWidgets

    if sys.version_info < (3, 12):
        # PySide 6.12's Signal.emit gives True back without counting the reference, until Python deallocates True
        # and aborts; from 3.12 on these objects are immortal, and here they are made so.
        for immortal in (None, True, False):
            ctypes.c_ssize_t.from_address(id(immortal)).value += 1 << 40
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    application.setStyle("Fusion")
    application.setQuitOnLastWindowClosed(False)
    return application


@pytest.fixture
def host(qt_application, tmp_path):
    """A fresh Slicer: scene, application, main window. Errors in slots and unanswered dialogs fail the test."""
    from host.session import Host

    host = Host(tmp_path)
    yield host
    host.close()
    assert host.problems() == []


@pytest.fixture
def module_widget(host):
    """The ONFHAssist module, loaded, entered and shown at 400 px: its Python widget."""
    from module_parts import MODULE

    return host.load(MODULE)


@pytest.fixture
def stalls(host, record_property):
    """Watches the whole test for stalls of the window; the longest one is told in the test's properties."""
    from host.watch import StallWatch

    with StallWatch(host.journal) as watch:
        yield watch
    record_property("longest_stall", str(watch.result))
    print(watch.result)


@pytest.fixture
def themes(host, qt_application):
    """Switches between Slicer's light and dark theme; the light one is back afterwards."""
    from host.watch import set_theme

    yield lambda dark: set_theme(host.application, dark)
    set_theme(host.application, False)


@pytest.fixture
def worker(host, monkeypatch):
    """The analysis of the module: it says what the test lets it say."""
    from module_parts import ToldWorker

    from ONFHAssistLib.desktop import session

    told = ToldWorker()
    monkeypatch.setattr(session, "slicer_worker", lambda: told)
    return told


@pytest.fixture
def widget(worker, module_widget):
    """The module with that analysis: its Python widget."""
    return module_widget


@pytest.fixture
def review(host, widget, worker):
    """A made-up study that was analysed and is under review."""
    from module_parts import add_study, analysed

    return analysed(host, widget, worker, *add_study(host))


@pytest.fixture
def cases(host, tmp_path):
    """The folder of the cases, as set on the settings page."""
    import slicer

    slicer.app.userSettings().setValue("ONFHAssist/CaseFolder", str(tmp_path / "cases"))
    slicer.app.userSettings().setValue("ONFHAssist/Reviewer", "R07")
    return tmp_path / "cases"


@pytest.fixture
def data_set(host, widget, worker, cases):
    """A data set with both hips of a patient: R01 has corrected and approved the right one, the left is a draft."""
    from module_parts import add_study, analysed, erase_half

    from ONFHAssistLib.curation.reports.overview import data_set_in
    from ONFHAssistLib.curation.store.folder import open_store

    review = analysed(host, widget, worker, *add_study(host))
    erase_half(host, review, "right")
    host.type(widget.ui.reviewerEdit, "R01")
    host.type(widget.ui.patientEdit, "P-1")
    host.choose(widget.ui.rightStatusBox, "Right: approved")
    host.click(widget.ui.saveButton)
    assert "Saved to" in widget.ui.savedLabel.text
    host.close_scene()
    return open_store(data_set_in(cases))
