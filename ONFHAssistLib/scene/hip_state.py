"""What a reader can change of a hip, small enough to be kept for every step back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ONFHAssistLib.core.codec import bits_of, mask_of
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import PATIENT, About, Finding
from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.grid import NO_BOX, Box, bounding_box, joint_box, moved, shape_of
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult


@dataclass(frozen=True)
class Patch:
    """A mask that is known inside a box of its grid, and false outside of it: ``array`` is bool, the box's shape."""

    box: Box
    array: np.ndarray

    def within(self, box: Box) -> np.ndarray:
        """Return the mask in another box of the same grid, a new array of its shape."""
        return moved(self.array, self.box, box)

    def tight(self) -> "Patch":
        """Return the same mask in the smallest box; in an empty one where there is nothing."""
        box = bounding_box(self.array, self.box)
        return Patch(box, self.within(box))

    def with_slice_of(self, other: "Patch", index: int) -> "Patch":
        """Return this mask with one slice (along k) of another one."""
        box = joint_box(self.box, other.box)
        found, theirs = self.within(box), other.within(box)
        if box[0].start <= index < box[0].stop:
            found[index - box[0].start] = theirs[index - box[0].start]
        return Patch(box, found)

    def joined(self, other: "Patch") -> "Patch":
        """Return what is in this mask or in another one of the same grid."""
        box = joint_box(self.box, other.box)
        return Patch(box, self.within(box) | other.within(box))


EMPTY = Patch(NO_BOX, np.zeros((0, 0, 0), bool))


@dataclass(frozen=True, eq=False)
class Automatic:
    """What the networks made of a hip: its masks, and their result.

    Attributes:
        findings: of the other systems about this hip, as they were when it was segmented.
        models: the networks, as `StudyResult.models` lists them; None where a reader had drawn it all, and this is only
            what the review began with.
    """

    masks: HipMasks
    result: HipResult
    findings: tuple[Finding, ...] = ()
    models: tuple[Mapping[str, Any], ...] | None = ()

    @cached_property
    def state(self) -> "HipState":
        """The hip as the networks made it."""
        return HipState.drawn(self.masks, self)


def automatic_of(result: StudyResult) -> dict[Side, Automatic]:
    """Return what an analysis made of each hip that it has segmented."""
    graded = {hip.side: hip for hip in result.hips}
    return {
        masks.side: Automatic(masks, graded[masks.side], findings_about(masks.side, result), result.models)
        for masks in result.masks
    }


def automatic_anew(found: StudyResult, side: Side) -> Automatic:
    """Return what an analysis made of a hip; raises InputError with the reason where it was not segmented."""
    automatic = automatic_of(found).get(side)
    if automatic is None:
        hip = next((hip for hip in found.hips if hip.side == side), None)
        reason = hip.reason if hip and hip.reason else "it was not looked at"
        raise InputError(f"The {side} hip could not be segmented: {reason}.")
    return automatic


def findings_about(about: About, result: StudyResult) -> tuple[Finding, ...]:
    """Return the findings of an analysis about one hip or the patient."""
    return tuple(found for found in result.findings if found.about == about)


@dataclass(frozen=True, eq=False)
class HipState:
    """A hip at one moment: masks (bits, in the smallest box around the head), sphere, landmarks, and its origin.

    Attributes:
        box: of the head; the necrosis lies inside the head.
        head_bits, necrosis_bits: `codec.bits_of` the masks in ``box``.
        automatic: what "back to the automatic result" goes back to.
    """

    box: Box
    head_bits: np.ndarray
    necrosis_bits: np.ndarray
    sphere: Sphere
    landmarks: Landmarks
    automatic: Automatic

    @staticmethod
    def of(head: Patch, necrosis: Patch, sphere: Sphere, landmarks: Landmarks, automatic: Automatic) -> "HipState":
        """Keep these masks, the necrosis clipped to the head."""
        head = head.tight()
        clipped = necrosis.within(head.box) & head.array
        return HipState(head.box, bits_of(head.array), bits_of(clipped), sphere, landmarks, automatic)

    @staticmethod
    def drawn(masks: HipMasks, automatic: Automatic) -> "HipState":
        """Keep these masks with the sphere and landmarks that go with them."""
        head, necrosis = (Patch(masks.box, mask.array) for mask in (masks.head, masks.necrosis))
        return HipState.of(head, necrosis, masks.sphere, masks.landmarks, automatic)

    @property
    def head(self) -> Patch:
        """The head, necrosis included; unpacked each time, as hundreds of states are kept."""
        return Patch(self.box, self._unpacked(self.head_bits))

    @property
    def necrosis(self) -> Patch:
        """The necrosis, in the box of the head."""
        return Patch(self.box, self._unpacked(self.necrosis_bits))

    @property
    def changed(self) -> bool:
        """Whether it differs from what the networks made of it."""
        return not self.same_as(self.automatic.state)

    def with_masks(self, head: Patch, necrosis: Patch) -> "HipState":
        """Return this hip with other masks, the necrosis clipped to the head."""
        return HipState.of(head, necrosis, self.sphere, self.landmarks, self.automatic)

    def with_slice_of(self, other: "HipState", index: int) -> "HipState":
        """Return this hip with the masks of another one in one slice (along k)."""
        head, necrosis = self.head.with_slice_of(other.head, index), self.necrosis.with_slice_of(other.necrosis, index)
        return self.with_masks(head, necrosis)

    def with_points(self, sphere: Sphere, landmarks: Landmarks) -> "HipState":
        """Return this hip with another sphere and other landmarks."""
        return replace(self, sphere=sphere, landmarks=landmarks)

    def same_masks(self, other: "HipState") -> bool:
        """Say whether head and necrosis are the same."""
        return self.same_head(other) and np.array_equal(self.necrosis_bits, other.necrosis_bits)

    def same_head(self, other: "HipState") -> bool:
        """Say whether the head is the same."""
        return self.box == other.box and np.array_equal(self.head_bits, other.head_bits)

    def same_as(self, other: "HipState") -> bool:
        """Say whether nothing differs."""
        return (
            self.same_masks(other)
            and self.sphere == other.sphere
            and self.landmarks == other.landmarks
            and self.automatic is other.automatic
        )

    def slices_unlike(self, other: "HipState") -> set[int]:
        """Return the indices along k in which head or necrosis differ."""
        box = joint_box(self.box, other.box)
        pairs = ((self.head, other.head), (self.necrosis, other.necrosis))
        differ = np.any([a.within(box) != b.within(box) for a, b in pairs], axis=(0, 2, 3))
        return {box[0].start + int(k) for k in np.flatnonzero(differ)}

    def change_since(self, before: "HipState") -> str:
        """Say in a few words what a reader has changed, such as "necrosis and landmarks changed"."""
        parts = []
        if not self.same_head(before):
            parts.append("head")
        if not self.same_masks(before) and not parts:
            parts.append("necrosis")
        if self.sphere != before.sphere:
            parts.append("sphere")
        if self.landmarks != before.landmarks:
            parts.append("landmarks")
        return f"{' and '.join(parts)} changed"

    @property
    def masks(self) -> HipMasks:
        """The masks, with the probability that belongs to them.

        The probability is left out where it decides nothing: where only the necrosis differs from the network's, the
        outlines that `core.necrosis.outlines` draws do not belong to it.
        """
        begun, start = self.automatic.masks.within(self.box), self.automatic.state
        edited = self.same_head(start) and not self.same_masks(start)
        return replace(
            begun,
            head=begun.head.like(self.head.array),
            necrosis=begun.head.like(self.necrosis.array),
            sphere=self.sphere,
            landmarks=self.landmarks,
            probability=None if edited else begun.probability,
        )

    def _unpacked(self, bits: np.ndarray) -> np.ndarray:
        return mask_of(bits, shape_of(self.box))


States = Mapping[Side, HipState]
"""The hips that are segmented."""


def findings_now(about: About, study: StudyResult, states: States) -> tuple[Finding, ...]:
    """Return what the systems beside the networks had found of the patient, or of a hip when it was segmented last."""
    state = None if about == PATIENT else states.get(about)
    return state.automatic.findings if state else findings_about(about, study)
