"""Stand-in for qMRMLTableView: a real Qt table over a vtkMRMLTableNode."""

import slicer
import vtk
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from PySide6.QtWidgets import QTableView, QVBoxLayout

from .mrml_widgets import SceneObserver, qMRMLWidget


class TableModel(QAbstractTableModel):
    """Rows and columns of a table node; unless the node has its titles as header, the first row holds the names."""

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
        return 0 if self.node is None or parent.isValid() else self.node.GetNumberOfRows() + self._names_above()

    def _names_above(self) -> int:
        return int(not self.node.GetUseColumnTitleAsColumnHeader())

    def columnCount(self, parent=QModelIndex()):  # noqa: B008
        return 0 if self.node is None or parent.isValid() else self.node.GetNumberOfColumns()

    def data(self, index, role=Qt.DisplayRole):
        if role not in (Qt.DisplayRole, Qt.EditRole) or not index.isValid():
            return None
        row = index.row() - self._names_above()
        return self.node.GetColumnName(index.column()) if row < 0 else self.node.GetCellText(row, index.column())

    def headerData(self, section, orientation, role=Qt.DisplayRole):
        if role != Qt.DisplayRole or self.node is None:
            return None
        if orientation == Qt.Vertical:
            return section + 1
        if self._names_above():
            return chr(ord("A") + section)
        name = self.node.GetColumnName(section)
        unit = self.node.GetColumnUnitLabel(name)
        return (self.node.GetColumnTitle(name) or name) + (f" [{unit}]" if unit else "")


class qMRMLTableView(QTableView):
    """Shows a table node; the user selects cells."""

    mrmlSceneChanged = Signal(object)
    selected = Signal()
    signal_of = {"selectionChanged": "selected"}  # noqa: RUF012 -- Qt's own selectionChanged is no signal

    def __init__(self, parent=None):
        super().__init__(parent)
        self._model, self._scene, self._view_node = TableModel(self), None, None
        self._watch, self._watch_view = SceneObserver(self), SceneObserver(self)
        proxy = QSortFilterProxyModel(self)
        proxy.setSourceModel(self._model)
        self.setModel(proxy)

    def selectionChanged(self, selected, deselected):
        super().selectionChanged(selected, deselected)
        self.selected.emit()

    def sortFilterProxyModel(self):
        return self.model()

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
        self.selected.emit()

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


class qMRMLTableWidget(qMRMLWidget):
    """A table view with its bar."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._view = qMRMLTableView(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    def setMRMLTableViewNode(self, node):
        self._view.setMRMLTableViewNode(node)

    def mrmlTableViewNode(self):
        return self._view.mrmlTableViewNode()

    def tableView(self):
        return self._view
