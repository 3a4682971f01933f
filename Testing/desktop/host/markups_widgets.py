"""Placing points: the button for it, and the click in a view that a test makes."""

import slicer
from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QHBoxLayout, QToolButton

from .mrml_widgets import SceneObserver, qMRMLWidget


class qSlicerMarkupsPlaceWidget(qMRMLWidget):
    """A button that waits for clicks in the views for one markups node."""

    activeMarkupsPlaceModeChanged = Signal(bool)
    ShowPlaceMultipleMarkupsOption, HidePlaceMultipleMarkupsOption = 0, 1
    ForcePlaceSingleMarkup, ForcePlaceMultipleMarkups = 2, 3

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._multiple, self._placing = None, self.ShowPlaceMultipleMarkupsOption, False
        self._watch = SceneObserver(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._button = QToolButton(text="Place")
        self._button.setCheckable(True)
        self._button.clicked.connect(self.setPlaceModeEnabled)
        row.addWidget(self._button)

    def _scene_changed(self):
        self._watch.let_go()
        if self.interactionNode() is not None:
            event = slicer.vtkMRMLInteractionNode.InteractionModeChangedEvent
            self._watch.observe(self.interactionNode(), (event,), self._follow)

    def interactionNode(self):
        return self._scene.GetNodeByID("vtkMRMLInteractionNodeSingleton") if self._scene is not None else None

    def selectionNode(self):
        return self._scene.GetNodeByID("vtkMRMLSelectionNodeSingleton") if self._scene is not None else None

    def placeButton(self):
        return self._button

    def currentNode(self):
        return self._node

    currentMarkupsNode = currentNode

    def setCurrentNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLMarkupsNode):
            raise TypeError(f"setCurrentNode wants a markups node and got {node!r}")
        self._node = node
        self._button.setEnabled(node is not None)
        self._follow()

    def _is_active(self) -> bool:
        return self._node is not None and self.selectionNode().GetActivePlaceNodeID() == self._node.GetID()

    def _is_placing(self) -> bool:
        node = self.interactionNode()
        return node is not None and self._is_active() and node.GetCurrentInteractionMode() == node.Place

    def setPlaceModeEnabled(self, on: bool):
        interaction = self.interactionNode()
        if interaction is None or self._node is None:
            if on:
                raise RuntimeError("nothing can be placed before the widget has its scene and its node")
            return
        if on:
            slicer.modules.markups.logic().SetActiveList(self._node)
            if self._multiple in (self.ForcePlaceSingleMarkup, self.ForcePlaceMultipleMarkups):
                interaction.SetPlaceModePersistence(self._multiple == self.ForcePlaceMultipleMarkups)
        interaction.SetCurrentInteractionMode(interaction.Place if on else interaction.ViewTransform)

    def _set_multiple(self, option: int):
        self._multiple = option

    def setPlaceMultipleMarkups(self, option: int):
        self._multiple = option

    def _follow(self):
        placing = self._is_placing()
        self._button.setChecked(placing)
        if placing != self._placing:
            self._placing = placing
            self.activeMarkupsPlaceModeChanged.emit(placing)

    placeModeEnabled = Property(bool, _is_placing, setPlaceModeEnabled)
    placeMultipleMarkups = Property(int, lambda self: self._multiple, _set_multiple)
    currentNodeActive = Property(bool, _is_active)


def place_point(scene, position_ras_mm) -> int:
    """Click at a position (RAS, mm) in a view while points are placed; gives the index of the control point.

    It is what Slicer's markups widget does with a click: the real display node takes the point, and place mode ends
    unless it is to persist.
    """
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place, "no view waits for a click"
    node = scene.GetNodeByID(selection.GetActivePlaceNodeID() or "")
    assert node is not None, "place mode is on, and no markups node is active"
    node.CreateDefaultDisplayNodes()
    event = slicer.vtkMRMLInteractionEventData()
    event.SetWorldPosition(list(position_ras_mm), True)
    orientation = [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0]
    index = node.GetDisplayNode().UpdateActiveControlPointWorld(
        node.GetControlPointPlacementStartIndex(), event, orientation, "", "", node.PositionDefined
    )
    wanted, undefined = node.GetRequiredNumberOfControlPoints(), node.GetNumberOfUndefinedControlPoints()
    complete = node.GetNumberOfControlPoints() >= wanted > 0 and not undefined
    persistent = interaction.GetPlaceModePersistence()
    if (not persistent and (complete or wanted <= 0)) or (node.GetFixedNumberOfControlPoints() and not undefined):
        interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    return index


MARKUPS_CLASSES = {"qSlicerMarkupsPlaceWidget": qSlicerMarkupsPlaceWidget}
