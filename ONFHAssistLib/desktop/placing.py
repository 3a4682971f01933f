"""Points that a reader puts into the views: landmarks, and the centre of a head that was missed or found wrong."""

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.geometry import SIDES, HeadSeed, Side
from ONFHAssistLib.reviewer.cards import side_name
from ONFHAssistLib.reviewer.edits import set_radius
from ONFHAssistLib.scene.markups import landmarks_node, place_landmark
from ONFHAssistLib.scene.review import Review

CLICK_NAME = "Head centre"


class Placing:
    """The buttons that wait for a click in a view; at most one of them is down.

    ``observe(node, event, callback)`` and ``ignore(node, event, callback)`` are those of VTKObservationMixin.
    """

    def __init__(
        self,
        ui: Any,
        observe: Callable[..., None],
        ignore: Callable[..., None],
        on_seed: Callable[[HeadSeed], None],
        on_sphere: Callable[[], None],
        before: Callable[[], None],
        after: Callable[[], None],
    ) -> None:
        """Wire the buttons.

        Args:
            ui: the panel.
            observe, ignore: see above.
            on_seed: called with the head that was clicked on.
            on_sphere: called when the sphere of the hip was resized.
            before: called ahead of each placing.
            after: called when one has ended, also where it was given up.
        """
        self._ui, self._observe, self._ignore = ui, observe, ignore
        self._on_seed, self._on_sphere, self._before, self._after = on_seed, on_sphere, before, after
        self._review: Review | None = None
        self._side: Side | None = None
        self._click: tuple[Side, Any] | None = None
        self._interaction: Any = None
        self._buttons = [ui.landmarkButton, *(getattr(ui, f"{side}HeadButton") for side in SIDES)]
        ui.landmarkButton.connect("clicked()", self._place_landmark)
        ui.radiusSlider.connect("valueChanged(double)", self._resize)
        for side in SIDES:
            getattr(ui, f"{side}HeadButton").connect("clicked()", lambda side=side: self._place_head(side))
        names = {"acetabular edge": _("Acetabular edge"), "teardrop": _("Teardrop"), "head centre": _("Head centre")}
        for what, name in names.items():
            ui.landmarkBox.addItem(name, what)

    def show(self, review: Review | None, side: Side | None) -> None:
        """Place the landmarks of this hip from now on."""
        self._review, self._side = review, side
        hip = review.hip(side) if review is not None and side is not None and side in review.sides else None
        segmented = hip is not None and hip.segmented
        self._ui.sphereButton.enabled = segmented
        self._ui.sphereButton.text = (
            _("Segment {hip} again from the sphere").format(hip=side_name(hip.side).lower())
            if hip is not None and segmented
            else _("Segment again from the sphere")
        )
        sphere = hip.sphere if hip is not None and segmented else None
        if sphere is not None and not self._ui.radiusCheckBox.checked:
            self._ui.radiusSlider.blockSignals(True)
            self._ui.radiusSlider.value = sphere.radius_mm
            self._ui.radiusSlider.blockSignals(False)

    def radius_mm(self) -> float | None:
        """Return the radius that the reader has set; None where it is to be fitted."""
        return self._ui.radiusSlider.value if self._ui.radiusCheckBox.checked else None

    def stop(self) -> None:
        """Wait for no click any more."""
        interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        if interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        self._clean_up()

    def _resize(self, radius_mm: float) -> None:
        if not self._ui.radiusCheckBox.checked or not self._ui.sphereButton.enabled:
            return
        if self._review is None or self._side is None:
            return
        if self._review.hip(self._side).sphere is not None:
            set_radius(self._review, self._side, radius_mm)
            self._on_sphere()

    def _place_landmark(self) -> None:
        button = self._ui.landmarkButton
        if not button.checked or self._review is None or self._side is None:
            self.stop()
            return
        self._ready(button)
        if not place_landmark(landmarks_node(self._review.volume_node), self._side, self._ui.landmarkBox.currentData):
            self.stop()

    def _place_head(self, side: Side) -> None:
        button = getattr(self._ui, f"{side}HeadButton")
        if not button.checked:
            self.stop()
            return
        self._ready(button)
        scene = slicer.mrmlScene
        node = slicer.vtkMRMLMarkupsFiducialNode()
        node.SetName(CLICK_NAME)
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        self._click = side, node
        self._observe(node, node.PointPositionDefinedEvent, self._head_clicked)
        selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
        selection.SetReferenceActivePlaceNodeID(node.GetID())
        scene.GetNodeByID("vtkMRMLInteractionNodeSingleton").SwitchToSinglePlaceMode()

    def _head_clicked(self, node: Any, _event: Any) -> None:
        if self._click is None:
            return
        seed = HeadSeed(self._click[0], tuple(node.GetNthControlPointPositionWorld(0)), self.radius_mm())

        def after() -> None:  # the view is still busy with this point
            self.stop()
            self._on_seed(seed)

        qt.QTimer.singleShot(0, after)

    def _ready(self, button: Any) -> None:
        """Only this button is down, and it comes up when the click was made or given up."""
        self.stop()
        self._before()
        button.checked = True
        self._interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        if self._interaction is not None:
            self._observe(self._interaction, self._interaction.InteractionModeChangedEvent, self._mode_changed)

    def _mode_changed(self, interaction: Any, _event: Any) -> None:
        if interaction.GetCurrentInteractionMode() != interaction.Place:
            qt.QTimer.singleShot(0, self._ended)

    def _ended(self) -> None:
        self._clean_up()
        self._after()

    def _clean_up(self) -> None:
        if self._interaction is not None:
            self._ignore(self._interaction, self._interaction.InteractionModeChangedEvent, self._mode_changed)
            self._interaction = None
        for button in self._buttons:
            button.checked = False
        if self._click is not None:
            node, self._click = self._click[1], None
            self._ignore(node, node.PointPositionDefinedEvent, self._head_clicked)
            scene = node.GetScene()
            for one in (node.GetDisplayNode(), node):
                if scene is not None and one is not None:
                    scene.RemoveNode(one)
