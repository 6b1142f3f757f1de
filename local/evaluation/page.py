# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 - typography
"""An evaluation as one page for those who run the shop: it needs nothing else, in light, in dark, on paper."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup
from personalization.likelihood.report import reliability_curve
from personalization.reports import pages
from table_intake.wording import Language

from local.evaluation import plots
from local.evaluation.words import LIKELIHOOD_MARKS, cents, language_of, mark, method, percent, task, texts, weights_of

Document = Mapping[str, Any]


def page(document: Document) -> str:
    """Return the page of an evaluation; see `trial.evaluate` for the document."""
    language = language_of(document)
    shown = pages.translated(document, language)
    tasks = {name: task(shown, name) for name in ("next", "discovery", "ranking", "strangers")}
    timeline = pages.timeline(shown["data"]["perDay"], language) if shown["data"]["perDay"] else None
    return template(language).render(shown, mark=mark(document), shown=tasks, timeline=timeline, t=texts(language))


@cache
def template(language: Language) -> Template:
    environment = pages.environment(Path(__file__).with_name("templates"), language=language)
    environment.globals |= {
        "marks": LIKELIHOOD_MARKS,
        "method": partial(method, language=language),
        "weights_of": partial(weights_of, language=language),
        "nice": plots.nice,
        "strip": plots.strip,
        "learning_curve": partial(learning_curve, language=language),
        "reliability_curve": partial(reliability, language=language),
    }
    environment.filters |= {
        "percent": percent,
        "cents": cents,
        "span": lambda low, high: f"{percent(low).removesuffix('%')}–{percent(high)}",
        "drawing": Markup,
    }
    return environment.get_template("evaluation.html")


def learning_curve(learning: Sequence[Document], language: Language) -> str:
    text = texts(language)["learning"]["label"]
    label = "; ".join(text.format(ndcg=point["ndcg"][0], shoppers=point["shoppers"]) for point in learning)
    points = [(point["share"], point["ndcg"]) for point in learning]
    return plots.curve(points, [f"{point['shoppers']:,}" for point in learning], label)


def reliability(bins: Sequence[Document], language: Language) -> str:
    totals = [
        {**calibration, **{name: calibration["pairs"] * calibration[name] for name in ("predicted", "observed")}}
        for calibration in bins
    ]
    return reliability_curve(totals, language)
