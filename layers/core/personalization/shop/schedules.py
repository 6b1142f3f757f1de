# SPDX-License-Identifier: Apache-2.0
"""A shop's schedules: what the settings ask for, as EventBridge Scheduler keeps it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from personalization.shop.settings import Schedule, ShopSettings


@dataclass(frozen=True, slots=True)
class Timer:
    """One schedule of EventBridge Scheduler: when, in which time zone, and the machine's input."""

    name: str
    expression: str
    timezone: str
    input: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What it takes to bring the timers that are there to those that are wanted."""

    create: tuple[Timer, ...]
    update: tuple[Timer, ...]
    delete: tuple[str, ...]
    """Names."""


def start(shop: str) -> str:
    """How the names of a shop's timers begin: a full stop is in no shop's name, so that no two shops share it."""
    return f"{shop}."


def timers(shop: str, settings: ShopSettings) -> tuple[Timer, ...]:
    """The timers that a shop's settings ask for."""
    return tuple(
        Timer(f"{start(shop)}{schedule.name}", schedule.every, schedule.timezone, _input(shop, schedule))
        for schedule in settings.schedules
    )


def _input(shop: str, schedule: Schedule) -> str:
    """What the machine is started with."""
    asked: dict[str, object] = {
        "action": schedule.action,
        "shop": shop,
        "schedule": schedule.name,
        "trainingMode": schedule.training_mode,
    }
    return json.dumps(asked | ({"recipes": list(schedule.recipes)} if schedule.recipes else {}))


def changes(there: Mapping[str, Timer], wanted: tuple[Timer, ...]) -> Changes:
    """Compare what is there, by name, with what is wanted.

    An equal timer is left alone: an update would begin the counting of `rate(...)` anew.
    """
    return Changes(
        create=tuple(timer for timer in wanted if timer.name not in there),
        update=tuple(timer for timer in wanted if timer.name in there and there[timer.name] != timer),
        delete=tuple(sorted(set(there) - {timer.name for timer in wanted})),
    )
