"""What an MR image shows of what was acquired, by its tags and its series' description: suppressed fat, one of the
images of a Dixon sequence, a subtraction, a map, a phase, a projection.

Scanners write this in ImageType (PS3.3 C.7.6.1.1.2, C.8.13.3.1), ScanOptions and words of the description. Those here
are what Siemens, GE, Philips and Canon scanners write, and the usual words of reading rooms in English, German, French
and Spanish.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Component = Literal["", "in-phase", "opposed-phase", "water", "fat", "subtraction", "map", "phase", "projection"]

IN_WORDS: dict[Component, str] = {
    "opposed-phase": "an opposed-phase image",
    "fat": "a fat image, without water",
    "subtraction": "a subtraction of two images",
    "map": "a computed map",
    "phase": "a phase, real or imaginary image",
    "projection": "a projection of several slices",
}
"""Those that are not what the models were trained on, for a sentence that begins "this is"; of a water image it is said
that its fat is suppressed."""

_BY_IMAGE_TYPE: dict[Component, str] = {
    "subtraction": r"SUB|SUBTRACT\w*",
    "map": r"ADC|\w*MAP|FF|FATFRAC\w*|PERCENT\w*|STDDEV\w*",
    "projection": r"MIP|MAXIP|MINIP|MNIP|\w*PROJECTION\w*",
    "phase": r"P|PHASE|PFFE|R|REAL|I|IMAG\w*|VELOCITY\w*",
    "opposed-phase": r"OP|OPP|OOP|(OPP|OUT|OUTOF|OPPOSED)PHASE",
    "in-phase": r"IP|INPHASE",
    "water": r"W|WATER",
    "fat": r"F|FAT",
}
_BY_WORD: dict[Component, str] = {
    "subtraction": r"subs?|subtr\w*",
    "map": r"adc|(t1|t2|r2|t2star|r2star|b0|fat)?maps?|fatfrac\w*|ff",
    "projection": r"mip|minip|maxip",
    "opposed-phase": r"opp|oop|(opp|opposed|out|outof)phase|opposed|gegenphas\w*",
    "in-phase": r"inphase",
}
_IN_DIXON: dict[Component, str] = {
    "opposed-phase": r"op|out",
    "in-phase": r"ip|in",
    "water": r"w",
    "fat": r"f",
}
# What stands around the word, in one piece with it: "t1fs", "fscor".
_BEFORE = r"(?:t[12]w?|pdw?|tse|fse|se|ffe|gre|vibe|thrive|space|cube|vista|cor|ax|tra|sag|[23]d)*"
_AFTER = r"(?:cor|ax|tra|sag|[23]d|\d)*"
_SUPPRESSED = re.compile(
    _BEFORE + r"(?:fs|fatsat|qfatsat|fatsup\w*|fsat|fsup|spir|spair|aspir|chess|fett(?:s[aä]t|sup|unter)\w*"
    r"|satgraisse|proset|wats|watex|waterexc\w*|we)" + _AFTER
)
_NOT = {"no", "non", "not", "without", "ohne", "sans", "sin", "nicht", "o"}  # "o": of "w/o"
_FAT, _AWAY = r"fat|fett|graisses?|grasas?", r"(q?sat|sup|nul|unter|s[aä]tt|suppr)\w*"


@dataclass(frozen=True)
class Contrast:
    """``derived``: the tags call the image computed from others, and not in a harmless way such as a reformat."""

    fat_suppressed: bool = False
    component: Component = ""
    derived: bool = False


def contrast_of(image_type: Sequence[str], options: Sequence[str], description: str, derivation: str) -> Contrast:
    """Tell what an MR image shows; ImageType decides, then the words.

    Args:
        image_type: values of ImageType, or FrameType of an enhanced object.
        options: values of ScanOptions.
        description: of the series; where it is empty, the protocol's name.
        derivation: DerivationDescription and the meanings of DerivationCodeSequence.
    """
    types = [re.sub(r"[^A-Z0-9]", "", value.upper()) for value in image_type]
    words = _words(description)
    suppressed = _suppressed_by_options(options) or _suppressed_by_words(words)
    component = (
        _first(_BY_IMAGE_TYPE, types[2:]) or _by_derivation(derivation) or _by_words(words, types, suppressed) or ""
    )
    harmless = (
        r"OTHER|NONE|ND|NORM|M|M?SE|M?FFE|MPR|\w*REFORMAT\w*|RESAMPLED|DIS[23]D|FIL\w*|AXIAL|AVERAGE|MFSPLIT|COMP\w*"
    )
    known = any(re.fullmatch(harmless, value) for value in types[2:])
    derived = types[:1] == ["DERIVED"] and not component and not known
    return Contrast(suppressed or component == "water", component, derived)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-zäöüß0-9]+", text.lower())


def _first(patterns: dict[Component, str], values: Sequence[str]) -> Component | None:
    return next((name for name, p in patterns.items() if any(re.fullmatch(p, value) for value in values)), None)


def _suppressed_by_options(options: Sequence[str]) -> bool:
    names = {re.sub(r"[^A-Z]", "", option.upper()) for option in options}
    return bool({"FS", "SPIR", "SPAIR", "CHESS"} & names) or any("FATSAT" in name or name == "FSAT" for name in names)


def _suppressed_by_words(words: list[str]) -> bool:
    for n, word in enumerate(words):
        following = words[n + 1 : n + 3]
        one = _SUPPRESSED.fullmatch(word) is not None
        two = re.fullmatch(_FAT, word) and following and re.fullmatch(_AWAY, following[0])
        reverse = re.fullmatch(_AWAY, word) and any(re.fullmatch(_FAT, later) for later in following)
        excited = word == "water" and following and following[0].startswith("exc")
        apart = word == "f" and following[:1] == ["s"]
        if (one or two or reverse or excited or apart) and not _NOT & set(words[max(0, n - 1) : n]):
            return True
    return False


def _by_derivation(text: str) -> Component | None:
    found = re.search(r"subtract|projection|\b(adc|map)\b|apparent diffusion", text.lower())
    if found is None:
        return None
    said: dict[str, Component] = {"subtract": "subtraction", "projection": "projection"}
    return said.get(found.group(), "map")


def _by_words(words: list[str], types: list[str], suppressed: bool) -> Component | None:
    phrases = [*words, *(a + b for a, b in pairwise(words))]
    phrases += [a + b + c for a, b, c in zip(words, words[1:], words[2:], strict=False)]
    found = _first(_BY_WORD, phrases)
    if found:
        return found
    if "DIXON" in types or any(re.fullmatch(r"\w*dixon\w*|ideal\w*|(lava)?flex", word) for word in words):
        # "T1 W" is T1-weighted, but for a last word, as in "mDIXON T1 W"
        own = [
            w for n, w in enumerate(words) if w != "w" or n == len(words) - 1 or words[n - 1] not in ("t1", "t2", "pd")
        ]
        found = _first(_IN_DIXON, own)
        if found:
            return found
    if suppressed or any(re.fullmatch(_AWAY, word) for word in words):  # also "no fat sat"
        return None
    return "water" if "water" in words else "fat" if {"fat", "fatonly"} & set(words) else None
