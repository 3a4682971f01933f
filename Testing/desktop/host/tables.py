"""Stand-in for qMRMLTableView: a real Qt table over a vtkMRMLTableNode."""

import slicer
import vtk
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from PySide6.QtWidgets import QTableView

from .mrml_widgets import SceneObserver


class TableModel(QAbstractTableModel):
    """Rows and columns of a table node; column titles are the header if the node says so, else the first row."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.node = None

    def set_node(self, node) -> None:
        self.beginResetModel()
        self.node = node
        self.endResetModel()

    def refresh(self) -> None:
        """After the table changed."""
        self.beginResetModel()
        self.endResetModel()

    def rowCount(self, parent=QModelIndex()):  # noqa: B008
        return 0 if self.node is None or parent.isValid() else self.node.GetNumberOfRows()

    def columnCount(self, parent=QModelIndex()):  # noqa: B008
        return 0 if self.node is None or parent.isValid() else self.node.GetNumberOfColumns()

    def data(self, index, role=Qt.DisplayRole):
        if role in (Qt.DisplayRole, Qt.EditRole) and index.isValid():
            return self.node.GetCellText(index.row(), index.column())
        return None

    def headerData(self, section, orientation, role=Qt.DisplayRole):
        if role != Qt.DisplayRole or self.node is None:
            return None
        if orientation == Qt.Vertical:
            return section + 1
        name = self.node.GetColumnName(section)
        if self.node.GetUseColumnTitleAsColumnHeader():
            return self.node.GetColumnTitle(name)
        return name if self.node.GetUseColumnNameAsColumnHeader() else f"{section + 1}"


class qMRMLTableView(QTableView):  # noqa: N801
    """Shows a table node; the user selects cells."""

    mrmlSceneChanged = Signal(object)  # noqa: N815
    selectionChangedSignal = Signal()  # noqa: N815

    def __init__(self, parent=None):
        super().__init__(parent)
        self._model, self._scene, self._view_node = TableModel(self), None, None
        self._watch, self._watch_view = SceneObserver(self), SceneObserver(self)
        self.setModel(self._model)

    def setMRMLScene(self, scene):
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene

    def setMRMLTableNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLTableNode):
            raise TypeError(f"setMRMLTableNode wants a vtkMRMLTableNode and got {node!r}")
        self._watch.let_go()
        self._model.set_node(node)
        if node is not None:
            self._watch.observe(node, (vtk.vtkCommand.ModifiedEvent,), self._model.refresh)

    def mrmlTableNode(self):
        return self._model.node

    def setMRMLTableViewNode(self, node):
        self._watch_view.let_go()
        self._view_node = node
        if node is not None:
            self._watch_view.observe(node, (vtk.vtkCommand.ModifiedEvent,), self._follow)
            self._follow()

    def _follow(self):
        self.setMRMLTableNode(self._view_node.GetTableNode())

    def mrmlTableViewNode(self):
        return self._view_node

    def tableModel(self):
        return self._model
