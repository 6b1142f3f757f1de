# SPDX-License-Identifier: Apache-2.0
"""Run the daily maintenance: measure the age of releases, and delete unused resources."""

from datetime import UTC, datetime
from typing import Any

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.maintenance import daily

LOG = observability.logger()


def handler(_event: dict[str, Any], _context: object) -> dict[str, object]:
    """Measure the age of every shop's release; delete unused schemas, filters and solutions, and old records.

    Returns:
        `{days: {shop: days}, schemas, filters, solutions, records}`: names of deleted resources; the number of records.
    """
    environment = Environment()
    done = daily.make_round(clients.personalize(), clients.dynamodb(), clients.s3(), environment, datetime.now(UTC))
    for shop, days in done.days.items():
        observability.count(environment.namespace, "DaysSincePromotion", days)
        LOG.info("Shop looked at", shop=shop, daysSincePromotion=days)
    LOG.info("Round made", schemas=done.schemas, filters=done.filters, solutions=done.solutions, records=done.records)
    return {
        "days": dict(done.days),
        "schemas": list(done.schemas),
        "filters": list(done.filters),
        "solutions": list(done.solutions),
        "records": done.records,
    }
