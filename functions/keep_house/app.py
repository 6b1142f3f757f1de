# SPDX-License-Identifier: Apache-2.0
"""Run the daily maintenance: measure the age of releases, delete unused resources, and renew the key of listIds.

The engine's shops keep their events for trainings too, before the copies of them expire.
"""

from datetime import UTC, datetime
from typing import Any

from personalization.auth import list_id_keys
from personalization.core import environment, observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.engine import backend, deleting, describing, files, folding
from personalization.maintenance import daily

LOG = observability.logger()
STORE = files.Store(clients.s3, environment.bucket)
ACCOUNT = backend.connect(clients.dynamodb, environment, describing.OPERATIONS, deleting.operations(STORE))


def handler(_event: dict[str, Any], _context: object) -> dict[str, object]:
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
    for group, error in folding.fold_all(STORE, ACCOUNT).items():
        if error:
            LOG.error("Events not taken over", group=group, reason=str(error))
    renewed = list_id_keys.renew(clients.secretsmanager(), environment.list_id_keys, now)
    return {
        "days": dict(done.days),
        "schemas": list(done.schemas),
        "filters": list(done.filters),
        "solutions": list(done.solutions),
        "records": done.records,
        "listKeyRenewed": renewed,
    }
