"""Is this image, and this hip in it, within what the models know? Warnings for the reader, refusals with a reason."""

import re

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.planes import stack_axis
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.core.sphere import WHOLE_HEAD_FROM, sphere_coverage
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import canonical_hip, normalise
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.sequence import OTHER_REGIONS

# What the models have learned from rendered hips, and from T1 images recast to it.
SIMULATED = ("T2", "PD", "STIR")
# What the models know, in mm: in-plane pixel from-to, and the largest slice distance. MR pixels finer than the 0.75 mm
# of the training were tried on resampled studies (python -m training.evaluate resolution).
MR_PIXEL_MM, MR_MAX_SLICE_MM = (0.4, 1.2), 6.0
CT_PIXEL_MM, CT_MAX_SLICE_MM = (0.3, 3.0), 3.0
# Beyond these a head of about 48 mm has fewer than five slices or 16 pixels across: nothing can be measured.
LARGEST_PIXEL_MM, LARGEST_SLICE_MM = 3.0, 10.0
# A whole adult head with its acetabulum does not fit into less.
SMALLEST_EXTENT_MM = 40.0
# Share of the head's sphere inside the image: below WHOLE_HEAD_FROM a warning, below this no grade, because a ratio of
# necrosis to head says little about a head that is partly unseen. At 0.92 a cap of 8 mm is missing (head of 48 mm).
MOST_OF_HEAD = 0.92
# Slices that cross the head: below the first a warning, below the second no grade.
ENOUGH_SLICES, FEWEST_SLICES = 6, 3
# Cortical bone stays below about 2,000 HU, implants of titanium and steel exceed 3,000; partial volume in thick
# slices lowers them. 0.1 ml is more than noise.
METAL_HU, METAL_ML = 2500, 0.1
# MR near metal has no signal. The largest connected void (below a tenth of the hip's 75th percentile) around the 20
# training heads of t1_coronal (cortex, ligaments, vessels) is 1.2 ml; a screw's bloom is several times that.
VOID_LEVEL, VOID_ML, VOID_SHARE = 0.1, 5.0, 0.3
# Radius of an adult's femoral head: the 200 of Noble et al. (Clin Orthop 1988;235:148) have 17.5 to 29 mm; a millimetre
# and a half more either way is left for the outline.
SMALLEST_RADIUS_MM, LARGEST_RADIUS_MM = 16.0, 30.5
# The heads of one person: in ten real pairs the radii differ by 0.6 mm at most, in the rendered sample by 3.0.
UNLIKE_MM = 3.5
# Noise as a part of the range from the 1st to the 99th percentile around the hip. The 36 heads of real MR have 0.001 to
# 0.034. With noise up to 0.09 added, 39 of 40 looks at sound test heads stayed without ONFH
# (python -m training.evaluate elsewhere); what it hides was not measured, so it is warned of, then refused.
NOISE, MOSTLY_NOISE = 0.06, 0.12
_NOISE_FILTER = np.outer([1, -2, 1], [1, -2, 1])[None] / 6
"""Second differences along rows and columns, which edges mostly pass by (Immerkær, CVIU 1996;64:300)."""
# A slice that is out of its place looks more like one farther off than like its neighbours. In none of 49 real series
# does any; of one whose slices were saved in the order in which an interleaved scan takes them, all do.
SCRAMBLED_SHARE, SLICE_PX, ALIKE_BY = 0.25, 48, 0.03
# Change of the signal over 8 mm that goes the same way nearly everywhere in the image, as at the edge of a saturation
# band: at the heads of 17 coronal T1 series the median is at most 5 %, in single hips, gradient echo and T2 19 %.
BAND_MM, BAND_STEP, BAND_SAME = 8.0, 0.3, 0.85
# "Around" the head, as multiples of its radius: the zone whose metal spoils the head, and the zone looked at.
AT_HEAD, NEAR_HEAD = 1.25, 2.5


def check_image(study: Study) -> tuple[Notice, ...]:
    """Compare modality, sequence, spacing and body part of a study with what the models were trained on.

    Codes: ``modality-unknown``, ``sequence-guessed`` (no tags, T1 by its contrast),
    ``sequence-outside-training``, ``fat-suppressed``, ``contrast-agent``, ``body-part``, ``spacing-outside-training``.

    Raises:
        InputError: too coarse or too small for any femoral head, its slices out of order, or inverted.
    """
    source, volume = study.source, study.volume
    spacing = np.array(volume.spacing_mm)
    axis = stack_axis(volume)
    slice_mm, pixels_mm = spacing[axis], np.delete(spacing, axis)
    if slice_mm > LARGEST_SLICE_MM or pixels_mm.max() > LARGEST_PIXEL_MM:
        raise InputError(
            f"The image is too coarse ({pixels_mm.max():.1f} mm pixels, slices every {slice_mm:.1f} mm) to grade a "
            f"femoral head; give one of at most {LARGEST_PIXEL_MM:g} mm and {LARGEST_SLICE_MM:g} mm."
        )
    extent_mm = spacing * volume.shape[::-1]
    if extent_mm.min() < SMALLEST_EXTENT_MM:
        size = " x ".join(f"{x:.0f}" for x in extent_mm)
        raise InputError(f"The image covers only {size} mm, less than a femoral head; give one that covers the hip.")
    if _scrambled(volume):
        raise InputError(
            "The image's slices are not in their order in space: many look more like a slice farther off than like "
            "the ones beside them; export it again (an interleaved scan has to be sorted by position)."
        )
    if source["modality"] != "CT" and _inverted(volume.array):
        raise InputError("The image's grey values are inverted: air is its brightest part; give it with dark air.")

    notices = []
    modality, sequence = source["modality"], source["sequence"]
    if modality == "unknown":
        text = "It is not known whether this is MR or CT; it was read as MR, and the result may be wrong."
        notices.append(Notice("modality-unknown", text))
    elif modality == "MR" and sequence != "T1" and "image-component" not in {n.code for n in study.notices}:
        name = "an unknown sequence" if sequence == "unknown" else f"a {sequence} sequence"
        known = "learned it from simulated images only" if sequence in SIMULATED else "were trained on T1"
        text = f"This is {name}; the models {known}, and the result may be wrong."
        notices.append(Notice("sequence-outside-training", text))
    elif modality == "MR" and source["sequence_from"] == "image":
        text = "The file does not name the sequence; it was taken for T1 by its contrast."
        notices.append(Notice("sequence-guessed", text))
    if source["fat_suppressed"]:
        text = (
            "Fat is suppressed in this image; the models learned that from simulated images only, and the result may "
            "be wrong."
        )
        notices.append(Notice("fat-suppressed", text))
    if source["contrast_agent"]:
        text = (
            "A contrast agent was given, by the image's tags: marrow and the edge of a lesion may be brighter than "
            "without one. The models saw normal hips that may be enhanced, but no lesion that is."
        )
        notices.append(Notice("contrast-agent", text))
    if re.search(rf"\b({OTHER_REGIONS})\b", source["body_part"]) and "femoral" not in source["body_part"]:
        text = f"By its DICOM tag this image shows another body part ({source['body_part']}), not the hip."
        notices.append(Notice("body-part", text))
    (low, high), thickest = (CT_PIXEL_MM, CT_MAX_SLICE_MM) if modality == "CT" else (MR_PIXEL_MM, MR_MAX_SLICE_MM)
    if pixels_mm.min() < low * 0.99 or pixels_mm.max() > high * 1.01 or slice_mm > thickest * 1.01:
        text = (
            f"Pixels of {pixels_mm.min():.2f} x {pixels_mm.max():.2f} mm and slices every {slice_mm:.1f} mm are "
            f"outside what the models know ({low:g} to {high:g} mm, slices up to {thickest:g} mm)."
        )
        notices.append(Notice("spacing-outside-training", text))
    return tuple(notices)


def check_hip(volume: Volume, modality: str, sphere: Sphere, side: Side) -> tuple[tuple[Notice, ...], str | None]:
    """Check one femoral head: of an adult's size, in view, crossed by enough slices, free of metal and noise.

    Codes: ``head-size``, ``head-cut-off``, ``few-slices``, ``metal``, ``metal-near-head``, ``signal-void``,
    ``noise``, and ``signal-band``.

    Args:
        volume: the whole image, intensities as read (HU for CT).
        modality: "CT", "MR" or "unknown".
        sphere: the head, found or given.
        side: for the wording.

    Returns:
        the notices, and the reason why this hip cannot be graded, or None.
    """
    share = sphere_coverage(volume, sphere)
    if share < MOST_OF_HEAD:
        text = f"The {side} femoral head is cut off by the field of view: only {share:.0%} of it is in the image."
        return (Notice("head-cut-off", text),), text
    notices = []
    smallest, largest = SMALLEST_RADIUS_MM, LARGEST_RADIUS_MM
    if not smallest <= sphere.radius_mm <= largest:
        text = (
            f"The {side} femoral head has a radius of {sphere.radius_mm:.0f} mm, and no adult's has ({smallest:.0f} to "
            f"{largest:.0f} mm); check the image's pixel size and slice distance."
        )
        return (Notice("head-size", text),), text
    if share < WHOLE_HEAD_FROM:
        text = f"The {side} femoral head is slightly cut off by the field of view: {share:.0%} of it is in the image."
        notices.append(Notice("head-cut-off", text))
    crossing = _slices_across(volume, sphere)
    if crossing < ENOUGH_SLICES:
        text = f"Only {crossing} slices cross the {side} femoral head; its volume is a coarse estimate."
        notices.append(Notice("few-slices", text))
        if crossing < FEWEST_SLICES:
            return tuple(notices), f"Only {crossing} slices cross the {side} femoral head; {FEWEST_SLICES} are needed."

    hip, distance = _around(volume, sphere, side)
    found, refusal = _ct_metal(hip, distance, side) if modality == "CT" else _signal_void(hip, distance, side)
    if refusal is None and modality != "CT":
        noise, refusal = _noise(hip, distance, side)
        found = (*found, *noise, *_signal_band(volume, sphere, side))
    return (*notices, *found), refusal


def check_slice_head(volume: Volume, sphere: Sphere, side: Side) -> str:
    """Return why a head on a single MR slice must not be judged (no signal, noise); "" where it may.

    Args:
        volume: of one slice.
        sphere: a circle on the slice, as a sphere.
        side: for the wording.
    """
    hip, distance = _around(volume, sphere, side)
    return _signal_void(hip, distance, side)[1] or _noise(hip, distance, side)[1] or ""


def check_pair(one: Sphere, other: Sphere) -> tuple[Notice, ...]:
    """Warn (``heads-unlike``) where the two heads of a study have radii that one person's heads seldom have."""
    apart = abs(one.radius_mm - other.radius_mm)
    if apart < UNLIKE_MM:
        return ()
    text = (
        f"The two heads differ by {apart:.1f} mm in radius ({one.radius_mm:.1f} and {other.radius_mm:.1f} mm): look "
        "whether both are outlined rightly, and whether the voxel sizes are right."
    )
    return (Notice("heads-unlike", text),)


def _inverted(array: np.ndarray) -> bool:
    """Whether many voxels lie at the upper end of the intensities (0.05 to 0.7 of the images with air that were tried,
    inverted; at most 0.002 as they are), and hardly any at the lower end."""
    sample = array[:: max(1, array.shape[0] // 32), ::2, ::2]
    low, high = np.percentile(sample, [0.05, 99.95])
    level = (sample - low) / max(float(high - low), 1e-6)
    return bool(np.mean(level > 0.97) > 0.02 and np.mean(level < 0.03) < 0.005)


def _scrambled(volume: Volume) -> bool:
    """Whether slices lie where others belong, or one stack follows another (two echoes in one file)."""
    slices = np.moveaxis(volume.array, 2 - stack_axis(volume), 0)
    rows, columns = (max(1, length // SLICE_PX) for length in slices.shape[1:])
    small = np.stack([ndimage.uniform_filter(s.astype(np.float32), (rows, columns)) for s in slices])
    small = small[:, rows // 2 :: rows, columns // 2 :: columns].reshape(len(slices), -1)
    small -= small.mean(axis=1, keepdims=True)
    contrast = small.std(axis=1)
    small = small[contrast > 0.1 * contrast.max()]  # what is empty looks like nothing
    if len(small) < 6:
        return False
    small /= np.linalg.norm(small, axis=1, keepdims=True)
    alike = small @ small.T
    number = np.arange(len(small))
    apart = np.abs(number[:, None] - number)
    nearest = np.where((apart > 0) & (apart <= 2), alike, -1).max(axis=1)
    far = np.where(apart > 2, alike, -1)
    farther, sums = far.max(axis=1), number + far.argmax(axis=1)
    misplaced = (farther > 0.5) & (farther > nearest + ALIKE_BY * (1 - nearest))  # slices of mere noise are like none
    mirrored = np.abs(sums - np.median(sums)) <= 2  # what is the same to both sides of its middle is no body
    return bool(np.mean(misplaced & ~mirrored) > SCRAMBLED_SHARE)


def _around(volume: Volume, sphere: Sphere, side: Side) -> tuple[Volume, np.ndarray]:
    """Return the crop about a head, and how many radii each of its voxels lies from the head's middle."""
    extent = (2 * NEAR_HEAD * sphere.radius_mm,) * 3
    hip = canonical_hip(volume, side, sphere.centre_ras_mm, extent).volume
    return hip, np.linalg.norm(hip.grid_ras() - sphere.centre_ras_mm, axis=-1) / sphere.radius_mm


def _slices_across(volume: Volume, sphere: Sphere) -> int:
    axis = stack_axis(volume)
    centre = volume.ijk(np.array(sphere.centre_ras_mm))[axis]
    slices = np.arange(volume.shape[2 - axis])
    return int((np.abs(slices - centre) * volume.spacing_mm[axis] < sphere.radius_mm).sum())


def _ct_metal(hip: Volume, distance: np.ndarray, side: Side) -> tuple[tuple[Notice, ...], str | None]:
    metal = hip.array > METAL_HU
    at_head_ml = (metal & (distance <= AT_HEAD)).sum() * hip.voxel_ml
    near_ml = (metal & (distance <= NEAR_HEAD)).sum() * hip.voxel_ml
    if at_head_ml >= METAL_ML:
        text = f"There is metal at the {side} femoral head ({at_head_ml:.1f} ml above {METAL_HU} HU)."
        return (Notice("metal", text),), text
    if near_ml >= METAL_ML:
        text = (
            f"There is metal near the {side} femoral head ({near_ml:.1f} ml above {METAL_HU} HU): streaks may mislead."
        )
        return (Notice("metal-near-head", text),), None
    return (), None


def _noise(hip: Volume, distance: np.ndarray, side: Side) -> tuple[tuple[Notice, ...], str | None]:
    rough = np.abs(ndimage.convolve(normalise(hip.array, "MR"), _NOISE_FILTER))[distance <= AT_HEAD]
    share = float(np.median(rough)) / 0.6745 / 2  # of the range, which has a width of 2
    if share >= MOSTLY_NOISE:
        text = (
            f"The image is mostly noise at the {side} femoral head ({share:.0%} of its range); a lesion can't be told."
        )
        return (Notice("noise", text),), text
    if share >= NOISE:
        text = (
            f"There is much noise at the {side} femoral head ({share:.0%} of the image's range): grain may pass for a "
            "lesion, and hide one."
        )
        return (Notice("noise", text),), None
    return (), None


def _signal_band(volume: Volume, sphere: Sphere, side: Side) -> tuple[Notice, ...]:
    """Look for an edge that crosses the whole image in its plane, at the height of the head."""
    array = volume.array
    dark = 0.1 * np.percentile(array[:: max(1, len(array) // 32), ::2, ::2], 99)
    if dark <= 0:
        return ()
    centre = volume.ijk(np.array(sphere.centre_ras_mm))
    for axis in set(range(3)) - {stack_axis(volume)}:
        planes = np.moveaxis(array, 2 - axis, 0)
        lag, reach = (round(mm / volume.spacing_mm[axis]) for mm in (BAND_MM, AT_HEAD * sphere.radius_mm))
        lag, middle = max(lag, 1), round(centre[axis])
        for n in range(max(middle - reach, 0), min(middle + reach, len(planes)) - lag):
            here, there = (planes[at, ::2, ::2].astype(np.float32) for at in (n, n + lag))
            body = (here > dark) | (there > dark)
            if not np.mean(np.minimum(here, there)[body] > dark / 2) > 0.5:
                continue  # the body ends there
            change = np.log(np.maximum(there[body], dark / 4) / np.maximum(here[body], dark / 4))
            step = float(np.median(change))
            if abs(step) >= BAND_STEP and np.mean(change * step > 0) >= BAND_SAME:
                text = (
                    f"A band of other brightness crosses the whole image at the {side} femoral head, as a saturation "
                    "pulse leaves it: what is dark there may pass for a lesion."
                )
                return (Notice("signal-band", text),)
    return ()


def _signal_void(hip: Volume, distance: np.ndarray, side: Side) -> tuple[tuple[Notice, ...], str | None]:
    near = distance <= 1.5
    # The signal level comes from a wider zone, which metal in the head does not empty.
    level = np.percentile(hip.array[distance <= NEAR_HEAD], 75)
    void = near & (hip.array < VOID_LEVEL * level)
    share = float(void[distance <= 1].mean())
    if share >= VOID_SHARE:
        text = f"{share:.0%} of the {side} femoral head gives no signal (metal, or no hip there)."
        return (Notice("signal-void", text),), text
    labels, count = ndimage.label(void)
    largest_ml = np.bincount(labels.ravel())[1:].max() * hip.voxel_ml if count else 0.0
    if largest_ml >= VOID_ML:
        text = (
            f"{largest_ml:.0f} ml at the {side} femoral head give no signal, as around metal: edges may be displaced."
        )
        return (Notice("signal-void", text),), None
    return (), None
