"""The slices of the hip chosen: table on the panel, plot among the views, steps between those that matter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.desktop.layout import PLOT_VIEW, plot_view
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.tables import (
    AUTOMATIC,
    HEAD,
    NECROSIS,
    POSITION,
    RATIO,
    REVIEWED,
    UNCERTAIN,
    hip_table,
    row_of_slice,
    slice_of_row,
)
from ONFHAssistLib.scene.views import current_slice, next_slice

FOR_LATER = (POSITION, NECROSIS, HEAD)
"""Columns that a narrow panel has no room for; the Tables module and the CSV file show them."""

ROW_PX = 22


class Slices:
    """Table and plot of one hip; a click on either calls ``on_slice`` with the slice's index."""

    def __init__(self, ui: Any, on_slice: Callable[[int], None]) -> None:
        """Wire the table; the plot is wired when its view is there."""
        self._table = ui.sliceTable
        self._on_slice = on_slice
        self._node: Any = None
        self._plot: Any = None
        self._writing = False
        self._table.verticalHeader().setVisible(False)
        self._table.verticalHeader().setDefaultSectionSize(ROW_PX)
        self._table.connect("selectionChanged()", self._table_clicked)

    def show(self, review: Review | None, side: Side | None) -> None:
        """Show the slices of a hip; nothing without one."""
        nodes = hip_table(review.volume_node, side) if review and side in review.sides else None
        table = nodes.table if nodes else None
        if table is not self._node:
            self._writing = True
            self._node = table
            self._table.setMRMLTableNode(table)
            self._writing = False
        if table:
            self._hide_columns(table)
        self._show_plot(nodes.chart if nodes else None)

    def mark(self, index: int | None) -> None:
        """Select the row of a slice, without jumping to it."""
        row = None if index is None or self._node is None else row_of_slice(self._node, index)
        self._writing = True
        self._table.clearSelection() if row is None else self._table.selectRow(row)
        self._writing = False

    def step(self, review: Review, side: Side, step: int) -> None:
        """Go to the next (1) or previous (-1) slice that matters, in the order of the table."""
        here = current_slice(slicer.mrmlScene, review.volume_node)
        index = next_slice(review.slices_that_matter(side), here, step)
        if index is not None:
            self._on_slice(index)

    def _table_clicked(self) -> None:
        if self._writing or self._node is None:
            return
        index = slice_of_row(self._node, self._table.currentIndex().row())
        if index is not None:
            self._on_slice(index)

    def _plot_clicked(self, series_ids: Any, selected: Any) -> None:
        """Take the last point that was selected, of whichever line."""
        for n in range(series_ids.GetNumberOfValues()):
            series = slicer.mrmlScene.GetNodeByID(series_ids.GetValue(n))
            points = selected.GetItemAsObject(n)
            if series is None or series.GetTableNode() is not self._node or not points.GetNumberOfValues():
                continue
            index = slice_of_row(self._node, int(points.GetValue(points.GetNumberOfValues() - 1)))
            if index is not None:
                self._on_slice(index)
                return

    def _show_plot(self, chart: Any) -> None:
        node = slicer.mrmlScene.GetSingletonNode(PLOT_VIEW, "vtkMRMLPlotViewNode")
        if node is not None:
            node.SetPlotChartNodeID(chart.GetID() if chart else None)
        view = plot_view()
        if view is not None and view is not self._plot:
            self._plot = view
            view.connect("dataSelected(vtkStringArray*,vtkCollection*)", self._plot_clicked)

    def _hide_columns(self, table: Any) -> None:
        values = table.GetTable()
        ratio = vtk_to_numpy(values.GetColumnByName(RATIO))
        for n in range(values.GetNumberOfColumns()):
            column = values.GetColumn(n)
            name = column.GetName()
            unknown = name == UNCERTAIN and np.isnan(vtk_to_numpy(column)).all()
            unmarked = name == REVIEWED and not any(column.GetValue(row) for row in range(column.GetNumberOfValues()))
            same = name == AUTOMATIC and not _differ(vtk_to_numpy(column), ratio)
            self._table.setColumnHidden(n, name in FOR_LATER or bool(unknown) or unmarked or same)
        self._table.resizeColumnsToContents()


def _differ(automatic: np.ndarray, ratio: np.ndarray) -> bool:
    """Tell whether an automatic ratio that is known (not nan) is another than the one beside it."""
    return bool((~np.isnan(automatic) & (automatic != ratio)).any())
