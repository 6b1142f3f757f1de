# SPDX-License-Identifier: Apache-2.0
"""The verdict of days in shards is that of all their rows at once, however the units are divided."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from personalization.experiments import ramps, report
from personalization.experiments.days.aggregating import Made
from personalization.experiments.experiment import INTERLEAVED, Experiment

from tests.experiments.test_aggregates import unit
from tests.experiments.test_day_files import EXPERIMENT
from tests.experiments.test_looks import DAYS, bought, rows
from tests.experiments.test_ramps import WEEK, begun

NOW = datetime(DAYS[-1].year, DAYS[-1].month, DAYS[-1].day, 9, tzinfo=UTC)
"""The last day is not over."""
AB = replace(EXPERIMENT, guardrails=("revenue", "returns"))
RAMP = ramps.grown(begun(steps=[5, 50], guardrails=["orders"]), EXPERIMENT.starts_at + WEEK)
PREFERENCE = replace(EXPERIMENT, goal="clicks", interleaved=True)
UNITS = [unit(f"u{number}") for number in range(400)]
OBJECTING = UNITS[:5]


def happened(experiment: Experiment, orders: float, seed: int) -> dict[date, pl.DataFrame]:
    """Return the days of an experiment with robots, units in two variants, and such without an exposure."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    names = [INTERLEAVED] if experiment.interleaved else [variant.name for variant in experiment.variants]
    days: list[list[dict[str, Any]]] = [[] for _ in DAYS]
    for number, digest in enumerate(UNITS):
        lost = {"variant": None, "first": None, "lists": 2, "unit": digest}
        for day in sorted(chance.sample(range(len(DAYS)), chance.randint(1, 4))):
            if number % 50 == 7:
                days[day].append({**bought(digest, ""), **lost})
                continue
            variant = names[(number + (number % 50 == 9) * day) % len(names)]
            values = [round(chance.lognormvariate(3, 1), 2) for _ in range(3) if chance.random() < orders]
            past = {
                "pastOrders": 1,
                "pastClicks": 3,
                "pastViewable": 9,
                "pastReturned": 0.7,
                "pastValues": [12.3, 99.9],
            }
            days[day].append(
                bought(
                    digest,
                    variant,
                    *values,
                    first=int((EXPERIMENT.starts_at + day * 86_400 + number) * 1000),
                    exposures=chance.randint(0, 3),
                    events=2_000 if number % 80 == 11 else 5,
                    returned=1.1 if chance.random() < orders / 3 else 0.0,
                    clicks=chance.randint(0, 3),
                    viewable=chance.randint(3, 9),
                    lists=1,
                    **(past if number % 3 == 0 else {}),
                )
            )
            if experiment.interleaved:
                for side in chance.sample("ab", chance.randint(1, 2)):
                    clicked = {"first": None, "clicks": chance.randint(1, 3) + (side == "b"), "orders": 1}
                    days[day].append({**bought(digest, side), **clicked})
    return {day: rows(*told) for day, told in zip(DAYS, days, strict=True)}


def in_ranges(digest: str) -> int:
    return int(digest[:2], 16) * 3 // 256


def unevenly(digest: str) -> int:
    """Return one of three shards, of which two have no unit on most days."""
    return min(int(digest, 16) % 80, 2)


def divided(days: dict[date, pl.DataFrame], shard_of: Callable[[str], int]) -> Iterator[dict[date, pl.DataFrame]]:
    """Yield shards; where one has no row of a day, the day is missing or empty. The first has nothing at all."""
    yield {}
    numbers = {digest: shard_of(digest) for digest in UNITS}
    for number in sorted(set(numbers.values())):
        ours = [digest for digest in UNITS if numbers[digest] == number]
        shard = {day: frame.filter(pl.col("unit").is_in(ours)) for day, frame in days.items()}
        yield {day: frame for day, frame in shard.items() if number % 2 or not frame.is_empty()}


def assert_same(value: object, expected: object, within: float) -> None:
    match expected:
        case dict():
            assert isinstance(value, dict)
            assert value.keys() == expected.keys()
            for name in expected:
                assert_same(value[name], expected[name], within)
        case list() | tuple():
            assert isinstance(value, list | tuple)
            for part, due in zip(value, expected, strict=True):
                assert_same(part, due, within)
        case float():
            assert isinstance(value, float)
            assert math.isclose(value, expected, rel_tol=within, abs_tol=within)
        case _:
            assert value == expected


@pytest.mark.parametrize("shard_of", [in_ranges, unevenly])
@pytest.mark.parametrize(
    ("experiment", "orders"), [(AB, 0.05), (AB, 0.5), (RAMP, 0.5), (PREFERENCE, 0.5)], ids=["few", "ab", "ramp", "both"]
)
def test_any_division_into_shards_gives_the_verdict_of_all_rows_at_once(
    experiment: Experiment, orders: float, shard_of: Callable[[str], int]
) -> None:
    days = happened(experiment, orders, seed=7)
    rest: dict[str, Any] = {"currency": "KRW", "foreign": {}, "unvalued": 0, "busy": frozenset(DAYS), "whole": True}
    once = Made(rows={experiment.name: days}, **rest).without(OBJECTING)
    shards = Made(rows={}, read=lambda _: divided(days, shard_of), **rest).without(OBJECTING)

    judged, expected = (report.judge(experiment, made, NOW) for made in (shards, once))

    assert_same(asdict(judged.course), asdict(expected.course), 1e-9)
    assert judged.course.money == expected.course.money
    assert bool(any(judged.course.money.values())) == (orders == 0.05)
    assert (judged.sentence, judged.facts) == (expected.sentence, expected.facts)
    assert_same(asdict(judged.verdict), asdict(expected.verdict), 1e-6)
    assert (judged.preference is None) == (expected.preference is None)
    if judged.preference is not None and expected.preference is not None:
        assert_same(asdict(judged.preference), asdict(expected.preference), 1e-6)
    assert not any(digest in by_unit for by_unit in judged.course.revenues.values() for digest in OBJECTING)
    assert (judged.facts.unexposed, judged.course.robots) == (8, 5)
