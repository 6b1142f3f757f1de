# SPDX-License-Identifier: Apache-2.0
"""Derive EventBridge Scheduler's schedules from a shop's settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from personalization.shop.settings import Schedule, ShopSettings


@dataclass(frozen=True, slots=True)
class Timer:
    """One schedule of EventBridge Scheduler: its time, time zone, and input for the state machine."""

    name: str
    expression: str
    timezone: str
    input: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes from the existing to the wanted schedules."""

    create: tuple[Timer, ...]
    update: tuple[Timer, ...]
    delete: tuple[str, ...]


def start(shop: str) -> str:
    """Return the prefix of a shop's schedule names: no shop's name has a full stop, so that no two shops share it."""
    return f"{shop}."


def timers(shop: str, settings: ShopSettings) -> tuple[Timer, ...]:
    """Return the schedules in a shop's settings."""
    return tuple(
        Timer(f"{start(shop)}{schedule.name}", schedule.every, schedule.timezone, _input(shop, schedule))
        for schedule in settings.schedules
    )


def _input(shop: str, schedule: Schedule) -> str:
    """Return the input for the state machine."""
    request: dict[str, object] = {
        "action": schedule.action,
        "shop": shop,
        "schedule": schedule.name,
        "trainingMode": schedule.training_mode,
    }
    return json.dumps(request | ({"recipes": list(schedule.recipes)} if schedule.recipes else {}))


def changes(existing: Mapping[str, Timer], wanted: tuple[Timer, ...]) -> Changes:
    """Compare existing schedules, by name, with the wanted ones.

    An equal schedule is left alone: an update would restart the interval of `rate(...)`.
    """
    return Changes(
        create=tuple(timer for timer in wanted if timer.name not in existing),
        update=tuple(timer for timer in wanted if timer.name in existing and existing[timer.name] != timer),
        delete=tuple(sorted(set(existing) - {timer.name for timer in wanted})),
    )
