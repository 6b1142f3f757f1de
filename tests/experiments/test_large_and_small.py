# SPDX-License-Identifier: Apache-2.0
"""A shop whose days become too large for one function, and small again: nothing is lost, and nothing counts twice."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.core.aws import clients
from personalization.experiments.days import shards
from personalization.experiments.days.aggregating import Also, Made
from personalization.experiments.days.files import DayFiles
from personalization.experiments.days.large.plan import Plan, Shelves
from personalization.experiments.days.large.round import LargeDays
from personalization.experiments.days.large.steps import DaySteps
from personalization.experiments.days.shards import Shard
from personalization.experiments.lists import Lists
from personalization.experiments.shelves.files import first_day

from tests.experiments.test_aggregates import COLUMNS, RULES, buy, copy, event, unit
from tests.experiments.test_day_files import EXPERIMENT, accept, expose, files, make, on, orders
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")


class Machine:
    """Rounds, and what they start, of a shop with a day of more than `most` bytes."""

    def __init__(self, most: int = 1) -> None:
        self.most = most
        self.started: list[str] = []
        self.has_placements = False

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002, ARG002, N803
        self.started.append(json.loads(input)["work"])

    def describe_execution(self, **_: object) -> dict[str, str]:
        """Say that one has ended: with what was made, or without."""
        return {"status": "FAILED"}

    def plan(self, number: int) -> Plan:
        first = first_day(on(number))
        return Plan(
            today=on(number),
            tracking_id="",
            purchase="Purchase",
            currency=None,
            experiments=(EXPERIMENT.as_record(),),
            shelves=Shelves(first=first, variants={}, left_out=(), window=1) if self.has_placements else None,
        )

    @property
    def days(self) -> LargeDays:
        return LargeDays(clients.s3(), BUCKET, "demo", self.most)

    def is_needed(self, number: int) -> bool:
        return self.days.are_needed(self.plan(number).needed)

    def round_on(self, number: int, hour: int = 9) -> Made:
        day = on(number)
        now = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        return self.days.begun(self.plan(number), now, cast("Any", self), "Check")

    def work(self) -> None:
        steps = DaySteps(
            clients.s3(), BUCKET, self.started[-1], lambda _, currency: replace(RULES, currency=currency), self.also
        )
        for number in range(len(self.planned())):
            steps.read(number)
        for number in range(steps.fit()):
            steps.make(number, lambda: False)

    def also(self, plan: Plan, of_shard: DayFiles) -> Also:
        return Lists(RULES.variants_in, lambda _: 0).also(plan, of_shard) if plan.shelves else Also()

    def planned(self, work: int = -1) -> list[int]:
        key = f"{self.started[work]}items-0.json"
        parts: list[int] = json.loads(clients.s3().get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return parts

    def made_on(self, number: int) -> Made:
        """Return the days of a round after the machine has worked."""
        self.round_on(number)
        self.work()
        return self.round_on(number, 10)


@pytest.fixture(autouse=True)
def two_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "EVERY", (Shard(0, 2), Shard(1, 2)))


def ordered(made: Made) -> int:
    return sum(int(rows["orders"].sum()) for shard in made.shards_of("home") for rows in shard.values())


def test_money_of_a_settled_day_counts_once(bucket: "S3Client") -> None:
    rows = [buy(10, f"u{number}", value="", orderId=f"o{number}", currency="KRW") for number in range(5)]
    accept(bucket, 0, [*rows, buy(20, "u9", currency="EUR", orderId="o9")])
    machine = Machine()

    first, later = machine.made_on(4), machine.made_on(5)

    assert (first.foreign, first.unvalued) == ({"EUR": 1}, 5)
    assert (later.foreign, later.unvalued) == ({"EUR": 1}, 5)


def test_links_of_a_day_stay_when_its_events_are_gone(bucket: "S3Client") -> None:
    linked = event("View", 1) | {"VISITOR": unit("v1")}
    key = f"events/demo/{on(0):%Y/%m/%d}/1.csv"
    bucket.put_object(Bucket=BUCKET, Key=key, Body=copy([linked], (*COLUMNS, "VISITOR")))
    make(4)
    before = files().links().unit(unit("u1"))
    assert before == files().links().unit(unit("v1"))
    bucket.delete_object(Bucket=BUCKET, Key=key)

    machine = Machine()
    machine.made_on(5)

    assert files().links().unit(unit("u1")) == files().links().unit(unit("v1"))


def test_a_day_that_one_function_makes_again_is_not_read_from_shards(bucket: "S3Client") -> None:
    expose(bucket, 0, ("u1", "a", 0))
    accept(bucket, 0, [buy(10, orderId="o1")])
    machine = Machine()
    assert ordered(machine.made_on(1)) == 1
    accept(bucket, 0, [buy(20, orderId="o2")], file="late")

    assert orders(make(1))[on(0).isoformat()] == [("a", 2)]

    stored = files().experiment_days("home", settled=False)
    assert stored[on(0)]["orders"].sum() == 2
    make(3)
    assert files().shop_days([on(0)])[on(0)].settled


def test_a_single_large_day_is_made_by_the_machine_until_it_is_settled(bucket: "S3Client") -> None:
    expose(bucket, 0, ("u1", "a", 0))
    accept(bucket, 0, [buy(10, f"u{number}", orderId=f"o{number}") for number in range(50)])
    machine = Machine(most=5_000)
    machine.made_on(0)
    assert machine.is_needed(2)

    assert machine.is_needed(3)

    machine.made_on(3)
    assert files().shop_days([on(0)])[on(0)].settled
    assert not machine.is_needed(3)


def test_days_that_were_made_before_are_read_again_for_new_placements(bucket: "S3Client") -> None:
    accept(bucket, 0, [buy(10, orderId="o1")])
    machine = Machine()
    machine.made_on(4)
    machine.has_placements = True

    assert machine.made_on(5).whole

    assert on(0) in files().stored_days("touches")


def test_days_that_one_function_has_settled_are_in_no_plan(bucket: "S3Client") -> None:
    for number in range(6):
        accept(bucket, number, [buy(number * 86_400 + 5, orderId=f"o{number}")])
    make(5)
    machine = Machine()

    made = machine.made_on(5)

    assert made.whole
    assert len(machine.planned(0)) == 3


def test_the_currency_of_the_first_purchases_stays_although_later_ones_have_another(bucket: "S3Client") -> None:
    accept(bucket, 0, [buy(10, currency="KRW", orderId="o1")])
    accept(bucket, 1, [buy(86_410, f"u{number}", currency="EUR", orderId=f"e{number}") for number in range(4)])

    made = Machine().made_on(1)

    assert (made.currency, made.foreign) == ("KRW", {"EUR": 4})
