# SPDX-License-Identifier: Apache-2.0
"""Derive a shop's schedules from its settings, and store them in the stack's group of EventBridge Scheduler."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from personalization.core.aws.errors import false_on, none_if_missing
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.core.errors import Broken, PersonalizationError, RetryLater
from personalization.shop.settings.settings import ShopSettings
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient


Machine = Literal["retrain", "batch"]
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""A context attribute of EventBridge Scheduler: the same in each delivery of one time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """One schedule of EventBridge Scheduler: its time, time zone, and input for the state machine."""

    name: str
    expression: str
    timezone: str
    input: str
    machine: Machine = "retrain"
    """The state machine that it starts."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes from the existing to the wanted schedules."""

    create: tuple[Timer, ...]
    update: tuple[Timer, ...]
    delete: tuple[str, ...]


def start(shop: str) -> str:
    """Return the prefix of a shop's schedule names; shops' names have no full stop, so it is the shop's alone."""
    return f"{shop}."


def timers(shop: str, settings: ShopSettings) -> tuple[Timer, ...]:
    """Return the schedules in a shop's settings."""
    timers_wanted: list[Timer] = []
    for schedule in settings.schedules:
        request = {
            "action": schedule.action,
            "shop": shop,
            "schedule": schedule.name,
            "trainingMode": schedule.training_mode,
        }
        text = json.dumps(request | ({"recipes": list(schedule.recipes)} if schedule.recipes else {}))
        timers_wanted.append(
            Timer(
                name=f"{start(shop)}{schedule.name}", expression=schedule.every, timezone=schedule.timezone, input=text
            )
        )
    for name, job in settings.batch.items():
        if job.every:
            # Scheduler puts the time of each run in place of its keyword.
            text = json.dumps({"action": "batch", "shop": shop, "batch": name, "scheduled": SCHEDULED_TIME})
            timers_wanted.append(
                Timer(
                    name=f"{start(shop)}batch.{name}",
                    expression=job.every,
                    timezone=job.timezone,
                    input=text,
                    machine="batch",
                )
            )
    return tuple(timers_wanted)


def changes(existing: Mapping[str, Timer], wanted: tuple[Timer, ...]) -> Changes:
    """Compare existing schedules, by name, with the wanted ones.

    An equal schedule is left alone: an update would restart the interval of `rate(...)`.
    """
    return Changes(
        create=tuple(timer for timer in wanted if timer.name not in existing),
        update=tuple(timer for timer in wanted if timer.name in existing and existing[timer.name] != timer),
        delete=tuple(sorted(set(existing) - {timer.name for timer in wanted})),
    )


def names(client: "EventBridgeSchedulerClient", group: str, shop: str) -> tuple[str, ...]:
    """Return the names of a shop's schedules."""
    prefix = start(shop)
    listed = paginate(client.list_schedules, "Schedules", GroupName=group, NamePrefix=prefix)
    # The prefix is checked again: no other shop's schedules may be touched.
    return tuple(timer["Name"] for timer in listed if timer["Name"].startswith(prefix))


def follow(client: "EventBridgeSchedulerClient", s3: "S3Client", environment: Environment, shop: str) -> Changes:
    """Update a shop's schedules to its current settings.

    A schedule that cannot be changed keeps no other from changing: what was removed would go on training for money.

    Raises:
        Rejected: the settings are invalid; no schedule has changed.
        RetryLater: EventBridge Scheduler did not take a change now; all others are made.
        Broken: it refused a change; all others are made.
    """
    wanted = timers(shop, shop_settings(s3, environment.bucket, shop))
    group = environment.schedule_group
    existing = {name: _timer(client, environment, name) for name in names(client, group, shop)}
    todo = changes({name: timer for name, timer in existing.items() if timer is not None}, wanted)
    steps: list[tuple[str, Callable[[], object]]] = [
        *((name, partial(delete, client, group, name)) for name in todo.delete),
        *((timer.name, partial(_create, client, environment, timer)) for timer in todo.create),
        *((timer.name, partial(_update, client, environment, timer)) for timer in todo.update),
    ]
    failures: list[PersonalizationError] = []
    for name, step in steps:
        try:
            step()
        except RetryLater as error:
            failures.append(error)
        except PersonalizationError as error:
            # The settings were accepted, so it is not for the shop to mend.
            failures.insert(0, Broken(name, f"EventBridge Scheduler refused the schedule: {error.reason}"))
    if failures:
        raise failures[0]
    return todo


def _create(client: "EventBridgeSchedulerClient", environment: Environment, timer: Timer) -> None:
    false_on("ConflictException", client.create_schedule, **_parameters(environment, timer))


def _update(client: "EventBridgeSchedulerClient", environment: Environment, timer: Timer) -> None:
    client.update_schedule(**_parameters(environment, timer))


def delete(client: "EventBridgeSchedulerClient", group: str, name: str) -> None:
    """Delete a schedule, if it exists."""
    none_if_missing(client.delete_schedule, GroupName=group, Name=name)


def _timer(client: "EventBridgeSchedulerClient", environment: Environment, name: str) -> Timer | None:
    group = environment.schedule_group
    stored = none_if_missing(client.get_schedule, GroupName=group, Name=name)
    if stored is None:
        return None
    target = stored["Target"]
    zone = stored.get("ScheduleExpressionTimezone", "UTC")
    machine: Machine = "batch" if target["Arn"] == environment.batch_machine_arn else "retrain"
    return Timer(
        name=name,
        expression=stored["ScheduleExpression"],
        timezone=zone,
        input=target.get("Input", ""),
        machine=machine,
    )


def _parameters(environment: Environment, timer: Timer) -> dict[str, Any]:
    return {
        "GroupName": environment.schedule_group,
        "Name": timer.name,
        "ScheduleExpression": timer.expression,
        "ScheduleExpressionTimezone": timer.timezone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": environment.batch_machine_arn if timer.machine == "batch" else environment.retrain_machine_arn,
            "RoleArn": environment.schedule_role_arn,
            "Input": timer.input,
            "DeadLetterConfig": {"Arn": environment.chores_queue_arn},
        },
    }
