# SPDX-License-Identifier: Apache-2.0
"""Take a step of the check of a drop that is too large for one function."""

from typing import Any, Literal

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.ingest.distributed.steps import Steps
from personalization.shop.plan import Part

LOG = observability.logger()


class StepRequest(Part):
    """A step in a folder; `number` is that of a range or a partition."""

    step: Literal["check", "fit", "count", "explain"]
    work: str
    round: int = 0
    number: int = 0
    unreadable: dict[str, str] | None = None
    """Why the file cannot be read, by its key, if it has ended the process that read it."""


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Take a step.

    Args:
        event: `{step: check or count, work, round, number}`, `{step: fit, work, round}` or `{step: explain, work}`.

    Returns:
        `{key}` of the result, or for fit `{round, again, partitions}`.

    Raises:
        Rejected: the ranges do not fit, whatever is done.
        Broken: a part failed, with its reason.
    """
    request = StepRequest.read(event)
    steps = Steps(clients.s3(), Environment().bucket, request.work)
    match request.step:
        case "check":
            unreadable = "; ".join((request.unreadable or {}).values())
            done: dict[str, object] = {"key": steps.check(request.round, request.number, unreadable)}
        case "count":
            done = {"key": steps.count(request.round, request.number)}
        case "fit":
            done = steps.fit(request.round)
        case "explain":
            raise steps.failure()
    LOG.info("Step taken", step=request.step, work=request.work, number=request.number)
    return done
