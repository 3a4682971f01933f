"""The table and the plot of a hip's slices."""

from dataclasses import replace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core")

from ONFHAssistLib.core.grid import Grid  # noqa: E402
from ONFHAssistLib.scene import tables  # noqa: E402
from Testing.exchange.made_up_study import coronal_grid, make_study  # noqa: E402
from Testing.scene.scene_parts import add_volume, make_scene, reopened  # noqa: E402


def column(node, name: str) -> list:
    values = node.GetTable().GetColumnByName(name)
    return [values.GetValue(n) for n in range(values.GetNumberOfValues())]


@pytest.fixture(scope="module")
def study():
    return make_study()


@pytest.fixture
def filled(study):
    scene = make_scene()
    nodes = tables.hip_table(add_volume(scene, study.volume), "right")
    tables.update_table(nodes, study.volume, study.hips[0], study.hips[0])
    nodes.table.keep_alive = scene
    return nodes


def test_each_slice_has_its_row_with_areas_and_ratio_in_per_cent(filled, study):
    measured = {s.index: s for s in study.hips[0].slices}
    assert sorted(column(filled.table, "Slice")) == sorted(measured)
    for row, index in enumerate(column(filled.table, "Slice")):
        s = measured[index]
        assert column(filled.table, "Ratio (%)")[row] == pytest.approx(100 * s.ratio, abs=0.051)
        assert column(filled.table, "Head (mm²)")[row] == pytest.approx(s.head_mm2, abs=0.051)
        assert column(filled.table, "Necrosis (mm²)")[row] == pytest.approx(s.necrosis_mm2, abs=0.051)
        assert column(filled.table, "Steinberg")[row] == s.steinberg
        assert column(filled.table, "Position (mm)")[row] == pytest.approx(s.position_ras_mm[1], abs=0.051)


@pytest.mark.parametrize(("turn_deg", "mirror"), [(0, False), (0, True), (20, False), (20, True)])
def test_rows_run_from_posterior_to_anterior_however_the_slices_are_stored(turn_deg, mirror):
    shape = (20, 70, 130)
    matrix = coronal_grid(shape, turn_deg=turn_deg, mirror=mirror)
    study = make_study(matrix, shape)
    nodes = tables.hip_table(add_volume(scene := make_scene(), study.volume), "right")
    tables.update_table(nodes, study.volume, study.hips[0])
    place = column(nodes.table, "Position (mm)")
    assert place == sorted(place)
    assert np.diff(place) == pytest.approx(np.full(len(place) - 1, 5.0), abs=0.11)
    assert nodes.chart.GetXAxisTitle() == "posterior – anterior (mm)"
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 2


def test_a_row_leads_to_its_slice_and_back(filled):
    for row, index in enumerate(column(filled.table, "Slice")):
        assert tables.slice_of_row(filled.table, row) == index
        assert tables.row_of_slice(filled.table, index) == row
    assert tables.slice_of_row(filled.table, 999) is None
    assert tables.row_of_slice(filled.table, 999) is None


def test_an_edit_shows_beside_the_automatic_value(filled, study):
    automatic = study.hips[0]
    edited = automatic.slices[3]
    slices = [replace(s, ratio=0.5, steinberg="severe") if s is edited else s for s in automatic.slices]
    tables.update_table(filled, study.volume, replace(automatic, slices=tuple(slices)), automatic)
    row = tables.row_of_slice(filled.table, edited.index)
    assert column(filled.table, "Ratio (%)")[row] == 50.0
    assert column(filled.table, "Automatic (%)")[row] == pytest.approx(100 * edited.ratio, abs=0.051)


def test_a_slice_that_was_erased_or_added_stays_in_the_table_without_a_share(filled, study):
    automatic = study.hips[0]
    first = automatic.slices[0].index
    tables.update_table(filled, study.volume, replace(automatic, slices=automatic.slices[1:]), automatic)
    row = tables.row_of_slice(filled.table, first)
    assert np.isnan(column(filled.table, "Ratio (%)")[row]) and column(filled.table, "Head (mm²)")[row] == 0
    tables.update_table(filled, study.volume, automatic, replace(automatic, slices=automatic.slices[1:]))
    assert np.isnan(column(filled.table, "Automatic (%)")[tables.row_of_slice(filled.table, first)])


def test_the_uncertain_area_is_shown_where_it_is_known(filled, study):
    known = replace(study.hips[0], slices=tuple(replace(s, uncertain_mm2=12.34) for s in study.hips[0].slices))
    assert np.isnan(column(filled.table, "Uncertain (mm²)")).all()
    tables.update_table(filled, study.volume, known)
    assert set(column(filled.table, "Uncertain (mm²)")) == {12.3}


def test_the_plot_has_the_corrected_line_the_automatic_one_dashed_and_both_thresholds(filled):
    chart = filled.chart
    series = {
        n.GetName(): n for n in (chart.GetNthPlotSeriesNode(k) for k in range(chart.GetNumberOfPlotSeriesNodes()))
    }
    assert set(series) == {"Automatic", "Corrected", "15 %", "30 %"}
    assert series["Automatic"].GetLineStyle() == series["Automatic"].LineStyleDash
    assert series["Corrected"].GetLineStyle() == series["Corrected"].LineStyleSolid
    for name in ("Automatic", "Corrected"):
        assert series[name].GetTableNode() is filled.table
        assert series[name].GetXColumnName() in tables.COLUMNS and series[name].GetYColumnName() in tables.COLUMNS
    assert column(series["30 %"].GetTableNode(), "30 %") == [30.0, 30.0]
    assert chart.GetYAxisTitle() == "Necrosis / head (%)"


def test_the_highest_slice_fits_into_the_plot(filled, study):
    hip = study.hips[0]
    low, high = filled.chart.GetYAxisRange()
    assert (low, high) == (0, max(50, np.ceil(10 * max(s.ratio for s in hip.slices) + 0.3) * 10))
    full = replace(hip, slices=tuple(replace(s, ratio=1.0) for s in hip.slices))
    tables.update_table(filled, study.volume, full)
    assert filled.chart.GetYAxisRange()[1] == 100


def test_a_hip_that_was_not_graded_has_an_empty_table(study):
    nodes = tables.hip_table(add_volume(make_scene(), study.volume), "left")
    tables.update_table(nodes, study.volume, replace(study.hips[1], slices=()))
    assert nodes.table.GetNumberOfRows() == 0


def test_a_large_head_is_written_in_a_few_milliseconds(filled, study):
    import time

    grid = Grid((300, 8, 8), study.volume.ijk_to_ras)
    hip = replace(study.hips[0], slices=tuple(replace(study.hips[0].slices[0], index=n) for n in range(300)))
    start = time.perf_counter()
    tables.update_table(filled, grid, hip, hip)
    assert time.perf_counter() - start < 0.05


def test_asking_again_adds_no_nodes_and_a_saved_scene_finds_them(filled, tmp_path):
    scene = filled.table.GetScene()
    count = scene.GetNumberOfNodes()
    assert tables.hip_table(filled.table.GetNodeReference("ONFHAssistVolume"), "right") == filled
    assert scene.GetNumberOfNodes() == count
    again = reopened(scene, tmp_path)
    found = tables.hip_table(again.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"), "right")
    assert column(found.table, "Slice") == column(filled.table, "Slice")
    assert again.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == 4
    assert found.chart.GetNthPlotSeriesNode(1).GetTableNode() is found.table


def test_the_title_of_the_plot_is_not_cut_off_beside_a_baseline(filled):
    """The plot is about 290 px wide there on a small screen, and a letter of its title about 7."""
    assert len(filled.chart.GetTitle()) * 7 < 290
