"""A volume that is moved takes its review along: masks stay with the voxels, points and spheres go with the patient."""

from dataclasses import replace

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.grid import Grid, Point, as_point
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.scene.hip_state import Automatic, HipState
from ONFHAssistLib.scene.nodes import Node, Scene
from ONFHAssistLib.scene.volumes import grid_of

RIGID = 1e-4
"""A rotation's matrix is orthogonal to this."""


def require_unmoved(scene: Scene, volume_node: Node, analysed: Grid) -> None:
    """Raise InputError unless a volume is still in a scene, and where it was analysed."""
    if volume_node is None or volume_node.GetScene() is not scene:
        raise InputError("The volume was removed while it was analysed; load it again.")
    if not grid_of(volume_node).matches(analysed):
        raise InputError("The volume was changed or moved while it was analysed; analyse it again.")


def require_rigid(before: Grid, now: Grid) -> None:
    """Raise InputError unless a grid was only moved and turned."""
    turn = _motion(before, now)[:3, :3]
    rigid = np.allclose(turn @ turn.T, np.eye(3), atol=RIGID) and np.linalg.det(turn) > 0
    if before.shape != now.shape or not rigid:
        raise InputError("The volume was changed or scaled under its review; undo that, or analyse it again.")


class Move:
    """The way from one place of a grid to another; what was the same object before is one afterwards, too."""

    def __init__(self, before: Grid, now: Grid) -> None:
        """Take both grids, of the same shape."""
        self._motion = _motion(before, now)
        self._grid = now
        self._automatic: dict[int, tuple[Automatic, Automatic]] = {}
        self._states: dict[int, tuple[HipState, HipState]] = {}

    def state(self, state: HipState) -> HipState:
        """Return a hip at its new place."""
        if id(state) not in self._states:
            automatic = self.automatic(state.automatic)
            sphere, landmarks = self._sphere(state.sphere), self._landmarks(state.landmarks)
            at_start = state is state.automatic.state
            moved = (
                automatic.state if at_start else replace(state, automatic=automatic, sphere=sphere, landmarks=landmarks)
            )
            self._states[id(state)] = (state, moved)  # the key holds as long as its object lives
        return self._states[id(state)][1]

    def automatic(self, automatic: Automatic) -> Automatic:
        """Return what the networks had made of a hip at its new place, measured there."""
        if id(automatic) not in self._automatic:
            masks = self._masks(automatic.masks)
            findings = tuple(found.moved(self._motion, self._grid) for found in automatic.findings)
            moved = replace(automatic, masks=masks, result=grade(masks), findings=findings)
            self._automatic[id(automatic)] = (automatic, moved)
        return self._automatic[id(automatic)][1]

    def result(self, result: StudyResult) -> StudyResult:
        """Return a study at its new place, its hips measured there."""
        masks = tuple(map(self._masks, result.masks))
        measured = {one.side: grade(one) for one in masks}
        hips = tuple(
            measured.get(hip.side) or replace(hip, sphere=hip.sphere and self._sphere(hip.sphere))
            for hip in result.hips
        )
        findings = tuple(found.moved(self._motion, self._grid) for found in result.findings)
        volume = Volume(result.volume.array, self._grid.ijk_to_ras)
        return replace(result, volume=volume, hips=hips, masks=masks, findings=findings)

    def _masks(self, masks: HipMasks) -> HipMasks:
        sphere, landmarks = self._sphere(masks.sphere), self._landmarks(masks.landmarks)
        return replace(masks.moved_to(self._grid), sphere=sphere, landmarks=landmarks)

    def _sphere(self, sphere: Sphere) -> Sphere:
        return replace(sphere, centre_ras_mm=self._point(sphere.centre_ras_mm))

    def _landmarks(self, landmarks: Landmarks) -> Landmarks:
        edge, teardrop = landmarks.acetabular_edge_ras_mm, landmarks.teardrop_ras_mm
        return replace(
            landmarks,
            acetabular_edge_ras_mm=edge and self._point(edge),
            teardrop_ras_mm=teardrop and self._point(teardrop),
        )

    def _point(self, point: Point) -> Point:
        moved = self._motion[:3, :3] @ np.array(point) + self._motion[:3, 3]
        return as_point(moved)


def _motion(before: Grid, now: Grid) -> np.ndarray:
    """Return what maps the patient's points, RAS in mm, from one place to the other (4, 4)."""
    return now.ijk_to_ras @ np.linalg.inv(before.ijk_to_ras)
