"""What the systems have marked on a slice or a picture: their masks, and over the image where they have looked.

Of a volume nothing is drawn: there the heads and the necrosis are what a reader looks at.
"""

from collections.abc import Iterable

import numpy as np

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.exchange.finding_figures import TINT
from ONFHAssistLib.scene.hip_state import Patch
from ONFHAssistLib.scene.nodes import ROLE, VOLUME, Node, Scene, find_node, review_node
from ONFHAssistLib.scene.segmentation import LABELMAP, oriented_image
from ONFHAssistLib.scene.volumes import FORM, local_matrix, set_image

MASKS, ATTENTION = "finding masks", "attention"
SEGMENTATION, IMAGE = "vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"
FILL, SHARE = 0.15, 0.5
"""Opacity of masks inside their outlines, and of the colour where a system has looked the most."""


def show_findings(volume_node: Node, result: StudyResult) -> None:
    """Put the masks and attention maps of a slice or picture into its scene; of several maps the highest value counts.

    Args:
        volume_node: the image.
        result: of its analysis; of a volume nothing is shown.
    """
    form = result.source.get("form", "volume")
    if form == "volume":
        return
    volume_node.SetAttribute(FORM, form)
    _show_masks(volume_node, result.findings)
    maps = [found.attention.array for found in result.findings if found.attention is not None]
    if maps:
        _show_map(volume_node, np.max(maps, axis=0))


def set_visible(volume_node: Node, visible: bool) -> None:
    """Show or hide them."""
    for role, kind in ((MASKS, SEGMENTATION), (ATTENTION, IMAGE)):
        node = find_node(volume_node, role, kind)
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(visible)
    lay_over(volume_node.GetScene())


def lay_over(scene: Scene) -> None:
    """Let each slice view have the map of its image in front of it, and of no other image.

    What somebody else has put in front stays there.
    """
    maps = {node.GetNodeReferenceID(VOLUME): node for node in _of_class(scene, IMAGE) if _is_map(node)}
    for composite in _of_class(scene, "vtkMRMLSliceCompositeNode"):
        front = scene.GetNodeByID(composite.GetForegroundVolumeID() or "")
        own = maps.get(composite.GetBackgroundVolumeID())
        if front is not None and not _is_map(front):
            continue
        if front is not own:
            composite.SetForegroundVolumeID(own.GetID() if own is not None else None)
        if own is not None:
            composite.SetForegroundOpacity(SHARE if own.GetDisplayNode().GetVisibility() else 0.0)


def _show_masks(volume_node: Node, findings: Iterable[Finding]) -> None:
    import slicer

    masks = [mask for found in findings for mask in found.masks]
    if not masks:
        return
    node = review_node(volume_node, MASKS, SEGMENTATION, "Findings")
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    segmentation = node.GetSegmentation()
    segmentation.RemoveAllSegments()
    segmentation.SetSourceRepresentationName(LABELMAP)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    for mask in masks:
        segment = slicer.vtkSegment()
        segment.SetName(mask.title)
        segment.SetColor(*(int(mask.color[n : n + 2], 16) / 255 for n in (1, 3, 5)))
        segment.SetTag(segment.GetTerminologyEntryTagName(), mask.terminology)
        segment.SetLabelValue(mask.label)
        whole = Patch(mask.volume.whole, mask.volume.array.astype(bool)).tight()
        segment.AddRepresentation(LABELMAP, oriented_image(whole, mask.label, local_matrix(volume_node)))
        segmentation.AddSegment(segment, mask.name)
        node.GetDisplayNode().SetSegmentOpacity2DFill(mask.name, FILL)


def _show_map(volume_node: Node, values: np.ndarray) -> None:
    """Show values from 0, which are transparent, to 1."""
    node = review_node(volume_node, ATTENTION, IMAGE, "Where the systems looked", hidden=True)
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    set_image(node, values.astype(np.float32), local_matrix(volume_node))
    table = review_node(volume_node, "attention colours", "vtkMRMLColorTableNode", "Attention", hidden=True)
    table.SetTypeToUser()
    table.SetNumberOfColors(256)
    for n in range(256):
        table.SetColor(n, str(n), *(TINT / 255), n / 255)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(table.GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, 1.0)


def _is_map(node: Node) -> bool:
    return node.GetAttribute(ROLE) == ATTENTION


def _of_class(scene: Scene, name: str) -> list[Node]:
    return [scene.GetNthNodeByClass(n, name) for n in range(scene.GetNumberOfNodesByClass(name))]
