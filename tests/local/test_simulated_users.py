# SPDX-License-Identifier: Apache-2.0
"""The simulated users of the demo's experiment: the same in each demo, and with the lift that it says."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from local.demo import experiment as demo

TODAY = datetime(2026, 12, 1, tzinfo=UTC)


def days(today: datetime) -> dict[str, demo.Simulated]:
    made = demo.simulated("demo", demo.planted("demo", today), "tracking", "retail-demo")
    return {day.day.isoformat(): day for day in made}


def test_half_of_the_users_order_more_by_design() -> None:
    variants: dict[str, str] = {}
    orders = {"own-list": 0, "bestsellers": 0}
    for day in days(TODAY).values():
        exposures = [json.loads(line) for line in day.exposures.splitlines()]
        rows = list(csv.DictReader(io.StringIO(day.events)))
        for exposure, row in zip(exposures, rows, strict=bool(exposures)):
            assert variants.setdefault(row["USER_ID"], exposure["variant"]) == exposure["variant"]
            orders[exposure["variant"]] += row["EVENT_TYPE"] == "Purchase"
    users = {name: list(variants.values()).count(name) for name in orders}
    assert min(users.values()) > 3_000
    rates = {name: orders[name] / users[name] for name in orders}
    assert 0.1 < rates["own-list"] / rates["bestsellers"] - 1 < 0.35


def test_a_day_is_the_same_in_each_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "USERS", 500)
    today, tomorrow = days(TODAY), days(TODAY + timedelta(days=1))
    shared = sorted(today.keys() & tomorrow.keys())
    assert len(shared) == demo.DAYS + demo.PAST - 1
    # The first day of the earlier experiment is before the later one.
    assert all(today[day] == tomorrow[day] for day in shared[demo.PAST :])
