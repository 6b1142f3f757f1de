# SPDX-License-Identifier: Apache-2.0
"""A made-up shop's experiment with one fault at a time: whether the analysis names it, and what it makes of the lift.

``python -m benchmarks.faulty_shops [--users N] [--seed N]``. Users come as often as they like, more at the weekend;
values of orders are lognormal. The shop's files are those that the application writes: copies of events, exposures and
impressions, with signed listIds. They are made into days and judged as the hourly function does it.
"""

import argparse
import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import numpy as np
from personalization.auth import list_columns, list_ids
from personalization.auth.list_ids import Key, Shown
from personalization.core.errors import Missing
from personalization.events.event_copies import HEADER
from personalization.experiments import report
from personalization.experiments.assignment import unit_digest
from personalization.experiments.days import aggregating
from personalization.experiments.days.aggregating import Also
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.reading import Rules
from personalization.experiments.experiment import Experiment, Slice, Variant
from personalization.experiments.report import Judged

SHOP, NAME, CONTROL, TREATED = "made-up", "home", "own", "best"
START = datetime(2026, 11, 2, tzinfo=UTC)
DAYS = 14
_KEY = Key(1, b"benchmark")
_UNIT = partial(unit_digest, "made-up")
_WEEKDAYS = np.array([0.9, 0.8, 0.8, 0.9, 1.1, 1.3, 1.2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What is planted."""

    lift: float = 0.0
    """By how much more often treated users order."""
    robots: int = 0
    """Users who order 60 times on one day."""
    uneven: float = 0.0
    """The share of treated users who leave no trace at all, as where a variant's page is broken."""
    double: float = 0.0
    """The share of users who are exposed to the other variant as well."""
    lost: float = 0.0
    """The share of users whose exposures are lost."""
    silent: int | None = None
    """A day without exposures, by its number from 0."""
    imported: bool = False
    """Whether orders come by a nightly drop alone."""


FAULTS: Mapping[str, Shop] = {
    "none": Shop(),
    "a lift of 30 %": Shop(lift=0.3),
    "a lift of 30 %, orders by drops": Shop(lift=0.3, imported=True),
    "robots, lift of 30 %": Shop(lift=0.3, robots=5),
    "a quarter of a variant's users are missing": Shop(uneven=0.25),
    "3 % in two variants": Shop(lift=0.3, double=0.03),
    "exposures of a tenth of the users are lost": Shop(lift=0.3, lost=0.1),
    "a day's log of exposures is lost": Shop(lift=0.3, silent=5),
}


class Bucket:
    """An S3 client with one bucket, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def list_objects_v2(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803 - as AWS names it
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        return {"Contents": [{"Key": key, "Size": len(self.objects[key])} for key in keys]}

    def get_object(self, *, Key: str, Range: str = "", **_: object) -> dict[str, Any]:  # noqa: N803
        data = self.objects.get(Key)
        if data is None:
            raise Missing(Key, "there is no such object")
        begin = int(Range.removeprefix("bytes=").partition("-")[0] or 0)
        return {
            "Body": io.BytesIO(data[begin:]),
            "ContentRange": f"bytes {begin}-{len(data) - 1}/{len(data)}" if Range else "",
        }

    def put_object(self, *, Key: str, Body: bytes, **_: object) -> None:  # noqa: N803
        self.objects[Key] = Body


def files(shop: Shop, users: int, seed: int) -> dict[str, bytes]:
    """Return a shop's files by key."""
    rng = np.random.default_rng(seed)
    rate, treated = rng.gamma(0.7, 1 / 0.7, users), rng.random(users) < 0.5
    gone = treated & (rng.random(users) < shop.uneven)
    double, lost = rng.random(users) < shop.double, rng.random(users) < shop.lost
    events: dict[int, list[dict[str, object]]] = defaultdict(list)
    exposures: dict[int, list[dict[str, object]]] = defaultdict(list)
    impressions: dict[int, list[dict[str, object]]] = defaultdict(list)
    for day in range(-14, DAYS):
        visits = rng.poisson(rate * _WEEKDAYS[day % 7] / 2)
        chance = 0.12 * (1 + shop.lift * treated) if day >= 0 else np.full(users, 0.12)
        orders = rng.binomial(visits, chance)
        values = np.round(rng.lognormal(3, 1, users), 2)
        seconds = rng.integers(0, 80_000, users)
        for user in np.flatnonzero((visits > 0) & ~gone).tolist():
            name, at = f"u{user}", int(START.timestamp()) + day * 86_400 + int(seconds[user])
            variant = (CONTROL, TREATED)[int(treated[user])]
            listed = ""
            if day >= 0:
                shown = Shown(
                    name="placement/home",
                    at=float(at),
                    release=1,
                    variant=list_ids.variant_number(f"{NAME}.{variant}"),
                )
                listed = list_ids.of(_KEY, SHOP, name, shown)
                if not lost[user] and day != shop.silent:
                    told = {"shop": SHOP, "experiment": NAME, "variant": variant, "unit": _UNIT(name)}
                    exposures[day].append({**told, "placement": "home", "at": at * 1000})
                    if double[user]:
                        other = (TREATED, CONTROL)[int(treated[user])]
                        exposures[day].append({**told, "variant": other, "placement": "home", "at": at * 1000 + 5})
                on_screen = {"unit": _UNIT(name), "listId": listed, "itemIds": ["i1", "i2"], "at": at * 1000 + 900}
                impressions[day].append({"shop": SHOP, **on_screen})
            events[day].append(_event(name, "View", at + 10, listed=listed, number=0))
            robot = user < shop.robots and day >= 0
            for number in range(60 if robot else int(orders[user])):
                order = {"orderId": f"{day}-{user}-{number}"}
                events[day].append(
                    _event(name, "Purchase", at + 20 + number, value=float(values[user]), number=number + 1, **order)
                )
    made: dict[str, bytes] = {}
    for day in range(-14, DAYS):
        folder = f"{START + timedelta(days=day):%Y/%m/%d}"
        sent = [row for row in events[day] if not (shop.imported and row["EVENT_TYPE"] == "Purchase")]
        made[f"events/{SHOP}/{folder}/1.csv"] = _csv(HEADER, sent)
        made[f"exposures/{SHOP}/{folder}/1.jsonl"] = _lines(exposures[day])
        made[f"impressions/{SHOP}/{folder}/1.jsonl"] = _lines(impressions[day])
        if shop.imported:
            bought = [row for row in events[day] if row["EVENT_TYPE"] == "Purchase"]
            columns = (*HEADER[:5], "ORDER_ID")
            made[f"imports/{SHOP}/night{day}/interactions/part-0.csv"] = _csv(
                columns, [{**row, "ORDER_ID": json.loads(str(row["PROPERTIES"]))["orderId"]} for row in bought]
            )
    return {key: data for key, data in made.items() if data}


def _event(
    user: str, kind: str, at: int, *, number: int, value: float | None = None, listed: str = "", **more: str
) -> dict[str, object]:
    return {
        "USER_ID": user,
        "ITEM_ID": f"i{number + 1}",
        "EVENT_TYPE": kind,
        "TIMESTAMP": at,
        "EVENT_VALUE": "" if value is None else value,
        "STREAMED_TO": f"retail-{SHOP}/{at}",
        "SESSION_ID": f"session of {user}",
        "EVENT_ID": f"{user}-{at}-{number}",
        "PROPERTIES": json.dumps(more) if more else "",
        "LIST_ID": listed,
    }


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def judged(shop: Shop, users: int, seed: int) -> Judged:
    """Return what the analysis says of a shop's experiment after its end."""
    bucket = Bucket()
    bucket.objects |= files(shop, users, seed)
    start = int(START.timestamp())
    experiment = Experiment(
        name=NAME,
        hypothesis="",
        owner="",
        placements=("home",),
        control=CONTROL,
        variants=(Variant(name=CONTROL), Variant(name=TREATED)),
        goal="orders",
        guardrails=(),
        seed=NAME,
        slices=(Slice(CONTROL, 0, 5_000, start), Slice(TREATED, 5_000, 10_000, start)),
        starts_at=start,
        ends_at=start + DAYS * 86_400,
        definition="",
    )
    rules = Rules("Purchase", _UNIT, variants_in=list_columns.variants)
    end = START + timedelta(days=DAYS, hours=1)
    made = aggregating.make(
        DayFiles(cast("Any", bucket), "bucket", SHOP),
        rules,
        [experiment],
        end.date(),
        late=lambda: False,
        also=Also(number_of=list_ids.variant_number),
    )
    return report.judge(experiment, made, end)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print("| planted | named | verdict | lift |\n|---|---|---|---|")
    for name, shop in FAULTS.items():
        told = judged(shop, options.users, options.seed)
        result = told.verdict.of(TREATED)
        named = ", ".join(finding.name for finding in told.verdict.findings) or "-"
        lift = "-" if result.lift is None else f"{result.lift:+.0%}"
        print(f"| {name} | {named} | {told.verdict.state} | {lift} |", flush=True)


if __name__ == "__main__":
    main()
