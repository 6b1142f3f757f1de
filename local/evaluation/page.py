# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 - typography
"""An evaluation as one page for those who run the shop: it needs nothing else, in light, in dark, on paper."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup
from personalization.likelihood.report import reliability_curve
from personalization.reports import pages

from local.evaluation import plots
from local.evaluation.words import LIKELIHOOD_MARKS, mark, method, percent, task, texts

Document = Mapping[str, Any]


def page(document: Document) -> str:
    """Return the page of an evaluation; see `trial.evaluate` for the document."""
    tasks = {name: task(document, name) for name in ("next", "discovery", "ranking", "strangers")}
    timeline = pages.timeline(document["data"]["perDay"]) if document["data"]["perDay"] else None
    return template().render(document, mark=mark(document), shown=tasks, timeline=timeline, t=texts())


@cache
def template() -> Template:
    environment = pages.environment(Path(__file__).with_name("templates"))
    environment.globals |= {
        "marks": LIKELIHOOD_MARKS,
        "method": method,
        "nice": plots.nice,
        "strip": plots.strip,
        "learning_curve": learning_curve,
        "reliability_curve": reliability,
    }
    environment.filters |= {
        "percent": percent,
        "span": lambda low, high: f"{percent(low).removesuffix('%')}–{percent(high)}",
        "drawing": Markup,
    }
    return environment.get_template("evaluation.html")


def learning_curve(learning: Sequence[Document]) -> str:
    label = "; ".join(
        texts()["learning"]["label"].format(ndcg=point["ndcg"][0], shoppers=point["shoppers"]) for point in learning
    )
    points = [(point["share"], point["ndcg"]) for point in learning]
    return plots.curve(points, [f"{point['shoppers']:,}" for point in learning], label)


def reliability(bins: Sequence[Document]) -> str:
    totals = [
        {**calibration, **{name: calibration["pairs"] * calibration[name] for name in ("predicted", "observed")}}
        for calibration in bins
    ]
    return reliability_curve(totals)
