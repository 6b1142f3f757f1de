# SPDX-License-Identifier: Apache-2.0
"""Metrics of solution versions, and real requests to campaigns."""

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import none_if_missing, reason, translate_errors
from personalization.core.errors import PersonalizationError, Rejected, RetryLater
from personalization.personalize import runtime
from personalization.personalize.requests import Ask, Predicted
from personalization.releases.probe import Asked, Pace, Question, Reply

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient


def metrics(client: "PersonalizeClient", version: str | None) -> dict[str, float] | None:
    """GetSolutionMetrics of a version by its ARN; None without an ARN, or where the version is gone."""
    if version is None:
        return None
    with translate_errors(version):
        answer = none_if_missing(lambda: client.get_solution_metrics(solutionVersionArn=version))
    return dict(answer.get("metrics") or {}) if answer is not None else None


def throughput(client: "PersonalizeClient", campaign_arn: str) -> float:
    """The requests a second that a campaign is provisioned for; 1 where it doesn't say, or can't be asked."""
    try:
        with translate_errors(campaign_arn):
            campaign = none_if_missing(lambda: client.describe_campaign(campaignArn=campaign_arn)["campaign"])
    except PersonalizationError:
        return 1.0
    return float((campaign or {}).get("minProvisionedTPS") or 1)


def ask(
    client: "PersonalizeRuntimeClient", campaign_arn: str, questions: Sequence[Question], name: str | None, pace: Pace
) -> Asked:
    """Ask a campaign, one question after the other, no faster than the pace.

    A question that is throttled is asked again, more slowly. Questions that stay throttled are left open.

    Args:
        client: recommendations.
        campaign_arn: the campaign.
        questions: what to ask.
        name: the column of Items that names an item, if there is one.
        pace: how fast, and for how long.

    Raises:
        RetryLater, Rejected, Broken: as `translate_errors` says, but for throttling.
    """
    replies, left = list[Reply](), deque(questions)
    while left and (pause := pace.pause(time.monotonic())) is not None:
        time.sleep(pause)
        try:
            replies.append(_reply(client, campaign_arn, left[0], name))
        except RetryLater as error:
            if reason(error) != "throttled":
                raise
            pace.throttled()
        else:
            pace.answered()
            left.popleft()
    return Asked(tuple(replies), len(left))


def _reply(client: "PersonalizeRuntimeClient", arn: str, question: Question, name: str | None) -> Reply:
    columns: dict[str, Any] = {"metadataColumns": {"ITEMS": [name]}} if name else {}
    started = time.perf_counter()
    try:
        predicted = _call(client, question, Ask(arn, {**question.parameters, **columns}))
    except Rejected:
        if not columns:
            raise
        # A campaign that is older than the shop's items gives no columns of them.
        started = time.perf_counter()
        predicted = _call(client, question, Ask(arn, question.parameters))
    took = (time.perf_counter() - started) * 1000
    named = {item["itemId"]: next(iter((item.get("metadata") or {}).values()), "") for item in predicted.items}
    items = tuple(named)
    return Reply(question.about, items, {item: text for item, text in named.items() if text}, round(took, 2))


def _call(client: "PersonalizeRuntimeClient", question: Question, asked: Ask) -> Predicted:
    return runtime.rank(client, asked) if question.call == "rank" else runtime.recommend(client, asked)
