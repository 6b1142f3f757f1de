# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from personalization.core.errors import Rejected
from personalization.shop.schedules import Timer, changes, start, timers
from personalization.shop.settings import ShopSettings, parse


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
    for place in (
        "domain: ",
        "schedules.0.name: ",
        "schedules.0.every: ",
        "schedules.0.when is",
        "schedules.1.action: ",
    ):
        assert place in told


def test_a_name_or_a_recipe_that_is_not_the_shops_is_refused() -> None:
    twice = "{name: a, every: rate(3 days)}"
    assert "schedules: two are named a" in reason(f"schedules: [{twice}, {twice}]")
    foreign = "recipes: [similar-items]\nschedules: [{name: a, every: rate(3 days), recipes: [popularity-count]}]"
    assert "schedules.0.recipes: popularity-count is left out" in reason(foreign)


def test_no_shops_timers_begin_as_anothers() -> None:
    assert not start("a-b").startswith(start("a"))


def test_only_what_differs_is_changed() -> None:
    same, old, new = (
        Timer("d.a", "rate(1 day)", "UTC", "{}"),
        Timer("d.b", "x", "UTC", ""),
        Timer("d.b", "y", "UTC", ""),
    )
    todo = changes({"d.a": same, "d.b": old, "d.gone": old}, (same, new, Timer("d.c", "z", "UTC", "")))
    assert ([each.name for each in todo.create], list(todo.update), list(todo.delete)) == (["d.c"], [new], ["d.gone"])
