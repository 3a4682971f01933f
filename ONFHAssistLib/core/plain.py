"""Frozen results as JSON-ready values, and back: for what travels to another process or is kept in a file.

Numbers keep every bit (JSON writes the shortest digits that give the same float again). Images have no place here.
"""

import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")
_Build = Callable[[Any], Any]
_SCALARS = (str, int, bool, float, type(None))


class Unset(Enum):
    """Type of `UNSET`."""

    UNSET = "unset"

    def __bool__(self) -> Literal[False]:
        """Return False, so that ``value or ""`` does for what is not there."""
        return False


UNSET: Final = Unset.UNSET
"""Default of a field that may be missing in the file, where missing is something else than null."""


def to_plain(value: Any) -> Any:
    """Turn dataclasses into dictionaries and tuples into lists, all the way down; fields that are `UNSET` are left out.

    Raises:
        TypeError: something in it is no plain value, such as an array.
    """
    if is_dataclass(value) and not isinstance(value, type):
        own = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: to_plain(entry) for name, entry in own if entry is not UNSET}
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} is no plain value.")


def from_plain(kind: type[T], plain: Any, others: bool = False) -> T:
    """Build a value of ``kind``, usually a dataclass, from what ``to_plain`` made of it.

    Fields that are missing take their default, so that what an older version has kept can be read.

    Args:
        kind: what to build.
        plain: JSON-ready values.
        others: leave out fields that ``kind`` does not have, at any depth; else they are an error.

    Raises:
        ValueError: the values do not fit the type hints of ``kind``.
    """
    try:
        return _builder(kind, others)(plain)
    except _MisfitError as error:
        error.path.append(getattr(kind, "__name__", str(kind)))
        raise


class _MisfitError(ValueError):
    """What does not fit; ``path`` leads to it, the innermost step first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path: list[str] = []

    def __str__(self) -> str:
        return f"{''.join(reversed(self.path))} {self.what}."


def _cannot_be(plain: Any) -> _MisfitError:
    short = reprlib.Repr()  # of what may be nested without end
    short.maxstring = 60
    return _MisfitError(f"cannot be {short.repr(plain):.60}")


def _builder(kind: Any, others: bool) -> _Build:
    """Return what builds a value of ``kind``. The hints are looked at once, not for every value: lists are long."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda plain: plain
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, others)
    if origin in (Union, UnionType):
        return _union(arguments, others)
    if kind in _SCALARS:
        return _union((kind,), others)
    if origin is Literal:
        return _literal(arguments)
    if origin is tuple:
        return _tuple(arguments, others)
    if origin is dict:
        return _dictionary(_builder(arguments[0], others), _builder(arguments[1], others))
    return _nothing


def _nothing(plain: Any) -> Any:
    raise _cannot_be(plain)


def _dataclass(kind: Any, others: bool) -> _Build:
    def build(plain: Any) -> Any:
        if not isinstance(plain, dict):
            raise _cannot_be(plain)
        builders = _field_builders(kind, others)
        unknown = plain.keys() - builders.keys()
        if unknown and not others:
            raise _MisfitError(f"has no field {', '.join(sorted(unknown))}")
        found = {}
        for name, value in plain.items():
            if name in builders:
                try:
                    found[name] = builders[name](value)
                except _MisfitError as error:
                    error.path.append(f".{name}")
                    raise
        try:
            return kind(**found)
        except TypeError as error:
            raise _MisfitError(f"is not complete ({error})") from error

    return build


@cache
def _field_builders(kind: Any, others: bool) -> dict[str, _Build]:
    return {name: _builder(hint, others) for name, hint in get_type_hints(kind).items()}


def _union(kinds: tuple[Any, ...], others: bool) -> _Build:
    """Return the first that fits; plain numbers, words and null are told by their type at a glance."""
    simple = {kind for kind in kinds if kind in _SCALARS} | ({int} if float in kinds else set())
    rest = [_builder(kind, others) for kind in kinds if kind not in _SCALARS and kind is not Unset]

    def build(plain: Any) -> Any:
        if type(plain) in simple:
            return plain
        reason: ValueError | None = None
        for one in rest:
            try:
                return one(plain)
            except ValueError as error:
                reason = error
        raise reason or _cannot_be(plain)

    return build


def _literal(values: tuple[Any, ...]) -> _Build:
    def build(plain: Any) -> Any:
        if isinstance(plain, str | int | None) and plain in values:
            return plain
        raise _cannot_be(plain)

    return build


def _tuple(kinds: tuple[Any, ...], others: bool) -> _Build:
    endless = kinds[-1] is ...
    builders = [_builder(kind, others) for kind in kinds if kind is not ...]

    def build(plain: Any) -> Any:
        if not isinstance(plain, list) or not (endless or len(plain) == len(builders)):
            raise _cannot_be(plain)
        found = []
        try:
            for one, entry in zip(builders * len(plain) if endless else builders, plain, strict=True):
                found.append(one(entry))
        except _MisfitError as error:
            error.path.append(f"[{len(found)}]")
            raise
        return tuple(found)

    return build


def _dictionary(name: _Build, one: _Build) -> _Build:
    def build(plain: Any) -> Any:
        if not isinstance(plain, dict):
            raise _cannot_be(plain)
        found = {}
        for key, entry in plain.items():
            try:
                found[name(key)] = one(entry)
            except _MisfitError as error:
                error.path.append(f".{key}")
                raise
        return found

    return build


def finite(value: Any) -> Any:
    """Return JSON-ready values with null for each number that JSON does not know (NaN, infinity)."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
