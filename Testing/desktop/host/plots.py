"""Stand-ins for qMRMLPlotView and its widget: the series of the real chart, drawn as plain lines."""

from itertools import pairwise

import slicer
import vtk
from PySide6.QtCore import QRect, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QVBoxLayout

from .mrml_widgets import SceneObserver, qMRMLWidget

PALETTE = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")


class qMRMLPlotView(qMRMLWidget):
    """Draws the series of a chart as plain lines: enough to see that there are some."""

    dataSelected = Signal(object, object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._watch = None, SceneObserver(self)
        self.setMinimumHeight(120)

    def setMRMLPlotViewNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLPlotViewNode):
            raise TypeError(f"setMRMLPlotViewNode wants a vtkMRMLPlotViewNode and got {node!r}")
        self._watch.let_go()
        self._node = node
        if node is not None:
            self._watch.observe(node, (vtk.vtkCommand.ModifiedEvent,), self.update)
        self.update()

    def mrmlPlotViewNode(self):
        return self._node

    def fitToContent(self):
        """The drawing always shows everything."""

    def saveAsSVG(self, path: str):
        raise NotImplementedError("the host draws no SVG")

    def series(self) -> list[tuple[str, list[tuple[float, float]]]]:
        """Name and points of each series that is drawn."""
        chart = self._node.GetPlotChartNode() if self._node is not None else None
        found = []
        for i in range(chart.GetNumberOfPlotSeriesNodes() if chart is not None else 0):
            node = chart.GetNthPlotSeriesNode(i)
            table = node.GetTableNode().GetTable() if node is not None and node.GetTableNode() is not None else None
            y = table.GetColumnByName(node.GetYColumnName()) if table is not None else None
            x = table.GetColumnByName(node.GetXColumnName()) if y is not None else None
            if y is not None:
                count = y.GetNumberOfTuples()
                points = [
                    (x.GetVariantValue(r).ToDouble() if x is not None else r, y.GetVariantValue(r).ToDouble())
                    for r in range(count)
                ]
                found.append((node.GetName(), points))
        return found

    def select(self, series_index: int, point_index: int) -> None:
        """What a click on a point does: emit its series' ID and index."""
        chart = self._node.GetPlotChartNode()
        identifiers, selections = vtk.vtkStringArray(), vtk.vtkCollection()
        identifiers.InsertNextValue(chart.GetNthPlotSeriesNodeID(series_index))
        indices = vtk.vtkIdTypeArray()
        indices.InsertNextValue(point_index)
        selections.AddItem(indices)
        self.dataSelected.emit(identifiers, selections)

    def paintEvent(self, _event):
        painter = QPainter(self)
        box = self.rect().adjusted(24, 8, -8, -16)
        painter.fillRect(self.rect(), self.palette().base())
        painter.setPen(self.palette().text().color())
        painter.drawRect(box)
        lines = [(name, [p for p in points if p[1] == p[1]]) for name, points in self.series()]
        points = [point for _, line in lines for point in line]
        if points:
            self._draw(painter, box, lines, points)

    def _draw(self, painter: QPainter, box: QRect, lines, points) -> None:
        left, right = min(x for x, _ in points), max(x for x, _ in points)
        top = max(y for _, y in points) or 1
        for number, (_, line) in enumerate(lines):
            painter.setPen(QPen(QColor(PALETTE[number % len(PALETTE)]), 2))
            placed = [
                (
                    box.left() + box.width() * (x - left) / ((right - left) or 1),
                    box.bottom() - box.height() * y / top,
                )
                for x, y in line
            ]
            for (x0, y0), (x1, y1) in pairwise(placed):
                painter.drawLine(int(x0), int(y0), int(x1), int(y1))


class qMRMLPlotWidget(qMRMLWidget):
    """A plot view with its bar."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._view = qMRMLPlotView(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    def setMRMLPlotViewNode(self, node):
        self._view.setMRMLPlotViewNode(node)

    def mrmlPlotViewNode(self):
        return self._view.mrmlPlotViewNode()

    def plotView(self):
        return self._view
