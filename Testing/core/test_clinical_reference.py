"""The document that the code points to exists and says the same numbers."""

import re
from pathlib import Path

from ONFHAssistLib.core import gradings
from ONFHAssistLib.core.borderline import BORDERLINE_WITHIN
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
        f"below {100 * gradings.STEINBERG_NONE_BELOW:g} %",
        f"{100 * gradings.STEINBERG_MODERATE_FROM:g} % to {100 * gradings.STEINBERG_MODERATE_TO:g} %",
        *(f"from {start:g}°" for start in gradings.KERBOUL_GRADES_FROM_DEG),
        f"low up to {gradings.KERBOUL_LOW_RISK_TO_DEG:g}°, high from {gradings.KERBOUL_HIGH_RISK_FROM_DEG:g}°",
        f"a lateral pillar ({100 * gradings.CJFH_OUTER_PILLAR:g} %)",
        f"up to {100 * gradings.CJFH_UNTOUCHED_TO:g} % of a pillar's area",
        f"from {100 * gradings.CJFH_WHOLE_FROM:g} % on",
        *(f"{100 * two:g} / {100 * five:g} % ({name})" for name, (two, five) in gradings.JIC_COLLAPSE.items()),
        f"enlarged by {100 * HEAD_ENLARGEMENT - 100:.0f} %",
        f"below {100 * WHOLE_HEAD_FROM:g} % of the sphere",
        f"{100 * BORDERLINE_WITHIN['steinberg']:g} percentage points of the head",
        f"{100 * BORDERLINE_WITHIN['jic']:g} % of the weight-bearing portion",
        f"{BORDERLINE_WITHIN['kerboul']:g}° (Kerboul)",
        f"{100 * BORDERLINE_WITHIN['cjfh']:g} percentage points of a pillar",
    ):
        assert text in CLINICAL, text
