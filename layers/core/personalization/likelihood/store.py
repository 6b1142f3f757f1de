# SPDX-License-Identifier: Apache-2.0
"""The inputs of a fit in the bucket, and the record of the fit that serves.

The record of a later run is never overwritten, and a refusal never replaces a fit.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from personalization.core import stored
from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.events import store
from personalization.likelihood import inputs, serve
from personalization.likelihood.histories import Bounds, History, Reader, TooMany, reach_start
from personalization.runs.claims import Claim
from personalization.shop.records import release_store
from personalization.shop.records.release import ReleaseRecord, Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a shop's fits in the table of shops; `run` is the execution that promoted what is fitted."""

    client: "DynamoDBClient"
    table: str
    shop: str
    run: str

    def promotions(self) -> dict[str, str]:
        """Return the time of each remembered promotion (ISO 8601), by its execution, which names the fit."""
        return {release.promoted_by: release.promoted_at for release in self._releases()}

    def release(self) -> str:
        """Return the run of the promoted release: another one than the execution's own after a promotion by hand."""
        return next((release.run for release in self._releases() if release.promoted_by == self.run), self.run)

    def _releases(self) -> list[ReleaseRecord]:
        earlier = release_store.history(self.client, self.table, self.shop)
        current = release_store.release_record(self.client, self.table, self.shop)
        return [*earlier, *([current] if current else [])]

    def fitted(self, at: str) -> set[str] | None:
        """Let the run's fit serve; `at` is the time, ISO 8601.

        Returns:
            The runs whose counters are kept: this one, the previous one, and those promoted later, whose fits may be at
            work. None where a fit of a later run serves already.
        """
        previous = serve.read(self.client, self.table, self.shop) or {}
        promotions = self.promotions()
        promoted_at = promotions.get(self.run, "")
        no_later = "attribute_not_exists(promotedAt) OR promotedAt <= :promotedAt"
        attributes: dict[str, Value] = {"version": stored.VERSION, "run": self.run, "at": at, "promotedAt": promoted_at}
        record = self._record(attributes)
        if not release_store.put_if(self.client, self.table, record, no_later, values={":promotedAt": promoted_at}):
            return None
        later = {run for run, promoted in promotions.items() if promoted > promoted_at}
        return {self.run, str(previous.get("run", self.run)), *later}

    def refused(self, reason: str, at: str, *, left_out: bool = False) -> str | None:
        """Record at a time (ISO 8601) why there is no fit, unless there is one; return the run whose fit serves on."""
        record = self._record({"reason": reason, "at": at, **({"leftOut": True} if left_out else {})})
        no_fit = "attribute_not_exists(#run)"
        if release_store.put_if(self.client, self.table, record, no_fit, names={"#run": "run"}):
            return None
        return str((serve.read(self.client, self.table, self.shop) or {}).get("run", "")) or None

    def _record(self, attributes: Mapping[str, Value]) -> dict[str, Value]:
        return {"shop": self.shop, "record": serve.RECORD, **attributes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The files that a fit reads: keys in the bucket, predicted type, time in epoch seconds, and each file's bytes."""

    s3: "S3Client"
    bucket: str
    files: inputs.Selection
    event_type: str
    now: int
    sizes: Mapping[str, int]

    @property
    def size(self) -> int:
        """Return the bytes of all interactions."""
        return sum(self.sizes[key] for key in self.files.read["interactions"])

    def history(self, bounds: Bounds) -> History:
        """Read all imports and live events, and delete files that a whole history replaced.

        If they exceed the memory, a second pass finds where the reach begins, and a third one reads from there.

        Raises:
            TooMany: the events within the reach exceed the memory.
        """
        delete(self.s3, self.bucket, self.files.replaced)
        try:
            return self._read(bounds)
        except TooMany:
            since = reach_start(self._purchases(), bounds.reach or 0)
        return self._read(replace(bounds, since=since))

    def _read(self, bounds: Bounds) -> History:
        reader = Reader(self.event_type, self.now, bounds)
        reads = {"interactions": reader.interactions, "users": reader.users, "items": reader.items}
        for kind, keys in self.files.read.items():
            for key in keys:
                with lines(self.s3, self.bucket, key) as text:
                    reads[kind](text)
        return reader.history()

    def _purchases(self) -> Iterator[int]:
        reader = Reader(self.event_type, self.now)
        for key in self.files.read["interactions"]:
            with lines(self.s3, self.bucket, key) as text:
                yield from reader.purchases(text)


def add_live_events(
    s3: "S3Client", table: "DynamoDBClient", environment: Environment, shop: str, began: int, now: int
) -> None:
    """Write the live events that no file has yet into another file; a repetition adds later ones.

    Times are in epoch seconds: events from before `began`, the shop's start, belong to a removed shop of that name.
    """
    bucket = environment.bucket
    covered = inputs.live_until(objects.list_keys(s3, bucket, inputs.folder(shop)))
    since = began if covered is None else covered - inputs.OVERLAP_SECONDS
    rows = inputs.events_csv(store.of_shop(table, environment.shopper_events_table, shop, since))
    first = next(rows, None)
    if first is None:
        return
    key = inputs.key(shop, "interactions", "INCREMENTAL", now * 1000, inputs.LIVE)
    with objects.writing(s3, bucket, key) as upload:
        for part in chain([first], rows):
            upload.write(part)


def began_at(claims: Iterable[Claim], promotions: Iterable[str]) -> int:
    """Return the time of a shop's first remembered drop or promotion, in epoch seconds; 0 without any."""
    times = [*(claim.at for claim in claims if claim.at), *promotions]
    return min((int(datetime.fromisoformat(time).timestamp()) for time in times), default=0)


def delete(s3: "S3Client", bucket: str, gone: Sequence[str]) -> None:
    """Delete objects; missing ones are no error."""
    for start in range(0, len(gone), 1_000):
        part: Any = {"Objects": [{"Key": key} for key in gone[start : start + 1_000]], "Quiet": True}
        s3.delete_objects(Bucket=bucket, Delete=part)


def lines(s3: "S3Client", bucket: str, key: str) -> io.TextIOWrapper:
    """Open the lines of an object, split at line feeds alone."""
    body: Any = s3.get_object(Bucket=bucket, Key=key)["Body"]
    return io.TextIOWrapper(io.BufferedReader(body, 1 << 20), "utf-8", newline="\n")
