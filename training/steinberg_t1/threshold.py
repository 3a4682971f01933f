"""Choose the parameters of S-T1's threshold: ``python -m training.steinberg_t1.threshold`` (two minutes).

On the training patients of the synthetic slices, with their true heads, so that no network and no test patient has a
say: how often is the Steinberg class of a slice right, for each width of the rim and each contrast that is wanted? Of
the pairs that find nothing in NORMAL_RIGHT of the slices without necrosis the one that is right most often stands in
``ONFHAssistLib/systems/steinberg_t1/threshold.py`` (RIM_MM, CONTRAST_FROM).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.systems.steinberg_t1.threshold import extract_necrosis
from training.learning.config import read_config
from training.steinberg_t1.slices import plain, read_slices, split
from training.steinberg_t1.table import CONFIG, slice_volume

RIMS_MM = (1.0, 1.5, 2.0, 2.5, 3.0)
NORMAL_RIGHT = 0.95
"""The contrast test is there to let the threshold find nothing in a normal head."""
CONTRASTS = tuple(np.round(np.arange(0.0, 0.51, 0.02), 2).tolist())


@dataclass(frozen=True)
class Trial:
    """One pair of parameters: part (0 to 1) of the slices, and of those without necrosis, that get their class."""

    rim_mm: float
    contrast_from: float
    right: float
    normal_right: float


def trials(images: Iterable[Volume], heads: np.ndarray, necrosis: np.ndarray) -> list[Trial]:
    """Try all pairs on slices with their true heads.

    Args:
        images: normalised, of one slice each.
        heads: bool (n, rows, columns).
        necrosis: the same, inside the heads.
    """
    images = list(images)
    truth = np.array([steinberg_grade(n.sum() / h.sum()) for n, h in zip(necrosis, heads, strict=True)])
    normal = truth == "without ONFH"
    found = []
    for rim_mm in RIMS_MM:
        extracted = [extract_necrosis(i, h[None], rim_mm, 0.0) for i, h in zip(images, heads, strict=True)]
        contrast = np.array([e.contrast for e in extracted])
        ratio = np.array([e.necrosis.sum() / h.sum() for e, h in zip(extracted, heads, strict=True)])
        for contrast_from in CONTRASTS:
            given = np.array([steinberg_grade(r) for r in np.where(contrast >= contrast_from, ratio, 0.0)])
            right = given == truth
            found.append(Trial(rim_mm, contrast_from, float(right.mean()), float(right[normal].mean())))
    return found


def best(found: Iterable[Trial]) -> Trial:
    """Return the pair that is right most often, of those that spare the normal slices; of equals the strictest."""
    sparing = [trial for trial in found if trial.normal_right >= NORMAL_RIGHT]
    return max(sparing, key=lambda trial: (trial.right, trial.contrast_from, trial.rim_mm))


def main() -> None:
    """Print the ten best pairs that spare the normal slices."""
    config = read_config(CONFIG)
    learn, _ = split(config)
    images, heads, necrosis = plain(read_slices(config).of(learn), config.patch.side_px)
    found = trials((slice_volume(image, config) for image in images), heads, necrosis)
    table = Table("rim mm", "contrast from", "class right", "of slices without necrosis")
    chosen = best(found)
    sparing = [trial for trial in found if trial.normal_right >= NORMAL_RIGHT]
    for trial in sorted(sparing, key=lambda t: (t.right, t.contrast_from, t.rim_mm), reverse=True)[:10]:
        shares = (f"{100 * share:.1f} %" for share in (trial.right, trial.normal_right))
        table.add_row(f"{trial.rim_mm:g}", f"{trial.contrast_from:g}", *shares)
    Console().print(table)
    print(f"RIM_MM = {chosen.rim_mm}, CONTRAST_FROM = {chosen.contrast_from}, on {len(heads)} slices")


if __name__ == "__main__":
    main()
