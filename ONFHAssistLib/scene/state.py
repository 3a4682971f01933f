"""What a saved scene keeps of a review beside its masks and landmarks: what the networks had made of it, the sign-off.

It lies as JSON in a hidden text node, so that no second segmentation and no probability map stand in the lists. The
masks, landmarks and radii as they are now lie in their own nodes. Results are not kept but measured again, as Slicer
opens a volume of a left-handed grid with its slices in reverse order. Nothing here names the patient.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from ONFHAssistLib.core.codec import box_from_plain, box_to_plain, bytes_to_text, mask_from_text
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import FURTHEST_MM, SIDES, Landmarks, Side, Sphere, require_sound
from ONFHAssistLib.core.grid import Grid, shape_of
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.results import HipResult, Notice
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case.facts import ImageFacts
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.imaging.read import source_facts
from ONFHAssistLib.imaging.sequence import ImageKind
from ONFHAssistLib.scene.hip_state import EMPTY, Automatic, HipState, Patch
from ONFHAssistLib.scene.kept import (
    KeptFinding,
    Model,
    finding_from_plain,
    finding_to_plain,
    hip_from_plain,
    hip_to_plain,
)
from ONFHAssistLib.scene.nodes import ROLE, VOLUME, Node, Scene, parsed, review_node

SCHEMA = "onfh-assist-review/1"
TEXT = "vtkMRMLTextNode"
NAME = "review"
SIGN_OFF = "ONFHAssist.SignOff"
REVIEWED = "ONFHAssist.ReviewedSlices"
CASE = "ONFHAssist.Case"
SAVED = "ONFHAssist.Saved"
LEFT_OPEN = "ONFHAssist.LeftOpen"
DRAWN_BY = "ONFHAssist.DrawnBy"
T = TypeVar("T")
Other = TypeVar("Other")


@dataclass(frozen=True)
class SignOff:
    """What a reader says of a hip: code, status and comment."""

    reviewer: str = ""
    status: Literal["draft", "approved", "flagged"] = "draft"
    comment: str = ""


@dataclass(frozen=True)
class _Place:
    """The grid that a review was kept on."""

    shape: tuple[int, int, int]
    ijk_to_ras: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class _Study:
    """What the networks had made of a study, beside its `_Place`; ``missed`` are the hips without masks."""

    source: dict[str, Any]
    missed: tuple[HipResult, ...]
    warnings: tuple[Notice, ...]
    models: tuple[Model, ...]
    automatic: dict[Side, dict[str, Any]]
    findings: tuple[KeptFinding, ...] = ()  # version 0.1.0 kept none


@dataclass(frozen=True)
class _State:
    """A hip as it is now."""

    box: Any
    head: str
    necrosis: str
    sphere: Sphere
    landmarks: Landmarks


def keep(volume_node: Node, result: StudyResult, automatic: Mapping[Side, Automatic]) -> None:
    """Write what the networks had made of a study into the scene."""
    node = _node(volume_node)
    node.SetForceCreateStorageNode(node.CreateStorageNodeAlways)
    node.SetText(json.dumps(packed(result, automatic)))


def packed(result: StudyResult, automatic: Mapping[Side, Automatic]) -> dict[str, Any]:
    """Return what the networks had made of a study as JSON-ready values; without the image and the patient."""
    return {
        "schema": SCHEMA,
        "source": result.source,
        "shape": list(result.volume.shape),
        "ijk_to_ras": result.volume.ijk_to_ras.tolist(),
        "missed": [to_plain(hip) for hip in result.hips if hip.side not in automatic],
        "warnings": to_plain(result.warnings),
        "models": to_plain(result.models),
        "findings": [finding_to_plain(found) for found in result.findings if found.about not in automatic],
        "automatic": {side: hip_to_plain(found) for side, found in automatic.items()},
    }


def keep_case(volume_node: Node, opened: OpenCase) -> None:
    """Write into the scene which case of a data set is under review."""
    _node(volume_node).SetAttribute(CASE, json.dumps(to_plain(opened)))


def kept_case(volume_node: Node) -> OpenCase | None:
    """Return which case of a data set is under review; None where it is not one. Raises InputError as `kept`."""
    return _said(volume_node, CASE, OpenCase, None)


def kept_reviews(scene: Scene) -> list[Node]:
    """Return the volume nodes whose reviews a scene keeps."""
    nodes = [scene.GetNthNodeByClass(n, TEXT) for n in range(scene.GetNumberOfNodesByClass(TEXT))]
    volumes = [node.GetNodeReference(VOLUME) for node in nodes if node.GetAttribute(ROLE) == NAME]
    return [volume for volume in dict.fromkeys(volumes) if volume is not None]


def kept(volume_node: Node, volume: Volume) -> tuple[StudyResult, dict[Side, Automatic]]:
    """Read back what `keep` has written.

    Args:
        volume_node: one of `kept_reviews`.
        volume: its image.

    Raises:
        InputError: it is damaged, of a later version, or of another grid; or what stands beside it of the case, the
            slices that are reviewed, and the readers.
    """
    try:
        found = unpacked(parsed(_node(volume_node).GetText()), volume)
    except ValueError as error:
        raise _unreadable(error) from error
    kept_case(volume_node)
    for side in SIDES:
        read_readers(volume_node, side)
        if not all(0 <= k < volume.shape[0] for k in read_reviewed(volume_node, side) or ()):
            raise _unreadable("slices that the volume does not have")
    return found


def unpacked(plain: Any, volume: Volume) -> tuple[StudyResult, dict[Side, Automatic]]:
    """Return what `packed` was given.

    Raises:
        ValueError: it is damaged, of a later version, of another grid, or says what no analysis does.
    """
    if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
        raise ValueError("it is of another kind or version")
    grid, study = _grid(plain), from_plain(_Study, plain, others=True)
    if grid.slice_map(volume) is None:
        raise ValueError("its volume has another grid now")
    source, missed = _source(study.source, volume), [_missed(hip) for hip in study.missed]
    others = [finding_from_plain(found, grid, volume) for found in study.findings]
    sides = [*study.automatic, *(hip.side for hip in missed)]
    if len(set(sides)) < len(sides) or any(found.about in study.automatic for found in others):
        raise ValueError("a hip is there twice")
    automatic = {side: hip_from_plain(side, hip, grid, volume, study.models) for side, hip in study.automatic.items()}
    result = StudyResult(
        volume,
        source,
        tuple(sorted((*(one.result for one in automatic.values()), *missed), key=lambda hip: SIDES.index(hip.side))),
        tuple(one.masks for one in automatic.values()),
        study.warnings,
        study.models,
        findings=(*others, *(found for one in automatic.values() for found in one.findings)),
    )
    return result, automatic


def packed_state(state: HipState) -> dict[str, Any]:
    """Return a hip as it is now as JSON-ready values; its automatic result is packed by `packed`."""
    return {
        "box": box_to_plain(state.box),
        "head": bytes_to_text(state.head_bits.tobytes()),
        "necrosis": bytes_to_text(state.necrosis_bits.tobytes()),
        "sphere": to_plain(state.sphere),
        "landmarks": to_plain(state.landmarks),
    }


def unpacked_state(plain: Any, automatic: Automatic, shape: tuple[int, ...]) -> HipState:
    """Return what `packed_state` was given, on an image of this shape; raises ValueError where it is something else."""
    kept = from_plain(_State, plain, others=True)
    require_sound(kept.sphere, kept.landmarks)
    empty = kept.box == box_to_plain(EMPTY.box)  # of a head that was erased
    box = EMPTY.box if empty else box_from_plain(kept.box, shape)
    head, necrosis = (Patch(box, mask_from_text(bits, shape_of(box))) for bits in (kept.head, kept.necrosis))
    return HipState.of(head, necrosis, kept.sphere, kept.landmarks, automatic)


def unpacked_states(plain: Mapping[Side, Any], automatic: Mapping[Side, Automatic], grid: Grid) -> dict[Side, HipState]:
    """Return the hips that a draft keeps, each as `packed_state` has made it.

    Raises:
        InputError: it is damaged, or of another analysis.
    """
    try:
        return {side: unpacked_state(hip, automatic[side], grid.shape) for side, hip in plain.items()}
    except (KeyError, ValueError) as error:
        raise InputError(
            f"The draft of this study cannot be read ({error}); start from the automatic result."
        ) from error


def write_sign_off(volume_node: Node, side: Side, sign_off: SignOff) -> None:
    """Keep what a reader says of a hip."""
    _node(volume_node).SetAttribute(f"{SIGN_OFF}.{side}", json.dumps(to_plain(sign_off)))


def read_sign_off(volume_node: Node, side: Side) -> SignOff:
    """Return what a reader has said of a hip; empty where nothing was said, or nothing that can be read."""
    try:
        return _said(volume_node, f"{SIGN_OFF}.{side}", SignOff, SignOff())
    except InputError:
        return SignOff()


def write_reviewed(volume_node: Node, side: Side, slices: Iterable[int] | None) -> None:
    """Keep which slices (indices along k) a reader stands for; None: all."""
    found = None if slices is None else sorted({int(k) for k in slices})
    _node(volume_node).SetAttribute(f"{REVIEWED}.{side}", json.dumps(found))


def read_reviewed(volume_node: Node, side: Side) -> tuple[int, ...] | None:
    """Return which slices (indices along k) a reader stands for; None: all. Raises InputError as `kept`."""
    return _said(volume_node, f"{REVIEWED}.{side}", tuple[int, ...], None)


def bring_reviewed(volume_node: Node, volume: Volume) -> None:
    """Let the marks of slices follow a volume whose slices an opened scene has in another order.

    To be called before the review is kept anew; the grid that was kept with it tells the order in which it was saved.
    """
    here = _grid(parsed(_node(volume_node).GetText())).slice_map(volume)
    if here is None:
        return
    for side in SIDES:
        if slices := read_reviewed(volume_node, side):
            write_reviewed(volume_node, side, map(here, slices))


def write_saved(volume_node: Node, side: Side, fingerprint: str) -> None:
    """Keep what of a hip was saved last, see `saved.Saved`."""
    _node(volume_node).SetAttribute(f"{SAVED}.{side}", fingerprint)


def read_saved(volume_node: Node, side: Side) -> str:
    """Return what `write_saved` has kept last; ""."""
    return _node(volume_node).GetAttribute(f"{SAVED}.{side}") or ""


def leave_open(volume_node: Node) -> None:
    """Keep that a review is let go of while its scene stays open: what was not saved is in no file yet."""
    _node(volume_node).SetAttribute(LEFT_OPEN, "1")


def take_left_open(volume_node: Node) -> bool:
    """Return whether the review was let go of by `leave_open`; it is not any more then."""
    node = _node(volume_node)
    left = node.GetAttribute(LEFT_OPEN) is not None
    node.RemoveAttribute(LEFT_OPEN)
    return left


def add_reader(volume_node: Node, side: Side, code: str) -> None:
    """Keep that a reader has drawn a hip; "" is nobody."""
    readers = dict.fromkeys([*read_readers(volume_node, side), *filter(None, [code])])
    _node(volume_node).SetAttribute(f"{DRAWN_BY}.{side}", json.dumps(list(readers)))


def read_readers(volume_node: Node, side: Side) -> tuple[str, ...]:
    """Return the codes of those who have drawn a hip in this scene, as far as they have signed it.

    Raises InputError as `kept`.
    """
    return _said(volume_node, f"{DRAWN_BY}.{side}", tuple[str, ...], ())


def _said(volume_node: Node, name: str, kind: type[T], otherwise: Other) -> T | Other:
    """Return what an attribute of a review says; raises InputError where that can't be read."""
    try:
        plain = parsed(_node(volume_node).GetAttribute(name))
        return otherwise if plain is None else from_plain(kind, plain, others=True)
    except ValueError as error:
        raise _unreadable(error) from error


def _unreadable(why: object) -> InputError:
    return InputError(f"The review that is kept in this scene cannot be read ({why}); analyse the volume again.")


def _grid(plain: Any) -> Grid:
    """Return the grid that was kept with a review."""
    place = from_plain(_Place, plain, others=True)
    matrix = np.array(place.ijk_to_ras)
    if not (np.abs(matrix) <= FURTHEST_MM).all():
        raise ValueError("a grid that lies kilometres away")
    return Grid(place.shape, matrix)


def _node(volume_node: Node) -> Node:
    return review_node(volume_node, NAME, TEXT, "Review", hidden=True)


def _missed(hip: HipResult) -> HipResult:
    """Return a hip without masks if it has no numbers either: they could be of anything."""
    require_sound(hip.sphere, hip.landmarks)
    if hip != HipResult(hip.side, "not graded", hip.reason, hip.sphere, hip.landmarks):
        raise ValueError("numbers of a hip that has no masks")
    return hip


def _source(kept: Mapping[str, Any], volume: Volume) -> dict[str, Any]:
    """Return what is known of the image; what was not kept, as it is to be seen."""
    source = {**source_facts("Slicer", volume, ImageKind("unknown", "unknown")), **kept}
    from_plain(ImageFacts, source, others=True)
    return source
