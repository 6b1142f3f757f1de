# SPDX-License-Identifier: Apache-2.0
"""The daily curve of an experiment: what was known of a variant's lift at the end of each day, as inline SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 14, 26
_MOST, _LEAST = 1.0, 0.05
"""The lifts, up and down, between which the axis ends, however wide the first days' bands are."""
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
_LINES = 8


@dataclass(frozen=True, slots=True)
class Point:
    """A day's lift, and its band; None where there is too little to draw it."""

    day: date
    lift: float | None
    low: float | None = None
    high: float | None = None


def curve(points: Sequence[Point], words: Mapping[str, str]) -> str:
    """Draw a variant's lift with its band, cut at the edges of the picture; empty without a point.

    Args:
        points: of each day, in order.
        words: the label for screen readers, with `first`, `last` and `lift`, and a point's with its values.
    """
    drawn = [point for point in points if point.lift is not None]
    if not drawn:
        return ""
    # The last band has to be seen whole, the first ones need not.
    reach = max(
        abs(value) for point in drawn[-1:] for value in (point.lift, point.low, point.high) if value is not None
    )
    reach = min(max(reach * 1.5, _LEAST), _MOST)
    step = next((step for step in _STEPS if 2 * reach / step <= _LINES), _STEPS[-1])
    days = max(len(points) - 1, 1)

    def at(number: int) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * number / days

    def height(lift: float) -> float:
        cut = min(max(lift, -reach), reach)
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (reach - cut) / (2 * reach)

    numbered = [(number, point) for number, point in enumerate(points) if point.lift is not None]
    banded = [(at(number), height(point.low), height(point.high)) for number, point in numbered
              if point.low is not None and point.high is not None]  # fmt: skip
    outline = [f"{x:.1f},{high:.1f}" for x, _, high in banded] + [
        f"{x:.1f},{low:.1f}" for x, low, _ in reversed(banded)
    ]
    line = " ".join(f"{at(number):.1f},{height(point.lift or 0.0):.1f}" for number, point in numbered)
    dots = "".join(
        f"<circle cx='{at(number):.1f}' cy='{height(point.lift or 0.0):.1f}' r=2.5><title>"
        f"{escape(words['point'].format(day=point.day, lift=_percent(point.lift), band=_band(point)))}</title></circle>"
        for number, point in numbered
    )
    count = int(reach / step)
    lines = "".join(_line(number * step, height(number * step)) for number in range(-count, count + 1))
    first, last = points[0], points[-1]
    marks = (
        f"<text x={_LEFT} y={HEIGHT - 6}>{first.day}</text>"
        f"<text x={WIDTH - _RIGHT} y={HEIGHT - 6} text-anchor=end>{last.day}</text>"
    )
    label = escape(words["label"].format(first=first.day, last=last.day, lift=_percent(drawn[-1].lift)), quote=True)
    return (
        f"<svg class=lift viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{label}'>{lines}"
        f"<polygon points='{' '.join(outline)}'/><polyline points='{line}'/>{dots}{marks}</svg>"
    )


def _line(lift: float, y: float) -> str:
    mark = " class=zero" if abs(lift) < 1e-9 else ""
    return (
        f"<line{mark} x1={_LEFT} x2={WIDTH - _RIGHT} y1='{y:.1f}' y2='{y:.1f}'/>"
        f"<text x={_LEFT - 6} y='{y + 4:.1f}' text-anchor=end>{lift:+.0%}</text>"
    )


def _percent(lift: float | None) -> str:
    return "" if lift is None else f"{lift:+.1%}"


def _band(point: Point) -> str:
    return "…" if point.low is None or point.high is None else f"{point.low:+.1%} … {point.high:+.1%}"
