# SPDX-License-Identifier: Apache-2.0
"""Plots of figures with their uncertainty as inline SVG, legible on a phone; every plot has its figures as text too."""

import math
from collections.abc import Sequence
from html import escape

Triple = Sequence[float]
"""A value with the bounds of its interval."""
_WIDTH, _HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 22, 12, 40
_LEAST_POWER = -6
"""The power of ten below which a probability lies at the edge."""


def strip(value: Triple, most: float, label: str, mark: str) -> str:
    """Draw a figure from 0 to `most`: a tick in a bar over its interval, which stretches to any width."""
    at, low, high = (1000 * min(each / most, 1.0) if most else 0.0 for each in value)
    return (
        f"<svg class='strip {mark}' viewBox='0 0 1000 20' preserveAspectRatio=none role=img "
        f"aria-label='{escape(label, quote=True)}'><line x1=0 x2=1000 y1=10 y2=10 />"
        f"<rect class=span x='{low:.1f}' width='{max(high - low, 2):.1f}' y=4 height=12 />"
        f"<rect class=tick x='{min(max(at - 3, 0), 994):.1f}' width=6 y=1 height=18 /></svg>"
    )


def curve(points: Sequence[tuple[float, Triple]], across: Sequence[str], label: str) -> str:
    """Draw values over shares of something, with their intervals as whiskers.

    Args:
        points: the share (0 to 1) and the value with its bounds.
        across: the words under the points.
        label: what the picture shows, for those who cannot see it.
    """
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


def calibration(bins: Sequence[tuple[float, float]], label: str) -> str:
    """Draw predicted (across) and observed probability (up) by powers of ten; on the diagonal they agree.

    Args:
        bins: predicted and observed probability of each group; those without any of one have no place.
        label: what the picture shows, for those who cannot see it.
    """
    shown = [
        (max(math.log10(predicted), _LEAST_POWER), max(math.log10(observed), _LEAST_POWER))
        for predicted, observed in bins
        if predicted > 0 and observed > 0
    ]
    low = math.floor(min((value for pair in shown for value in pair), default=-1.0))
    powers = range(low, 1)

    def place(value: float) -> float:
        return (value - low) / -low

    points = [(_x(place(predicted)), _y(place(observed), 1.0)) for predicted, observed in shown]
    dots = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r=4 />" for x, y in points)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "".join(
        f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{_y(place(power), 1):.1f}' y2='{_y(place(power), 1):.1f}'/>"
        f"<text x='{_LEFT - 6}' y='{_y(place(power), 1) + 4:.1f}' text-anchor=end>{_power(power)}</text>"
        f"<text x='{_x(place(power)):.1f}' y='{_HEIGHT - 22}' text-anchor=middle>"
        f"{_power(power)}</text>"
        for power in powers
    )
    return (
        f"<svg class=plot viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img aria-label='{escape(label, quote=True)}'>{marks}"
        f"<line class=same x1='{_x(0)}' y1='{_y(0, 1)}' x2='{_x(1)}' y2='{_y(1, 1)}'/>"
        f"<polyline points='{line}'/>{dots}</svg>"
    )


def _power(power: int) -> str:
    """Return a power of ten in per cent, in plain digits."""
    return f"{100 * 10.0**power:.{max(0, -power - 2)}f}%"


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


def _decimals(most: float) -> int:
    """Return the decimals that distinguish half of `most` from all of it."""
    return max(2, 1 - math.floor(math.log10(most)))


def _grid(most: float) -> str:
    return "".join(
        f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{_y(part, 1):.1f}' y2='{_y(part, 1):.1f}'/>"
        f"<text x='{_LEFT - 6}' y='{_y(part, 1) + 4:.1f}' text-anchor=end>{part * most:.{_decimals(most)}f}</text>"
        for part in (0.0, 0.5, 1.0)
    )
