"""Compare two reports of one image, such as those of two versions of the software::

    python -m Testing.same_results BEFORE AFTER     # folders that onfh-assist grade has written

``report.json`` has to say the same but for what is new, and masks and slices have to be the same bytes. Exit code 1
where something differs; each difference is a line.
"""

import json
import sys
from pathlib import Path
from typing import Any

SAME_BYTES = ("masks.nii.gz", "masks.seg.nrrd", "slices.csv")


def differences(before: Any, after: Any, where: str = "") -> list[str]:
    """Return what of some JSON values is gone or has another value; keys that are new are no difference."""
    if isinstance(before, dict) and isinstance(after, dict):
        gone = [f"{where}.{key} is gone" for key in before if key not in after]
        both = (differences(before[key], after[key], f"{where}.{key}") for key in before if key in after)
        return gone + [line for lines in both for line in lines]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for n, (one, other) in pairs for line in differences(one, other, f"{where}[{n}]")]
    same = type(before) is type(after) and before == after
    return [] if same else [f"{where} was {before!r:.60} and is {after!r:.60}"]


def compare(before: Path, after: Path) -> list[str]:
    """Return the differences of two folders; the software's version may be another one."""
    reports = [json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in (before, after)]
    for report in reports:
        del report["software"]["version"]
    found = differences(*reports, "report.json")
    for name in SAME_BYTES:
        if (before / name).read_bytes() != (after / name).read_bytes():
            found.append(f"{name} differs")
    return found


if __name__ == "__main__":
    lines = compare(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(lines) or "The same, but for what is new.")
    sys.exit(bool(lines))
