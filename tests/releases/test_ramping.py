# SPDX-License-Identifier: Apache-2.0
"""A ramp between the releases: what the gate sends to a second campaign, what begins it, and what ends it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.experiments import following, ramps
from personalization.experiments.experiment import Experiment
from personalization.releases import ramping
from personalization.shop.records import release_store

from functions.judge_release.app import handler as judge
from functions.update_campaign.app import handler as update
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, RELEASE, TABLE, interactions, load, served

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "table")
NDCG = "normalized_discounted_cumulative_gain_at_10"
UP = "user-personalization"
FIRST, SECOND = f"{ARN}:campaign/retail-demo-{UP}", f"{ARN}:campaign/retail-demo-{UP}-ramp"
RUN = load("judge_release_judge")["plan"]["run"]
NAME = ramps.name_of(RUN)
SERVING = {
    alias: served(f"{ARN}:campaign/retail-demo-{alias}", f"{alias}-v1")
    for alias in (UP, "personalized-ranking", "similar-items")
}


@pytest.fixture(autouse=True)
def _shop(table: "DynamoDBClient", bucket: "S3Client") -> Iterator[None]:
    """A shop that serves, with what a run imported; and none afterwards."""
    release_store.put(table, TABLE, {**RELEASE, "campaigns": SERVING})
    key = load("judge_release_judge")["plan"]["importJob"]["dataLocation"].partition(f"s3://{BUCKET}/")[2]
    bucket.put_object(Bucket=BUCKET, Key=f"{key}part-0.csv", Body=interactions().encode())
    yield
    for record in release_store.sort_keys(table, TABLE, "demo"):
        release_store.delete(table, TABLE, "demo", record)


def judged(personalize: FakePersonalize, *, run: str = RUN, value: float = 0.3, **ramp: object) -> dict[str, Any]:
    """The verdict on a run whose versions all have one figure, with the setting `ramp`."""
    personalize.reset()
    personalize.says("GetSolutionMetrics", {"solutionVersionArn": "v", "metrics": {NDCG: value}})
    personalize.says("GetPersonalizedRanking", {"personalizedRanking": [], "recommendationId": "r"})
    event = load("judge_release_judge")
    event["plan"] |= {"run": run, "placements": {"home": {"recipe": UP, "limit": 8}}}
    event["plan"]["gate"] |= {"minimum_over_popularity": 0, "ramp": {"days": 2, **ramp}}
    verdict: dict[str, Any] = judge(event, None)
    return verdict


def record(personalize: FakePersonalize, verdict: dict[str, Any], run: str = RUN) -> None:
    """The release that follows a verdict."""
    personalize.says("DescribeCampaign", {"campaign": {"status": "ACTIVE", "campaignConfig": {}}})
    tracker = {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}
    personalize.says("ListEventTrackers", {"eventTrackers": [tracker]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    event = load("judge_release_judge")
    plan = event["plan"] | {"run": run, "placements": {"home": {"recipe": UP, "limit": 8}}}
    plan["gate"] |= {"ramp": {"days": 2}}
    names = ("alias", "solutionVersionArn", "run", "baselineArn")
    promoted = [
        {**{name: target[name] for name in names}, "campaignArn": target["campaign"]["arn"]}
        for target in verdict["targets"]
    ]
    campaigns = [*promoted, *verdict["kept"]]
    update({"step": "release", "plan": plan, "campaigns": campaigns, "promotedBy": run, "ramp": verdict["ramp"]}, None)


def ramp(table: "DynamoDBClient") -> Experiment | None:
    return following.get(table, TABLE, "demo").named(NAME)


def serving(table: "DynamoDBClient") -> dict[str, str]:
    release = release_store.release_record(table, TABLE, "demo")
    assert release is not None
    return release.versions


def test_a_ramped_version_comes_to_a_second_campaign_and_the_others_at_once(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    verdict = judged(personalize)
    targets = {target["alias"]: target["campaign"]["arn"] for target in verdict["targets"]}
    assert targets.pop(UP) == SECOND == verdict["ramp"]["campaign"]["arn"]
    assert all(not arn.endswith("-ramp") for arn in targets.values())
    assert UP not in {target["alias"] for target in verdict["back"]}
    assert [serves["solutionVersionArn"] for serves in verdict["kept"] if serves["alias"] == UP] == [f"{UP}-v1"]
    assert f"the new version of {UP} is shown to 5% of the users first, by a second campaign" in verdict["notes"]

    record(personalize, verdict)

    assert serving(table)[UP] == f"{UP}-v1"
    assert serving(table)["similar-items"] != "similar-items-v1"
    begun = ramp(table)
    assert begun is not None
    assert begun.ramp is not None
    assert (begun.ramp.campaign, begun.ramp.control) == (SECOND, f"{UP}-v1")
    assert begun.placements == ("home",)
    # A repeated step begins none anew.
    record(personalize, verdict)
    assert ramp(table) == begun


@pytest.mark.parametrize("why", ["first", "new", "refused", "unshown"])
def test_what_serves_nobody_yet_or_is_refused_is_not_ramped(
    why: str, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    if why == "first":
        release_store.delete(table, TABLE, "demo", "release")
    if why == "new":
        others = {alias: campaign for alias, campaign in SERVING.items() if alias != UP}
        release_store.put(table, TABLE, {**RELEASE, "campaigns": others})
    recipe = "personalized-ranking" if why == "unshown" else UP
    verdict = judged(personalize, value=-1.0 if why == "refused" else 0.3, recipe=recipe)
    assert verdict["ramp"] is None
    assert all(not target["campaign"]["arn"].endswith("-ramp") for target in verdict["targets"])


def test_the_next_version_is_refused_while_one_is_ramped_and_everything_else_goes_on(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    record(personalize, judged(personalize))
    verdict = judged(personalize, run="another")
    assert verdict["outcome"] == "partly promoted"
    (refused,) = verdict["refused"]
    assert refused["alias"] == UP
    assert f"the version of run {RUN} comes to the users step by step" in refused["reason"]
    record(personalize, verdict, "another")
    begun = ramp(table)
    assert begun is not None
    assert begun.stopped_at is None
    assert serving(table)[UP] == f"{UP}-v1"


def test_the_run_that_a_ramp_starts_promotes_its_version_and_ends_it(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    record(personalize, judged(personalize))
    # Another run promoted other recipes with other placements meanwhile.
    record(personalize, judged(personalize, run="another"), "another")

    answer = judge({"step": "override", "shop": "demo", "wanted": RUN}, None)
    verdict: Any = answer["verdict"]
    assert [(target["alias"], target["campaign"]["arn"]) for target in verdict["targets"]] == [(UP, FIRST)]
    assert (verdict["ramp"], verdict["reason"]) == (None, f"every user gets the new version of {UP}")
    record(personalize, verdict)

    ended = ramp(table)
    assert ended is not None
    assert ended.ramp is not None
    assert (serving(table)[UP], ended.stopped_because) == (ended.ramp.version, "every user gets the new version")


def test_a_return_to_an_earlier_release_ends_a_ramp(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    release_store.put(table, TABLE, {**RELEASE, "campaigns": SERVING, "record": f"release#{RELEASE['promotedAt']}"})
    record(personalize, judged(personalize))
    update({"step": "restore", "shop": "demo", "restore": RELEASE["promotedAt"]}, None)
    ended = ramp(table)
    assert ended is not None
    assert ended.stopped_because == f"the shop went back to the release of {RELEASE['promotedAt']}"


def test_a_second_campaign_goes_when_nobody_can_be_asking_it(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    def tidied(minutes: int) -> tuple[str, ...]:
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        names = Environment().names
        return ramping.tidy(clients.personalize(), table, TABLE, names, shop="demo", now=now)

    record(personalize, judged(personalize))
    assert tidied(60) == ()
    following.stop(table, TABLE, "demo", NAME, why="by hand", now=datetime.now(UTC) + timedelta(minutes=60))
    assert tidied(61) == ()
    # A run that leads the shop may be about to use it.
    release_store.put(table, TABLE, {"shop": "demo", "record": "lease"})
    assert tidied(80) == ()
    release_store.delete(table, TABLE, "demo", "lease")
    assert tidied(80) == (f"retail-demo-{UP}-ramp",)
    assert personalize.body_of("DeleteCampaign") == {"campaignArn": SECOND}
    personalize.fails("DescribeCampaign", "ResourceNotFoundException")
    personalize.reset()
    assert tidied(140) == ()
    assert "DeleteCampaign" not in personalize.operations()


def test_a_second_campaign_of_a_run_that_was_killed_goes_as_well(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    judged(personalize)
    personalize.says("DescribeCampaign", {"campaign": {"status": "ACTIVE"}})
    gone = ramping.tidy(clients.personalize(), table, TABLE, Environment().names, shop="demo", now=datetime.now(UTC))
    assert gone == (f"retail-demo-{UP}-ramp",)


def test_of_a_shop_that_is_on_the_engine_amazon_personalize_is_not_asked(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    judged(personalize)
    for key in release_store.sort_keys(table, TABLE, "demo"):
        stored = release_store.get(table, TABLE, "demo", key) or {}
        if stored.get("ramped"):
            on_engine = json.dumps(stored, default=int).replace(":personalize:us-east-1:", ":engine:us-east-1:")
            release_store.put(table, TABLE, json.loads(on_engine))
    personalize.reset()
    ramping.tidy(clients.personalize(), table, TABLE, Environment().names, shop="demo", now=datetime.now(UTC))
    assert personalize.operations() == []


def test_a_ramp_that_is_through_starts_its_run_once_a_day(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    class Machine:
        started: list[tuple[str, str]] = []  # noqa: RUF012 - a test's

        def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002, N803, ARG002
            self.started.append((name, input))

    record(personalize, judged(personalize))
    begun, client = ramp(table), Machine()
    assert begun is not None
    now = datetime(2026, 12, 1, tzinfo=UTC)
    ramping.promote(cast("Any", client), "arn:machine", shop="demo", experiment=begun, now=now)
    ((name, wish),) = client.started
    assert name == f"demo-{NAME}-20261201"
    assert json.loads(wish) == {"action": "promote", "shop": "demo", "run": RUN}
