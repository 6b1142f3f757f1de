# SPDX-License-Identifier: Apache-2.0
"""The files of a shop's days in the bucket: copies of events and exposures in, aggregates out.

`aggregates/<shop>/days/<day>.parquet` has all units of the shop, `aggregates/<shop>/experiments/<name>/<day>.parquet`
those of an experiment, and `aggregates/<shop>/links/<day>.parquet` which of them are one. What an event says of its day
as a whole lies in the first one's metadata. `placements/` and `touches/` beside them have a shop's lists, and what
later days need to join orders to them; `imported/` has what `imported_orders` says.
"""

import hashlib
import io
import json
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import polars as pl

from personalization.core.aws import objects
from personalization.experiments import exposures
from personalization.experiments.days import imported_orders, reading, units
from personalization.experiments.days.links import Links
from personalization.experiments.days.reading import Rules

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = "aggregates"
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})\.parquet\Z")
_AT_ONCE, _AHEAD = 8, 16
_NOTES = "notes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopDay:
    """All units of a shop on a day, and what its purchases say of money."""

    rows: pl.DataFrame
    currency: str | None = None
    foreign: Mapping[str, int] = field(default_factory=dict)
    """Lines by another currency, whose money is not added."""
    unvalued: int = 0
    """Lines without a value."""
    settled: bool = False
    """Whether it was made when no more files were expected."""


class DayFiles:
    """The files of one shop."""

    def __init__(self, s3: "S3Client", bucket: str, shop: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._shop = shop

    def copies(self, day: date, rules: Rules) -> pl.DataFrame:
        """Return what counts of the events that were accepted on a day."""
        return reading.copies(self._files(f"events/{self._shop}/{day:%Y/%m/%d}/"), rules)

    def exposures(self, day: date) -> pl.DataFrame:
        """Return a day's exposures of all experiments."""
        return reading.exposures(self._files(f"{exposures.FOLDER}/{self._shop}/{day:%Y/%m/%d}/"), day)

    def impressions(self, day: date) -> Iterator[bytes]:
        """Return a day's lists on screen."""
        return self._files(f"impressions/{self._shop}/{day:%Y/%m/%d}/")

    def imported(self, since: date) -> pl.DataFrame:
        """Return the lines of orders that count on some day from one on."""
        # A line counts on the day of its reading at the latest.
        keys = (key for key in self._imported_keys() if key.removeprefix(self._imported_folder) >= since.isoformat())
        return pl.concat([pl.DataFrame(schema=imported_orders.LINES), *map(_rows, self._read(keys))])

    def unread_copies(self) -> list[str]:
        """Return the keys of import copies of interactions that were not read yet."""
        folder = f"imports/{self._shop}/"
        keys = filter(imported_orders.is_copy, objects.list_keys(self._s3, self._bucket, folder))
        done = {key.removesuffix(".parquet").rpartition("-")[2] for key in self._imported_keys()}
        return sorted(key for key in keys if imported_orders.digest(key) not in done)

    def import_copy(self, key: str) -> Iterator[bytes]:
        return objects.stream_from(self._s3, self._bucket, key, None, 0)

    def put_imported(self, key: str, day: date, lines: pl.DataFrame) -> None:
        """Store what was read of an import copy on a day, also where that is nothing: it is not read again."""
        name = f"{self._imported_folder}{day.isoformat()}-{imported_orders.digest(key)}.parquet"
        objects.put_bytes(self._s3, self._bucket, name, _parquet(lines, {}))

    def shop_day(self, day: date) -> ShopDay | None:
        data = objects.get_bytes(self._s3, self._bucket, self._key("days", day))
        if data is None:
            return None
        return ShopDay(rows=_rows(data), **_notes(data))

    def put_shop_day(self, day: date, made: ShopDay) -> None:
        notes = {"currency": made.currency, "foreign": dict(made.foreign), "unvalued": made.unvalued}
        data = _parquet(made.rows, {**notes, "settled": made.settled})
        objects.put_bytes(self._s3, self._bucket, self._key("days", day), data)

    def experiment_days(self, name: str) -> dict[date, pl.DataFrame]:
        """Return the rows of an experiment's settled days, in order."""
        keys = sorted(objects.list_keys(self._s3, self._bucket, f"{FOLDER}/{self._shop}/experiments/{name}/"))
        days = [(date.fromisoformat(match[1]), key) for key in keys if (match := _DAY.search(key))]
        files = zip((day for day, _ in days), self._read(key for _, key in days), strict=True)
        return {day: _rows(data) for day, data in files if _notes(data)["settled"]}

    def put_experiment_day(self, name: str, day: date, rows: pl.DataFrame, *, settled: bool) -> None:
        self.put_table(f"experiments/{name}", day, rows, settled=settled)

    def table(self, folder: str, day: date) -> tuple[pl.DataFrame, bool] | None:
        """Return the rows of a folder's day, and whether it was made when no more files were expected."""
        data = objects.get_bytes(self._s3, self._bucket, self._key(folder, day))
        return None if data is None else (_rows(data), bool(_notes(data)["settled"]))

    def tables(self, folder: str, days: Sequence[date]) -> dict[date, tuple[pl.DataFrame, bool]]:
        """Return those of a folder's days that there are, in order; see `table`."""
        with ThreadPoolExecutor(_AT_ONCE, "days") as pool:
            made = zip(days, pool.map(lambda day: self.table(folder, day), days), strict=True)
            return {day: rows for day, rows in made if rows is not None}

    def put_table(self, folder: str, day: date, rows: pl.DataFrame, *, settled: bool) -> None:
        objects.put_bytes(self._s3, self._bucket, self._key(folder, day), _parquet(rows, {"settled": settled}))

    def links(self) -> Links:
        """Return the links of all days that were made."""
        return Links(map(_rows, self._files(f"{FOLDER}/{self._shop}/links/")))

    def erased(self) -> set[str]:
        """Return the units of users who were erased lately: a day that is made again leaves them out."""
        noted = self._read(objects.list_keys(self._s3, self._bucket, self._erased_folder))
        return {unit for data in noted for unit in json.loads(data)}

    def forget(self, digests: Collection[str]) -> None:
        """Delete the rows of units, and of all that are linked with them. A repetition changes nothing."""
        gone = self.links().all_of(digests)
        digest = hashlib.sha256("".join(sorted(gone)).encode()).hexdigest()[:16]
        objects.put_json(self._s3, self._bucket, f"{self._erased_folder}{digest}.json", sorted(gone))
        for key in objects.list_keys(self._s3, self._bucket, f"{FOLDER}/{self._shop}/"):
            data = objects.get_bytes(self._s3, self._bucket, key)
            rows = _rows(data) if data else None
            # Sums of placements name nobody.
            is_of_units = rows is not None and "unit" in rows.columns
            left = units.left(rows, gone) if rows is not None and is_of_units else None
            if data and rows is not None and left is not None and left.height < rows.height:
                objects.put_bytes(self._s3, self._bucket, key, _parquet(left, _notes(data)))

    @property
    def _erased_folder(self) -> str:
        # Everything in work/ expires after a week, when no day is made again.
        return f"work/{self._shop}/experiments/deletions/"

    @property
    def _imported_folder(self) -> str:
        return f"{FOLDER}/{self._shop}/imported/"

    def _imported_keys(self) -> Iterator[str]:
        return objects.list_keys(self._s3, self._bucket, self._imported_folder)

    def _key(self, folder: str, day: date) -> str:
        return f"{FOLDER}/{self._shop}/{folder}/{day.isoformat()}.parquet"

    def _files(self, folder: str) -> Iterator[bytes]:
        return self._read(objects.list_keys(self._s3, self._bucket, folder))

    def _read(self, keys: Iterable[str]) -> Iterator[bytes]:
        with ThreadPoolExecutor(_AT_ONCE, "days") as pool:
            ahead = deque[Future[bytes | None]]()
            for key in chain(keys, repeat(None, _AHEAD)):
                if key is not None:
                    ahead.append(pool.submit(objects.get_bytes, self._s3, self._bucket, key))
                # A few are read ahead: all of a large day's would fill the memory.
                if ahead and (key is None or len(ahead) == _AHEAD):
                    data = ahead.popleft().result()
                    # One that was deleted since has nothing to tell.
                    if data is not None:
                        yield data


def _rows(data: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(data))


def _notes(data: bytes) -> dict[str, Any]:
    notes: dict[str, Any] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_NOTES])
    return notes


def _parquet(rows: pl.DataFrame, notes: Mapping[str, object]) -> bytes:
    file = io.BytesIO()
    rows.write_parquet(file, metadata={_NOTES: json.dumps(notes)})
    return file.getvalue()
