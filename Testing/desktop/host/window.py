"""Slicer's main window with the module panel, the selector of modules, and the application settings."""

import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal


class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """Switches between modules."""

    moduleSelected = Signal(str)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.selected, self.visited = "", []

    selectedModule = Property(str, lambda self: self.selected)

    def selectModule(self, name: str):
        manager = slicer.app.moduleManager()
        for other, entering in ((self.selected, False), (name, True)):
            module = manager.module(other) if other else None
            widget = getattr(module, "_living", lambda: None)() if module is not None else None
            if widget is not None:
                (widget.representation.enter if entering else widget.representation.exit)()
        self.selected = name
        self.visited.append(name)
        self.moduleSelected.emit(name)


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The main window, with the module panel at its left."""

    def __init__(self):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = qSlicerModuleSelectorToolBar(self)
        self.addToolBar(self._selector)
        self.panel = QtWidgets.QScrollArea(widgetResizable=True)
        self.panel.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
        dock = QtWidgets.QDockWidget(self)
        dock.setObjectName("PanelDockWidget")
        dock.setWidget(self.panel)
        self.addDockWidget(QtCore.Qt.LeftDockWidgetArea, dock)
        self.setCentralWidget(QtWidgets.QWidget())

    def moduleSelector(self):
        return self._selector


class qSlicerSettingsDialog(QtWidgets.QDialog):
    """Edit > Application settings."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.panels = {}

    def addPanel(self, label: str, panel, parent=None):
        self.panels[label] = panel

    def setCurrentPanel(self, label: str):
        if label not in self.panels:
            raise ValueError(f"the application settings have no panel '{label}'")
