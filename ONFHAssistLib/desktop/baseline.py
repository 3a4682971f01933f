"""A baseline study beside the one under review: what has changed, and its own view of the same hip."""

from collections.abc import Callable
from typing import Any

import slicer

from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.desktop.follow_up import change_table
from ONFHAssistLib.desktop.layout import BASELINE_VIEW, FOLLOW_UP_LAYOUT, REVIEW_LAYOUT, show_layout
from ONFHAssistLib.scene.in_view import show_in
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.views import AROUND_HEAD_RADII

REVIEWED = "ONFHAssist.Reviewed"
"""Attribute of volumes that have a review; the selector of the baseline lists these."""


class Baseline:
    """Shows the study that the one under review is compared with."""

    def __init__(self, ui: Any, review_of: Callable[[Any], Review | None]) -> None:
        """``review_of`` returns the review of a volume node."""
        self._ui, self._review_of = ui, review_of
        self._volume: Any = None
        ui.baselineSelector.addAttribute("vtkMRMLScalarVolumeNode", REVIEWED, "1")

    @property
    def shown(self) -> bool:
        """Whether there is a baseline in view."""
        return self._volume is not None

    def show(self, review: Review | None, volume: Any) -> None:
        """Write the table of change; arrange the views when another baseline was chosen."""
        before = self._review_of(volume) if review is not None and volume is not None else None
        before = None if before is review else before
        self._ui.changeLabel.setVisible(before is not None)
        if review is not None and before is not None:
            self._ui.changeLabel.text = change_table(*([r.hip(side) for side in r.sides] for r in (before, review)))
        chosen = before.volume_node if before else None
        if chosen is not self._volume:
            self._volume = chosen
            show_layout(FOLLOW_UP_LAYOUT if chosen else REVIEW_LAYOUT)
            # What is drawn in a view follows its volume.
            self._put_in_view(chosen if chosen is not None else review and review.volume_node)

    def go_to_hip(self, side: Side) -> None:
        """Let the baseline's view show its own mid-coronal slice of this hip."""
        before = self._review_of(self._volume)
        node = slicer.mrmlScene.GetSingletonNode(BASELINE_VIEW, "vtkMRMLSliceNode")
        sphere = before.hip(side).sphere if before is not None and side in before.sides else None
        if node is None or sphere is None:
            return
        self._put_in_view(self._volume)
        _look_at(node, sphere)

    def _put_in_view(self, volume: Any) -> None:
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if composite.GetLayoutName() == BASELINE_VIEW:
                show_in(composite, volume)


def _look_at(slice_node: Any, sphere: Sphere) -> None:
    """Centre a coronal view on a head, as large as in the other views."""
    slice_node.SetOrientationToCoronal()
    pixels = [max(n, 1) for n in slice_node.GetDimensions()[:2]]
    mm = 2 * AROUND_HEAD_RADII * sphere.radius_mm / min(pixels)
    slice_node.SetFieldOfView(mm * pixels[0], mm * pixels[1], slice_node.GetFieldOfView()[2])
    slice_node.JumpSliceByCentering(*sphere.centre_ras_mm)
