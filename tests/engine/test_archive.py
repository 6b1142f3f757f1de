# SPDX-License-Identifier: Apache-2.0
"""A training gets every accepted event of a shop once: in any order of copies, after any death, until an erasure."""

import gzip
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws
from personalization.core import names
from personalization.core.aws import clients
from personalization.core.errors import Broken, RetryLater
from personalization.engine.archive import Archive
from personalization.events import event_copies, store
from personalization.events.models import Call

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "retail-drops"
NAMES = names.Names(prefix="retail", region="us-east-1", account="123456789012")
NOON = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp())
DAY = 86_400


class Table:
    """The table of users' events, as far as it is written."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def batch_write_item(self, **request: dict[str, Any]) -> dict[str, object]:
        self.items += [put["PutRequest"]["Item"] for put in request["RequestItems"]["events"]]
        return {}


class Stream:
    """The stream of the table of users' events, whose batches the function copies."""

    def __init__(self, client: "S3Client") -> None:
        self.client = client
        self.records = 0
        self._table: Any = Table()

    def copy(self, *events: tuple[str, str | None, int], session: str = "s", shop: str = "demo") -> list[str]:
        """Copy a batch of events (id, user and second of acceptance); return its keys."""
        batch: list[dict[str, Any]] = []
        for event_id, user, accepted in events:
            event = {"eventId": event_id, "eventType": "View", "itemId": f"i-{event_id}", "sentAt": accepted - 1}
            event |= {"eventValue": 2.5, "properties": '{"a": "x, \\"y\\""}'}
            call = Call(session, user, [event])
            assert not store.note(self._table, "events", shop, calls=[call], now=accepted)
            self.records += 1
            image = self._table.items.pop()
            batch.append({"eventName": "INSERT", "eventID": f"{self.records:04d}", "dynamodb": {"NewImage": image}})
        files, foreign = event_copies.texts(batch, NAMES)
        assert not foreign
        for key, text in files.items():
            self.client.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return list(files)


class Killed(Exception):
    """The function was stopped."""


class Mortal:
    """A client whose function is stopped before a write."""

    def __init__(self, client: "S3Client", until: int) -> None:
        self._client, self._until, self.writes = client, until, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: object) -> object:
            if name == "put_object":
                if self.writes == self._until:
                    raise Killed
                self.writes += 1
            return getattr(self._client, name)(**request)

        return call


@pytest.fixture
def stream() -> Iterator[Stream]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        clients.forget()
        client = clients.s3()
        client.create_bucket(Bucket=BUCKET)
        yield Stream(client)
    clients.forget()


def archive(client: Any, since: int = 0) -> Archive:  # noqa: ANN401 - S3, or what stands for it
    return Archive(client, BUCKET, "demo", since)


def ids(stream: Stream, until: int = NOON + 9 * DAY, since: int = 0) -> list[str]:
    return [event.event_id for event in archive(stream.client, since).events(until)]


def test_a_training_gets_what_was_accepted_until_its_cut(stream: Stream) -> None:
    stream.copy(("a", "u", NOON), ("b", None, NOON + DAY))
    stream.copy(("x", "u", NOON), shop="another")
    assert archive(stream.client).fold() == 2
    assert (ids(stream), ids(stream, NOON), ids(stream, since=NOON + 1)) == (["a", "b"], ["a"], ["b"])
    (event,) = archive(stream.client).events(NOON)
    assert event._asdict() == {
        "accepted": NOON,
        "event_id": "a",
        "session_id": "s",
        "user_id": "u",
        "item_id": "i-a",
        "event_type": "View",
        "sent_at": NOON - 1,
        "event_value": 2.5,
        "recommendation_id": "",
        "impression": "",
        "properties": '{"a": "x, \\"y\\""}',
    }


def test_late_and_repeated_copies_are_taken_over_once_and_outlive_the_copies(stream: Stream) -> None:
    (first,) = stream.copy(("a", "u", NOON), ("b", "u", NOON + 1))
    folded = archive(stream.client)
    assert (folded.fold(), folded.fold()) == (1, 0)
    # The same batch began again elsewhere, and grew.
    stream.copy(("b", "u", NOON + 1), ("c", "u", NOON + 2))
    stream.copy(("late", "v", NOON - 3))
    assert (folded.fold(), ids(stream)) == (2, ["a", "b", "late", "c"])
    grown = (
        stream.client.get_object(Bucket=BUCKET, Key=first)["Body"].read() + b"u,i-d,View,1,,,,retail-demo/2,s,d,,,\n"
    )
    stream.client.put_object(Bucket=BUCKET, Key=first, Body=grown)
    assert (folded.fold(), ids(stream)) == (1, ["a", "b", "late", "c", "d"])
    for listed in stream.client.list_objects_v2(Bucket=BUCKET, Prefix="events/")["Contents"]:
        stream.client.delete_object(Bucket=BUCKET, Key=listed["Key"])
    assert (folded.fold(), ids(stream)) == (0, ["a", "b", "late", "c", "d"])


def test_a_fold_that_is_killed_and_repeated_is_as_if_it_had_not_been_killed(stream: Stream) -> None:
    for day in range(3):
        stream.copy((f"a{day}", "u", NOON + day * DAY), (f"b{day}", "u", NOON + day * DAY))
    for kill in range(3):
        with pytest.raises(Killed):
            archive(Mortal(stream.client, kill)).fold()
        assert ids(stream) == [f"{name}{day}" for day in range(kill) for name in "ab"]
        for listed in stream.client.list_objects_v2(Bucket=BUCKET, Prefix="engine/").get("Contents", []):
            stream.client.delete_object(Bucket=BUCKET, Key=listed["Key"])
    with pytest.raises(RetryLater, match="no time"):
        archive(stream.client).fold(iter([False, True]).__next__)
    assert (archive(stream.client).fold(), ids(stream)) == (2, ["a0", "b0", "a1", "b1", "a2", "b2"])


def test_a_slow_fold_does_not_undo_a_faster_one(stream: Stream) -> None:
    stream.copy(("a", "u", NOON))

    class Slow(Mortal):
        """A client beside which another fold is faster."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "put_object":
                stream.copy(("b", "u", NOON))
                archive(stream.client).fold()
            return super().__getattr__(name)

    with pytest.raises(RetryLater, match="another step"):
        archive(Slow(stream.client, -1)).fold()
    assert ids(stream) == ["a", "b"]


def test_an_erased_user_s_events_go_with_those_of_their_sessions_also_from_late_copies(stream: Stream) -> None:
    stream.copy(("a", None, NOON), ("b", "gone", NOON + 1), ("c", "u", NOON + 2))
    stream.copy(("d", None, NOON + DAY), ("e", "gone", NOON + DAY), session="t")
    stream.copy(("f", None, NOON + DAY), session="other")
    now = NOON + 2 * DAY
    for kill in range(3):
        with pytest.raises(Killed):
            archive(Mortal(stream.client, kill)).forget({"gone"}, now)
    archive(stream.client).forget({"gone"}, now)
    assert ids(stream) == ["c", "f"]
    stream.copy(("late", "gone", NOON + 5), ("back", "gone", now + 1))
    stream.copy(("g", None, NOON + 6), session="t")
    archive(stream.client).fold()
    assert ids(stream) == ["c", "f", "back"]
    for listed in stream.client.list_objects_v2(Bucket=BUCKET, Prefix="engine/")["Contents"]:
        data = stream.client.get_object(Bucket=BUCKET, Key=listed["Key"])["Body"].read()
        text = gzip.decompress(data).decode() if listed["Key"].endswith(".gz") else json.dumps(json.loads(data))
        assert '"gone"' not in text or "back" in text


def test_a_fold_that_began_before_an_erasure_brings_nobody_back(stream: Stream) -> None:
    stream.copy(("a", "u", NOON))
    archive(stream.client).fold()
    noting, goes_on = Event(), Event()

    class Erasing(Mortal):
        """A client that waits before it notes who is erased."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "put_object" and not noting.is_set():
                noting.set()
                assert goes_on.wait(30.0)
            return super().__getattr__(name)

    class Folding(Mortal):
        """A client that writes a day when the erasure has ended, which it does not know of."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "put_object":
                goes_on.set()
                erasure.result(30.0)
            return super().__getattr__(name)

    with ThreadPoolExecutor(1) as pool:
        erasure = pool.submit(archive(Erasing(stream.client, -1)).forget, {"gone"}, NOON + DAY)
        assert noting.wait(30.0)
        stream.copy(("late", "gone", NOON + 1))
        with suppress(RetryLater):
            archive(Folding(stream.client, -1)).fold()
    archive(stream.client).fold()
    assert ids(stream) == ["a"]


def test_a_file_that_is_no_copy_is_named(stream: Stream) -> None:
    stream.client.put_object(Bucket=BUCKET, Key="events/demo/2026/11/25/x.csv", Body=b"USER_ID,ITEM_ID\nu,i\n")
    stream.client.put_object(Bucket=BUCKET, Key="events/demo/notes.txt", Body=b"hello")
    with pytest.raises(Broken, match=r"x\.csv: it is not a copy of events"):
        archive(stream.client).fold()
