"""Slicer's application around a module: slicer.app, slicer.modules, the main window, loading and saving of files."""

import importlib.util
import os
import sys
import types

import slicer
from PySide6 import QtGui, QtWidgets
from PySide6.QtCore import Property, QObject, QProcessEnvironment, QSettings, Signal

from . import pythonqt
from .mrml_widgets import qMRMLWidget
from .window import qSlicerMainWindow, qSlicerSettingsDialog

LOGICS = {
    "colors": ("Colors", "vtkSlicerColorLogic"),
    "markups": ("Markups", "vtkSlicerMarkupsLogic"),
    "models": ("Models", "vtkSlicerModelsLogic"),
    "plots": ("Plots", "vtkSlicerPlotsLogic"),
    "segmentations": ("Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    "sequences": ("Sequences", "vtkSlicerSequencesLogic"),
    "subjecthierarchy": ("SubjectHierarchy", "vtkSlicerSubjectHierarchyModuleLogic"),
    "tables": ("Tables", "vtkSlicerTablesLogic"),
    "terminologies": ("Terminologies", "vtkSlicerTerminologiesModuleLogic"),
    "texts": ("Texts", "vtkSlicerTextsLogic"),
    "transforms": ("Transforms", "vtkSlicerTransformLogic"),
    "units": ("Units", "vtkSlicerUnitsLogic"),
    "volumes": ("Volumes", "vtkSlicerVolumesLogic"),
}
# Functions of slicer.app that are simply those of QApplication.
FORWARDED = (
    *("palette", "setPalette", "font", "setFont", "style", "setStyleSheet", "primaryScreen", "screens", "clipboard"),
    *("keyboardModifiers", "mouseButtons", "setOverrideCursor", "restoreOverrideCursor", "overrideCursor", "beep"),
    *("topLevelWidgets", "allWidgets", "focusWidget", "activeWindow", "activeModalWidget", "widgetAt", "arguments"),
    *("processEvents", "sendPostedEvents"),
)


class CppModule:
    """A module of Slicer's own that is written in C++, with its real logic."""

    def __init__(self, name: str, logic):
        self.name, self.path, self._logic = name, "", logic

    def logic(self):
        return self._logic


class qSlicerScriptedLoadableModule(QObject):
    """What a module class gets as its parent: a place for its texts."""

    def __init__(self, path: str):
        super().__init__()
        self.kept = {"path": path, "name": os.path.splitext(os.path.basename(path))[0]}

    def widgetRepresentation(self):
        return self.representation

    def logic(self):
        return None

    def _kept(kind, name):
        return Property(kind, lambda self: self.kept.get(name), lambda self, value: self.kept.update({name: value}))

    for _name in ("path", "name", "title", "helpText", "acknowledgementText"):
        locals()[_name] = _kept(str, _name)
    for _name in ("categories", "dependencies", "contributors", "icon", "index", "hidden", "associatedNodeTypes"):
        locals()[_name] = _kept(object, _name)
    del _kept, _name


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The C++ side of a module's panel; it calls setup, enter and exit of the Python side."""

    def __init__(self, make=None):
        super().__init__()
        self._make, self._python, self.entered = make, None, False
        self.setLayout(QtWidgets.QVBoxLayout())

    isEntered = Property(bool, lambda self: self.entered)
    moduleName = Property(str, lambda self: self.objectName().removesuffix("ModuleWidget"))

    def setup(self):
        """Make the Python side, when the module is opened for the first time."""
        self._python = self._make(pythonqt.wrap(self))
        self._python.setup()

    def self(self):
        return self._python

    def reload(self):
        """Make the Python side anew, as slicer.util.reloadScriptedModule wants it; Slicer does not enter it again."""
        self.setup()

    def enter(self):
        if self._python is None:
            self.setup()
        self.entered = True
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self):
        self.entered = False
        if hasattr(self._python, "exit"):
            self._python.exit()


class qSlicerModuleManager(QObject):
    """Knows the modules by name."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self, modules):
        super().__init__()
        self._modules = modules

    def module(self, name: str):
        return getattr(self._modules, name.lower(), None)

    def modulesNames(self):
        return [name for name in vars(self._modules) if name.islower()]


class qSlicerApplication(QObject):
    """``slicer.app``."""

    aboutToQuit = Signal()
    startupCompleted = Signal()
    paletteChanged = Signal(QtGui.QPalette)
    mrmlSceneChanged = Signal(object)
    focusChanged = Signal(QtWidgets.QWidget, QtWidgets.QWidget)

    def __init__(self, temporary: str, layout_manager, io_manager, module_manager, logic):
        super().__init__()
        self.setObjectName("qSlicerApplication")
        self._temporary, self._layout, self._io = temporary, layout_manager, io_manager
        self._modules, self._logic = module_manager, logic
        self._dialog, self.opened_settings, self.testing = qSlicerSettingsDialog(), [], False
        self.options = types.SimpleNamespace(noMainWindow=False, noSplash=True, testingEnabled=False)
        for name in FORWARDED:
            setattr(self, name, getattr(QtWidgets.QApplication, name))

    temporaryPath = Property(str, lambda self: self._temporary)
    applicationName = Property(str, lambda self: "Slicer")
    applicationVersion = Property(str, lambda self: "5.12.3")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 12)
    slicerHome = Property(str, lambda self: self._temporary)
    revision = Property(str, lambda self: "34045")
    platform = Property(str, lambda self: "linux-amd64")
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/5.12/")

    def layoutManager(self):
        return self._layout

    def ioManager(self):
        return self._io

    coreIOManager = ioManager

    def moduleManager(self):
        return self._modules

    def applicationLogic(self):
        return self._logic

    def moduleLogic(self, name: str):
        return getattr(slicer.modules, name.lower()).logic()

    def mrmlScene(self):
        return slicer.mrmlScene

    def settings(self):
        return QSettings()

    userSettings = settings

    def commandOptions(self):
        return self.options

    def settingsDialog(self):
        return self._dialog

    def openSettingsDialog(self, panel: str = ""):
        self.opened_settings.append(panel)

    def testingEnabled(self):
        return self.testing

    def isInstalled(self):
        return True

    def startupEnvironment(self):
        return QProcessEnvironment.systemEnvironment()

    def tr(self, text: str):
        return text

    def translate(self, context: str, text: str):
        return text

    def moduleDocumentationUrl(self, name: str):
        return f"{self.documentationBaseUrl}{name}"

    def pauseRender(self):
        self._logic.PauseRender()

    def resumeRender(self):
        self._logic.ResumeRender()

    def restart(self):
        raise RuntimeError("the module restarted Slicer")

    quit = exit = restart


def load_module(path: str, modules: types.SimpleNamespace, window: qSlicerMainWindow):
    """What Slicer does with a module's file at its start: import it and make its Module; the panel comes later."""
    path = os.path.abspath(path)
    name, folder = os.path.splitext(os.path.basename(path))[0], os.path.dirname(path)
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    python_module = importlib.util.module_from_spec(spec)
    sys.modules[name] = python_module
    spec.loader.exec_module(python_module)
    cpp = qSlicerScriptedLoadableModule(path)
    setattr(modules, name.lower(), pythonqt.wrap(cpp))
    setattr(modules, f"{name}Instance", getattr(python_module, name)(pythonqt.wrap(cpp)))

    def make(parent):
        # Looked up each time: a reload replaces the module.
        widget = getattr(sys.modules[name], f"{name}Widget")(parent)
        setattr(modules, f"{name}Widget", widget)
        return widget

    cpp.representation = qSlicerScriptedLoadableModuleWidget(make)
    cpp.representation.setMRMLScene(slicer.mrmlScene)
    cpp.representation.setObjectName(f"{name}ModuleWidget")
    window.panel.setWidget(cpp.representation)
    return cpp
