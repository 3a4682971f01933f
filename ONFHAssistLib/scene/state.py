"""What a saved scene keeps of a review beside its masks and landmarks: what the networks had made of it, the sign-off.

It lies as JSON in a hidden text node, so that no second segmentation and no probability map stand in the lists. The
masks, landmarks and radii as they are now lie in their own nodes. Results are not kept but measured again, as Slicer
opens a volume of a left-handed grid with its slices in reverse order. Nothing here names the patient.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ONFHAssistLib.core.codec import (
    array_to_text,
    box_from_plain,
    box_to_plain,
    bytes_to_text,
    filled_part,
    finding_from_plain,
    finding_to_plain,
    mask_from_text,
    masks_from_plain,
    masks_to_plain,
    numbers_from_text,
)
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.geometry import SIDES, Landmarks, Side, Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.grid import Grid, shape_of, triple, turned, turned_box
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.results import HipResult, Notice
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.scene.hip_state import Automatic, HipState, Patch
from ONFHAssistLib.scene.nodes import ROLE, VOLUME, Node, Scene, review_node
from ONFHAssistLib.systems import kept_by_0_1_0

SCHEMA = "onfh-assist-review/1"
TEXT = "vtkMRMLTextNode"
NAME = "review"
SIGN_OFF = "ONFHAssist.SignOff"
REVIEWED = "ONFHAssist.ReviewedSlices"
CASE = "ONFHAssist.Case"
SAVED = "ONFHAssist.Saved"
LEFT_OPEN = "ONFHAssist.LeftOpen"
DRAWN_BY = "ONFHAssist.DrawnBy"


@dataclass(frozen=True)
class SignOff:
    """What a reader says of a hip: code, status and comment."""

    reviewer: str = ""
    status: Literal["draft", "approved", "flagged"] = "draft"
    comment: str = ""


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
        "findings": [_plain_finding(found) for found in result.findings if found.about not in automatic],
        "automatic": {side: _plain(found) for side, found in automatic.items()},
    }


def keep_case(volume_node: Node, opened: OpenCase) -> None:
    """Write into the scene which case of a data set is under review."""
    _node(volume_node).SetAttribute(CASE, json.dumps(to_plain(opened)))


def kept_case(volume_node: Node) -> OpenCase | None:
    """Return which case of a data set is under review; None where it is not one."""
    try:
        return from_plain(OpenCase, json.loads(_node(volume_node).GetAttribute(CASE) or "null"))
    except ValueError:
        return None


def kept_reviews(scene: Scene) -> list[Node]:
    """Return the volume nodes whose reviews a scene keeps."""
    nodes = [scene.GetNthNodeByClass(n, TEXT) for n in range(scene.GetNumberOfNodesByClass(TEXT))]
    volumes = [node.GetNodeReference(VOLUME) for node in nodes if node.GetAttribute(ROLE) == NAME]
    return [volume for volume in volumes if volume is not None]


def kept(volume_node: Node, volume: Volume) -> tuple[StudyResult, dict[Side, Automatic]]:
    """Read back what `keep` has written.

    Args:
        volume_node: one of `kept_reviews`.
        volume: its image.

    Raises:
        InputError: it is damaged, of a later version, or of another grid.
    """
    try:
        return unpacked(json.loads(_node(volume_node).GetText()), volume)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise InputError(
            f"The review that is kept in this scene cannot be read ({error}); analyse the volume again."
        ) from error


def unpacked(plain: dict[str, Any], volume: Volume) -> tuple[StudyResult, dict[Side, Automatic]]:
    """Return what `packed` was given.

    Raises:
        KeyError, TypeError, ValueError, zlib.error: it is damaged, of a later version, or of another grid.
    """
    if plain["schema"] != SCHEMA:
        raise ValueError(f"of the kind {plain['schema']}")
    kept_grid = _grid(plain)
    if kept_grid.slice_map(volume) is None:
        raise ValueError("its volume has another grid now")
    models = tuple(plain["models"])
    automatic = {side: _automatic(side, found, kept_grid, volume, models) for side, found in plain["automatic"].items()}
    hips = [*(one.result for one in automatic.values()), *(_missed(hip) for hip in plain["missed"])]
    others = (_finding(found, kept_grid, volume) for found in plain.get("findings", ()))  # version 0.1.0 kept none
    result = StudyResult(
        volume,
        plain["source"],
        tuple(sorted(hips, key=lambda hip: SIDES.index(hip.side))),
        tuple(one.masks for one in automatic.values()),
        tuple(from_plain(Notice, notice) for notice in plain["warnings"]),
        models,
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


def unpacked_state(plain: dict[str, Any], automatic: Automatic, shape: tuple[int, ...]) -> HipState:
    """Return what `packed_state` was given, on an image of this shape; raises as `unpacked` does."""
    box = box_from_plain(plain["box"], shape)
    head, necrosis = (Patch(box, mask_from_text(plain[name], shape_of(box))) for name in ("head", "necrosis"))
    sphere, landmarks = from_plain(Sphere, plain["sphere"]), from_plain(Landmarks, plain["landmarks"])
    return HipState.of(head, necrosis, sphere, landmarks, automatic)


def unpacked_states(plain: Mapping[Side, Any], automatic: Mapping[Side, Automatic], grid: Grid) -> dict[Side, HipState]:
    """Return the hips that a draft keeps, each as `packed_state` has made it.

    Raises:
        InputError: it is damaged, or of another analysis.
    """
    try:
        return {side: unpacked_state(hip, automatic[side], grid.shape) for side, hip in plain.items()}
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise InputError(
            f"The draft of this study cannot be read ({error}); start from the automatic result."
        ) from error


def write_sign_off(volume_node: Node, side: Side, sign_off: SignOff) -> None:
    """Keep what a reader says of a hip."""
    _node(volume_node).SetAttribute(f"{SIGN_OFF}.{side}", json.dumps(to_plain(sign_off)))


def read_sign_off(volume_node: Node, side: Side) -> SignOff:
    """Return what a reader has said of a hip; empty where nothing was said."""
    try:
        return from_plain(SignOff, json.loads(_node(volume_node).GetAttribute(f"{SIGN_OFF}.{side}") or "{}"))
    except ValueError:
        return SignOff()


def write_reviewed(volume_node: Node, side: Side, slices: Iterable[int] | None) -> None:
    """Keep which slices (indices along k) a reader stands for; None: all."""
    found = None if slices is None else sorted({int(k) for k in slices})
    _node(volume_node).SetAttribute(f"{REVIEWED}.{side}", json.dumps(found))


def read_reviewed(volume_node: Node, side: Side) -> tuple[int, ...] | None:
    """Return which slices (indices along k) a reader stands for; None: all."""
    found = json.loads(_node(volume_node).GetAttribute(f"{REVIEWED}.{side}") or "null")
    return None if found is None else tuple(found)


def bring_reviewed(volume_node: Node, volume: Volume) -> None:
    """Let the marks of slices follow a volume whose slices an opened scene has in another order.

    To be called before the review is kept anew; the grid that was kept with it tells the order in which it was saved.
    """
    plain = json.loads(_node(volume_node).GetText())
    here = _grid(plain).slice_map(volume)
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
    """Return the codes of those who have drawn a hip in this scene, as far as they have signed it."""
    try:
        return tuple(map(str, json.loads(_node(volume_node).GetAttribute(f"{DRAWN_BY}.{side}") or "[]")))
    except (TypeError, ValueError):
        return ()


def _grid(plain: dict[str, Any]) -> Grid:
    """Return the grid that was kept with a review."""
    return Grid(triple(plain["shape"]), np.array(plain["ijk_to_ras"]))


def _node(volume_node: Node) -> Node:
    return review_node(volume_node, NAME, TEXT, "Review", hidden=True)


def _plain(found: Automatic) -> dict[str, Any]:
    masks = found.masks
    return {
        "box": box_to_plain(masks.box),
        "head": array_to_text(masks.head.array),
        "necrosis": array_to_text(masks.necrosis.array),
        "probability": masks.probability and array_to_text(masks.probability.array),
        **masks_to_plain(masks),
        "findings": [_plain_finding(finding) for finding in found.findings],
        "models": to_plain(found.models),
    }


def _automatic(
    side: Side, plain: dict[str, Any], kept_grid: Grid, volume: Volume, models: tuple[Mapping[str, Any], ...]
) -> Automatic:
    """Read one hip; ``models`` are those of the study, where what an older version kept of the hip tells of none."""
    box = box_from_plain(plain["box"], kept_grid.shape)
    head, necrosis = (mask_from_text(plain[what], shape_of(box)) for what in ("head", "necrosis"))
    sure = plain["probability"]
    probability = None if sure is None else numbers_from_text(sure, shape_of(box))
    masks = masks_from_plain(side, plain, kept_grid, box, head, necrosis, probability).in_order_of(volume.grid)
    assert masks is not None  # `unpacked` has made sure of it
    own_models = plain.get("models", models)
    own_models = None if own_models is None else tuple(own_models)
    findings = tuple(_finding(found, kept_grid, volume) for found in plain.get("findings", ()))
    if plain.get("threshold"):  # version 0.1.0 had one place for one other system
        other = _automatic(side, plain["threshold"] | {"threshold": None}, kept_grid, volume, models)
        findings = (kept_by_0_1_0(plain["threshold_result"], other.masks),)
    return Automatic(masks, grade(masks), findings, own_models)


def _missed(plain: dict[str, Any]) -> HipResult:
    """Read a hip without masks; version 0.1.0 kept a field of it that findings have taken the place of."""
    return from_plain(HipResult, {name: value for name, value in plain.items() if name != "threshold"})


def _plain_finding(finding: Finding) -> dict[str, Any]:
    return {"finding": finding_to_plain(finding), "volumes": [_plain_volume(volume) for volume in finding.volumes]}


def _plain_volume(volume: Volume) -> dict[str, Any]:
    """A mask as bits, a map of numbers as float32, in the box of what is in it."""
    box, array = filled_part(volume)
    kept = box_to_plain(box) if array.size else None
    return {"box": kept, "bits": array.dtype == bool, "values": array_to_text(array) if array.size else ""}


def _finding(plain: dict[str, Any], kept_grid: Grid, volume: Volume) -> Finding:
    here, renumber = kept_grid.index_map(volume), kept_grid.slice_map(volume)
    assert here is not None and renumber is not None  # `unpacked` has made sure of it
    volumes = [_whole(entry, kept_grid.shape, here, volume) for entry in plain["volumes"]]
    return finding_from_plain(plain["finding"], volumes).renumbered(renumber)


def _whole(plain: dict[str, Any], shape: tuple[int, ...], here: np.ndarray, volume: Volume) -> Volume:
    whole = np.zeros(volume.shape, bool if plain["bits"] else np.float32)
    if plain["box"] is not None:
        box = box_from_plain(plain["box"], shape)
        array = (mask_from_text if plain["bits"] else numbers_from_text)(plain["values"], shape_of(box))
        whole[turned_box(box, here)] = turned(array, here)
    return volume.like(whole)
