"""JSON that a disk, a sync client or somebody has damaged: one value after the other, and whole documents."""

import copy
from collections.abc import Iterator
from typing import Any

_GONE = object()
ODD = (None, True, -1, 1e6, 1e300, "x", [1], {"x": 1}, _GONE)
"""Instead of whatever stood there."""
WHOLE = (
    b"", b"null", b"[]", b'"x"', b"3", b"{", b"\xff\xfe", b"[" * 100_000, b"[" * 600 + b"]" * 600, b"NaN",
    b'{"image": 1e999}',
)  # fmt: skip
"""No documents, or none of ours."""


def places(plain: Any, path: tuple = ()) -> Iterator[tuple]:
    """Return the way to each value of a JSON document, of lists to the first two."""
    parts = plain.items() if isinstance(plain, dict) else enumerate(plain[:2]) if isinstance(plain, list) else ()
    for name, part in parts:
        yield (*path, name)
        yield from places(part, (*path, name))


def damaged(plain: Any) -> Iterator[tuple[tuple, Any]]:
    """Return a JSON document with one value after the other replaced or missing, each with the way to that value."""
    for path in places(plain):
        for odd in ODD:
            yield path, _changed(plain, path, odd)


def apart_from(plain: Any, path: tuple) -> Any:
    """Return a JSON document without one value; of a list without all of it."""
    first = next((n for n, name in enumerate(path) if isinstance(name, int)), len(path))
    return _changed(plain, path[:first], _GONE)


def _changed(plain: Any, path: tuple, value: Any) -> Any:
    """Return a document whose parts beside the path are those of ``plain``, not copied."""
    name, *rest = path
    found = copy.copy(plain)
    if rest:
        found[name] = _changed(plain[name], tuple(rest), value)
    elif value is not _GONE:
        found[name] = value
    elif isinstance(found, list):
        del found[name]
    else:
        found.pop(name, None)
    return found
