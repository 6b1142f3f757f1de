# SPDX-License-Identifier: Apache-2.0
"""The inputs of a fit in the bucket, and the record of the fit that serves.

The record of a later run is never overwritten, and a refusal never replaces a fit.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.core.aws.errors import translate_errors
from personalization.core.environment import Environment
from personalization.events import store
from personalization.likelihood import inputs, serve
from personalization.likelihood.histories import Bounds, History, Reader, TooMany, reach_start
from personalization.runs.claims import Claim
from personalization.shop import records
from personalization.shop.release import HISTORY, RECORD, Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class Records:
    """The records of a shop's fits in the table of shops.

    Args:
        client, table: the table. shop: the shop. run: the run whose fit is recorded.
    """

    def __init__(self, client: "DynamoDBClient", table: str, shop: str, run: str) -> None:
        self._client = client
        self._table = table
        self._shop = shop
        self._run = run
        self._put_if = partial(records.put_if, client, table)

    def promotions(self) -> dict[str, str]:
        """Return the promotion time of each remembered run (ISO 8601), by run."""
        earlier = records.query_prefix(self._client, self._table, self._shop, HISTORY)
        current = records.get(self._client, self._table, self._shop, RECORD)
        return {str(each["run"]): str(each["promotedAt"]) for each in (*earlier, *([current] if current else []))}

    def fitted(self, at: str) -> set[str] | None:
        """Let the run's fit serve.

        Args:
            at: the time, ISO 8601.

        Returns:
            The runs whose counters are kept: this one, the previous one, and those promoted later, whose fits may be at
            work. None where a fit of a later run serves already.
        """
        previous = serve.read(self._client, self._table, self._shop) or {}
        promotions = self.promotions()
        promoted_at = promotions.get(self._run, "")
        no_later = "attribute_not_exists(promotedAt) OR promotedAt <= :promotedAt"
        attributes = {"run": self._run, "at": at, "promotedAt": promoted_at}
        if not self._put_if(self._record(attributes), no_later, values={":promotedAt": promoted_at}):
            return None
        later = {run for run, promoted in promotions.items() if promoted > promoted_at}
        return {self._run, str(previous.get("run", self._run)), *later}

    def refused(self, reason: str, at: str, *, left_out: bool = False) -> str | None:
        """Record why there is no fit, unless there is one; return the run whose fit serves on.

        Args:
            reason: what is missing or too large.
            at: the time, ISO 8601.
            left_out: the history is too large.
        """
        record = self._record({"reason": reason, "at": at, **({"leftOut": True} if left_out else {})})
        if self._put_if(record, "attribute_not_exists(#run)", names={"#run": "run"}):
            return None
        return str((serve.read(self._client, self._table, self._shop) or {}).get("run", "")) or None

    def _record(self, attributes: Mapping[str, Value]) -> dict[str, Value]:
        return {"shop": self._shop, "record": serve.RECORD, **attributes}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a fit reads.

    Args:
        s3, bucket: where they are.
        files: their keys. Files that a whole history replaced are deleted.
        event_type: the predicted type.
        now: epoch seconds.
    """

    s3: "S3Client"
    bucket: str
    files: inputs.Selection
    event_type: str
    now: int

    def history(self, reach: int, most: int) -> History:
        """Read all imports and live events.

        If they exceed the memory, a second pass finds where the reach begins, and a third one reads from there.

        Args:
            reach: seconds before the newest purchases; older events are left out.
            most: rows that memory holds, in the unit of `histories.Bounds`.

        Raises:
            TooMany: the events within the reach exceed the memory.
        """
        delete(self.s3, self.bucket, self.files.replaced)
        try:
            return self._read(Bounds(reach, most))
        except TooMany:
            since = reach_start(self._purchases(), reach)
        return self._read(Bounds(reach, most, since))

    def _read(self, bounds: Bounds) -> History:
        reader = Reader(self.event_type, self.now, bounds)
        reads = {"interactions": reader.interactions, "users": reader.users, "items": reader.items}
        for kind, keys in self.files.read.items():
            for key in keys:
                with _lines(self.s3, self.bucket, key) as lines:
                    reads[kind](lines, inputs.form(key).records)
        return reader.history()

    def _purchases(self) -> Iterator[int]:
        reader = Reader(self.event_type, self.now)
        for key in self.files.read["interactions"]:
            with _lines(self.s3, self.bucket, key) as lines:
                yield from reader.purchases(lines, inputs.form(key).records)


def add_live_events(
    s3: "S3Client", table: "DynamoDBClient", environment: Environment, shop: str, began: int, now: int
) -> None:
    """Write the live events that no file has yet into another file; a repetition adds later ones.

    Args:
        s3, table: the bucket and the table of live events. environment: their names. shop: the shop.
        began: epoch seconds of the shop's start; older events belong to a removed shop of the same name.
        now: epoch seconds.
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
    times = [*(each.at for each in claims if each.at), *promotions]
    return min((int(datetime.fromisoformat(each).timestamp()) for each in times), default=0)


def delete(s3: "S3Client", bucket: str, gone: Sequence[str]) -> None:
    """Delete objects; missing ones are no error."""
    for start in range(0, len(gone), 1_000):
        part: Any = {"Objects": [{"Key": key} for key in gone[start : start + 1_000]], "Quiet": True}
        with translate_errors(bucket):
            s3.delete_objects(Bucket=bucket, Delete=part)


def _lines(s3: "S3Client", bucket: str, key: str) -> io.TextIOWrapper:
    with translate_errors(key):
        body: Any = s3.get_object(Bucket=bucket, Key=key)["Body"]
    return io.TextIOWrapper(io.BufferedReader(_Raw(body), 1 << 20), "utf-8", newline="\n")


class _Raw(io.RawIOBase):
    """An object's body as a file for a text reader."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401 - botocore's StreamingBody
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
