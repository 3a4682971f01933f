"""Each hip's slices as a table, and the necrotic share along them as a plot, the automatic one dashed beside it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.gradings.steinberg import STEINBERG_MODERATE_FROM, STEINBERG_MODERATE_TO
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.measurements import SliceMeasurement
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.exchange.figures import slice_axis
from ONFHAssistLib.exchange.segments import segments
from ONFHAssistLib.scene.nodes import Node, find_node, review_node

SLICE = "Slice"
POSITION = "Position (mm)"
RATIO = "Ratio (%)"
AUTOMATIC = "Automatic (%)"
HEAD = "Head (mm²)"
NECROSIS = "Necrosis (mm²)"
STEINBERG = "Steinberg"
UNCERTAIN = "Uncertain (mm²)"
REVIEWED = "Reviewed"
COLUMNS = (SLICE, REVIEWED, POSITION, RATIO, AUTOMATIC, STEINBERG, NECROSIS, HEAD, UNCERTAIN)
"""The columns of a table in their order; what the reader looks at comes first, for narrow panels."""

AUTOMATIC_RGB = (0.55, 0.55, 0.55)
THRESHOLD_RGB = (0.12, 0.42, 0.65)
"""The report's colour of "severe"."""
THRESHOLDS = {"15 %": STEINBERG_MODERATE_FROM, "30 %": STEINBERG_MODERATE_TO}
"""Drawn across the plot: where moderate begins and ends."""


@dataclass(frozen=True)
class HipTable:
    """The table of one hip (vtkMRMLTableNode, one row for each slice) and its plot (vtkMRMLPlotChartNode)."""

    side: Side
    table: Node
    chart: Node


def hip_table(volume_node: Node, side: Side) -> HipTable:
    """Return table and plot of one hip, made if missing: empty until `update_table`."""
    name = f"{side.capitalize()} hip"
    table = review_node(volume_node, f"{side} slices", "vtkMRMLTableNode", f"{name}: slices")
    found = find_node(volume_node, f"{side} chart", "vtkMRMLPlotChartNode")
    if found is not None:
        return HipTable(side, table, found)
    table.SetLocked(True)
    table.SetUseColumnTitleAsColumnHeader(True)
    levels = review_node(volume_node, f"{side} thresholds", "vtkMRMLTableNode", f"{name}: thresholds", hidden=True)
    chart = review_node(volume_node, f"{side} chart", "vtkMRMLPlotChartNode", f"{name}: necrotic share")
    necrosis = segments()[MaskLabel.necrosis(side)].rgb
    series = [
        _series(volume_node, side, "Automatic", table, AUTOMATIC, AUTOMATIC_RGB, "dash", 2.0),
        _series(volume_node, side, "Corrected", table, RATIO, necrosis, "solid", 3.0),
        *(_series(volume_node, side, name, levels, name, THRESHOLD_RGB, "dot", 2.0) for name in THRESHOLDS),
    ]
    before = chart.StartModify()
    for node in series:
        chart.AddAndObservePlotSeriesNodeID(node.GetID())
    chart.SetTitle(f"{name} (dashed: automatic)")  # what is drawn stands beside it; the plot may be narrow
    chart.SetLegendVisibility(False)  # it would lie over the lines
    chart.SetYAxisTitle("Necrosis / head (%)")
    chart.SetYAxisRangeAuto(False)
    chart.SetTitleFontSize(14)
    chart.SetAxisTitleFontSize(12)
    chart.SetAxisLabelFontSize(11)
    chart.EndModify(before)
    return HipTable(side, table, chart)


def update_table(
    nodes: HipTable,
    grid: Grid,
    hip: HipResult,
    automatic: HipResult | None = None,
    reviewed: Collection[int] | None = None,
) -> None:
    """Write the slices of a hip, in their order along the body, and draw the plot.

    Args:
        nodes: see `hip_table`.
        grid: the image, for the direction of its slices.
        hip: as it is now.
        automatic: as the networks found it; None where they did not.
        reviewed: indices of the slices that the reader stands for; None: all of them, and the column says nothing.
    """
    direction, ends = slice_axis(grid)
    now, before = ({s.index: s for s in found.slices} if found else {} for found in (hip, automatic))
    slices = [now.get(index) or before[index] for index in along_the_body(grid, hip, automatic)]
    places = [round(float(np.dot(s.position_ras_mm, direction)), 1) for s in slices]
    here = [now.get(s.index) for s in slices]
    columns: dict[str, np.ndarray | list[str]] = {
        SLICE: np.array([s.index for s in slices], np.int32),
        REVIEWED: ["✓" if reviewed is not None and s.index in reviewed else "" for s in slices],
        POSITION: np.array(places, float),
        RATIO: _percent(here),
        AUTOMATIC: _percent([before.get(s.index) for s in slices]),
        STEINBERG: [s.steinberg if s else "" for s in here],
        NECROSIS: np.array([round(s.necrosis_mm2, 1) if s else 0.0 for s in here]),
        HEAD: np.array([round(s.head_mm2, 1) if s else 0.0 for s in here]),
        UNCERTAIN: np.array(
            [np.nan if s is None or s.uncertain_mm2 is None else round(s.uncertain_mm2, 1) for s in here]
        ),
    }
    _fill(nodes.table, columns)
    chart = nodes.chart
    changed = chart.StartModify()
    levels = chart.GetNthPlotSeriesNode(chart.GetNumberOfPlotSeriesNodes() - 1).GetTableNode()
    reach = np.array([min(places), max(places)] if places else [0.0, 1.0])
    _fill(levels, {POSITION: reach, **{name: np.full(2, 100 * value) for name, value in THRESHOLDS.items()}})
    chart.SetXAxisTitle(f"{ends[0]} – {ends[1]} (mm)")
    highest = max((s.ratio for s in (*now.values(), *before.values())), default=0.0)
    chart.SetYAxisRange(0.0, min(100.0, max(50.0, 10 * np.ceil(10 * highest + 0.3))))
    chart.EndModify(changed)


def along_the_body(grid: Grid, hip: HipResult, automatic: HipResult | None = None) -> list[int]:
    """Return the indices of all slices that a hip has or had, towards right, anterior or superior (`slice_axis`)."""
    direction, _ = slice_axis(grid)
    places = {s.index: s.position_ras_mm for found in (automatic, hip) if found for s in found.slices}
    return sorted(places, key=lambda index: float(np.dot(places[index], direction)))


def slice_of_row(table: Node, row: int) -> int | None:
    """Return the index of the slice in a row of the table or a point of the plot; None where there is no such row."""
    values = table.GetTable()
    column = values.GetColumnByName(SLICE)
    return int(column.GetValue(row)) if column and 0 <= row < values.GetNumberOfRows() else None


def row_of_slice(table: Node, index: int) -> int | None:
    """Return the row of a slice; None where the table does not have it."""
    rows = range(table.GetTable().GetNumberOfRows())
    return next((row for row in rows if slice_of_row(table, row) == index), None)


def _percent(slices: Sequence[SliceMeasurement | None]) -> np.ndarray:
    """A slice that is not there has no share: nan leaves a gap in the plot."""
    return np.array([round(100 * s.ratio, 1) if s else np.nan for s in slices], float)


def _fill(node: Node, columns: dict[str, np.ndarray | list[str]]) -> None:
    table = vtk.vtkTable()
    for name, values in columns.items():
        if isinstance(values, list):
            column = vtk.vtkStringArray()
            for text in values:
                column.InsertNextValue(text)
        else:
            column = numpy_to_vtk(values, deep=True)
        column.SetName(name)
        table.AddColumn(column)
    node.SetAndObserveTable(table)


def _series(
    volume_node: Node,
    side: Side,
    name: str,
    table: Node,
    column: str,
    rgb: tuple[float, float, float],
    line: str,
    width: float,
) -> Node:
    node = review_node(volume_node, f"{side} series {name}", "vtkMRMLPlotSeriesNode", name, hidden=True)
    before = node.StartModify()
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetXColumnName(POSITION)
    node.SetYColumnName(column)
    node.SetPlotType(node.PlotTypeScatter)
    node.SetLineStyle(node.GetLineStyleFromString(line))
    node.SetLineWidth(width)
    node.SetMarkerStyle(node.MarkerStyleCircle if line == "solid" else node.MarkerStyleNone)
    node.SetMarkerSize(9)
    node.SetColor(rgb)
    node.EndModify(before)
    return node
