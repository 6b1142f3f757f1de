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


def page(found: Document) -> str:
    """Return the page of an evaluation; see `trial.evaluate` for the document."""
    tasks = {name: task(found, name) for name in ("next", "discovery", "ranking", "strangers")}
    timeline = pages.timeline(found["data"]["perDay"]) if found["data"]["perDay"] else None
    return template().render(found, mark=mark(found), shown=tasks, timeline=timeline, t=texts())


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
        texts()["learning"]["label"].format(ndcg=each["ndcg"][0], shoppers=each["shoppers"]) for each in learning
    )
    points = [(each["share"], each["ndcg"]) for each in learning]
    return plots.curve(points, [f"{each['shoppers']:,}" for each in learning], label)


def reliability(bins: Sequence[Document]) -> str:
    totals = [{**each, **{name: each["pairs"] * each[name] for name in ("predicted", "observed")}} for each in bins]
    return reliability_curve(totals)
