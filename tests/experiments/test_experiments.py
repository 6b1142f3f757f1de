# SPDX-License-Identifier: Apache-2.0
"""Experiments at the doors of the stack: a dropped file, answers, log lines, and what becomes of them in the bucket."""

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from personalization.api import bestsellers
from personalization.api.variants import LiveExperiments
from personalization.core.aws import clients
from personalization.core.errors import Rejected, RetryLater
from personalization.experiments import following
from personalization.experiments.experiment import Experiment
from personalization.shop.records import release_store

from functions.copy_events.app import handler as copy_events
from functions.follow_settings.app import handler as follow_settings
from functions.get_recommendations import app
from functions.record_events import app as record_events
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import BUCKET, TABLE, Drop, body, described, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "demo")
SETTINGS = """
filters:
  not-purchased: EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")
  cheap: INCLUDE ItemID WHERE Items.PRICE < $MOST
placements:
  home: {recipe: user-personalization, limit: 3, filter: not-purchased}
  goes-with: {recipe: similar-items, limit: 2, fallback: none, because: goesWithBasket}
"""
TEMPLATE = """
experiments:
  {name}:
    hypothesis: Users buy more from their own list than from the bestsellers.
    owner: Kim
    placements: {placements}
    goal: orders
    weeks: 2
    variants: {variants}
"""
USERS = [f"user-{number}" for number in range(200)]


def experiment(
    variants: str = "{own: {}, best: {show: bestsellers}}",
    name: str = "own-list",
    placements: str = "[home]",
    more: str = "",
) -> str:
    return TEMPLATE.format(name=name, placements=placements, variants=variants) + more


@pytest.fixture
def shop(drop: Drop, personalize: FakePersonalize, table: "DynamoDBClient") -> Iterator[Drop]:
    """A shop with settings and events of today, whose campaigns answer, and no experiment yet."""
    items = [{"itemId": f"i{number}", "score": 0.1} for number in range(12)]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    best = [f"best-{number}" for number in range(9)]
    release_store.put(table, TABLE, bestsellers.record("demo", "run-1", "2026-11-25T08:30:00Z", best))
    drop("drops/demo/settings.yaml", SETTINGS)
    drop(f"events/demo/{datetime.now(UTC):%Y/%m/%d}/120000-1.csv", "USER_ID\n1\n")
    yield drop
    release_store.delete(table, TABLE, "demo", "experiments")


@pytest.fixture
def start(shop: Drop) -> Callable[[str], object]:
    """Drops a file of experiments, has it followed, and lets answers come from a container that has just started."""

    def followed(text: str) -> object:
        shop("drops/demo/experiments.yaml", text)
        event = load("follow_settings")
        event["detail"]["object"]["key"] = "drops/demo/experiments.yaml"
        names = follow_settings(event, None)["experiments"]
        containers.start(app)
        return names

    return followed


def answer_of(user: str, placement: str = "home", **changes: Any) -> Any:  # noqa: ANN401 - an answer's JSON
    event = load("api_placement")
    event["pathParameters"] |= {"userId": user, "placement": placement}
    answer = app.handler(event | changes, None)
    described("Placed", answer)
    return body(answer)


def variant(user: str) -> str:
    """The variant that a user's answer names; empty outside of experiments."""
    return str((answer_of(user).get("experiment") or {"variant": ""})["variant"])


def lines(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if '"exposure"' in line]


def subscription(logged: list[str], **changes: object) -> dict[str, Any]:
    """What CloudWatch Logs sends to a subscribed function."""
    events = [{"id": f"{number:056d}", "timestamp": 1, "message": line} for number, line in enumerate(logged)]
    batch = {"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": events, **changes}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()}}


def refusal(bucket: "S3Client") -> str:
    """Why the file is refused; empty if it is not."""
    key = "reports/demo/experiments/refused.json"
    if not bucket.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"]:
        return ""
    return str(json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())["reason"])


def test_a_dropped_file_shares_the_users_out_and_each_gets_what_their_variant_shows(
    start: Callable[[str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(experiment()) == ["own-list"]
    answers = {user: answer_of(user) for user in USERS}
    shares = Counter(answer["experiment"]["variant"] for answer in answers.values())
    assert set(shares) == {"own", "best"}
    assert all(75 < count < 125 for count in shares.values())
    for answer in answers.values():
        source = {item["source"] for item in answer["items"]}
        assert source == ({"popular"} if answer["experiment"]["variant"] == "best" else {"campaign"})
    # The same user, at any time and in any container, is in the same variant.
    assert all(variant(user) == answers[user]["experiment"]["variant"] for user in USERS[:20])
    told = [json.loads(line)["exposure"] for line in lines(capsys.readouterr().out)]
    assert [exposure["variant"] for exposure in told[: len(USERS)]] == [
        answer["experiment"]["variant"] for answer in answers.values()
    ]
    assert len({exposure["unit"] for exposure in told}) == len(USERS)
    assert not any(user in json.dumps(told) for user in USERS)


def test_an_exposure_becomes_a_line_of_a_file_once(
    start: Callable[[str], object], capsys: pytest.CaptureFixture[str], bucket: "S3Client"
) -> None:
    start(experiment())
    for user in USERS[:3]:
        answer_of(user)
    event = subscription([*lines(capsys.readouterr().out), '{"shop":"exposure"}', "exposure of nothing"])
    for _ in range(2):
        copy_events(event, None)
    keys = [entry["Key"] for entry in bucket.list_objects_v2(Bucket=BUCKET, Prefix="exposures/demo/")["Contents"]]
    assert len(keys) == 1
    assert keys[0].startswith(f"exposures/demo/{datetime.now(UTC):%Y/%m/}")
    rows = bucket.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read().decode().splitlines()
    assert [json.loads(row)["experiment"] for row in rows] == ["own-list"] * 3
    copy_events(subscription(["ping"], messageType="CONTROL_MESSAGE"), None)
    assert bucket.list_objects_v2(Bucket=BUCKET, Prefix="exposures/")["KeyCount"] == 1


def test_the_id_of_a_list_says_of_which_variant_it_is(start: Callable[[str], object]) -> None:
    start(experiment("{own: {}, gone: {show: off}}"))
    named = {(variant(user), base64.urlsafe_b64decode(answer_of(user)["listId"] + "==")[9:12]) for user in USERS[:40]}
    assert len(named) == len({name for name, _ in named}) == len({number for _, number in named}) == 2


def test_personalize_counts_events_for_the_variant_of_their_list(
    start: Callable[[str], object], personalize: FakePersonalize
) -> None:
    start(experiment())
    containers.start(record_events)
    answers = {variant(user): (user, answer_of(user)["listId"]) for user in USERS[:40]}
    for name, (user, list_id) in answers.items():
        event = {"eventType": "Click", "itemId": "i1", "listId": list_id}
        sent = {**load("api_events"), "body": json.dumps({"sessionId": "s1", "userId": user, "events": [event]})}
        assert record_events.handler(sent, None)["statusCode"] == 202
        (put,) = personalize.body_of("PutEvents")["eventList"]
        assert put["metricAttribution"] == {"eventAttributionSource": f"home.{name}"}
    assert set(answers) == {"own", "best"}


def test_a_page_leaves_a_shelf_out_that_is_off_and_tells_one_exposure(
    start: Callable[[str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    start(experiment("{shown: {}, gone: {show: off}}", placements="[home]"))
    event = load("api_placements")
    request = json.loads(event["body"])
    seen = set()
    for user in USERS[:30]:
        event["pathParameters"]["userId"] = user
        answer = app.handler(event, None)
        described("Page", answer)
        pages = {page["placement"]: page for page in body(answer)["placements"]}
        assert list(pages) == request["placements"]
        is_off = pages["home"]["experiment"]["variant"] == "gone"
        assert (pages["home"]["items"] == []) == is_off
        assert "experiment" not in pages["goes-with"]
        seen.add(is_off)
    assert seen == {True, False}
    assert len(lines(capsys.readouterr().out)) == 30


def test_a_variant_may_change_what_a_placement_asks(
    start: Callable[[str], object], personalize: FakePersonalize
) -> None:
    start(experiment("{own: {}, long: {limit: 7, diversity: off}}"))
    counts = Counter((variant(user), len(answer_of(user)["items"])) for user in USERS[:40])
    assert set(counts) == {("own", 3), ("long", 7)}
    assert personalize.body_of("GetRecommendations")["filterArn"].endswith("not-purchased")


def test_who_has_no_lasting_id_is_in_no_experiment(
    start: Callable[[str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    start(experiment())
    expires = int(datetime.now(UTC).timestamp()) + 600
    for name in ("user", "session"):
        context = {"authorizer": {"user": "", "session": "", "shop": "demo", "expires": expires, name: USERS[0]}}
        assert ("experiment" in answer_of(USERS[0], requestContext=context)) == (name == "user")
    assert len(lines(capsys.readouterr().out)) == 1


def test_a_refused_request_exposes_nobody(start: Callable[[str], object], capsys: pytest.CaptureFixture[str]) -> None:
    start(experiment())
    event = load("api_placement")
    event["queryStringParameters"] = {"limit": "0"}
    assert app.handler(event, None)["statusCode"] == 400
    assert lines(capsys.readouterr().out) == []


def test_experiments_go_on_while_the_table_is_away(start: Callable[[str], object], table: "DynamoDBClient") -> None:
    start(experiment())
    stored = following.get(table, TABLE, "demo").experiments
    answers: list[tuple[Experiment, ...]] = [stored]

    def fetch(_: str) -> tuple[Experiment, ...]:
        if not answers:
            raise RetryLater("table", "away")
        return answers.pop()

    live = LiveExperiments(fetch)
    assert [live.get("demo", seconds) for seconds in (0.0, 59.0, 61.0, 200.0)] == [stored] * 4
    # A container that knows nothing asks again soon.
    begun = LiveExperiments(fetch)
    assert begun.get("demo", 0.0) == ()
    answers.append(stored)
    assert [begun.get("demo", seconds) for seconds in (4.0, 6.0)] == [(), stored]


def test_weights_grow_and_nobody_moves(start: Callable[[str], object], bucket: "S3Client") -> None:
    start(experiment("{own: {weight: 9}, best: {weight: 11, show: bestsellers}}"))
    before = {user: variant(user) for user in USERS}
    start(experiment("{own: {weight: 45}, best: {weight: 11, show: bestsellers}}"))
    assert "grow all alike" in refusal(bucket)
    start(experiment("{own: {weight: 45}, best: {weight: 55, show: bestsellers}}"))
    after = {user: variant(user) for user in USERS}
    assert 20 < len([user for user in USERS if before[user]]) < 60
    assert all(after.values())
    assert all(after[user] == before[user] for user in USERS if before[user])
    start(experiment("{own: {weight: 40}, best: {weight: 55, show: bestsellers}}"))
    assert "is 45 and cannot shrink" in refusal(bucket)
    assert {user: variant(user) for user in USERS[:50]} == {user: after[user] for user in USERS[:50]}


def test_what_runs_cannot_be_edited_and_stops_when_it_is_left_out(
    start: Callable[[str], object], bucket: "S3Client"
) -> None:
    start(experiment())
    start(experiment("{own: {}, best: {show: off}}"))
    assert "only weights may change" in refusal(bucket)
    assert variant(USERS[0])
    assert start("") == ["own-list"]
    assert [variant(user) for user in USERS[:5]] == [""] * 5
    # A good file takes the refusal away.
    assert refusal(bucket) == ""
    assert start(experiment("{own: {}, best: {show: off}}")) is None
    assert "choose another name" in refusal(bucket)


def test_experiments_of_a_namespace_share_the_users_out(start: Callable[[str], object], bucket: "S3Client") -> None:
    shared = "    namespace: home\n"
    first = experiment("{a: {weight: 20}, b: {weight: 20, show: bestsellers}}", name="first", more=shared)
    second = experiment("{c: {weight: 30}, d: {weight: 30, limit: 5}}", name="second", more=shared)
    start(first + second.replace("\nexperiments:\n", ""))
    names = Counter(answer_of(user)["experiment"]["name"] for user in USERS)
    assert 55 < names["first"] < 105
    assert names.total() == len(USERS)
    start(first.replace(shared, "") + second.replace("\nexperiments:\n", ""))
    assert "only weights may change" in refusal(bucket)


def test_a_holdout_gets_bestsellers_everywhere_and_is_in_no_experiment(
    start: Callable[[str], object], capsys: pytest.CaptureFixture[str], bucket: "S3Client"
) -> None:
    start("holdout: 20\n" + experiment("{own: {}, long: {limit: 7}}"))
    names = Counter((answer_of(user).get("experiment") or {"variant": ""})["variant"] for user in USERS)
    assert set(names) == {"held-out", "own", "long"}
    assert 20 < names["held-out"] < 60
    held_out = [user for user in USERS if variant(user) == "held-out"]
    assert {item["source"] for user in held_out[:9] for item in answer_of(user)["items"]} == {"popular"}
    told = [json.loads(line)["exposure"] for line in lines(capsys.readouterr().out)][: 2 * len(USERS)]
    # Both sides of the holdout are told of, and the personalized ones of the experiment too.
    assert {exposure["variant"] for exposure in told} == {"held-out", "personalized", "own", "long"}
    (name,) = {exposure["experiment"] for exposure in told} - {"own-list"}
    assert re.fullmatch(r"holdout-20\d\d-q[1-4]", name)
    start("holdout: 10\n" + experiment("{own: {}, long: {limit: 7}}"))
    assert "is 20 % until the quarter ends" in refusal(bucket)
    start(experiment("{own: {}, long: {limit: 7}}"))
    assert "held-out" not in {variant(user) for user in held_out}
    start("holdout: 20\n" + experiment("{own: {}, long: {limit: 7}}"))
    assert "was stopped: whoever was in it has had personal lists since; leave it out until 20" in refusal(bucket)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (experiment().replace("    weeks: 2\n", ""), "needs an end"),
        (experiment().replace("    goal: orders\n", ""), "goal: is missing"),
        (experiment().replace("weeks: 2", "end: 2027-01-04"), "has an end without a start"),
        (experiment().replace("weeks: 2", "start: 2030-01-01\n    end: 2030-01-10"), "lasts 9 days"),
        (experiment().replace("weeks: 2", "weeks: 2\n    start: 2020-01-01"), "starts in the past"),
        (experiment(placements="[nowhere]"), "nowhere is none of the shop's placements (home, goes-with)"),
        (experiment("{own: {}, other: {recipe: trending-now}}"), "trending-now is left out of the shop's recipes"),
        (experiment("{own: {}, other: {filter: cheap}}"), "leaves other parameters of its filter to requests"),
        (experiment("{own: {}, other: {recipe: similar-items}}"), "starts from an item"),
        (experiment("{own: {}, other: {}}"), "two of its variants show the same"),
        (experiment("{own: {weight: 60}, other: {weight: 50, limit: 2}}"), "100 at most"),
        (experiment("{own: {}, other: {weight: 50, limit: 2}}"), "give all of them one"),
        (experiment("{own: {}, gone: {show: off}}", placements="[home, goes-with]"), "without any list"),
        (experiment("{own: {}, gone: {show: off, limit: 3}}"), "leave limit out"),
        (experiment("{own: {}}"), "at least"),
        (experiment() + experiment(name="again").replace("\nexperiments:\n", ""), "at the same time"),
        (experiment().replace("owner: Kim", "owner: Kim\n    audience: all"), "audience is not a setting"),
        ("holdout: 30", "less than or equal to 20"),
        (experiment(name="holdout-2026-q4"), "such names are those of holdouts"),
        ("experiments: [", "is not YAML"),
        ("x" * 70_000, "larger than 64 KiB"),
        (
            "experiments:\n" + "".join(experiment(name=f"e{n}").replace("\nexperiments:\n", "") for n in range(300)),
            "at most 50",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_what_runs_goes_on(
    text: str, reason: str, start: Callable[[str], object], bucket: "S3Client"
) -> None:
    start(experiment(name="runs", placements="[goes-with]"))
    assert start(text) is None
    assert reason in refusal(bucket)
    assert answer_of(USERS[0], "goes-with", queryStringParameters={"itemId": "i1"})["experiment"]["name"] == "runs"


def test_no_experiment_starts_for_a_shop_that_sends_no_events(
    start: Callable[[str], object], bucket: "S3Client"
) -> None:
    for entry in bucket.list_objects_v2(Bucket=BUCKET, Prefix="events/")["Contents"]:
        bucket.delete_object(Bucket=BUCKET, Key=entry["Key"])
    assert start(experiment()) is None
    assert "no event of the shop has arrived" in refusal(bucket)


def test_a_refusal_is_in_the_shops_language(start: Callable[[str], object], shop: Drop, bucket: "S3Client") -> None:
    shop("drops/demo/settings.yaml", f"{SETTINGS}\nlanguage: ko\n")
    start(experiment(placements="[nowhere]"))
    assert "게재 위치" in refusal(bucket)


def test_an_experiment_is_stopped_by_its_name(start: Callable[[str], object]) -> None:
    start(experiment())
    now = datetime.now(UTC)
    arguments = (clients.dynamodb(), TABLE, "demo")
    stopped = following.stop(*arguments, "own-list", why="it harms", now=now)
    assert (stopped.stopped_because, stopped.runs(now.timestamp())) == ("it harms", False)
    # What ended stays as it ended, also when its file still has it.
    later = now + timedelta(hours=1)
    assert following.stop(*arguments, "own-list", why="again", now=later).stopped_because == "it harms"
    assert start(experiment()) == ["own-list"]
    assert variant(USERS[0]) == ""
    with pytest.raises(Rejected, match="it has own-list"):
        following.stop(*arguments, "other", why="?", now=now)


def test_each_variant_has_further_pages(start: Callable[[str], object]) -> None:
    start(experiment("{own: {}, best: {show: bestsellers}}"))
    pages = dict[str, list[str]]()
    for user in USERS[:20]:
        query: dict[str, str] = {}
        shown = list[str]()
        for _ in range(2):
            answer = answer_of(user, queryStringParameters=query)
            shown += [item["itemId"] for item in answer["items"]]
            query = {"next": answer["next"]}
        assert len(set(shown)) == 6
        pages[answer["experiment"]["variant"]] = shown
    assert set(pages) == {"own", "best"}


def test_what_is_planned_may_be_edited_until_it_starts(
    start: Callable[[str], object], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    planned = "    start: 2030-01-01\n"
    start(experiment("{own: {weight: 60}, best: {weight: 40, show: bestsellers}}", more=planned))
    start(experiment("{own: {weight: 20}, gone: {weight: 30, show: off}}", more=planned))
    assert refusal(bucket) == ""
    (changed,) = following.get(table, TABLE, "demo").experiments
    assert {part.variant for part in changed.slices} == {"own", "gone"}
    assert [changed.weight(name) for name in ("own", "gone")] == [2_000, 3_000]


def test_what_takes_the_place_of_an_experiment_has_its_users(
    start: Callable[[str], object], bucket: "S3Client"
) -> None:
    shared = "    namespace: home\n"
    start(experiment(name="first", more=shared))
    first = {user: variant(user) for user in USERS}
    assert start(experiment(name="second", more=shared)) == ["first", "second"]
    assert refusal(bucket) == ""
    assert answer_of(USERS[0])["experiment"]["name"] == "second"
    # Its groups are others, so that both have as many users of either group before.
    both = Counter((first[user], variant(user)) for user in USERS)
    assert len(both) == 4
    assert all(28 < users < 72 for users in both.values())


def test_who_is_in_an_experiment_of_a_namespace_stays_where_they_are_as_it_grows(
    start: Callable[[str], object], table: "DynamoDBClient"
) -> None:
    shared = "    namespace: home\n"
    start(experiment("{own: {weight: 0.29}, best: {weight: 0.58, show: bestsellers}}", more=shared))
    (little,) = following.get(table, TABLE, "demo").experiments
    assert [little.weight(name) for name in ("own", "best")] == [29, 58]
    start(experiment("{own: {weight: 10}, best: {weight: 20, show: bestsellers}}", more=shared))
    some = {user: variant(user) for user in USERS if variant(user)}
    assert 38 < len(some) < 82
    start(experiment("{own: {weight: 33}, best: {weight: 66, show: bestsellers}}", more=shared))
    assert {user: variant(user) for user in some} == some
    shares = Counter(map(variant, USERS))
    assert 1.3 < shares["best"] / shares["own"] < 3.0


def test_what_runs_keeps_its_times_in_another_time_zone(
    start: Callable[[str], object], table: "DynamoDBClient"
) -> None:
    today = f"    start: {datetime.now(UTC):%Y-%m-%d}\n"
    start(experiment(more=today))
    (before,) = following.get(table, TABLE, "demo").experiments
    start("timezone: America/Los_Angeles\n" + experiment(more=today))
    (after,) = following.get(table, TABLE, "demo").experiments
    assert (after.starts_at, after.ends_at) == (before.starts_at, before.ends_at)


def test_who_is_held_out_is_in_no_experiment_on_other_placements(start: Callable[[str], object]) -> None:
    start("holdout: 20\n" + experiment("{own: {}, long: {limit: 7}}", placements="[goes-with]"))
    item = {"queryStringParameters": {"itemId": "i1"}}
    for user in USERS[:60]:
        is_held_out = variant(user) == "held-out"
        assert ("experiment" in answer_of(user, "goes-with", **item)) != is_held_out


def test_a_variant_waits_for_the_filter_of_its_promotion(
    start: Callable[[str], object], shop: Drop, bucket: "S3Client"
) -> None:
    shop(
        "drops/demo/settings.yaml",
        SETTINGS.replace("filters:", 'filters:\n  fresh: INCLUDE ItemID WHERE Items.NEW = "1"'),
    )
    promoted = "{own: {}, new: {promotions: [{name: fresh, percent: 20, filter: fresh}]}}"
    assert start(experiment(promoted)) is None
    assert "fresh: the settings have it, and no release yet" in refusal(bucket)


def test_a_variant_whose_filter_is_gone_shows_what_the_placement_shows(
    start: Callable[[str], object], table: "DynamoDBClient"
) -> None:
    start(experiment("{own: {}, long: {limit: 7}}"))
    release = release_store.get(table, TABLE, "demo", "release") or {}
    home = {name: value for name, value in release["placements"]["home"].items() if name != "filter"}
    changed = {**release, "filters": [], "placements": {**release["placements"], "home": home}}
    release_store.put(table, TABLE, changed)
    containers.start(app)
    assert Counter(variant(user) for user in USERS[:20]).keys() == {"own", "long"}
    assert {len(answer_of(user)["items"]) for user in USERS[:20]} == {3}
    release_store.put(table, TABLE, release)


def test_a_variant_whose_campaign_is_gone_leaves_no_page_without_a_list(
    start: Callable[[str], object], shop: Drop, bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    release = release_store.get(table, TABLE, "demo", "release") or {}
    campaigns = release["campaigns"]
    both = {**release, "campaigns": {**campaigns, "trending-now": campaigns["user-personalization"]}}
    release_store.put(table, TABLE, both)
    shop("drops/demo/settings.yaml", SETTINGS + "recipes: [user-personalization, similar-items, trending-now]\n")
    assert start(experiment("{own: {}, trend: {recipe: trending-now}}")) == ["own-list"], refusal(bucket)
    assert {variant(user) for user in USERS[:20]} == {"own", "trend"}

    release_store.put(table, TABLE, release)
    containers.start(app)

    assert {variant(user) for user in USERS[:20]} == {"own", "trend"}
    assert {len(answer_of(user)["items"]) for user in USERS[:20]} == {3}


def test_ended_experiments_leave_room_for_others(
    start: Callable[[str], object], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    start(experiment("{own: {}, long: {limit: 7}}").replace("owner: Kim", f"owner: {'김' * 400}"))
    before = following.get(table, TABLE, "demo")
    (first,) = before.experiments
    now = int(datetime.now(UTC).timestamp())
    old = [
        replace(first, name=f"old-{number}", starts_at=0, ends_at=now - 10_000 + number, owner="김" * 500)
        for number in range(300)
    ]
    following.put(table, TABLE, before.changed([*old[:60], first]))
    start("")
    after = following.get(table, TABLE, "demo")
    assert len(after.experiments) == 61
    assert not any(variant.entries for experiment in after.experiments[:-1] for variant in experiment.variants)
    crowd = [replace(part, name=f"older-{part.name}", starts_at=0) for part in old]
    following.put(table, TABLE, after.changed([part.as_ended() for part in crowd[:100]]))
    assert start(experiment(name="next")) is not None
    assert refusal(bucket) == ""


def test_a_file_that_was_read_earlier_overwrites_no_later_one(
    start: Callable[[str], object], shop: Drop, bucket: "S3Client"
) -> None:
    start(experiment("{own: {weight: 20}, best: {weight: 20, show: bestsellers}}"))
    shop("drops/demo/experiments.yaml", "")
    more = [experiment("{own: {weight: 50}, best: {weight: 50, show: bestsellers}}")]

    def get_object(**named: Any) -> Any:  # noqa: ANN401 - as botocore has it
        answer = bucket.get_object(**named)
        if named["Key"].endswith("experiments.yaml") and more:
            start(more.pop())
        return answer

    slow: Any = SimpleNamespace(
        get_object=get_object, exceptions=bucket.exceptions, list_objects_v2=bucket.list_objects_v2
    )
    with pytest.raises(RetryLater):
        following.follow(clients.dynamodb(), slow, TABLE, BUCKET, shop="demo", now=datetime.now(UTC))
    assert variant(USERS[0])


def test_what_the_file_still_has_begins_only_once(
    start: Callable[[str], object], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    start(experiment())
    before = following.get(table, TABLE, "demo")
    (first,) = before.experiments
    now = int(datetime.now(UTC).timestamp())
    over = replace(first, starts_at=0, ends_at=now - 20_000).as_ended()
    others = [replace(over, name=f"later-{number}", ends_at=now - 10_000, owner="김" * 900) for number in range(120)]
    following.put(table, TABLE, before.changed([over, *others]))

    file = experiment() + experiment(name="next", placements="[goes-with]").replace("\nexperiments:\n", "")
    start(file)
    # What the first round left out of the record would begin in the second one.
    start(file)

    after = following.get(table, TABLE, "demo")
    assert refusal(bucket) == ""
    assert len(after.experiments) < 102
    live = [part.name for part in after.experiments if part.runs(datetime.now(UTC).timestamp())]
    assert live == ["next"]
