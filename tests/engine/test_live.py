# SPDX-License-Identifier: Apache-2.0
"""What an engine's answers know of live events: each event once, in order, whoever is killed, until an erasure."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from personalization.core.aws import clients
from personalization.engine.events import Events
from personalization.engine.live import Erasure, LiveTable

from tests.engine.small_table import SmallTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "retail-live"
Client = Any
"""A client of DynamoDB, or what stands for it."""
NOW = 1_795_594_813.0
_GROUPS = count()


def milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


class Killed(Exception):
    """The function was stopped."""


class Mortal:
    """A client whose function is stopped before a call; it counts the calls."""

    def __init__(self, client: "DynamoDBClient", until: int | None = None) -> None:
        self._client, self._until, self.calls = client, until, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: object) -> object:
            if self.calls == self._until:
                raise Killed
            self.calls += 1
            return getattr(self._client, name)(**request)

        return call


class Shop:
    """A dataset group in the table, with a clock that tests move."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self.client, self.group, self.now = client, f"retail-{next(_GROUPS)}", NOW
        self.checked: list[tuple[str, str, Sequence[Mapping[str, Any]]]] = []

    def events(self, client: Client = None) -> Events:
        return Events(client or self.client, TABLE, lambda: self.now, lambda *call: self.checked.append(call))

    def put(
        self, event_id: str, user: str | None = None, session: str = "s", client: Client = None, **more: object
    ) -> None:
        event = {"eventId": event_id, "eventType": "View", "itemId": f"i-{event_id}", "sentAt": int(self.now)}
        who = {} if user is None else {"userId": user}
        self.events(client).put_events(
            trackingId=f"engine:{self.group}", sessionId=session, eventList=[event | more], **who
        )

    def dataset(self, kind: str) -> str:
        return f"arn:aws:engine:us-east-1:123456789012:dataset/{self.group}/{kind}"

    def events_of(self, user: str, cut: int = 0) -> list[tuple[str, str, float, str, float | None]]:
        """A user's events: id, item, time, type and value."""
        return [
            (event.event_id, event.item_id, event.at, event.event_type, event.event_value)
            for event in LiveTable(self.client, TABLE).of_user(self.group, user, cut).events
        ]

    def ids(self, user: str, cut: int = 0) -> list[str]:
        return [event_id for event_id, *_ in self.events_of(user, cut)]

    def facts(self, user: str) -> tuple[object, int, bool]:
        """A user's properties, until when they are erased, and whether they are leaving."""
        read = LiveTable(self.client, TABLE).of_user(self.group, user, 0)
        return read.properties, read.erased, read.leaving

    def sorts(self, partition: str) -> list[str]:
        """The sort keys in a partition."""
        values: Any = {":p": {"S": f"{self.group}{partition}"}}
        page = self.client.query(TableName=TABLE, KeyConditionExpression="p = :p", ExpressionAttributeValues=values)
        return [item["s"]["S"] for item in page["Items"]]

    def forget(self, user: str, client: Client = None) -> int:
        return Erasure(client or self.client, TABLE).forget(self.group, user, self.now)


@pytest.fixture(scope="module")
def dynamodb() -> Iterator["DynamoDBClient"]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        clients.forget()
        client = clients.dynamodb()
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("p", "s")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client
    clients.forget()


@pytest.fixture(params=["moto", "small"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """A dataset group in moto's DynamoDB, and in ours that is quick."""
    return small_shop() if request.param == "small" else Shop(request.getfixturevalue("dynamodb"))


def small_shop() -> Shop:
    table: Any = SmallTable()
    return Shop(table)


def test_an_event_is_in_the_next_answer_and_counts_once(shop: Shop) -> None:
    shop.put("a", "u", eventValue=2.5)
    shop.now += 60
    shop.put("b", "u", properties='{"itemId": "other"}')
    shop.put("a", "u", itemId="changed")
    shop.put("a", "another", session="t")
    assert shop.events_of("u") == [("a", "i-a", NOW, "View", 2.5), ("b", "i-b", NOW + 60, "View", None)]
    assert shop.ids("another") == []


@given(
    calls=st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 9)),
        min_size=1,
        max_size=5,
    )
)
def test_any_order_of_calls_and_repetitions_keeps_the_first_event_of_each_id(
    calls: list[tuple[str, list[int], int]],
) -> None:
    shop = small_shop()
    expected: dict[str, tuple[str, int]] = {}
    for user, ids, later in calls:
        shop.now += later + 0.01
        events = [
            {"eventId": str(name), "eventType": "View", "itemId": "i", "sentAt": int(shop.now) - name} for name in ids
        ]
        for _ in range(2):
            shop.events().put_events(trackingId=f"engine:{shop.group}", sessionId=user, userId=user, eventList=events)
        for name in ids:
            expected.setdefault(str(name), (user, int(shop.now) - name))
    for user in "ab":
        wanted = [(at, name) for name, (who, at) in expected.items() if who == user]
        assert [(at, name) for name, _, at, *_ in shop.events_of(user)] == wanted


def test_a_hundred_of_the_newest_events_are_read_at_once() -> None:
    shop = small_shop()
    for number in range(0, 110, 10):
        shop.now += 1
        events = [
            {"eventId": f"{number + part:03d}", "eventType": "View", "itemId": "i", "sentAt": int(shop.now)}
            for part in range(10)
        ]
        shop.events().put_events(trackingId=f"engine:{shop.group}", sessionId="s", userId="u", eventList=events)
    shop.events().put_users(datasetArn=shop.dataset("USERS"), users=[{"userId": "u", "properties": '{"age": 3}'}])
    reading: Any = Mortal(shop.client)
    user = LiveTable(reading, TABLE).of_user(shop.group, "u", 0)
    assert [event.event_id for event in user.events] == [f"{number:03d}" for number in range(10, 110)]
    assert (user.properties, reading.calls) == ({"age": 3}, 1)


def test_only_what_was_stored_after_the_cut_is_read_whatever_its_own_time(shop: Shop) -> None:
    shop.put("old", "u", sentAt=int(NOW) + 9)
    cut = milliseconds(shop.now)
    shop.now += 0.001
    shop.put("new", "u", sentAt=int(NOW) - 86_400)
    assert shop.ids("u", cut) == ["new"]
    assert shop.ids("u", cut - 1) == ["old", "new"]


def test_containers_whose_clocks_differ_store_each_event_once_and_an_erasure_hides_all(shop: Shop) -> None:
    ahead, behind = shop.now + 29, shop.now - 29
    for clock, event in ((ahead, "a"), (behind, "b"), (behind, "a"), (ahead, "b")):
        shop.now = clock
        shop.put(event, "u")
    assert shop.ids("u") == ["b", "a"]
    # A round whose clock is behind erases what a container stored whose clock is ahead.
    shop.now = behind
    shop.forget("u")
    Erasure(shop.client, TABLE).end_erasure(shop.group, "u", behind)
    assert shop.ids("u") == []


def test_a_log_in_gives_the_events_of_its_session_to_the_user(shop: Shop) -> None:
    shop.put("a")
    assert shop.ids("s") == ["a"]
    cut = milliseconds(shop.now + 1)
    shop.now += 10
    shop.put("b", "u")
    shop.now += 10
    shop.put("c")
    # What became the user's after the cut, though it was stored before it.
    assert (shop.ids("u", cut), shop.ids("s")) == (["a", "b", "c"], [])
    shop.now += 10
    shop.put("d", "other")
    shop.put("e")
    assert (shop.ids("u"), shop.ids("other")) == (["a", "b", "c"], ["d", "e"])


def test_an_old_call_that_comes_again_takes_a_session_from_nobody(shop: Shop) -> None:
    shop.put("a", "first")
    shop.now += 10
    shop.put("b", "second")
    shop.now += 10
    shop.put("a", "first")
    shop.put("c")
    assert shop.ids("second") == ["b", "c"]


def test_an_event_beside_the_log_in_of_its_session_is_moved_by_whoever_sees_the_other(shop: Shop) -> None:
    class Beside(Mortal):
        """A client whose session logs in when its event is stored."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "get_item":
                shop.put("b", "u")
            return super().__getattr__(name)

    shop.put("a", client=Beside(shop.client))
    assert (shop.ids("u"), shop.ids("s")) == (["a", "b"], [])


def test_two_calls_that_move_the_same_events_move_them_once(shop: Shop) -> None:
    shop.put("a")

    class Beside(Mortal):
        """A client that is slow to move events."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "transact_write_items" and self.calls == 5:
                shop.put("c", "u")
            return super().__getattr__(name)

    beside = Beside(shop.client)
    shop.put("b", "u", client=beside)
    assert beside.calls == 7
    assert (shop.ids("u"), shop.ids("s")) == (["a", "b", "c"], [])


def test_whatever_is_killed_and_comes_again_is_as_if_it_had_not_been_killed() -> None:
    def play(kill: int | None) -> tuple[list[tuple[Sequence[tuple[object, ...]], object, bool]], int]:
        """Let a visitor come, log in and be erased, with a stop before a call."""
        shop, calls = small_shop(), 0
        properties = json.dumps({"age": 30})

        def put_user(client: Client) -> None:
            shop.events(client).put_users(
                datasetArn=shop.dataset("USERS"), users=[{"userId": "u", "properties": properties}]
            )

        steps: list[Callable[[Any], object]] = [
            lambda client: shop.put("a", client=client),
            put_user,
            lambda client: shop.put("b", "u", client=client),
            lambda client: shop.put("c", client=client),
            lambda client: shop.put("z", "gone", "t", client=client),
            lambda client: shop.forget("gone", client=client),
            lambda client: Erasure(client, TABLE).end_erasure(shop.group, "gone", shop.now),
        ]
        for step in steps:
            client = Mortal(shop.client, None if kill is None else kill - calls)
            try:
                step(client)
            except Killed:
                kill = None
                shop.now += 0.5
                step(shop.client)
            calls += client.calls
            shop.now = float(int(shop.now) + 10)
        names = ("u", "s", "gone", "t")
        return [(shop.events_of(name), shop.facts(name)[0], shop.facts(name)[2]) for name in names], calls

    expected, calls = play(None)
    assert calls > 20
    assert [play(kill)[0] for kill in range(calls)] == [expected] * calls
    assert [event_id for event_id, *_ in expected[0][0]] == ["a", "b", "c"]


def test_an_erased_user_comes_back_with_nothing_of_before(shop: Shop) -> None:
    shop.put("a")
    shop.put("b", "u")
    shop.events().put_users(datasetArn=shop.dataset("USERS"), users=[{"userId": "u", "properties": '{"age": 3}'}])
    shop.now += 120
    erased = shop.forget("u")
    assert (shop.ids("u"), shop.facts("u")) == ([], (None, erased, True))
    partitions = ("#u", "@u", "#s", "=a", "=b", "+users#2026-11-25")
    assert [(name, sort) for name in partitions for sort in shop.sorts(name)] == [
        ("#u", "erased"),
        ("=a", "event"),
        ("=b", "event"),
    ]
    # What comes again from a queue, and what comes meanwhile.
    shop.now += 120
    shop.put("b", "u")
    shop.put("c", "u", session="later")
    assert not shop.ids("u")
    Erasure(shop.client, TABLE).end_erasure(shop.group, "u", shop.now)
    assert (shop.ids("u"), shop.facts("u")) == (["c"], (None, erased, False))
    Erasure(shop.client, TABLE).end_erasure(shop.group, "stranger", shop.now)
    assert shop.facts("stranger") == (None, 0, False)


def test_put_items_are_read_after_a_cut_the_newest_record_of_each(shop: Shop) -> None:
    arn = shop.dataset("ITEMS")
    for price, item in enumerate(("i", "j", "i", "長" * 256)):
        shop.now += 1
        shop.events().put_items(datasetArn=arn, items=[{"itemId": item, "properties": f'{{"price": {price}}}'}])
    cut = milliseconds(NOW)
    puts = LiveTable(shop.client, TABLE).puts_of_items(shop.group, cut)
    assert [(put.id, put.properties["price"]) for put in puts] == [("j", 1), ("i", 2), ("長" * 256, 3)]
    later = LiveTable(shop.client, TABLE).puts_of_items(shop.group, puts[1].stored)
    assert [put.id for put in later] == ["長" * 256]
    # Of each item the newest record alone is stored.
    assert len(shop.sorts("+items")) == 3


def test_put_users_are_read_day_by_day_for_a_training(shop: Shop) -> None:
    for age in range(3):
        shop.events().put_users(
            datasetArn=shop.dataset("USERS"), users=[{"userId": "u", "properties": f'{{"age": {age}}}'}]
        )
        shop.now += 40_000
    puts = LiveTable(shop.client, TABLE).puts_of_users(shop.group, milliseconds(NOW) - 1, milliseconds(shop.now))
    days = {f"{datetime.fromtimestamp(NOW + 40_000 * number, UTC):%d}": number for number in range(3)}
    assert [put.properties["age"] for put in puts] == list(days.values())
