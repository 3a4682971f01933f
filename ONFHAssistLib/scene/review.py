"""One study under review: its nodes in a scene, and what a reader does with them."""

import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import vtk

from ONFHAssistLib.analysis import HeadSeed
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import result_of
from ONFHAssistLib.core.hip import SIDES, HipMasks, HipResult, Landmarks, Side, Sphere, StudyResult
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.measure import Box, PlaneArcs, measure_near
from ONFHAssistLib.curation.case import ReviewedCase
from ONFHAssistLib.exchange.figures import slice_axis
from ONFHAssistLib.scene import markups, overlay, segmentation, tables
from ONFHAssistLib.scene.automatic_outline import show_automatic_outline
from ONFHAssistLib.scene.hip_state import EMPTY, Automatic, HipState, Patch
from ONFHAssistLib.scene.history import History
from ONFHAssistLib.scene.nodes import Node, Scene, remove_review
from ONFHAssistLib.scene.state import (
    SignOff,
    keep,
    kept,
    kept_reviews,
    packed,
    packed_state,
    read_sign_off,
    unpacked_state,
    write_sign_off,
)
from ONFHAssistLib.scene.volumes import grid_of, study_from_node

States = Mapping[Side, HipState]
What = Literal["head", "necrosis"]
MOVED_MM = 0.01
"""A volume whose grid lies this far from where it was has been moved."""


class Review:
    """One study under review: its nodes in a scene, and what a reader does with them.

    Made by `begin` or `restore`. The scene is the truth: whatever changes segments and landmarks there, `update` reads
    it. No Qt; nothing here runs by itself.

    Attributes:
        scene, volume_node, segmentation_node: where the review lives.
        result: as the analysis made it.
        on_touch: called, cheaply and often, when a segment, a landmark or the volume's place was modified by somebody
            else; the window waits a moment and calls `update`.
        on_gone: called with a sentence when the volume or the segmentation was removed, or the scene closed. The
            review is closed then.
    """

    def __init__(self, volume_node: Node, result: StudyResult, start: States) -> None:
        """Build the nodes of a review; use `begin` or `restore`."""
        self.volume_node = volume_node
        self.scene: Scene = volume_node.GetScene()
        self.result = result
        self.on_touch: Callable[[], None] = lambda: None
        self.on_gone: Callable[[str], None] = lambda reason: None
        self.closed = False
        self._grid = grid_of(volume_node)
        self._history: History[States] = History(dict(start))
        self._hips: dict[Side, HipResult] = {}
        self._saved: dict[Side, HipState] = dict(start)
        self._stamps: dict[MaskLabel, Hashable] = {}
        self._kept: dict[Side, Automatic] = {}
        self._arcs: dict[Side, PlaneArcs] = {}
        self._observed: list[tuple[vtk.vtkObject, int]] = []
        self._writing = False
        self.segmentation_node: Node = segmentation.segmentation_node(volume_node)
        with self._own_writing():
            self._show({}, self._states)
        self._watch()

    @classmethod
    def begin(cls, scene: Scene, volume_node: Node, result: StudyResult) -> "Review":
        """Put a result into the scene; an earlier review of this volume is replaced.

        Raises:
            InputError: the volume is not (any more) the one that was analysed; nothing is left behind.
        """
        if volume_node is None or volume_node.GetScene() is not scene:
            raise InputError("The volume was removed while it was analysed; load it again.")
        grid = grid_of(volume_node)
        if grid.array.shape != result.volume.array.shape or not _near(grid.ijk_to_ras, result.volume.ijk_to_ras):
            raise InputError("The volume was changed or moved while it was analysed; analyse it again.")
        graded = {hip.side: hip for hip in result.hips}
        by_threshold = {masks.side: masks for masks in result.threshold_masks}
        start = {
            masks.side: Automatic.of(masks, graded[masks.side], by_threshold.get(masks.side)).state
            for masks in result.masks
        }
        with _batch(scene):
            remove_review(volume_node)
            try:
                return cls(volume_node, result, start)
            except BaseException:
                remove_review(volume_node)
                raise

    @classmethod
    def restore(cls, scene: Scene, known: Sequence["Review"] = ()) -> list["Review"]:
        """Take up every review that an opened scene keeps, but for those of ``known`` that are open.

        Raises:
            InputError: what is kept of one cannot be read.
        """
        under_review = [review.volume_node for review in known if not review.closed]
        restored = []
        for node in kept_reviews(scene):
            if node in under_review:
                continue
            volume = study_from_node(node).volume
            result, automatic = kept(node, volume)
            with _batch(scene):
                restored.append(cls(node, result, {side: _as_kept(node, one) for side, one in automatic.items()}))
        return restored

    @property
    def sides(self) -> tuple[Side, ...]:
        """The hips that were asked for, right before left: segmented or not."""
        known = {hip.side for hip in self.result.hips} | set(self._states)
        return tuple(side for side in SIDES if side in known)

    def hip(self, side: Side) -> HipResult:
        """Return the result of a hip as it is now; "not graded" with the reason where there are no masks."""
        return self._hips[side]

    def automatic(self, side: Side) -> HipResult:
        """Return the result that the networks had made of a hip."""
        state = self._states.get(side)
        return state.automatic.result if state else self._hips[side]

    def masks(self, side: Side) -> HipMasks:
        """Return the masks of a hip as they are now, on the grid of the input; raises InputError where it has none."""
        return self._state(side).masks(self._grid)

    def segment_id(self, side: Side, what: What) -> str:
        """Return the ID of a segment; raises InputError where the hip has none, or the reader has deleted it."""
        self._state(side)
        label = MaskLabel.head(side) if what == "head" else MaskLabel.necrosis(side)
        found = segmentation.segment_id(self.segmentation_node, label)
        if found is None:
            name = f"{side} {what}"
            raise InputError(
                f"The segment of the {name} was deleted; undo that, or go back to the automatic result of the hip."
            )
        return found

    def changed(self, side: Side) -> bool:
        """Say whether a hip differs from what the networks made of it."""
        state = self._states.get(side)
        return state is not None and not state.same_as(state.automatic.state)

    @property
    def unsaved(self) -> bool:
        """Whether a reader has changed something that `mark_saved` has not heard of."""
        return any(self._saved.get(side) is not state for side, state in self._states.items())

    def mark_saved(self, side: Side) -> None:
        """Remember that a hip was saved as it is now."""
        self._saved[side] = self._state(side)

    def update(self) -> tuple[Side, ...]:
        """Read what was changed in the scene, measure and grade it, and show it; one step of the history.

        Necrosis outside of the head is cut off, in the segment too. A segment that was deleted counts as empty.

        Returns:
            the sides that have changed.

        Raises:
            InputError: the volume was moved, so that the masks do not lie on it any more.
        """
        if self.closed:
            return ()
        self._require_place()
        before = self._states
        with self._own_writing():
            if markups.landmarks_node(self.volume_node) is not self._landmarks_node:  # the reader has deleted it
                self._watch_landmarks(before)
            now = {side: self._read(side, state) for side, state in before.items()}
            changed = tuple(side for side in now if now[side] is not before[side])
            if changed:
                self._history.push("; ".join(_words(side, before[side], now[side]) for side in changed), now)
                self._show(now, now, changed)
        return changed

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step forth."""
        return self._history.can_redo

    def undo(self) -> str | None:
        """Take the last step back, also what `update` has not read yet; return what it was, in words."""
        self.update()
        return self._step(self._history.undo)

    def redo(self) -> str | None:
        """Do again what was undone; return what it was, in words. Where something else was done since: None."""
        self.update()
        return self._step(self._history.redo)

    def reset(self, side: Side, slice_index: int | None = None) -> None:
        """Go back to the automatic result, of one slice (index along k) or of the hip with sphere and landmarks."""
        self.update()
        state = self._state(side)
        start = state.automatic.state
        words = f"{side} hip: back to the automatic result"
        if slice_index is None:
            self._do(words, side, start)
            return
        head, necrosis = (
            _with_slice(mine, theirs, slice_index)
            for mine, theirs in ((state.head, start.head), (state.necrosis, start.necrosis))
        )
        self._do(f"{words} in slice {slice_index}", side, state.with_masks(head, necrosis))

    def set_sphere(self, side: Side, sphere: Sphere) -> None:
        """Move or resize the sphere that arcs and angles are measured on; the masks stay as they are."""
        self.update()
        state = self._state(side)
        self._do(f"{side} sphere moved", side, state.with_points(sphere, state.landmarks))

    def replace_hip(self, found: StudyResult, side: Side) -> None:
        """Take a hip that was segmented anew, from a `HeadSeed`, for the automatic one; can be undone.

        Raises:
            InputError: it was not segmented; the sentence has the reason.
        """
        self.update()
        hip = next((hip for hip in found.hips if hip.side == side), None)
        masks = next((masks for masks in found.masks if masks.side == side), None)
        if hip is None or masks is None:
            reason = hip.reason if hip and hip.reason else "it was not looked at"
            raise InputError(f"The {side} hip could not be segmented: {reason}.")
        threshold = next((masks for masks in found.threshold_masks if masks.side == side), None)
        self._do(f"{side} hip segmented anew", side, Automatic.of(masks, hip, threshold).state)

    def seed(self, side: Side) -> HeadSeed:
        """Return where the reader sees a head: its centre as marked, and the radius where the reader has set it.

        Raises:
            InputError: the centre is not marked.
        """
        node = markups.landmarks_node(self.volume_node)
        _, centre = markups.read_landmarks(node, side)
        if centre is None:
            raise InputError(f"The centre of the {side} head is not marked; click on it in an image.")
        sphere, state = markups.read_sphere(node, side), self._states.get(side)
        fitted = state.automatic.near.sphere.radius_mm if state else None
        by_hand = sphere is not None and sphere.radius_mm != fitted
        return HeadSeed(side, centre, sphere.radius_mm if by_hand else None)

    def study_result(self) -> StudyResult:
        """Return the study with masks and grades as they are now, for reports, tables and files."""
        graded = [side for side in self.sides if self._hips[side].status == "graded"]
        by_threshold = [self._states[side].automatic.threshold for side in graded]
        return replace(
            self.result,
            hips=tuple(self._hips[side] for side in self.sides),
            masks=tuple(self.masks(side) for side in graded),
            threshold_masks=tuple(masks for masks in by_threshold if masks),
        )

    def sign_off(self, side: Side) -> SignOff:
        """Return reviewer, status and comment as they were given last, also before the scene was saved."""
        return read_sign_off(self.volume_node, side)

    def set_sign_off(self, side: Side, sign_off: SignOff) -> None:
        """Keep reviewer, status and comment of a hip in the scene."""
        write_sign_off(self.volume_node, side, sign_off)

    def case(self, side: Side, patient_code: str = "") -> ReviewedCase:
        """Return one hip as the reader leaves it, with the sign-off that was set, for `curation.case.save_case`.

        Args:
            side: which hip.
            patient_code: the same for all studies of a patient; where it is empty, the DICOM patient ID, if known.

        Raises:
            InputError: the hip is not segmented, or something is missing.
        """
        self.update()
        now, words, patient = self._state(side), self.sign_off(side), self.result.patient
        return ReviewedCase(
            patient_code=patient_code or patient.get("id", ""),
            image=self.result.volume,
            masks=self.masks(side),
            result=self._hips[side],
            reviewer=words.reviewer,
            status=words.status,
            automatic=now.automatic.state.masks(self._grid),
            automatic_result=now.automatic.result,
            source=self.result.source,
            models=self.result.models,
            comment=words.comment,
            identifiers=tuple(value for value in patient.values() if value),
        )

    def slices_that_matter(self, side: Side) -> tuple[int, ...]:
        """Return the slices (indices along k) to be looked at, in their order along the body.

        Those are: the most uncertain ones, the worst, the middle one, and those that the reader has changed.
        """
        hips = (self.hip(side), self.automatic(side))
        found = {index for hip in hips for index in hip.look_first}
        for hip in hips:
            details = hip.grades["steinberg"].details if "steinberg" in hip.grades else {}
            found |= {details[name]["index"] for name in ("worst_slice", "mid_slice") if details.get(name)}
        now = self._states.get(side)
        if now is not None:
            found |= _slices_that_differ(now, now.automatic.state)
        direction, _ = slice_axis(self._grid)
        forward = float(self._grid.axes_ras[:, 2] @ direction) > 0
        return tuple(sorted(found, reverse=not forward))

    def made(self) -> dict[str, Any]:
        """Return what the networks had made of the study as JSON-ready values, for `made_result`."""
        return packed(self.result, {side: state.automatic for side, state in self._states.items()})

    def now(self) -> dict[str, Any]:
        """Return the hips as they are now as JSON-ready values, for `take_up`; without what the networks made."""
        return {side: packed_state(state) for side, state in self._states.items()}

    def take_up(self, now: Mapping[str, Any]) -> None:
        """Go on with the hips as `now` returned them for the same analysis; can be undone.

        Raises:
            InputError: it is damaged, or of another analysis.
        """
        self.update()
        try:
            states = {side: unpacked_state(plain, self._states[side].automatic) for side, plain in now.items()}
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise InputError(
                f"The draft of this study cannot be read ({error}); start from the automatic result."
            ) from error
        before = self._states
        with self._own_writing():
            self._history.push("draft taken up", {**before, **states})
            self._show(before, self._states)

    def close(self) -> None:
        """Stop observing the scene; the nodes stay. Idempotent."""
        self.closed = True
        while self._observed:
            thing, tag = self._observed.pop()
            thing.RemoveObserver(tag)

    def remove(self) -> None:
        """Close the review and take its nodes out of the scene, but not the volume."""
        self.close()
        with _batch(self.scene):
            remove_review(self.volume_node)

    @property
    def _states(self) -> States:
        return self._history.present

    def _state(self, side: Side) -> HipState:
        if side not in self._states:
            raise InputError(f"The {side} hip is not segmented; click on the centre of its head to segment it.")
        return self._states[side]

    def _require_place(self) -> None:
        grid = grid_of(self.volume_node)
        if grid.array.shape != self._grid.array.shape or not _near(grid.ijk_to_ras, self._grid.ijk_to_ras):
            raise InputError("The volume was moved or changed under its review; undo that, or analyse it again.")

    def _read(self, side: Side, state: HipState) -> HipState:
        """Return the hip as it is in the scene: ``state`` itself where it is the same."""
        found = state
        marks = {}
        for label, known in zip(segmentation.labels_of(side), (state.head, state.necrosis), strict=True):
            stamp = segmentation.stamp(self.segmentation_node, label)
            marks[label] = known
            if stamp != self._stamps[label]:
                marks[label] = segmentation.read_mask(self.segmentation_node, self.volume_node, label) or EMPTY
                self._stamps[label] = stamp
        head, necrosis = marks.values()
        if head is not state.head or necrosis is not state.necrosis:
            found = state.with_masks(head, necrosis)
            label = MaskLabel.necrosis(side)
            if int(found.necrosis.array.sum()) != int(necrosis.array.sum()):
                self._write(label, found.necrosis)
        found = self._with_points_of(side, found)
        return state if found.same_as(state) else found

    def _with_points_of(self, side: Side, state: HipState) -> HipState:
        node = markups.landmarks_node(self.volume_node)
        sphere = markups.read_sphere(node, side)
        landmarks, _ = markups.read_landmarks(node, side)
        if sphere is None:  # a head has a centre: what took its position away does not count
            sphere = state.sphere
        return state.with_points(sphere, landmarks)

    def _do(self, words: str, side: Side, state: HipState) -> None:
        before = self._states
        if side in before and state.same_as(before[side]):
            return
        with self._own_writing():
            self._history.push(words, {**before, side: state})
            self._show(before, self._states)

    def _step(self, step: Callable[[], str | None]) -> str | None:
        before = self._states
        words = step()
        if words is not None:
            with self._own_writing():
                self._show(before, self._states)
        return words

    def _show(self, before: States, now: States, sides: tuple[Side, ...] | None = None) -> None:
        """Bring scene and results from one state to another; ``sides`` are measured even where nothing differs."""
        node = markups.landmarks_node(self.volume_node)
        for side in self.sides if sides is None else sides:
            state, earlier = now.get(side), before.get(side)
            for label in segmentation.labels_of(side):
                if state is None:
                    segmentation.remove_mask(self.segmentation_node, label)
                    continue
                mask = state.head if label == MaskLabel.head(side) else state.necrosis
                missing = segmentation.segment_id(self.segmentation_node, label) is None
                if (
                    earlier is None
                    or (state is not earlier and not state.same_masks(earlier))
                    or (missing and not sides)
                ):
                    self._write(label, mask)
            if sides is None and state is not None and state is earlier:
                continue
            markups.write_landmarks(
                node, side, state.landmarks if state else Landmarks(), state.sphere if state else None
            )
            self._hips[side] = self._measured(side, state)
            self._draw(side, state)
        automatic = {side: state.automatic for side, state in now.items()}
        if automatic != self._kept:
            keep(self.volume_node, self.result, automatic)
            self._kept = automatic

    def _write(self, label: MaskLabel, mask: Patch) -> None:
        segmentation.write_mask(self.segmentation_node, self.volume_node, label, mask)
        self._stamps[label] = segmentation.stamp(self.segmentation_node, label)

    def _measured(self, side: Side, state: HipState | None) -> HipResult:
        if state is None:
            missed = next((hip for hip in self.result.hips if hip.side == side), None)
            return missed or HipResult(side, "not graded", "it was not asked for")
        automatic = state.automatic
        if state.same_as(automatic.state):
            return automatic.result
        if state.head_bits.size == 0:
            reason = "the mask of its head is empty; draw the head, or go back to the automatic result"
            return HipResult(side, "not graded", reason, state.sphere, state.landmarks)
        measured = measure_near(self._grid, state.near(self._grid), state.box, self._arcs.setdefault(side, PlaneArcs()))
        return replace(result_of(measured), threshold=automatic.result.threshold)

    def _draw(self, side: Side, state: HipState | None) -> None:
        hip = self._hips[side]
        automatic = state.automatic.result if state else None
        tables.update_table(tables.hip_table(self.volume_node, side), self._grid, hip, automatic)
        masks = None
        if state is not None:  # the overlay looks at the grid, not at the voxels
            masks = HipMasks(side, self._grid, self._grid, state.sphere, state.landmarks)
        overlay.update_overlay(overlay.overlay_nodes(self.volume_node, side), hip, masks)
        start = state.automatic.state if state and self.changed(side) else None
        show_automatic_outline(self.volume_node, side, self._grid, start and start.necrosis)

    def _watch(self) -> None:
        import slicer

        events = slicer.vtkSegmentation
        node = self.segmentation_node
        for event in (events.SourceRepresentationModified, events.SegmentRemoved, vtk.vtkCommand.ModifiedEvent):
            self._observe(node, event, self._touched)
        self._watch_landmarks()
        self._observe(self.volume_node, self.volume_node.TransformModifiedEvent, self._touched)
        self._observe(self.scene, self.scene.NodeAboutToBeRemovedEvent, self._removed)
        self._observe(self.scene, self.scene.StartCloseEvent, self._scene_closes)

    def _watch_landmarks(self, states: States | None = None) -> None:
        """Observe the landmarks, which are made anew and placed where they were deleted."""
        node = self._landmarks_node = markups.landmarks_node(self.volume_node)
        for side, state in (states or {}).items():
            markups.write_landmarks(node, side, state.landmarks, state.sphere)
        for event in (
            node.PointModifiedEvent,
            node.PointPositionDefinedEvent,
            node.PointPositionUndefinedEvent,
            vtk.vtkCommand.ModifiedEvent,
        ):
            self._observe(node, event, self._touched)

    def _observe(self, thing: vtk.vtkObject, event: int, callback: Callable) -> None:
        self._observed.append((thing, thing.AddObserver(event, callback)))

    def _touched(self, *_: object) -> None:
        if not self._writing and not self.closed:
            self.on_touch()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _removed(self, caller: object, event: str, node: Node) -> None:
        if self._writing or self.closed:
            return
        if node is self.volume_node:
            self._gone("The volume under review was removed.")
        elif node is self.segmentation_node:
            self._gone("The segmentation of the review was removed.")

    def _scene_closes(self, *_: object) -> None:
        self._gone("The scene was closed.")

    def _gone(self, reason: str) -> None:
        if not self.closed:
            self.close()
            self.on_gone(reason)

    @contextmanager
    def _own_writing(self) -> Iterator[None]:
        """What happens inside is this review's doing: nobody is told that it was touched."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before


@contextmanager
def _batch(scene: Scene) -> Iterator[None]:
    """Let views and lists wait until all nodes are there."""
    scene.StartState(scene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(scene.BatchProcessState)


def _as_kept(volume_node: Node, automatic: Automatic) -> HipState:
    """Return a hip as the nodes of an opened scene have it; what is missing there is as the networks made it."""
    start = automatic.state
    side = automatic.near.side
    node = segmentation.segmentation_node(volume_node)
    marks = [segmentation.read_mask(node, volume_node, label) for label in segmentation.labels_of(side)]
    head, necrosis = (EMPTY if mask is None else mask for mask in marks)
    landmarks_node = markups.landmarks_node(volume_node)
    landmarks, _ = markups.read_landmarks(landmarks_node, side)
    return start.with_masks(head, necrosis).with_points(
        markups.read_sphere(landmarks_node, side) or start.sphere, landmarks
    )


def _slices_that_differ(one: HipState, other: HipState) -> set[int]:
    """Return the indices along k in which head or necrosis differ."""
    box = _joint_box(one.box, other.box)
    pairs = ((one.head, other.head), (one.necrosis, other.necrosis))
    differ = np.any([a.within(box) != b.within(box) for a, b in pairs], axis=(0, 2, 3))
    return {box[0].start + int(k) for k in np.flatnonzero(differ)}


def _joint_box(one: Box, other: Box) -> Box:
    boxes = [box for box in (one, other) if all(part.stop > part.start for part in box)] or [one]
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() < MOVED_MM)


def _with_slice(mine: Patch, theirs: Patch, index: int) -> Patch:
    """Return a mask with one slice of another one."""
    box = _joint_box(mine.box, theirs.box)
    found, other = mine.within(box), theirs.within(box)
    if box[0].start <= index < box[0].stop:
        found[index - box[0].start] = other[index - box[0].start]
    return Patch(box, found)


def _words(side: Side, before: HipState, now: HipState) -> str:
    """Say in a few words what a reader has changed."""
    parts = []
    if not now.same_head(before):
        parts.append("head")
    if not now.same_masks(before) and not parts:
        parts.append("necrosis")
    if now.sphere != before.sphere:
        parts.append("sphere")
    if now.landmarks != before.landmarks:
        parts.append("landmarks")
    return f"{side} {' and '.join(parts)} changed"
