"""The masks of the systems on a slice or a picture, where no hips are outlined.

Of a volume nothing is drawn: there the heads and the necrosis are what a reader looks at.
"""

from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.scene.hip_state import Patch
from ONFHAssistLib.scene.nodes import Node, find_node, review_node
from ONFHAssistLib.scene.segmentation import LABELMAP, oriented_image
from ONFHAssistLib.scene.volumes import FORM, local_matrix

MASKS, SEGMENTATION = "finding masks", "vtkMRMLSegmentationNode"
FILL = 0.15
"""Opacity of masks inside their outlines."""


def show_masks(volume_node: Node, result: StudyResult) -> None:
    """Put the masks of a slice or picture into its scene.

    Args:
        volume_node: the image.
        result: of its analysis; of a volume nothing is shown.
    """
    import slicer

    form = result.source.get("form", "volume")
    if form == "volume":
        return
    volume_node.SetAttribute(FORM, form)
    masks = [mask for found in result.findings for mask in found.masks]
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


def set_visible(volume_node: Node, visible: bool) -> None:
    """Show or hide them."""
    node = find_node(volume_node, MASKS, SEGMENTATION)
    if node is not None and node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetVisibility(visible)
