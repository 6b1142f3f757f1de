# SPDX-License-Identifier: Apache-2.0
"""How long an experiment's days take: events aggregated day by day, and judged.

``python -m benchmarks.experiment_days [--events N] [--days D]``. Users come as often as they like, two thirds of them
in one of two variants; three events of a hundred are purchases. Copies and exposures are made in memory as the function
reads them. The time of the processors is told beside the clock's, which other work on the machine lengthens.
"""

import argparse
import io
import resource
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial

import numpy as np
import polars as pl
from personalization.experiments import report
from personalization.experiments.assignment import unit_digest
from personalization.experiments.days import events, units
from personalization.experiments.days.aggregating import Made
from personalization.experiments.days.events import Rules
from personalization.experiments.days.units import Beside
from personalization.experiments.experiment import Experiment, Slice, Variant

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = 86_400
FILES = 50
"""Files of copies a day."""
VARIANTS = ("own", "best")
UNIT_OF = partial(unit_digest, "benchmark")
RULES = Rules("Purchase", UNIT_OF)


def made_up(number: int, size: int, users: int, chance: np.random.Generator) -> Iterator[bytes]:
    """Yield a day's copies of events."""
    who = (users * chance.beta(0.5, 3.0, size)).astype(np.int64)
    second = np.sort(chance.integers(0, DAY, size)) + int(START.timestamp()) + number * DAY
    drawn = chance.random(size)
    rows = pl.DataFrame({"who": who, "second": second, "drawn": drawn, "id": np.arange(size)})
    is_purchase = pl.col("drawn") < 0.03
    order = pl.concat_str(pl.lit(f'{{"orderId":"{number}-'), pl.col("id"), pl.lit('","currency":"KRW"}'))
    copies = rows.select(
        pl.format("u{}", "who").alias("USER_ID"),
        pl.format("i{}", pl.col("id") % 5_000).alias("ITEM_ID"),
        pl.when(is_purchase).then(pl.lit("Purchase")).otherwise(pl.lit("View")).alias("EVENT_TYPE"),
        pl.col("second").alias("TIMESTAMP"),
        pl.when(is_purchase).then(pl.lit(19.5)).alias("EVENT_VALUE"),
        pl.format("retail-demo/{}", "second").alias("STREAMED_TO"),
        pl.format("s{}-{}", "who", pl.lit(number)).alias("SESSION_ID"),
        pl.format("e{}-{}", pl.lit(number), "id").alias("EVENT_ID"),
        pl.when(is_purchase).then(order).alias("PROPERTIES"),
        pl.lit("").alias("RECOMMENDATION_ID"),
        pl.lit("").alias("LIST_ID"),
    )
    for part in copies.iter_slices(-(-size // FILES)):
        yield part.write_csv().encode()


@cache
def variant_of(user: str) -> str | None:
    drawn = int(user[1:]) % 3
    return VARIANTS[drawn] if drawn < len(VARIANTS) else None


def exposures_of(copies: pl.DataFrame) -> bytes:
    """Return the lines of the first exposure of each user on a day."""
    first = copies.group_by("USER_ID").agg(pl.col("TIMESTAMP").cast(pl.Int64).min().alias("at"))
    rows = [
        {"experiment": "home", "variant": variant, "unit": UNIT_OF(user), "placement": "home", "at": at * 1000}
        for user, at in first.iter_rows()
        if (variant := variant_of(user))
    ]
    file = io.BytesIO()
    pl.DataFrame(rows).write_ndjson(file)
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=28)
    options = parser.parse_args()
    chance = np.random.default_rng(7)
    users, a_day = max(options.events // 30, 100), options.events // options.days
    start = int(START.timestamp())
    experiment = Experiment(
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
        ends_at=start + options.days * DAY,
        definition="",
    )
    rows: dict[date, pl.DataFrame] = {}
    shop_days: list[pl.DataFrame] = []
    clock = processors = 0.0
    for number in range(options.days):
        files = [*made_up(number, a_day, users, chance)]
        lines = exposures_of(events.copies(files))
        day = (START + timedelta(days=number)).date()
        began, worked = time.perf_counter(), time.process_time()
        before = events.Remembered(shop_days)
        accepted = events.accepted(events.copies(files), RULES, before)
        past = units.past(shop_days[-units.PAST_DAYS :])
        shown = events.exposures([lines], "home", day)
        rows[day] = units.day(shown, accepted, [*rows.values()], Beside(unit_of=UNIT_OF, past=past))
        shop_days.append(units.shop_day(accepted))
        clock, processors = clock + time.perf_counter() - began, processors + time.process_time() - worked
    made = Made(rows={"home": rows}, currency="KRW", foreign={}, unvalued=0, busy=frozenset(rows), whole=True)
    began, worked = time.perf_counter(), time.process_time()
    judged = report.judge(experiment, made, START + timedelta(days=options.days, hours=1))
    judging, judged_by = time.perf_counter() - began, time.process_time() - worked
    exposed = sum(sums.users for sums in judged.course.days[-1].sums.values())
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{a_day * options.days:,} events of {options.days} days, {exposed:,} exposed users in the sums")
    print(f"days: {clock:.1f} s ({processors:.1f} s of processors); verdict: {judging:.1f} s ({judged_by:.1f} s)")
    print(f"{megabytes:,} MB at most, with the made-up files")


if __name__ == "__main__":
    main()
