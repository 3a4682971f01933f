"""The layout manager with its views: widgets without rendering, over real view nodes and slice logics."""

import xml.etree.ElementTree as ElementTree

import slicer
import vtk
from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtWidgets import QVBoxLayout

from .mrml_widgets import qMRMLWidget
from .plots import qMRMLPlotWidget
from .tables import qMRMLTableWidget

ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
VIEW_SIZE = (300, 300)


class qMRMLSliceView(qMRMLWidget):
    """Where a slice would be drawn."""

    def __init__(self, node):
        super().__init__()
        self._node, self.rendered = node, 0
        self._corner = vtk.vtkCornerAnnotation()

    def mrmlSliceNode(self):
        return self._node

    def forceRender(self):
        self.rendered += 1

    scheduleRender = forceRender

    def cornerAnnotation(self):
        return self._corner

    def convertRASToXYZ(self, ras):
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._node.GetXYToRAS(), inverse)
        return inverse.MultiplyPoint((*ras, 1))[:3]

    def convertXYZToRAS(self, xyz):
        return self._node.GetXYToRAS().MultiplyPoint((*xyz, 1))[:3]


class qMRMLSliceControllerWidget(qMRMLWidget):
    """The bar above a slice."""

    def __init__(self, logic):
        super().__init__()
        self._logic = logic

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self):
        self._logic.FitSliceToBackground()

    def setSliceOffsetValue(self, offset: float):
        self._logic.SetSliceOffset(offset)

    def setSliceOrientation(self, name: str):
        self._logic.GetSliceNode().SetOrientation(name)

    def setSliceVisible(self, on: bool):
        self._logic.GetSliceNode().SetSliceVisible(on)


class qMRMLSliceWidget(qMRMLWidget):
    """A slice view with its bar."""

    def __init__(self, logic):
        super().__init__()
        self._logic = logic
        self._view, self._controller = qMRMLSliceView(logic.GetSliceNode()), qMRMLSliceControllerWidget(logic)
        column = QVBoxLayout(self)
        column.addWidget(self._controller)
        column.addWidget(self._view)

    sliceViewName = Property(str, lambda self: self._logic.GetSliceNode().GetLayoutName())

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def sliceView(self):
        return self._view

    def sliceController(self):
        return self._controller

    def fitSliceToBackground(self):
        self._logic.FitSliceToBackground()


class qMRMLThreeDView(qMRMLWidget):
    """Where the 3D scene would be drawn."""

    def __init__(self, node):
        super().__init__()
        self._node = node

    def mrmlViewNode(self):
        return self._node

    def resetFocalPoint(self):
        """Nothing is drawn."""

    resetCamera = forceRender = scheduleRender = resetFocalPoint

    def rotateToViewAxis(self, axis: int):
        """Nothing is drawn."""


class qMRMLThreeDWidget(qMRMLWidget):
    """A 3D view with its bar."""

    def __init__(self, node):
        super().__init__()
        self._node, self._view = node, qMRMLThreeDView(node)

    def mrmlViewNode(self):
        return self._node

    def threeDView(self):
        return self._view


class qSlicerLayoutManager(QObject):
    """Three slice views and a 3D view at first; further views as a layout's description names them."""

    layoutChanged = Signal(int)

    def __init__(self, scene, application_logic):
        super().__init__()
        self._scene, self._application_logic = scene, application_logic
        self._logics, self._slices, self._three_d, self._others = vtk.vtkCollection(), {}, [], {}
        application_logic.SetSliceLogics(self._logics)
        for name in ORIENTATIONS:
            self._add_slice(name)
        node = slicer.vtkMRMLViewNode()
        node.SetName("View1")
        node.SetLayoutName("1")
        node.SetSingletonTag("1")
        self._three_d.append(qMRMLThreeDWidget(scene.AddNode(node)))
        if scene.GetFirstNodeByClass("vtkMRMLLayoutNode") is None:
            scene.AddNode(slicer.vtkMRMLLayoutNode())
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(scene)
        self._observed, self._tag, self._known = None, None, None
        self._known = self._shown()

    def _layout_node(self):
        """The layout logic's node, observed; closing a scene may bring another one."""
        node = self._layout_logic.GetLayoutNode()
        if node is not self._observed:
            if self._observed is not None:
                self._observed.RemoveObserver(self._tag)
            self._observed = node
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._changed())
        return node

    def _add_slice(self, name: str) -> None:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self._application_logic)
        logic.SetMRMLScene(self._scene)
        node = self._scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if node is None:
            node = logic.AddSliceNode(name)
            node.SetOrientation(ORIENTATIONS.get(name, "Coronal"))
        else:  # made by the layout logic
            logic.SetSliceNode(node)
        node.SetDimensions(*VIEW_SIZE, 1)
        node.SetFieldOfView(250, 250, 1)
        self._logics.AddItem(logic)
        self._slices[name] = qMRMLSliceWidget(logic)

    def _shown(self) -> tuple[int, str | None]:
        node = self._layout_node()
        return node.GetViewArrangement(), node.GetCurrentLayoutDescription()

    def _changed(self) -> None:
        if self._shown() != self._known:
            self._known = self._shown()
            self._add_views_of_layout()
            self.layoutChanged.emit(self._known[0])

    def _add_views_of_layout(self) -> None:
        description = self._layout_node().GetCurrentLayoutDescription()
        for view in ElementTree.fromstring(description).iter("view") if description else ():
            kind, name = view.get("class"), view.get("singletontag")
            if kind == "vtkMRMLSliceNode" and name not in self._slices:
                self._add_slice(name)
            widgets = {"vtkMRMLPlotViewNode": qMRMLPlotWidget, "vtkMRMLTableViewNode": qMRMLTableWidget}
            if kind in widgets and (kind, name) not in self._others:
                node = self._scene.GetSingletonNode(name, kind)
                if node is None:
                    node = getattr(slicer, kind)()
                    node.SetSingletonTag(name)
                    node.SetLayoutName(name)
                    node.SetName(name)
                    node = self._scene.AddNode(node)
                widget = self._others[kind, name] = widgets[kind]()
                widget.setMRMLScene(self._scene)
                setter = widget.setMRMLPlotViewNode if kind == "vtkMRMLPlotViewNode" else widget.setMRMLTableViewNode
                setter(node)

    def _set_layout(self, arrangement: int) -> None:
        if arrangement >= slicer.vtkMRMLLayoutNode.SlicerLayoutUserView and not self._layout_node().IsLayoutDescription(
            arrangement
        ):
            raise ValueError(f"layout {arrangement} is not described: AddLayoutDescription first")
        self._layout_node().SetViewArrangement(arrangement)

    layout = Property(int, lambda self: self._layout_node().GetViewArrangement(), _set_layout)
    threeDViewCount = Property(int, lambda self: len(self._three_d))
    plotViewCount = Property(int, lambda self: sum(kind == "vtkMRMLPlotViewNode" for kind, _ in self._others))
    tableViewCount = Property(int, lambda self: sum(kind == "vtkMRMLTableViewNode" for kind, _ in self._others))

    def setLayout(self, arrangement: int):
        if arrangement != self._layout_node().GetViewArrangement():  # Slicer does nothing then
            self._set_layout(arrangement)

    def layoutLogic(self):
        return self._layout_logic

    def mrmlSliceLogics(self):
        return self._logics

    def mrmlScene(self):
        return self._scene

    def sliceViewNames(self):
        return list(self._slices)

    def sliceWidget(self, name: str):
        return self._slices.get(name)

    def threeDWidget(self, index: int):
        return self._three_d[index]

    def plotWidget(self, index: int):
        return [w for (kind, _), w in self._others.items() if kind == "vtkMRMLPlotViewNode"][index]

    def tableWidget(self, index: int):
        return [w for (kind, _), w in self._others.items() if kind == "vtkMRMLTableViewNode"][index]

    def resetSliceViews(self):
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self):
        """Nothing is drawn."""

    def pauseRender(self):
        self._application_logic.PauseRender()

    def resumeRender(self):
        self._application_logic.ResumeRender()
