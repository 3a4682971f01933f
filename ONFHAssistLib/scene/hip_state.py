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
from ONFHAssistLib.core.grid import Box, Grid, box_of
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.necrosis import bounding_box
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume


@dataclass(frozen=True)
class Patch:
    """A mask that is known inside a box of its grid, and false outside of it: ``array`` is bool, the box's shape."""

    box: Box
    array: np.ndarray

    def within(self, box: Box) -> np.ndarray:
        """Return the mask in another box of the same grid, a new array of its shape."""
        return _moved(self.array, self.box, box)

    def tight(self) -> "Patch":
        """Return the same mask in the smallest box; in an empty one where there is nothing."""
        if not self.array.any():
            return EMPTY
        box = bounding_box(self.array)
        moved = box_of((a.start + b.start, a.start + b.stop) for a, b in zip(self.box, box, strict=True))
        return Patch(moved, self.array[box])

    def with_slice_of(self, other: "Patch", index: int) -> "Patch":
        """Return this mask with one slice (along k) of another one."""
        box = _joint_box(self.box, other.box)
        found, theirs = self.within(box), other.within(box)
        if box[0].start <= index < box[0].stop:
            found[index - box[0].start] = theirs[index - box[0].start]
        return Patch(box, found)

    def joined(self, other: "Patch") -> "Patch":
        """Return what is in this mask or in another one of the same grid."""
        box = _joint_box(self.box, other.box)
        return Patch(box, self.within(box) | other.within(box))

    def on(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Return the mask on its whole grid."""
        found = np.zeros(shape, bool)
        found[self.box] = self.array
        return found


EMPTY = Patch((slice(0, 0),) * 3, np.zeros((0, 0, 0), bool))


@dataclass(frozen=True, eq=False)
class Automatic:
    """What the networks made of a hip: its masks in the box around the head, and their result.

    Attributes:
        near: cropped to ``box``, the smallest one that holds the head.
        findings: of the other systems about this hip, as they were when it was segmented.
        models: the networks, as `StudyResult.models` lists them; None where a reader had drawn it all, and this is only
            what the review began with.
    """

    box: Box
    near: HipMasks
    result: HipResult
    findings: tuple[Finding, ...] = ()
    models: tuple[Mapping[str, Any], ...] | None = ()

    @staticmethod
    def of(
        masks: HipMasks,
        result: HipResult,
        findings: tuple[Finding, ...] = (),
        models: tuple[Mapping[str, Any], ...] | None = (),
    ) -> "Automatic":
        """Crop the masks of an analysis."""
        box = bounding_box(masks.head.array)
        return Automatic(box, masks.cropped(box), result, findings, models)

    @cached_property
    def state(self) -> "HipState":
        """The hip as the networks made it."""
        head, necrosis = (Patch(self.box, mask.array) for mask in (self.near.head, self.near.necrosis))
        return HipState.of(head, necrosis, self.near.sphere, self.near.landmarks, self)


def automatic_of(result: StudyResult) -> dict[Side, Automatic]:
    """Return what an analysis made of each hip that it has segmented."""
    graded = {hip.side: hip for hip in result.hips}
    return {
        masks.side: Automatic.of(masks, graded[masks.side], findings_about(masks.side, result), result.models)
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

    def as_drawn(self, masks: HipMasks) -> "HipState":
        """Return this hip with masks on the whole grid, and the sphere and landmarks that go with them."""
        whole = box_of((0, length) for length in masks.head.shape)
        head, necrosis = (Patch(whole, mask.array) for mask in (masks.head, masks.necrosis))
        return HipState.of(head, necrosis, masks.sphere, masks.landmarks, self.automatic)

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
        box = _joint_box(self.box, other.box)
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

    def near(self, grid: Grid) -> HipMasks:
        """Return the masks cropped to ``box``, with the probability that belongs to them; the head must not be empty.

        The probability is left out where it decides nothing: where only the necrosis differs from the network's, the
        outlines that `core.necrosis.outlines` draws do not belong to it.
        """
        from_network = self.automatic.near
        probability = from_network.probability
        at_start = self.automatic.state
        if probability is not None and self.same_head(at_start) and not self.same_masks(at_start):
            probability = None
        if probability is not None and self.box != self.automatic.box:
            probability = Volume.on(grid.cropped(self.box), _moved(probability.array, self.automatic.box, self.box))
        head, necrosis = (Volume.on(grid.cropped(self.box), patch.array) for patch in (self.head, self.necrosis))
        return replace(
            from_network,
            head=head,
            necrosis=necrosis,
            sphere=self.sphere,
            landmarks=self.landmarks,
            probability=probability,
        )

    def masks(self, grid: Grid) -> HipMasks:
        """Return the masks on the whole grid, complete with the network's probability."""
        shape = grid.shape
        probability = self.automatic.near.probability
        if probability is not None:
            whole = np.zeros(shape, np.float32)
            whole[self.automatic.box] = probability.array
            probability = Volume.on(grid, whole)
        return replace(
            self.automatic.near,
            head=Volume.on(grid, self.head.on(shape)),
            necrosis=Volume.on(grid, self.necrosis.on(shape)),
            sphere=self.sphere,
            landmarks=self.landmarks,
            probability=probability,
        )

    def _unpacked(self, bits: np.ndarray) -> np.ndarray:
        return mask_of(bits, tuple(part.stop - part.start for part in self.box))


States = Mapping[Side, HipState]
"""The hips that are segmented."""


def findings_now(about: About, study: StudyResult, states: States) -> tuple[Finding, ...]:
    """Return what the systems beside the networks had found of the patient, or of a hip when it was segmented last."""
    state = None if about == PATIENT else states.get(about)
    return state.automatic.findings if state else findings_about(about, study)


def _joint_box(one: Box, other: Box) -> Box:
    boxes = [box for box in (one, other) if all(part.stop > part.start for part in box)] or [one]
    return box_of(
        (min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )


def _moved(array: np.ndarray, source: Box, target: Box) -> np.ndarray:
    """Return what an array that lies in ``source`` holds of the box ``target``; 0 where it holds nothing."""
    found = np.zeros([part.stop - part.start for part in target], array.dtype)
    common = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(source, target, strict=True)]
    if all(start < stop for start, stop in common):
        there = box_of((start - b.start, stop - b.start) for (start, stop), b in zip(common, target, strict=True))
        here = box_of((start - a.start, stop - a.start) for (start, stop), a in zip(common, source, strict=True))
        found[there] = array[here]
    return found
