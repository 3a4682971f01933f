"""A Bland–Altman plot as SVG, without a plotting library."""

import html
import math
from collections.abc import Sequence

import numpy as np

from ONFHAssistLib.core.statistics import bland_altman

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 460, 300, 58, 46, 28, 96
_POINT, _LINE, _LIMIT, _INK = "#3465a4", "#cc3311", "#888888", "#333333"


def bland_altman_svg(
    first: Sequence[float], second: Sequence[float], title: str, unit: str, names: tuple[str, str] = ("1st", "2nd")
) -> str:
    """Draw the differences of two methods against their means, with bias and 95 % limits of agreement.

    Args:
        first: one number for each case.
        second: the same by the other method.
        title: what was measured.
        unit: of the numbers, for the axes.
        names: of the methods; the difference is the first less the second.
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    mean, difference = (one + other) / 2, one - other
    found = bland_altman(one, other)
    levels = [("mean", found.bias, _LINE, "")]
    if math.isfinite(found.lower_limit):
        levels += [
            (f"{sign}1.96 SD", y, _LIMIT, "5 4") for sign, y in (("−", found.lower_limit), ("+", found.upper_limit))
        ]
    x_low, x_high = _range(mean.tolist())
    y_low, y_high = _range([*difference.tolist(), *(level for _, level, _, _ in levels), 0.0])

    def x(value: float) -> float:
        return _LEFT + (value - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - y_low) / (y_high - y_low) * (_HEIGHT - _BOTTOM - _TOP)

    parts = [_text(_LEFT, 16, title, weight="bold")]
    for value in _ticks(x_low, x_high):
        parts.append(_text(x(value), _HEIGHT - _BOTTOM + 15, f"{value:g}", "middle"))
    for value in _ticks(y_low, y_high):
        parts.append(f'<path d="M{_LEFT} {y(value):.1f}h-4" stroke="{_INK}"/>')
        parts.append(_text(_LEFT - 7, y(value) + 4, f"{value:g}", "end"))
    frame = f"M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}"
    parts.append(f'<path d="{frame}" fill="none" stroke="{_INK}"/>')
    if y_low < 0 < y_high:
        parts.append(f'<path d="M{_LEFT} {y(0):.1f}H{_WIDTH - _RIGHT}" stroke="#cccccc"/>')
    for name, level, colour, dash in levels:
        parts.append(
            f'<path d="M{_LEFT} {y(level):.1f}H{_WIDTH - _RIGHT}" stroke="{colour}" stroke-dasharray="{dash}"/>'
            + _text(_WIDTH - _RIGHT + 5, y(level) + 4, f"{name} {level:.2f}", colour=colour)
        )
    parts += [
        f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{_POINT}" fill-opacity="0.7"/>'
        for a, b in zip(mean, difference, strict=True)
    ]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text(middle, _HEIGHT - 10, f"mean of both, {unit}", "middle"))
    across = (_TOP + _HEIGHT - _BOTTOM) / 2
    label = _text(14, across, f"{names[0]} − {names[1]}, {unit}", "middle")
    parts.append(f'<g transform="rotate(-90 14 {across})">{label}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'font-family="sans-serif" font-size="11" role="img" aria-label="{html.escape(title)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = _INK, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">'
        f"{html.escape(text)}</text>"
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers."""
    rough = (high - low) / 5
    step = 10 ** math.floor(math.log10(rough))
    step *= min((m for m in (1, 2, 5, 10)), key=lambda m: abs(m * step - rough))
    return [round(n * step, 10) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
