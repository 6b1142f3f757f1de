# SPDX-License-Identifier: Apache-2.0
"""What answers and events count as: few values, whatever callers write."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api.http import Request
from personalization.core.observability import METRICS, Count, emf
from personalization.events.models import EVENT_TYPES, Call, counted


def counted_list(name: str, answer: dict[str, Any]) -> Count:
    request = Request({"pathParameters": {"shop": "demo"}})
    request.count_list(name, answer)
    (count,) = request.counts
    return count


def called(*events: dict[str, Any]) -> list[Call]:
    return [Call("s1", "u1", [event]) for event in events]


@pytest.mark.parametrize(
    ("told", "source"),
    [
        ({"items": [{"source": "campaign"}, {"source": "bestsellers"}]}, "campaign"),
        ({"items": []}, "none"),
        ({"items": [{"probability": 0.1}], "method": "counts"}, "counts"),
    ],
)
def test_a_list_is_where_its_first_item_came_from(told: dict[str, Any], source: str) -> None:
    metrics, dimensions = counted_list("placement/home", told)
    assert (metrics, dimensions) == ({"Lists": 1.0}, {"shop": "demo", "list": "placement/home", "source": source})


def test_a_degraded_list_counts_twice() -> None:
    metrics, _ = counted_list("similar-items", {"items": [], "degraded": True, "degradedReason": "slow"})
    assert metrics == {"Lists": 1.0, "DegradedAnswers": 1.0}


@pytest.mark.parametrize("written", ["AddToCart", "add_to_cart", "ADD TO CART", "addtocart"])
def test_a_type_is_known_however_it_is_spelled(written: str) -> None:
    ((metrics, dimensions),) = counted("demo", called({"eventType": written}))
    assert (metrics, dimensions) == (
        {"Events": 1.0, "AttributedEvents": 0.0},
        {"shop": "demo", "eventType": "AddToCart"},
    )


@given(st.lists(st.tuples(st.text(min_size=1), st.booleans()), max_size=100))
def test_no_stranger_makes_a_dimension(sent: list[tuple[str, bool]]) -> None:
    events = [{"eventType": kind} | ({"recommendationId": "r"} if by else {}) for kind, by in sent]
    counts = counted("demo", called(*events))
    assert {dimensions["eventType"] for _, dimensions in counts} <= {*EVENT_TYPES.values(), "Other"}
    assert sum(metrics["Events"] for metrics, _ in counts) == len(sent)
    assert sum(metrics["AttributedEvents"] for metrics, _ in counts) == sum(by for _, by in sent)


def test_a_line_has_the_metrics_units_and_every_dimension() -> None:
    metrics, dimensions = counted_list("similar-items", {"items": [], "degraded": True})
    told = json.loads(emf("Test", metrics, 7, service="retail", **dimensions))
    assert told["_aws"]["Timestamp"] == 7
    for metric in told["_aws"]["CloudWatchMetrics"]:
        ((name, unit),) = [(metric["Name"], metric["Unit"]) for metric in metric["Metrics"]]
        assert (told[name], unit, metric["Namespace"]) == (1.0, METRICS[name][0], "Test")
        assert tuple(map(tuple, metric["Dimensions"])) == METRICS[name][1]
        assert all(dimension in told for dimensions in metric["Dimensions"] for dimension in dimensions)
