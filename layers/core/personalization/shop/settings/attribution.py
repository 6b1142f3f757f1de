# SPDX-License-Identifier: Apache-2.0
"""The setting `metric_attribution`: what Personalize counts of events and reports in CloudWatch, by their source."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from table_intake.wording import Text

MOST_METRICS = 10
"""The most metrics of a metric attribution (AWS, "Guidelines and requirements for a metric attribution")."""
_SUM = re.compile(r"SUM\((ITEMS|INTERACTIONS)\.([A-Z_][A-Z0-9_]*)\)")
_COUNT = "SAMPLECOUNT()"


def normal(expression: str) -> str:
    """Return an expression as it is sent: `SAMPLECOUNT()`, or `SUM(Items.PRICE)`.

    Raises:
        ValueError: it is neither a count nor a sum of a column of items or interactions.
    """
    plain = re.sub(r"\s", "", expression).upper()
    if plain == _COUNT:
        return _COUNT
    if match := _SUM.fullmatch(plain):
        return f"SUM({match[1].capitalize()}.{match[2]})"
    text = "is SAMPLECOUNT(), SUM(Items.COLUMN) or SUM(Interactions.COLUMN)"
    raise ValueError(Text("settings.metric-expression", text))


class AttributedMetric(BaseModel):
    """A figure that Personalize makes of the events of one type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_type: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """The type of the events that it is about, such as Purchase."""
    expression: Annotated[str, StringConstraints(max_length=256), AfterValidator(normal)] = _COUNT
    """SAMPLECOUNT(), the number of events; or the sum of a column of numbers, such as SUM(Items.PRICE)."""

    @property
    def column(self) -> tuple[str, str] | None:
        """The kind of data, and the column that it adds up; None for a count."""
        match = _SUM.fullmatch(self.expression.upper())
        return (match[1].lower(), match[2]) if match else None


MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
MetricAttribution = Annotated[dict[MetricName, AttributedMetric], Field(max_length=MOST_METRICS)]


def members(metrics: Mapping[str, AttributedMetric]) -> list[dict[str, str]]:
    """Return the metrics as Personalize's API has them."""
    return [
        {"metricName": name, "eventType": metric.event_type, "expression": metric.expression}
        for name, metric in metrics.items()
    ]
