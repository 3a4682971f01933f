"""S-JIC on real images: heads without osteonecrosis, and the pictures of real osteonecrosis. Measured only."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ONFHAssistLib.analysis import AnalysisOptions, analyse, grade_file
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.imaging.picture import read_picture
from ONFHAssistLib.systems.jic_coronal import CARD
from ONFHAssistLib.systems.jic_coronal.classes import NONE
from ONFHAssistLib.systems.jic_coronal.words import TITLES
from training.measuring.jic_external import SYSTEMS
from training.measuring.real_lesions import OUTLINES, DrawnHip, disc, filled, read_outlines
from training.measuring.runs import measure as measure_in_processes
from training.measuring.runs import open_models
from training.real.data import TEST_CASES, TRAINING_CASES, require_data_folder

MORE_CASES = ("02", "17")
"""Of ``t1_coronal_more``; they and the test studies were never learned from."""
NEAR_RADII = 0.5
"""A head of a picture is that of the readers' circle where the centres lie within so many of its radii."""
TINT = np.array([255, 170, 0])
PICTURE = 420


@dataclass(frozen=True)
class Pictured:
    """One hip on a picture of real osteonecrosis, as the readers drew it, and what S-JIC says of it; None: nothing."""

    hip: DrawnHip
    sequence: str
    finding: Finding | None

    @property
    def row(self) -> dict[str, Any]:
        """The figures, JSON-ready."""
        row: dict[str, Any] = {
            "image": self.hip.image, "side": self.hip.side, "sequence": self.sequence, "diseased": self.hip.diseased
        }  # fmt: skip
        found = self.finding
        if found is None or found.attention is None:
            return row | {"class": None, "reason": found.reason if found else "not seen as a femoral head"}
        seen = found.attention.array[0]
        highest = np.unravel_index(int(seen.argmax()), seen.shape)
        drawn = [filled(reader.necrosis, seen.shape) for reader in (self.hip.a, self.hip.b)]
        return row | {
            "class": found.grades["jic"].grade or NONE,
            "chances": {name: round(found.probabilities[title], 3) for name, title in TITLES.items()},
            "highest_inside": [bool(one[highest]) for one in drawn],
            "highest_in_head": bool(disc(self.hip.circle, seen.shape)[highest]),
        }


def measure(pictured: list[Pictured], processes: int) -> dict[str, Any]:
    """Return the section "real" of the figures: of the heads without osteonecrosis, and of the pictures."""
    sound = [row for rows in measure_in_processes("jic-sound", sound_heads, _sound_jobs(), processes) for row in rows]
    return {
        "sound": {"heads": len(sound), "none": sum(row["class"] == NONE for row in sound), "rows": sound},
        "pictures": [one.row for one in pictured],
    }


def _sound_jobs() -> list[tuple[str]]:
    folders = {"t1_coronal": (*TRAINING_CASES, *TEST_CASES), "t1_coronal_more": MORE_CASES}
    return [(f"{folder}/case_{case}_t1.nii.gz",) for folder, cases in folders.items() for case in sorted(cases)]


def sound_heads(image: str) -> list[dict[str, Any]]:
    """Class both heads of a study without osteonecrosis."""
    result = grade_file(require_data_folder() / image, AnalysisOptions(systems=SYSTEMS), models=open_models(SYSTEMS))
    found = {one.about: one for one in result.findings if one.system == CARD.id}
    rows = []
    for side in SIDES:
        one = found.get(side)
        said = None if one is None or one.reason else one.grades["jic"].grade or NONE
        chance = None if one is None or one.reason else round(one.probabilities[TITLES[NONE]], 4)
        rows.append({"image": image, "side": side, "class": said, "chance_of_none": chance})
    return rows


def read_pictures() -> list[Pictured]:
    """Class each hip of the pictures of real osteonecrosis that two readers drew on."""
    import csv

    folder = require_data_folder() / "onfh_mr"
    with (folder / "images.csv").open(encoding="utf-8", newline="") as file:
        lines = {line["file"]: line for line in csv.DictReader(file)}
    models, options = open_models((CARD.id,)), AnalysisOptions(systems=(CARD.id,))
    found: list[Pictured] = []
    hips = [hip for hip in read_outlines(OUTLINES) if lines[hip.image]["plane"] == "coronal"]
    for name in dict.fromkeys(hip.image for hip in hips):
        study = read_picture(folder / name)
        try:
            findings = analyse(study, options, models=models).findings
        except InputError:
            findings = ()
        own: dict[str, Finding] = {one.about: one for one in findings}
        found += [Pictured(hip, lines[name]["sequence"], _of(hip.side, own)) for hip in hips if hip.image == name]
    return found


def _of(side: Side, own: dict[str, Finding]) -> Finding | None:
    return own.get(side) or own.get("patient")


def write_picture(folder: Path, one: Pictured) -> None:
    """Write a head as it is, and beside it with the evidence as a tint."""
    seen = None if one.finding is None else one.finding.attention
    if seen is None:
        return
    image = Image.open(require_data_folder() / "onfh_mr" / one.hip.image).convert("L")
    grey = np.repeat(np.asarray(image, float)[..., None], 3, axis=2)
    weight = 0.6 * seen.array[0][..., None]
    tinted = Image.fromarray((grey * (1 - weight) + TINT * weight).astype(np.uint8))
    circle = one.hip.circle
    reach = 1.8 * circle.radius_px
    box = (circle.x_px - reach, circle.y_px - reach, circle.x_px + reach, circle.y_px + reach)
    both = Image.new("RGB", (2 * PICTURE, PICTURE))
    for n, part in enumerate((image.convert("RGB"), tinted)):
        cut = part.transform((PICTURE, PICTURE), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
        both.paste(cut, (n * PICTURE, 0))
    out = io.BytesIO()
    both.save(out, "PNG")
    replace_file(folder / f"{Path(one.hip.image).stem}_{one.hip.side}.png", out.getvalue())
