# SPDX-License-Identifier: Apache-2.0
"""Experiments that show another release: what they wait for, what they cost, who sees it, and what ends them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.experiments import following, ramps
from personalization.experiments.experiment import Experiment
from personalization.shop.records import release_store
from personalization.shop.records.release import Judged
from personalization.shop.settings.gate import Ramp

from functions.analyse_experiments.app import handler as analyse
from functions.follow_settings.app import handler as follow
from functions.get_recommendations import app
from functions.update_campaign.app import handler as update
from tests.experiments.test_experiments import SETTINGS, answer_of, experiment, refusal
from tests.experiments.test_ramps import BEGUN
from tests.handlers import containers
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.queues import Context
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Drop, load

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo", "shop")
UP = "user-personalization"
SECOND = f"{ARN}:campaign/retail-demo-{UP}-ramp"
OLD, FIRST = f"{ARN}:solution/old/11111111", f"{ARN}:campaign/retail-demo-{UP}"
FILE = experiment("{now: {}, before: {release: run-0}}", name="again")
Start = Callable[[str], None]


@pytest.fixture
def shop(drop: Drop, personalize: FakePersonalize, table: "DynamoDBClient") -> Iterator[None]:
    """A shop that serves `run-1` and knows a run before that."""
    items = [{"itemId": f"i{number}", "score": 0.1} for number in range(12)]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    drop("drops/demo/settings.yaml", SETTINGS)
    drop(f"events/demo/{datetime.now(UTC):%Y/%m/%d}/120000-1.csv", "USER_ID\n1\n")
    judged = Judged(
        shop="demo", record="candidate#run-0", run="run-0", judged_at="2026-11-01T00:00:00.000+00:00", plan="{}",
        versions={UP: OLD}, refused=(),
    )  # fmt: skip
    release_store.put(table, TABLE, judged.as_record())
    yield
    for record in ("experiments", "candidate#run-0"):
        release_store.delete(table, TABLE, "demo", record)


@pytest.fixture
def drops(drop: Drop) -> Start:
    """Drops a file of experiments and has it followed."""

    def followed(text: str) -> None:
        drop("drops/demo/experiments.yaml", text)
        event = load("follow_settings")
        event["detail"]["object"]["key"] = "drops/demo/experiments.yaml"
        follow(event, None)
        containers.start(app)

    return followed


def campaign(status: str, version: str = OLD) -> dict[str, Any]:
    return {"campaign": {"campaignArn": SECOND, "status": status, "solutionVersionArn": version, "campaignConfig": {}}}


def a_round(personalize: FakePersonalize, status: str = "", version: str = OLD) -> list[str]:
    """Make the hourly round while the second campaign has a status, and return what Personalize was asked to change."""
    personalize.reset()
    if status:
        personalize.says("DescribeCampaign", campaign(status, version))
    analyse({}, cast("LambdaContext", Context()))
    containers.start(app)
    return [name for name in personalize.operations() if not name.startswith(("Describe", "Get"))]


def stored(table: "DynamoDBClient") -> Experiment:
    (only,) = following.get(table, TABLE, "demo").experiments
    return only


def long_ago(table: "DynamoDBClient") -> Experiment:
    """Store the experiment as if it had been planned for ten weeks before, and return it."""
    every, back = following.get(table, TABLE, "demo"), int(timedelta(weeks=10).total_seconds())
    (only,) = every.experiments
    earlier = replace(only, starts_at=only.starts_at - back, ends_at=only.ends_at - back)
    following.put(table, TABLE, every.changed([earlier]))
    return earlier


def test_it_waits_for_its_campaign_says_the_price_and_begins_when_that_is_there(
    drops: Start, personalize: FakePersonalize, bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    drops(FILE)
    waiting = stored(table)
    assert waiting.waits.startswith(f"for a second campaign of {UP}: at least $")
    assert "experiment" not in answer_of("user-1")
    assert a_round(personalize) == ["CreateCampaign"]
    created = personalize.body_of("CreateCampaign")
    assert (created["name"], created["solutionVersionArn"]) == (f"retail-demo-{UP}-ramp", OLD)
    assert a_round(personalize, "CREATE IN_PROGRESS") == []
    assert stored(table).waits
    assert a_round(personalize, "ACTIVE") == []
    begun = stored(table)
    assert begun.runs(datetime.now(UTC).timestamp())
    assert begun.ends_at - begun.starts_at == timedelta(weeks=2).total_seconds()
    assert not begun.waits
    shown = set[str]()
    for number in range(8):
        answered = answer_of(f"user-{number}")["experiment"]["variant"]
        campaign_arn = personalize.body_of("GetRecommendations")["campaignArn"]
        assert campaign_arn == {"now": FIRST, "before": SECOND}[answered]
        shown.add(answered)
    assert shown == {"now", "before"}
    # The file is followed every hour, also when nobody knows of that release any more.
    release_store.delete(table, TABLE, "demo", "candidate#run-0")
    a_round(personalize, "ACTIVE")
    assert stored(table) == begun
    assert refusal(bucket) == ""


def test_a_version_on_the_engine_is_shown_where_that_is_told_what_users_do_and_costs_nothing_while_idle(
    drops: Start, bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    of_engine = OLD.replace(":personalize:", ":engine:")
    judged = release_store.judged_run(table, TABLE, "demo", "run-0")
    assert judged is not None
    release_store.put(table, TABLE, replace(judged, versions={UP: of_engine}).as_record())
    drops(FILE)
    assert "give one of the shop's recipes `backend: engine`" in refusal(bucket)
    release = release_store.release_record(table, TABLE, "demo")
    assert release is not None
    on_both = replace(release, fallback_tracking_id="engine:retail-demo")
    release_store.put(table, TABLE, on_both.as_record())
    drops(FILE)
    release_store.put(table, TABLE, release.as_record())
    assert stored(table).waits == (
        f"for a second campaign of {UP}, on the engine: it costs nothing while nobody asks it"
    )


def test_the_price_is_that_of_the_versions_backend_wherever_the_recipe_is_now(
    drops: Start, drop: Drop, table: "DynamoDBClient"
) -> None:
    drop("drops/demo/settings.yaml", f"{SETTINGS}\nbackend: engine\n")
    drops(FILE)
    assert "at least $67.25 for 14 days" in stored(table).waits


def test_a_quota_is_told_while_it_waits(drops: Start, personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    drops(FILE)
    personalize.reset()
    personalize.fails("CreateCampaign", "LimitExceededException", "More than 5 campaigns.")
    analyse({}, cast("LambdaContext", Context()))
    assert stored(table).waits.startswith("for a second campaign, which Personalize refuses: ")


def test_a_campaign_that_is_still_being_deleted_is_waited_for(
    drops: Start, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    drops(FILE)
    assert a_round(personalize, "DELETE IN_PROGRESS") == []
    assert stored(table).waits.startswith("for a second campaign of")
    assert a_round(personalize) == ["CreateCampaign"]


def test_the_campaign_of_what_waited_past_its_time_is_not_deleted_as_left_over(
    drops: Start, drop: Drop, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    drops(FILE)
    long_ago(table)
    # A refused file changes nothing: nor does it give what waits another time.
    drop("drops/demo/experiments.yaml", "experiments: 1\n")
    assert a_round(personalize, "CREATE IN_PROGRESS") == []
    assert a_round(personalize, "ACTIVE") == []
    begun = stored(table)
    assert begun.runs(datetime.now(UTC).timestamp())
    assert begun.ends_at - begun.starts_at == timedelta(weeks=2).total_seconds()


def test_a_start_that_passes_and_a_release_that_is_forgotten_while_it_waits_are_no_faults(
    drops: Start, bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    now = datetime.now(UTC)
    drops(FILE.replace("weeks: 2", f"start: {now.isoformat()}\n    weeks: 2"))
    release_store.delete(table, TABLE, "demo", "candidate#run-0")
    following.follow(table, bucket, TABLE, BUCKET, shop="demo", now=now + timedelta(days=3))
    waiting = stored(table)
    assert waiting.waits
    assert waiting.release_variant is not None
    assert waiting.release_variant.version == OLD


def test_the_campaign_of_a_ramp_that_a_run_began_meanwhile_is_left_alone(
    drops: Start, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    drops(FILE)
    judged = release_store.judged_run(table, TABLE, "demo", "run-0")
    assert judged is not None
    ramped = replace(judged, record="candidate#run-2", run="run-2", ramped=UP)
    release_store.put(table, TABLE, ramped.as_record())
    release_store.put(table, TABLE, {"shop": "demo", "record": "lease"})
    assert a_round(personalize, "ACTIVE", "v2") == []
    for record in ("lease", "candidate#run-2"):
        release_store.delete(table, TABLE, "demo", record)
    ramp = ramps.begin(replace(BEGUN, campaign=SECOND), Ramp(), int(datetime.now(UTC).timestamp()))
    following.change(table, TABLE, "demo", before=None, after=ramp)
    assert a_round(personalize, "ACTIVE", "v2") == []
    waiting = following.get(table, TABLE, "demo").named("again")
    assert waiting is not None
    assert waiting.waits


def test_left_out_while_it_waits_it_leaves_no_campaign_and_its_name_is_free(
    drops: Start, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    drops(FILE)
    a_round(personalize)
    drops("experiments: {}\n")
    assert stored(table).stopped_because == "it was left out of the file"
    later = following.get(table, TABLE, "demo")
    hour_ago = int(datetime.now(UTC).timestamp()) - 3_600
    following.put(table, TABLE, later.changed([later.experiments[0].stopped(hour_ago, "it was left out of the file")]))
    assert a_round(personalize, "ACTIVE") == ["DeleteCampaign"]
    drops(experiment("{now: {}, best: {show: bestsellers}}", name="again"))
    assert stored(table).runs(datetime.now(UTC).timestamp())


def promote_the_other(personalize: FakePersonalize) -> None:
    """Give the version of `run-0` to every user."""
    plan = load("judge_release_judge")["plan"] | {"run": "run-0"}
    personalize.reset()
    tracker = {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}
    personalize.says("ListEventTrackers", {"eventTrackers": [tracker]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    promoted = {"alias": UP, "solutionVersionArn": OLD, "run": "run-0", "campaignArn": FIRST}
    update({"step": "release", "plan": plan, "campaigns": [promoted], "promotedBy": "run-0"}, None)


def test_stopped_while_it_waits_it_stays_stopped(drops: Start, table: "DynamoDBClient") -> None:
    drops(FILE)
    now = datetime.now(UTC)
    following.stop(table, TABLE, "demo", "again", why="an operator stopped it", now=now)
    drops(FILE)
    assert stored(table).stopped_at is not None


def test_it_ends_when_every_user_gets_its_release(
    drops: Start, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    drops(FILE)
    a_round(personalize, "ACTIVE")
    promote_the_other(personalize)
    assert stored(table).stopped_because == "every user gets its release"
    release_store.put(table, TABLE, RELEASE)


def test_one_that_has_ended_is_not_stopped_by_the_promotion_of_what_it_proved(
    drops: Start, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    drops(FILE)
    a_round(personalize, "ACTIVE")
    ended = long_ago(table)
    promote_the_other(personalize)
    assert stored(table) == ended
    release_store.put(table, TABLE, RELEASE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (experiment("{now: {}, before: {release: run-7}}"), "not a release of user-personalization that is remembered"),
        (experiment("{now: {}, before: {release: run-0, limit: 2}}"), "leave limit out"),
        (experiment("{now: {}, a: {release: run-0}, b: {release: run-1}}"), "name one release"),
        (experiment("{now: {}, before: {release: run-0}}", placements="[home, goes-with]"), "all have this recipe"),
        (
            FILE + experiment("{now: {}, before: {release: run-0}}", name="two").replace("\nexperiments:\n", ""),
            "has the second campaign of user-personalization at the same time",
        ),
        (experiment("{now: {}, again: {show: buy-again}}"), "needs a filter of what the user bought"),
    ],
)
def test_what_no_second_campaign_can_show_is_refused(
    text: str, reason: str, drops: Start, bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    drops(text)
    assert reason in refusal(bucket)
    assert following.get(table, TABLE, "demo").experiments == ()


def test_the_version_that_serves_is_nothing_to_compare(
    drops: Start, bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    serving = cast("Any", RELEASE["campaigns"])[UP]["solutionVersionArn"]
    judged = release_store.judged_run(table, TABLE, "demo", "run-0")
    assert judged is not None
    release_store.put(table, TABLE, {**judged.as_record(), "versions": {UP: serving}})
    drops(FILE)
    assert "serves already" in refusal(bucket)


def test_buy_again_is_the_shops_filter_of_purchases(
    drop: Drop, drops: Start, personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    bought = 'include ItemID  WHERE Interactions.EVENT_TYPE = "Purchase"'
    drop("drops/demo/settings.yaml", SETTINGS.replace("placements:", f"  bought: {bought}\nplacements:"))
    release_store.put(table, TABLE, {**RELEASE, "filters": ["not-purchased", "bought"]})
    drops(experiment("{now: {}, again: {show: buy-again}}", placements="[goes-with]"))
    assert "the placement starts from an item" in refusal(bucket)
    drops(experiment("{now: {}, again: {show: buy-again}}"))
    filters = {"now": "retail-demo-not-purchased", "again": "retail-demo-bought"}
    shown = set[str]()
    for number in range(8):
        answered = answer_of(f"user-{number}")["experiment"]["variant"]
        assert personalize.body_of("GetRecommendations")["filterArn"] == f"{ARN}:filter/{filters[answered]}"
        shown.add(answered)
    assert shown == {"now", "again"}
    release_store.put(table, TABLE, RELEASE)
