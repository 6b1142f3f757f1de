# SPDX-License-Identifier: Apache-2.0
"""What a shop sells and what it is called: from drops of interactions and items to answers."""

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.api import bestsellers
from personalization.api.bestsellers import record
from personalization.api.fallback import BUDGET_SECONDS, FallbackChain
from personalization.core import environment
from personalization.core.aws import clients, errors
from personalization.runs.claims import PREFIX, Claim
from personalization.shop.records import item_files, item_table, release_store

from functions.get_recommendations import app
from functions.get_recommendations.app import handler as answer
from functions.record_events import app as events_app
from functions.update_campaign.app import handler as promote
from functions.validate_drop.app import handler as check
from tests.app.waiting import BOUND, until
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, RECOMMENDED, RELEASE, TABLE, Drop, body, interactions, load
from tests.handlers.silences import Clock, PatientItems, silence
from tests.handlers.variables import changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

TABLE_SECONDS = 5.0
MAX_PENDING = 1_000

ITEMS = "ITEM_ID,PRICE,CATEGORY_L1,NAME\n1082185,1.29,soups,Tomato soup\n995242,0.99,dairy,Milk\nbest-0,3,dairy,Cream\n"
HISTORY = "drops/demo/interactions/history.csv"
MORE = "drops/demo/interactions/incremental/day.csv"


@pytest.fixture(autouse=True)
def _shop(table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A shop whose campaigns show no metadata, and a container that has just started."""
    campaigns: Any = RELEASE["campaigns"]
    bare = {alias: {**campaign, "metadata": False} for alias, campaign in campaigns.items()}
    release_store.put(table, TABLE, {**RELEASE, "campaigns": bare})
    monkeypatch.setattr(
        app, "RELEASES", release_store.Releases(release_store.fetch_release(clients.dynamodb, environment.table))
    )
    lists = bestsellers.Bestsellers(bestsellers.fetch(clients.dynamodb_once, environment.table))
    monkeypatch.setattr(app, "FALLBACK", FallbackChain(errors.reason, lists.get, Clock()))
    monkeypatch.setattr(app, "ITEMS", fresh())
    yield
    for key in release_store.sort_keys(table, TABLE, "demo"):
        release_store.delete(table, TABLE, "demo", key)


def fresh() -> item_table.ShownItems:
    return PatientItems(item_table.fetch(clients.s3_quick, lambda: BUCKET))


@pytest.fixture
def recommends(personalize: FakePersonalize) -> FakePersonalize:
    items = [{"itemId": item} for item in ("1082185", "995242")]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    ranked = {"recommendationId": "RID-2", "personalizedRanking": items}
    personalize.says("GetPersonalizedRanking", ranked)
    return personalize


def shown(name: str = "api_recommendations") -> list[object]:
    told = answer(load(name), None)
    assert told["statusCode"] == 200
    return [item.get("metadata") for item in body(told)["items"]]


SOUP = {"PRICE": "1.29", "CATEGORY_L1": "soups", "NAME": "Tomato soup"}
MILK = {"PRICE": "0.99", "CATEGORY_L1": "dairy", "NAME": "Milk"}


@pytest.mark.parametrize("dear", [None, {"PRICE": "9.99", "COLOUR": "red"}], ids=["plain", "with metadata"])
@pytest.mark.parametrize("name", ["api_recommendations", "api_similar", "api_ranking", "api_popular", "api_placement"])
def test_items_that_are_dropped_after_a_release_are_shown_everywhere_from_one_table(
    name: str, dear: dict[str, str] | None, drop: Drop, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    """A campaign with metadata shows the prices of its promotion; a bestseller has none of its own."""
    campaigns: Any = RELEASE["campaigns"]
    served = {alias: {**campaign, "metadata": dear is not None} for alias, campaign in campaigns.items()}
    del served["popularity-count"]
    # The shop had no items when it was promoted, or had other columns.
    columns = ["COLOUR"] if dear else []
    release_store.put(table, TABLE, {**RELEASE, "campaigns": served, "metadataColumns": columns})
    release_store.put(table, TABLE, record("demo", "run-1", "2026-11-25T08:30:00Z", ["1082185", "995242", "best-0"]))
    item = {"itemId": "1082185", **({"metadata": dear} if dear else {})}
    answers = {"recommendationId": "RID-1", "itemList": [item], "personalizedRanking": [item]}
    for operation in ("GetRecommendations", "GetPersonalizedRanking"):
        personalize.says(operation, answers)
    assert shown(name)[0] == (None if name == "api_popular" else dear)
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    app.ITEMS = fresh()
    assert shown(name)[0] == SOUP


@pytest.mark.parametrize("name", ["api_recommendations", "api_similar", "api_ranking"])
def test_answers_name_items_by_the_table_that_a_drop_made(name: str, drop: Drop, recommends: FakePersonalize) -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    assert shown(name) == [SOUP, MILK]
    calls = [request for operation, request in recommends.calls if operation.startswith("Get")]
    assert all("metadataColumns" not in request for request in calls)


def test_similar_items_are_varied_by_the_table(
    drop: Drop, personalize: FakePersonalize, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    release = release_store.get(table, TABLE, "demo", "release")
    diversity: Any = {"by": ["CATEGORY_L1"], "strength": "1"}
    release_store.put(table, TABLE, {**release, "diversity": diversity})  # type: ignore[dict-item]
    monkeypatch.setattr(app, "FALLBACK", FallbackChain(errors.reason, lambda *_: [], Clock(), app.look_up))
    best = [{"itemId": item} for item in ("995242", "best-0", "1082185")]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": best})
    told = body(answer({**load("api_similar"), "queryStringParameters": {"limit": "2"}}, None))
    assert [item["itemId"] for item in told["items"]] == ["995242", "1082185"]
    assert told["items"][1]["metadata"] == SOUP
    assert personalize.body_of("GetRecommendations")["numResults"] == 6


def test_a_placement_shows_the_columns_that_it_names(drop: Drop, recommends: FakePersonalize) -> None:  # noqa: ARG001
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    event = load("api_placements")
    event["body"] = '{"placements": ["home", "goes-with"], "itemId": "1082185"}'
    home, goes_with = body(answer(event, None))["placements"]
    assert home["items"][0]["metadata"] == MILK
    assert all("CATEGORY_L1" not in item.get("metadata", {}) for item in goes_with["items"])


def test_an_incremental_drop_changes_the_items_that_it_names(
    drop: Drop,
    recommends: FakePersonalize,
) -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    plan: Any = check(drop("drops/demo/items/items.csv", ITEMS), None)
    recommends.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    recommends.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    recommends.says("DescribeSchema", {"schema": {"schema": plan["schema"]["text"]}})
    more = "NAME,ITEM_ID,CATEGORY_L1,PRICE\nOat milk,995242,dairy,1.99\n"
    check(drop("drops/demo/items/incremental/new.csv", more), None)
    assert shown() == [SOUP, {"PRICE": "1.99", "CATEGORY_L1": "dairy", "NAME": "Oat milk"}]


def test_a_table_that_grows_is_spread_over_more_files(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    plan: Any = check(drop("drops/demo/items/items.csv", ITEMS), None)
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    personalize.says("DescribeSchema", {"schema": {"schema": plan["schema"]["text"]}})
    item_files.change(bucket, BUCKET, "demo", "995242", {"NAME": "Oat milk"})
    rows = "".join(f"i{number},{number}.5,cat,{'n' * 90}\n" for number in range(5_000))
    more = drop("drops/demo/items/incremental/more.csv", "ITEM_ID,PRICE,CATEGORY_L1,NAME\n" + rows)
    check(more, None)
    table = item_files.table(bucket, BUCKET, "demo")
    assert table is not None
    assert table.shards == 16
    entries = fresh().find("demo", ["1082185", "995242", "i0", "i4999"], ("NAME",), 5.0)
    assert {item: told["NAME"][:8] for item, told in entries.items()} == {
        "1082185": "Tomato s",
        "995242": "Oat milk",
        "i0": "nnnnnnnn",
        "i4999": "nnnnnnnn",
    }
    # A second time changes nothing.
    check(more, None)
    again = item_files.table(bucket, BUCKET, "demo")
    assert again is not None
    assert (again.version, again.shards) == (table.version, 16)


def test_items_that_are_dropped_again_and_again_need_no_more_files(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    rows = "".join(f"i{number},{number}.5,cat,{'n' * 90}\n" for number in range(400))
    columns = "ITEM_ID,PRICE,CATEGORY_L1,NAME\n"
    plan: Any = check(drop("drops/demo/items/items.csv", columns + rows), None)
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    personalize.says("DescribeSchema", {"schema": {"schema": plan["schema"]["text"]}})
    for day in range(6):
        check({**drop("drops/demo/items/incremental/day.csv", columns + rows), "run": f"run-{day}"}, None)
    table = item_files.table(bucket, BUCKET, "demo")
    assert table is not None
    assert table.shards == 1
    assert table.size < 4 * item_table.SHARD_BYTES


def test_a_put_of_an_item_leaves_out_what_a_drop_would(drop: Drop, bucket: "S3Client") -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    item_files.change(bucket, BUCKET, "demo", "995242", {"NAME": "x" * 20_000, "CATEGORY_L1": "", "PRICE": 2})
    assert fresh().find("demo", ["995242"], ("NAME", "CATEGORY_L1", "PRICE"), 5.0) == {"995242": {"PRICE": "2"}}


def test_a_put_of_an_item_changes_what_is_shown(drop: Drop, recommends: FakePersonalize) -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    assert shown()[1] == MILK
    event = {**load("api_put_item"), "path": "/shops/demo/items/995242"}
    event["pathParameters"] = {"shop": "demo", "itemId": "995242"}
    event["body"] = '{"properties": {"PRICE": 0.89, "categoryL1": "dairy & eggs"}}'
    assert events_app.handler(event, None)["statusCode"] == 202
    assert recommends.body_of("PutItems")["items"][0]["itemId"] == "995242"
    app.ITEMS = fresh()
    assert shown() == [SOUP, {"PRICE": "0.89", "CATEGORY_L1": "dairy & eggs"}]


def test_a_bucket_that_does_not_answer_costs_names_and_no_answer(
    drop: Drop,
    recommends: FakePersonalize,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)

    given_up, answered = threading.Event(), threading.Event()

    def hang(_key: str) -> bytes | None:
        if not answered.wait(BOUND):
            given_up.set()
        return None

    monkeypatch.setattr(app, "ITEMS", item_table.ShownItems(hang))
    assert shown() == [None, None]
    answered.set()
    assert not given_up.is_set()


def test_a_shop_without_a_table_answers_without_names(bucket: "S3Client", recommends: FakePersonalize) -> None:  # noqa: ARG001
    assert shown() == [None, None]


def test_a_new_whole_drop_replaces_the_table_and_forgets_old_ones(drop: Drop, bucket: "S3Client") -> None:
    versions = []
    for run in ("run-a", "run-b", "run-c"):
        check({**drop("drops/demo/items/items.csv", ITEMS), "run": run}, None)
        table = item_files.table(bucket, BUCKET, "demo")
        assert table is not None
        versions.append(table.version)
    keys = [
        content["Key"]
        for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix=item_table.folder("demo"))["Contents"]
    ]
    assert {key.split("/")[3] for key in keys} == {"table.json", *versions[1:]}


def test_a_drop_that_is_checked_again_makes_the_same_table(drop: Drop, bucket: "S3Client") -> None:
    # The table of before stays for those who still read it.
    for run in ("run-a", "run-b", "run-b"):
        check({**drop("drops/demo/items/items.csv", ITEMS), "run": run}, None)
    keys = [
        content["Key"]
        for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix=item_table.folder("demo"))["Contents"]
    ]
    table = item_files.table(bucket, BUCKET, "demo")
    assert table is not None
    assert table.previous
    assert {key.split("/")[3] for key in keys} == {"table.json", table.version, table.previous}
    check({**drop("drops/demo/items/items.csv", ITEMS), "run": "run-b"}, None)
    assert item_files.table(bucket, BUCKET, "demo") == table


def test_a_large_catalogue_is_read_by_the_files_that_an_answer_needs(bucket: "S3Client", drop: Drop) -> None:
    rows = "".join(f"i{number},{number}.5,cat,{'n' * 90}\n" for number in range(5_000))
    check(drop("drops/demo/items/items.csv", "ITEM_ID,PRICE,CATEGORY_L1,NAME\n" + rows), None)
    table = item_files.table(bucket, BUCKET, "demo")
    assert table is not None
    assert table.shards == 16
    read_keys: list[str] = []
    read = item_table.fetch(lambda: bucket, lambda: BUCKET)

    def fetch(key: str) -> bytes | None:
        read_keys.append(key)
        return read(key)

    items = PatientItems(fetch)
    assert items.find("demo", ["i7", "unknown"], ("PRICE",), 5.0) == {"i7": {"PRICE": "7.5"}}
    assert len(read_keys) <= 3
    assert items.find("demo", ["i7"], ("PRICE",), 5.0) == {"i7": {"PRICE": "7.5"}}
    assert len(read_keys) <= 3


def test_a_reader_takes_up_changes_without_an_answers_waiting(drop: Drop, bucket: "S3Client") -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    now = 0.0
    items = PatientItems(item_table.fetch(lambda: bucket, lambda: BUCKET), lambda: now)

    def price() -> dict[str, dict[str, str]]:
        return items.find("demo", ["995242"], ("PRICE",), 5.0)

    assert price() == {"995242": {"PRICE": "0.99"}}
    item_files.change(bucket, BUCKET, "demo", "995242", {"price": 2})
    assert price() == {"995242": {"PRICE": "0.99"}}
    now += TABLE_SECONDS
    until(lambda: price() == {"995242": {"PRICE": "2"}}, "the change is shown")


@pytest.mark.parametrize("asks_between", [False, True])
def test_the_first_answer_after_a_quiet_time_shows_the_change(
    asks_between: bool,
    drop: Drop,
    bucket: "S3Client",
) -> None:
    """A reader that looked for a newer table and was not asked again must not show what it got then."""
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    now = 0.0
    items = item_table.ShownItems(item_table.fetch(lambda: bucket, lambda: BUCKET), lambda: now)
    assert items.find("demo", ["995242"], ("PRICE",), 5.0) == {"995242": {"PRICE": "0.99"}}
    if asks_between:
        now += TABLE_SECONDS
        items.find("demo", ["995242"], ("PRICE",), 5.0)
    item_files.change(bucket, BUCKET, "demo", "995242", {"price": 2})
    now += 60.0
    assert items.find("demo", ["995242"], ("PRICE",), 5.0) == {"995242": {"PRICE": "2"}}


def test_answers_show_a_description_only_where_they_name_it(drop: Drop, bucket: "S3Client") -> None:
    check(drop("drops/demo/items/items.csv", ITEMS.replace("NAME", "LONG_DESCRIPTION")), None)
    table = item_files.table(bucket, BUCKET, "demo")
    assert table is not None
    assert (table.columns, table.shown) == (("PRICE", "CATEGORY_L1", "LONG_DESCRIPTION"), ("PRICE", "CATEGORY_L1"))


def test_a_put_follows_a_table_that_is_replaced_meanwhile(drop: Drop, bucket: "S3Client") -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    again = iter(({**drop("drops/demo/items/items.csv", ITEMS), "run": "run-b"},))

    class Meanwhile:
        """The bucket, in which a whole drop is checked between two writes of the PUT."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any member of the client
            return getattr(bucket, name)

        def put_object(self, **request: Any) -> Any:  # noqa: ANN401 - as the client's
            answer = bucket.put_object(**request)
            for dropped in again:
                check(dropped, None)
            return answer

    item_files.change(cast("S3Client", Meanwhile()), BUCKET, "demo", "995242", {"price": 2})
    assert fresh().find("demo", ["995242"], ("PRICE",), 5.0) == {"995242": {"PRICE": "2"}}


@pytest.mark.usefixtures("personalize")
def test_a_put_that_answers_would_not_show_is_refused() -> None:
    put = {**load("api_put_item"), "path": "/shops/demo/items/995242", "body": '{"properties": {"PRICE": 0.89}}'}
    put["pathParameters"] = {"shop": "demo", "itemId": "995242"}
    with changed("BUCKET", "not-there"):
        told = events_app.handler(put, None)
    assert (told["statusCode"], "put it again" in body(told)["detail"]) == (503, True)


def test_files_that_come_too_late_are_not_kept_for_ever() -> None:
    class File(bytes):
        there = 0

        def __init__(self, *_: object) -> None:
            File.there += 1

        def __del__(self) -> None:
            File.there -= 1

    came, answers = list[str](), threading.Event()

    def fetch(key: str) -> bytes | None:
        if key == item_table.document_key("demo"):
            return json.dumps(
                item_table.Table(version="v", shards=item_table.MAX_SHARDS, columns=("NAME",)).as_json()
            ).encode()
        answers.wait(BOUND)
        came.append(key)
        return File(item_table.pack([]))

    items = item_table.ShownItems(fetch)
    assert items.find("demo", [], ("NAME",), 5.0) == {}
    late = 2 * MAX_PENDING
    files = {item_table.hashed(f"i{number}") % item_table.MAX_SHARDS for number in range(late)}
    assert items.find("demo", [f"i{number}" for number in range(late)], ("NAME",), 0.0) == {}
    answers.set()
    until(lambda: len(came) >= len(files), "every file has come")
    items.find("demo", ["j"], ("NAME",), 5.0)
    items.find("demo", ["k"], ("NAME",), 5.0)
    assert File.there < MAX_PENDING


def sells(personalize: FakePersonalize) -> None:
    personalize.says("ListEventTrackers", {"eventTrackers": [{"eventTrackerArn": "t", "status": "ACTIVE"}]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})


def best(table: "DynamoDBClient") -> list[str]:
    return [str(bestseller["itemId"]) for bestseller in bestsellers.read(table, TABLE, "demo")]


def claimed(table: "DynamoDBClient", key: str, run: str) -> None:
    claim = Claim(id=key, shop="demo", kind="interactions", key=key, state="done", run=run)
    release_store.put(table, TABLE, {**claim.as_json(), "record": f"{PREFIX}{claim.id}"})  # type: ignore[dict-item]


def test_each_promotion_lists_what_was_sold_in_the_whole_history(
    drop: Drop, bucket: "S3Client", table: "DynamoDBClient", personalize: FakePersonalize
) -> None:
    sells(personalize)
    views = "".join(f"u{row},seen,{1_700_000_000 + row},0,View\n" for row in range(2000))
    rows = interactions(header="USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE,EVENT_TYPE").replace(".5\n", ".5,Purchase\n")
    plan: Any = check(drop(HISTORY, rows + views), None)
    check(drop("drops/demo/items/items.csv", ITEMS + "i0,2,cat,Nought\n"), None)
    claimed(table, HISTORY, "r1")
    event = load("update_campaign_release")
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    items = '{"fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "PRICE", "type": "float"}]}'
    personalize.says("DescribeSchema", {"schema": {"schema": items}})
    promote({**event, "plan": {**event["plan"], "run": "r1"}}, None)
    ranked = best(table)
    # What nobody bought comes last, and no campaign is asked.
    assert (len(ranked), ranked[0], ranked[-1]) == (51, "i0", "seen")
    assert "GetRecommendations" not in personalize.operations()
    assert bestsellers.read(table, TABLE, "demo")[0] == {"itemId": "i0"}

    # An incremental drop adds to it.
    personalize.reset()
    sells(personalize)
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/sold"}})
    personalize.says("DescribeSchema", {"schema": {"schema": plan["schema"]["text"]}})
    day = "".join(f"u{row % 100},i7,{1_700_100_000 + row},0,Purchase\n" for row in range(1000))
    told = check(drop(MORE, "USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE,EVENT_TYPE\n" + day), None)
    assert told["rows"] == 1000
    promote({**event, "plan": {**event["plan"], "run": "r2"}}, None)
    assert (len(best(table)), best(table)[0]) == (51, "i7")
    # However often the step is repeated.
    promote({**event, "plan": {**event["plan"], "run": "r2"}}, None)
    assert (len(best(table)), best(table)[0]) == (51, "i7")
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="catalogue/demo/sold/")["Contents"]
    assert len(listed) == 1


def test_a_shop_that_was_never_counted_asks_a_campaign(
    bucket: "S3Client",  # noqa: ARG001
    table: "DynamoDBClient",
    personalize: FakePersonalize,
) -> None:
    sells(personalize)
    personalize.says("GetRecommendations", RECOMMENDED)
    promote(load("update_campaign_release"), None)
    assert best(table) == ["1082185", "995242"]


@pytest.fixture
def without_popularity(table: "DynamoDBClient") -> None:
    """A release of a shop whose baseline has no campaign, and the list of its bestsellers."""
    campaigns: Any = RELEASE["campaigns"]
    served = {alias: campaign for alias, campaign in campaigns.items() if alias != "popularity-count"}
    slot = {"recipe": "popularity-count", "limit": 2, "fallback": "popular", "filterValues": {}, "context": {}}
    placements: Any = {"top": {**slot, "promotions": []}}
    release_store.put(table, TABLE, {**RELEASE, "campaigns": served, "placements": placements})
    ids = [f"best-{number}" for number in range(500)]
    release_store.put(table, TABLE, record("demo", "run-1", "2026-11-25T08:30:00Z", ids))


@pytest.mark.usefixtures("without_popularity")
def test_popular_items_are_the_bestsellers(personalize: FakePersonalize, drop: Drop) -> None:
    check(drop("drops/demo/items/items.csv", ITEMS), None)
    personalize.reset()
    told = body(answer({**load("api_popular"), "queryStringParameters": {"limit": "3"}}, None))
    assert [item["itemId"] for item in told["items"]] == ["best-0", "best-1", "best-2"]
    assert {item["source"] for item in told["items"]} == {"bestsellers"}
    assert told["items"][0]["metadata"] == {"PRICE": "3", "CATEGORY_L1": "dairy", "NAME": "Cream"}
    assert (told["recommendationId"], "degraded" in told, personalize.calls) == (None, False, [])
    following = {**load("api_popular"), "queryStringParameters": {"limit": "3", "next": told["next"]}}
    assert [item["itemId"] for item in body(answer(following, None))["items"]] == ["best-3", "best-4", "best-5"]
    every = body(answer({**load("api_popular"), "queryStringParameters": {"limit": "500"}}, None))
    assert len(every["items"]) == 500


@pytest.mark.usefixtures("without_popularity")
def test_popular_items_with_a_filter_are_asked_of_user_personalization(recommends: FakePersonalize) -> None:
    told = body(answer({**load("api_popular"), "queryStringParameters": {"filter": "not-purchased"}}, None))
    assert {item["source"] for item in told["items"]} == {"campaign"}
    call = recommends.body_of("GetRecommendations")
    assert call["campaignArn"].endswith("user-personalization")
    assert (call["userId"], "filterArn" in call) == ("nobody-in-particular", True)


@pytest.mark.usefixtures("without_popularity")
def test_a_placement_shows_the_bestsellers(personalize: FakePersonalize) -> None:
    event = {**load("api_placement"), "path": "/shops/demo/users/2375/placements/top"}
    event["pathParameters"] = {"shop": "demo", "userId": "2375", "placement": "top"}
    told = body(answer(event, None))
    assert [item["itemId"] for item in told["items"]] == ["best-0", "best-1"]
    assert personalize.calls == []


@pytest.mark.usefixtures("without_popularity")
def test_what_a_failing_campaign_filters_is_asked_of_user_personalization(personalize: FakePersonalize) -> None:
    personalize.fails("GetRecommendations", "ThrottlingException")
    personalize.fails("GetRecommendations", "ThrottlingException")
    personalize.says("GetRecommendations", RECOMMENDED)
    event = {**load("api_similar"), "queryStringParameters": {"filter": "not-purchased"}}
    told = body(answer(event, None))
    assert told["degraded"] is True
    call = personalize.body_of("GetRecommendations")
    assert call["campaignArn"].endswith("user-personalization")
    assert "itemId" not in call


@pytest.mark.usefixtures("without_popularity")
def test_a_page_of_bestsellers_without_a_list_waits_once_for_a_campaign_that_hangs(
    table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    release = release_store.get(table, TABLE, "demo", "release")
    assert release is not None
    names = ["top", "best", "most"]
    release_store.put(table, TABLE, {**release, "placements": dict.fromkeys(names, release["placements"]["top"])})
    release_store.delete(table, TABLE, "demo", "bestsellers")
    clock = Clock(together=len(names))
    monkeypatch.setattr(app, "FALLBACK", FallbackChain(errors.reason, lambda *_: [], clock))
    event = {**load("api_placements"), "body": json.dumps({"placements": names})}
    with silence([clients.runtime_once()], clock.hang):
        answer(event, None)
    assert 0 < clock.now <= BUDGET_SECONDS
