# SPDX-License-Identifier: Apache-2.0
"""Render reports as self-contained pages, for light and dark screens, phones and paper.

Templates escape their variables. Texts are in catalogues, one for each language: those of pages by their place, and
those of sentences that code makes (`wording.Text`) under `sentences`. English and Korean write numbers and dates alike
(1,234.5; 2026-11-30), so a library with all locales would be dead weight; what differs is in the catalogues. Charts
are inline SVG without scripts, with labels for screen readers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
import yaml
from table_intake import wording
from table_intake.wording import Catalogue, Language, fill

WIDTH, HEIGHT = 720, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 8, 16, 30
_MOST_BARS = 120
_DAYS = {"day": 1, "week": 7, "month": 31}
"""Most days of a bar."""
_WIDEST = 60
_ROUND = 10_000
"""From this number on, a chart's axis has a short form."""
Texts = Mapping[str, Any]


def timeline(per_day: Sequence[tuple[str, int]], language: Language = "en") -> tuple[str, str]:
    """Draw bars of rows by day, week or month, whichever is readable.

    Args:
        per_day: days (ISO) that have rows, in order, with their rows.

    Returns:
        The chart, and the unit of a bar in the language's word.
    """
    texts_of_chart = texts(language)["timeline"]
    days = [(date.fromisoformat(day), rows) for day, rows in per_day]
    bars, word = _binned(days)
    most = max(rows for _, rows in bars)
    top = _round_up(most)
    inner, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step = inner / len(bars)
    wide = max(0.8, min(_WIDEST, step * 0.8))
    drawn = "".join(
        f"<rect x='{_LEFT + index * step + (step * 0.8 - wide) / 2:.1f}' y='{_TOP + tall * (1 - rows / top):.1f}' "
        f"width='{wide:.1f}' height='{tall * rows / top:.1f}'>"
        f"<title>{_label(day, word, texts_of_chart)}: {rows:,}</title></rect>"
        for index, (day, rows) in enumerate(bars)
    )
    lines = "".join(_line(top * part / 2, _TOP + tall * (1 - part / 2), texts_of_chart) for part in range(3))
    marks = "".join(_mark(bars, index, step) for index in sorted({0, len(bars) // 2, len(bars) - 1}))
    unit = texts_of_chart["units"][word]
    label = texts_of_chart["label"].format(unit=unit, first=bars[0][0], last=bars[-1][0], most=most)
    picture = (
        f"<svg class=chart viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{label}'>"
        f"{lines}<g class=bars>{drawn}</g>{marks}</svg>"
    )
    return picture, unit


def _binned(days: Sequence[tuple[date, int]]) -> tuple[list[tuple[date, int]], str]:
    span = (days[-1][0] - days[0][0]).days + 1
    word = next((word for word, most in _DAYS.items() if span <= most * _MOST_BARS), "year")
    counts = dict.fromkeys(_periods(days[0][0], days[-1][0], word), 0)
    for day, rows in days:
        counts[_start(day, word)] += rows
    return list(counts.items()), word


def _start(day: date, word: str) -> date:
    if word == "week":
        return day - timedelta(days=day.weekday())
    if word == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if word == "year" else day


def _periods(first: date, last: date, word: str) -> list[date]:
    starts, day = [], _start(first, word)
    while day <= last:
        starts.append(day)
        ahead = {"day": 1, "week": 7, "month": 32, "year": 367}[word]
        day = _start(day + timedelta(days=ahead), word)
    return starts


def _round_up(most: int) -> float:
    """Return a round number at or above the highest bar."""
    size = float("1" + "0" * (len(str(max(most, 1))) - 1))
    return next(size * factor for factor in (1, 2, 4, 5, 6, 8, 10) if size * factor >= most)


def _line(value: float, y: float, words: Texts) -> str:
    sizes = [(size, sign) for size, sign in words["sizes"] if value >= size]
    size, sign = sizes[0] if value >= _ROUND and sizes else (1, "")
    text = f"{value / size:,g}{sign}"
    return (
        f"<line x1='{_LEFT}' x2='{WIDTH - _RIGHT}' y1='{y:.1f}' y2='{y:.1f}'/>"
        f"<text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor=end>{text}</text>"
    )


def _mark(bars: Sequence[tuple[date, int]], index: int, step: float) -> str:
    anchor = {0: "start", len(bars) - 1: "end"}.get(index, "middle") if len(bars) > 1 else "middle"
    x = {"start": float(_LEFT), "end": float(WIDTH - _RIGHT)}.get(anchor, _LEFT + (index + 0.4) * step)
    return f"<text x='{x:.1f}' y='{HEIGHT - 8}' text-anchor={anchor}>{bars[index][0]}</text>"


def _label(day: date, word: str, words: Texts) -> str:
    week = str(words["week"]).format(day=day)
    return {"week": week, "month": f"{day:%Y-%m}", "year": f"{day:%Y}"}.get(word, str(day))


_FOLDER = Path(__file__).parent


def render(template: str, report: Mapping[str, Any], **more: object) -> str:
    """Return the page of a report, in the report's `language`.

    Args:
        template: a file of the folder `templates`.
        report: the report's document; its members are the template's variables. Its `texts` are the codes of
            sentences that JSON left as strings; see `with_codes`.
        more: further variables.
    """
    language: Language = report.get("language", "en")
    shown = translated(report, language)
    return environment(language=language).get_template(template).render(shown, t=texts(language), **more)


def with_codes(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report as it is stored: with the codes of its texts beside their English."""
    known_codes = {**report.get("texts", {}), **wording.codes(report)}
    return {**report, "texts": known_codes} if known_codes else dict(report)


def said(told: Any, language: Language, known_codes: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
    """Return what people of a shop are told, in its language; `known_codes` are those of texts that are strings now."""
    return told if language == "en" else wording.in_language(told, sentences(language), known_codes)


def translated(report: Mapping[str, Any], language: Language) -> Mapping[str, Any]:
    """Return a report with its sentences in a language."""
    if language == "en":
        return report
    document = {name: value for name, value in report.items() if name != "texts"}
    shown: Mapping[str, Any] = wording.in_language(document, sentences(language), report.get("texts"))
    return shown


@cache
def texts(language: Language = "en") -> Texts:
    texts: Texts = yaml.safe_load((_FOLDER / "texts" / f"{language}.yaml").read_text(encoding="utf-8"))
    return texts


@cache
def sentences(language: Language) -> Catalogue:
    """Return the templates of the sentences that code makes: the application's, and those of `table_intake`."""
    return {**wording.catalogue(language), **texts(language)["sentences"]}


@cache
def environment(*folders: Path, language: Language = "en") -> jinja2.Environment:
    """Return the template environment: templates of `folders`, and those here, which they may extend."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, _FOLDER / "templates"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    under = texts(language)["under"]
    filters: dict[str, Callable[..., str]] = {
        # Only English begins its sentences so; elsewhere it is a shop's name that would change.
        "capital": lambda text: text[:1].upper() + text[1:] if language == "en" else text,
        "count": lambda number: f"{number:,}",
        "dollars": partial(dollars, under=under),
        "fill": fill,
        "minute": lambda text: text.replace("T", " ").removesuffix("Z").rsplit(":", 1)[0],
        "moment": lambda text: text.replace("T", " ").replace("Z", " UTC"),
        "number": number,
        "percent": partial(percent, under=under),
        "share": significant,
    }
    made.filters |= filters
    made.globals["timeline"] = partial(timeline, language=language)
    return made


def percent(share: float, under: str = "under {least}") -> str:
    """Return a share in per cent with meaningful digits; `under` is the form of a share that has none."""
    if share and share < 0.0001:
        return under.format(least="0.01%")
    digits = 2 if share < 0.01 else 1 if share < 0.995 else 0
    text = f"{share * 100:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def significant(share: float) -> str:
    """Return a share in per cent with two significant digits."""
    digits = max(0, 1 - math.floor(math.log10(share * 100))) if share > 0 else 0
    return f"{share:.{min(digits, 6)}%}"


def dollars(amount: float, under: str = "under {least}") -> str:
    """Return an amount in dollars with meaningful digits; `under` is the form of an amount that has none."""
    if 0 < amount < 0.01:
        return under.format(least="$0.01")
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


def number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.6g}"
