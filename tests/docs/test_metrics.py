# SPDX-License-Identifier: Apache-2.0
"""The page of placements has each metric as the code defines it."""

from personalization.experiments.shelves.metrics import METRICS, Metric

from tests.docs.pages import read


def row(metric: Metric) -> str:
    """Return a metric's row of the table: what it is made of names other metrics, or columns."""
    of = f"`{metric.numerator}`" + (f" / `{metric.denominator}`" if metric.denominator else "")
    return f"| `{metric.name}` | {metric.meaning} | {of}{f' times {metric.times:,}' if metric.times > 1 else ''} |"


def test_metrics_are_those_of_the_code() -> None:
    assert "\n".join(["|---|---|---|", *map(row, METRICS), ""]) in read("docs/experiments/shelves.md")
