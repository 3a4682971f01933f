"""A baseline study beside the one under review: what has changed, and its own view of the same hip."""

from collections.abc import Callable
from typing import Any

import slicer

from ONFHAssistLib.core.hip import Side
from ONFHAssistLib.desktop.follow_up import change_table
from ONFHAssistLib.desktop.layout import BASELINE_VIEW, FOLLOW_UP_LAYOUT, REVIEW_LAYOUT, show_layout
from ONFHAssistLib.scene.review import Review

REVIEWED = "ONFHAssist.Reviewed"
"""Attribute of volumes that have a review; the selector of the baseline lists these."""


class Baseline:
    """Shows the study that the one under review is compared with."""

    def __init__(self, ui: Any, review_of: Callable[[Any], Review | None]) -> None:
        """``review_of`` returns the review of a volume node."""
        self._ui, self._review_of = ui, review_of
        self._volume: Any = None
        ui.baselineSelector.addAttribute("vtkMRMLScalarVolumeNode", REVIEWED, "1")

    def show(self, review: Review | None, volume: Any) -> None:
        """Write the table of change; arrange the views when another baseline was chosen."""
        before = self._review_of(volume) if review is not None and volume is not None else None
        before = None if before is review else before
        self._ui.changeLabel.setVisible(before is not None)
        if before is not None:
            self._ui.changeLabel.text = change_table(*([r.hip(side) for side in r.sides] for r in (before, review)))
        chosen = before.volume_node if before else None
        if chosen is not self._volume:
            self._volume = chosen
            show_layout(FOLLOW_UP_LAYOUT if chosen else REVIEW_LAYOUT)

    @property
    def shown(self) -> bool:
        """Whether there is a baseline in view."""
        return self._volume is not None

    def go_to_hip(self, side: Side) -> None:
        """Let the baseline's view show its own mid-coronal slice of this hip."""
        before = self._review_of(self._volume) if self._volume is not None else None
        node = slicer.mrmlScene.GetSingletonNode(BASELINE_VIEW, "vtkMRMLSliceNode")
        if before is None or node is None or side not in before.sides or before.hip(side).sphere is None:
            return
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if composite.GetLayoutName() == BASELINE_VIEW:
                composite.SetBackgroundVolumeID(self._volume.GetID())
        node.SetOrientationToCoronal()
        node.JumpSliceByCentering(*before.hip(side).sphere.centre_ras_mm)
