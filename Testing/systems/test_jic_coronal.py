"""S-JIC: what its network sees, where it says that it looked, and why geometry differs, each against a known truth."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.gradings.jic import JIC
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import canonical_hip
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import CROP_MM, Head
from ONFHAssistLib.imaging.slice_heads import SliceHead
from ONFHAssistLib.systems.jic_coronal import SYSTEM, words
from ONFHAssistLib.systems.jic_coronal import hip as hip_room
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES, NONE
from ONFHAssistLib.systems.jic_coronal.hip import in_slice, in_volume
from ONFHAssistLib.systems.jic_coronal.moves import EDGE, END, TEARDROP, moves_to
from ONFHAssistLib.systems.jic_coronal.patch import coronal_patch
from ONFHAssistLib.systems.jic_coronal.seen import Seen

RADIUS_MM = 24.0
CENTRE = {"right": (80.0, 5.0, -12.0), "left": (-80.0, 5.0, -12.0)}
SIZE, PIXEL_MM = 160, 0.6
SOURCE = {"modality": "MR", "contrast_agent": False, "plane": "coronal", "spacing_mm": [1, 1, 3], "sequence": "T1"}


def pelvis(plane: str = "coronal", spots: dict | None = None) -> Volume:
    """An image of both hips: marrow-grey, with a bright ball of 6 mm at ``spots`` (RAS, mm)."""
    spacing = {"coronal": (1.0, 3.0, 1.0), "axial": (1.0, 1.0, 3.0)}[plane]
    count = np.ceil(np.array([260, 60, 130]) / spacing).astype(int)
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = -(count - 1) / 2 * spacing + [0, 5.0, -12.0]
    if plane == "coronal":  # stacked along k, as a scanner writes it
        matrix, count = matrix[:, [0, 2, 1, 3]], count[[0, 2, 1]]
    volume = Volume(np.zeros(tuple(count[::-1]), np.float32), matrix)
    ras = volume.grid_ras()
    image = 100 + 20 * np.sin(ras.sum(axis=-1) / 7)
    for spot in (spots or {}).values():
        image[np.linalg.norm(ras - np.array(spot), axis=-1) < 6] = 300
    return volume.like(image.astype(np.float32))


def hip(end_deg: float, side: str = "right") -> HipMasks:
    """A ball whose lesion is the wedge of the upper surface from -60° to ``end_deg``; the portion is 0° to 60°.

    The perpendicular bisector of edge and teardrop passes through the centre and the top, as both lie equally far to
    the right and to the left of it, at the same height.
    """
    sign = 1 if side == "right" else -1
    centre = np.array(CENTRE[side])
    volume = pelvis()
    offset = (volume.grid_ras() - centre) * [sign, 1, 1]
    distance, angle = np.linalg.norm(offset, axis=-1), np.degrees(np.arctan2(offset[..., 0], offset[..., 2]))
    head = distance < RADIUS_MM
    lesion = head & (distance > 8) & (angle > -60) & (angle < end_deg)
    out = 28 * np.sin(np.radians(60))
    up = 28 * np.cos(np.radians(60))
    edge, tear = ((centre + [s * sign * out, 0, up]).tolist() for s in (1, -1))
    marks = Landmarks(tuple(edge), tuple(tear))
    return HipMasks.of(side, volume.like(head), volume.like(lesion), Sphere(CENTRE[side], RADIUS_MM), marks)


def network(maps: np.ndarray) -> SimpleNamespace:
    """A network that gives these maps for whatever it sees."""
    bundle = SimpleNamespace(input={"size_px": [SIZE, SIZE], "pixel_mm": PIXEL_MM})
    return SimpleNamespace(bundle=bundle, engine=lambda batch: np.repeat(maps[None], len(batch), axis=0))


def maps_of(chances: dict[str, float], place: tuple[int, int] = (3, 12)) -> np.ndarray:
    """Maps of 20 x 20 whose means are the logits of these probabilities, each of them higher at one place."""
    maps = np.zeros((5, 20, 20), np.float32)
    for n, name in enumerate(CLASSES):
        maps[n] = np.log(max(chances.get(name, 0.0), 1e-4)) - 10 / 400
        maps[n, place[0], place[1]] += 10
    return maps


def head_of(volume: Volume, side: str) -> Head:
    crop = canonical_hip(volume, side, CENTRE[side], CROP_MM)
    return Head(side, crop, np.zeros(crop.volume.shape, bool), Sphere(CENTRE[side], RADIUS_MM), Landmarks())


@pytest.mark.parametrize("plane", ["coronal", "axial"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_the_patch_shows_each_hip_as_a_right_one_with_lateral_at_the_left(side, plane):
    sign = 1 if side == "right" else -1
    spot = np.array(CENTRE[side]) + [sign * 15.0, 0, 20.0]
    patch = coronal_patch(pelvis(plane, {side: spot}), Sphere(CENTRE[side], RADIUS_MM), side, SIZE, PIXEL_MM)
    row, column = np.argwhere(patch.image > patch.image.max() - 0.3).mean(axis=0)
    assert (79.5 - column) * PIXEL_MM == pytest.approx(15, abs=1)
    assert (79.5 - row) * PIXEL_MM == pytest.approx(20, abs=1 if plane == "coronal" else 2)
    assert (patch.plane.voxel_index is None) == (plane == "axial")


@pytest.mark.parametrize("plane", ["coronal", "axial"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_the_evidence_is_laid_over_the_place_that_the_network_saw(side, plane):
    volume = pelvis(plane)
    patch = coronal_patch(volume, Sphere(CENTRE[side], RADIUS_MM), side, SIZE, PIXEL_MM)
    values = np.zeros((20, 20))
    values[5, 7] = 1.0  # (9.5 - 5) and (9.5 - 7) places of 4.8 mm above and lateral of the middle
    laid = patch.on_grid(values, volume.grid)
    at = volume.ras(np.array(np.unravel_index(laid.array.argmax(), laid.shape))[::-1])
    off = (at - CENTRE[side]) * [1 if side == "right" else -1, 1, 1]
    assert off == pytest.approx([2.5 * 4.8, 0, 4.5 * 4.8], abs=2)
    assert laid.array.max() > 0.7
    shown = np.flatnonzero(laid.array.any(axis=(1, 2)))
    assert len(shown) == 1 if plane == "coronal" else len(shown) > 1


def test_a_head_beyond_the_image_has_no_patch():
    assert coronal_patch(pelvis(), Sphere((400.0, 0.0, 0.0), RADIUS_MM), "right", SIZE, PIXEL_MM) is None


def test_the_probabilities_are_those_of_the_means_of_the_maps():
    chances = {NONE: 0.1, "A": 0.05, "B": 0.15, "C1": 0.5, "C2": 0.2}
    seen = Seen(maps_of(chances))
    assert seen.probabilities == pytest.approx(chances, abs=1e-3)
    assert seen.ranked == ("C1", "C2", "B", NONE, "A")
    assert seen.evidence().max() == 1.0 and seen.evidence().min() == 0.0
    row, column = np.unravel_index(seen.evidence().argmax(), (80, 80))
    assert (row // 4, column // 4) == (3, 12)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_finding_gives_class_probabilities_place_and_agreement(side):
    volume, masks = pelvis(), hip(50.0, side)
    study = Study(volume, SOURCE)
    found = in_volume(study, head_of(volume, side), network(maps_of({"C1": 0.9, "C2": 0.1})), masks)
    assert JIC.grade(measure_hip(masks)).grade == "C1"
    assert found.about == side and found.grades["jic"].grade == "C1"
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.probabilities[words.TITLES["C1"]] == pytest.approx(0.9, abs=1e-3)
    # Place (3, 12) lies 6.5 places above and 2.5 places medial of the middle, 4.8 mm each.
    assert re.search("3[12] mm above and 1[12] mm medial", found.grades["jic"].rule)
    assert found.attention.shape == volume.shape and found.attention.array.max() == pytest.approx(1, abs=0.1)
    assert found.notes == ("Geometry, by masks and landmarks, agrees: class C1.",)


def test_where_geometry_differs_the_finding_says_what_would_have_to_move():
    volume = pelvis()
    found = in_volume(Study(volume, SOURCE), head_of(volume, "right"), network(maps_of({"C2": 0.95})), hip(55.0))
    assert any("Geometry differs: class C1" in note for note in found.notes)
    why = found.notes[-1]
    assert EDGE in why and "more medially" in why and END in why and "more laterally" in why


def test_a_lesion_that_only_one_of_both_sees_is_named():
    volume = pelvis()
    unseen = in_volume(Study(volume, SOURCE), head_of(volume, "right"), network(maps_of({NONE: 0.9})), hip(30.0))
    assert unseen.grades["jic"].grade is None and "sees nothing where necrosis is outlined" in unseen.notes[-1]
    sound = in_volume(Study(volume, SOURCE), head_of(volume, "right"), network(maps_of({"B": 0.9})), hip(-60.0))
    assert "No necrosis is outlined on this slice" in sound.notes[-1]


@pytest.mark.parametrize(("top", "said"), [(0.95, None), (0.7, "Not sure"), (0.4, "Inconclusive")])
def test_low_confidence_is_said_in_words(top, said):
    rest = (1 - top) / 4
    notes = words.of_confidence(Seen(maps_of({name: top if name == "B" else rest for name in CLASSES})))
    assert notes == [] if said is None else notes[0].startswith(said)


@pytest.mark.parametrize("wanted", ["B", "C2"])
def test_a_move_is_as_long_as_the_arc_to_the_next_class(wanted):
    measured = measure_hip(hip(50.0))  # C1: 40° to 60° of a portion of 60°
    end = measured.lateral_end_deg
    moves = {move.what: move for move in moves_to(wanted, measured)}
    to_go = 60 - end if wanted == "C2" else end - 40
    assert moves[END].mm == pytest.approx(np.radians(to_go) * RADIUS_MM, abs=0.5)
    assert moves[END].where == ("more laterally" if wanted == "C2" else "more medially")
    assert moves[EDGE].where == ("more medially" if wanted == "C2" else "more laterally")
    assert moves[EDGE].mm > moves[END].mm or wanted == "C2"
    for move in moves.values():
        assert 0 < move.mm <= 20


def test_moving_just_that_far_gives_the_class():
    masks = hip(50.0)
    move = next(move for move in moves_to("C2", measure_hip(masks)) if move.what == EDGE)
    turn = -(move.mm + 0.5) / RADIUS_MM  # the nearest slice does not cut the ball at its widest
    centre = np.array(CENTRE["right"])
    x, _, z = np.array(masks.landmarks.acetabular_edge_ras_mm) - centre
    turned = centre + [x * np.cos(turn) + z * np.sin(turn), 0, z * np.cos(turn) - x * np.sin(turn)]
    moved = Landmarks(tuple(turned.tolist()), masks.landmarks.teardrop_ras_mm)
    assert JIC.grade(measure_hip(replace(masks, landmarks=moved))).grade == "C2"


def test_the_teardrop_decides_thirds_but_never_whether_the_edge_is_reached():
    measured = measure_hip(hip(43.0))
    assert TEARDROP in {move.what for move in moves_to("B", measured)}
    assert TEARDROP not in {move.what for move in moves_to("C2", measured)}


@pytest.mark.parametrize(
    ("form", "source", "said"),
    [
        ("volume", {"modality": "CT"}, "reads MRI, and this image is CT"),
        ("picture", {"modality": "DX"}, "reads MRI, and this image is DX"),
        ("slice", {"plane": "sagittal"}, "this one is sagittal"),
        ("volume", {"plane": "axial"}, ""),
        ("picture", {"modality": "unknown"}, ""),
    ],
)
def test_other_images_are_refused_with_the_remedy(form, source, said):
    reason = SYSTEM.why_not(Study(pelvis(), SOURCE | {"form": form} | source))
    assert said in reason and (said == "" or "give" in reason) and bool(said) == bool(reason)


def test_a_slice_far_from_the_middle_says_how_far():
    volume = pelvis()
    far = Volume(volume.array[:8], volume.ijk_to_ras)  # the slices end 10 mm and more before the head's middle
    away = in_volume(Study(far, SOURCE), head_of(volume, "right"), network(maps_of({"B": 0.9})), None)
    assert away.reason is not None and "give the whole series" in away.reason


def picture_of(volume: Volume, spacing_mm=None) -> Study:
    """The slice through the middle of the heads, as a picture whose pixels have no size."""
    k = round(float(volume.ijk(np.array(CENTRE["right"]))[2]))
    flat = np.diag([-1.0, 1.0, 1.0, 1.0])[:, [0, 2, 1, 3]] * [1, -1, 1, 1]
    pixels = volume.array[k][::-1, ::-1]  # the patient's right at the left, upright
    return Study(Volume(pixels[None].copy(), flat), SOURCE | {"form": "picture", "spacing_mm": spacing_mm})


def slice_head(study: Study, side: str, **known) -> SliceHead:
    """The head of a side on `picture_of`."""
    column = 129.5 - CENTRE[side][0] * 1.0
    centre = study.volume.ras(np.array([column, 64.5, 0.0]))
    told = {"side_sure": 1.0, "pixel_mm": 1.0, "pixel_from": "head's width", "confidence": 0.9, "whole": True} | known
    return SliceHead(side=side, centre_ras_mm=tuple(centre.tolist()), radius_mm=RADIUS_MM, **told)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_picture_is_classed_at_the_head_that_is_seen_and_says_what_is_not_known(monkeypatch, side):
    sign = 1 if side == "right" else -1
    spot = np.array(CENTRE[side]) + [sign * 15.0, 0, 20.0]
    study = picture_of(pelvis(spots={side: spot}))
    looked = []
    seen = network(maps_of({"B": 0.9}))
    monkeypatch.setattr(hip_room, "find_slice_heads", lambda *_: (slice_head(study, side),))
    engine = seen.engine
    seen.engine = lambda batch: looked.append(batch) or engine(batch)
    (found,) = in_slice(study, seen, None)
    row, column = np.argwhere(looked[0][0, 0] > looked[0].max() - 0.3).mean(axis=0)
    assert ((79.5 - column) * PIXEL_MM, (79.5 - row) * PIXEL_MM) == pytest.approx((15, 20), abs=1.5)
    assert found.about == side and found.grades["jic"].grade == "B" and found.attention.shape == study.volume.shape
    place = np.unravel_index(found.attention.array.argmax(), found.attention.shape)
    assert place[1] < 64.5 - 20 and sign * (place[2] - (129.5 - CENTRE[side][0])) > 5  # above, and medial
    text = " ".join(found.notes)
    assert "taken to be 48 mm wide" in text and "can't be told" in text and "one slice does not give" in text


def test_a_slice_that_cuts_the_head_too_small_says_how_far_from_the_middle_it_lies(monkeypatch):
    study = picture_of(pelvis(), spacing_mm=[1.0, 1.0, 1.0])
    head = replace(slice_head(study, "right", pixel_from="image"), radius_mm=12.0)
    monkeypatch.setattr(hip_room, "find_slice_heads", lambda *_: (head,))
    (found,) = in_slice(study, network(maps_of({"B": 0.9})), None)
    # sqrt(17.5² - 12²) mm = 12.7 mm
    assert any("radius: it lies at least 13 mm from the middle" in note for note in found.notes)


def test_a_cut_head_no_signal_and_a_picture_without_a_head_are_refused(monkeypatch):
    study = picture_of(pelvis())
    monkeypatch.setattr(hip_room, "find_slice_heads", lambda *_: (slice_head(study, "left", whole=False),))
    (cut,) = in_slice(study, network(maps_of({"B": 0.9})), None)
    assert cut.about == "left" and "cut off by the border" in cut.reason and not cut.grades
    empty = study.volume.array.copy()
    rows, columns = np.indices(empty.shape[1:])
    empty[0, np.hypot(rows - 64.5, columns - (129.5 - CENTRE["left"][0])) < RADIUS_MM] = 0
    metal = replace(study, volume=study.volume.like(empty))
    monkeypatch.setattr(hip_room, "find_slice_heads", lambda *_: (slice_head(metal, "left"),))
    (void,) = in_slice(metal, network(maps_of({"B": 0.9})), None)
    assert "gives no signal" in void.reason
    monkeypatch.setattr(hip_room, "find_slice_heads", lambda *_: ())
    (none,) = in_slice(study, network(maps_of({"B": 0.9})), None)
    assert none.about == "patient" and "sees no femoral head on this picture" in none.reason
