"""Why geometry gives another class than the network: what alone would have to lie elsewhere, and how far."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ONFHAssistLib.core.arcs import section_radius_mm, weight_bearing_portion
from ONFHAssistLib.core.geometry import Landmarks
from ONFHAssistLib.core.gradings.jic import jic_class
from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.core.measurements import HipMeasurement

FARTHEST_MM, STEP_MM = 20.0, 0.25
"""Moves are sought up to here, in these steps."""
EDGE, TEARDROP, END = "the lateral acetabular edge", "the teardrop", "the lateral end of the lesion"
TYPICAL_MM = {EDGE: 3.5, TEARDROP: 1.9, END: 2.0}
"""How far off the points usually lie, medians on the test studies: ``python -m training.evaluate heads`` for the
landmarks, ``python -m training.benchmarks.jic`` for the end of painted lesions."""


@dataclass(frozen=True)
class Move:
    """One thing that, moved alone, gives the other class.

    Attributes:
        what: EDGE, TEARDROP or END.
        mm: how far it has to move; edge and end along the surface of the head.
        where: in which direction, in words.
    """

    what: str
    mm: float
    where: str

    @property
    def typical(self) -> float:
        """How far it has to move as a part of how far off it usually lies."""
        return self.mm / TYPICAL_MM[self.what]


def moves_to(wanted: str, measured: HipMeasurement) -> tuple[Move, ...]:
    """Return what would give the class ``wanted``, the likeliest one first; what lies beyond FARTHEST_MM is left out.

    Args:
        wanted: the class that the network gives: A, B, C1 or C2.
        measured: a hip that geometry puts into another class; without a class there is nothing to move.
    """
    if measured.weight_bearing is None or measured.lateral_end_deg is None:
        return ()
    found = []
    for what in (EDGE, TEARDROP, END):
        for mm in np.arange(STEP_MM, FARTHEST_MM + STEP_MM / 2, STEP_MM):
            where = next((where for where, name in _classes(what, float(mm), measured) if name == wanted), None)
            if where is not None:
                found.append(Move(what, float(mm), where))
                break
    return tuple(sorted(found, key=lambda move: move.typical))


def _classes(what: str, mm: float, measured: HipMeasurement) -> Iterator[tuple[str, str]]:
    """Yield the directions in which a thing may move, and the class that geometry gives then."""
    portion, end, coronal = measured.weight_bearing, measured.lateral_end_deg, measured.coronal
    assert portion is not None and end is not None and coronal is not None
    turn = float(np.degrees(mm / max(section_radius_mm(coronal.plane, measured.sphere), 1.0)))
    if what == END:
        for where, sign in (("more laterally", 1), ("more medially", -1)):
            yield where, jic_class((end + sign * turn - portion.medial_deg) / portion.span_deg)
        return
    for where, moved in _moved_edges(measured, turn) if what == EDGE else _moved_teardrops(measured, mm):
        other = weight_bearing_portion(coronal.plane, measured.sphere, moved, measured.side)
        if other is not None:
            yield where, jic_class((end - other.medial_deg) / other.span_deg)


def _moved_edges(measured: HipMeasurement, turn_deg: float) -> Iterator[tuple[str, Landmarks]]:
    """Turn the edge about the head's centre: the roof is as round as the head."""
    assert measured.coronal is not None and measured.landmarks.acetabular_edge_ras_mm is not None
    lateral, superior = measured.coronal.plane.directions(measured.side)
    centre = np.array(measured.sphere.centre_ras_mm)
    offset = np.array(measured.landmarks.acetabular_edge_ras_mm) - centre
    across, up = float(offset @ lateral), float(offset @ superior)
    for where, sign in (("more laterally", 1), ("more medially", -1)):
        cos, sin = np.cos(np.radians(sign * turn_deg)), np.sin(np.radians(sign * turn_deg))
        turned = offset + (across * cos + up * sin - across) * lateral + (up * cos - across * sin - up) * superior
        yield where, replace(measured.landmarks, acetabular_edge_ras_mm=as_point(centre + turned))


def _moved_teardrops(measured: HipMeasurement, mm: float) -> Iterator[tuple[str, Landmarks]]:
    assert measured.coronal is not None and measured.landmarks.teardrop_ras_mm is not None
    lateral, superior = measured.coronal.plane.directions(measured.side)
    point = np.array(measured.landmarks.teardrop_ras_mm)
    for where, way in (
        ("higher", superior),
        ("lower", -superior),
        ("more laterally", lateral),
        ("more medially", -lateral),
    ):
        yield where, replace(measured.landmarks, teardrop_ras_mm=as_point(point + mm * way))
