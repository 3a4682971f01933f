"""A data set in which every shape of a record occurs, saved by one fixed series of steps at one fixed time.

``every_shape.zip`` holds what these steps left on the disk when records were still dictionaries
(``python Testing/curation/golden.py``); `test_records_on_disk` repeats them. The results are made up, so that no change
of a grading changes a record.
"""

import json
import math
import os
import re
import tempfile
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from reviewed_hip import MODEL, Hip

from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.curation.case import entries
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store import rename as renaming
from ONFHAssistLib.curation.store.folder import create_store, open_store
from ONFHAssistLib.curation.store.keys import Key
from ONFHAssistLib.curation.store.store import Store

ARCHIVE = Path(__file__).parent / "every_shape.zip"
NAME = "Dataset101_Heads"
KEY = Key(bytes(range(32)))
SMALL = {"spacing_mm": (8.0, 8.0, 8.0)}
IMAGE = {
    "kind": "DICOM", "modality": "MR", "sequence": "T1", "sequence_from": "tags", "fat_suppressed": False,
    "contrast_agent": None, "plane": "coronal", "obliquity_deg": 0.0, "spacing_mm": [8.0, 8.0, 8.0],
    "shape": [13, 18, 35], "body_part": "hip", "series": "not carried over",
}  # fmt: skip
NETWORK = {
    "name": "necrosis", "version": "0.3.0", "sha256": "0123456789ab", "engine": None, "device": None,
    "trained_on": "procedural hips", "interval_measured_on": "not carried over", "licence": "Apache-2.0",
}  # fmt: skip


def result(side: str = "right", ratio: float | None = 0.25, **more: Any) -> HipResult:
    """Made-up numbers: every kind of grade, and a margin that JSON has no number for."""
    grades = {
        "steinberg": Grade("moderate", "25 %: moderate", ratio, 0.05, "fraction", {"worst_slice": 3}, (0.2, 0.3)),
        "jic": Grade("C1", "ends within the middle third", 0.5, math.nan, "", {"lateral_end_deg": 12.0}),
        "kerboul": Grade(3, "252° ≥ 250°: grade 3", 252.0, 2.0, "degrees"),
        "necrotic_index": Grade(None, "a value without classes", 49.0),
    }
    given = {
        "head_volume_ml": 57.5, "necrosis_volume_ml": 14.375, "volume_ratio": ratio, "ratio_interval": (0.125, 0.375),
        "look_first": (3, 4), "grades": grades, "sphere": Sphere((90.0, 10.0, 5.0), 24.0),
    }  # fmt: skip
    return HipResult(side, "graded", **(given | more))


def reviewed(
    hip: Hip,
    patient: str,
    reviewer: str = "reader1",
    status: str = "approved",
    own: HipResult | None = None,
    **more: Any,
) -> ReviewedCase:
    """A case with made-up results."""
    given = {"automatic_result": result(hip.side, 0.1), **more}
    return replace(hip.case(patient, reviewer, status, **given), result=own or result(hip.side))


def save_every_shape(store: Store) -> None:
    """Save, withdraw and rename until each optional part of a record was there and not there."""
    hip = Hip(**SMALL)
    first = reviewed(
        hip, "P1", comment="Rand unklar – “rim” 12.5°", source=IMAGE, models=(NETWORK, MODEL),
        study_date=date(2024, 2, 29), reviewed_slices=(3, 5, 4),
    )  # fmt: skip
    landmarks = Landmarks((100.0, 12.0, 30.0), (60.0, 11.0, -20.0), 0.8)
    store.save(replace(first, masks=replace(first.masks, landmarks=landmarks)))
    store.save(reviewed(Hip(lesion_mm=20.0, **SMALL), "P1", "reader2", source=IMAGE))
    settled = result(ratio_interval=None)
    store.save(reviewed(Hip(lesion_mm=24.0, **SMALL), "P1", "reader3", own=settled, adjudicates=True))
    by_hand = {"automatic": None, "automatic_result": None, "models": ()}
    store.save(reviewed(hip, "P1", "reader1", "draft", **by_hand))
    left = Hip("left", **SMALL)
    store.save(reviewed(left, "P1", status="draft", source={}, models=({},), automatic_result=None))
    store.save(reviewed(left, "P1", status="flagged", independent=False, automatic_result=None))
    bare = Hip(plane="axial", seed=1, **SMALL)
    nothing = HipResult("right", "not graded", "On CT necrosis is not sought.", first.masks.sphere, Landmarks(), 57.5)
    drawn = reviewed(bare, "P2", own=nothing, automatic_result=nothing, comment="nobody has looked")
    withdrawn = store.save(drawn).stem
    store.withdraw(withdrawn, "reader2", "moved – „verwackelt“")
    store.save(replace(drawn, provenance={"head": "manual", "necrosis": "manual"}, reviewer="reader-2"))
    unsure = reviewed(Hip(seed=3, **SMALL), "P2", own=result(ratio=None, necrosis_volume_ml=None))
    store.withdraw(store.save(unsure).stem, "reader2", "moved")
    store.save(reviewed(Hip(seed=4, **SMALL), "P5", "reader1"))
    store.save(reviewed(Hip(seed=4, lesion_mm=20.0, **SMALL), "P5", "reader2"))
    store.save(reviewed(Hip("left", seed=4, **SMALL), "P5", status="draft"))
    slipped = Hip(plane="sagittal", seed=2, **SMALL)
    renamed = store.save(reviewed(slipped, "P", study_date=date(2023, 12, 31))).stem
    renaming.rename(store, renamed, "P3", "reader9", "typed too fast")
    renaming.rename(store, renamed, "P4", "reader9", "and once more")
    store.save(reviewed(slipped, "P4", "reader2"))


def with_strange_parts(folder: Path) -> None:
    """Let another version have written the cases: what this one does not know is there, what may lack is missing."""
    for path in sorted((folder / "cases").glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        odd: dict[str, Any] = {"format": facts.pop("format"), "later": {"what": [1, 2, [3]]}}
        facts = odd | facts
        facts["source"]["later"] = None
        facts["pose"] = {"later": "x"} | facts["pose"]
        for entry in facts["versions"]:
            entry["later"] = {"deep": entry["number"]}
            if entry["status"] != "withdrawn":
                del entry["independent"]
                entry["result"].pop("reason")
                for name in ("acetabular_edge_confidence", "teardrop_confidence"):
                    del entry["landmarks"][name]
                for grade in entry["result"]["grades"].values():
                    grade.pop("interval")
        path.write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def save_onto_strange_parts(store: Store) -> None:
    """Save, withdraw and rename cases that another version has written."""
    hip = Hip(**SMALL)
    names = [case.case_id for case in store.cases()]
    store.save(reviewed(hip, "P1", "reader4"))
    for name in names[1:3]:
        store.withdraw(name, "reader4", "later")
    renaming.rename(store, names[-1], "P9", "reader4", "later")


def made(place: Path, clock: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return all JSON files: of a data set with every shape, and of one that another version has written to before.

    Checksums of packed files are left out: they depend on the zlib that is installed.
    """
    clock.setattr(entries, "now", lambda: "2026-11-30T12:00:00+00:00")
    store = create_store(place / NAME, key=KEY)
    save_every_shape(store)
    files = {f"saved/{name}": content for name, content in _json_files(store.folder).items()}
    with_strange_parts(store.folder)
    save_onto_strange_parts(open_store(store.folder))
    after = _json_files(store.folder).items()
    return files | {f"strange/{name}": content for name, content in after if name.startswith("cases/")}


def _json_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): re.sub(
            rb'(\.gz": ")[0-9a-f]{64}', rb"\g<1>" + 64 * b"0", path.read_bytes()
        )
        for path in sorted(folder.rglob("*.json"))
    }


def main() -> None:
    """Make the archive with the records of the software that is here."""
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        os.environ |= {"ONFH_KEYS": f"{scratch}/keys", "XDG_CACHE_HOME": f"{scratch}/cache"}
        files = made(Path(scratch), patch)
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
