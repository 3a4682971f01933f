"""The document that the code points to exists and says the same numbers."""

import re
from pathlib import Path

from ONFHAssistLib.core.gradings import GRADINGS, cjfh, jic, kerboul, steinberg
from ONFHAssistLib.core.sphere import HEAD_ENLARGEMENT, WHOLE_HEAD_FROM

ROOT = Path(__file__).resolve().parents[2]
CLINICAL = (ROOT / "docs" / "clinical.md").read_text(encoding="utf-8")


def test_every_section_that_the_code_names_is_in_the_document():
    sections = set(re.findall(r"^## (\d)\.", CLINICAL, flags=re.MULTILINE))
    for folder in ("ONFHAssistLib", "training"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "clinical reference" not in text, path
            assert set(re.findall(r"docs/clinical.md, section (\d)", text)) <= sections, path


def test_the_document_has_the_thresholds_of_the_code():
    for text in (
        f"below {100 * steinberg.STEINBERG_NONE_BELOW:g} %",
        f"{100 * steinberg.STEINBERG_MODERATE_FROM:g} % to {100 * steinberg.STEINBERG_MODERATE_TO:g} %",
        *(f"from {start:g}°" for start in kerboul.KERBOUL_GRADES_FROM_DEG),
        f"low up to {kerboul.KERBOUL_LOW_RISK_TO_DEG:g}°, high from {kerboul.KERBOUL_HIGH_RISK_FROM_DEG:g}°",
        f"a lateral pillar ({100 * cjfh.CJFH_OUTER_PILLAR:g} %)",
        f"up to {100 * cjfh.CJFH_UNTOUCHED_TO:g} % of a pillar's area",
        f"from {100 * cjfh.CJFH_WHOLE_FROM:g} % on",
        *(f"{100 * two:g} / {100 * five:g} % ({name})" for name, (two, five) in jic.JIC_COLLAPSE.items()),
        f"enlarged by {100 * HEAD_ENLARGEMENT - 100:.0f} %",
        f"below {100 * WHOLE_HEAD_FROM:g} % of the sphere",
        f"{100 * GRADINGS['steinberg'].borderline_within:g} percentage points of the head",
        f"{100 * GRADINGS['jic'].borderline_within:g} % of the weight-bearing portion",
        f"{GRADINGS['kerboul'].borderline_within:g}° (Kerboul)",
        f"{100 * GRADINGS['cjfh'].borderline_within:g} percentage points of a pillar",
    ):
        assert text in CLINICAL, text
