# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 - typography
"""An evaluation as one page for those who run the shop: it needs nothing else, in light, in dark, on paper."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup
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
        "calibration_plot": calibration_plot,
    }
    environment.filters |= {
        "percent": percent,
        "rare": rare,
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


def calibration_plot(bins: Sequence[Document]) -> str:
    first, last = bins[0], bins[-1]
    label = texts()["calibration"]["label"].format(
        first=rare(first["predicted"]),
        first_true=rare(first["observed"]),
        last=rare(last["predicted"]),
        last_true=rare(last["observed"]),
    )
    return plots.calibration([(each["predicted"], each["observed"]) for each in bins], label)


def rare(share: float) -> str:
    return f"{100 * share:.2g}%"
