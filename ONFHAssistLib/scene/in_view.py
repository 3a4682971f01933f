"""What the views show: masks and landmarks are drawn where their own volume is, and nowhere else.

Slicer changes the views by itself, for one when a volume is loaded. So the nodes of every review in the scene are drawn
in the slice views that show its volume, and in the 3D views where most slice views do.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import vtk

from ONFHAssistLib.scene.nodes import ROLE, VOLUME, Node, Scene

COMPOSITE, SLICE = "vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode"
VIEWS = (COMPOSITE, SLICE, "vtkMRMLViewNode")
COVERS_FROM = 0.5
"""A foreground with more opacity than that is what a view shows; the background is but a shadow behind it."""


def volume_shown(composite: Node) -> str:
    """Return the ID of the volume that a slice view shows: background, or the foreground that covers it; ""."""
    front = composite.GetForegroundVolumeID()
    if front and composite.GetForegroundOpacity() > COVERS_FROM:
        return front
    return composite.GetBackgroundVolumeID() or ""


def show_in(composite: Node, volume_node: Node | None) -> None:
    """Let a slice view show a volume, and no other one in front of it."""
    if composite.GetForegroundVolumeID() and composite.GetForegroundOpacity() > COVERS_FROM:
        composite.SetForegroundOpacity(0)
    composite.SetBackgroundVolumeID(volume_node.GetID() if volume_node is not None else None)


def show_volume(scene: Scene, volume_node: Node) -> None:
    """Let all slice views show a volume, from where they look now; see `views.show_volume` for the whole of it."""
    for composite in nodes_of(scene, COMPOSITE):
        show_in(composite, volume_node)


def volumes_in_views(scene: Scene) -> dict[str, str]:
    """Return the ID of the volume that each slice view shows, "" for none, by the ID of its vtkMRMLSliceNode."""
    shown = {node.GetLayoutName(): volume_shown(node) for node in nodes_of(scene, COMPOSITE)}
    return {node.GetID(): shown.get(node.GetLayoutName(), "") for node in nodes_of(scene, "vtkMRMLSliceNode")}


def main_volume(scene: Scene, prefer: Node | None = None, aside: Collection[str] = ()) -> Node | None:
    """Return the volume that most slice views of the layout show, of whatever kind; None where they show nothing.

    Args:
        scene: with the views.
        prefer: the volume that is taken where as many views show it as another one.
        aside: layout names of views that do not count.
    """
    views = [node for node in nodes_of(scene, "vtkMRMLSliceNode") if node.GetLayoutName() not in aside]
    views = [node for node in views if node.IsMappedInLayout()] or views
    volumes = volumes_in_views(scene)
    counts = Counter(volumes[node.GetID()] for node in views if volumes[node.GetID()])
    if not counts:
        return None
    preferred = prefer.GetID() if prefer is not None else None
    return scene.GetNodeByID(max(counts, key=lambda name: (counts[name], name == preferred)))


def is_study(node: Node) -> bool:
    """Say whether a volume can be chosen as a study: no label map, not hidden, in colours only if it is a picture."""
    flat = node.IsA("vtkMRMLVectorVolumeNode") and 1 in (node.GetImageData() or vtk.vtkImageData()).GetDimensions()
    return (flat or node.GetClassName() == "vtkMRMLScalarVolumeNode") and not node.GetHideFromEditors()


def draw_where_shown(scene: Scene, main: Node | None) -> None:
    """Draw the nodes of all reviews where their volume is in view; ``main`` is the one that is drawn in 3D."""
    volumes = volumes_in_views(scene)
    in_3d = [node.GetID() for node in nodes_of(scene, "vtkMRMLViewNode")]
    for n in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(n)
        if not node.GetAttribute(ROLE) or not hasattr(node, "GetNthDisplayNode"):
            continue
        own = node.GetNodeReferenceID(VOLUME)
        views = [view for view, volume in volumes.items() if own and volume == own]
        if main is not None and own == main.GetID():
            views += in_3d
        for k in range(node.GetNumberOfDisplayNodes()):
            if node.GetNthDisplayNode(k) is not None:
                # No view at all would mean every view; a node's own ID is there, and no view's.
                _draw_in(node.GetNthDisplayNode(k), views or [node.GetID()])


class ViewWatch:
    """Calls ``changed`` when a view comes, shows another volume, or enters or leaves the layout (one is maximised)."""

    def __init__(self, scene: Scene, changed: Callable[[], None]) -> None:
        """Begin to watch."""
        self._scene, self._changed = scene, changed
        self._composites: dict[Node, int] = {}
        self._slices: dict[Node, int] = {}
        self._mapped: dict[Node, bool] = {}
        self._tags = [
            scene.AddObserver(scene.NodeAddedEvent, self._added),
            scene.AddObserver(scene.NodeRemovedEvent, self._removed),
        ]
        for node in (*nodes_of(scene, COMPOSITE), *nodes_of(scene, SLICE)):
            self._observe(node)
        self._known = volumes_in_views(scene)

    def close(self) -> None:
        """Watch no more; idempotent."""
        for node, tag in (*self._composites.items(), *self._slices.items()):
            node.RemoveObserver(tag)
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._composites, self._slices, self._mapped, self._tags = {}, {}, {}, []

    def _observe(self, node: Node) -> None:
        if node.IsA(COMPOSITE) and node not in self._composites:
            self._composites[node] = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._look)
        elif node.IsA(SLICE) and node not in self._slices:
            self._mapped[node] = bool(node.IsMappedInLayout())
            self._slices[node] = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._placed)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _added(self, _caller: Any, _event: str, node: Node) -> None:
        self._observe(node)
        if any(node.IsA(kind) for kind in VIEWS):
            self._known = volumes_in_views(self._scene)
            self._changed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _removed(self, _caller: Any, _event: str, node: Node) -> None:
        for observed in (self._composites, self._slices):
            tag = observed.pop(node, None)
            if tag is not None:
                node.RemoveObserver(tag)
        self._mapped.pop(node, None)

    def _placed(self, node: Node, *_: Any) -> None:
        """A slice node is modified with each step through the slices, too: only whether it is in the layout counts."""
        mapped = bool(node.IsMappedInLayout())
        if mapped != self._mapped.get(node):
            self._mapped[node] = mapped
            self._changed()

    def _look(self, *_: Any) -> None:
        now = volumes_in_views(self._scene)
        if now != self._known:
            self._known = now
            self._changed()


def _draw_in(display: Node, views: list[str]) -> None:
    if list(display.GetViewNodeIDs() or ()) == views:
        return
    before = display.StartModify()
    display.RemoveAllViewNodeIDs()
    for view in views:
        display.AddViewNodeID(view)
    display.EndModify(before)


def nodes_of(scene: Scene, class_name: str) -> list[Node]:
    """Return the nodes of a class in a scene."""
    return [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]
