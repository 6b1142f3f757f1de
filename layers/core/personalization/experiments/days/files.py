# SPDX-License-Identifier: Apache-2.0
"""The files of a shop's days in the bucket: copies of events and exposures in, aggregates out.

`aggregates/<shop>/days/<day>.parquet` has all units of the shop, `aggregates/<shop>/experiments/<name>/<day>.parquet`
those of an experiment, and `aggregates/<shop>/links/<day>.parquet` which of them are one. A day that was too large for
one function has a file for each shard, `<day>.<number>-of-<shards>.parquet`. What an event says of its day as a whole
lies in the first one's metadata. `placements/` and `touches/` beside them have a shop's lists, and what
later days need to join orders to them; `imported/` has what `imported_orders` says.
"""

import hashlib
import io
import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, groupby, repeat
from typing import TYPE_CHECKING, Any

import polars as pl

from personalization.core.aws import objects
from personalization.experiments import exposures
from personalization.experiments.days import imported_orders, reading, units
from personalization.experiments.days.links import LINKS, Links
from personalization.experiments.days.reading import Rules
from personalization.experiments.days.shards import WHOLE, Shard

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = "aggregates"
TOUCHES = "touches"
"""The folder of what later days need to join orders to a shop's lists."""
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.(\d+)-of-(\d+))?\.parquet\Z")
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

    def __init__(self, s3: "S3Client", bucket: str, shop: str, shard: Shard = WHOLE) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._shop = shop
        self._shard = shard
        self._outdated: dict[str, dict[date, list[str]]] = {}

    def copies(self, day: date, rules: Rules) -> pl.DataFrame:
        """Return what counts of the events that were accepted on a day."""
        return reading.copies(self._files(self.folder("events", day)), rules)

    def exposures(self, day: date) -> pl.DataFrame:
        """Return a day's exposures of all experiments."""
        return reading.exposures(self._files(self.folder(exposures.FOLDER, day)), day)

    def impressions(self, day: date, rules: Rules) -> pl.DataFrame:
        """Return a day's lists on screen."""
        return reading.impressions(self._files(self.folder("impressions", day)), rules.variants_in)

    def folder(self, kind: str, day: date) -> str:
        """Return where a day's files of a kind are."""
        return f"{kind}/{self._shop}/{day:%Y/%m/%d}/"

    def imported(self, since: date) -> pl.DataFrame:
        """Return the lines of orders that count on some day from one on."""
        # A line counts on the day of its reading at the latest.
        keys = (key for key in self._imported_keys() if key.removeprefix(self._imported_folder) >= since.isoformat())
        lines = (self.rows_of(_rows(data)) for data in self.read(keys))
        return pl.concat([pl.DataFrame(schema=imported_orders.LINES), *lines])

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

    def shop_days(self, days: Collection[date]) -> dict[date, ShopDay]:
        """Return those of some days that there are, in order."""
        return {
            day: _shop_day(rows, [*notes.values()], [note for key, note in notes.items() if self.counts(key)])
            for day, rows, notes in self._days("days", days)
        }

    def counts(self, key: str) -> bool:  # noqa: ARG002 - shards tell one from the other
        """Return whether lines that a file's notes count are of the units whose days these are."""
        return True

    def put_shop_day(self, day: date, made: ShopDay) -> None:
        notes = {"currency": made.currency, "foreign": dict(made.foreign), "unvalued": made.unvalued}
        self._put("days", day, made.rows, {**notes, "settled": made.settled})

    def experiment_days(self, name: str, *, settled: bool = True) -> dict[date, pl.DataFrame]:
        """Return the rows of an experiment's days, in order; only of settled ones, unless all are asked for."""
        days = self._days(f"experiments/{name}")
        return {day: rows for day, rows, notes in days if not settled or _is_settled(notes.values())}

    def put_experiment_day(self, name: str, day: date, rows: pl.DataFrame, *, settled: bool) -> None:
        self.put_table(f"experiments/{name}", day, rows, settled=settled)

    def tables(self, folder: str, days: Collection[date]) -> dict[date, tuple[pl.DataFrame, bool]]:
        """Return those of a folder's days that there are, in order: rows, and whether no more files were expected."""
        return {day: (rows, _is_settled(notes.values())) for day, rows, notes in self._days(folder, days)}

    def put_table(self, folder: str, day: date, rows: pl.DataFrame, *, settled: bool) -> None:
        self._put(folder, day, rows, {"settled": settled})

    def stored_days(self, folder: str) -> dict[date, list[str]]:
        """Return the keys of each day of a folder: one, or those of all shards if the day was too large."""
        whole, shards = self._listed(folder)
        # One that is large now may have been made whole when it began.
        complete = {day: keys for (day, number), keys in shards.items() if len(keys) == number}
        return dict(sorted({**whole, **complete}.items()))

    def _listed(self, folder: str) -> tuple[dict[date, list[str]], dict[tuple[date, int], list[str]]]:
        """Return the keys of a folder: by day, and of shards by day and their number."""
        whole, shards = dict[date, list[str]](), defaultdict[tuple[date, int], list[str]](list)
        for key in objects.list_keys(self._s3, self._bucket, f"{FOLDER}/{self._shop}/{folder}/"):
            if match := _DAY.search(key):
                day = date.fromisoformat(match[1])
                if match[3] is None:
                    whole[day] = [key]
                else:
                    shards[day, int(match[3])].append(key)
        return whole, shards

    def settled_days(self, folder: str, days: Collection[date]) -> set[date]:
        """Return those of some days that were made when no more files were expected; their rows stay unread."""
        day_of = {key: day for day, keys in self.stored_days(folder).items() if day in days for key in keys}
        may_change = {day_of[key] for key, data in self._named(day_of) if not _notes(data)["settled"]}
        return {*day_of.values()} - may_change

    def _days(
        self, folder: str, days: Collection[date] | None = None
    ) -> Iterator[tuple[date, pl.DataFrame, dict[str, dict[str, Any]]]]:
        """Yield the days of a folder in order, with the rows of the shard, and the notes of all files by their keys."""
        stored = self.stored_days(folder).items()
        day_of = {key: day for day, keys in stored for key in keys if days is None or day in days}
        for day, files in groupby(self._named(day_of), lambda file: day_of[file[0]]):
            frames, notes = list[pl.DataFrame](), dict[str, dict[str, Any]]()
            for key, data in files:
                frames.append(self.rows_of(_rows(data)))
                notes[key] = _notes(data)
            yield day, pl.concat(frames), notes

    def rows_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the units whose days these are."""
        return rows

    def put_links(
        self, day: date, links: pl.DataFrame, erased: set[str], *, settled: bool
    ) -> tuple[pl.DataFrame, set[str]]:
        """Store a day's links; return them without erased units, and these with all that are linked with them.

        Of a visitor nothing may have told when the user was erased: they leave all days.
        """
        gone = Links([links]).all_of(erased)
        if more := gone - erased:
            self.forget(more)
        links = units.left(links, gone)
        self.put_table("links", day, links, settled=settled)
        return links, gone

    def links(self) -> Links:
        """Return the links of all days that were made."""
        return Links([self.link_rows()])

    def link_rows(self) -> pl.DataFrame:
        """Return the links of all days that were made as `LINKS`, each once: most are told every day."""
        days = [pl.DataFrame(schema=LINKS), *map(_rows, self._files(f"{FOLDER}/{self._shop}/links/"))]
        return pl.concat(days).unique(maintain_order=True)

    def erased(self) -> set[str]:
        """Return the units of users who were erased lately: a day that is made again leaves them out."""
        noted = self.read(objects.list_keys(self._s3, self._bucket, self._erased_folder))
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

    def _put(self, folder: str, day: date, rows: pl.DataFrame, notes: Mapping[str, object]) -> None:
        key = f"{FOLDER}/{self._shop}/{folder}/{day.isoformat()}{self._shard.ending}.parquet"
        objects.put_bytes(self._s3, self._bucket, key, _parquet(rows, notes))
        if self._shard == WHOLE:
            self._remove_shards(folder, day)

    def _remove_shards(self, folder: str, day: date) -> None:
        """Delete what was made of a day when it was too large: it would be read in place of the whole."""
        if folder not in self._outdated:
            shards = defaultdict[date, list[str]](list)
            for (other, _), keys in self._listed(folder)[1].items():
                shards[other] += keys
            self._outdated[folder] = shards
        for key in self._outdated[folder].pop(day, []):
            objects.remove(self._s3, self._bucket, key)

    def _files(self, folder: str) -> Iterator[bytes]:
        return self.read(objects.list_keys(self._s3, self._bucket, folder))

    def read(self, keys: Iterable[str]) -> Iterator[bytes]:
        """Yield the contents of objects, but for those that are gone; a few are read ahead."""
        return (data for _, data in self._named(keys))

    def _named(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        with ThreadPoolExecutor(_AT_ONCE, "days") as pool:
            ahead = deque[tuple[str, Future[bytes | None]]]()
            for key in chain(keys, repeat(None, _AHEAD)):
                if key is not None:
                    ahead.append((key, pool.submit(objects.get_bytes, self._s3, self._bucket, key)))
                # A few are read ahead: all of a large day's would fill the memory.
                if ahead and (key is None or len(ahead) == _AHEAD):
                    name, future = ahead.popleft()
                    # One that was deleted since has nothing to tell.
                    if (data := future.result()) is not None:
                        yield name, data


def _rows(data: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(data))


def _notes(data: bytes) -> dict[str, Any]:
    notes: dict[str, Any] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_NOTES])
    return notes


def _is_settled(notes: Iterable[Mapping[str, Any]]) -> bool:
    return all(note["settled"] for note in notes)


def _shop_day(rows: pl.DataFrame, notes: Sequence[Mapping[str, Any]], counted: Sequence[Mapping[str, Any]]) -> ShopDay:
    return ShopDay(
        rows=rows,
        currency=next((note["currency"] for note in notes if note["currency"]), None),
        foreign=dict(sum((Counter(note["foreign"]) for note in counted), Counter[str]())),
        unvalued=sum(note["unvalued"] for note in counted),
        settled=_is_settled(notes),
    )


def _parquet(rows: pl.DataFrame, notes: Mapping[str, object]) -> bytes:
    file = io.BytesIO()
    rows.write_parquet(file, metadata={_NOTES: json.dumps(notes)})
    return file.getvalue()
