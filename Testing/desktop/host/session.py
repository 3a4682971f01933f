"""One test's Slicer: puts the host's ``qt``, ``ctk`` and ``slicer`` names in place and takes them away again."""

import gc
import os
import sys
import time
import traceback
import types
from pathlib import Path

import slicer
import vtk
from PySide6 import QtCore, QtTest, QtWidgets

from . import application, pythonqt, scripted, watch
from .ctk_widgets import CTK_CLASSES
from .dialogs import Dialogs
from .files import qSlicerIOManager
from .markups_widgets import MARKUPS_CLASSES, place_point
from .mrml_widgets import MRML_CLASSES
from .plots import qMRMLPlotView, qMRMLPlotWidget
from .segment_editor import EDITOR_CLASSES, paint
from .tables import qMRMLTableView, qMRMLTableWidget
from .ui_file import UiFile
from .views import qSlicerLayoutManager
from .window import qSlicerMainWindow

SLICER_CLASSES = {
    **MRML_CLASSES,
    **EDITOR_CLASSES,
    **MARKUPS_CLASSES,
    "qMRMLPlotView": qMRMLPlotView,
    "qMRMLPlotWidget": qMRMLPlotWidget,
    "qMRMLTableView": qMRMLTableView,
    "qMRMLTableWidget": qMRMLTableWidget,
    "qSlicerScriptedLoadableModule": application.qSlicerScriptedLoadableModule,
    "qSlicerScriptedLoadableModuleWidget": application.qSlicerScriptedLoadableModuleWidget,
}
ALL_CLASSES = {**CTK_CLASSES, **SLICER_CLASSES}


class QUiLoader(QtCore.QObject):
    """PythonQt's loader of .ui files, with the host's reader behind it."""

    def load(self, file, parent=None):
        return UiFile(ALL_CLASSES).load(file.fileName())


class QtModule(types.ModuleType):
    """Slicer's ``qt``."""

    def __getattr__(self, name: str):
        if name == "Qt":
            return pythonqt.class_wrapper(QtCore.Qt)
        if name == "QUiLoader":
            return pythonqt.class_wrapper(QUiLoader)
        found = pythonqt.qt_class_named(name)
        if found is None:
            raise AttributeError(f"module 'qt' has no attribute '{name}'")
        return pythonqt.class_wrapper(found)

    @staticmethod
    def SIGNAL(text: str) -> str:
        return f"2{text}"

    @staticmethod
    def SLOT(text: str) -> str:
        return f"1{text}"


class CtkModule(types.ModuleType):
    """Slicer's ``ctk``."""

    def __getattr__(self, name: str):
        if name not in CTK_CLASSES:
            raise AttributeError(f"module 'ctk' has no attribute '{name}' (in the host)")
        return pythonqt.class_wrapper(CTK_CLASSES[name])


class Modules(types.SimpleNamespace):
    """``slicer.modules``."""


class Host:
    """What a test has in its hands: the scene, the application, the dialogs, and ways to act as a user does."""

    def __init__(self, folder: Path):
        gc.disable()  # see _take_away
        self.folder = folder
        self.dialogs = pythonqt.dialogs = Dialogs()
        self.journal = pythonqt.journal = pythonqt.Journal()
        self._modules_before = {name: sys.modules.get(name) for name in ("qt", "ctk")}
        self._library_before = {name: module for name, module in sys.modules.items() if _of_library(name)}
        self._slicer_before = dict(vars(slicer))
        self._path_before = list(sys.path)
        self._loaded: list[application.qSlicerScriptedLoadableModule] = []
        self._hook_before, sys.excepthook = sys.excepthook, self._unhandled
        self._settings()
        self._names()
        self._scene()
        self._application()

    def _unhandled(self, kind, error, trace) -> None:
        """An error in an observer of VTK, which VTK would only print."""
        self.journal.errors.append("".join(traceback.format_exception(kind, error, trace)))

    def _settings(self) -> None:
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, str(self.folder / "settings"))
        QtCore.QCoreApplication.setOrganizationName("host")
        QtCore.QCoreApplication.setApplicationName("Slicer")
        QtCore.QSettings().clear()

    def _names(self) -> None:
        sys.modules["qt"], sys.modules["ctk"] = QtModule("qt"), CtkModule("ctk")
        provided = scripted.modules()
        self.packaging = provided["slicer.packaging"]
        self._modules_before.update({name: sys.modules.get(name) for name in provided})
        sys.modules.update(provided)
        for name, module in provided.items():
            if name.startswith("slicer."):
                setattr(slicer, name.partition(".")[2], module)
        for name, cls in SLICER_CLASSES.items():
            setattr(slicer, name, pythonqt.class_wrapper(cls))

    def _scene(self) -> None:
        self.scene = slicer.mrmlScene = slicer.vtkMRMLScene()
        cache, io = slicer.vtkCacheManager(), slicer.vtkDataIOManager()  # without them no .mrb can be read
        cache.SetRemoteCacheDirectory(str(self.folder / "cache"))
        cache.SetMRMLScene(self.scene)
        io.SetCacheManager(cache)
        self.scene.SetCacheManager(cache)
        self.scene.SetDataIOManager(io)
        self.application_logic = slicer.vtkSlicerApplicationLogic()
        self.application_logic.SetTemporaryPath(str(self.folder))
        self.application_logic.SetMRMLScene(self.scene)
        self.modules = slicer.modules = Modules()
        vtk.vtkObject.GlobalWarningDisplayOff()  # slicer-core comes without the files of colours and terminologies
        for name, (module, class_name) in application.LOGICS.items():
            logic = getattr(slicer, class_name)()
            logic.SetMRMLApplicationLogic(self.application_logic)
            logic.SetMRMLScene(self.scene)
            self.application_logic.SetModuleLogic(module, logic)
            setattr(self.modules, name, application.CppModule(module, logic))
        vtk.vtkObject.GlobalWarningDisplayOn()
        self.modules.sampledata = application.CppModule("SampleData", None)
        self.application_logic.SetColorLogic(self.modules.colors.logic())
        self.scene.GetSubjectHierarchyNode()

    def _application(self) -> None:
        self._cpp = types.SimpleNamespace()
        layout = self._cpp.layout = qSlicerLayoutManager(self.scene, self.application_logic)
        manager = self._cpp.manager = application.qSlicerModuleManager(self.modules)
        io = self._cpp.io = qSlicerIOManager()
        app = self._cpp.app = application.qSlicerApplication(
            str(self.folder), layout, io, manager, self.application_logic
        )
        self.application = app
        slicer.app = pythonqt.wrap(app)
        self.window = qSlicerMainWindow()
        self.window.resize(1280, 900)
        self.window.show()

    def load(self, path: str | Path, panel_width: int = 400):
        """Start Slicer with a scripted module, and open it; gives its Python widget (with ``.ui``, ``.logic`` …)."""
        cpp = application.load_module(str(path), self.modules, self.window)
        self._loaded.append(cpp)
        self._cpp.app.startupCompleted.emit()
        self.window.panel.setFixedWidth(panel_width)
        slicer.util.selectModule(pythonqt.wrap(cpp).name)
        self.spin()
        return cpp.representation.self()

    def _restore_library(self) -> None:
        """Other tests go on with the library as it was: without its windows, and unharmed by a module's reload."""
        before = self._library_before
        reloaded = any(sys.modules.get(name) is not module for name, module in before.items())
        for name in [name for name in sys.modules if _of_library(name) and name not in before]:
            if reloaded or name.startswith("ONFHAssistLib.desktop"):
                del sys.modules[name]
                package, _, module = name.rpartition(".")
                if package in before and hasattr(before[package], module):
                    delattr(before[package], module)  # "from package import module" looks there first
        sys.modules.update(before)

    # what a user does

    def click(self, widget, button=QtCore.Qt.LeftButton, position: QtCore.QPoint | None = None) -> None:
        """A real mouse click on a widget that is shown and enabled; AssertionError if it is not."""
        target = pythonqt.unwrap(widget)
        assert target.isVisible(), f"{target.objectName()} is not visible"
        assert target.isEnabled(), f"{target.objectName()} is not enabled"
        if position is None and isinstance(target, QtWidgets.QCheckBox | QtWidgets.QRadioButton):
            position = QtCore.QPoint(8, target.height() // 2)
        if position is None and isinstance(target, CTK_CLASSES["ctkCollapsibleButton"]):
            position = QtCore.QPoint(10, 8)
        QtTest.QTest.mouseClick(target, button, QtCore.Qt.NoModifier, position or target.rect().center())
        self.spin()

    def key(self, widget, key, modifiers=QtCore.Qt.NoModifier) -> None:
        """A key pressed in a widget; takes qt.Qt.Key_… or PySide's."""
        QtTest.QTest.keyClick(pythonqt.unwrap(widget), pythonqt.unwrap(key), pythonqt.unwrap(modifiers))
        self.spin()

    def type(self, widget, text: str) -> None:
        """Text typed into a line, replacing what stands there."""
        target = pythonqt.unwrap(widget)
        if hasattr(target, "selectAll"):
            target.selectAll()
        QtTest.QTest.keyClicks(target, text)
        self.spin()

    def choose(self, combo, text: str) -> None:
        """An entry of a combo box chosen by its text; also of a qMRMLNodeComboBox."""
        target = pythonqt.unwrap(combo)
        box = target if isinstance(target, QtWidgets.QComboBox) else target.findChild(QtWidgets.QComboBox)
        index = box.findText(text)
        assert index >= 0, f"no entry '{text}' among {[box.itemText(i) for i in range(box.count())]}"
        box.setCurrentIndex(index)
        box.activated.emit(index)
        self.spin()

    def click_cell(self, table, row: int, column: int = 0) -> None:
        """A click on a cell of a table."""
        view = pythonqt.unwrap(table)
        index = view.model().index(row, column)
        assert index.isValid(), f"the table has {view.model().rowCount()} rows"
        view.scrollTo(index)
        position = view.visualRect(index).center()
        QtTest.QTest.mouseClick(view.viewport(), QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, position)
        self.spin()

    def paint(self, editor, mask) -> None:
        """A stroke of the editor's active effect; ``mask`` is (k, j, i) on the source volume's grid."""
        paint(editor, mask)
        self.spin()

    def place_point(self, position_ras_mm) -> int:
        """A click at a position (RAS, mm) in a view that waits for a point; gives the control point's index."""
        index = place_point(self.scene, position_ras_mm)
        self.spin()
        return index

    def restart_settings(self) -> None:
        """As after a restart of Slicer: what QSettings kept of numbers and truth values comes back as text."""
        settings = QtCore.QSettings()
        for key in settings.allKeys():
            value = settings.value(key)
            if isinstance(value, bool | int | float):
                settings.setValue(key, str(value).lower())

    def spin(self, seconds: float = 0.0) -> None:
        """Let the event loop run: once, or for a time."""
        end = time.perf_counter() + seconds
        self.journal.delete_later()
        while True:
            QtWidgets.QApplication.processEvents(QtCore.QEventLoop.AllEvents, 50)
            QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
            if time.perf_counter() >= end:
                return
            time.sleep(0.002)

    def wait_for(self, condition, seconds: float = 10.0, what: str = "") -> None:
        """Let the event loop run until something is true; AssertionError after that many seconds."""
        end = time.perf_counter() + seconds
        while not condition():
            assert time.perf_counter() < end, f"still waiting after {seconds} s for {what or condition}"
            self.spin()
            time.sleep(0.002)

    def picture(self, widget, name: str, width: int = 400) -> Path:
        """A PNG of a panel: in the folder that ONFH_PICTURES names, else in the test's own."""
        return watch.picture(widget, Path(os.environ.get("ONFH_PICTURES", self.folder)) / f"{name}.png", width)

    # the end of a test

    def close_scene(self) -> None:
        """File > Close scene."""
        self.scene.Clear(0)
        self.spin()

    def problems(self) -> list[str]:
        """Errors in slots and dialogs that nobody answered."""
        unanswered = [f"a dialog came up that the test does not expect: {text}" for text in self.dialogs.unanswered]
        return self.journal.errors + unanswered + [f"no dialog came up with '{m}'" for m in self.dialogs.missing()]

    def close(self) -> None:
        """Quit: the module's cleanup, then everything is taken away."""
        try:
            self._cpp.app.aboutToQuit.emit()
            for cpp in self._loaded:
                if cpp.representation.self() is not None:
                    self._cpp.manager.moduleAboutToBeUnloaded.emit(pythonqt.wrap(cpp).name)
            self.window.close()
            self.spin()
        finally:
            self._take_away()

    def _take_away(self) -> None:
        sys.excepthook = self._hook_before
        sys.path[:] = self._path_before
        for cpp in self._loaded:
            sys.modules.pop(cpp.kept["name"], None)
        for name, module in self._modules_before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        self._restore_library()
        for name in set(vars(slicer)) - set(self._slicer_before):
            delattr(slicer, name)
        self._loaded.clear()
        del self._cpp, self.application
        pythonqt.connections.clear()
        pythonqt.dialogs = None
        for widget in QtWidgets.QApplication.topLevelWidgets():
            widget.deleteLater()
        QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
        # Here and not by chance: in another thread, collecting what is left of the widgets would crash.
        gc.collect()
        gc.enable()


def _of_library(name: str) -> bool:
    return name.partition(".")[0] == "ONFHAssistLib"
