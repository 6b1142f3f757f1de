# SPDX-License-Identifier: Apache-2.0
"""Describe the resources of a step each time that the state machine calls, until they are ready."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from personalization.core.errors import Broken, Missing, NoRoom, RetryLater
from personalization.core.status import WAITING, Progress, progress
from personalization.shop.plan import Made, Step


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the resources that a step makes in sequence."""

    name: str
    ensure: Callable[[str], Step]
    """Ensures it, given the ARN of the resource before it, or ""."""
    describe: Callable[[str], Mapping[str, Any]]
    """Describes it by ARN: `status`, and `failureReason` if there is one."""


def advance(stages: Sequence[Stage], made: Made) -> Step:
    """Describe the resource in progress, and continue with the next once it is ready.

    Returns:
        The resource that is not ready yet, or which waits for a quota; the last one when all are ready.

    Raises:
        Broken: a resource has failed; with Personalize's reason.
        RetryLater: a new resource is not visible yet.
    """
    arn, before = made.arn, made.before
    for number, stage in enumerate(stages[made.stage :], made.stage):
        try:
            step = _look(stage, arn) if arn else stage.ensure(before)
        except NoRoom as full:
            waits = Made(stage=number, before=before)
            return Step(
                arn=full.resource,
                status=WAITING,
                reason=full.reason,
                patience=full.patience,
                name=stage.name,
                made=waits,
            )
        if progress(step.status) is Progress.FAILED:
            reason = (step if arn else _look(stage, step.arn)).reason
            raise Broken(stage.name, reason or "Personalize gives no reason")
        if progress(step.status) is not Progress.READY:
            under_way = Made(stage=number, arn=step.arn, before=before)
            return step.replaced(name=stage.name, made=under_way)
        arn, before = "", step.arn
    return step.replaced(name=stage.name, ready=True)


def _look(stage: Stage, arn: str) -> Step:
    try:
        described = stage.describe(arn)
    except Missing:
        raise RetryLater(arn, "it is not seen yet") from None
    return Step(arn=arn, status=described["status"], reason=described.get("failureReason") or "")
