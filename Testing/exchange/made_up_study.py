"""A made-up study whose numbers are known: two sphere heads, the right one with a cap of necrosis, any grid."""

import numpy as np
from scipy.special import expit

from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.core.study import StudyResult
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


def make_study(
    matrix: np.ndarray | None = None, shape=(20, 70, 130), calibration: Calibration | None = None
) -> StudyResult:
    """Right: a cap of necrosis (about 30 %), antero-superior and lateral. Left: none, so no class but Steinberg's.

    The log odds of necrosis fall by one with each mm that a voxel lies outside of the cap.
    """
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
        depth_mm = offset @ direction - 6.0 if side == "right" else np.full(shape, -99.0)
        necrosis = head & (depth_mm > 0)
        probability = empty.like((head * expit(depth_mm)).astype(np.float32))
        image[distance <= 1.25 * RADIUS_MM] = 30
        image[head] = rng.normal(200, 8, head.sum())
        image[necrosis] = rng.normal(110, 8, necrosis.sum())
        sphere = Sphere(centre, RADIUS_MM)
        edge = np.array(centre) + 1.15 * RADIUS_MM * (np.sin(0.7) * lateral + [0, 0, np.cos(0.7)])
        drop = np.array(centre) - 1.2 * RADIUS_MM * (0.8 * lateral + [0, 0, 0.6])
        landmarks = Landmarks(tuple(map(float, edge)), tuple(map(float, drop)))
        mask = HipMasks.of(side, empty.like(head), empty.like(necrosis), sphere, landmarks, probability, calibration)
        masks.append(mask)
        hips.append(grade(masks[-1]))
    return StudyResult(
        volume=empty.like(image.astype(np.float32)),
        source={
            "kind": "NIfTI",
            "modality": "MR",
            "sequence": "T1",
            "sequence_from": "image",
            "fat_suppressed": False,
            "contrast_agent": None,
            "plane": "coronal",
            "obliquity_deg": 0.0,
            "spacing_mm": list(empty.spacing_mm),
            "shape": list(shape),
            "body_part": "",
        },
        hips=tuple(hips),
        masks=tuple(masks),
        warnings=(Notice("domain.spacing", "The slices are 5.0 mm apart; the models learned from 3 to 6 mm."),),
        models=(
            {
                "name": "necrosis_t1",
                "version": "0.1.0",
                "sha256": 12 * "0",
                "engine": "OpenVINO",
                "device": "CPU",
                "trained_on": "procedural hips, painted lesions",
                "licence": "Apache-2.0",
            },
        ),
        patient=PATIENT,
    )
