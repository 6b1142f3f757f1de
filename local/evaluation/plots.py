# SPDX-License-Identifier: Apache-2.0
"""Plots of figures with their uncertainty as inline SVG, legible on a phone; every plot has its figures as text too."""

import math
from collections.abc import Sequence
from html import escape

Triple = Sequence[float]
"""A value with the bounds of its interval."""
_WIDTH, _HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 22, 12, 40


def strip(value: Triple, most: float, label: str, mark: str) -> str:
    """Draw a figure from 0 to `most`: a tick in a bar over its interval, which stretches to any width."""
    at, low, high = (1000 * min(part / most, 1.0) if most else 0.0 for part in value)
    return (
        f"<svg class='strip {mark}' viewBox='0 0 1000 20' preserveAspectRatio=none role=img "
        f"aria-label='{escape(label, quote=True)}'><line x1=0 x2=1000 y1=10 y2=10 />"
        f"<rect class=span x='{low:.1f}' width='{max(high - low, 2):.1f}' y=4 height=12 />"
        f"<rect class=tick x='{min(max(at - 3, 0), 994):.1f}' width=6 y=1 height=18 /></svg>"
    )


def curve(points: Sequence[tuple[float, Triple]], across: Sequence[str], label: str) -> str:
    """Draw values over shares (0 to 1), with their intervals as whiskers and the words `across` below."""
    most = nice(max(value[2] for _, value in points))
    places = [(_x(share), value) for share, value in points]
    line = " ".join(f"{x:.1f},{_y(value[0], most):.1f}" for x, value in places)
    marks = "".join(
        f"<line class=whisker x1='{x:.1f}' x2='{x:.1f}' y1='{_y(value[1], most):.1f}' y2='{_y(value[2], most):.1f}'/>"
        f"<circle cx='{x:.1f}' cy='{_y(value[0], most):.1f}' r=4 />"
        f"<text x='{x:.1f}' y='{_HEIGHT - 22}' text-anchor={'end' if share == 1 else 'middle'}>{escape(word)}</text>"
        for (share, _), (x, value), word in zip(points, places, across, strict=True)
    )
    return (
        f"<svg class=plot viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img aria-label='{escape(label, quote=True)}'>"
        f"{_grid(most)}<polyline points='{line}'/>{marks}</svg>"
    )


def nice(most: float) -> float:
    """Return a round number at or above a value."""
    if most <= 0:
        return 1.0
    size = 10.0 ** (len(str(int(1 / most))) * -1) if most < 1 else 1.0
    return next(size * factor for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if size * factor >= most)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, most: float) -> float:
    return _TOP + (1 - value / most) * (_HEIGHT - _TOP - _BOTTOM)


def _grid(most: float) -> str:
    decimals = max(2, 1 - math.floor(math.log10(most)))  # enough to distinguish half of `most` from all of it
    return "".join(
        f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{_y(part, 1):.1f}' y2='{_y(part, 1):.1f}'/>"
        f"<text x='{_LEFT - 6}' y='{_y(part, 1) + 4:.1f}' text-anchor=end>{part * most:.{decimals}f}</text>"
        for part in (0.0, 0.5, 1.0)
    )
