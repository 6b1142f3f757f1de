# SPDX-License-Identifier: Apache-2.0
"""Pictures of a page of placements, as inline SVG: a bar for each placement, and a column for each day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 720
_NAME, _VALUE, _ROW, _THICK, _THIN = 190, 130, 40, 16, 7
_LEFT, _TOP, _TALL, _BOTTOM = 8, 22, 130, 26
_LETTERS = 20
_HALF_DATE = 22
"""Half of a date's width, so that the first one is whole."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A placement's figure now, and before; None where nothing is known of before."""

    name: str
    now: float
    before: float | None


@dataclass(frozen=True, slots=True)
class Column:
    """A day's figure, and that of the day that it is compared with."""

    day: str
    now: float
    before: float | None


def bars(shelves: Sequence[Bar], words: Mapping[str, str], *, compares: bool) -> str:
    """Draw a bar for each placement, with a thin one below for the days before; empty without any."""
    most = max((max(bar.now, bar.before or 0) for bar in shelves), default=0)
    if most <= 0:
        return ""
    wide = WIDTH - _NAME - _VALUE
    drawn = []
    for number, bar in enumerate(shelves):
        y = number * _ROW + 4
        now, before = (wide * max(value, 0) / most for value in (bar.now, bar.before or 0))
        told = words["point"].format(name=bar.name, now=_number(bar.now), before=_number(bar.before))
        thin = f"<rect class=before x={_NAME} y='{y + _THICK + 2}' width='{before:.1f}' height={_THIN} rx=2 />"
        drawn.append(
            f"<g><title>{escape(told)}</title>"
            f"<text x='{_NAME - 10}' y='{y + 13}' text-anchor=end>{escape(_short(bar.name))}</text>"
            f"<rect x={_NAME} y='{y}' width='{max(now, 1):.1f}' height={_THICK} rx=2 />{thin if compares else ''}"
            f"<text class=value x='{_NAME + now + 8:.1f}' y='{y + 13}'>{_number(bar.now)}</text></g>"
        )
    label = escape(words["label"].format(count=len(shelves), best=shelves[0].name), quote=True)
    height = len(shelves) * _ROW
    return f"<svg class=shelves viewBox='0 0 {WIDTH} {height}' role=img aria-label='{label}'>{''.join(drawn)}</svg>"


def columns(days: Sequence[Column], words: Mapping[str, str]) -> str:
    """Draw a column for each day, with a mark at the height of the day that it is compared with."""
    most = max((max(day.now, day.before or 0) for day in days), default=0)
    if most <= 0:
        return ""
    step = (WIDTH - 2 * _LEFT) / len(days)
    wide = min(step * 0.7, 60)
    drawn = []
    for number, day in enumerate(days):
        x = _LEFT + number * step + (step - wide) / 2
        tall = _TALL * max(day.now, 0) / most
        told = words["point"].format(day=day.day, now=_number(day.now), before=_number(day.before))
        mark = ""
        if day.before is not None:
            y = _TOP + _TALL * (1 - max(day.before, 0) / most)
            mark = f"<line class=before x1='{x - 3:.1f}' x2='{x + wide + 3:.1f}' y1='{y:.1f}' y2='{y:.1f}'/>"
        drawn.append(
            f"<g><title>{escape(told)}</title><rect x='{x:.1f}' y='{_TOP + _TALL - tall:.1f}' width='{wide:.1f}' "
            f"height='{tall:.1f}' rx=2 />{mark}</g>"
        )
        if len(days) <= 7 or number % 7 == 0:
            drawn.append(
                f"<text x='{max(x + wide / 2, _LEFT + _HALF_DATE):.1f}' y='{_TOP + _TALL + 18}' text-anchor=middle>"
                f"{day.day[5:]}</text>"
            )
    ground = _TOP + _TALL
    label = escape(words["label"].format(first=days[0].day, last=days[-1].day, most=_number(most)), quote=True)
    axis = (
        f"<line class=axis x1={_LEFT} x2={WIDTH - _LEFT} y1={_TOP} y2={_TOP} />"
        f"<line class=axis x1={_LEFT} x2={WIDTH - _LEFT} y1={ground} y2={ground} />"
        f"<text x={_LEFT} y={_TOP - 6}>{_number(most)}</text>"
    )
    return (
        f"<svg class=shelves viewBox='0 0 {WIDTH} {ground + _BOTTOM}' role=img aria-label='{label}'>"
        f"{axis}{''.join(drawn)}</svg>"
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
