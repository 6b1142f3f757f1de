# SPDX-License-Identifier: Apache-2.0
"""The metrics that requests leave in the log: one line a request, one more for each further list."""

import json
from typing import Any

import pytest
from personalization.core.errors import RetryLater
from personalization.core.observability import METRICS
from personalization.shop.records import release_store

from functions.get_recommendations import app
from functions.get_recommendations.app import handler
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import RELEASE, load

pytestmark = pytest.mark.usefixtures("aws", "demo")


@pytest.fixture
def personalize(personalize: FakePersonalize) -> FakePersonalize:
    items = [{"itemId": f"i{number}", "score": 0.1} for number in range(12)]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    return personalize


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged, each line held against what CloudWatch needs of it."""
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in told:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            (metric,) = directive["Metrics"]
            assert isinstance(line[metric["Name"]], float | int)
            assert tuple(map(tuple, directive["Dimensions"])) == METRICS[metric["Name"]][1]
            assert {key for keys in directive["Dimensions"] for key in keys} <= set(line)
    return told


@pytest.mark.usefixtures("personalize")
def test_a_page_counts_each_of_its_placements_and_its_time_once(capsys: pytest.CaptureFixture[str]) -> None:
    event = load("api_placements")
    assert handler(event, None)["statusCode"] == 200
    told = lines(capsys)
    wanted = json.loads(event["body"])["placements"]
    assert [line["list"] for line in told] == [f"placement/{name}" for name in wanted]
    assert ["AnswerTime" in line for line in told] == [True] + [False] * (len(wanted) - 1)
    assert {line["shop"] for line in told} == {RELEASE["shop"]}


def test_a_failed_answer_is_counted_whatever_the_api(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_shop: str) -> None:
        raise RetryLater("shops", "no answer")

    monkeypatch.setattr(app, "RELEASES", release_store.Releases(away))
    assert handler(load("api_recommendations"), None)["statusCode"] == 503
    (told,) = lines(capsys)
    assert (told["FailedAnswers"], told["status"], "Lists" in told) == (1.0, 503, False)


@pytest.mark.parametrize(("name", "status"), [("api_health", 200), ("api_nowhere", 404)])
def test_what_serves_no_list_counts_none(name: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    event = load("api_health")
    if name == "api_nowhere":
        event |= {"resource": "/{proxy+}", "path": "/nowhere"}
    assert handler(event, None)["statusCode"] == status
    (told,) = lines(capsys)
    assert [metric["Metrics"][0]["Name"] for metric in told["_aws"]["CloudWatchMetrics"]] == ["AnswerTime"]


def test_a_shop_that_nobody_knows_is_no_dimension(capsys: pytest.CaptureFixture[str]) -> None:
    event = load("api_popular")
    event["pathParameters"]["shop"] = "made-up"
    assert handler(event, None)["statusCode"] == 404
    assert "made-up" not in str(lines(capsys))
