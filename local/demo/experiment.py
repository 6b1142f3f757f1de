# SPDX-License-Identifier: Apache-2.0
"""What an experiment of the demo's shop would say: four weeks of simulated users, judged as every experiment is.

Nobody waits four weeks for a demo. So the exposures and purchases that an experiment leaves in the bucket are
simulated, with a planted lift, and the stack's own function makes its report of them.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
from personalization.events.event_copies import HEADER
from personalization.experiments import assignment, following
from personalization.experiments.experiment import SCALE, Experiment, Slice, Variant
from personalization.shop.records import release_store
from table_intake.streamed import MARK

from local.cloud.environments import LocalError
from local.experiments.running import Cloud

NAME = "simulated-users"
DAYS, PAST = 28, 14
USERS = 12_000
VISITS = 0.12
"""The mean of a user's visits on a day; some come far more often than others."""
CONVERSION, LIFT = 0.05, 0.2
"""The share of visits with an order among the bestsellers, and how much more there are with own lists."""
VALUE, SPREAD = 3.0, 0.8
"""Mean and deviation of the logarithm of an order's value."""
SEED = 20_261_201
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Simulated:
    """The files of a day, as the stack would have written them."""

    day: date
    exposures: str
    events: str


def planted(shop: str, today: datetime) -> Experiment:
    """Return the experiment that ended this midnight."""
    ends = int(today.timestamp())
    starts = ends - int((DAYS * _DAY).total_seconds())
    half = SCALE // 2
    return Experiment(
        name=NAME,
        hypothesis=f"Simulated users of {shop} order more from their own list than from the bestsellers.",
        owner="demo",
        placements=("home",),
        control="bestsellers",
        variants=(Variant(name="own-list"), Variant(name="bestsellers", serves="bestsellers")),
        goal="orders",
        seed=NAME,
        slices=(Slice("own-list", 0, half, starts), Slice("bestsellers", half, SCALE, starts)),
        starts_at=starts,
        ends_at=ends,
        definition="",
    )


def simulated(shop: str, experiment: Experiment, tracking_id: str, mark: str) -> Iterator[Simulated]:
    """Yield the days of the experiment and those before it.

    Args:
        shop, experiment: whose users are exposed.
        tracking_id: the key of users' digests.
        mark: the dataset group in copies of events.
    """
    rates = np.random.default_rng(SEED).gamma(0.6, VISITS / 0.6, USERS)
    users = [f"simulated-{number}" for number in range(USERS)]
    variants = [assignment.variant_of(experiment, user) for user in users]
    names = [variant.name if variant else "" for variant in variants]
    units = [assignment.unit_digest(tracking_id, user) for user in users]
    lifted: npt.NDArray[np.float64] = np.where(np.array(names) == "own-list", 1 + LIFT, 1.0)
    start = datetime.fromtimestamp(experiment.starts_at, UTC)
    for number in range(-PAST, DAYS):
        midnight = start + number * _DAY
        # A day is the same in each demo, also where an earlier one has been made into aggregates.
        rng = np.random.default_rng([SEED, midnight.toordinal()])
        chance = CONVERSION * (lifted if number >= 0 else np.ones(USERS))
        visitors = np.flatnonzero(rng.random(USERS) < 1 - np.exp(-rates))
        seconds, buys = rng.integers(0, 86_000, len(visitors)), rng.random(len(visitors)) < chance[visitors]
        values = rng.lognormal(VALUE, SPREAD, len(visitors))
        exposures, rows = list[str](), [",".join(HEADER)]
        for user, second, bought, value in zip(visitors, seconds, buys, values, strict=True):
            at = int(midnight.timestamp()) + int(second)
            if number >= 0:
                told = {"shop": shop, "experiment": NAME, "variant": names[user], "unit": units[user]}
                exposures.append(json.dumps({**told, "placement": "home", "at": at * 1000}))
            kind, amount = ("Purchase", f"{value:.2f}") if bought else ("View", "")
            event = {"USER_ID": users[user], "ITEM_ID": "simulated", "EVENT_TYPE": kind, "TIMESTAMP": str(at + 60)}
            event |= {
                "EVENT_VALUE": amount,
                MARK: f"{mark}/{at + 60}",
                "EVENT_ID": f"{user}-{midnight:%Y%m%d}",
            }
            rows.append(",".join(event.get(column, "") for column in HEADER))
        yield Simulated(midnight.date(), "\n".join(exposures), "\n".join(rows) + "\n")


def store(cloud: Cloud, shop: str, now: datetime) -> Experiment:
    """Write the simulated files and the ended experiment. Raises LocalError without a release."""
    release = release_store.release_record(cloud.dynamodb, cloud.table, shop)
    if release is None:
        raise LocalError(f"{shop} has no release")
    experiment = planted(shop, now.replace(hour=0, minute=0, second=0, microsecond=0))
    mark = release.dataset_group_arn.rpartition("/")[2]

    def put(day: Simulated) -> None:
        for folder, ending, text in (("exposures", "jsonl", day.exposures), ("events", "csv", day.events)):
            if text:
                key = f"{folder}/{shop}/{day.day:%Y/%m/%d}/simulated.{ending}"
                cloud.s3.put_object(Bucket=cloud.bucket, Key=key, Body=text.encode())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, simulated(shop, experiment, release.tracking_id, mark)))
    before = cloud.experiments(shop)
    others = [other for other in before.experiments if other.name != NAME]
    following.put(cloud.dynamodb, cloud.table, before.changed([*others, experiment]))
    return experiment
