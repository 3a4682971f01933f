"""The host loads a scripted module as Slicer does, and its panel works under real mouse clicks."""

import textwrap

import pytest

MODULE = """
import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin
from typing import Annotated


class Example(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Example")
        parent.categories = ["Testing"]


@parameterNodeWrapper
class ExampleParameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    limit: Annotated[float, WithinRange(0, 10)] = 4
    on: bool = True
    comment: str = ""


class ExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.pressed, self.entered, self.cleaned = [], 0, False

    def setup(self):
        super().setup()
        panel = slicer.util.loadUI(self.resourcePath("UI/Example.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = ExampleLogic()
        self.ui.applyButton.connect("clicked()", self.onApply)
        self.parameters = ExampleParameters(self.logic.getParameterNode())
        self.tag = self.parameters.connectGui(self.ui)

    def enter(self):
        self.entered += 1

    def exit(self):
        pass

    def cleanup(self):
        self.removeObservers()
        self.cleaned = True

    def onApply(self):
        self.pressed.append(self.parameters.limit)


class ExampleLogic(ScriptedLoadableModuleLogic):
    pass
"""
UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Example</class>
 <widget class="qMRMLWidget" name="Example">
  <layout class="QFormLayout" name="form">
   <item row="0" column="0"><widget class="QLabel" name="volumeLabel">
     <property name="text"><string>Volume:</string></property>
     <property name="buddy"><cstring>volumeSelector</cstring></property></widget></item>
   <item row="0" column="1"><widget class="qMRMLNodeComboBox" name="volumeSelector">
     <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
     <property name="noneEnabled"><bool>true</bool></property>
     <property name="SlicerParameterName" stdset="0"><string>volume</string></property></widget></item>
   <item row="1" column="0" colspan="2"><widget class="ctkSliderWidget" name="limitSlider">
     <property name="SlicerParameterName" stdset="0"><string>limit</string></property></widget></item>
   <item row="2" column="0" colspan="2"><widget class="QCheckBox" name="onBox">
     <property name="text"><string>on</string></property>
     <property name="SlicerParameterName" stdset="0"><string>on</string></property></widget></item>
   <item row="3" column="0" colspan="2"><widget class="QLineEdit" name="commentLine">
     <property name="SlicerParameterName" stdset="0"><string>comment</string></property></widget></item>
   <item row="4" column="0" colspan="2"><widget class="QPushButton" name="applyButton">
     <property name="text"><string>Apply</string></property></widget></item>
  </layout>
 </widget>
 <customwidgets>
  <customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header>qMRMLWidget.h</header></customwidget>
  <customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends><header>x.h</header></customwidget>
  <customwidget><class>ctkSliderWidget</class><extends>QWidget</extends><header>x.h</header></customwidget>
 </customwidgets>
 <connections>
  <connection><sender>Example</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>volumeSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
 </connections>
</ui>
"""


@pytest.fixture
def write(tmp_path):
    def write(module: str = MODULE, ui: str = UI):
        folder = tmp_path / "module"
        (folder / "Resources" / "UI").mkdir(parents=True)
        (folder / "Example.py").write_text(textwrap.dedent(module))
        (folder / "Resources" / "UI" / "Example.ui").write_text(ui)
        return folder / "Example.py"

    return write


def test_a_module_and_its_ui_load_and_a_click_reaches_it(host, write):
    widget = host.load(write())
    assert widget.entered == 1 and widget.parent.visible
    host.click(widget.ui.applyButton)
    assert widget.pressed == [4.0]


def test_the_widgets_and_the_parameter_node_follow_each_other(host, write):
    import slicer

    widget = host.load(write())
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T1")
    assert widget.parameters.volume is None
    host.choose(widget.ui.volumeSelector, "T1")
    assert widget.parameters.volume is volume
    host.click(widget.ui.onBox)
    assert widget.parameters.on is False
    host.type(widget.ui.commentLine, "looked at")
    assert widget.parameters.comment == "looked at"
    widget.parameters.limit = 7.5
    assert widget.ui.limitSlider.value == 7.5
    with pytest.raises(ValueError):
        widget.parameters.limit = 11
    host.scene.RemoveNode(volume)
    assert widget.parameters.volume is None and widget.ui.volumeSelector.currentNode() is None
    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScriptedModuleNode")
    assert node.GetParameter("comment") == "looked at" and node.GetParameter("limit") == "7.5"


def test_a_reload_makes_the_panel_anew_without_entering_it_again(host, write):
    import slicer

    path = write()
    before = host.load(path)
    path.write_text(path.read_text().replace("self.pressed.append(self.parameters.limit)", "self.pressed.append(-1)"))
    before.onReload()
    after = slicer.modules.ExampleWidget
    assert before.cleaned and after is not before and after.entered == 0 and after.parent.isEntered
    host.spin()
    host.click(after.ui.applyButton)
    assert after.pressed == [-1]


def test_another_module_is_opened_and_this_one_again(host, write):
    import slicer

    widget = host.load(write())
    slicer.util.selectModule("Data")
    assert not widget.parent.isEntered and slicer.util.selectedModule() == "Data"
    slicer.util.selectModule("Example")
    assert widget.parent.isEntered and widget.entered == 2


@pytest.mark.parametrize(
    ("written", "misspelt", "error"),
    [
        ('name="noneEnabled"', 'name="noneEnable"', AttributeError),
        ("<signal>mrmlSceneChanged(vtkMRMLScene*)</signal>", "<signal>sceneChanged(vtkMRMLScene*)</signal>", TypeError),
        ("<slot>setMRMLScene(vtkMRMLScene*)</slot>", "<slot>setScene(vtkMRMLScene*)</slot>", TypeError),
        ("<cstring>volumeSelector</cstring>", "<cstring>volumeSelektor</cstring>", ValueError),
        ("<string>limit</string>", "<string>limits</string>", ValueError),
        ('class="QLineEdit"', 'class="QLineEditor"', AttributeError),
        ("<class>ctkSliderWidget</class>", "<class>ctkSlider</class>", ValueError),
    ],
)
def test_what_is_misspelt_in_the_ui_file_is_noticed(host, write, written, misspelt, error):
    assert written in UI
    with pytest.raises(error):
        host.load(write(ui=UI.replace(written, misspelt)))


def test_quitting_cleans_the_module_up(host, write):
    widget = host.load(write())
    host.close()
    assert widget.cleaned
    host.close = lambda: None
