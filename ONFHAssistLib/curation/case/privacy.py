"""Nothing that names a patient gets into the data set: a scan before each save."""

import contextlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.writing import dates_in, folded, romanised, runs, tokens

_SHORTEST = 3
"""Shorter parts of names and numbers turn up everywhere."""
_LONG = 6
"""A name of so many letters is looked for inside of words, too."""
_ENDINGS = ("s", "es", "ns", "n", "en", "in", "sche", "schen", "scher")
_ORDINARY_WORDS = """
von van der den del della dos das bin ibn und and the for hip hips head bone joint left right case study image images
hospital hospitals clinic clinics klinik kliniken university institute institut center centre zentrum radiology
radiologie medical medicine department general city county orthopaedic orthopaedics orthopedic orthopedics imaging
diagnostic praxis saint mri femur femoral pelvis test patient unknown none anonymous
"""
_ORDINARY = frozenset(map(folded, _ORDINARY_WORDS.split()))
"""Words that a comment may hold although a name or an institution's name does; together with its other words they
count."""
_TITLE_WORDS = """
herr herrn frau mr mrs ms miss mister dr prof patient patientin pat name mme monsieur madame sr sra senor senora signor
signora sig pan pani hr fr
"""
_TITLES = frozenset(map(folded, _TITLE_WORDS.split()))
"""Words after which a name of two letters is one."""
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_WHOLE = 6
"""A number with letters of so many signs is found across blanks, too."""


def refuse_identifiers(free_text: Mapping[str, Any], identifiers: Iterable[str], dates: Iterable[date] = ()) -> None:
    """Scan what does not come from this software's own vocabulary; docs/data-set.md says what that can and can't do.

    Args:
        free_text: name of each field, and its JSON-ready content.
        identifiers: names, numbers and dates of the patient; the parts of a name count too, and of what holds
            digits those with digits ("case" of "case-007" is no secret).
        dates: further dates, looked for in the usual ways to write them.

    Raises:
        InputError: one of them was found; the message says where, not what.
    """
    sought = _Sought()
    for text in identifiers:
        sought.add(text)
        if (other := romanised(text)) != text.casefold():
            sought.add(other)
    sought.dates |= {(day.year, day.month, day.day) for day in dates}
    for field, content in free_text.items():
        if any(sought.are_in(text) for text in _texts(content)):
            raise InputError(f"The {field} holds a name, number or date of the patient; take it out, then save again.")


class _Sought:
    """What must not turn up, in the one way of writing of `writing`."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.whole: set[str] = set()
        self.endings: set[str] = set()
        self.inside: set[str] = set()
        self.short: set[str] = set()
        self.sequences: set[tuple[str, ...]] = set()
        self.dates: set[tuple[int, int, int]] = set()

    def add(self, text: str) -> None:
        """Add what is known of the patient."""
        parts = [word for part in re.findall(r"[^\W_]+", _visible(text)) if (word := folded(part))]
        numbered = any(sign.isdigit() for sign in text)
        fine = tuple(token.text for token in tokens(text))
        joined = "".join(fine)
        if len(joined) >= _SHORTEST:
            self.sequences |= {fine} if len(fine) > 1 else set()
            self.words.add(joined)
        if numbered:
            telling = {part for part in parts if len(part) >= _SHORTEST and any(sign.isdigit() for sign in part)}
            self.words |= {part for part in telling if not _YEAR.fullmatch(part)}
            self.whole |= {joined} if len(joined) >= _WHOLE and not joined.isdigit() else set()
            self.dates |= set(_dates_of(text))
            return
        names = [part for part in parts if part not in _ORDINARY]
        signs = {part for part in names if any(unicodedata.category(sign) == "Lo" for sign in part)}  # as in Chinese
        self.inside |= {part for part in names if len(part) >= _LONG or (part in signs and len(part) > 1)}
        long = {part for part in names if len(part) >= _SHORTEST}
        self.words |= long | signs
        self.endings |= {part for part in long if len(part) > _SHORTEST}
        self.short |= {part for part in names if len(part) == 2} - signs
        self.words |= {one + other for one, other in itertools.permutations(parts, 2) if len(one + other) > _SHORTEST}
        self.sequences |= {pair for pair in itertools.permutations(parts, 2) if len("".join(pair)) > _SHORTEST}

    def are_in(self, text: str) -> bool:
        """Say whether something of it is in a text."""
        found = tokens(text)
        texts = [token.text for token in found]
        longest = max(map(len, self.words), default=0)
        joined = set(runs(found, longest + max(map(len, _ENDINGS))))
        if not self.words.isdisjoint(joined) or any(map(self._is_name, joined)):
            return True
        if not self.whole.isdisjoint(runs(found, max(map(len, self.whole), default=0), blanks=True)):
            return True
        if any(one in _TITLES and other in self.short for one, other in itertools.pairwise(texts)):
            return True
        if any(tuple(texts[n : n + len(one)]) == one for one in self.sequences for n in range(len(texts))):
            return True
        return not self.dates.isdisjoint(dates_in(found))

    def _is_name(self, word: str) -> bool:
        """Say whether a word is a name with an ending, as in "Müllers", or holds a long one."""
        ended = any(word.endswith(ending) and word.removesuffix(ending) in self.endings for ending in _ENDINGS)
        return ended or any(name in word for name in self.inside)


def _visible(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")


def _dates_of(text: str) -> Iterator[tuple[int, int, int]]:
    for form in ("%Y%m%d", "%Y-%m-%d", "%d.%m.%Y"):
        with contextlib.suppress(ValueError):
            day = datetime.strptime(text.strip(), form).date()
            yield day.year, day.month, day.day


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
