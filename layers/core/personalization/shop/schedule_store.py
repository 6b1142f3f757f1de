# SPDX-License-Identifier: Apache-2.0
"""Store shops' schedules in the stack's group of EventBridge Scheduler."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import false_on, none_if_missing, translate_errors
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.shop import schedules
from personalization.shop.schedules import Changes, Timer
from personalization.shop.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient


@dataclass(frozen=True, slots=True)
class Target:
    """The schedules' group, and what they start: the state machine, its role, and the dead-letter queue."""

    group: str
    machine: str
    role: str
    queue: str


def target(environment: Environment) -> Target:
    """Return this deployment's target."""
    return Target(
        environment.schedule_group,
        environment.retrain_machine_arn,
        environment.schedule_role_arn,
        environment.chores_queue_arn,
    )


def names(client: "EventBridgeSchedulerClient", group: str, shop: str) -> tuple[str, ...]:
    """Return the names of a shop's schedules."""
    start = schedules.start(shop)
    with translate_errors(group):
        listed = paginate(client.list_schedules, "Schedules", GroupName=group, NamePrefix=start)
        # The prefix is checked again: no other shop's schedules may be touched.
        return tuple(timer["Name"] for timer in listed if timer["Name"].startswith(start))


def follow(client: "EventBridgeSchedulerClient", s3: "S3Client", environment: Environment, shop: str) -> Changes:
    """Update a shop's schedules to its current settings.

    Raises:
        Rejected: the settings are invalid; no schedule has changed.
    """
    wanted = schedules.timers(shop, shop_settings(s3, environment.bucket, shop))
    return synchronise(client, target(environment), shop, wanted)


def synchronise(client: "EventBridgeSchedulerClient", target: Target, shop: str, wanted: tuple[Timer, ...]) -> Changes:
    """Update a shop's schedules to the wanted ones, and return the changes."""
    existing = {name: _timer(client, target.group, name) for name in names(client, target.group, shop)}
    todo = schedules.changes({name: timer for name, timer in existing.items() if timer is not None}, wanted)
    for timer in todo.create:
        with translate_errors(timer.name):
            false_on("ConflictException", partial(client.create_schedule, **_settings(target, timer)))
    for timer in todo.update:
        with translate_errors(timer.name):
            client.update_schedule(**_settings(target, timer))
    for name in todo.delete:
        delete(client, target.group, name)
    return todo


def delete(client: "EventBridgeSchedulerClient", group: str, name: str) -> None:
    """Delete a schedule, if it exists."""
    with translate_errors(name):
        false_on("ResourceNotFoundException", lambda: client.delete_schedule(GroupName=group, Name=name))


def _timer(client: "EventBridgeSchedulerClient", group: str, name: str) -> Timer | None:
    with translate_errors(name):
        kept = none_if_missing(lambda: client.get_schedule(GroupName=group, Name=name))
    if kept is None:
        return None
    return Timer(
        name, kept["ScheduleExpression"], kept.get("ScheduleExpressionTimezone", "UTC"), kept["Target"].get("Input", "")
    )


def _settings(target: Target, timer: Timer) -> dict[str, Any]:
    return {
        "GroupName": target.group,
        "Name": timer.name,
        "ScheduleExpression": timer.expression,
        "ScheduleExpressionTimezone": timer.timezone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": target.machine,
            "RoleArn": target.role,
            "Input": timer.input,
            "DeadLetterConfig": {"Arn": target.queue},
        },
    }
