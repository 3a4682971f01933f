"""Conditions like ``status == approved and grade != none``, read without running anything.

Grammar: a field, one of == != < <= > >= in, and a value, combined with and, or, not and parentheses. A value is a
number, a word, a text in quotes, or for "in" several of these in parentheses.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ONFHAssistLib.core.errors import InputError

Value = str | float | None
Fields = Mapping[str, Value]
Test = Callable[[Fields], bool]

EXAMPLE = "status == approved and grade != none"
NONE = "none"
"""What a field without a value is compared with."""
_LONGEST = 500
_DEEPEST = 20
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Field:
    """What a condition may ask for.

    Attributes:
        number: whether its values are numbers; otherwise words.
        values: all values of a word; empty: any.
    """

    number: bool = False
    values: tuple[str, ...] = ()


def condition(text: str, fields: Mapping[str, Field]) -> Test:
    """Return what tells whether a case with these values meets the condition.

    A number that is not known meets only ``== none`` and what follows from it.

    Raises:
        InputError: the text is no condition, or asks for a field or a value that there is none of.
    """
    try:
        if len(text) > _LONGEST:
            raise ValueError("it is too long")
        tree = ast.parse(text.strip(), mode="eval")
        return _test(tree.body, fields, _DEEPEST)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        why = str(error) if type(error) is ValueError else "it is no such sentence"
        raise InputError(f"The condition {text[:80]!r} can't be read: {why}; write as in {EXAMPLE}.") from None


def _test(node: ast.expr, fields: Mapping[str, Field], depth: int) -> Test:
    if depth == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(node, ast.BoolOp):
        parts = [_test(part, fields, depth - 1) for part in node.values]
        join = all if isinstance(node.op, ast.And) else any
        return lambda case: join(part(case) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _test(node.operand, fields, depth - 1)
        return lambda case: not inner(case)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Name):
        return _comparison(node.left.id, node.ops[0], node.comparators[0], fields)
    raise ValueError(f"{ast.unparse(node)[:60]!r} is not a field, a comparison and a value")


def _comparison(name: str, how: ast.cmpop, right: ast.expr, fields: Mapping[str, Field]) -> Test:
    if name not in fields:
        raise ValueError(f"there is no field {name} (there are {', '.join(fields)})")
    field = fields[name]
    if isinstance(how, ast.In | ast.NotIn):
        if not isinstance(right, ast.Tuple | ast.List):
            raise ValueError(f"after in follow values in parentheses, as in {name} in (a, b)")
        wanted = {_value(part, name, field) for part in right.elts}
        turned = isinstance(how, ast.NotIn)
        return lambda case: (_known(case[name]) in wanted) != turned
    value = _value(right, name, field)
    if isinstance(how, ast.Eq | ast.NotEq):
        turned = isinstance(how, ast.NotEq)
        return lambda case: (_known(case[name]) == value) != turned
    order = _ORDER.get(type(how))
    if order is None or not field.number or value == NONE:
        raise ValueError(f"{name} can't be compared like that")
    return lambda case: case[name] is not None and order(case[name], value)


def _value(node: ast.expr, name: str, field: Field) -> str | float:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    number = isinstance(node, ast.Constant) and node.value
    if isinstance(number, int | float) and not isinstance(number, bool) and field.number:
        return sign * float(number)
    if isinstance(node, ast.Constant) and node.value is None:
        return NONE
    text = node.id if isinstance(node, ast.Name) else node.value if isinstance(node, ast.Constant) else None
    if sign == -1 or not isinstance(text, str | int) or isinstance(text, bool):
        raise ValueError(f"{ast.unparse(node)[:60]!r} is no value; put it in quotes if it is text")
    text = str(text)
    if text == NONE:
        return NONE
    if field.number:
        raise ValueError(f"{name} is compared with a number, not with {text!r}")
    if field.values and text not in field.values:
        raise ValueError(f"{name} is never {text!r} (but {', '.join(field.values)})")
    return text


def _known(value: Value) -> str | float:
    return NONE if value is None else float(value) if isinstance(value, int | float) else value
