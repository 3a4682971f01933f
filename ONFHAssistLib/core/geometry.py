"""What lies where in a hip: its side, the sphere of its head, the points of its acetabulum. RAS in mm."""

from dataclasses import dataclass
from typing import Literal

from ONFHAssistLib.core.grid import Point

Side = Literal["right", "left"]
SIDES: tuple[Side, Side] = ("right", "left")
HEAD_RADIUS_MM = (10.0, 40.0)
"""Of a femoral head's sphere; wider than what is fitted (`imaging.segment.RADIUS_MM`)."""
FURTHEST_MM = 1e6
"""No point of a patient lies farther from the origin, as no image does (`imaging.limits.ORIGIN_MM`)."""


@dataclass(frozen=True)
class Sphere:
    """The best-fit sphere of a femoral head's articular surface."""

    centre_ras_mm: Point
    radius_mm: float


@dataclass(frozen=True)
class HeadSeed:
    """A femoral head that a reader has pointed at: centre in RAS mm and, if placed by hand, the sphere's radius."""

    side: Side
    centre_ras_mm: Point
    radius_mm: float | None = None


@dataclass(frozen=True)
class Landmarks:
    """The points of the acetabulum on the mid-coronal plane that place the weight-bearing portion.

    Attributes:
        acetabular_edge_ras_mm, teardrop_ras_mm: the lateral edge of the roof, the lower end of the medial wall.
        acetabular_edge_confidence, teardrop_confidence: 0 to 1, how well neighbouring slices of the mask agree on the
            point (`imaging.landmarks.find_landmarks`); None where there is none, or where a reader has placed it.
    """

    acetabular_edge_ras_mm: Point | None = None
    teardrop_ras_mm: Point | None = None
    acetabular_edge_confidence: float | None = None
    teardrop_confidence: float | None = None


def require_sound(sphere: Sphere | None, landmarks: Landmarks = Landmarks()) -> None:
    """Refuse what no femoral head has, wherever a sphere or landmarks come from a file: whatever is measured on them
    takes as long as the sphere is large.

    Raises:
        ValueError: a radius beyond HEAD_RADIUS_MM, a point beyond FURTHEST_MM or that is no number, or a confidence
            that is none.
    """
    smallest, largest = HEAD_RADIUS_MM
    if sphere is not None and not smallest <= sphere.radius_mm <= largest:
        raise ValueError(f"a sphere of {sphere.radius_mm:g} mm; a femoral head has {smallest:g} to {largest:g} mm")
    centre = None if sphere is None else sphere.centre_ras_mm
    points = (centre, landmarks.acetabular_edge_ras_mm, landmarks.teardrop_ras_mm)
    if not all(abs(x) <= FURTHEST_MM for point in points if point is not None for x in point):
        raise ValueError("a point that is kilometres away, or no number")
    confidences = (landmarks.acetabular_edge_confidence, landmarks.teardrop_confidence)
    if not all(0 <= confidence <= 1 for confidence in confidences if confidence is not None):
        raise ValueError("a confidence that is not between 0 and 1")
