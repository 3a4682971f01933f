"""The host's widgets show the real scene: nodes, segments, slices, tables and plots, as they change."""

import numpy as np
import pytest

SHAPE = (6, 24, 20)  # k, j, i
SPACING_MM = (1.0, 2.0, 4.0)


@pytest.fixture
def slicer(host):
    import slicer

    return slicer


@pytest.fixture
def volume(slicer):
    """An oblique volume: its axes are turned by 20° about S."""
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn * SPACING_MM, (-30, 10, 5)
    return slicer.util.addVolumeFromArray(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), matrix, "T1")


@pytest.fixture
def segmentation(slicer, volume):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Masks")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.CreateDefaultDisplayNodes()
    for name in ("head", "necrosis"):
        node.GetSegmentation().AddEmptySegment(name, name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(box(1, 5, 4, 20, 4, 16), node, "head", volume)
    return node


def box(k0, k1, j0, j1, i0, i1) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[k0:k1, j0:j1, i0:i1] = 1
    return mask


@pytest.fixture
def editor(slicer, volume, segmentation):
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    widget.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    widget.setSegmentationNode(segmentation)
    return widget


def test_the_editor_takes_the_reference_volume_and_the_first_segment(editor, volume, segmentation):
    assert editor.segmentationNode() is segmentation and editor.sourceVolumeNode() is volume
    assert editor.currentSegmentID() == "head" and editor.activeEffect() is None


def test_the_editor_refuses_what_slicers_editor_cannot_do(slicer, segmentation, editor):
    with pytest.raises(RuntimeError, match="comes first"):
        slicer.qMRMLSegmentEditorWidget().setSegmentationNode(segmentation)
    for wrong in ("Pain", "paint"):
        with pytest.raises(ValueError):
            editor.setActiveEffectByName(wrong)
    with pytest.raises(ValueError):
        editor.setCurrentSegmentID("neck")
    with pytest.raises(TypeError):
        editor.setSegmentationNode(editor.sourceVolumeNode())


def test_a_stroke_paints_where_the_mask_allows_and_fires_slicers_event(host, slicer, editor, volume, segmentation):
    node, events = editor.mrmlSegmentEditorNode(), []
    segmentation.GetSegmentation().AddObserver(
        slicer.vtkSegmentation.SourceRepresentationModified, lambda *_: events.append(1)
    )
    editor.setCurrentSegmentID("necrosis")
    editor.setActiveEffectByName("Paint")
    node.SetOverwriteMode(node.OverwriteNone)
    node.SetMaskSegmentID("head")
    node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
    stroke = box(2, 3, 0, 10, 0, 10)
    host.paint(editor, stroke)
    inside = stroke & box(1, 5, 4, 20, 4, 16)
    found = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "necrosis", volume)
    np.testing.assert_array_equal(found, inside)
    head = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "head", volume)
    np.testing.assert_array_equal(head, box(1, 5, 4, 20, 4, 16))
    assert events

    editor.setActiveEffectByName("Erase")
    host.paint(editor, box(2, 3, 0, 6, 0, 24))
    left = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "necrosis", volume)
    np.testing.assert_array_equal(left, inside & (1 - box(2, 3, 0, 6, 0, 24)))


def test_a_stroke_without_a_brush_is_an_error(host, editor):
    with pytest.raises(RuntimeError, match="active effect"):
        host.paint(editor, box(0, 1, 0, 1, 0, 1))


def test_the_editor_lets_go_of_a_segmentation_that_is_deleted(slicer, editor, segmentation, host):
    seen = []
    editor.connect("segmentationNodeChanged(vtkMRMLSegmentationNode*)", lambda node: seen.append(node))
    slicer.mrmlScene.RemoveNode(segmentation)
    host.spin()
    assert editor.segmentationNode() is None and seen == [None]


def test_the_editors_buttons_choose_segment_and_effect_by_mouse(host, slicer, editor):
    import qt

    editor.setEffectNameOrder(["Paint", "Erase"])
    editor.unorderedEffectsVisible = False
    editor.show()
    buttons = {b.text: b for b in editor.findChildren(qt.QPushButton)} | {
        b.text: b for b in editor.findChildren(qt.QToolButton)
    }
    assert {"head", "necrosis", "Paint", "Erase"} == {text for text in buttons if text}
    host.click(buttons["Erase"])
    assert editor.activeEffect().name == "Erase"
    host.click(buttons["necrosis"])
    assert editor.currentSegmentID() == "necrosis"
    editor.effectByName("Erase").setCommonParameter("BrushAbsoluteDiameter", 6)
    assert editor.mrmlSegmentEditorNode().GetAttribute("BrushAbsoluteDiameter") == "6"


def test_a_selector_lists_the_nodes_of_its_type_and_follows_the_scene(host, slicer):
    selector, seen = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.showChildNodeTypes = False
    selector.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.currentNode() is None
    first = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T1")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    hidden = slicer.vtkMRMLScalarVolumeNode()
    hidden.SetHideFromEditors(True)
    slicer.mrmlScene.AddNode(hidden)
    second = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "STIR")
    assert selector.currentNode() is first and selector.nodeCount() == 2 and seen == [first]
    selector.setCurrentNode(second)
    slicer.mrmlScene.RemoveNode(second)
    assert selector.currentNode() is first and seen == [first, second, first]
    host.close_scene()
    assert selector.currentNode() is None and selector.nodeCount() == 0


def test_a_selector_with_none_waits_to_be_asked_and_filters_by_attribute(host, slicer):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = True
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Reviewed", "1")
    selector.setMRMLScene(slicer.mrmlScene)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "new")
    done = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "done")
    done.SetAttribute("Reviewed", "1")
    later = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "later")
    assert selector.currentNode() is None
    host.choose(selector, "done")
    assert selector.currentNode() is done and selector.nodeCount() == 1
    slicer.mrmlScene.RemoveNode(later)


def test_a_click_on_a_row_of_a_table_is_told(host, slicer):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(table, [np.arange(4), np.arange(4) / 2], ["Slice", "Ratio"])
    view, seen = slicer.qMRMLTableView(), []
    view.setMRMLTableNode(table)
    view.connect("selectionChanged()", lambda: seen.append(view.selectionModel().currentIndex.row()))
    view.resize(300, 200)
    view.show()
    assert view.model().rowCount() == 5  # without titles as header, the names are a row of their own, as in Slicer
    table.SetUseColumnTitleAsColumnHeader(True)
    assert view.model().rowCount() == 4
    host.click_cell(view, 2, 1)
    assert seen[-1] == 2
    assert view.model().data(view.model().index(2, 1)) == "1"
    table.AddEmptyRow()
    assert view.model().rowCount() == 5


def test_a_plot_shows_the_series_of_its_chart_and_a_click_on_a_point_is_told(host, slicer):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(table, [np.arange(4.0), np.arange(4.0) ** 2], ["Slice", "Ratio"])
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "corrected")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("Slice")
    series.SetYColumnName("Ratio")
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode")
    node.SetPlotChartNodeID(chart.GetID())
    view, seen = slicer.qMRMLPlotView(), []
    view.setMRMLScene(slicer.mrmlScene)
    view.setMRMLPlotViewNode(node)
    view.connect(
        "dataSelected(vtkStringArray*,vtkCollection*)",
        lambda names, points: seen.append((names.GetValue(0), points.GetItemAsObject(0).GetValue(0))),
    )
    from host import pythonqt

    plot = pythonqt.unwrap(view)
    assert plot.series() == [("corrected", [(0, 0), (1, 1), (2, 4), (3, 9)])]
    plot.select(0, 3)
    assert seen == [(series.GetID(), 3)]


def test_the_layout_manager_has_slicers_slice_views_over_real_nodes(slicer, volume):
    manager = slicer.app.layoutManager()
    assert set(manager.sliceViewNames()) == {"Red", "Green", "Yellow"}
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    green = manager.sliceWidget("Green")
    node, logic = green.mrmlSliceNode(), green.sliceLogic()
    assert node.GetOrientation() == "Coronal" and node.GetID() == "vtkMRMLSliceNodeGreen"
    assert logic.GetSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    node.JumpSliceByCentering(0.0, 12.0, 0.0)
    assert logic.GetSliceOffset() == pytest.approx(12.0)
    assert manager.sliceWidget("Blue") is None


@pytest.mark.parametrize("closed_before", [False, True])
def test_an_own_layout_brings_its_views(slicer, host, closed_before):
    manager = slicer.app.layoutManager()
    if closed_before:
        host.close_scene()
    seen = []
    manager.connect("layoutChanged(int)", seen.append)
    with pytest.raises(ValueError, match="not described"):
        manager.setLayout(51171)
    description = (
        '<layout type="horizontal"><item><view class="vtkMRMLSliceNode" singletontag="Before">'
        '<property name="orientation" action="default">Sagittal</property></view></item>'
        '<item><view class="vtkMRMLPlotViewNode" singletontag="Ratio"/></item></layout>'
    )
    manager.layoutLogic().GetLayoutNode().AddLayoutDescription(51171, description)
    manager.setLayout(51171)
    assert seen[-1] == 51171 and manager.layout == 51171
    assert manager.sliceWidget("Before").mrmlSliceNode().GetOrientation() == "Sagittal"
    assert manager.plotViewCount == 1
    assert manager.plotWidget(0).mrmlPlotViewNode().GetSingletonTag() == "Ratio"


def test_a_scene_is_saved_and_opened_again(slicer, host, volume, segmentation, tmp_path):
    assert slicer.util.saveScene(str(tmp_path / "review.mrb"))
    host.close_scene()
    assert slicer.mrmlScene.GetFirstNodeByName("T1") is None
    slicer.util.loadScene(str(tmp_path / "review.mrb"))
    found = slicer.util.getNode("Masks")
    assert found.GetSegmentation().GetSegmentIDs() == ("head", "necrosis")


def test_a_volume_that_is_loaded_is_shown(slicer, host, volume, tmp_path):
    assert slicer.util.saveNode(volume, str(tmp_path / "T1.nrrd"))
    host.close_scene()
    loaded = slicer.util.loadVolume(str(tmp_path / "T1.nrrd"))
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == loaded.GetID()
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(loaded).shape, SHAPE)


def test_place_mode_is_that_of_the_scene(slicer):
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    assert interaction is not None and selection is slicer.app.applicationLogic().GetSelectionNode()
    interaction.SwitchToSinglePlaceMode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place


def test_a_click_places_the_point_that_waits_for_it(host, slicer):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    button, defined, active = slicer.qSlicerMarkupsPlaceWidget(), [], []
    button.setMRMLScene(slicer.mrmlScene)
    button.connect("activeMarkupsPlaceModeChanged(bool)", active.append)
    with pytest.raises(AssertionError, match="no view waits"):
        host.place_point((0, 0, 0))
    button.setCurrentNode(node)
    node.AddObserver(node.PointPositionDefinedEvent, lambda *_: defined.append(1))
    button.placeModeEnabled = True
    assert host.place_point((10.0, -20.0, 30.0)) == 0
    np.testing.assert_allclose(node.GetNthControlPointPositionWorld(0), (10, -20, 30))
    assert defined and active == [True, False] and not button.placeModeEnabled


def test_a_point_that_lost_its_position_is_placed_again(host, slicer):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for x in range(3):
        node.AddControlPoint(x, 0, 0)
    node.UnsetNthControlPointPosition(1)
    node.SetControlPointPlacementStartIndex(1)
    slicer.modules.markups.logic().SetActiveList(node)
    slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton").SwitchToSinglePlaceMode()
    assert host.place_point((7.0, 8.0, 9.0)) == 1
    assert node.GetNumberOfControlPoints() == 3
    np.testing.assert_allclose(node.GetNthControlPointPositionWorld(1), (7, 8, 9))
