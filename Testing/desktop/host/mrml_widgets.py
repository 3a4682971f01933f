"""Stand-ins for qMRML widgets over the real scene: what they show and emit follows its nodes and events."""

import slicer
import vtk
from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from . import pythonqt


class SceneObserver:
    """Calls a method at events of a VTK object; lets go of it with the widget."""

    def __init__(self, widget: QWidget):
        self._tags: list[tuple[vtk.vtkObject, int]] = []
        widget.destroyed.connect(lambda *_: self.let_go())

    def observe(self, observed: vtk.vtkObject, events, callback) -> None:
        """Call back at each of the events; errors go to the journal of the test."""
        guarded = pythonqt.journal.guarded(callback)
        self._tags += [(observed, observed.AddObserver(event, lambda *_: guarded())) for event in events]

    def let_go(self) -> None:
        """Remove all observers."""
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._tags.clear()


class qMRMLWidget(QWidget):
    """A widget that knows a scene and tells its children in the .ui file when it changes."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not None and not isinstance(scene, slicer.vtkMRMLScene):
            raise TypeError(f"setMRMLScene wants a vtkMRMLScene and got {scene!r}")
        if scene is not self._scene:
            self._scene = scene
            self._scene_changed()
            self.mrmlSceneChanged.emit(scene)

    def _scene_changed(self) -> None:
        """For derived stand-ins."""


class qMRMLCollapsibleButton(qMRMLWidget):
    """Not imitated beyond being a widget with a scene."""


SCENE_EVENTS = (
    slicer.vtkMRMLScene.NodeAddedEvent,
    slicer.vtkMRMLScene.NodeRemovedEvent,
    slicer.vtkMRMLScene.EndImportEvent,
    slicer.vtkMRMLScene.EndBatchProcessEvent,
    slicer.vtkMRMLScene.EndCloseEvent,
)
NONE = "None"


class qMRMLNodeComboBox(qMRMLWidget):
    """Lists the nodes of a scene that have one of the types; the user selects one.

    As in qMRMLNodeComboBox: unless None is enabled, the first node is selected as soon as there is one, a selected
    node that is removed gives way to another, and nothing can be selected without a scene.
    """

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._types, self._attributes = [], []
        self._show_hidden = self._select_upon_creation = False
        self._show_children, self._none = True, False
        self._none_display, self._hidden_types = NONE, []
        self._ids: list[str | None] = []
        self._box, self._watch = QComboBox(), SceneObserver(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self._node, self._filling = None, False
        self._box.currentIndexChanged.connect(self._chosen)
        self._box.activated.connect(lambda *_: self.nodeActivated.emit(self._node))

    def _scene_changed(self):
        self._watch.let_go()
        if self._scene is not None:
            self._watch.observe(self._scene, SCENE_EVENTS, self._fill)
        self._fill()

    def _listed(self, node) -> bool:
        if node.GetHideFromEditors() and not self._show_hidden:
            return False
        kind_fits = any(
            node.IsA(kind) if self._show_children else node.GetClassName() == kind for kind in self._types
        ) and not any(node.IsA(kind) for kind in self._hidden_types)
        return kind_fits and all(
            not node.IsA(kind) or (node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name)))
            for kind, name, value in self._attributes
        )

    def _fill(self):
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        nodes = (
            [] if self._scene is None else [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())]
        )
        nodes = [node for node in nodes if node is not None and self._listed(node)]
        entries = [(None, self._none_display)] if self._none or not nodes else []
        entries += [(node.GetID(), node.GetName() or node.GetID()) for node in nodes]
        self._filling = True
        self._box.clear()
        self._ids = [identifier for identifier, _ in entries]
        self._box.addItems([name for _, name in entries])
        kept = self._node.GetID() if self._node is not None and self._node in nodes else None
        if kept is None and not self._none and nodes:
            kept = nodes[0].GetID()
        self._box.setCurrentIndex(self._ids.index(kept) if kept in self._ids else 0)
        self._filling = False
        self._chosen()

    def _chosen(self, *_):
        if self._filling:
            return
        index = self._box.currentIndex()
        identifier = self._ids[index] if 0 <= index < len(self._ids) else None
        node = self._scene.GetNodeByID(identifier) if identifier and self._scene else None
        if node is not self._node:
            self._node = node
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def currentNode(self):
        return self._node

    def setCurrentNode(self, node):
        if node is not None and not isinstance(node, str | slicer.vtkMRMLNode):
            raise TypeError(f"setCurrentNode wants a node and got {node!r}")
        identifier = node if isinstance(node, str) or node is None else node.GetID()
        if identifier in self._ids:
            self._box.setCurrentIndex(self._ids.index(identifier))
        elif None in self._ids:
            self._box.setCurrentIndex(self._ids.index(None))
        elif identifier is None:
            self._box.setCurrentIndex(-1)

    def setCurrentNodeID(self, identifier: str):
        self.setCurrentNode(identifier or None)

    def setCurrentNodeIndex(self, index: int):
        self._box.setCurrentIndex(index + (None in self._ids))

    def nodeCount(self) -> int:
        return len([identifier for identifier in self._ids if identifier])

    def nodeFromIndex(self, index: int):
        return self._scene.GetNodeByID([identifier for identifier in self._ids if identifier][index])

    def addAttribute(self, kind: str, name: str, value: str | None = None):
        self._attributes.append((kind, name, value))
        self._fill()

    def addNode(self, kind: str | None = None):
        node = self._scene.AddNewNodeByClass(kind or self._types[0])
        if self._select_upon_creation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _refilled(name):
        def change(self, value):
            setattr(self, name, value)
            self._fill()

        return change

    nodeTypes = Property(list, lambda self: self._types, _refilled("_types"))
    hideChildNodeTypes = Property(list, lambda self: self._hidden_types, _refilled("_hidden_types"))
    showHidden = Property(bool, lambda self: self._show_hidden, _refilled("_show_hidden"))
    showChildNodeTypes = Property(bool, lambda self: self._show_children, _refilled("_show_children"))
    noneEnabled = Property(bool, lambda self: self._none, _refilled("_none"))
    noneDisplay = Property(str, lambda self: self._none_display, _refilled("_none_display"))
    selectNodeUponCreation = Property(
        bool, lambda self: self._select_upon_creation, lambda self, on: setattr(self, "_select_upon_creation", on)
    )
    currentNodeID = Property(str, lambda self: self._node.GetID() if self._node is not None else "", setCurrentNodeID)
    del _refilled


MRML_CLASSES = {cls.__name__: cls for cls in (qMRMLWidget, qMRMLNodeComboBox, qMRMLCollapsibleButton)}
