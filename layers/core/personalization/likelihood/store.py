# SPDX-License-Identifier: Apache-2.0
"""What a fit of the purchase likelihood reads and keeps: files of the bucket, and the record of the fit that serves.

A later run's record is never overwritten, nor is a fit by a refusal.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects as storage
from personalization.core.aws.errors import translate_errors
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.events import store
from personalization.likelihood import inputs, serve, training
from personalization.likelihood.fits import FitRequest
from personalization.likelihood.histories import Bounds, History, Reader, TooMany, reach_begins
from personalization.runs.claims import Claim
from personalization.shop import records
from personalization.shop.release import HISTORY, RECORD, Value
from personalization.shop.settings import Likelihood

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class Records:
    """What the table of shops knows of the fits of a shop.

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
        """When each run that is remembered promoted its release (ISO 8601), by run."""
        every = records.query_prefix(self._client, self._table, self._shop, HISTORY)
        now = records.get(self._client, self._table, self._shop, RECORD)
        return {str(each["run"]): str(each["promotedAt"]) for each in (*every, *([now] if now else []))}

    def fitted(self, at: str) -> set[str] | None:
        """Have the run's fit serve.

        Args:
            at: the time, ISO 8601.

        Returns:
            The runs whose counters are kept: this one, the one that served before, and those promoted later, whose
            fits may be at work. None where a fit of a later run serves already, which stays.
        """
        before = serve.read(self._client, self._table, self._shop) or {}
        promotions = self.promotions()
        mine = promotions.get(self._run, "")
        no_later = "attribute_not_exists(promotedAt) OR promotedAt <= :promotedAt"
        told = {"run": self._run, "at": at, "promotedAt": mine}
        if not self._put_if(self._record(told), no_later, values={":promotedAt": mine}):
            return None
        later = {run for run, promoted in promotions.items() if promoted > mine}
        return {self._run, str(before.get("run", self._run)), *later}

    def refused(self, reason: str, at: str, *, left_out: bool = False) -> str | None:
        """Say why there is no fit, unless there is one; returns the run whose fit serves on.

        Args:
            reason: what is missing, or what is too much.
            at: the time, ISO 8601.
            left_out: the history is too large.
        """
        record = self._record({"reason": reason, "at": at, **({"leftOut": True} if left_out else {})})
        if self._put_if(record, "attribute_not_exists(#run)", names={"#run": "run"}):
            return None
        return str((serve.read(self._client, self._table, self._shop) or {}).get("run", "")) or None

    def _record(self, told: Mapping[str, Value]) -> dict[str, Value]:
        return {"shop": self._shop, "record": serve.RECORD, **told}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a fit reads.

    Args:
        s3, bucket: where they are.
        files: which. Those that a whole history replaced are deleted.
        event_type: what is predicted.
        now: epoch seconds.
    """

    s3: "S3Client"
    bucket: str
    files: inputs.Chosen
    event_type: str
    now: int

    def history(self, reach: int, most: int) -> History:
        """Everything that was imported, and what happened live.

        Where memory does not hold it all, it is read again for where its reach begins, and once more from there on.

        Args:
            reach: seconds before the newest purchases; older events are left out.
            most: rows that memory holds, as `histories.Bounds` counts.

        Raises:
            TooMany: memory does not hold what is within the reach.
        """
        delete(self.s3, self.bucket, self.files.replaced)
        try:
            return self._read(Bounds(reach, most))
        except TooMany:
            since = reach_begins(self._purchases(), reach)
        return self._read(Bounds(reach, most, since))

    def _read(self, bounds: Bounds) -> History:
        reader = Reader(self.event_type, self.now, bounds)
        reads = {"interactions": reader.interactions, "users": reader.users, "items": reader.items}
        for kind, some in self.files.read.items():
            for key in some:
                with _lines(self.s3, self.bucket, key) as lines:
                    reads[kind](lines, inputs.form(key).records)
        return reader.history()

    def _purchases(self) -> Iterator[int]:
        reader = Reader(self.event_type, self.now)
        for key in self.files.read["interactions"]:
            with _lines(self.s3, self.bucket, key) as lines:
                yield from reader.purchases(lines, inputs.form(key).records)


def read_by(
    s3: "S3Client", bucket: str, request: FitRequest, claims: Iterable[Claim], chosen: Likelihood, now: int
) -> Inputs:
    """Find the files that a fit reads.

    Args:
        s3, bucket: where the files are. request: whose history it is, and which run promoted.
        claims: of the shop; they tell which imports came through.
        chosen: what is predicted. now: epoch seconds.
    """
    there = keys(s3, bucket, inputs.folder(request.shop))
    files = inputs.chosen(there, inputs.came(claims), request.run, now - training.reach(chosen.horizon_days))
    return Inputs(s3, bucket, files, chosen.event_type, now)


def add_live(
    s3: "S3Client", table: "DynamoDBClient", environment: Environment, shop: str, began: int, now: int
) -> None:
    """Write the live events that no file has yet into one more; a second time adds what came meanwhile.

    Args:
        s3, table: the bucket and the table of live events. environment: their names. shop: whose events.
        began: epoch seconds when the shop began; events of before are of a removed shop of the same name.
        now: epoch seconds.
    """
    bucket = environment.bucket
    covered = inputs.covered(keys(s3, bucket, inputs.folder(shop)))
    since = began if covered is None else covered - inputs.OVERLAP_SECONDS
    rows = inputs.events_csv(store.of_shop(table, environment.shopper_events_table, shop, since))
    first = next(rows, None)
    if first is None:
        return
    key = inputs.key(shop, "interactions", "INCREMENTAL", now * 1000, inputs.LIVE)
    with storage.writing(s3, bucket, key) as upload:
        for part in chain([first], rows):
            upload.write(part)


def began(claims: Iterable[Claim], promotions: Iterable[str]) -> int:
    """When a shop's first drop or promotion that is remembered was, in epoch seconds; 0 where none is."""
    moments = [*(each.at for each in claims if each.at), *promotions]
    return min((int(datetime.fromisoformat(each).timestamp()) for each in moments), default=0)


def keys(s3: "S3Client", bucket: str, folder: str) -> list[str]:
    """The keys below a folder, in order."""
    with translate_errors(folder):
        objects = paginate(s3.list_objects_v2, "Contents", Bucket=bucket, Prefix=folder)
        return sorted(each["Key"] for each in objects)


def delete(s3: "S3Client", bucket: str, gone: Sequence[str]) -> None:
    """Delete objects; one that is not there is no error."""
    for start in range(0, len(gone), 1_000):
        part: Any = {"Objects": [{"Key": key} for key in gone[start : start + 1_000]], "Quiet": True}
        with translate_errors(bucket):
            s3.delete_objects(Bucket=bucket, Delete=part)


def _lines(s3: "S3Client", bucket: str, key: str) -> io.TextIOWrapper:
    with translate_errors(key):
        body: Any = s3.get_object(Bucket=bucket, Key=key)["Body"]
    return io.TextIOWrapper(io.BufferedReader(_Raw(body), 1 << 20), "utf-8", newline="\n")


class _Raw(io.RawIOBase):
    """An object's body as a file that text can be read from."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401 - botocore's StreamingBody
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
