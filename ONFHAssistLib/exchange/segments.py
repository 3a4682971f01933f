"""The table of segments: names, colours and terms, read from ``Resources/Terminology/segments.json``."""

import json
from dataclasses import dataclass

from ONFHAssistLib.core.grid import triple
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.resources import resource_path

Code = tuple[str, str, str]
"""Coding scheme designator, code value, code meaning."""


@dataclass(frozen=True)
class Segment:
    """One segment of ``masks.seg.nrrd``.

    Attributes:
        label: its value in both mask files.
        name: for people.
        color: ``#rrggbb``.
        layer: segments of one layer share a label map, so they do not overlap.
        terminology_entry: seven fields as 3D Slicer's terminologies module reads them: context ~ category ~ type ~
            type modifier ~ anatomic context ~ region ~ region modifier, each code as scheme^value^meaning.
    """

    label: MaskLabel
    name: str
    color: str
    layer: int
    terminology_entry: str

    @property
    def rgb(self) -> tuple[float, float, float]:
        """Red, green and blue from 0 to 1."""
        return rgb_of(self.color)


def rgb_of(color: str) -> tuple[float, float, float]:
    """Return red, green and blue from 0 to 1 of ``#rrggbb``."""
    return triple(int(color[n : n + 2], 16) / 255 for n in (1, 3, 5))


def segments() -> dict[MaskLabel, Segment]:
    """Read the table, in the order of the file."""
    table = json.loads(resource_path("Terminology", "segments.json").read_text(encoding="utf-8"))
    found = {}
    for row in table["segments"]:
        label = MaskLabel[row["label"]]
        what = [_code(row[key]) for key in ("category", "type", "type_modifier")]
        where = [_code(row[key]) for key in ("region", "region_modifier")]
        entry = "~".join([table["terminology"], *what, table["anatomy"], *where])
        found[label] = Segment(label, row["name"], row["color"], row["layer"], entry)
    return found


def _code(code: Code | None) -> str:
    return "^".join(code) if code else "^^"
