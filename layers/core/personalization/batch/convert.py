# SPDX-License-Identifier: Apache-2.0
"""Convert a job's answers part by part: a call writes whole parts while it has time, and the next one goes on.

Memory holds one part of Parquet, or a few thousand lines of CSV. A repeated call writes the same parts again.
"""

import io
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from table_intake.write import dialect

from personalization.batch import customers
from personalization.batch.answers import Answer, Layout, Row, default_columns, parse
from personalization.batch.plan import Cursor, Job, Progressed
from personalization.core.aws import objects
from personalization.core.errors import Broken, Rejected
from personalization.core.status import ACTIVE
from personalization.likelihood import shards
from personalization.shop.records import item_files, item_table
from personalization.shop.records.item_table import Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUDGET_SECONDS = 120.0
"""Seconds after which a call begins no further part; a part takes about half a minute."""
PART_ROWS = 2_500_000
"""Items or users of the answers in a part, which Parquet holds in memory; but a part has whole answers."""
_LINES = 2_000
"""Rows that are written together."""
MOST_ITEMS = 400_000
"""Items whose columns are in memory: some 150 MB."""
EXAMPLES = 10
"""Different errors that the report lists; the files of errors have all, with their input."""


def convert(
    s3: "S3Client", bucket: str, job: Job, made: Cursor, clock: Callable[[], float] = time.monotonic
) -> Progressed:
    """Convert the next parts of a job's answers; ready when all are converted.

    Raises:
        Rejected: every answer is an error, or there is none.
    """
    began, folder, table, columns = clock(), job.output, None, job.settings.columns
    if job.kind == "customers":
        reached = shards.unpack(objects.required_bytes(s3, bucket, job.progress))
        folder, columns = job.answers(reached["run"]), tuple(reached["columns"])
    else:
        table = item_files.table(s3, bucket, job.shop)
    files = sorted(key for key in objects.list_keys(s3, bucket, folder) if key.endswith(".out"))
    if not files:
        raise Broken(job.resource.name, f"there are no answers below s3://{bucket}/{folder}")
    layout = Layout(job, default_columns(table) if columns is None else columns)
    shown = _Items(s3, bucket, job.shop, table, layout.columns)
    while made.file < len(files) and clock() - began < BUDGET_SECONDS:
        made = _Part(s3, bucket, layout, shown).write(files[made.file], made)
    if made.file < len(files):
        status = f"{made.lists:,} converted"
        return Progressed(arn=f"export/{job.name}", status=status, name=job.name, more=True, made=made)
    if made.errors and made.errors == made.lists:
        raise Rejected(f"batch.{job.name}", f"every answer is an error: {made.examples[0]}")
    return Progressed(arn=f"export/{job.name}", status=ACTIVE, name=job.name, ready=True, made=made)


class _Items:
    """Columns of items, read file by file of the shop's table as answers need them."""

    def __init__(self, s3: "S3Client", bucket: str, shop: str, table: Table | None, columns: Sequence[str]) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._shop = shop
        self._table = table
        self._indices = [
            str(table.columns.index(column)) if table and column in table.columns else "" for column in columns
        ]
        self._nothing = (None,) * len(columns)
        self._shards: OrderedDict[int, dict[str, tuple[str | None, ...]]] = OrderedDict()
        self._held = 0

    def columns(self, item: str) -> Sequence[str | None]:
        """Return an item's columns; None for what it lacks."""
        if self._table is None or not self._indices:
            return self._nothing
        shard = item_table.hashed(item) % self._table.shards
        loaded = self._shards.get(shard)
        return (self._load(self._table, shard) if loaded is None else loaded).get(item, self._nothing)

    def _load(self, table: Table, shard: int) -> dict[str, tuple[str | None, ...]]:
        data = objects.get_bytes(self._s3, self._bucket, item_table.shard_key(self._shop, table.version, shard))
        items: dict[str, tuple[str | None, ...]] = {}
        for row in item_table.rows(item_table.unpack(data)) if data else ():
            values = json.loads(row)
            items[values[""]] = tuple([values.get(index) for index in self._indices])
        while self._shards and self._held + len(items) > MOST_ITEMS:
            self._held -= len(self._shards.popitem(last=False)[1])
        self._held += len(items)
        self._shards[shard] = items
        return items


class _Part:
    """Write one part, and its errors."""

    def __init__(self, s3: "S3Client", bucket: str, layout: Layout, shown: _Items) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._layout = layout
        self._shown = shown
        self._taken = 0
        self._lists = self._written = self._empty = self._formulas = 0
        self._errors: list[tuple[str, str]] = []

    def write(self, file: str, made: Cursor) -> Cursor:
        job = self._layout.job
        name, ending = f"{job.folder}{job.name}-{made.parts:05d}", _ending(job)
        lines, lists = self._lines(file, made.offset), max(1, PART_ROWS // job.results)
        with objects.writing(self._s3, self._bucket, f"{name}.{ending}") as upload:
            rows = self._rows(islice(lines, lists))
            if ending == "parquet":
                _parquet(self._layout.header, rows, upload.write)
            else:
                self._csv(rows, upload.write)
        if self._errors:
            text = "".join(self._lines_of([("INPUT", "ERROR"), *self._errors]))
            objects.put_bytes(
                self._s3, self._bucket, f"{job.folder}errors-{made.parts:05d}.csv", text.encode(), "text/csv"
            )
        taken = self._taken
        ended = next(lines, None) is None
        # Without the users, who are in the file of errors alone: it expires with the export.
        told = dict.fromkeys([*made.examples, *(error for _, error in self._errors)])
        return made.replaced(
            file=made.file + 1 if ended else made.file,
            offset=0 if ended else made.offset + taken,
            parts=made.parts + 1,
            examples=tuple(told)[:EXAMPLES],
            lists=made.lists + self._lists,
            rows=made.rows + self._written,
            errors=made.errors + len(self._errors),
            empty=made.empty + self._empty,
            formulas=made.formulas + self._formulas,
        )

    def _lines(self, file: str, offset: int) -> Iterator[bytes]:
        body: Any = self._s3.get_object(Bucket=self._bucket, Key=file, Range=f"bytes={offset}-")["Body"]
        for line in io.BufferedReader(body, 1 << 20):
            self._taken += len(line)
            if line.strip():
                yield line

    def _rows(self, lines: Iterator[bytes]) -> Iterator[Row]:
        for line in lines:
            answer = parse(line)
            self._count(answer)
            for row in self._layout.rows(answer, self._shown.columns):
                self._written += 1
                yield row

    def _csv(self, rows: Iterator[Row], write: Callable[[bytes], None]) -> None:
        """Write rows as CSV. People open it in spreadsheets, and the ids and names in it are a shop's visitors'."""
        write(dialect.standard(self._layout.header).encode())
        while some := list(islice(rows, _LINES)):
            write("".join(self._lines_of(some)).encode())

    def _lines_of(self, rows: Iterable[Row]) -> Iterator[str]:
        inert = self._layout.job.settings.formulas == "text"
        for row in rows:
            cells = ["" if value is None else _cell(value) for value in row]
            if inert:
                written = [dialect.inert(cell) for cell in cells]
                self._formulas += sum(before is not after for before, after in zip(cells, written, strict=True))
                cells = written
            yield dialect.standard(cells)

    def _count(self, answer: Answer) -> None:
        self._lists += 1
        if answer.error:
            self._errors.append((answer.subject, answer.error))
        elif not answer.names and answer.customer is None:
            self._empty += 1


def _ending(job: Job) -> str:
    return "parquet" if job.settings.output == "parquet" else "csv"


def _cell(value: str | float) -> str | int:
    return f"{value:.7g}" if isinstance(value, float) else value


def _parquet(header: tuple[str, ...], rows: Iterator[Row], write: Callable[[bytes], None]) -> None:
    import polars as pl  # noqa: PLC0415 - half a second, which only this output needs

    numbers = {"RANK": pl.Int32(), "SCORE": pl.Float64(), customers.BEFORE: pl.Int64()}
    numbers |= {
        name: pl.Float64() for name in header if name in customers.NUMBERS or name.startswith(customers.OF_ITEM)
    }
    schema = {name: numbers.get(name, pl.String()) for name in header}
    frames = [pl.DataFrame(schema=schema)]
    while some := list(islice(rows, 50 * _LINES)):
        frames.append(pl.DataFrame(some, schema=schema, orient="row"))
    file = io.BytesIO()
    pl.concat(frames).write_parquet(file, compression="zstd", statistics=True)
    write(file.getbuffer().tobytes())
