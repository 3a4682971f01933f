"""Frozen results as JSON-ready values, and back: for what travels to another process or is kept in a file.

Numbers keep every bit (JSON writes the shortest digits that give the same float again). Images have no place here.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Turn dataclasses into dictionaries and tuples into lists, all the way down.

    Raises:
        TypeError: something in it is no plain value, such as an array.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
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
    return _build(kind, plain, getattr(kind, "__name__", str(kind)), others)


def _build(kind: Any, plain: Any, where: str, others: bool) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return plain
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(plain, dict):
        hints = _hints(kind)
        unknown = plain.keys() - hints.keys()
        if unknown and not others:
            raise ValueError(f"{where} has no field {', '.join(sorted(unknown))}.")
        known = plain.keys() & hints.keys()
        try:
            return kind(**{name: _build(hints[name], plain[name], f"{where}.{name}", others) for name in known})
        except TypeError as error:
            raise ValueError(f"{where} is not complete ({error}).") from error
    if origin in (Union, UnionType):
        return _first_that_fits(arguments, plain, where, others)
    if origin is Literal and isinstance(plain, str | int | None) and plain in arguments:
        return plain
    if origin is tuple and isinstance(plain, list):
        kinds = [arguments[0]] * len(plain) if arguments[-1] is ... else list(arguments)
        if len(kinds) == len(plain):
            return tuple(
                _build(k, entry, f"{where}[{n}]", others) for n, (k, entry) in enumerate(zip(kinds, plain, strict=True))
            )
    if origin is dict and isinstance(plain, dict):
        return {key: _build(arguments[1], entry, f"{where}.{key}", others) for key, entry in plain.items()}
    if kind is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return plain
    if kind in (str, int, bool, type(None)) and type(plain) is kind:
        return plain
    raise ValueError(f"{where} cannot be {plain!r:.60}.")


def _first_that_fits(kinds: tuple[Any, ...], plain: Any, where: str, others: bool) -> Any:
    reason = ValueError(where)
    for kind in kinds:
        try:
            return _build(kind, plain, where, others)
        except ValueError as error:
            reason = error
    raise reason


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
