"""Head centres and landmarks of a review as control points that a reader can drag, in one node "Landmarks".

All points are in world RAS mm. A point that is not known is there without a position, so that it can be placed. A
point is known by its label, or by its description where a reader has changed the label.
"""

import json
import math
from typing import Literal

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import FURTHEST_MM, SIDES, HeadSeed, Landmarks, Side, Sphere, require_sound
from ONFHAssistLib.core.grid import Point, as_point
from ONFHAssistLib.core.plain import from_plain
from ONFHAssistLib.scene.nodes import Node, parsed, review_node

What = Literal["head centre", "acetabular edge", "teardrop"]
POINTS: dict[What, str] = {
    "head centre": "centre of the sphere that fits the joint surface of the femoral head",
    "acetabular edge": "lateral end of the acetabular roof on the mid-coronal slice",
    "teardrop": "lower end of the teardrop, the medial acetabular wall, on the mid-coronal slice",
}
"""The points of each side, with what a reader should look for."""

SAME_WITHIN_MM = 0.01
"""A point that lies where it was written, as exactly as files keep it, has not been dragged."""

WAITING = "ONFHAssist.WaitingFor"
"""Attribute of the node: label of the point that the next click places."""

MARK_RGB = (1.0, 0.6, 0.82)
"""As in the report's pictures."""


def landmarks_node(volume_node: Node) -> Node:
    """Return the review's vtkMRMLMarkupsFiducialNode, made if missing: three points for each side, none placed yet.

    Points that were deleted are there again, without a position.
    """
    node = review_node(volume_node, "landmarks", "vtkMRMLMarkupsFiducialNode", "Landmarks")
    missing = [(side, what) for side in SIDES for what in POINTS if control_point(node, side, what) is None]
    if missing:
        _add_points(node, missing)
    return node


def _add_points(node: Node, missing: list[tuple[Side, What]]) -> None:
    is_new = node.GetNumberOfControlPoints() == 0
    with _Bulk(node):
        node.SetFixedNumberOfControlPoints(False)
        for side, what in missing:
            index = node.AddControlPoint(0.0, 0.0, 0.0)
            node.SetNthControlPointLabel(index, label(side, what))
            node.SetNthControlPointDescription(index, f"{label(side, what)}: {POINTS[what]}")
            node.UnsetNthControlPointPosition(index)
        # No click adds a seventh point, and none can be deleted: a reader can take its position only.
        node.SetFixedNumberOfControlPoints(True)
    display = node.GetDisplayNode()
    if is_new and display is not None:
        with _Bulk(display):
            display.SetGlyphTypeFromString("Cross2D")
            display.SetSelectedColor(MARK_RGB)
            display.SetColor(MARK_RGB)
            display.SetActiveColor(1.0, 1.0, 1.0)
            display.SetGlyphScale(2.5)
            display.SetTextScale(2.5)
            display.SetOccludedVisibility(True)  # the centre lies inside the head
            display.SetPropertiesLabelVisibility(False)


def label(side: Side, what: What) -> str:
    """Return for example "Right head centre"."""
    return f"{side.capitalize()} {what}"


def write_landmarks(node: Node, side: Side, landmarks: Landmarks, sphere: Sphere | None) -> None:
    """Place the points of one side; what is None loses its position. Points already in place fire no event."""
    points: dict[What, tuple[Point | None, float | None]] = {
        "head centre": (sphere.centre_ras_mm if sphere else None, None),
        "acetabular edge": (landmarks.acetabular_edge_ras_mm, landmarks.acetabular_edge_confidence),
        "teardrop": (landmarks.teardrop_ras_mm, landmarks.teardrop_confidence),
    }
    with _Bulk(node):
        set_radius(node, side, sphere.radius_mm if sphere else None)
        for what, (point, confidence) in points.items():
            index = control_point(node, side, what)
            if index is None:
                continue
            _attribute(node, _written(side, what), None if point is None else [*point, confidence])
            placed = _position(node, index)
            if point is None and placed is not None:
                node.UnsetNthControlPointPosition(index)
            elif point is not None and (placed is None or math.dist(placed, point) > SAME_WITHIN_MM):
                node.SetNthControlPointPositionWorld(index, *point)


def read_landmarks(node: Node, side: Side) -> tuple[Landmarks, Point | None]:
    """Return the landmarks of one side and the head's centre, as they are placed now.

    A point that lies where `write_landmarks` put it comes back as it was given, with its confidence; one that a reader
    has placed has the confidence None. A point without a position is None.
    """
    edge, edge_confidence = _read(node, side, "acetabular edge")
    teardrop, teardrop_confidence = _read(node, side, "teardrop")
    centre, _ = _read(node, side, "head centre")
    return Landmarks(edge, teardrop, edge_confidence, teardrop_confidence), centre


def read_sphere(node: Node, side: Side) -> Sphere | None:
    """Return the sphere of one side, at the place of its centre now; None without centre or a head's radius."""
    centre, _ = _read(node, side, "head centre")
    if centre is None:
        return None
    try:
        sphere = Sphere(centre, float(node.GetAttribute(_radius(side)) or "nan"))
        require_sound(sphere)
    except ValueError:
        return None
    return sphere


def read_seed(node: Node, side: Side, fitted_mm: float | None) -> HeadSeed:
    """Return where a reader sees a head: its centre as marked, and the radius where it is another one than was fitted.

    Raises:
        InputError: the centre is not marked.
    """
    _, centre = read_landmarks(node, side)
    if centre is None:
        raise InputError(f"The centre of the {side} head is not marked; click on it in an image.")
    sphere = read_sphere(node, side)
    radius_mm = sphere.radius_mm if sphere else None
    return HeadSeed(side, centre, None if radius_mm == fitted_mm else radius_mm)


def set_radius(node: Node, side: Side, radius_mm: float | None) -> None:
    """Keep the radius of a side's sphere on the node; the node is modified where that is another one."""
    _attribute(node, _radius(side), radius_mm)


def control_point(node: Node, side: Side, what: What) -> int | None:
    """Return the index of a control point; None where the reader has removed it."""
    wanted = label(side, what)
    indices = range(node.GetNumberOfControlPoints())
    by_label = (index for index in indices if node.GetNthControlPointLabel(index) == wanted)
    by_text = (index for index in indices if node.GetNthControlPointDescription(index).startswith(f"{wanted}: "))
    return next(by_label, next(by_text, None))


def place_landmark(node: Node, side: Side, what: What) -> bool:
    """Let the next click in a view place this point, which loses its position until then.

    Returns:
        whether there is such a point, and a selection and interaction node in the scene.
    """
    scene, index = node.GetScene(), control_point(node, side, what)
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    if index is None or selection is None or interaction is None:
        return False
    node.SetAttribute(WAITING, label(side, what))
    node.UnsetNthControlPointPosition(index)
    node.SetControlPointPlacementStartIndex(index)
    selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
    selection.SetReferenceActivePlaceNodeID(node.GetID())
    interaction.SwitchToSinglePlaceMode()
    return True


def placing(node: Node, side: Side) -> Literal["waits", "given up"] | None:
    """Say how the placing stands that `place_landmark` has begun; None: there is none, or its point has its place.

    That it was given up is said once.
    """
    what = next((what for what in POINTS if node.GetAttribute(WAITING) == label(side, what)), None)
    if what is None:
        return None
    index, scene = control_point(node, side, what), node.GetScene()
    open_place = index is not None and _position(node, index) is None
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    if (
        open_place
        and interaction is not None
        and interaction.GetCurrentInteractionMode() == interaction.Place
        and selection.GetActivePlaceNodeID() == node.GetID()
    ):
        return "waits"
    node.SetAttribute(WAITING, None)
    return "given up" if open_place else None


class _Bulk:
    """One Modified event for what happens inside."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __enter__(self) -> None:
        self._before = self._node.StartModify()

    def __exit__(self, *_: object) -> None:
        self._node.EndModify(self._before)


def _read(node: Node, side: Side, what: What) -> tuple[Point | None, float | None]:
    index = control_point(node, side, what)
    placed = None if index is None else _position(node, index)
    if placed is None:
        return None, None
    try:
        plain = parsed(node.GetAttribute(_written(side, what)))
        *written, confidence = from_plain(tuple[float, float, float, float | None], plain)
    except ValueError:  # a point that nothing was written of is a reader's
        return placed, None
    sure = confidence is None or 0 <= confidence <= 1
    return (as_point(written), confidence) if sure and math.dist(placed, written) <= SAME_WITHIN_MM else (placed, None)


def _position(node: Node, index: int) -> Point | None:
    if node.GetNthControlPointPositionStatus(index) != node.PositionDefined:
        return None
    found = as_point(node.GetNthControlPointPositionWorld(index))
    return found if all(abs(x) <= FURTHEST_MM for x in found) else None  # a file may say anything


def _attribute(node: Node, name: str, value: object) -> None:
    text = None if value is None else json.dumps(value)
    if node.GetAttribute(name) != text:
        node.SetAttribute(name, text)


def _radius(side: Side) -> str:
    return f"ONFHAssist.{side.capitalize()}RadiusMm"


def _written(side: Side, what: What) -> str:
    return f"ONFHAssist.{label(side, what).title().replace(' ', '')}"
