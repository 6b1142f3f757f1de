# SPDX-License-Identifier: Apache-2.0
"""All events of a shop for an engine's trainings: taken over from the copies of accepted events, once and for good.

Copies (`events/<shop>/<day>/…csv`) come in any order, some hours late, some twice, and expire. So they are folded into
a file for each day, `engine/<shop>/events/<day>.jsonl.gz`: its first line names the copies that it has, with their
sizes, and each other line is an event. A day is folded again when there is a copy that its file does not name, and an
event is known by its id; so a fold may be killed and repeated, and copies that come late are in the next training.
A fold holds the digests of a day's ids in memory, about 70 MB a million events, and reads a day of which nothing is new
no further than its first line.
"""

import csv
import gzip
import hashlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

from personalization.core.aws import objects
from personalization.core.aws.errors import holds, none_if_missing
from personalization.core.errors import Broken, RetryLater

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LATE_SECONDS = 90 * 86_400
"""How long copies of an erased user's events are refused: longer than copies are kept."""
_MARK = "STREAMED_TO"
_COPY = re.compile(r"(?P<day>\d{4}/\d\d/\d\d)/(?P<name>[^/]+\.csv)")
_ERASED = "erased.json"
_END = ".jsonl.gz"
compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class ArchivedEvent(NamedTuple):
    """An accepted event with an item."""

    accepted: int
    """Epoch seconds."""
    event_id: str
    session_id: str
    user_id: str
    """Empty for a session's without a user."""
    item_id: str
    event_type: str
    sent_at: float
    event_value: float | None
    recommendation_id: str
    impression: str
    """Ids, joined by `|`."""
    properties: str
    """JSON with keys in camelCase; empty without any."""


def copied(lines: Iterable[str]) -> Iterator[ArchivedEvent]:
    """Parse the events of a copy that have an item.

    Raises:
        ValueError, KeyError: it is not a copy of events.
    """
    for row in csv.DictReader(lines, strict=True):
        if row["ITEM_ID"]:
            yield ArchivedEvent(
                accepted=int(row[_MARK].rpartition("/")[2]),
                event_id=row["EVENT_ID"],
                session_id=row["SESSION_ID"],
                user_id=row["USER_ID"],
                item_id=row["ITEM_ID"],
                event_type=row["EVENT_TYPE"],
                sent_at=float(row["TIMESTAMP"]),
                event_value=float(row["EVENT_VALUE"]) if row["EVENT_VALUE"] else None,
                recommendation_id=row["RECOMMENDATION_ID"],
                impression=row["IMPRESSION"],
                properties=row["PROPERTIES"],
            )


def distinct(events: Iterable[ArchivedEvent]) -> Iterator[ArchivedEvent]:
    """Yield the first event of each id."""
    ids: set[bytes] = set()
    for event in events:
        digest = hashlib.blake2b(event.event_id.encode(), digest_size=8).digest()
        if digest not in ids:
            ids.add(digest)
            yield event


def remaining(events: Iterable[ArchivedEvent], erased: Mapping[str, int]) -> Iterator[ArchivedEvent]:
    """Yield the events that no erasure takes, by digests of users and sessions and the seconds of their erasures.

    Of a session with a log-in of the user, the events without a user go as well.
    """
    return (event for event in events if not _is_taken(event, erased))


def _is_taken(event: ArchivedEvent, erased: Mapping[str, int]) -> bool:
    name = person(event.user_id) if event.user_id else session(event.session_id)
    return event.accepted <= erased.get(name, -1)


def person(user_id: str) -> str:
    return _digest(f"user {user_id}")


def session(session_id: str) -> str:
    return _digest(f"session {session_id}")


class Archive:
    """The events of a shop.

    A call that is killed may be repeated. Two at once do not mix: the slower one raises RetryLater.
    """

    def __init__(self, client: "S3Client", bucket: str, shop: str, since: int = 0) -> None:
        """Name the shop; events before `since` (epoch seconds) belonged to an earlier one of this name."""
        self._client = client
        self._bucket = bucket
        self._copies = f"events/{shop}/"
        self._folder = f"engine/{shop}/events/"
        self._since = since

    def fold(self, late: Callable[[], bool] = lambda: False) -> int:
        """Take over all copies that are new; return how many.

        Raises:
            RetryLater: the time is over, or another fold was faster; the next call continues.
            Broken: a copy is damaged.
        """
        days: dict[str, dict[str, int]] = defaultdict(dict)
        for key, size in objects.list_sizes(self._client, self._bucket, self._copies):
            if match := _COPY.fullmatch(key.removeprefix(self._copies)):
                days[match["day"]][match["name"]] = size
        erased = self.erased()
        taken = 0
        for folder, copies in sorted(days.items()):
            if late():
                raise RetryLater(self._folder, "no time was left to take over all events")
            taken += self._fold(folder, copies, erased)
        return taken

    def events(self, until: int, first: int = 0) -> Iterator[ArchivedEvent]:
        """Iterate over the events that were accepted until an epoch second: by days, in the order of their copies.

        Days before that of the epoch second `first` are left out.
        """
        begin = f"{self._folder}{datetime.fromtimestamp(first, UTC):%Y-%m-%d}"
        for key in self._days():
            if key < begin:
                continue
            with self._reading(key) as day:
                yield from (event for event in day.events if self._since <= event.accepted <= until)

    def forget(self, users: Collection[str], now: int, late: Callable[[], bool] = lambda: False) -> None:
        """Delete the events of users, and those of their sessions that a log-in made theirs.

        Raises:
            RetryLater: the time is over; the next call begins anew.
        """
        self.fold(late)
        sessions = {event.session_id for event in self.events(now) if event.user_id in users}
        keep_from = now - LATE_SECONDS
        erased = {name: second for name, second in self.erased().items() if second > keep_from}
        erased |= dict.fromkeys([*map(person, users), *map(session, sessions)], now)
        objects.put_json(self._client, self._bucket, self._folder + _ERASED, erased)
        # A fold that read the digests before took over no copy that this one does not: one of both is the slower.
        self.fold(late)
        for key in self._days():
            if late():
                raise RetryLater(key, "no time was left to remove users from it")
            with self._reading(key) as day:
                is_among = any(_is_taken(event, erased) for event in day.events)
            if is_among:
                with self._reading(key) as day:
                    self._put(key, day.copies, remaining(day.events, erased), day.tag)

    def _days(self) -> list[str]:
        keys = objects.list_keys(self._client, self._bucket, self._folder)
        return sorted(key for key in keys if key.endswith(_END))

    def _fold(self, folder: str, copies: Mapping[str, int], erased: Mapping[str, int]) -> int:
        """Fold the copies of a day, `<year>/<month>/<day>`."""
        key = f"{self._folder}{folder.replace('/', '-')}{_END}"
        with self._reading(key) as day:
            new = sorted(name for name, size in copies.items() if day.copies.get(name) != size)
            if new:
                fresh = (event for name in new for event in self._copy(f"{self._copies}{folder}/{name}"))
                events = distinct(chain(day.events, remaining(fresh, erased)))
                self._put(key, {**day.copies, **{name: copies[name] for name in new}}, events, day.tag)
        return len(new)

    def _copy(self, key: str) -> Iterator[ArchivedEvent]:
        data = objects.required_bytes(self._client, self._bucket, key)
        try:
            yield from copied(io.StringIO(data.decode(), newline=""))
        except (ValueError, KeyError, csv.Error) as error:
            raise Broken(key, f"it is not a copy of events: {error}") from None

    @contextmanager
    def _reading(self, key: str) -> "Iterator[_Day]":
        """Open the file of a day, or one without events."""
        stored = none_if_missing(self._client.get_object, Bucket=self._bucket, Key=key)
        if stored is None:
            yield _Day({}, iter(()), None)
            return
        body: Any = stored["Body"]
        with closing(body), gzip.open(io.BufferedReader(body)) as file:
            copies = json.loads(file.readline())
            yield _Day(copies, (ArchivedEvent(*json.loads(line)) for line in file), stored["ETag"])

    def _put(self, key: str, copies: Mapping[str, int], events: Iterable[ArchivedEvent], tag: str | None) -> None:
        """Write the file of a day, unless another fold or erasure has written it since it was read."""
        with TemporaryFile() as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as target:
                for line in chain([copies], events):
                    target.write(f"{compact(line)}\n".encode())
            file.seek(0)
            unchanged: Any = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
            put = partial(self._client.put_object, Bucket=self._bucket, Key=key, Body=file)
            if not holds(put, ContentType="application/gzip", **unchanged):
                raise RetryLater(key, "another step wrote it meanwhile")

    def erased(self) -> dict[str, int]:
        """Return the digests of erased users and sessions, with the seconds of their erasures."""
        return objects.get_json(self._client, self._bucket, self._folder + _ERASED) or {}


@dataclass(frozen=True, slots=True)
class _Day:
    copies: Mapping[str, int]
    """The names and sizes of the copies that its file has."""
    events: Iterator[ArchivedEvent]
    tag: str | None
    """S3's tag of the file; None without one."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
