# SPDX-License-Identifier: Apache-2.0
"""How long an experiment's days take: files of events made into days of units and of placements, and judged.

``python -m benchmarks.experiment_days [--events N] [--days D] [--folder F]``. Users come as often as they like, two
thirds of them in one of two variants. Of a hundred events three are purchases, two go to the cart, and ten are clicks
with a listId; beside them are 17 lists on screen, each with an exposure. The files are those that the application
writes, on a disk in place of S3, and the function's days are made of them. Another process writes the files, so that
the memory is that of the analysis. The time of the processors is told beside the clock's, which other work on the
machine lengthens.
"""

import argparse
import base64
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from personalization.auth import list_columns, list_ids
from personalization.auth.list_ids import Key, Shown
from personalization.core.errors import Missing
from personalization.experiments import report
from personalization.experiments.assignment import unit_digest
from personalization.experiments.days import aggregating
from personalization.experiments.days.aggregating import Also
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.reading import Rules
from personalization.experiments.experiment import Experiment, Slice, Variant
from personalization.experiments.shelves.files import ShelfFiles
from personalization.experiments.shelves.placement_days import ShelfRules

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = 86_400
SHOP = "large"
FILES = 50
"""Files of each kind a day."""
VARIANTS = ("own", "best")
UNIT_OF = partial(unit_digest, "benchmark")


class Folder:
    """An S3 client whose bucket is a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_objects_v2(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803 - as AWS names it
        files = sorted(path for path in (self._folder / Prefix).glob("**/*") if path.is_file())
        return {
            "Contents": [
                {"Key": str(path.relative_to(self._folder)), "Size": path.stat().st_size, "ETag": path.name}
                for path in files
            ]
        }

    def get_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        path = self._folder / Key
        if not path.exists():
            raise Missing(Key, "there is no such object")
        return {"Body": path.open("rb")}

    def head_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        path = self._folder / Key
        if not path.exists():
            raise Missing(Key, "there is no such object")
        return {"ContentLength": path.stat().st_size}

    def put_object(self, *, Key: str, Body: bytes, **_: object) -> None:  # noqa: N803
        path = self._folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)


def write_day(folder: Path, number: int, events: int, users: int) -> None:
    """Write a day's copies of events, exposures and impressions."""
    chance = np.random.default_rng(number)
    start = int(START.timestamp()) + number * DAY
    rows = pl.DataFrame(
        {
            "who": (users * chance.beta(0.5, 3.0, events)).astype(np.int64),
            "second": np.sort(chance.integers(0, DAY, events)) + start,
            "drawn": chance.random(events),
            "id": np.arange(events),
        }
    )
    names = pl.DataFrame({"who": rows["who"].unique()})
    names = names.with_columns(unit=pl.Series([UNIT_OF(f"u{who}") for who in names["who"]]))
    listed = rows.filter(pl.col("drawn") >= 0.83)
    tokens = pl.DataFrame(
        {"id": listed["id"], "list": [_token(*row) for row in listed.select("id", "second", "who").rows()]},
        schema={"id": pl.Int64, "list": pl.String},
    )
    is_purchase, is_cart = pl.col("drawn") < 0.03, pl.col("drawn") < 0.05
    order = pl.concat_str(pl.lit(f'{{"orderId":"{number}-'), pl.col("id"), pl.lit('","currency":"KRW"}'))
    kind = pl.when(is_purchase).then(pl.lit("Purchase")).when(is_cart).then(pl.lit("AddToCart"))
    copies = rows.join(tokens, on="id", how="left", maintain_order="left").select(
        pl.format("u{}", "who").alias("USER_ID"),
        pl.format("i{}", pl.col("id") % 5_000).alias("ITEM_ID"),
        kind.otherwise(pl.lit("View")).alias("EVENT_TYPE"),
        pl.col("second").alias("TIMESTAMP"),
        pl.when(is_purchase).then(pl.lit(19.5)).alias("EVENT_VALUE"),
        pl.lit("").alias("RECOMMENDATION_ID"),
        pl.lit("").alias("IMPRESSION"),
        pl.format("retail-large/{}", "second").alias("STREAMED_TO"),
        pl.format("{}-{}-9c55-4f0a-8d1e-3b7f", "who", pl.lit(number)).alias("SESSION_ID"),
        pl.format("{}-{}-1c0e-4b7d-9f55-8a2c", pl.lit(number), "id").alias("EVENT_ID"),
        pl.when(is_purchase).then(order).alias("PROPERTIES"),
        # Six of ten lists are clicked.
        pl.when(pl.col("drawn") >= 0.9).then("list").alias("LIST_ID"),
    )
    shown = listed.join(tokens, on="id").join(names, on="who")
    impressions = shown.select(
        pl.lit(SHOP).alias("shop"),
        "unit",
        listId="list",
        itemIds=pl.concat_list([pl.format("i{}", (pl.col("id") + step) % 5_000) for step in range(4)]),
        at=pl.col("second") * 1000 + 900,
    )
    exposed = shown.filter(pl.col("who") % 3 < len(VARIANTS)).select(
        pl.lit(SHOP).alias("shop"),
        pl.lit("home").alias("experiment"),
        (pl.col("who") % 3)
        .cast(pl.String)
        .replace({str(at): name for at, name in enumerate(VARIANTS)})
        .alias("variant"),
        "unit",
        pl.lit("home").alias("placement"),
        at=pl.col("second") * 1000,
    )
    day = f"{START + timedelta(days=number):%Y/%m/%d}"
    for kind_of, table, ending in (
        ("events", copies, "csv"),
        ("exposures", exposed, "jsonl"),
        ("impressions", impressions, "jsonl"),
    ):
        at = folder / kind_of / SHOP / day
        at.mkdir(parents=True)
        for part, frame in enumerate(table.iter_slices(-(-max(table.height, 1) // FILES))):
            if ending == "csv":
                frame.write_csv(at / f"{part:04}.csv")
            else:
                frame.write_ndjson(at / f"{part:04}.jsonl")


def write(folder: Path, events: int, days: int) -> None:
    """Write the files of all days in another process, unless they are there."""
    if not (folder / "events").exists():
        sizes = ["--events", str(events), "--days", str(days), "--folder", str(folder)]
        subprocess.run([sys.executable, "-m", "benchmarks.experiment_days", "--write", *sizes], check=True)


def _token(number: int, second: int, who: int) -> str:
    data = bytearray(_template(who % 3))
    # Copies have listIds that were checked, and no reader checks their signatures again.
    data[2:7] = (second * 100).to_bytes(5)
    data[-8:] = number.to_bytes(8)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@lru_cache
def _template(drawn: int) -> bytes:
    variant = list_ids.variant_number(f"home.{VARIANTS[drawn]}") if drawn < len(VARIANTS) else 0
    token = list_ids.sign(Key(1, b"benchmark"), SHOP, Shown(name="placement/home", at=1.0, release=1, variant=variant))
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def _facts_of(lists: pl.Series) -> pl.DataFrame:
    release = pl.lit("2026-11-01T00:00:00Z").alias("release")
    return list_columns.told(lists).select("list", "variant", release, "at", placement="name")


def made_up(days: int) -> Experiment:
    """Return an experiment of so many days."""
    start = int(START.timestamp())
    return Experiment(
        name="home",
        hypothesis="",
        owner="",
        placements=("home",),
        control=VARIANTS[0],
        variants=tuple(Variant(name=name) for name in VARIANTS),
        goal="orders",
        guardrails=("orders", "revenue", "returns"),
        seed="home",
        slices=tuple(Slice(name, number * 3_333, (number + 1) * 3_333, start) for number, name in enumerate(VARIANTS)),
        starts_at=start,
        ends_at=start + days * DAY,
        definition="",
    )


def analyse(folder: Path, days: int) -> None:
    """Make the days of a shop, judge its experiment, and print what that took."""
    experiment = made_up(days)
    files = DayFiles(cast("Any", Folder(folder)), "bucket", SHOP)
    end = START + timedelta(days=days, hours=1)
    rules = Rules("Purchase", UNIT_OF, variants_in=list_columns.variants)
    names = {list_ids.variant_number(f"home.{name}"): f"home.{name}" for name in VARIANTS}
    shelves = ShelfFiles(files, ShelfRules(facts_of=_facts_of, variants=names), end.date())
    began, worked = time.perf_counter(), time.process_time()
    made = aggregating.make(
        files,
        rules,
        [experiment],
        end.date(),
        late=lambda: False,
        also=Also(number_of=list_ids.variant_number, companion=shelves),
    )
    clock, processors = time.perf_counter() - began, time.process_time() - worked
    print(f"days: {clock:.1f} s ({processors:.1f} s of processors)")
    began, worked = time.perf_counter(), time.process_time()
    judged = report.judge(experiment, made, end)
    clock, processors = time.perf_counter() - began, time.process_time() - worked
    print(f"verdict: {clock:.1f} s ({processors:.1f} s of processors)")
    exposed = sum(sums.users for sums in judged.course.days[-1].sums.values())
    print(f"{exposed:,} exposed users and {judged.course.orders:,} orders in the sums")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--folder", type=Path, help="keep the made-up files here, for the next time")
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        for number in range(options.days):
            write_day(options.folder, number, options.events // options.days, max(options.events // 30, 100))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        write(folder, options.events, options.days)
        read = sum(path.stat().st_size for path in folder.glob("e*/**/*") if path.is_file())
        read += sum(path.stat().st_size for path in folder.glob("i*/**/*") if path.is_file())
        print(f"{options.events:,} events of {options.days} days, {read / 1e6:,.0f} MB with exposures and impressions")
        analyse(folder, options.days)


if __name__ == "__main__":
    main()
