# SPDX-License-Identifier: Apache-2.0
"""What the round and the machine's functions tell each other: documents and rows in a folder that expires."""

import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from personalization.core.aws import objects
from personalization.core.messages import Part
from personalization.experiments.days import shards
from personalization.experiments.days.aggregating import Made, Needed
from personalization.experiments.experiment import Experiment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Kind = Literal["events", "exposures", "impressions"]
FOLDER = "experiments/days"
"""The folder of plans and results in `work/<shop>/`, which expires after a week."""
PARTS = "experiments/parts"
"""That of parts that were read; an erasure empties it."""


class PartOfDay(Part):
    """Files of one kind and day that one function reads."""

    kind: Kind
    day: date
    name: str
    """A digest of the files: others have another name."""
    keys: tuple[str, ...]


class Shelves(Part):
    """How lists and orders of placements are joined, as `ShelfRules` says."""

    first: date
    """The first day that is made."""
    variants: dict[int, str]
    left_out: tuple[str, ...]
    window: int


class Plan(Part):
    """What the machine's functions must know."""

    today: date
    tracking_id: str
    purchase: str
    currency: str | None
    experiments: tuple[dict[str, Any], ...]
    shelves: Shelves | None
    days: tuple[date, ...] = ()
    """Those whose files are read, also where there are none."""
    parts: tuple[PartOfDay, ...] = ()

    def parts_of(self, kind: Kind, day: date) -> list[PartOfDay]:
        """Return the parts of a kind and day."""
        return [part for part in self.parts if part.kind == kind and part.day == day]

    @cached_property
    def needed(self) -> Needed:
        """The days that the shop needs."""
        experiments = tuple(map(Experiment.read, self.experiments))
        return Needed(experiments, self.today, self.shelves.first if self.shelves else None)


class Shared(Part):
    """What all shards must know of the others."""

    currency: str | None


class DayNotes(Part):
    """What a shard says of a day as a whole; see `ShopDay`."""

    currency: str | None
    foreign: dict[str, int]
    unvalued: int
    settled: bool
    busy: bool


class Result(Part):
    """What the days of a shard, or of all shards, say beside their rows."""

    today: date
    whole: bool
    days: dict[date, DayNotes]

    @classmethod
    def of(cls, made: Made, today: date) -> "Result":
        """Return what days say that were made."""
        notes = {
            day: DayNotes(
                currency=shop_day.currency,
                foreign=dict(shop_day.foreign),
                unvalued=shop_day.unvalued,
                settled=shop_day.settled,
                busy=day in made.busy,
            )
            for day, shop_day in made.days.items()
        }
        return cls(today=today, whole=made.whole, days=notes)

    @classmethod
    def added(cls, results: Sequence["Result"]) -> "Result":
        """Return what all shards say; a day that one of them lacks is not whole."""
        days: dict[date, list[DayNotes]] = {}
        for result in results:
            for day, notes in result.days.items():
                days.setdefault(day, []).append(notes)
        return cls(
            today=min(result.today for result in results),
            whole=all(result.whole for result in results),
            days={
                day: DayNotes(
                    currency=next((shard.currency for shard in notes if shard.currency), None),
                    foreign=dict(sum((Counter(shard.foreign) for shard in notes), Counter[str]())),
                    unvalued=sum(shard.unvalued for shard in notes),
                    settled=len(notes) == len(results) and all(shard.settled for shard in notes),
                    busy=any(shard.busy for shard in notes),
                )
                for day, notes in sorted(days.items())
            },
        )


class State(Part):
    """What a shop's rounds know of the machine."""

    work: str = ""
    """The folder of what it makes now; empty if nothing is made."""
    result: Result | None = None
    """Of what it has made last."""


class Work:
    """The documents of a plan's folder."""

    def __init__(self, s3: "S3Client", bucket: str, folder: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self.folder = folder

    def put(self, name: str, document: Part | list[int]) -> str:
        key = f"{self.folder}{name}.json"
        made = document.as_json() if isinstance(document, Part) else document
        objects.put_json(self._s3, self._bucket, key, made)
        return key

    def plan(self) -> Plan:
        return Plan.read(self._required("plan"))

    def shared(self) -> Shared:
        return Shared.read(self._required("shared"))

    def put_rows(self, name: str, rows: pl.DataFrame) -> None:
        put_rows(self._s3, self._bucket, f"{self.folder}{name}.parquet", rows)

    def rows(self, name: str) -> pl.DataFrame:
        return rows_at(self._s3, self._bucket, f"{self.folder}{name}.parquet")

    def results(self) -> list[Result]:
        """Return what those shards say that are made."""
        keys = (f"{self.folder}shard-{shard.number}.json" for shard in shards.EVERY)
        told = (objects.get_json(self._s3, self._bucket, key) for key in keys)
        return [Result.read(document) for document in told if document is not None]

    def _required(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(objects.required_bytes(self._s3, self._bucket, f"{self.folder}{name}.json"))


def part_key(shop: str, part: PartOfDay) -> str:
    return f"work/{shop}/{PARTS}/{part.name}.parquet"


def rows_at(
    s3: "S3Client", bucket: str, key: str, of: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda rows: rows
) -> pl.DataFrame:
    """Return rows that an earlier step left, or what a question says of them.

    Raises:
        Broken: they are gone, and events would be gone with them.
    """
    data = objects.required_bytes(s3, bucket, key)
    return of(pl.scan_parquet(io.BytesIO(data))).collect()


def put_rows(s3: "S3Client", bucket: str, key: str, rows: pl.DataFrame) -> None:
    file = io.BytesIO()
    rows.write_parquet(file)
    objects.put_bytes(s3, bucket, key, file.getvalue())


def forget_parts(s3: "S3Client", bucket: str, shop: str) -> None:
    """Delete the parts that were read, since they name users who are erased; a round reads them again."""
    for key in list(objects.list_keys(s3, bucket, f"work/{shop}/{PARTS}/")):
        objects.remove(s3, bucket, key)


def is_work(folder: str) -> bool:
    """Return whether a folder of the machine's work is of days, and not of a drop."""
    return folder.split("/", 2)[-1].startswith(f"{FOLDER}/")
