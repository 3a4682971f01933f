"""Where a system looked, laid over the slice views that show its volume: a tint that is denser where the map is higher.

It lies in a layer of its own, above background and foreground, so that what a reader has there stays as it is. Its node
stands in no list and no file.
"""

from typing import Any

import numpy as np

from ONFHAssistLib.core.grid import Box, Point, as_point, bounding_box, box_of
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.finding_figures import TINT, TINT_SHARE
from ONFHAssistLib.scene.in_view import COMPOSITE, ViewWatch, nodes_of, volume_shown
from ONFHAssistLib.scene.nodes import Node, remove_node, review_node
from ONFHAssistLib.scene.volumes import put_image

ROLE = "attention"
COLOURED = "vtkMRMLVectorVolumeNode"
"""Its voxels have an opacity each; that of a colour table is all or nothing in a slice view."""
FIRST_OF_OTHERS = 3
"""Number of the first layer of a slice view beyond background, foreground and label map."""


class AttentionLayer:
    """One map of fractions, laid over the views; none at first."""

    def __init__(self) -> None:
        """Show nothing."""
        self._volume: Node | None = None
        self._node: Node | None = None
        self._watch: ViewWatch | None = None

    def show(self, volume_node: Node, attention: Volume) -> None:
        """Lay a map over each view that shows a volume, and over those that come to show it; another one goes.

        Args:
            volume_node: under review, in a scene.
            attention: 0 to 1, on the grid of the volume in the world's RAS; not 0 everywhere.
        """
        self.hide()
        self._volume = volume_node
        self._node = node = review_node(volume_node, ROLE, COLOURED, "Where the system looked", hidden=True)
        part = attention.cropped(_box(attention.array))
        put_image(node, part, _coloured(part.array))
        display = node.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(0, 255)
        for one in (node, display):
            one.SetSaveWithScene(False)
        self._watch = ViewWatch(volume_node.GetScene(), self._lay)
        self._lay()

    def hide(self) -> None:
        """Take the map away; idempotent, also after the scene has lost it."""
        if self._watch is not None:
            self._watch.close()
        if self._node is not None and self._node.GetScene() is not None:
            remove_node(self._node)  # out of the views, too
        self._volume = self._node = self._watch = None

    def _lay(self, *_: Any) -> None:
        """Bring the tint into the views that show its volume now, and out of the others."""
        if self._node is None or self._volume is None or self._node.GetScene() is None:
            return
        for composite in nodes_of(self._node.GetScene(), COMPOSITE):
            end = FIRST_OF_OTHERS + composite.GetNumberOfAdditionalLayers()
            layers = [n for n in range(FIRST_OF_OTHERS, end) if composite.GetNthLayerVolumeID(n) == self._node.GetID()]
            shown = volume_shown(composite) == self._volume.GetID()
            if shown and not layers:
                composite.SetNthLayerVolumeID(end, self._node.GetID())
                composite.SetNthLayerOpacity(end, TINT_SHARE)
            for n in layers if not shown else ():
                composite.SetNthLayerVolumeID(n, None)


def highest_place(attention: Volume) -> Point:
    """Return where a map is highest, RAS in mm; of several such voxels the one nearest to their middle."""
    highest = np.argwhere(attention.array == attention.array.max())
    middle = highest[np.argmin(np.linalg.norm(highest - highest.mean(axis=0), axis=1))]
    return as_point(attention.ras(middle[::-1]))


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
