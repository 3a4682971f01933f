"""One study under review: its nodes in a scene, and what a reader does with them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import About, Finding
from ONFHAssistLib.core.geometry import SIDES, HeadSeed, Side, Sphere
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase, only_one_hip
from ONFHAssistLib.scene import finding_masks, markups, segmentation, views
from ONFHAssistLib.scene.hand_over import reviewed_case, reviewed_study, slices_that_matter
from ONFHAssistLib.scene.hip_state import States, automatic_anew, automatic_of, findings_now
from ONFHAssistLib.scene.hips import Hips
from ONFHAssistLib.scene.move import require_rigid, require_unmoved
from ONFHAssistLib.scene.nodes import Node, Scene, remove_review
from ONFHAssistLib.scene.saved import Saved
from ONFHAssistLib.scene.stage import Stage, batch
from ONFHAssistLib.scene.state import (
    SignOff,
    add_reader,
    keep_case,
    packed,
    packed_state,
    read_readers,
    read_reviewed,
    read_sign_off,
    unpacked_states,
    write_reviewed,
    write_sign_off,
)
from ONFHAssistLib.scene.volumes import grid_of


class Review:
    """One study under review: its nodes in a scene, and what a reader does with them.

    Made by `begin` or `restoring.restore`, of a case of a data set by `stored_case.begin_case`. The scene is the truth:
    whatever changes segments and landmarks there, `update` reads it. No Qt; nothing here runs by itself.

    Attributes:
        scene, volume_node, segmentation_node: where the review lives.
        opened: which case of a data set is under review; None for a study that comes from its image.
        on_touch: called, cheaply and often, when a segment, a landmark or the volume's place was modified by somebody
            else; the window waits a moment and calls `update`.
        on_gone: called with a sentence when the volume or the segmentation was removed, or the scene closed. The
            review is closed then.
    """

    def __init__(self, volume_node: Node, result: StudyResult, start: States, opened: OpenCase | None = None) -> None:
        """Build the nodes of a review; use `begin` or `restoring.restore`."""
        self.volume_node = volume_node
        self.scene: Scene = volume_node.GetScene()
        self.opened = opened
        self.on_touch: Callable[[], None] = lambda: None
        self.on_gone: Callable[[str], None] = lambda reason: None
        self.closed = False
        self._stage = Stage(volume_node, self._touched, self._gone)
        self.segmentation_node: Node = self._stage.segmentation_node
        self._hips = Hips(self._stage, result, start)
        self._saved = Saved(volume_node, self._hips.states, is_case=opened is not None)
        finding_masks.show_masks(volume_node, result)
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
        require_unmoved(scene, volume_node, result.volume)
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

    @property
    def result(self) -> StudyResult:
        """The study as the analysis made it, at the place where the volume is now."""
        return self._hips.study

    @property
    def sides(self) -> tuple[Side, ...]:
        """The hips that were asked for, right before left: segmented or not."""
        return self._hips.sides

    def hip(self, side: Side) -> HipResult:
        """Return the result of a hip as it is now; "not graded" with the reason where there are no masks."""
        return self._hips.result(side)

    def automatic(self, side: Side) -> HipResult:
        """Return the result that the networks had made of a hip."""
        state = self._hips.states.get(side)
        return state.automatic.result if state else self.hip(side)

    def findings(self, about: About) -> tuple[Finding, ...]:
        """Return what the systems beside the networks had found of a hip or of the patient."""
        return findings_now(about, self.result, self._hips.states)

    def masks(self, side: Side) -> HipMasks:
        """Return the masks of a hip as they are now; raises InputError where it has none."""
        return self._hips.state(side).masks

    def segment_id(self, side: Side, what: segmentation.What) -> str:
        """Return the ID of a segment; raises InputError where the hip has none, or the reader has deleted it."""
        self._hips.state(side)
        return segmentation.existing_segment_id(self.segmentation_node, side, what)

    @property
    def segmented(self) -> tuple[Side, ...]:
        """Return the sides that have masks, so that they can be edited, reset and saved."""
        return tuple(side for side in self.sides if side in self._hips.states)

    def changed(self, side: Side) -> bool:
        """Say whether a hip differs from what the networks made of it."""
        state = self._hips.states.get(side)
        return state is not None and state.changed

    def show_masks(self, visible: bool) -> None:
        """Show or hide the masks, those of the systems on a slice or picture, too."""
        views.show_masks(self.segmentation_node, visible)
        finding_masks.set_visible(self.volume_node, visible)

    @property
    def unsaved(self) -> bool:
        """Whether a reader has changed or said something that was not saved."""
        return bool(self.unsaved_sides)

    @property
    def unsaved_sides(self) -> tuple[Side, ...]:
        """The hips of which that is so."""
        return self._saved.unsaved(self._hips.states)

    def mark_saved(self, side: Side) -> None:
        """Remember that a hip was saved as `case` has handed it over; what was changed since is not saved."""
        self._saved.keep_handed_over(side, self._hips.state(side))
        add_reader(self.volume_node, side, self.sign_off(side).reviewer)

    def mark_as_stored(self, side: Side) -> None:
        """Remember that a hip is saved as it is now."""
        self._saved.keep_present(side, self._hips.state(side))

    def mark_unsaved(self) -> None:
        """Remember that what is shown was not saved, whatever it is."""
        for side in self._hips.states:
            self._saved.keep_none(side)

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
        if grid.matches(self._hips.grid):
            return self._hips.take_edits()
        require_rigid(self._hips.grid, grid)
        self._hips.take_edits(points=False)
        saved = self._hips.states.keys() - self.unsaved_sides
        self._hips.move(grid)
        finding_masks.show_masks(self.volume_node, self.result)
        for side in saved:  # no reader has moved it
            self.mark_as_stored(side)
        return self.sides

    @property
    def present(self) -> object:
        """What the reader has made of both hips: the same object until `update` or another method changes it."""
        return self._hips.history.present

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return self._hips.history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step forth."""
        return self._hips.history.can_redo

    def undo(self) -> str | None:
        """Take the last step back, also what `update` has not read yet; return what it was, in words."""
        self.update()
        return self._hips.undo()

    def redo(self) -> str | None:
        """Do again what was undone; return what it was, in words. Where something else was done since: None."""
        self.update()
        return self._hips.redo()

    def reset(self, side: Side, slice_index: int | None = None) -> None:
        """Go back to the automatic result, of one slice (index along k) or of the hip with sphere and landmarks."""
        self.update()
        state = self._hips.state(side)
        start, words = state.automatic.state, f"{side} hip: back to the automatic result"
        if slice_index is None:
            self._hips.change(words, side, start)
        else:
            self._hips.change(f"{words} in slice {slice_index}", side, state.with_slice_of(start, slice_index))

    def set_sphere(self, side: Side, sphere: Sphere) -> None:
        """Move or resize the sphere that arcs and angles are measured on; the masks stay as they are."""
        self.update()
        state = self._hips.state(side)
        self._hips.change(f"{side} sphere moved", side, state.with_points(sphere, state.landmarks))

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
        self._hips.change(f"{side} hip: taken over from {whose}", side, self._hips.as_read(side, masks))
        here = masks.grid.slice_map(self._hips.grid)
        assert here is not None  # else it could not be read
        self.set_reviewed(side, None if reviewed is None else map(here, reviewed))

    def show_reading(self, side: Side, masks: HipMasks | None) -> None:
        """Draw another reading of a hip over the images, dashed; None: none any more; raises as `take_over`."""
        self._hips.show_reading(side, None if masks is None else self._hips.as_read(side, masks))

    def reviewed(self, side: Side) -> tuple[int, ...] | None:
        """Return the slices (indices along k) that the reader stands for; None: all of them."""
        return read_reviewed(self.volume_node, side)

    def set_reviewed(self, side: Side, slices: Iterable[int] | None) -> None:
        """Say which slices the reader stands for: the others are not trained with. None: all of them."""
        write_reviewed(self.volume_node, side, slices)
        self._hips.show_numbers(side)

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
        self._hips.change(f"{side} hip segmented anew", side, automatic_anew(found, side).state)

    def seed(self, side: Side) -> HeadSeed:
        """Return where the reader sees a head: its centre as marked, and the radius where the reader has set it.

        Raises:
            InputError: the centre is not marked.
        """
        state = self._hips.states.get(side)
        fitted_mm = state.automatic.masks.sphere.radius_mm if state else None
        return markups.read_seed(markups.landmarks_node(self.volume_node), side, fitted_mm)

    def study_result(self) -> StudyResult:
        """Return the study with masks and grades as they are now, for reports, tables and files."""
        hips = [self.hip(side) for side in self.sides]
        return reviewed_study(self.result, self._hips.states, hips)

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
        state = self._hips.state(side)
        self._saved.hand_over(side, state)
        return reviewed_case(
            self.result,
            state,
            self.hip(side),
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
        hips = (self.hip(side), self.automatic(side))
        return slices_that_matter(hips, self._hips.states.get(side), self._hips.grid)

    def made(self) -> dict[str, Any]:
        """Return what the networks had made of the study as JSON-ready values, for `state.unpacked`."""
        return packed(self.result, self._hips.automatic)

    def now(self) -> dict[Side, Any]:
        """Return the hips as they are now as JSON-ready values, for `take_up`; without what the networks made."""
        return {side: packed_state(state) for side, state in self._hips.states.items()}

    def take_up(self, now: Mapping[Side, Any]) -> None:
        """Go on with the hips as `now` returned them for the same analysis; can be undone.

        Raises:
            InputError: it is damaged, or of another analysis.
        """
        self.update()
        self._hips.go_on("draft taken up", unpacked_states(now, self._hips.automatic, self._hips.grid))

    def close(self) -> None:
        """Stop observing the scene; the nodes stay. Idempotent."""
        self.closed = True
        self._stage.close()

    def remove(self) -> None:
        """Close the review and take its nodes out of the scene, but not the volume."""
        self.closed = True
        self._stage.remove()

    def _touched(self) -> None:
        if not self.closed:
            self.on_touch()

    def _gone(self, reason: str) -> None:
        if not self.closed:
            self.close()
            self.on_gone(reason)
