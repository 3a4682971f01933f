"""Stand-in for qMRMLSegmentEditorWidget over the real vtkMRMLSegmentEditorNode and vtkSlicerSegmentEditorLogic."""

import numpy as np
import slicer
import vtk
from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QFrame,
    QGridLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from vtk.util.numpy_support import numpy_to_vtk

from . import pythonqt
from .mrml_widgets import SceneObserver, qMRMLWidget

EFFECT_NAMES = (
    "Threshold",
    "Paint",
    "Draw",
    "Erase",
    "Level tracing",
    "Grow from seeds",
    "Fill between slices",
    "Margin",
    "Hollow",
    "Smoothing",
    "Scissors",
    "Islands",
    "Logical operators",
    "Mask volume",
)
# What Slicer's paint effect puts into the node at first, where nothing is set.
COMMON_DEFAULTS = {
    "BrushAbsoluteDiameter": "5",
    "BrushRelativeDiameter": "3",
    "BrushDiameterIsRelative": "1",
    "BrushSphere": "0",
}
SEGMENT_EVENTS = (slicer.vtkSegmentation.SegmentAdded, slicer.vtkSegmentation.SegmentRemoved)


class qSlicerSegmentEditorAbstractEffect(QObject):
    """An effect: its parameters are attributes of the segment editor's node, as in Slicer."""

    def __init__(self, editor, name: str):
        super().__init__(editor)
        self._editor, self._name = editor, name
        self._options = QFrame()
        rows = QVBoxLayout(self._options)
        if name in ("Paint", "Erase"):
            for text in ("Sphere brush", "Edit in 3D views", {"Erase": "Erase all segments"}.get(name, "Color smudge")):
                rows.addWidget(QCheckBox(text))

    def optionsFrame(self) -> QFrame:
        return self._options

    name = Property(str, lambda self: self._name)
    title = Property(str, lambda self: self._name)

    def active(self) -> bool:
        return self._editor.activeEffect() is self

    def _set(self, key: str, value) -> None:
        node = self._editor.mrmlSegmentEditorNode()
        if node is None:
            raise RuntimeError("an effect's parameter was set before the editor has its node")
        node.SetAttribute(key, str(value))

    def setParameter(self, name: str, value):
        self._set(f"{self._name}.{name}", value)

    def parameter(self, name: str) -> str:
        return self._editor.mrmlSegmentEditorNode().GetAttribute(f"{self._name}.{name}") or ""

    def setCommonParameter(self, name: str, value):
        self._set(name, value)

    def commonParameterDefined(self, name: str) -> bool:
        return self._editor.mrmlSegmentEditorNode().GetAttribute(name) is not None

    def parameterDefined(self, name: str) -> bool:
        return self._editor.mrmlSegmentEditorNode().GetAttribute(f"{self._name}.{name}") is not None

    def integerParameter(self, name: str) -> int:
        return int(float(self.parameter(name) or 0))

    def doubleParameter(self, name: str) -> float:
        return float(self.parameter(name) or 0)

    def self(self):
        """The Python side of an effect, which the host has not."""
        return None


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Segments of one segmentation as buttons, and the effects; painting is done by :func:`paint`.

    As in Slicer: nothing can be set before the editor has its node; the first segment is selected with the
    segmentation; a removed segmentation or source volume is let go.
    """

    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)
    currentSegmentIDChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._effects = None, {}
        self._watch, self._watch_segments = SceneObserver(self), SceneObserver(self)
        self._shown = (None, None, "", "")
        self._segments, self._group = QWidget(), QButtonGroup(self)
        self._order, self._unordered, self._rows = [], True, {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._segments)
        QVBoxLayout(self._segments)
        self._tools = QGridLayout()
        column.addLayout(self._tools)
        self.updateEffectList()
        self.logic = slicer.vtkSlicerSegmentEditorLogic()

    def _scene_changed(self):
        self.logic.SetMRMLScene(self._scene)

    def _need_node(self):
        if self._node is None:
            raise RuntimeError("the segment editor has no node yet: setMRMLSegmentEditorNode comes first")
        return self._node

    def setMRMLSegmentEditorNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLSegmentEditorNode):
            raise TypeError(f"setMRMLSegmentEditorNode wants a vtkMRMLSegmentEditorNode and got {node!r}")
        if node is self._node:
            return
        self._watch.let_go()
        self._node = node
        self.logic.SetSegmentEditorNode(node)
        if node is not None:
            self._watch.observe(node, (vtk.vtkCommand.ModifiedEvent,), self.updateWidgetFromMRML)
            for name, value in COMMON_DEFAULTS.items():
                if node.GetAttribute(name) is None:
                    node.SetAttribute(name, value)
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self):
        return self._node

    def segmentationNode(self):
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSegmentationNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLSegmentationNode):
            raise TypeError(f"setSegmentationNode wants a vtkMRMLSegmentationNode and got {node!r}")
        if node is self.segmentationNode():
            return
        self._need_node().SetAndObserveSegmentationNode(node)
        self.setActiveEffect(None)

    def sourceVolumeNode(self):
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setSourceVolumeNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLVolumeNode):
            raise TypeError(f"setSourceVolumeNode wants a volume and got {node!r}")
        if node is not None or self._node is not None:
            self._need_node().SetAndObserveSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node is not None else ""

    def setCurrentSegmentID(self, identifier: str):
        node = self.segmentationNode()
        if identifier and (node is None or node.GetSegmentation().GetSegment(identifier) is None):
            raise ValueError(f"the segmentation has no segment '{identifier}'")
        self._need_node().SetSelectedSegmentID(identifier)

    def availableEffectNames(self):
        return list(EFFECT_NAMES)

    def effectByName(self, name: str):
        if name not in EFFECT_NAMES:
            return None
        return self._effects.setdefault(name, qSlicerSegmentEditorAbstractEffect(self, name))

    def activeEffect(self):
        name = self._node.GetActiveEffectName() if self._node is not None else None
        return self.effectByName(name) if name else None

    def setActiveEffectByName(self, name: str):
        if name and name not in EFFECT_NAMES:
            raise ValueError(f"the segment editor has no effect '{name}'")
        self._need_node().SetActiveEffectName(name)
        if name:
            self.setupViewObservations()

    def setActiveEffect(self, effect):
        if effect is not None or self._node is not None:
            self._need_node().SetActiveEffectName(effect.name if effect is not None else "")

    def effectNameOrder(self):
        return self._order

    def setEffectNameOrder(self, names):
        unknown = set(names) - set(EFFECT_NAMES)
        if unknown:
            raise ValueError(f"the segment editor has no effects {sorted(unknown)}")
        self._order = list(names)
        self.updateEffectList()

    def _show_unordered(self, on: bool):
        self._unordered = on
        self.updateEffectList()

    unorderedEffectsVisible = Property(bool, lambda self: self._unordered, _show_unordered)

    def updateEffectList(self):
        """Show the buttons of the ordered effects, and of the others where they are wanted."""
        names = [*self._order, *[n for n in EFFECT_NAMES if n not in self._order]] if self._unordered else self._order
        for button in self._group.buttons():
            self._group.removeButton(button)
            button.setParent(None)
            button.deleteLater()
        for position, name in enumerate(names):
            button = QToolButton(text=name)
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
            self._group.addButton(button)
            button.clicked.connect(lambda _on=False, name=name: self.setActiveEffectByName(name))
            self._tools.addWidget(button, position // 4, position % 4)
        self._group.setExclusive(False)

    def setMaximumNumberOfUndoStates(self, count: int):
        self.logic.SetMaximumNumberOfUndoStates(count)

    maximumNumberOfUndoStates = Property(
        int, lambda self: self.logic.GetMaximumNumberOfUndoStates(), setMaximumNumberOfUndoStates
    )

    def effectCount(self) -> int:
        return len(EFFECT_NAMES)

    def rotateSliceViewsToSegmentation(self):
        """Nothing is drawn."""

    def setUndoEnabled(self, on: bool):
        self.setProperty("_undo", on)

    undoEnabled = Property(bool, lambda self: self.property("_undo") is not False, setUndoEnabled)

    def installKeyboardShortcuts(self, widget=None):
        self.setProperty("_shortcuts", True)

    def uninstallKeyboardShortcuts(self):
        self.setProperty("_shortcuts", False)

    def setupViewObservations(self):
        self.setProperty("_observes_views", True)

    def removeViewObservations(self):
        self.setProperty("_observes_views", False)

    def updateWidgetFromMRML(self):
        """Show the node's state, and emit what changed."""
        scene = self._scene
        if scene is None or scene.IsClosing() or scene.IsBatchProcessing():
            return
        segmentation, before = self.segmentationNode(), self._shown
        if segmentation is not before[0] and segmentation is not None:
            reference = segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())
            self._node.SetAndObserveSourceVolumeNode(reference)
        if segmentation is not None and segmentation.GetSegmentation().GetSegment(self.currentSegmentID()) is None:
            self.logic.SelectFirstSegment(False)
        source, segment = self.sourceVolumeNode(), self.currentSegmentID()
        effect = (self._node.GetActiveEffectName() or "") if self._node is not None else ""
        self._shown = (segmentation, source, segment, effect)
        self._show_segments(segmentation, segment)
        for button in self._group.buttons():
            button.setChecked(button.text() == effect)
        if segmentation is not before[0]:
            self._watch_segments.let_go()
            if segmentation is not None:
                self._watch_segments.observe(segmentation, SEGMENT_EVENTS, self.updateWidgetFromMRML)
            self.segmentationNodeChanged.emit(segmentation)
        if source is not before[1]:
            self.sourceVolumeNodeChanged.emit(source)
        if segment != before[2]:
            self.currentSegmentIDChanged.emit(segment)

    def _show_segments(self, node, selected: str) -> None:
        segmentation = node.GetSegmentation() if node is not None else None
        identifiers = segmentation.GetSegmentIDs() if segmentation is not None else ()
        if list(identifiers) != list(self._rows):
            for button in self._rows.values():
                button.setParent(None)
                button.deleteLater()
            self._rows = {identifier: self._row(identifier) for identifier in identifiers}
        for identifier, button in self._rows.items():
            button.setText(segmentation.GetSegment(identifier).GetName())
            button.setChecked(identifier == selected)

    def _row(self, identifier: str) -> QPushButton:
        button = QPushButton()
        button.setCheckable(True)
        button.clicked.connect(lambda: self.setCurrentSegmentID(identifier))
        self._segments.layout().addWidget(button)
        return button


def paint(editor, mask: np.ndarray) -> None:
    """What a stroke of the active effect does to ``mask`` (bool, (k, j, i) on the source volume's grid).

    It goes through the real vtkSlicerSegmentEditorLogic, so that the editor's masking ("inside this segment only") and
    overwrite mode apply and Slicer's own events fire.
    """
    editor = pythonqt.unwrap(editor)
    node, effect = editor.mrmlSegmentEditorNode(), editor.activeEffect()
    if effect is None or effect.name not in ("Paint", "Erase", "Draw", "Scissors"):
        raise RuntimeError("a stroke needs Paint, Draw, Scissors or Erase as the active effect")
    logic, volume = editor.logic, editor.sourceVolumeNode()
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    modifier = slicer.vtkOrientedImageData()
    values = np.ascontiguousarray(mask, dtype=np.uint8)
    modifier.SetDimensions(*reversed(values.shape))
    modifier.SetImageToWorldMatrix(matrix)
    scalars = numpy_to_vtk(values.ravel(), deep=True)
    modifier.GetPointData().SetScalars(scalars)
    logic.UpdateReferenceGeometryImage()
    logic.UpdateMaskLabelmap()
    logic.UpdateSelectedSegmentLabelmap()
    adding = effect.name != "Erase"
    mode = logic.ModificationModeAdd if adding else logic.ModificationModeRemove
    logic.ModifySegmentByLabelmap(node.GetSegmentationNode(), node.GetSelectedSegmentID(), modifier, mode, True, False)


EDITOR_CLASSES = {"qMRMLSegmentEditorWidget": qMRMLSegmentEditorWidget}
