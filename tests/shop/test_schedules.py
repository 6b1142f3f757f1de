# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from personalization.core.errors import Rejected
from personalization.shop.schedules import timers
from personalization.shop.settings.settings import ShopSettings, parse


def chosen(text: str) -> ShopSettings:
    return parse("settings.yaml", text)


def reason(text: str) -> str:
    with pytest.raises(Rejected) as refused:
        chosen(text)
    return refused.value.reason


@pytest.mark.parametrize("every", ["rate(1 day)", "rate(12 hours)", "rate(7 days)", "cron(0 3 ? * MON *)"])
def test_rates_and_crons_are_times(every: str) -> None:
    (timer,) = timers("demo", chosen(f"schedules: [{{name: a, every: '{every}'}}]"))
    assert (timer.name, timer.expression, timer.timezone) == ("demo.a", every, "UTC")


def test_a_batch_job_has_a_schedule_of_its_own_that_starts_the_other_machine() -> None:
    (timer,) = timers("demo", chosen("batch: {a: {every: rate(1 day), timezone: Asia/Seoul}, b: {after: promotion}}"))
    assert (timer.name, timer.timezone, timer.machine) == ("demo.batch.a", "Asia/Seoul", "batch")
    # What Scheduler replaces by the time, so that a second delivery is recognized.
    time = "<aws.scheduler.scheduled-time>"
    assert json.loads(timer.input) == {"action": "batch", "shop": "demo", "batch": "a", "scheduled": time}


@pytest.mark.parametrize(
    "cron",
    ["0/5 8-17 ? * MON-FRI *", "15 10 L * ? *", "0 9 3W * ? *", "30 6 1,15 JAN,JUL ? 2026-2030", "0 3 ? * 5L *",
     "0 3 ? * TUE#2 *", "*/15 * * * ? 2199"],
)  # fmt: skip
def test_crons_that_the_scheduler_takes_are_taken(cron: str) -> None:
    (timer,) = timers("demo", chosen(f"schedules: [{{name: a, every: 'cron({cron})'}}]"))
    assert timer.expression == f"cron({cron})"


@pytest.mark.parametrize(
    ("cron", "why"),
    [("0 3 * * * *", "must be ?, and not both"), ("0 3 ? * ? *", "must be ?, and not both"),
     ("0 25 ? * MON *", "the hour goes from 0 to 23, not 25"), ("60 3 ? * MON *", "the minute goes from 0 to 59"),
     ("0 3 ? * 8 *", "the day of the week goes from 1 to 7 or SUN to SAT, not 8"), ("0 3 ? * MON#6 *", "not MON#6"),
     ("0 3 32 * ? *", "the day of the month goes from 1 to 31"), ("0 3 ? 13 MON *", "the month goes from 1 to 12"),
     ("0 3 ? * MON 1969", "the year goes from 1970 to 2199"), ("0/0 3 ? * MON *", "not 0/0"),
     ("5-1 3 ? * MON *", "not 5-1"), ("0 3 ? * MON", "and this one has 5"), ("0  3 ? * MON *", "this one has 7"),
     ("0 3 ? * lundi *", "not lundi"), ("? 3 ? * MON *", "the minute")],
)  # fmt: skip
def test_a_cron_that_the_scheduler_refuses_is_refused_with_its_field(cron: str, why: str) -> None:
    said = reason(f"schedules: [{{name: a, every: 'cron({cron})'}}]")
    assert why in said
    assert "write rate(7 days)" in said


def test_a_zone_has_a_name_of_the_database_old_or_new() -> None:
    schedule = "schedules: [{name: a, every: rate(1 day), timezone: %s}]"
    assert "write one like Europe/Berlin" in reason(schedule % "Mars/Base")
    for zone in ("Europe/Kiev", "Europe/Kyiv", "US/Pacific"):
        assert timers("demo", chosen(schedule % zone))[0].timezone == zone


@pytest.mark.parametrize(
    "every", ["weekly", "rate(1 days)", "rate(2 day)", "rate(0 days)", "rate(5 minutes)", "cron(0 3)"]
)
def test_what_the_scheduler_would_not_take_is_refused(every: str) -> None:
    assert "write rate(7 days)" in reason(f"schedules: [{{name: a, every: '{every}'}}]")


@pytest.mark.parametrize("recipes", ["[]", "[similar-items]", "[user-personalization, similar-items]"])
def test_update_is_for_the_one_recipe_that_has_it(recipes: str) -> None:
    schedule = f"name: a, every: rate(1 day), training_mode: UPDATE, recipes: {recipes}"
    assert "UPDATE needs recipes: [user-personalization]" in reason(f"schedules: [{{{schedule}}}]")
    (updates,) = chosen(f"schedules: [{{{schedule.replace(recipes, '[user-personalization]')}}}]").schedules
    assert updates.training_mode == "UPDATE"


def test_all_errors_are_told_at_once_with_their_places() -> None:
    told = reason(
        "domain: video\nschedules: [{name: A, every: never, when: 3}, {name: b, every: rate(3 days), action: x}]"
    )
    for position in (
        "domain: ",
        "schedules.0.name: ",
        "schedules.0.every: ",
        "schedules.0.when is",
        "schedules.1.action: ",
    ):
        assert position in told


def test_a_name_or_a_recipe_that_is_not_the_shops_is_refused() -> None:
    twice = "{name: a, every: rate(3 days)}"
    assert "schedules: two are named a" in reason(f"schedules: [{twice}, {twice}]")
    foreign = "recipes: [similar-items]\nschedules: [{name: a, every: rate(3 days), recipes: [popularity-count]}]"
    assert "schedules.0.recipes: popularity-count is left out" in reason(foreign)
