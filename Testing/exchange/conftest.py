"""A made-up study whose numbers are known: two sphere heads, the right one with a cap of necrosis, any grid."""

import numpy as np
import pytest

from ONFHAssistLib.core.hip import (
    Grade,
    HipMasks,
    HipResult,
    Landmarks,
    Notice,
    SliceMeasurement,
    Sphere,
    StudyResult,
)
from ONFHAssistLib.core.volume import Volume

RADIUS_MM = 24.0
CENTRES = {"right": (90.0, 10.0, 5.0), "left": (-90.0, 10.0, 5.0)}
PATIENT = {"name": "Doe^Jane", "id": "HOSP-4711"}


def coronal_grid(shape=(20, 70, 130), spacing=(2.0, 2.0, 5.0), turn_deg=0.0, mirror=False) -> np.ndarray:
    """Columns run to the patient's left, rows downwards, slices forwards; turned about the S axis; maybe mirrored."""
    t = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1.0]])
    axes = turn @ np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]) * spacing
    if mirror:
        axes[:, 2] *= -1
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    middle = (np.array(shape[::-1]) - 1) / 2
    matrix[:3, 3] = np.array([0.0, 10.0, 5.0]) - axes @ middle
    return matrix


def make_study(matrix: np.ndarray | None = None, shape=(20, 70, 130)) -> StudyResult:
    """Right: 30 % cap of necrosis, with all grades. Left: none, and no JIC class."""
    rng = np.random.default_rng(7)
    empty = Volume(np.zeros(shape), coronal_grid(shape) if matrix is None else matrix)
    grid = empty.grid_ras()
    image = rng.normal(60, 8, shape)
    masks, hips = [], []
    for side, centre in CENTRES.items():
        offset = grid - np.array(centre)
        distance = np.linalg.norm(offset, axis=-1)
        head = distance <= RADIUS_MM
        lateral = np.array([1.0 if side == "right" else -1.0, 0, 0])
        direction = (0.5 * lateral + np.array([0, 0.35, 1.0])) / np.linalg.norm([0.5, 0.35, 1.0])
        necrosis = head & (offset @ direction > 6.0) if side == "right" else np.zeros(shape, bool)
        image[distance <= 1.25 * RADIUS_MM] = 30
        image[head] = rng.normal(200, 8, head.sum())
        image[necrosis] = rng.normal(110, 8, necrosis.sum())
        sphere = Sphere(centre, RADIUS_MM)
        edge = np.array(centre) + 1.15 * RADIUS_MM * (np.sin(0.7) * lateral + [0, 0, np.cos(0.7)])
        drop = np.array(centre) - 1.2 * RADIUS_MM * (0.8 * lateral + [0, 0, 0.6])
        landmarks = Landmarks(tuple(map(float, edge)), tuple(map(float, drop)))
        masks.append(HipMasks(side, empty.like(head), empty.like(necrosis), sphere, landmarks))
        hips.append(_hip(empty, masks[-1], RIGHT_GRADES if side == "right" else LEFT_GRADES))
    return StudyResult(
        volume=empty.like(image.astype(np.float32)),
        source={"kind": "NIfTI", "modality": "MR", "plane": "coronal", "sequence": "T1", "shape": list(shape)},
        hips=tuple(hips),
        masks=tuple(masks),
        warnings=(Notice("domain.spacing", "The slices are 5.0 mm apart; the models learned from 3 to 6 mm."),),
        models=({"name": "necrosis_t1", "version": "0.1.0", "trained_on": "procedural hips, painted lesions"},),
        patient=PATIENT,
    )


RIGHT_GRADES = {
    "steinberg": Grade(
        "severe",
        "31.4 % of head volume > 30 %: severe",
        0.314,
        0.014,
        "fraction",
        {"worst_slice": {"index": 9, "ratio": 0.42, "grade": "severe"}, "mid_slice": None},
    ),
    "jic": Grade("C1", "The lesion ends beyond two thirds but short of the edge: C1", 38.2, 2.8, "deg"),
    "kerboul": Grade(3, "118° + 142° = 260°, from 250 to below 300: grade 3", 260.0, 10.0, "deg"),
    "necrotic_index": Grade(None, "(118/180) × (142/180) × 100 = 51.7; a value without classes", 51.7),
    "cjfh": Grade("L1", "The lateral pillar is partly spared: L1"),
}
LEFT_GRADES = {
    "steinberg": Grade(
        "without ONFH",
        "0.0 % of head volume < 0.1 %: without ONFH",
        0.0,
        0.001,
        "fraction",
        {"worst_slice": None, "mid_slice": None},
    ),
    "jic": Grade(None, "No necrosis on the mid-coronal slice, so there is no class"),
}


def _hip(grid: Volume, mask: HipMasks, grades: dict[str, Grade]) -> HipResult:
    si, sj, _ = grid.spacing_mm
    slices = []
    for k in np.flatnonzero(mask.head.array.any(axis=(1, 2))):
        head, necrosis = (m.array[k].sum() * si * sj for m in (mask.head, mask.necrosis))
        middle = ((grid.array.shape[2] - 1) / 2, (grid.array.shape[1] - 1) / 2, k)
        ratio = float(necrosis / head)
        grade = ("without ONFH", "mild", "moderate", "severe")[np.searchsorted([0.001, 0.15, 0.3], ratio)]
        position = tuple(float(x) for x in grid.ras(np.array(middle)))
        slices.append(SliceMeasurement(int(k), position, float(head), float(necrosis), ratio, grade))
    head_ml, necrosis_ml = (float(m.array.sum() * grid.voxel_ml) for m in (mask.head, mask.necrosis))
    return HipResult(
        side=mask.side,
        status="graded",
        sphere=mask.sphere,
        landmarks=mask.landmarks,
        head_volume_ml=head_ml,
        necrosis_volume_ml=necrosis_ml,
        volume_ratio=necrosis_ml / head_ml,
        slices=tuple(slices),
        grades=grades,
    )


@pytest.fixture(scope="session")
def study() -> StudyResult:
    """The made-up study on a straight coronal grid."""
    return make_study()
