"""The nodes of one review: what a reader has changed in them is read, and what the review holds is shown."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import vtk

from ONFHAssistLib.core.geometry import Landmarks, Side
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.scene import markups, overlay, segmentation, tables
from ONFHAssistLib.scene.hip_state import EMPTY, HipState, Patch
from ONFHAssistLib.scene.nodes import Node, Scene, remove_review, review_nodes
from ONFHAssistLib.scene.outlines import AUTOMATIC, READING, show_outline
from ONFHAssistLib.scene.state import bring_reviewed, kept, read_reviewed
from ONFHAssistLib.scene.volumes import study_from_node


class Stage:
    """The nodes of one review.

    Attributes:
        touched: called when somebody else has modified a segment, a landmark or the volume's place.
        gone: called with a sentence when the volume or the segmentation is removed, or the scene closed.
    """

    def __init__(self, volume_node: Node, touched: Callable[[], None], gone: Callable[[str], None]) -> None:
        """Make the segmentation and the landmarks, and observe them."""
        self.volume_node = volume_node
        self.scene: Scene = volume_node.GetScene()
        self.touched, self.gone = touched, gone
        self.segmentation_node: Node = segmentation.segmentation_node(volume_node)
        self._landmarks_node: Node = markups.landmarks_node(volume_node)
        self._stamps: dict[MaskLabel, Hashable] = {}
        self._observed: list[tuple[vtk.vtkObject, int]] = []
        self._writing = self._dragging = False
        self._observe_all()
        self._save_if_any()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What happens inside is the review's own doing: nobody is told that it was touched."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before

    def masks_of(self, side: Side, state: HipState) -> HipState:
        """Return a hip with the masks as the scene has them now; ``state`` itself where they are the same.

        Necrosis outside of the head is cut off in the segment, too. A segment that was deleted counts as empty, and is
        there again, empty, so that it can be painted in.
        """
        marks: list[Patch | None] = [None, None]
        for n, label in enumerate(segmentation.labels_of(side)):
            stamp = segmentation.stamp(self.segmentation_node, label)
            if stamp != self._stamps.get(label):
                marks[n] = segmentation.read_mask(self.segmentation_node, self.volume_node, label) or EMPTY
                self._stamps[label] = stamp
                if stamp is None:
                    self._write(label, EMPTY)
        if all(mark is None for mark in marks):
            return state
        head, necrosis = marks[0] or state.head, marks[1] or state.necrosis
        if marks[0] is not None and marks[1] is not None:
            head = self._not_cut(side, state, head, necrosis)
        found = state.with_masks(head, necrosis)
        clipped = found.necrosis
        if int(clipped.array.sum()) != int(necrosis.array.sum()):
            self._write(MaskLabel.necrosis(side), clipped)
        return state if found.same_masks(state) else found

    def points_of(self, side: Side, state: HipState) -> HipState:
        """Return a hip with sphere and landmarks as the scene has them; ``state`` itself where they are the same."""
        node = self._landmarks_node
        if self._dragging:
            return state
        placing = markups.placing(node, side)
        if placing is not None:  # a click that is still to come, or never came, changes nothing
            if placing == "given up":
                self.show_points(side, state)
            return state
        landmarks, _ = markups.read_landmarks(node, side)
        sphere = markups.read_sphere(node, side)
        # A head has a centre: what took its position away does not count.
        found = state.with_points(sphere or state.sphere, landmarks)
        if sphere is None:
            self.show_points(side, found)
        return state if found.same_as(state) else found

    def bring_back_landmarks(self) -> bool:
        """Make the landmarks anew, unplaced, where the reader has deleted their node; say whether that was so."""
        node = markups.landmarks_node(self.volume_node)
        if node is self._landmarks_node:
            return False
        self._landmarks_node = node
        self._observe_landmarks()
        return True

    def place(self) -> None:
        """Put the nodes to where the volume is now; what they show has to be shown again.

        The masks lie on the volume's own grid, under its transform; all else is in the world, under none.
        """
        for node in review_nodes(self.volume_node):
            if node.IsA("vtkMRMLTransformableNode"):
                node.SetAndObserveTransformNodeID(None)
        segmentation.segmentation_node(self.volume_node)

    def show_masks(self, side: Side, state: HipState | None, earlier: HipState | None = None) -> None:
        """Write the masks of a hip; ``earlier`` is what the segments hold now. None: a hip without segments."""
        for label in segmentation.labels_of(side):
            if state is None:
                segmentation.remove_mask(self.segmentation_node, label)
            elif (
                earlier is None
                or not state.same_masks(earlier)
                or segmentation.segment_id(self.segmentation_node, label) is None
            ):
                self._write(label, state.head if label == MaskLabel.head(side) else state.necrosis)
        self._save_if_any()

    def show_points(self, side: Side, state: HipState | None) -> None:
        """Place the landmarks of a hip."""
        points = (state.landmarks, state.sphere) if state else (Landmarks(), None)
        markups.write_landmarks(self._landmarks_node, side, *points)

    def show_numbers(self, grid: Grid, state: HipState | None, hip: HipResult) -> None:
        """Write table and plot, and draw sphere, portion and the outline of what the networks had marked."""
        automatic = state.automatic if state else None
        if state is not None:
            self._tell_origins(hip.side, state)
        tables.update_table(
            tables.hip_table(self.volume_node, hip.side),
            grid,
            hip,
            automatic.result if automatic else None,
            read_reviewed(self.volume_node, hip.side),
        )
        points = (state.sphere, state.landmarks) if state else None
        overlay.update_overlay(overlay.overlay_nodes(self.volume_node, hip.side), hip, grid, points)
        start = state.automatic.state if state and state.changed else None
        show_outline(AUTOMATIC, self.volume_node, hip.side, grid, (start.necrosis,) if start else None)

    def show_reading(self, side: Side, grid: Grid, reading: HipState | None) -> None:
        """Draw head and necrosis as another reader has them, or None: nothing."""
        show_outline(READING, self.volume_node, side, grid, (reading.head, reading.necrosis) if reading else None)

    def close(self) -> None:
        """Stop observing; idempotent."""
        while self._observed:
            thing, tag = self._observed.pop()
            thing.RemoveObserver(tag)

    def remove(self) -> None:
        """Stop observing and take all nodes out of the scene, but not the volume."""
        self.close()
        with batch(self.scene):
            remove_review(self.volume_node)

    def _not_cut(self, side: Side, state: HipState, head: Patch, necrosis: Patch) -> Patch:
        """Return the head with what necrosis has taken from it.

        Slicer's editor cuts every other segment where it paints, unless it is told not to. The necrosis is a part of
        the head: where all that the head has lost is necrosis now, nobody has erased the head.
        """
        before = state.head
        lost = before.array & ~head.within(before.box)
        if not lost.any() or (lost & ~necrosis.within(before.box)).any():
            return head
        whole = head.joined(Patch(before.box, lost))
        self._write(MaskLabel.head(side), whole)
        return whole

    def _save_if_any(self) -> None:
        """Slicer ends with an error of C++ where it saves a segmentation without segments, as that of a picture."""
        self.segmentation_node.SetSaveWithScene(self.segmentation_node.GetSegmentation().GetNumberOfSegments() > 0)

    def _tell_origins(self, side: Side, state: HipState) -> None:
        start = state.automatic.state
        untouched = (state.same_head(start), state.same_masks(start))
        for label, same in zip(segmentation.labels_of(side), untouched, strict=True):
            origin: segmentation.Origin = "AUTOMATIC" if same else "SEMIAUTOMATIC"
            segmentation.tell_origin(
                self.segmentation_node, label, "MANUAL" if state.automatic.models is None else origin
            )

    def _write(self, label: MaskLabel, mask: Patch) -> None:
        segmentation.write_mask(self.segmentation_node, self.volume_node, label, mask)
        self._stamps[label] = segmentation.stamp(self.segmentation_node, label)

    def _observe_all(self) -> None:
        import slicer

        events = slicer.vtkSegmentation
        for event in (
            events.SourceRepresentationModified,
            events.SegmentModified,
            events.SegmentRemoved,
            vtk.vtkCommand.ModifiedEvent,
        ):
            self._observe(self.segmentation_node, event, self._touched)
        # Somebody may have it drawn in views that show another patient.
        self._observe(self.segmentation_node, self.segmentation_node.DisplayModifiedEvent, self._touched)
        self._observe_landmarks()
        self._observe(self.volume_node, self.volume_node.TransformModifiedEvent, self._touched)
        self._observe(self.scene, self.scene.NodeAboutToBeRemovedEvent, self._removed)
        self._observe(self.scene, self.scene.StartCloseEvent, self._scene_closes)

    def _observe_landmarks(self) -> None:
        node, self._dragging = self._landmarks_node, False
        for event in (
            node.PointModifiedEvent,
            node.PointPositionDefinedEvent,
            node.PointPositionUndefinedEvent,
            vtk.vtkCommand.ModifiedEvent,
        ):
            self._observe(node, event, self._touched)
        self._observe(node, node.PointStartInteractionEvent, self._drag_begins)
        self._observe(node, node.PointEndInteractionEvent, self._drag_ends)

    def _observe(self, thing: vtk.vtkObject, event: int, callback: Callable) -> None:
        self._observed.append((thing, thing.AddObserver(event, callback)))

    def _touched(self, *_: object) -> None:
        # A hand that rests has not let go: a drag is one step, and counts when it ends.
        if not self._writing and not self._dragging:
            self.touched()

    def _drag_begins(self, *_: object) -> None:
        self._dragging = True

    def _drag_ends(self, *_: object) -> None:
        self._dragging = False
        self._touched()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _removed(self, caller: object, event: str, node: Node) -> None:
        if self._writing:
            return
        if node is self.volume_node:
            self.gone("The volume under review was removed.")
        elif node is self._landmarks_node:
            self.touched()  # they come back
        elif node is self.segmentation_node:
            self.gone("The segmentation of the review was removed.")

    def _scene_closes(self, *_: object) -> None:
        self.gone("The scene was closed.")


def as_kept(volume_node: Node) -> tuple[StudyResult, dict[Side, HipState]]:
    """Return a study and its hips as an opened scene keeps them, one of `state.kept_reviews`.

    Raises:
        InputError: what is kept cannot be read.
    """
    volume = study_from_node(volume_node).volume
    study, automatic = kept(volume_node, volume)
    bring_reviewed(volume_node, volume)
    return study, {side: _hip_as_kept(volume_node, side, one.state) for side, one in automatic.items()}


def _hip_as_kept(volume_node: Node, side: Side, start: HipState) -> HipState:
    """Return a hip as its nodes have it; what is missing there is as it was at the start."""
    node = segmentation.segmentation_node(volume_node)
    marks = [segmentation.read_mask(node, volume_node, label) for label in segmentation.labels_of(side)]
    head, necrosis = (EMPTY if mask is None else mask for mask in marks)
    landmarks_node = markups.landmarks_node(volume_node)
    landmarks, _ = markups.read_landmarks(landmarks_node, side)
    return start.with_masks(head, necrosis).with_points(
        markups.read_sphere(landmarks_node, side) or start.sphere, landmarks
    )


@contextmanager
def batch(scene: Scene) -> Iterator[None]:
    """Let views and lists wait until all nodes are there."""
    scene.StartState(scene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(scene.BatchProcessState)
