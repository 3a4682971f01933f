"""The page ``docs/coronal_ct.md``: the study's figures and ours, apart from each other."""

from typing import Any

STATEMENT = (
    "**Lesions are painted**: into procedural hips and into real heads without visible osteonecrosis. No CT of real "
    "osteonecrosis is in it, and no figure of this page says how well real osteonecrosis is found. For research use."
)
PUBLISHED = (
    ("slice, AUC", "0.98", "0.97"),
    ("slice, sensitivity", "98.91 %", "99.61 %"),
    ("slice, specificity", "–", "–"),
    ("slice, PPV", "–", "–"),
    ("slice, NPV", "98.66 %", "99.63 %"),
    ("Dice", "72.64 %", "69.11 %"),
    ("HD95", "4.51 mm", "5.27 mm"),
    ("patient, AUC", "0.98", "0.97"),
)
"""Chen et al., BMC Musculoskelet Disord 2026, 10.1186/s12891-026-10113-7, by its abstract; what is missing was not
reported there."""
READERS = ("reader 1", "reader 2", "reader 3")


def markdown(content: dict[str, Any]) -> str:
    """Return the page, from what is in ``docs/coronal_ct.json``."""
    return f"""# Two stages on coronal CT

{STATEMENT}

Written by `python -m training.benchmarks.ct`; all figures: [coronal_ct.json](coronal_ct.json). One training of each
network, with one seed: differences that are small beside the intervals are none.

{_measured(content)}

## Real heads without visible osteonecrosis

{_real(content)}

A head is below the threshold where its hip is not called; marked is the part of the head that both stages mark.
"Learned from" are heads that the networks have seen, and say nothing new. The pictures are averages of slabs, 8 bit,
with an unknown window and a guessed scale, one slice each; heads of other shape or with cysts are not sound, and
"called" there does not name their disease. Screws are refused before the networks are asked.

{_pictures(content)}

## Readers

The frame for a comparison with readers; their columns stay empty until a reader study fills them.

| on the external slices | the two stages | {" | ".join(READERS)} |
|{"---|" * (2 + len(READERS))}
{_readers(content)}

## Published figures: of other patients, not comparable

The study behind the system (2,312 patients, 53,828 coronal images, four hospitals; abstract read) reports these on its
own patients. Neither may be set beside the tables above as if both were measured on the same patients. Its specificity
is not in the abstract.

| | internal | external |
|---|---|---|
{chr(10).join(f"| {what} | {inner} | {outer} |" for what, inner, outer in PUBLISHED)}
"""


def _measured(content: dict[str, Any]) -> str:
    """Data, rule, and the tables of painted lesions."""
    data, decision = content["counts"], content["decision"]
    return f"""## What was measured

Stage 1, a vision transformer, says for each coronal slice how probable necrosis is; stage 2, a Swin transformer
(SwinUNETR), outlines it on the slices that stage 1 calls. The networks have learned from {_data(data["training"])};
checkpoints, rule and thresholds were chosen on {_data(data["validation"])}. **Internal** are {_data(data["internal"])}:
hips and heads never seen, lesions and scanners of the kind that was learned from. **External** are
{_data(data["external"])}, with lesions of a second painter and with other kernels and thicknesses, of which nothing was
ever learned. A hip is scanned several times, with other lesions or none; all scans of a hip are in one part.

A slice is with necrosis from 20 mm² on; with less, it is left out. Dice and HD95 are means over the slices with
necrosis, on pixels of 0.75 mm; a slice that is missed has a Dice of 0 and no HD95. Intervals are of 95 %, by drawing
patients.

The rule that makes a hip of its slices, chosen on the validation patients: **{decision["rule"]}**
{_run(decision)}; a slice counts from {decision["slice_from"]:.3f}, a hip from {_value(decision)} on. A patient
counts as the worse hip does.

{_comparison(content)}

AUC of hips by each rule: {_by_rule(content)}.

**What CT cannot show.** A lesion that changes the bone by less than 45 HU on average is in no truth here, as nobody
could see it: early osteonecrosis (ARCO 1) is normal on CT. Of {content["silent"]["hips"]} hips with such a lesion
{100 * content["silent"]["called"]:.0f} % are called: a negative CT does not rule osteonecrosis out."""


def _data(part: dict[str, int]) -> str:
    return f"{part['slices']:,} slices of {part['scans']:,} scans of {part['patients']} hips"


def _run(decision: dict[str, Any]) -> str:
    return f"(of slices with at least {decision['run_from']:g}, in mm)" if decision["rule"] == "longest run" else ""


def _value(decision: dict[str, Any]) -> str:
    return f"{decision['hip_from']:.1f} mm" if decision["rule"] == "longest run" else f"{decision['hip_from']:.3f}"


KINDS = {"two stages": "two stages", "one stage": "SwinUNETR alone on all slices", "rivals": "ResNet, then U-Net"}


def _comparison(content: dict[str, Any]) -> str:
    """The tables of slices and hips."""
    lines = [
        "| slices | n | with necrosis | AUC | sensitivity | specificity | PPV | NPV | Dice | HD95 mm | without mask |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    hips = [
        "| hips | scans | with necrosis | AUC | sensitivity | specificity | PPV | NPV |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, title in KINDS.items():
        for part, own in content.get(kind, {}).items():
            cells, hip = own["slices"], own["hips"]
            lines.append(
                f"| {title}, {part} | {cells['slices']:,} | {_percent(cells['prevalence'])} | {_auc(cells['auc'])} | "
                f"{_called(cells)} | {cells['dice']:.3f} | {cells['hd95_mm']:.2f} | "
                f"{_percent(cells['without_mask'])} |"
            )
            hips.append(
                f"| {title}, {part} | {hip['hips']} | {_percent(hip['prevalence'])} | {_auc(hip['auc'])} | "
                f"{_called(hip)} |"
            )
    return "\n".join([*lines, "", *hips])


def _by_rule(content: dict[str, Any]) -> str:
    parts = []
    for part, own in content["two stages"].items():
        rules = ", ".join(f"{rule} {auc:.3f}" for rule, auc in own["hips"]["auc_by_rule"].items())
        parts.append(f"{part}: {rules}")
    return "; ".join(parts)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _auc(found: list[float]) -> str:
    value, low, high = found
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def _called(figures: dict[str, float]) -> str:
    return " | ".join(_percent(figures[name]) for name in ("sensitivity", "specificity", "ppv", "npv"))


def _real(content: dict[str, Any]) -> str:
    lines = ["| head | | below the threshold | slices called | marked |", "|---|---|---|---|---|"]
    for row in content["real"]:
        whole = "" if row["whole"] else ", cut"
        below = "yes" if row["below"] else "**no**"
        lines.append(
            f"| {row['image']} {row['side']} | {row['kind']}{whole} | {below} | {row['slices_called']} | "
            f"{_percent(row['marked'])} |"
        )
    return "\n".join(lines)


def _pictures(content: dict[str, Any]) -> str:
    lines = ["| picture | side | seen by a layman | called | probability | marked |", "|---|---|---|---|---|---|"]
    for row in content["pictures"]:
        called = "no" if row["below"] else "**yes**"
        lines.append(
            f"| {row['file']} | {row['side']} | {row['seen']} | {called} | {row['probability']:.3f} | "
            f"{_percent(row['marked'])} |"
        )
    return "\n".join(lines)


def _readers(content: dict[str, Any]) -> str:
    own, empty = content["two stages"]["external"], " |" * len(READERS)
    rows = [
        ("sensitivity of slices", _percent(own["slices"]["sensitivity"])),
        ("specificity of slices", _percent(own["slices"]["specificity"])),
        ("Dice", f"{own['slices']['dice']:.3f}"),
        ("HD95 mm", f"{own['slices']['hd95_mm']:.2f}"),
        ("sensitivity of hips", _percent(own["hips"]["sensitivity"])),
        ("specificity of hips", _percent(own["hips"]["specificity"])),
    ]
    return "\n".join(f"| {what} | {value} |{empty}" for what, value in rows)
