# SPDX-License-Identifier: Apache-2.0
"""Run the daily maintenance: measure the age of releases, delete unused resources, and renew the key of listIds.

The engine's shops keep their events for trainings too, before the copies of them expire.
"""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.auth import list_id_keys
from personalization.core import environment, observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.engine import backend, deleting, describing, files, folding
from personalization.maintenance import daily

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LOG = observability.logger()
STORE = files.Store(clients.s3, environment.bucket)
ACCOUNT = backend.connect(clients.dynamodb, environment, describing.OPERATIONS, deleting.operations(STORE))
MARGIN_MS = 60_000
"""What is left of the function's time when no other day of events is begun."""


def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, object]:
    """Measure the age of every shop's release; delete unused schemas, filters and solutions, and old records; take over
    events for the engine's trainings; renew the key of listIds.

    Returns:
        `{days: {shop: days}, schemas, filters, solutions, records, listKeyRenewed}`: names of deleted resources; the
        number of records; whether lists are signed with a new key.
    """
    environment, now = Environment(), datetime.now(UTC)
    done = daily.make_round(clients.personalize(), clients.dynamodb(), clients.s3(), environment, now)
    for shop, days in done.days.items():
        observability.count(environment.namespace, "DaysSincePromotion", days)
        LOG.info("Shop looked at", shop=shop, daysSincePromotion=days)
    LOG.info("Round made", schemas=done.schemas, filters=done.filters, solutions=done.solutions, records=done.records)
    renewed = list_id_keys.renew(clients.secretsmanager(), environment.list_id_keys, now)
    # The only part that grows with traffic comes last, and stops before the function does.
    late = partial(_is_late, context)
    for group, error in folding.fold_all(STORE, ACCOUNT, late).items():
        if error:
            LOG.error("Events not taken over", group=group, reason=str(error))
    return {
        "days": dict(done.days),
        "schemas": list(done.schemas),
        "filters": list(done.filters),
        "solutions": list(done.solutions),
        "records": done.records,
        "listKeyRenewed": renewed,
    }


def _is_late(context: "LambdaContext") -> bool:
    return context.get_remaining_time_in_millis() < MARGIN_MS
