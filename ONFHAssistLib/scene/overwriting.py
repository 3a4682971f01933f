"""Slicer's own Segment Editor, too, leaves the head alone where necrosis is painted.

By default it cuts all other segments where it paints. The head includes the necrosis, so while an editor is on the
segments of a review it overwrites none; what it did before comes back when it is on others.
"""

from typing import Any

import vtk

from ONFHAssistLib.scene.nodes import ROLE, Node, Scene

EDITOR = "vtkMRMLSegmentEditorNode"
BEFORE = "ONFHAssist.OverwriteModeBefore"
"""Attribute of an editor's node: the mode to go back to."""


class OverwriteGuard:
    """Watches the settings of every segment editor in a scene."""

    def __init__(self, scene: Scene) -> None:
        """Begin to watch."""
        self._scene = scene
        self._observed: dict[Node, int] = {}
        self._tags = [
            scene.AddObserver(scene.NodeAddedEvent, self._added),
            scene.AddObserver(scene.NodeRemovedEvent, self._removed),
        ]
        for n in range(scene.GetNumberOfNodesByClass(EDITOR)):
            self._observe(scene.GetNthNodeByClass(n, EDITOR))

    def close(self) -> None:
        """Watch no more; idempotent."""
        for node, tag in self._observed.items():
            node.RemoveObserver(tag)
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._observed, self._tags = {}, []

    def _observe(self, editor: Node) -> None:
        if editor not in self._observed:
            self._observed[editor] = editor.AddObserver(vtk.vtkCommand.ModifiedEvent, self._look)
            self._look(editor)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _added(self, _caller: Any, _event: str, node: Node) -> None:
        if node.IsA(EDITOR):
            self._observe(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _removed(self, _caller: Any, _event: str, node: Node) -> None:
        tag = self._observed.pop(node, None)
        if tag is not None:
            node.RemoveObserver(tag)

    def _look(self, editor: Node, *_: Any) -> None:
        segmentation, before = editor.GetSegmentationNode(), editor.GetAttribute(BEFORE)
        ours = segmentation is not None and segmentation.GetAttribute(ROLE) is not None
        if ours and editor.GetOverwriteMode() != editor.OverwriteNone:
            if before is None:
                editor.SetAttribute(BEFORE, str(editor.GetOverwriteMode()))
            editor.SetOverwriteMode(editor.OverwriteNone)
        elif segmentation is not None and not ours and before is not None:
            editor.SetAttribute(BEFORE, None)
            editor.SetOverwriteMode(int(before))
