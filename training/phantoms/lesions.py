"""Paint osteonecrosis, and things that only look like it, into the image of a hip.

The truth follows docs/clinical.md: everything enclosed by the outer margin of the low-signal band, band included,
clipped to the femoral head (Uemura 2025). Shapes and tones are drawn far more widely than nature does (domain
randomisation), so that a network cannot learn the painter instead of the disease.

Arrays are (k, j, i). Points are mm from the head's centre along (lateral, anterior, superior), on a regular grid.
Tones are relative: 0 is dark (muscle) and 1 is the marrow of this head; where the marrow itself is dark (fat
suppression), 0 is the marrow and 1 is half of the local intensity range above it.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from training.phantoms.tissue import (
    NECK,
    TONES,
    VISIBLE_CLASSES,
    Grid,
    Tones,
    fine_grid,
    marrow_of_the_neck,
    measure_tones,
    site,
    slope_per_mm,
    soft,
    waves,
)

CLASSES, CLASS_ODDS = list("ABCD"), (0.35, 0.25, 0.2, 0.2)
"""Mitchell classes of lesions with a band, and how often: those whose inside looks like marrow are the hard ones."""


@dataclass(frozen=True)
class Lesion:
    """A painted hip.

    Attributes:
        image: float32 (k, j, i).
        necrosis: bool (k, j, i), the exact truth, inside the head.
        mitchell: class of most of the inside: A, B, C or D.
    """

    image: np.ndarray
    necrosis: np.ndarray
    mitchell: str


def paint(
    image: np.ndarray,
    points_mm: np.ndarray,
    head: np.ndarray,
    radius_mm: float,
    contrast: str,
    slice_normal_mm: np.ndarray,
    rng: np.random.Generator,
    target_ratio: float | None = None,
    muscle: float | None = None,
) -> Lesion:
    """Paint one head's necrosis; the input stays as it is.

    Args:
        image: (k, j, i), any intensity scale.
        points_mm: (k, j, i, 3), see the module.
        head: bool (k, j, i), not empty.
        radius_mm: of the head's sphere.
        contrast: decides the tones; a T2 whose marrow is dark is treated as fat-suppressed.
        slice_normal_mm: (3,) the step from one slice to the next; the lesion is averaged along it (partial volume).
        rng: the only source of chance: one seed, one lesion.
        target_ratio: necrotic part of the head's voxels; None draws 1-60 %, small ones more often.
        muscle: intensity of muscle; None estimates it from the surroundings.

    Raises:
        InputError: the head is empty, or the contrast or the ratio is not one of the above.
    """
    _check(image, head, contrast)
    target_ratio = _draw_ratio(rng) if target_ratio is None else target_ratio
    if not 0 < target_ratio <= 1:
        raise InputError(f"A lesion's target ratio must lie above 0 and up to 1, not {target_ratio}.")
    tone = measure_tones(image, points_mm, head, radius_mm, contrast, muscle)
    bone = head | marrow_of_the_neck(image, points_mm, radius_mm, tone)
    box = ndimage.find_objects(bone.astype(np.uint8))[0]
    grid = fine_grid(points_mm[box], np.asarray(slice_normal_mm, np.float32))

    shape = _shape(grid.points, radius_mm, target_ratio < 0.05, rng)
    slope = slope_per_mm(shape, grid)
    necrosis, level = _threshold(shape, head[box], target_ratio)
    specks = _specks(necrosis)
    if specks.any():
        shape = np.where(specks[:, None], np.float32(1e3), shape)
        necrosis, level = _threshold(shape, head[box], target_ratio)
    depth = (level - shape) / slope

    paintable, noise = _paintable(image[box], bone[box], grid, tone, rng)
    near = (depth > -12) & (paintable > 0)[:, None]
    new, weight, mitchell = _appearance(
        grid.points[near], depth[near], grid.pixel_mm, radius_mm, tone, target_ratio, rng
    )
    change = np.zeros(near.shape, np.float32)
    change[near] = weight * (tone.level(new) - tone.marrow)
    cover = np.zeros(near.shape, np.float32)
    cover[near] = weight
    painted = np.array(image, np.float32)
    painted[box] += paintable * (change.mean(axis=1) + noise * cover.mean(axis=1))
    truth = np.zeros(head.shape, bool)
    truth[box] = necrosis
    return Lesion(painted, truth, mitchell)


def _draw_ratio(rng: np.random.Generator) -> float:
    """Draw a necrotic part of the head, 1-60 %, small ones more often."""
    if rng.random() < 0.6:
        return float(np.exp(rng.uniform(np.log(0.01), np.log(0.6))))
    return float(rng.uniform(0.05, 0.6))


def decoys(
    image: np.ndarray,
    points_mm: np.ndarray,
    head: np.ndarray,
    radius_mm: float,
    contrast: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Paint what is not necrosis: the truth stays empty, and voxels beyond 1.3 radii stay as they are.

    Red marrow, marrow oedema, streaks of trabeculae, physeal scar, bone islands, vessel channels, fovea and its
    ligament, cysts and osteophytes near the acetabular edge, a local bias, and darker polar slices; each one only
    sometimes. Arguments as in ``paint``.

    Returns:
        float32 (k, j, i).

    Raises:
        InputError: the head is empty, or the contrast is unknown.
    """
    _check(image, head, contrast)
    tone = measure_tones(image, points_mm, head, radius_mm, contrast, None)
    distance = np.sqrt(np.einsum("...c,...c->...", points_mm, points_mm))
    zone = distance < 1.3 * radius_mm
    box = ndimage.find_objects(zone.astype(np.uint8))[0]
    normal = points_mm[1, 0, 0] - points_mm[0, 0, 0] if len(points_mm) > 1 else np.zeros(3, np.float32)
    grid = fine_grid(points_mm[box], normal)
    out = np.array(image, np.float32)

    def fine(voxels: np.ndarray) -> np.ndarray:
        return np.repeat(voxels[box][:, None], grid.points.shape[1], axis=1)

    inside = fine(zone)
    points = grid.points[inside]
    bone = head | marrow_of_the_neck(image, points_mm, radius_mm, tone)
    fade = np.clip((1.3 - distance / radius_mm) * 4, 0, 1)  # no edge where the zone ends in the neck
    marrow_part = fine(tone.marrow_part(out) * bone * fade)[inside]
    before = fine((out - tone.zero) / tone.scale)[inside]
    change = np.zeros(len(points), np.float32)
    for cover, value, within in _decoy_covers(points, radius_mm, grid.pixel_mm, tone, rng):
        if within:  # keep what is not marrow, as in ``paint``
            change += cover * marrow_part * (value - tone.normal - change)
        else:
            change += cover * (value - before - change)
    changes = np.zeros(inside.shape, np.float32)
    changes[inside] = change
    out[box] += tone.scale * changes.mean(axis=1)

    if rng.random() < 0.4:  # a bias that fades out
        fade = np.clip(1.3 - distance / radius_mm, 0, 0.5)[box] * 2
        bias = rng.uniform(0, 0.15) * fade * waves(points_mm[box], rng, (30, 90))
        out[box] += bias * np.abs(out[box] - (tone.zero - tone.scale))
    if rng.random() < 0.4:  # the polar slices hold less of the head
        slices = np.flatnonzero(head.any(axis=(1, 2)))
        for k in {slices[0], slices[-1]}:
            out[k][head[k]] += rng.uniform(0.1, 0.6) * (tone.zero - out[k][head[k]])
    return out


def _check(image: np.ndarray, head: np.ndarray, contrast: str) -> None:
    if contrast not in TONES:
        raise InputError(f"The contrast {contrast!r} is not known; give one of {', '.join(TONES)}.")
    if head.shape != image.shape or not head.any():
        raise InputError("The head mask is empty or of another shape than the image; there is nothing to paint into.")


def _paintable(image, bone, grid: "Grid", tone: Tones, rng) -> tuple[np.ndarray, np.ndarray]:
    """How far the paint covers each voxel (0 in the thin rim of cortex and cartilage), and noise like the image's."""
    inside_mm = ndimage.distance_transform_edt(np.pad(bone, 1), sampling=grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    rim = np.clip((inside_mm - rng.uniform(0.5, 1.5)) / grid.pixel_mm, 0, 1)
    marrow_part = tone.marrow_part(image)
    marrow_part += rng.random() * (ndimage.uniform_filter(marrow_part, (1, 3, 3)) - marrow_part)
    rough = (image - ndimage.uniform_filter(image, (1, 3, 3)))[inside_mm > 3 * grid.pixel_mm]
    sigma = 1.48 * float(np.median(np.abs(rough))) if rough.size else 0.0
    noise = rng.standard_normal(image.shape).astype(np.float32) * np.float32(sigma * rng.uniform(0, 0.8))
    return (rim * marrow_part).astype(np.float32), noise


# --- geometry ---------------------------------------------------------------------------------------------------


def _shape(points: np.ndarray, radius: float, small: bool, rng) -> np.ndarray:
    """A field that is lower the deeper inside the lesion, in mm or so: any of its levels bounds a lesion."""
    warped = points.copy()
    for wavelengths, most in (((15.0, 40.0), 3.5), ((5.0, 14.0), 1.3)):
        warped += rng.uniform(0, most) * 0.6 * waves(points, rng, wavelengths, channels=3)
    main = site(rng)
    field = _primitive(warped, main, radius, small, rng)
    for _ in range(rng.choice(3, p=[0.7, 0.2, 0.1])):
        other = _primitive(warped, site(rng), radius, small, rng) + rng.uniform(0, 0.3) * radius
        field = np.minimum(field, other)
    # The base of the head is spared unless the lesion is very large.
    return np.maximum(field, warped @ NECK - rng.uniform(0.1, 0.8) * radius)


def _primitive(points: np.ndarray, axis: np.ndarray, radius: float, small: bool, rng) -> np.ndarray:
    # A small cut or crescent would be a sliver that hides in the rim.
    odds = [0.4, 0.0, 0.0, 0.45, 0.15, 0.0] if small else [0.25, 0.2, 0.2, 0.15, 0.08, 0.12]
    kind = rng.choice(["cone", "cut", "bowl", "blob", "deep", "crescent"], p=odds)
    if kind == "cut":
        return -(points @ axis)
    if kind == "bowl":
        offset = points - axis * np.float32(rng.uniform(0.8, 2.0) * radius)
        return np.sqrt(np.einsum("...c,...c->...", offset, offset))
    if kind in ("blob", "deep"):
        reach = rng.uniform(0.65, 0.95) if kind == "blob" else rng.uniform(0, 0.5)
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        squeeze = (turn * rng.uniform(0.6, 1.6, 3)).astype(np.float32)
        offset = (points - axis * np.float32(reach * radius)) @ squeeze
        return np.sqrt(np.einsum("...c,...c->...", offset, offset))
    apex = 0.0 if kind == "crescent" else rng.uniform(0.3, 0.7) if small else rng.uniform(-0.3, 0.6)
    opening = np.deg2rad(rng.uniform(20, 75))
    offset = points - axis * np.float32(apex * radius)
    height = offset @ axis
    across = np.sqrt(np.maximum(np.einsum("...c,...c->...", offset, offset) - height**2, 0))
    cone = across * np.float32(np.cos(opening)) - height * np.float32(np.sin(opening))
    if kind == "cone":
        return cone
    shell = np.float32(rng.uniform(0.6, 0.85) * radius) - np.sqrt(np.einsum("...c,...c->...", points, points))
    return np.maximum(shell, cone)


def _threshold(field: np.ndarray, head: np.ndarray, ratio: float) -> tuple[np.ndarray, float]:
    """The level of the field below which the wanted share of the head's voxels lies."""
    middle = np.median(field, axis=1)  # a voxel is necrotic where most of its thickness is
    values = np.sort(middle[head])
    count = int(np.clip(round(ratio * len(values)), 1, len(values)))
    level = float(values[count - 1])
    return head & (middle <= level), level


def _specks(necrosis: np.ndarray) -> np.ndarray:
    """Parts too small beside the largest one to be a lesion of their own."""
    parts, _ = ndimage.label(necrosis, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = sizes[1:].max()
    return (sizes < 0.1 * sizes[0])[parts]


# --- appearance -------------------------------------------------------------------------------------------------


def _appearance(points, depth, pixel, radius, tone: Tones, ratio: float, rng) -> tuple[np.ndarray, np.ndarray, str]:
    """Tone and cover at points (n, 3) that lie ``depth`` mm inside the outer margin."""
    bandless = rng.random() < (0.3 if ratio < 0.03 else 0.07)
    mitchell = str(rng.choice(list(VISIBLE_CLASSES[tone.contrast])) if bandless else rng.choice(CLASSES, p=CLASS_ODDS))

    def draw(name: str) -> float:
        return float(rng.uniform(*tone.table[name]))

    inside = np.full(len(points), draw(mitchell), np.float32)
    if not bandless and rng.random() < 0.45:  # a second class, in patches or as an inner zone
        where = waves(points, rng, (8, 30)) - rng.uniform(0.2, 1.2)
        if rng.random() < 0.4:
            where = (depth - rng.uniform(4, 12)) / 4 + 0.3 * where
        inside += (draw(str(rng.choice(list("ABCD")))) - inside) * np.clip(where / rng.uniform(0.1, 1) + 0.5, 0, 1)
    inside += rng.uniform(0, 0.25) * (points @ site(rng)) / radius
    rough = rng.uniform(0, 0.5 if tone.contrast == "ct" else 0.25)
    for wavelengths in ((10, 25), (3, 8)):
        inside += 0.6 * rng.uniform(0, rough) * waves(points, rng, wavelengths)

    cover = soft(depth, rng.uniform(1, 2.5) if bandless else pixel)
    if not bandless:
        vary = waves(points, rng, (8, 30), channels=2)
        width = rng.uniform(1.5, 5) if rng.random() < 0.35 else rng.uniform(1.0, 3.0)
        width = width * np.clip(1 + rng.uniform(0, 0.4) * vary[:, 0], 0.5, 1.6)
        # A band that nobody can see would teach the network to guess: it is broken, but never gone.
        strength = np.clip((vary[:, 1] + rng.uniform(1.2, 2.2)) * 2, 0.45, 1) if rng.random() < 0.15 else np.float32(1)
        band = strength * (1 - soft(depth - width, pixel * rng.uniform(1, 2)))
        if rng.random() < (0.1 if tone.contrast == "t1" else 0.4):  # double line: a bright line inside the dark one
            line = soft(depth - width, pixel) * soft(width + rng.uniform(0.8, 2.5) - depth, pixel)
            inside += strength * line * (draw("inner") - inside)
        inside += band * (draw("band") - inside)
    if rng.random() < 0.2:  # subchondral fracture: a thin line under the surface
        below = radius - np.sqrt(np.einsum("nc,nc->n", points, points)) - rng.uniform(1.5, 4)
        below += 0.5 * waves(points, rng, (12, 30))
        line = soft(rng.uniform(0.3, 0.8) - np.abs(below), pixel) * (waves(points, rng, (20, 60)) > -0.3)
        inside += line * (draw("fracture") - inside)
    if rng.random() < 0.2:  # oedema outside the band is not necrosis
        fade = np.exp(np.minimum(depth, 0) / rng.uniform(2, 6)) * rng.uniform(0.1, 0.6)
        fade *= np.clip(waves(points, rng, (15, 40)) + 0.7, 0, 1)
        oedema = {"t1": 0.35, "t2": 1.4, "stir": 0.8, "ct": 1.1}[tone.contrast]
        total = cover + (1 - cover) * fade
        inside = (cover * inside + (1 - cover) * fade * oedema) / np.maximum(total, 1e-6)
        cover = total
    return inside, cover, mitchell


def _decoy_covers(points, radius, pixel, tone: Tones, rng):
    """Yield (cover 0-1 at points (n, 3), tone, only in marrow?) of each thing that is not necrosis."""
    mr = tone.contrast != "ct"
    dark = (lambda low, high: rng.uniform(low, high)) if mr else (lambda low, high: rng.uniform(1.3, 2.5))

    def ball(centre, size, edge=pixel):
        offset = points - np.asarray(centre, np.float32) * np.float32(radius)
        return soft(size - np.sqrt(np.einsum("nc,nc->n", offset, offset)), edge)

    along = points @ NECK
    if rng.random() < 0.4:  # red marrow: no sharp margin
        where = along / radius + rng.uniform(0.2, 0.7) * waves(points, rng, (10, 40)) - rng.uniform(0, 0.9)
        value = {"t1": rng.uniform(0.4, 0.85), "t2": rng.uniform(0.6, 1.1), "stir": rng.uniform(0.1, 0.5)}
        yield np.clip(where / rng.uniform(0.4, 1.2), 0, 1), value.get(tone.contrast, 1.1), True
    if rng.random() < 0.15:  # oedema of the whole marrow, as in transient osteoporosis: nothing bounds it
        where = along / radius + rng.uniform(0.2, 0.6) * waves(points, rng, (15, 50)) + rng.uniform(-0.4, 1.2)
        value = {"t1": rng.uniform(0.25, 0.7), "t2": rng.uniform(1.0, 1.6), "stir": rng.uniform(0.4, 1.4)}
        yield np.clip(where / rng.uniform(0.4, 1.2), 0, 1), value.get(tone.contrast, 0.8), True
    if rng.random() < 0.35:  # streaks of trabeculae: a fan of faint lines, in patches
        across = points @ np.cross(NECK, site(rng)).astype(np.float32) + rng.uniform(0, 1.5) * waves(
            points, rng, (10, 40)
        )
        stripes = np.clip(np.cos(across * np.float32(2 * np.pi / rng.uniform(3, 9))), 0, 1)
        patch = np.clip(waves(points, rng, (15, 45)) + rng.uniform(-0.5, 0.8), 0, 1)
        value = rng.uniform(0.0, 0.7) if tone.contrast != "stir" else rng.uniform(-0.2, 0.4)
        yield stripes * patch * rng.uniform(0.2, 0.8), value if mr else dark(0, 1), True
    if rng.random() < 0.4:  # physeal scar: a thin curved line across the base
        across2 = np.maximum(np.einsum("nc,nc->n", points, points) - along**2, 0)
        sheet = along - rng.uniform(-0.1, 0.6) * radius + rng.uniform(-0.3, 0.6) * across2 / radius
        sheet += rng.uniform(0, 1.2) * waves(points, rng, (8, 30))
        line = soft(rng.uniform(0.3, 0.9) - np.abs(sheet), pixel)
        broken = np.clip(2 * waves(points, rng, (10, 40)) + rng.uniform(0.5, 3), 0, 1)
        yield line * broken, dark(-0.1, 0.7) if tone.contrast != "stir" else rng.uniform(-0.2, 0.3), True
    for _ in range(rng.integers(1, 4) if rng.random() < 0.3 else 0):  # bone islands under 4 mm
        yield ball(site(rng) * rng.uniform(0, 0.85), rng.uniform(0.8, 1.9)), dark(-0.3, 0.3), True
    for _ in range(rng.integers(1, 4) if rng.random() < 0.35 else 0):  # vessel channels: wavy threads from the base
        start, end = (NECK + 0.35 * rng.standard_normal(3)) * radius, site(rng) * rng.uniform(0, 0.7) * radius
        way = (end - start).astype(np.float32)
        bent = points + np.float32(rng.uniform(0, 1.5)) * waves(points, rng, (10, 30), channels=3) - start
        share = np.clip(bent @ way / (way @ way), 0, 1)
        offset = bent - share[:, None] * way
        thread = soft(rng.uniform(0.3, 0.9) - np.sqrt(np.einsum("nc,nc->n", offset, offset)), pixel)
        yield thread.astype(np.float32), rng.uniform(-0.2, 0.5) if tone.contrast in ("t1", "ct") else 1.2, True
    if rng.random() < 0.35:  # fovea, and the ligament that leaves it
        fovea = np.array([-0.95, -0.1, 0.1]) + 0.12 * rng.standard_normal(3)
        fovea *= rng.uniform(0.98, 1.08) / np.linalg.norm(fovea)
        value = rng.uniform(-0.3, 0.4)
        yield ball(fovea, rng.uniform(2, 5)), value, False
        yield ball(fovea * rng.uniform(1.1, 1.2) - (0, 0, rng.uniform(0.05, 0.2)), rng.uniform(1, 3)), value, False
    for _ in range(rng.integers(1, 3) if rng.random() < 0.35 else 0):  # cysts, pits and osteophytes at the edges
        place = np.array([0.6, 0.2, 0.75]) if rng.random() < 0.6 else np.array([0.6, 0.6, 0.1])
        place = place + 0.25 * rng.standard_normal(3)
        place *= rng.uniform(0.85, 1.08) / np.linalg.norm(place)
        fluid = rng.uniform(*tone.table["C"]) if rng.random() < 0.7 else rng.uniform(0.5, 1.1)
        yield ball(place, rng.uniform(1, 2.2) if rng.random() < 0.7 else rng.uniform(2.2, 4)), fluid, rng.random() < 0.7
