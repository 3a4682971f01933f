"""Slicer's Segment Editor inside the panel, ready to paint: right segment, right volume, a brush in mm, safe masks."""

from typing import Any

import qt
import slicer

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.segmentation import What, segment_id

EFFECTS = ("Paint", "Draw", "Erase", "Scissors", "Islands", "Fill between slices", "Level tracing")
"""What a reader needs to correct a mask; the Segment Editor module has the others."""
BRUSH_MM = 6.0
"""A bit less than a tenth of a head's width: corrects an outline without dabbing."""
TAG = "ONFHAssist"


class Editor:
    """The embedded qMRMLSegmentEditorWidget with an editor node of its own."""

    def __init__(self, widget: Any) -> None:
        """Make the editor of the panel as small as this module needs it."""
        self._widget = widget
        self._node()  # before the editor gets the scene
        self._review: Review | None = None
        widget.setMaximumNumberOfUndoStates(0)  # Review.undo goes across masks, landmarks and sphere
        widget.setUndoEnabled(False)
        widget.setEffectNameOrder(EFFECTS)
        widget.unorderedEffectsVisible = False
        widget.effectColumnCount = 1
        self._make_narrow()
        self._painted = ""
        self._deleted: str | None = None
        widget.connect("currentSegmentIDChanged(QString)", self._protect)

    def _make_narrow(self) -> None:
        """Leave out options that a narrow panel has no room for; one of them erases head and necrosis together."""
        for name in ("Paint", "Erase"):
            effect = self._widget.effectByName(name)
            for box in slicer.util.findChildren(effect.optionsFrame(), className="QCheckBox") if effect else ():
                box.setVisible(False)
        for text in slicer.util.findChildren(self._widget, name="EffectHelpBrowser"):
            policy = text.sizePolicy
            policy.setHorizontalPolicy(qt.QSizePolicy.Ignored)  # or it would never become narrower again
            text.setSizePolicy(policy)

    def show(self, review: Review, side: Side, what: What = "necrosis") -> None:
        """Get ready to paint in a hip; the segment chosen stays if it is of this hip.

        Raises:
            InputError: the reader has deleted the segment.
        """
        node = self._node()
        here = self._review is review and self._widget.currentSegmentID() in _segments(review, side)
        if self._review is not review:
            self._review, self._painted, self._deleted = review, "", None
            self._widget.setSegmentationNode(review.segmentation_node)
            self._widget.setSourceVolumeNode(review.volume_node)
        if not here:
            self._widget.setCurrentSegmentID(review.segment_id(side, what))
        node.SetOverwriteMode(node.OverwriteNone)  # the head includes the necrosis: one must not erase the other
        self._protect()

    def resume(self) -> None:
        """Go on with the segment that was being painted, where it was deleted and is there again."""
        review = self._review
        if review is None or review.closed:
            return
        if self._deleted is not None and self._deleted in _segments(review, *SIDES):
            self._widget.setCurrentSegmentID(self._deleted)
            self._deleted = None
        self._protect()

    def clear(self) -> None:
        """Let go of a review that is gone, or out of sight."""
        if self._review is None:
            return
        self._review, self._painted, self._deleted = None, "", None
        self.pause()
        # While a scene closes, Slicer's editor puts no brush away; the views that come anew then would crash with it.
        self._widget.removeViewObservations()
        self._widget.setSegmentationNode(None)
        self._widget.setSourceVolumeNode(None)

    def pause(self) -> None:
        """Put the brush away: the module is left, or something is to be placed by a click."""
        self._widget.setActiveEffect(None)

    def _protect(self, *_args: Any) -> None:
        """Necrosis is painted inside the head only; the head anywhere."""
        review, current = self._review, self._widget.currentSegmentID()
        if review is None or review.closed:
            return
        if self._painted and self._painted not in _segments(review, *SIDES):
            # Deleted, and Slicer has chosen another one: the brush would go on in that.
            self._deleted, self._painted = self._painted, ""
            self.pause()
            return
        if not current:
            return
        self._painted = current
        node = self._node()
        heads = {necrosis: head for head, necrosis in (_segments(review, side) for side in review.segmented)}
        if heads.get(current) is not None:
            node.SetMaskSegmentID(heads[current])
            node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
        else:
            node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)

    def _node(self) -> Any:
        """Return the editor's settings; made anew after the scene was closed."""
        node = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(TAG)
            node.SetAttribute("BrushDiameterIsRelative", "0")
            node.SetAttribute("BrushAbsoluteDiameter", str(BRUSH_MM))
            node = slicer.mrmlScene.AddNode(node)
        if self._widget.mrmlSegmentEditorNode() is not node:
            self._widget.setMRMLSegmentEditorNode(node)
        return node


def _segments(review: Review, *sides: Side) -> list[str | None]:
    """Return the segments of head and necrosis of these hips, as far as they are segmented; None for a deleted one."""
    node, there = review.segmentation_node, [side for side in sides if side in review.segmented]
    labels = [label(side) for side in there for label in (MaskLabel.head, MaskLabel.necrosis)]
    return [segment_id(node, label) for label in labels]
