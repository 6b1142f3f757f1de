# SPDX-License-Identifier: Apache-2.0
"""The dashboard against the code and the template: what it names exists, and what exists to be watched is on it."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from personalization.core.observability import METRICS

from tests.template.stack import ROOT, STACK, Stack, compiled, watched

OURS = "RetailPersonalization"
SEARCH = re.compile(r"SEARCH\('\{([\w,/]+)\} MetricName=\"(\w+)\" service=\"retail\"', '(\w+)', (\d+)\)")
OF_AWS = {
    "AWS/ApiGateway": {"Count", "4XXError", "5XXError", "Latency"},
    "AWS/Lambda": {"Duration", "Errors", "Throttles", "IteratorAge"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/States": {"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"},
    "AWS/Events": {"Invocations"},
}
"""Metrics that AWS keeps by itself, by the names of its documentation."""
Shown = tuple[str, str, tuple[tuple[str, str], ...]]


def widgets(stack: Stack) -> list[dict[str, Any]]:
    """What the dashboard of a stack has on it."""
    (dashboard,) = stack.of("CloudWatch::Dashboard").values()
    listed: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"])["widgets"]
    return listed


def written_out(rows: list[list[Any]]) -> Iterator[list[str]]:
    """The metrics of a graph without CloudWatch's shorthand: `.` repeats one place of the row above, `...` many."""
    above: list[str] = []
    for row in rows:
        named = [cell for cell in row if isinstance(cell, str)]
        if named[:1] == ["..."]:
            named = above[: len(above) - len(named) + 1] + named[1:]
        above = [above[at] if cell == "." else cell for at, cell in enumerate(named)]
        if above:
            yield above


def shown(stack: Stack) -> set[Shown]:
    """The metrics on it that are named one by one: namespace, name, and dimensions with their values."""
    graphs = [widget["properties"]["metrics"] for widget in widgets(stack) if widget["type"] == "metric"]
    return {
        (row[0], row[1], tuple(zip(row[2::2], row[3::2], strict=True))) for rows in graphs for row in written_out(rows)
    }


def searched(stack: Stack) -> set[tuple[str, tuple[str, ...]]]:
    """Our metrics that it looks for, with the names of the dimensions."""
    (body,) = [dashboard["DashboardBody"] for dashboard in stack.of("CloudWatch::Dashboard").values()]
    expressions = [json.loads(f'"{text}"') for text in re.findall(r'"expression": "((?:[^"\\]|\\.)*)"', body)]
    matches = [SEARCH.fullmatch(expression) for expression in expressions]
    assert all(matches), expressions
    split = [(match[2], match[1].split(",")) for match in matches if match]
    assert {dimensions[0] for _, dimensions in split} == {OURS}
    return {(name, tuple(dimensions[1:])) for name, dimensions in split}


def counted_in_logs(stack: Stack) -> set[tuple[str, tuple[str, ...]]]:
    """Metrics that CloudWatch Logs makes of our log lines."""
    transformed = [
        metric_filter["MetricTransformations"][0] for metric_filter in stack.of("Logs::MetricFilter").values()
    ]
    assert {metric["MetricNamespace"] for metric in transformed} == {OURS}
    return {(metric["MetricName"], tuple(key["Key"] for key in metric["Dimensions"])) for metric in transformed}


def test_what_the_code_counts_is_shown_by_every_dimension_and_nothing_else_is() -> None:
    written = {(name, dimensions) for name, (_, sets) in METRICS.items() for dimensions in sets}
    ours = {(name, tuple(key for key, _ in pairs)) for space, name, pairs in shown(STACK) if space == OURS}
    assert ours | searched(STACK) == written | counted_in_logs(STACK)


def test_ours_are_those_of_this_stack() -> None:
    named = {dict(pairs)["service"] for space, _, pairs in shown(STACK) if space == OURS}
    told = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for function in STACK.of("Lambda::Function").values()
    }
    assert named == told == {"retail"}


def test_the_code_writes_what_is_listed_and_nothing_else() -> None:
    texts = [path.read_text() for folder in ("functions", "layers/core") for path in (ROOT / folder).rglob("*.py")]
    told: set[str] = set()
    for tree in map(ast.parse, texts):
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        told |= {constant for constant in constants if isinstance(constant, str) and constant in METRICS}
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in calls:
            if ast.unparse(call.func) in {"count", "observability.count"}:
                assert isinstance(call.args[1], ast.Constant)
                assert call.args[1].value in METRICS
    # Each twice at least: where it is listed, and where it is written.
    assert {name for name in METRICS if "\n".join(texts).count(f'"{name}"') < 2} == set()
    assert told == set(METRICS)


@pytest.mark.parametrize("metric", sorted(metric for metric in shown(STACK) if metric[0] != OURS))
def test_what_it_names_of_aws_exists(metric: Shown) -> None:
    namespace, name, pairs = metric
    assert name in OF_AWS[namespace]
    kinds = {"FunctionName": "Lambda::Function", "StateMachineArn": "StepFunctions::StateMachine"}
    kinds |= {"RuleName": "Events::Rule"}
    for dimension, value in pairs:
        if dimension in kinds:
            assert value in STACK.of(kinds[dimension])
    if namespace == "AWS/SQS":
        assert [(key, value.removesuffix(".QueueName") in STACK.of("SQS::Queue")) for key, value in pairs] == [
            ("QueueName", True)
        ]
    if namespace == "AWS/ApiGateway":
        stages = {stage["StageName"] for stage in STACK.of("ApiGateway::Stage").values()}
        names = {api["Body"]["info"]["title"] for api in STACK.of("ApiGateway::RestApi").values()}
        names |= {api["Name"] for api in STACK.of("ApiGateway::RestApi").values()}
        assert [key for key, _ in pairs] == ["ApiName", "Stage"]
        assert dict(pairs)["ApiName"] in names
        assert dict(pairs)["Stage"] in stages


def listed(stack: Stack) -> list[str]:
    """The alarms on it."""
    arns = [arn for widget in widgets(stack) if widget["type"] == "alarm" for arn in widget["properties"]["alarms"]]
    return [arn.removesuffix(".Arn") for arn in arns]


@pytest.mark.parametrize("given", [{}, {"Browsers": "false", "Storefront": "false"}, {"QuietMinutes": "0"}])
def test_every_alarm_of_the_stack_is_on_it_once_and_no_other(given: dict[str, str]) -> None:
    stack = compiled(given)
    assert sorted(listed(stack)) == sorted(stack.of("CloudWatch::Alarm"))


@pytest.mark.parametrize("alarm", STACK.of("CloudWatch::Alarm"))
def test_what_an_alarm_watches_is_on_it(alarm: str) -> None:
    for metric in watched(STACK.of("CloudWatch::Alarm")[alarm]):
        pairs = tuple((dimension["Name"], dimension["Value"]) for dimension in metric["Dimensions"])
        assert (metric["Namespace"], metric["MetricName"], pairs) in shown(STACK)


def test_without_browsers_nothing_of_theirs_is_on_it() -> None:
    stack = compiled({"Browsers": "false", "Storefront": "false"})
    text = json.dumps(widgets(stack))
    gone = set(STACK.resources) - set(stack.resources)
    assert not {name for name in gone if f'"{name}"' in text or f'"{name}.' in text}
    assert "-browsers" not in text


@pytest.mark.parametrize("given", [{}, {"Browsers": "false", "Storefront": "false"}])
def test_no_widget_covers_another(given: dict[str, str]) -> None:
    covered: set[tuple[int, int]] = set()
    for widget in widgets(compiled(given)):
        across, down = (
            range(widget["x"], widget["x"] + widget["width"]),
            range(widget["y"], widget["y"] + widget["height"]),
        )
        cells = {(x, y) for x in across for y in down}
        assert max(across) < 24
        assert not cells & covered
        covered |= cells
    # Nor does one leave a gap above the last row.
    assert len(covered) == 24 * (max(y for _, y in covered) + 1)
