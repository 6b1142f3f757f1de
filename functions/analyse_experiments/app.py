# SPDX-License-Identifier: Apache-2.0
"""Analyse experiments and placements, every hour: make days, judge, report, stop what does harm, take ramps on."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from personalization.auth import list_columns, list_ids
from personalization.core import environment, observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.engine import backend, campaigns, describing
from personalization.events import objections
from personalization.experiments.analysing import Analyst, Clients, Round
from personalization.experiments.lists import Lists
from personalization.releases import ramping

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LOG = observability.logger()
backend.connect(clients.dynamodb, environment, describing.OPERATIONS, campaigns.OPERATIONS)
MARGIN_MS = 120_000
"""The part of the function's time that is left for verdicts and reports."""


def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, object]:
    """Bring each shop's experiments to what its file says, and report those that run or have just ended.

    Returns:
        `{analysed: {shop: [experiment]}, stopped: {shop: [experiment]}, failed: [shop]}`: failed shops are retried by
        the next round.

    Raises:
        RetryLater, Broken: the table of shops does not answer.
    """

    def late() -> bool:
        return context.get_remaining_time_in_millis() < MARGIN_MS

    environment = Environment()
    members = objections.fetch(clients.dynamodb, lambda: environment.table)

    def objecting(shop: str) -> set[str]:
        return {user for part in members(shop, objections.RECORD) for user in members(shop, part)}

    aws = Clients(clients.s3(), clients.dynamodb(), clients.eventbridge(), clients.stepfunctions())
    lists = Lists(list_columns.variants, list_ids.variant_number, list_columns.facts)
    now = datetime.now(UTC)
    done = Analyst(aws, environment, now, objecting, lists).round(late)
    for shop, reason in done.failed:
        LOG.error("Experiments not analysed", shop=shop, reason=reason)
    _keep_second_campaigns(done, environment, now)
    LOG.info("Round made", analysed=done.analysed, stopped=done.stopped)
    return {
        "analysed": {shop: list(names) for shop, names in done.analysed.items()},
        "stopped": {shop: list(names) for shop, names in done.stopped.items()},
        "failed": [shop for shop, _ in done.failed],
    }


def _keep_second_campaigns(done: Round, environment: Environment, now: datetime) -> None:
    """Promote ramps that are through, make the campaigns that experiments wait for, and delete those of what is over.

    The next round tries again.
    """
    machine = environment.retrain_machine_arn
    for shop in done.shops:
        try:
            for experiment in done.through.get(shop, ()):
                ramping.promote(clients.stepfunctions(), machine, shop=shop, experiment=experiment, now=now)
            aws = (clients.personalize(), clients.dynamodb(), environment.table, environment.names)
            begun = ramping.prepare(*aws, shop=shop, now=now)
            gone = ramping.tidy(*aws, shop=shop, now=now)
        except PersonalizationError as error:
            LOG.warning("Second campaigns left as they are", shop=shop, reason=str(error))
            continue
        if begun or gone:
            LOG.info("Second campaigns kept", shop=shop, begun=begun, deleted=gone)
