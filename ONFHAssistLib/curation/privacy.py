"""Nothing that names a patient gets into the data set: what is carried over, and a scan before each save."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from ONFHAssistLib.core.errors import InputError

SOURCE_FIELDS = (
    "kind",
    "modality",
    "sequence",
    "sequence_from",
    "fat_suppressed",
    "contrast_agent",
    "plane",
    "obliquity_deg",
    "spacing_mm",
    "shape",
    "body_part",
)
"""All that is carried over of what is known about the input."""
MODEL_FIELDS = ("name", "version", "sha256", "engine", "device", "trained_on", "licence")

_SHORTEST = 3
"""Shorter parts of names and numbers turn up everywhere."""


def allowed(facts: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Return the facts that are carried over."""
    return {name: facts[name] for name in fields if name in facts}


def refuse_identifiers(free_text: Mapping[str, Any], identifiers: Iterable[str], dates: Iterable[date] = ()) -> None:
    """Scan what does not come from this software's own vocabulary.

    Args:
        free_text: name of each field, and its JSON-ready content.
        identifiers: names, numbers and dates of the patient; the parts of a name count too, and of what holds
            digits those with digits ("case" of "case-007" is no secret).
        dates: further dates, looked for in the usual ways to write them.

    Raises:
        InputError: one of them was found; the message says where, not what.
    """
    sought = {pattern for text in identifiers for pattern in _patterns(text)}
    sought |= {pattern for day in dates for pattern in _ways_to_write(day)}
    for field, content in free_text.items():
        words = f" {' '.join(word for text in _texts(content) for word in _words(text))} "
        if any(f" {pattern} " in words for pattern in sought):
            raise InputError(f"The {field} holds a name, number or date of the patient; take it out, then save again.")


def _patterns(text: str) -> Iterator[str]:
    words = _words(text)
    numbered = any(sign.isdigit() for sign in text)
    telling = [word for word in words if not numbered or any(sign.isdigit() for sign in word)]
    yield from (word for word in telling if len(word) >= _SHORTEST or not word.isascii())
    if sum(map(len, words)) >= _SHORTEST:
        yield " ".join(words)
        yield "".join(words)
    for form in ("%Y%m%d", "%Y-%m-%d", "%d.%m.%Y"):
        try:
            day = datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
        yield from _ways_to_write(day)


def _ways_to_write(day: date) -> set[str]:
    year, short, month, number = f"{day.year}", f"{day.year % 100:02d}", day.month, day.day
    ways = {f"{year}{month:02d}{number:02d}"}
    for m in (f"{month:02d}", f"{month}"):
        for d in (f"{number:02d}", f"{number}"):
            ways |= {f"{year} {m} {d}", f"{d} {m} {year}", f"{m} {d} {year}", f"{d} {m} {short}", f"{m} {d} {short}"}
    return ways


def _words(text: str) -> list[str]:
    """Split into words and numbers without accents and capitals, so that Müller^JANE matches "jane muller"."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.findall(r"[^\W_]+", plain)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield str(name)
            yield from _texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(value)
