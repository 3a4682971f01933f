"""The nodes that a review adds to a scene: found again by their role, named without the patient, filed in the study."""

from typing import Any

from ONFHAssistLib.core.outside import parse_json

Scene = Any
Node = Any
"""vtkMRMLScene and vtkMRMLNode; their classes are only there inside of Slicer or with slicer-core."""
Data = Any
"""What nodes hold: vtkSegmentation, vtkOrientedImageData."""

ROLE = "ONFHAssist.Role"
"""Attribute that says what a node is for; with the volume that it refers to, it finds the node again."""
VOLUME = "ONFHAssistVolume"
"""Node reference to the volume under review."""


def find_node(volume_node: Node, role: str, class_name: str) -> Node | None:
    """Return the node of a review that has this role; None where there is none (any more)."""
    scene = volume_node.GetScene()
    for n in range(scene.GetNumberOfNodesByClass(class_name)):
        node = scene.GetNthNodeByClass(n, class_name)
        if node.GetAttribute(ROLE) == role and node.GetNodeReferenceID(VOLUME) == volume_node.GetID():
            return node
    return None


def review_node(volume_node: Node, role: str, class_name: str, name: str, hidden: bool = False) -> Node:
    """Return the node of a review that has this role, made if missing.

    Args:
        volume_node: the volume under review, in a scene.
        role: what the node is for, such as "right sphere".
        class_name: MRML class.
        name: for people; never the patient's.
        hidden: keep it out of lists and of the subject hierarchy.
    """
    found = find_node(volume_node, role, class_name)
    if found is not None:
        return found
    import slicer

    node = getattr(slicer, class_name)()
    node.SetName(name)
    node.SetHideFromEditors(hidden)
    node.SetAttribute(ROLE, role)
    volume_node.GetScene().AddNode(node)
    node.SetNodeReferenceID(VOLUME, volume_node.GetID())
    if hasattr(node, "CreateDefaultDisplayNodes"):
        node.CreateDefaultDisplayNodes()
    if not hidden:
        file_in_study(volume_node, node)
    return node


def review_nodes(volume_node: Node) -> list[Node]:
    """Return every node of the volume's review."""
    scene = volume_node.GetScene()
    nodes = (scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes()))
    own = [node for node in nodes if node.GetAttribute(ROLE)]
    return [node for node in own if node.GetNodeReferenceID(VOLUME) == volume_node.GetID()]


def remove_review(volume_node: Node) -> None:
    """Take every node of the volume's review out of its scene."""
    for node in review_nodes(volume_node):
        remove_node(node)


def remove_node(node: Node) -> None:
    """Take a node out of its scene, with what belongs to it alone (display, file)."""
    scene, roles = node.GetScene(), ("display", "storage")
    own = [node.GetNthNodeReference(r, n) for r in roles for n in range(node.GetNumberOfNodeReferences(r))]
    for one in (node, *own):
        if one is not None and one.GetScene() is scene:
            scene.RemoveNode(one)


def file_in_study(volume_node: Node, node: Node) -> None:
    """Put a node beside the volume in the subject hierarchy, under the same study if there is one."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume_node.GetScene())
    if hierarchy is None:
        return
    beside = hierarchy.GetItemByDataNode(volume_node)
    parent = hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID()
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def parsed(text: str | bytes | None) -> Any:
    """Return what JSON in a scene says, None where it says nothing; raises ValueError where it is none.

    VTK gives bytes where a text is no UTF-8.
    """
    return parse_json(text if isinstance(text, bytes) else text.encode()) if text else None
