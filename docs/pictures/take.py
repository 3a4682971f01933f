"""Take docs/images/cases.png anew: a case of a data set in which two readers differ, in the browser reviewer.

python docs/pictures/cases.py          # needs the extras review and test, and Debian's chromium
"""

import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "Testing" / "web")]  # not this folder: slicer.py would stand for Slicer
OUT = ROOT / "docs" / "images" / "cases.png"
SIZE = (1440, 860)
TAKEN_AWAY_MM = 3.0


def data_set(folder: Path) -> None:
    """Save both hips of the sample study as R1 approved them, and the left one as R2 did: a rim smaller."""
    from ONFHAssistLib.analysis import analyse
    from ONFHAssistLib.core.grade import grade
    from ONFHAssistLib.core.resources import resource_path
    from ONFHAssistLib.curation.case.reviewed import ReviewedCase
    from ONFHAssistLib.curation.store.folder import save_case
    from ONFHAssistLib.curation.store.open_case import open_case
    from ONFHAssistLib.imaging.read import read_study

    study = read_study(resource_path("SampleData", "procedural_t1.nii.gz"))
    result = analyse(study)
    for masks, hip in zip(result.masks, result.hips, strict=True):
        case = ReviewedCase(
            "sample", study.volume, masks, hip, "R1", "approved", masks, hip, result.source, result.models
        )
        path = save_case(case, folder)
    _, case = open_case(path.parents[1], path.stem, "R2", independent=True)
    spacing = case.image.spacing_mm[::-1]
    deep = ndimage.distance_transform_edt(np.pad(case.masks.necrosis.array, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    smaller = replace(case.masks, necrosis=case.image.like(deep > TAKEN_AWAY_MM))
    save_case(
        replace(case, masks=smaller, result=grade(smaller), reviewer="R2", status="approved", provenance={}),
        path.parents[1],
    )


async def steps(bench) -> None:
    """Open the case, and draw the other reading over it."""
    from web_parts import until

    page = bench.page
    await page.click(".tab:has-text('Data set')")
    await page.click(".line:has-text('readers differ') .title")
    await until(lambda: bench.session.stored and not bench.session.stage)
    await bench.drawn()
    await page.click(".reading:has-text('R2,')")
    await page.wait_for_selector(".legend:has-text('the other reading')")
    await page.wait_for_timeout(4000)  # the views catch up
    await bench.shot("cases")


def main() -> None:
    """Take the picture."""
    from page_parts import on_page

    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"ONFH_KEYS": f"{place}/keys", "XDG_CACHE_HOME": f"{place}/cache"}
        studies, state = Path(place) / "studies", Path(place) / "state"
        studies.mkdir()
        shutil.copy(ROOT / "Resources" / "SampleData" / "procedural_t1.nii.gz", studies / "sample.nii.gz")
        data_set(state / "cases")
        on_page(studies, state, Path(place), steps, size=SIZE, seconds=180)
        with Image.open(Path(place) / "cases.png") as shot:
            shot.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(OUT, optimize=True)
    print(OUT)


if __name__ == "__main__":
    main()
