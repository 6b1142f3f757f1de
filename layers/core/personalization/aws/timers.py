# SPDX-License-Identifier: Apache-2.0
"""The shops' timers in the stack's schedule group of EventBridge Scheduler."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from personalization import schedules
from personalization.aws.failures import about, code, is_missing
from personalization.environment import Environment
from personalization.schedules import Changes, Timer

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient


@dataclass(frozen=True, slots=True)
class Target:
    """Where the timers are and what they start: the group's name, the machine, the role, and the dead-letter queue."""

    group: str
    machine: str
    role: str
    queue: str


def target(environment: Environment) -> Target:
    """What this deployment's timers start."""
    return Target(
        environment.schedule_group,
        environment.retrain_machine_arn,
        environment.schedule_role_arn,
        environment.chores_queue_arn,
    )


def names(client: "EventBridgeSchedulerClient", group: str, shop: str) -> tuple[str, ...]:
    """The names of a shop's timers."""
    found, token = [], dict[str, Any]()
    while True:
        with about(group):
            page = client.list_schedules(GroupName=group, NamePrefix=schedules.start(shop), **token)
        found += [timer["Name"] for timer in page["Schedules"]]
        if not page.get("NextToken"):
            # The prefix once more: a shop's timers are the only ones that may be touched.
            return tuple(name for name in found if name.startswith(schedules.start(shop)))
        token = {"NextToken": page["NextToken"]}


def synchronise(client: "EventBridgeSchedulerClient", target: Target, shop: str, wanted: tuple[Timer, ...]) -> Changes:
    """Make a shop's timers those that are wanted, and answer what was done."""
    there = {name: _timer(client, target.group, name) for name in names(client, target.group, shop)}
    todo = schedules.changes({name: timer for name, timer in there.items() if timer is not None}, wanted)
    for timer in todo.create:
        with about(timer.name):
            _unless("ConflictException", partial(client.create_schedule, **_settings(target, timer)))
    for timer in todo.update:
        with about(timer.name):
            client.update_schedule(**_settings(target, timer))
    for name in todo.delete:
        delete(client, target.group, name)
    return todo


def delete(client: "EventBridgeSchedulerClient", group: str, name: str) -> None:
    """Delete a timer; one that is not there is fine."""
    with about(name):
        _unless("ResourceNotFoundException", lambda: client.delete_schedule(GroupName=group, Name=name))


def _unless(word: str, act: Callable[[], object]) -> None:
    """Act, and let an error of that word pass: somebody else was faster."""
    try:
        act()
    except ClientError as error:
        if code(error) != word:
            raise


def _timer(client: "EventBridgeSchedulerClient", group: str, name: str) -> Timer | None:
    with about(name):
        try:
            kept = client.get_schedule(GroupName=group, Name=name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
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
