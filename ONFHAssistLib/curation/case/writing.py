"""Texts brought to one way of writing, so that a name is found however somebody has written it.

Capitals, accents, the width and the look of letters, umlauts as one letter or two, and invisible signs do not matter.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h"}
_LOOK_PAIRS = """
аa еe оo рp сc хx уy іi јj ѕs һh ԁd ԛq ԝw кk вb мm нh тt гr ьb αa οo ρp εe τt υu κk νv ιi βb ηn χx ωw
ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz ɑa ɡg ɩi
"""
_LOOKS = {ord(pair[0]): pair[1] for pair in _LOOK_PAIRS.split()}
"""Letters of other scripts that look like Latin ones, and small capitals: those of usual keyboards; more are in
https://www.unicode.org/reports/tr39/."""
_CYRILLIC_PAIRS = """
аa бb вv гg дd еe ёe жzh зz иi йi кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh щshch ъ ыy ь эe юiu яia їi єe ґg іi
"""
_CYRILLIC = {pair[0]: pair[1:] for pair in _CYRILLIC_PAIRS.split()}
_TWO_FOR_ONE = re.compile("([aou])(?:e|(?<=a)a)")
_MONTHS = (
    "jan january januar janvier janv enero ene gennaio gen janeiro januari",
    "feb february februar fevrier fevr fev febrero febbraio febr fevereiro februari",
    "mar march marz mars marzo mrz marco maart mrt",
    "apr april avril avr abril abr aprile",
    "may mai mayo maggio mag maio mei",
    "jun june juni juin junio giugno giu junho",
    "jul july juli juillet juil julio luglio lug julho",
    "aug august aout agosto ago augustus",
    "sep sept september septembre septiembre settembre set setembro",
    "oct october oktober okt octobre octubre ottobre ott outubro out",
    "nov november novembre noviembre novembro",
    "dec december dezember dez decembre diciembre dic dicembre dezembro",
)


@dataclass(frozen=True)
class Token:
    """A word or a number.

    Attributes:
        text: in the one way of writing; letters only or digits only.
        before: what stands between it and the token before it.
    """

    text: str
    before: str


def folded(text: str) -> str:
    """Return a text in the one way of writing; what is neither letter nor digit stays."""
    text = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    text = unicodedata.normalize("NFKD", text.casefold())
    text = "".join(_LETTERS.get(sign, sign) for sign in text if not unicodedata.combining(sign))
    return _TWO_FOR_ONE.sub(r"\1", text.translate(_LOOKS))


def romanised(text: str) -> str:
    """Return a text with Cyrillic letters in Latin ones, as on passports (ICAO 9303)."""
    return "".join(_CYRILLIC.get(sign, sign) for sign in text.casefold())


def tokens(text: str) -> list[Token]:
    """Split into words and numbers; "AnnaMuller" is two words, "ZZPID777" a word and a number."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    text = re.sub(r"(?<=[^\W\d_])(?<![A-ZÀ-Þ])(?=[A-ZÀ-Þ])", "\u2060", text)
    found, end = [], 0
    text = folded_keeping_breaks(text)
    for one in re.finditer(r"[^\W\d_]+|\d+", text):
        found.append(Token(one[0], text[end : one.start()]))
        end = one.end()
    return found


def folded_keeping_breaks(text: str) -> str:
    """Return `folded` of each part between marks of a break inside of a word."""
    return "\u2060".join(folded(part) for part in text.split("\u2060"))


def runs(found: list[Token], most: int, blanks: bool = False) -> Iterator[str]:
    """Return what tokens come to when the separators between them are left out, up to a length.

    Across blanks and in lists of numbers only single letters, and letters with numbers, are joined: "slices 4, 7, 11"
    is not 4711. With ``blanks`` all are joined that one blank separates.
    """
    for start in range(len(found)):
        joined = found[start].text
        yield joined
        for one, other in zip(found[start:], found[start + 1 :], strict=False):
            if len(joined) >= most or not (_belong(one, other) or (blanks and other.before == " ")):
                break
            joined += other.text
            yield joined


def _belong(one: Token, other: Token) -> bool:
    gap = other.before.strip("\u2060")
    if gap in ("", "-", ".", "_", "/", "'", "’", "‐", "‑", "–"):
        return True
    if gap.strip() or len(gap) > 1:
        return False
    mixed = one.text.isdigit() != other.text.isdigit()
    return mixed or (len(one.text) == len(other.text) == 1 and one.text.isalpha())


def dates_in(found: list[Token]) -> Iterator[tuple[int, int, int]]:
    """Return what may be meant as a date, as (year, month, day), in any order, with the month as a number or a word.

    Months are known in English, German, French, Spanish, Italian, Portuguese and Dutch. Two digits of a year count
    where the whole looks like a date: "13.12.43", not "slices 13, 12, 43".
    """
    for token in found:
        if token.text.isdigit() and len(token.text) in (6, 8):
            yield from _ordered(_cut(token.text, (4, 2, 2) if len(token.text) == 8 else (2, 2, 2)), True)
            yield from _ordered(_cut(token.text, (2, 2, 4)) if len(token.text) == 8 else (), True)
    plain = [token for token in found if token.text not in _BETWEEN]
    for three in zip(plain, plain[1:], plain[2:], strict=False):
        numbers = [str(_MONTH.get(token.text, token.text)) for token in three]
        if all(number.isdecimal() and len(number) <= 4 for number in numbers):
            joined = all(token.before.strip() in ("-", ".", "/", "_") for token in three[1:])
            named = any(token.text in _MONTH for token in three)
            yield from _ordered(tuple(numbers), joined or named)


def _cut(text: str, lengths: tuple[int, ...]) -> tuple[str, ...]:
    ends = [0, *itertools.accumulate(lengths)]
    return tuple(text[start:end] for start, end in itertools.pairwise(ends))


def _ordered(numbers: tuple[str, ...], short_years: bool) -> Iterator[tuple[int, int, int]]:
    if len(numbers) != 3:
        return
    a, b, c = numbers
    for year, month, day in ((a, b, c), (a, c, b), (c, b, a), (c, a, b)):
        if len(year) == 4 or (short_years and len(year) == 2):
            for century in (0,) if len(year) == 4 else (1900, 2000):
                yield century + int(year), int(month), int(day)


_BETWEEN = frozenset(("st", "nd", "rd", "th", "er", "of", "de", "den", "del", "the"))
_MONTH = {folded(word): n + 1 for n, words in enumerate(_MONTHS) for word in words.split()}
