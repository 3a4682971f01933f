"""The results of ``training.evaluate`` as the table of docs/figures.md: one function for each section."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from training.measuring.real_lesions import table_cells
from training.measuring.resolution import AS_ACQUIRED

OTHERS = {
    "ct": ("CT with metal in the left femur", "right hip found; left hip not graded, metal named"),
    "ct_mr_pair_t1": ("axial T1 of a right hip", "head found; without ONFH, or mild and borderline"),
    "ct_mr_pair_ct": ("CT of the same hip", "–"),
    "axial_vibe_dicom": ("VIBE", "graded with a domain warning, or refused with a reason"),
    "mixed_localizer_dicom": ("localizer", "refused: three orientations are mixed"),
}
CONTRASTS = {"t2": "T2", "stir": "fat suppression"}
SPHERE_MOVED = ("centre_moved_mm", "radius_changed_mm")

Cells = tuple[str, ...]


def table(results: dict[str, Any]) -> str:
    """Write the results as the Markdown table of docs/figures.md."""
    lines = ["| what | on | wanted | measured | `python -m training.evaluate` |", "|---|---|---|---|---|"]
    for section, rows in ROWS.items():
        if section in results:
            lines += [f"| {' | '.join([*cells, f'`{section}`'])} |" for cells in rows(results[section])]
    return "\n".join(lines)


def _heads(heads: dict[str, Any]) -> Iterator[Cells]:
    centre = heads["centre_mm"]
    found = f"{heads['found']} of {heads['heads']}"
    yield "both heads found, on the correct side", "15 real T1 studies", "30 of 30", found
    measured = f"{_middle(centre, 2)} mm, worst {centre['max']:.2f} mm, of {centre['n']} heads"
    what = "centre, against a sphere fitted to the manual femur mask"
    yield what, "the same", "median ≤ 1.5 mm, worst ≤ 4 mm", measured
    on = f"{heads['test_heads']} heads of the {heads['test_patients']} real test studies"
    dice, hd95, bias = (heads[f"test_{name}"] for name in ("dice", "hd95_mm", "signed_bias_mm"))
    yield "head Dice, by the same rule", on, "≥ 0.945", f"{_middle(dice, 3)}, worst {dice['min']:.3f}"
    yield "ASD", "the same", "≤ 0.8 mm", f"{_middle(heads['test_assd_mm'], 2)} mm"
    yield "HD95", "the same", "≤ 4.5 mm", f"{_middle(hd95, 2)} mm"
    yield "signed surface bias", "the same", "within ± 0.4 mm", f"{_middle(bias, 2, sign='+')} mm"
    without = f"{heads['test_without_onfh']}; {heads['all_without_onfh']}"
    yield "heads without visible necrosis, called “without ONFH”", "10 test heads; all 30", "10; 29", without
    below = f"{heads['test_ratio_below_1_percent']}; {heads['all_ratio_below_1_percent']}"
    yield "the same: ratio below 1 %", "the same", "9; 27", below
    for point, name in (("acetabular_edge", "lateral acetabular edge"), ("teardrop", "teardrop")):
        if apart := heads.get(f"test_{point}_mm"):
            what = f"{name}, against the manual hip-bone mask by the same rule"
            on = f"{apart['n']} hips of the {heads['test_patients']} test studies"
            yield what, on, "≤ 3 mm", f"{_middle(apart, 1)} mm"


def _lesions(lesions: dict[str, Any]) -> Iterator[Cells]:
    on = f"{lesions['lesions']} lesions painted into the {lesions['hips']} test hips by the second painter"
    yield "necrosis Dice", on, "≥ 0.90", _middle(lesions["dice"], 3)
    yield "necrosis ASD", "the same", "≤ 0.76 mm", f"{_middle(lesions['assd_mm'], 2)} mm"
    for group, what in {"mitchell": "by Mitchell class", "size": "by necrotic part of the head"}.items():
        parts = lesions[f"dice_by_{group}"], lesions[f"assd_by_{group}"]
        yield f"Dice; ASD (mm), {what}", "the same", "–", _parts(*parts)
    right = f"{100 * lesions['steinberg_right']:.1f} %; {lesions['kappa']:.3f}"
    bias = lesions["ratio_bias_points"]["median"]
    yield "signed error of the ratio", "the same", "median within ± 0.5 points", f"{bias:+.1f} points"
    yield "Steinberg class of the hip right; quadratic-weighted kappa", "the same", "≥ 95 %; ≥ 0.95", right
    yield "error of the ratio", "the same", "–", f"{_middle(lesions['ratio_error_points'], 1)} points"
    if interval := lesions["interval"]:
        inside = f"{100 * interval['coverage']:.1f} %, width {_middle(interval['width_points'], 1)} points"
        yield "true ratio within its 90 % interval", "the same", "85–95 %", inside
    if jic := lesions["jic"]:
        what = "JIC class from predicted masks and landmarks, against true ones"
        yield what, f"the {jic['n']} of them with a true class", "≥ 90 %", f"{100 * jic['right']:.1f} %"


def _contrasts(contrasts: dict[str, Any]) -> Iterator[Cells]:
    for contrast, own in contrasts.items():
        if contrast in CONTRASTS:
            told = own["interval"]
            interval = f"{100 * told['coverage']:.1f} %, width {_middle(told['width_points'], 1)}" if told else "none"
            figures = f"{_middle(own['dice'], 3)}; {own['ratio_bias_points']['median']:+.1f} points; {interval}"
            name = CONTRASTS[contrast]
            what = f"{name}: necrosis Dice; signed error of the ratio; true ratio within its interval"
            yield what, f"{own['lesions']} of these lesions, recast", "≥ 0.85; –; 87–93 %", figures


def _resolution(resolution: dict[str, Any]) -> Iterator[Cells]:
    before = resolution[AS_ACQUIRED]
    for variant, own in resolution.items():
        if "dice" in own and variant != AS_ACQUIRED:
            what = f"MR with {variant}: head Dice; “without ONFH”; centre, radius from those as acquired"
            wanted = f"as acquired: {before['dice']['median']:.3f}; {before['without_onfh']}"
            figures = f"{_middle(own['dice'], 3)}; {own['without_onfh']}"
            moved = [f"{own[name]['median']:.2f} (worst {own[name]['max']:.2f})" for name in SPHERE_MOVED]
            yield what, f"{own['heads']} test heads, resampled", wanted, f"{figures}; {', '.join(moved)} mm"


def _others(others: dict[str, Any]) -> Iterator[Cells]:
    for name, (what, wanted) in OTHERS.items():
        if name in others:
            yield what, f"`{name}`", wanted, _outcome(others[name])


def _slices(slices: dict[str, Any]) -> Iterator[Cells]:
    what = "on a single slice: found, on its side; centre; radius"
    ways = {
        "as it is": "T1",
        "no pixel size": "T1 without a pixel size",
        "t2": "recast to T2",
        "stir": "recast to STIR",
    }
    for way, words in {**ways, "one hip": "T1 without a pixel size, cropped to one hip"}.items():
        own = slices["test"][way]
        yield what, f"{own['heads']} slices through test heads, {words}", "all, ≤ 2 mm, ± 5 %", _seen(own)
    own = slices["onfh"]
    yield what, f"{own['heads']} heads of pictures with osteonecrosis and controls (MR)", "all", _seen(own)
    slabs = slices["slabs"]
    measured = f"{slabs['found']}; {slabs['right_side']}"
    yield "found; on the right side alone", f"{slabs['pictures']} 8-bit CT pictures of one hip", "all", measured
    for kind, own in slices["none"].items():
        measured = f"{own['found']} found, {own['doubtful']} doubtful"
        yield "a head where there is none", f"{sum(own.values())} slices: {kind}", "0 found", measured


def _seen(own: dict[str, Any]) -> str:
    """Heads found on single slices, with the errors of their circles."""
    found = f"{own['found']} ({own['doubtful']} doubtful), {own['right_side']}"
    if not own["found"]:
        return found
    centre, radius = own["centre_mm"], own["radius_percent"]
    return (
        f"{found}; {_middle(centre, 1)} mm, worst {centre['max']:.1f} mm; "
        f"{_middle(radius, 1, sign='+')} %, {radius['min']:+.1f} to {radius['max']:+.1f} %"
    )


def _elsewhere(elsewhere: dict[str, Any]) -> Iterator[Cells]:
    heads, none, noise = (elsewhere[name] for name in ("heads", "none", "noise"))
    on = f"{heads['whole']} heads wholly in view, marked by eye"
    measured = f"{heads['found']} found, {heads['near']} within 3 mm; {_middle(heads['centre_mm'], 1)} mm"
    yield "found on the right side, sphere within 3 mm of the mark", on, "all", measured
    yield "graded though the image cuts them", f"{heads['cut']} heads", "0", str(heads["cut_graded"])
    sound = f"{heads['mr_without_onfh']} of {heads['mr_found']}"
    yield "sound heads on MR: without ONFH, or no number", "those found", "all", sound
    yield "a number for the necrosis on CT", "those found", "0", str(heads["ct_with_number"])
    names = {"image": "real images", "crop": "crops of real studies", "stranger": "procedural knees and shoulders"}
    for kind, what in names.items():
        own = none[kind]
        measured = f"{own['graded']} graded; {own['asks']} ask for a look"
        yield "without a head, and graded", f"{own['places']} {what}", "0 graded", measured
    parts = [
        f"{level}: {own['without_onfh']} of {own['heads']}, {own['wrong']} wrong ({own['wrong_without_warning']} "
        f"unwarned), {own['not_graded']} not graded"
        for level, own in noise.items()
    ]
    what = "sound heads without ONFH where noise is added"
    yield what, "test heads", "none wrong unwarned", "; ".join(parts)


def _pair(pair: dict[str, Any]) -> Iterator[Cells]:
    apart = "not found on both"
    if pair["centre_mm"] is not None:
        apart = f"{pair['centre_mm']:.1f} mm ({pair['scanner_mm']:.1f} mm in the scanners' coordinates)"
    what = "CT and axial T1 of the same hip: sphere centres, from a bone island in the head"
    yield what, "`ct_mr_pair`", "≤ 2.5 mm", apart


def _middle(numbers: dict[str, float], digits: int, sign: str = "") -> str:
    """Write median and quartiles."""
    median, low, high = (f"{numbers[name]:{sign}.{digits}f}" for name in ("median", "q1", "q3"))
    return f"median {median} ({low}–{high})" if not sign else f"median {median} ({low} to {high})"


def _parts(dice: dict[str, Any], assd: dict[str, Any]) -> str:
    """Write the medians of both figures for each part, such as a class."""
    return ", ".join(
        f"{name}: {own['median']:.2f}; " + (f"{assd[name]['median']:.2f}" if name in assd else "–")
        for name, own in dice.items()
    )


def _outcome(result: dict[str, Any]) -> str:
    """Put what the software said of one study into a cell."""
    if "refused" in result:
        return f"refused: {result['refused']}"
    cells = []
    for side, hip in result["hips"].items():
        if "steinberg" in hip:
            cells.append(f"{side}: {hip['steinberg']} ({100 * hip['ratio']:.1f} %)")
        else:
            cells.append(f"{side} not graded: {hip['reason'].split(';')[0].rstrip('.')}")
    warnings = f"; warnings: {', '.join(result['warnings'])}" if result["warnings"] else ""
    return "; ".join(cells) + warnings


ROWS: dict[str, Callable[[dict[str, Any]], Iterable[Cells]]] = {
    "heads": _heads,
    "lesions": _lesions,
    "contrasts": _contrasts,
    "resolution": _resolution,
    "others": _others,
    "elsewhere": _elsewhere,
    "slices": _slices,
    "pair": _pair,
    "real": table_cells,
}
"""What writes the cells of a section's rows: what, on, wanted, measured."""
