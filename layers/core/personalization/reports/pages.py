# SPDX-License-Identifier: Apache-2.0
"""Render a report as one page that needs nothing else: in light, in dark, on a phone and on paper.

Templates escape what they are given. Every sentence stands in a catalogue, so that a second language is a second file.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from personalization.reports import charts

_FOLDER = Path(__file__).parent
Texts = Mapping[str, Any]


def render(template: str, report: Mapping[str, Any], *, language: str = "en", **more: object) -> str:
    """Return the page of a report.

    Args:
        template: a file of the folder `templates`.
        report: the report's document; its members are the template's variables.
        language: a file of the folder `texts`.
        more: further variables.
    """
    return environment().get_template(template).render(report, t=texts(language), **more)


@cache
def texts(language: str = "en") -> Texts:
    found: Texts = yaml.safe_load((_FOLDER / "texts" / f"{language}.yaml").read_text(encoding="utf-8"))
    return found


@cache
def environment(*folders: Path) -> jinja2.Environment:
    """Return what makes pages of templates: those of `folders`, and those here, which they may extend."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, _FOLDER / "templates"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "capital": lambda text: text[:1].upper() + text[1:],
        "count": lambda number: f"{number:,}",
        "dollars": dollars,
        "minute": lambda text: text.replace("T", " ").removesuffix("Z").rsplit(":", 1)[0],
        "moment": lambda text: text.replace("T", " ").replace("Z", " UTC"),
        "number": number,
        "percent": percent,
        "share": significant,
    }
    made.filters |= filters
    made.globals["timeline"] = charts.timeline
    return made


def percent(share: float) -> str:
    """Return a share in per cent, with as many digits as tell something."""
    if share and share < 0.0001:
        return "under 0.01%"
    digits = 2 if share < 0.01 else 1 if share < 0.995 else 0
    text = f"{share * 100:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def significant(share: float) -> str:
    """Return a share in per cent with two significant digits."""
    digits = max(0, 1 - math.floor(math.log10(share * 100))) if share > 0 else 0
    return f"{share:.{min(digits, 6)}%}"


def dollars(amount: float) -> str:
    """Return an amount in dollars, with as many digits as tell something."""
    if 0 < amount < 0.01:
        return "under $0.01"
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


def number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.6g}"
