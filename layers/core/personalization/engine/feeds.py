# SPDX-License-Identifier: Apache-2.0
"""What changed for everybody since a training, as a container reads it: put items, and counts of what all users do.

Each has a partition of the live table. A request reads a page of it, the next request the next one, until all is read;
then what is new, when some time has passed. So no request waits long, and nothing is left out.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from personalization.core.errors import RetryLater
from personalization.engine import counting, live
from personalization.engine.counting import DIGEST_BYTES, Learned, What, digests, unpacked
from personalization.engine.put_records import records

if TYPE_CHECKING:
    from personalize_local import library

OLD_SECONDS = 120.0
"""How old counts and put items may be before the log says so."""
_REPEATED_MS = 86_400_000
"""Lambda repeats no batch that is older: DynamoDB's streams forget it."""


class _Feed:
    """The items of a partition as they come."""

    def __init__(self, partition: str, start: int) -> None:
        """Read those whose sort keys begin with a time from `start` on, in milliseconds."""
        self._partition = partition
        self._next = live.since(start)
        self._newest = start
        self._wait_until = self.whole_at = float("-inf")
        self._began: float | None = None
        self.failure: RetryLater | None = None
        """Of the last read."""

    def read(self, table: live.LiveTable, now: float, seconds: float) -> Sequence[live.Item]:
        """Return the next page; nothing so many seconds after the last one, or after a failure."""
        if now < self._wait_until:
            return ()
        if not self._next:
            self._next = live.since(self._newest - live.SETTLED_MS)
        try:
            page = table.page(self._partition, self._next)
        except RetryLater as failure:
            self.failure = failure
            self._wait_until = now + seconds
            return ()
        self.failure = None
        if self._began is None:
            self._began = now
        self._next = page.next
        if page.items:
            self._newest = max(self._newest, live.since_of(page.items[-1]))
        if not page.next:
            self.whole_at, self._began, self._wait_until = self._began, None, now + seconds
        return page.items

    @property
    def whole(self) -> bool:
        """Whether no page is left."""
        return not self._next


def _digests(row: live.Item) -> Sequence[bytes]:
    """Return the digests of a record's events; records of an earlier form name the first one alone."""
    events = row["events"]["B"] if "events" in row else digests([row["first"]["S"]])
    return [events[start : start + DIGEST_BYTES] for start in range(0, len(events), DIGEST_BYTES)]


class PutItems:
    """The items that were put to a dataset group: of each the newest record."""

    def __init__(self, group: str, schema: str, cut: int) -> None:
        """Begin with what was put after a cut; what the schema refuses came for another one."""
        from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

        self.feed = _Feed(live.items(group), cut + 1)
        self.since: library.Since = library.Since()
        """The same object while nothing changes."""
        self._schema = schema
        self._puts: dict[str, live.Put] = {}
        self._is_new = False

    def read(self, table: live.LiveTable, now: float, seconds: float) -> None:
        from personalize_local import library  # noqa: PLC0415 - as above

        for put in map(live.put_of, self.feed.read(table, now, seconds)):
            before = self._puts.get(put.id)
            if before is None or before.stored < put.stored:
                self._puts[put.id] = put
                self._is_new = True
        if self._is_new and self.feed.whole:
            puts = sorted(self._puts.values(), key=lambda put: put.stored)
            self.since, self._is_new = library.Since(items=list(records(puts, self._schema))), False


class Counts:
    """What all users of a dataset group did that a training does not know."""

    def __init__(self, group: str, learned: Learned) -> None:
        self.feed = _Feed(live.counts(group), learned.minute * 60_000 - live.SETTLED_MS)
        self.counted: Sequence[library.Counted] = ()
        """The same object while nothing changes."""
        self._written = self._delay = 0.0
        self._learned = learned
        self._total: Counter[What] = Counter()
        # By their first events, as they are stored: unpacked, a day of them would fill a function's memory.
        self._batches: dict[bytes, tuple[int, bytes]] = {}
        # When the last ones were written, with their events. What was written before them may be read after them.
        self._recent: list[tuple[int, Collection[bytes]]] = []
        self._is_new = False

    def read(self, table: live.LiveTable, now: float, seconds: float) -> None:
        for row in self.feed.read(table, now, seconds):
            self._take(row)
        if self._is_new and self.feed.whole:
            self.counted, self._is_new = self._new(), False

    def age(self, now: float) -> float:
        """Return how many seconds old the counts are: by when they were read, and by how late the last ones came."""
        delay = self._delay if now - self._written < OLD_SECONDS else 0.0
        return max(now - self.feed.whole_at, delay)

    def _take(self, row: live.Item) -> None:
        data, written, events = row["counts"]["B"], live.since_of(row), _digests(row)
        if self._batches.get(events[0]) == (written, data):
            return
        if any(later > written and events[0] in covered for later, covered in self._recent):
            return
        for event in events:
            if event in self._batches and self._batches[event][0] <= written:
                self._total.subtract(self._new_to_training(unpacked(self._batches.pop(event)[1])))
        minutes = unpacked(data)
        self._total.update(self._new_to_training(minutes))
        self._batches[events[0]] = written, data
        self._is_new = True
        self._written = written / 1000
        self._delay = self._written - (max(minutes, default=0) + 1) * 60
        self._forget(written, events)

    def _forget(self, written: int, events: Sequence[bytes]) -> None:
        """Hold the last minute's events, and the batches of a day."""
        recent = [*self._recent, (written, frozenset(events))]
        newest = max(later for later, _ in recent)
        self._recent = [batch for batch in recent if batch[0] >= newest - live.SETTLED_MS]
        while self._batches[oldest := next(iter(self._batches))][0] < written - _REPEATED_MS:
            del self._batches[oldest]

    def _new_to_training(self, minutes: counting.Counts) -> Counter[What]:
        counts: Counter[What] = Counter()
        for minute, numbers in minutes.items():
            if minute >= self._learned.minute:
                counts.update(numbers)
        return counts

    def _new(self) -> "Sequence[library.Counted]":
        from personalize_local import library  # noqa: PLC0415 - as above

        numbers = ((what, number - self._learned.counts.get(what, 0)) for what, number in self._total.items())
        return [library.Counted(*what, number) for what, number in numbers if number > 0]


@dataclass(slots=True, kw_only=True)
class Changing:
    """What changed since a version was trained."""

    items: PutItems
    """Versions of a dataset group share them."""
    counts: Counts | None
    """None if the recipe does not count what all do."""
    _changes: "library.Changes | None" = field(default=None, init=False)

    def read(self, table: live.LiveTable, now: float, seconds: float) -> "library.Changes":
        """Return it, after the next page; the same object while nothing changes, for which a recommender prepares."""
        from personalize_local import library  # noqa: PLC0415 - as above

        self.items.read(table, now, seconds)
        if self.counts:
            self.counts.read(table, now, seconds)
        counted = self.counts.counted if self.counts else ()
        changes = self._changes
        if changes is None or changes.since is not self.items.since or changes.counted is not counted:
            changes = self._changes = library.Changes(self.items.since, counted)
        return changes

    def read_all(self, table: live.LiveTable, now: float) -> "library.Changes":
        """Return it after the last page.

        Raises:
            RetryLater: the table does not answer.
        """
        feeds = [self.items.feed, *([self.counts.feed] if self.counts else ())]
        while True:
            changes = self.read(table, now, 1.0)
            if failure := next((feed.failure for feed in feeds if feed.failure), None):
                raise failure
            if all(feed.whole_at == now for feed in feeds):
                return changes

    def age(self, now: float) -> float:
        """Return how many seconds old it is."""
        return max(now - self.items.feed.whole_at, self.counts.age(now) if self.counts else 0.0)
