"""Changes to a sound input; the same generator gives the same change."""

import gzip
import json
import random
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pydicom

HEADER = 600
"""Most changes of binary files are made among their first bytes."""
NUMBERS = (b"0", b"-1", b"1", b"2", b"65536", b"2147483647", b"4294967296", b"99999999999999999999", b"1e30", b"1e308")
NUMBERS += (b"-1e308", b"1e-300", b"nan", b"inf", b"-inf", b"0x10", b"1,5", b"3 3", b"")
WORDS = (b"%n%n%n 1 9 1", b"a%s%d.raw 1 9 1", b"/dev/zero", b"../../../../etc/passwd", b"LIST", b"LOCAL", b"a.raw")
WORDS += (b"x" * 5000, b"\xff\xfe\x00", b"(1,0,0)", b"none", b"M\xfcller", b"\x00", b"'\"\\", b"gzip", b"raw", b"ascii")
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1e308,
    "",
    "x" * 5000,
    "/etc/passwd",
    "../../x",
    [],
    {},
    [[]],
    "é\u202e",
)
_PACKED = ("<h", "<i", "<f", "<d", "<q", ">h", ">i", ">f")


def mutate(folder: Path, kind: str, number: int) -> str:
    """Change one input in its folder; returns what was done, in a few words."""
    rng = random.Random(f"{kind} {number}")
    if kind in ("case", "bundle"):
        return _json(rng.choice(_documents(folder)), rng)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files if kind == "dicom" else [f for f in files if "raw" not in f.suffix and f.suffix != ".img"])
    if rng.random() < 0.05:
        path = rng.choice(files)
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if kind == "dicom" and rng.random() < 0.6:
            done.append(_tag(path, rng))
        elif kind in ("nrrd", "mha") and rng.random() < 0.85:
            done.append(_text(path, rng))
        else:
            done.append(_bytes(path, rng))
    return f"{path.name}: {'; '.join(done)}"


def _bytes(path: Path, rng: random.Random) -> str:
    raw = path.read_bytes()
    inside = raw[:2] == b"\x1f\x8b" and rng.random() < 0.8
    if inside:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            inside = False
    changed, what = _changed(bytearray(raw), rng)
    path.write_bytes(gzip.compress(changed, 1) if inside else changed)
    return what


def _changed(raw: bytearray, rng: random.Random) -> tuple[bytes, str]:
    limit = min(len(raw), HEADER if rng.random() < 0.9 else len(raw))
    at = rng.randrange(max(limit, 1))
    what = rng.choice(("flip", "number", "number", "number", "cut", "copy", "long", "zero"))
    if what == "flip" and raw:
        raw[at] ^= 1 << rng.randrange(8)
    elif what == "number":
        layout = rng.choice(_PACKED)
        whole = layout[1] not in "fd"
        size = struct.calcsize(layout)
        top = 2 ** (8 * size - 1) - 1
        huge = 1e38 if layout[1] == "f" else 1e308
        value = rng.choice(
            (0, 1, -1, 2, 7, top, -top, 512, 30000)
            if whole
            else (0.0, -1.0, huge, 1e-30, 1e6, float("nan"), float("inf"))
        )
        at -= at % size
        raw[at : at + size] = struct.pack(layout, value)
    elif what == "cut":
        del raw[at if rng.random() < 0.5 else rng.randrange(max(len(raw), 1)) :]
    elif what == "copy":
        raw[at:at] = raw[at : at + rng.randrange(1, 400)]
    elif what == "long":
        raw[at:at] = b"x" * 5000
    else:
        raw[at : at + 16] = bytes(16)
    return bytes(raw), f"{what} at {at}"


def _text(path: Path, rng: random.Random) -> str:
    raw = path.read_bytes()
    end = next((raw.find(mark) for mark in (b"\n\n", b"ElementDataFile = LOCAL\n") if mark in raw), len(raw))
    end += 24 if raw[end : end + 7] == b"Element" else 0
    lines = raw[:end].split(b"\n")
    n = rng.randrange(len(lines))
    what = rng.choice(("number", "number", "number", "word", "word", "drop", "double", "swap", "many", "empty"))
    key, mark, value = lines[n].partition(b": " if b": " in lines[n] else b"= ")
    if what == "number" and (found := list(re.finditer(rb"-?[\d.]+(?:e-?\d+)?", value))):
        hit = rng.choice(found)
        value = value[: hit.start()] + rng.choice(NUMBERS) + value[hit.end() :]
        lines[n] = key + mark + value
    elif what == "word":
        lines[n] = key + mark + rng.choice(WORDS)
    elif what == "drop":
        del lines[n]
    elif what == "double":
        lines.insert(n, lines[n])
    elif what == "swap":
        other = rng.randrange(len(lines))
        lines[n] = key + mark + lines[other].partition(b": " if b": " in lines[other] else b"= ")[2]
    elif what == "many":
        lines[n:n] = [rng.choice((b"x: 1", b"x:=1", b"X = 1", b"#"))] * rng.choice((10, 50_000))
    else:
        lines[n] = key + mark
    path.write_bytes(b"\n".join(lines) + raw[end:])
    return f"{what} in line {n}"


def _tag(path: Path, rng: random.Random) -> str:
    """Change a tag as it lies in the file, whatever its type allows."""
    try:
        dataset = pydicom.dcmread(path, force=True)
        elements = [e for e in dataset.iterall() if e.tag != 0x7FE00010 and e.VR != "SQ"]
        element = rng.choice(elements)
    except Exception:
        return _bytes(path, rng)
    raw = path.read_bytes()
    place = struct.pack("<HH", element.tag.group, element.tag.elem) + element.VR.encode()
    at = raw.find(place)
    if at < 0:
        return _bytes(path, rng)
    long = element.VR in ("OB", "OW", "OF", "UN", "UT", "UC")
    head = 12 if long else 8
    length = struct.unpack_from("<I" if long else "<H", raw, at + (8 if long else 6))[0]
    value = rng.choice((*NUMBERS, *WORDS, b"1\\2", b"ISO 2022 IR 87", b"2147483647", b"1A", b"\\\\\\"))
    if element.VR in ("US", "UL", "SS", "FD", "FL") and rng.random() < 0.8:
        size = max(length, 2)
        value = rng.choice((bytes(size), b"\xff" * size, b"\x01" + bytes(size - 1), b"\xff\x7f" * (size // 2)))
    value += b" " * (len(value) % 2)
    said = rng.choice((len(value),) * 8 + (0, 65534)) & 0xFFFF
    lengths = struct.pack("<I", said) if long else struct.pack("<H", said)
    path.write_bytes(raw[: at + head - len(lengths)] + lengths + value + raw[at + head + length :])
    return f"{element.keyword or 'a private tag'}, {len(value)} bytes"


def _documents(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


def _json(path: Path, rng: random.Random) -> str:
    if rng.random() < 0.15:
        return f"{path.name}: {_bytes(path, rng)}"
    document = json.loads(path.read_text(encoding="utf-8"))
    places = list(_places(document))
    holder, key = rng.choice(places)
    what = rng.choice(("value", "value", "value", "drop", "name", "deep", "swap", "many"))
    if what == "value":
        holder[key] = rng.choice(VALUES)
    elif what == "drop":
        del holder[key]
    elif what == "name" and isinstance(holder, dict):
        holder[rng.choice(("/dev/zero", "../../../outside/precious", "x" * 3000, ""))] = holder.pop(key)
    elif what == "swap":
        other, name = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[name]))
    elif what == "many" and isinstance(holder[key], list):
        holder[key] = holder[key] * 20_000
    text = json.dumps(document)
    if what == "deep":
        text = text.replace(json.dumps(holder[key]), "[" * 100_000 + "]" * 100_000, 1)
    path.write_text(text, encoding="utf-8")
    return f"{path.name}: {what} at {str(key)[:40]}"


def _places(value: Any):
    if isinstance(value, dict):
        for key, part in value.items():
            yield value, key
            yield from _places(part)
    elif isinstance(value, list):
        for n, part in enumerate(value):
            yield value, n
            yield from _places(part)
