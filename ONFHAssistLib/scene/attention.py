"""Where a system looked, laid over the slice views that show its volume: a tint that is denser where the map is higher.

The tint is the foreground of these views while it is shown, and what was there before comes back. Its node stands in no
list and no file: while a scene is saved, the views are as they were without it.
"""

from typing import Any

import numpy as np
import vtk

from ONFHAssistLib.core.grid import Box, Point, as_point, bounding_box, box_of
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.finding_figures import TINT, TINT_SHARE
from ONFHAssistLib.scene.in_view import COMPOSITE, ViewWatch, nodes_of, volume_shown
from ONFHAssistLib.scene.nodes import VOLUME, Node, remove_node, review_node
from ONFHAssistLib.scene.volumes import put_image

ROLE = "attention"
COLOURED = "vtkMRMLVectorVolumeNode"
"""Its voxels have an opacity each. A colour table's opacity Slicer takes for all or nothing."""


class AttentionLayer:
    """One map of fractions, laid over the views; none at first."""

    def __init__(self) -> None:
        """Show nothing."""
        self._node: Node | None = None
        self._id = ""
        self._before: dict[Node, tuple[str | None, float]] = {}
        self._watch: ViewWatch | None = None
        self._observed: list[tuple[vtk.vtkObject, int]] = []

    def show(self, volume_node: Node, attention: Volume) -> None:
        """Lay a map over each view that shows a volume, and over those that come to show it; another one goes.

        Args:
            volume_node: under review, in a scene.
            attention: 0 to 1, on the grid of the volume in the world's RAS; not 0 everywhere.
        """
        self.hide()
        scene = volume_node.GetScene()
        node = review_node(volume_node, ROLE, COLOURED, "Where the system looked", hidden=True)
        part = attention.cropped(_box(attention.array))
        put_image(node, part, _coloured(part.array))
        display = node.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(0, 255)
        display.SetWindowLevelLocked(True)  # a drag for brightness means the image
        for one in (node, display):
            one.SetSaveWithScene(False)
        self._node, self._id = node, node.GetID()
        self._watch = ViewWatch(scene, self._lay)
        for event, act in ((scene.StartSaveEvent, self._take_off), (scene.EndSaveEvent, self._lay)):
            self._observed.append((scene, scene.AddObserver(event, act)))
        self._lay()

    def hide(self) -> None:
        """Take the map away, and show what was in its place; idempotent, also after the scene has lost it."""
        if self._node is None:
            return
        if self._watch is not None:
            self._watch.close()
        while self._observed:
            thing, tag = self._observed.pop()
            thing.RemoveObserver(tag)
        self._take_off()
        if self._in_scene():
            remove_node(self._node)
        self._node = self._watch = None

    def _in_scene(self) -> bool:
        return self._node is not None and self._node.GetScene() is not None

    def _lay(self, *_: Any) -> None:
        """Bring the tint into the views that show its volume now, and out of the others."""
        if self._node is None or not self._in_scene():
            return
        for composite in nodes_of(self._node.GetScene(), COMPOSITE):
            shown = volume_shown(composite) == self._node.GetNodeReferenceID(VOLUME)
            if shown and composite not in self._before:
                self._before[composite] = composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()
                _set_front(composite, self._id, TINT_SHARE)
            elif not shown and composite in self._before:
                self._put_back(composite)

    def _take_off(self, *_: Any) -> None:
        for composite in list(self._before):
            self._put_back(composite)

    def _put_back(self, composite: Node) -> None:
        """Show what was in front before, unless somebody has chosen something else since."""
        front, opacity = self._before.pop(composite)
        scene = composite.GetScene()
        if scene is None or composite.GetForegroundVolumeID() != (self._id if self._in_scene() else None):
            return
        _set_front(composite, front if front and scene.GetNodeByID(front) else None, opacity)


def highest_place(attention: Volume) -> Point:
    """Return where a map is highest, RAS in mm; of several such voxels the one nearest to their middle."""
    highest = np.argwhere(attention.array == attention.array.max())
    middle = highest[np.argmin(np.linalg.norm(highest - highest.mean(axis=0), axis=1))]
    return as_point(attention.ras(middle[::-1]))


def _set_front(composite: Node, volume_id: str | None, opacity: float) -> None:
    before = composite.StartModify()
    composite.SetForegroundVolumeID(volume_id)
    composite.SetForegroundOpacity(opacity)
    composite.EndModify(before)


def _box(array: np.ndarray) -> Box:
    """Return the box of all that is not zero, and of a voxel around it, in which the tint fades."""
    ends = zip(bounding_box(array > 0), array.shape, strict=True)
    return box_of((max(part.start - 1, 0), min(part.stop + 1, length)) for part, length in ends)


def _coloured(array: np.ndarray) -> np.ndarray:
    """Return fractions (k, j, i) as red, green, blue and opacity (k, j, i, 4), uint8."""
    coloured = np.empty((*array.shape, 4), np.uint8)
    coloured[..., :3] = TINT
    coloured[..., 3] = np.rint(255 * np.clip(array, 0, 1))
    return coloured
