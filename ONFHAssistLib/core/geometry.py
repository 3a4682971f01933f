"""What lies where in a hip: its side, the sphere of its head, the points of its acetabulum. RAS in mm."""

from dataclasses import dataclass
from typing import Literal

from ONFHAssistLib.core.grid import Point

Side = Literal["right", "left"]
SIDES: tuple[Side, Side] = ("right", "left")


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
