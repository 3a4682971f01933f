"""One study under review: its nodes in a scene, and what a reader does with them."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import PATIENT, About, Finding
from ONFHAssistLib.core.geometry import SIDES, HeadSeed, Side, Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import PlaneArcs
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase, only_one_hip
from ONFHAssistLib.scene import markups, segmentation
from ONFHAssistLib.scene.hand_over import reviewed_case, slices_that_matter
from ONFHAssistLib.scene.hip_state import Automatic, HipState, automatic_of, findings_about
from ONFHAssistLib.scene.history import History
from ONFHAssistLib.scene.move import Move, require_rigid
from ONFHAssistLib.scene.nodes import Node, Scene, remove_review
from ONFHAssistLib.scene.stage import Stage, as_kept, batch
from ONFHAssistLib.scene.state import (
    SignOff,
    add_reader,
    bring_reviewed,
    fingerprint_of,
    keep,
    keep_case,
    kept,
    kept_case,
    kept_reviews,
    packed,
    packed_state,
    read_readers,
    read_reviewed,
    read_saved,
    read_sign_off,
    take_left_open,
    unpacked_state,
    write_reviewed,
    write_saved,
    write_sign_off,
)
from ONFHAssistLib.scene.volumes import grid_of, study_from_node

States = Mapping[Side, HipState]
What = Literal["head", "necrosis"]


class Review:
    """One study under review: its nodes in a scene, and what a reader does with them.

    Made by `begin` or `restore`, of a case of a data set by `stored_case.begin_case`. The scene is the truth: whatever
    changes segments and landmarks there, `update` reads it. No Qt; nothing here runs by itself.

    Attributes:
        scene, volume_node, segmentation_node: where the review lives.
        result: as the analysis made it.
        opened: which case of a data set is under review; None for a study that comes from its image.
        on_touch: called, cheaply and often, when a segment, a landmark or the volume's place was modified by somebody
            else; the window waits a moment and calls `update`.
        on_gone: called with a sentence when the volume or the segmentation was removed, or the scene closed. The
            review is closed then.
    """

    def __init__(self, volume_node: Node, result: StudyResult, start: States, opened: OpenCase | None = None) -> None:
        """Build the nodes of a review; use `begin` or `restore`."""
        self.volume_node = volume_node
        self.scene: Scene = volume_node.GetScene()
        self.result = result
        self.opened = opened
        self.on_touch: Callable[[], None] = lambda: None
        self.on_gone: Callable[[str], None] = lambda reason: None
        self.closed = False
        self._grid = grid_of(volume_node)
        self._history: History[States] = History(dict(start))
        self._hips: dict[Side, HipResult] = {}
        self._saved: dict[Side, str] = {}
        self._handed_over: dict[Side, str] = {}
        self._kept: dict[Side, Automatic] = {}
        self._arcs: dict[Side, PlaneArcs] = {}
        self._stage = Stage(volume_node, self._touched, self._gone)
        self.segmentation_node: Node = self._stage.segmentation_node
        self._show({}, self._states)
        # A case and a review that was left open know what was saved of them; nothing else is changed at its beginning.
        knows = take_left_open(volume_node) or opened is not None
        for side in self._states:
            self._saved[side] = (knows and read_saved(volume_node, side)) or self._fingerprint(side)
        if opened is not None:
            keep_case(volume_node, opened)

    @classmethod
    def begin(
        cls,
        scene: Scene,
        volume_node: Node,
        result: StudyResult,
        start: States | None = None,
        opened: OpenCase | None = None,
    ) -> "Review":
        """Put a result into the scene; an earlier review of this volume is replaced, its comments stay.

        Args:
            scene: where the volume is.
            volume_node: that was analysed.
            result: of the analysis.
            start: the hips as they begin; as the networks made them if None.
            opened: the case of a data set that this is.

        Raises:
            InputError: the volume is not (any more) the one that was analysed; nothing is left behind.
        """
        if volume_node is None or volume_node.GetScene() is not scene:
            raise InputError("The volume was removed while it was analysed; load it again.")
        grid = grid_of(volume_node)
        if not grid.matches(result.volume):
            raise InputError("The volume was changed or moved while it was analysed; analyse it again.")
        if start is None:
            start = {side: automatic.state for side, automatic in automatic_of(result).items()}
        with batch(scene):
            comments = {side: read_sign_off(volume_node, side).comment for side in SIDES}
            remove_review(volume_node)
            try:
                review = cls(volume_node, result, start, opened)
                for side in start:
                    review.set_sign_off(side, SignOff(comment=comments[side]))  # what was said of other masks is void
                    review.mark_as_stored(side)
                return review
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
            bring_reviewed(node, volume)
            with batch(scene):
                now = {side: as_kept(node, one) for side, one in automatic.items()}
                restored.append(cls(node, result, now, kept_case(node)))
            for side in filter(restored[-1].changed, now):
                add_reader(node, side, restored[-1].sign_off(side).reviewer)
        return restored

    @property
    def sides(self) -> tuple[Side, ...]:
        """The hips that were asked for, right before left: segmented or not."""
        known = {hip.side for hip in self.result.hips} | set(self._states)
        return tuple(side for side in SIDES if side in known)

    def hip(self, side: Side) -> HipResult:
        """Return the result of a hip as it is now; "not graded" with the reason where there are no masks."""
        return self._hips.get(side) or HipResult(side, "not graded", "it was not asked for")

    def automatic(self, side: Side) -> HipResult:
        """Return the result that the networks had made of a hip."""
        state = self._states.get(side)
        return state.automatic.result if state else self.hip(side)

    def findings(self, about: About) -> tuple[Finding, ...]:
        """Return what the systems beside the networks had found of a hip or of the patient."""
        state = None if about == PATIENT else self._states.get(about)
        return state.automatic.findings if state else findings_about(about, self.result)

    def masks(self, side: Side) -> HipMasks:
        """Return the masks of a hip as they are now; raises InputError where it has none."""
        return self._state(side).masks

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

    @property
    def segmented(self) -> tuple[Side, ...]:
        """Return the sides that have masks, so that they can be edited, reset and saved."""
        return tuple(side for side in self.sides if side in self._states)

    def changed(self, side: Side) -> bool:
        """Say whether a hip differs from what the networks made of it."""
        state = self._states.get(side)
        return state is not None and not state.same_as(state.automatic.state)

    @property
    def unsaved(self) -> bool:
        """Whether a reader has changed or said something that was not saved."""
        return any(self._saved.get(side) != self._fingerprint(side) for side in self._states)

    def mark_saved(self, side: Side) -> None:
        """Remember that a hip was saved as `case` has handed it over; what was changed since is not saved."""
        self._state(side)
        self._keep_saved(side, self._handed_over.get(side, self._fingerprint(side)))
        add_reader(self.volume_node, side, self.sign_off(side).reviewer)

    def mark_as_stored(self, side: Side) -> None:
        """Remember that a hip is saved as it is now."""
        self._keep_saved(side, self._fingerprint(side))

    def mark_unsaved(self) -> None:
        """Remember that what is shown was not saved, whatever it is."""
        for side in self._states:
            self._keep_saved(side, "")

    def renew(self, opened: OpenCase) -> None:
        """Take note of what is known of the case after it was saved."""
        self.opened = opened
        keep_case(self.volume_node, opened)

    def update(self) -> tuple[Side, ...]:
        """Read what was changed in the scene, measure and grade it, and show it; one step of the history.

        Necrosis outside of the head is cut off, in the segment too. A segment that was deleted counts as empty. Where
        a transform has moved the volume, everything follows it, the steps of the history as well.

        Returns:
            the sides that have changed.

        Raises:
            InputError: the volume was changed, so that the masks do not lie on it any more.
        """
        if self.closed:
            return ()
        grid = grid_of(self.volume_node)
        moved = not grid.matches(self._grid)
        if moved:
            require_rigid(self._grid, grid)
        changed = self._take_edits(points=not moved)
        if moved:
            self._move(grid)
            return self.sides
        return changed

    @property
    def present(self) -> object:
        """What the reader has made of both hips: the same object until `update` or another method changes it."""
        return self._history.present

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
            mine.with_slice_of(theirs, slice_index)
            for mine, theirs in ((state.head, start.head), (state.necrosis, start.necrosis))
        )
        self._do(f"{words} in slice {slice_index}", side, state.with_masks(head, necrosis))

    def set_sphere(self, side: Side, sphere: Sphere) -> None:
        """Move or resize the sphere that arcs and angles are measured on; the masks stay as they are."""
        self.update()
        state = self._state(side)
        self._do(f"{side} sphere moved", side, state.with_points(sphere, state.landmarks))

    def take_over(self, side: Side, masks: HipMasks, whose: str, reviewed: Iterable[int] | None = None) -> None:
        """Take another reading for the hip: masks, sphere and landmarks, and the slices that its reader stood for.

        Args:
            side: which hip.
            masks: of the reading.
            whose: it is, for the history.
            reviewed: indices along k of the slices of ``masks``; None: all.

        Raises:
            InputError: the hip is not segmented, or the reading does not lie on the image.
        """
        self.update()
        self._do(f"{side} hip: taken over from {whose}", side, self._drawn(side, masks))
        here = masks.grid.index_map(self._grid)
        assert here is not None  # else it could not be drawn
        self.set_reviewed(side, None if reviewed is None else [here[2, 2] * k + here[2, 3] for k in reviewed])

    def show_reading(self, side: Side, masks: HipMasks | None) -> None:
        """Draw another reading of a hip over the images, dashed; None: none any more; raises as `take_over`."""
        reading = None if masks is None else self._drawn(side, masks)
        with self._stage.writing():
            self._stage.show_reading(side, self._grid, reading)

    def reviewed(self, side: Side) -> tuple[int, ...] | None:
        """Return the slices (indices along k) that the reader stands for; None: all of them."""
        return read_reviewed(self.volume_node, side)

    def set_reviewed(self, side: Side, slices: Iterable[int] | None) -> None:
        """Say which slices the reader stands for: the others are not trained with. None: all of them."""
        with self._stage.writing():
            write_reviewed(self.volume_node, side, slices)
            self._stage.show_numbers(self._grid, self._states.get(side), self._hips[side])

    def turn_reviewed(self, side: Side, index: int) -> None:
        """Mark a slice as reviewed, or take its mark away."""
        self.set_reviewed(side, set(self.reviewed(side) or ()) ^ {index})

    def replace_hip(self, found: StudyResult, side: Side) -> None:
        """Take a hip that was segmented anew, from a `HeadSeed`, for the automatic one; can be undone.

        Raises:
            InputError: it was not segmented, the sentence has the reason; or a case of the other hip is under review.
        """
        self.update()
        if self.opened and self.opened.side != side:
            raise InputError(only_one_hip(self.opened))
        hip = next((hip for hip in found.hips if hip.side == side), None)
        masks = next((masks for masks in found.masks if masks.side == side), None)
        if hip is None or masks is None:
            reason = hip.reason if hip and hip.reason else "it was not looked at"
            raise InputError(f"The {side} hip could not be segmented: {reason}.")
        automatic = Automatic(masks, hip, findings_about(side, found), found.models)
        self._do(f"{side} hip segmented anew", side, automatic.state)

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
        fitted = state.automatic.masks.sphere.radius_mm if state else None
        radius_mm = sphere.radius_mm if sphere else None
        return HeadSeed(side, centre, None if radius_mm == fitted else radius_mm)

    def study_result(self) -> StudyResult:
        """Return the study with masks and grades as they are now, for reports, tables and files."""
        segmented = [side for side in self.sides if self._hips[side].segmented]
        automatic = [self._states[side].automatic for side in segmented]
        models = [model for one in automatic for model in one.models or ()]
        return replace(
            self.result,
            hips=tuple(self._hips[side] for side in self.sides),
            masks=tuple(self.masks(side) for side in segmented),
            findings=tuple(finding for about in (*self.sides, PATIENT) for finding in self.findings(about)),
            # A hip that was segmented anew may come from other networks than the rest.
            models=tuple(model for n, model in enumerate(models) if model not in models[:n]) or self.result.models,
        )

    def sign_off(self, side: Side) -> SignOff:
        """Return reviewer, status and comment as they were given last, also before the scene was saved."""
        return read_sign_off(self.volume_node, side)

    def set_sign_off(self, side: Side, sign_off: SignOff) -> None:
        """Keep reviewer, status and comment of a hip in the scene."""
        write_sign_off(self.volume_node, side, sign_off)

    def case(self, side: Side, patient_code: str = "") -> ReviewedCase:
        """Return one hip as the reader leaves it, with the sign-off that was set, for `curation.store.folder`.

        Args:
            side: which hip.
            patient_code: the same for all studies of a patient; where it is empty, the DICOM patient ID, if known.

        Raises:
            InputError: the hip is not segmented, or something is missing.
        """
        self.update()
        self._handed_over[side] = self._fingerprint(side)
        return reviewed_case(
            self.result,
            self._state(side),
            self._hips[side],
            self.sign_off(side),
            self.reviewed(side),
            patient_code,
            self.opened,
            read_readers(self.volume_node, side),
        )

    def slices_that_matter(self, side: Side) -> tuple[int, ...]:
        """Return the slices (indices along k) to be looked at, in their order along the body.

        Those are: the most uncertain ones, the worst, the middle one, and those that the reader has changed.
        """
        return slices_that_matter((self.hip(side), self.automatic(side)), self._states.get(side), self._grid)

    def made(self) -> dict[str, Any]:
        """Return what the networks had made of the study as JSON-ready values, for `state.unpacked`."""
        return packed(self.result, {side: state.automatic for side, state in self._states.items()})

    def now(self) -> dict[Side, Any]:
        """Return the hips as they are now as JSON-ready values, for `take_up`; without what the networks made."""
        return {side: packed_state(state) for side, state in self._states.items()}

    def take_up(self, now: Mapping[Side, Any]) -> None:
        """Go on with the hips as `now` returned them for the same analysis; can be undone.

        Raises:
            InputError: it is damaged, or of another analysis.
        """
        self.update()
        try:
            states = {
                side: unpacked_state(plain, self._states[side].automatic, self._grid.shape)
                for side, plain in now.items()
            }
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise InputError(
                f"The draft of this study cannot be read ({error}); start from the automatic result."
            ) from error
        before = self._states
        self._history.push("draft taken up", {**before, **states})
        self._show(before, self._states)

    def close(self) -> None:
        """Stop observing the scene; the nodes stay. Idempotent."""
        self.closed = True
        self._stage.close()

    def remove(self) -> None:
        """Close the review and take its nodes out of the scene, but not the volume."""
        self.closed = True
        self._stage.remove()

    @property
    def _states(self) -> States:
        return self._history.present

    def _state(self, side: Side) -> HipState:
        if side not in self._states:
            raise InputError(f"The {side} hip is not segmented; click on the centre of its head to segment it.")
        return self._states[side]

    def _drawn(self, side: Side, masks: HipMasks) -> HipState:
        """Return a hip as another reading has it."""
        here = masks.in_order_of(self._grid)
        if here is None:
            raise InputError("The image was moved since it was saved, and the other reading was not; move it back.")
        return HipState.drawn(here, self._state(side).automatic)

    def _fingerprint(self, side: Side) -> str:
        return fingerprint_of(self._state(side), self.reviewed(side), self.sign_off(side))

    def _keep_saved(self, side: Side, fingerprint: str) -> None:
        self._saved[side] = fingerprint
        write_saved(self.volume_node, side, fingerprint or "none")

    def _take_edits(self, points: bool) -> tuple[Side, ...]:
        """Make a step of what was changed in the scene; return the sides."""
        before, stage = self._states, self._stage
        with stage.writing():
            if stage.bring_back_landmarks():
                for side, state in before.items():
                    stage.show_points(side, state)
            now = {side: stage.masks_of(side, state) for side, state in before.items()}
            if points:
                now = {side: stage.points_of(side, state) for side, state in now.items()}
            changed = tuple(side for side in now if now[side] is not before[side])
            if changed:
                self._history.push("; ".join(f"{side} {now[side].change_since(before[side])}" for side in changed), now)
            for side in changed:
                stage.show_points(side, now[side])
                self._measure(side)
        return changed

    def _move(self, grid: Grid) -> None:
        """Follow the volume to its new place, with every step of the history."""
        moved = Move(self._grid, grid)
        self._grid = grid
        unsaved = {side for side in self._states if self._saved.get(side) != self._fingerprint(side)}
        self._history.change(lambda states: {side: moved.state(state) for side, state in states.items()})
        self.result = moved.result(self.result)
        with self._stage.writing():
            self._stage.place()
        self._show({}, self._states)
        for side in self._states.keys() - unsaved:
            self.mark_as_stored(side)

    def _do(self, words: str, side: Side, state: HipState) -> None:
        before = self._states
        if side in before and state.same_as(before[side]):
            self._show(before, before)  # a segment may be missing
            return
        self._history.push(words, {**before, side: state})
        self._show(before, self._states)

    def _step(self, step: Callable[[], str | None]) -> str | None:
        before = self._states
        words = step()
        if words is not None:
            self._show(before, self._states)
        return words

    def _show(self, before: States, now: States) -> None:
        """Bring the scene from one state to another, and measure what differs."""
        with self._stage.writing():
            for side in SIDES:
                state, earlier = now.get(side), before.get(side)
                if not before:
                    self._stage.show_reading(side, self._grid, None)
                if side not in self.sides and earlier is None:
                    continue
                self._stage.show_masks(side, state, earlier)
                if state is None or state is not earlier:
                    self._stage.show_points(side, state)
                    self._measure(side)
            automatic = {side: state.automatic for side, state in now.items()}
            if automatic != self._kept:
                keep(self.volume_node, self.result, automatic)
                self._kept = automatic

    def _measure(self, side: Side) -> None:
        state = self._states.get(side)
        self._hips[side] = self._measured(side, state)
        self._stage.show_numbers(self._grid, state, self._hips[side])

    def _measured(self, side: Side, state: HipState | None) -> HipResult:
        if state is None:
            missed = next((hip for hip in self.result.hips if hip.side == side), None)
            return missed or HipResult(side, "not graded", "it was not asked for")
        if state.same_as(state.automatic.state):
            return state.automatic.result
        if state.head_bits.size == 0:
            reason = "the mask of its head is empty; draw the head, or go back to the automatic result"
            return HipResult(side, "not graded", reason, state.sphere, state.landmarks)
        arcs = self._arcs.setdefault(side, PlaneArcs())
        return grade(state.masks, arcs)

    def _touched(self) -> None:
        if not self.closed:
            self.on_touch()

    def _gone(self, reason: str) -> None:
        if not self.closed:
            self.close()
            self.on_gone(reason)
