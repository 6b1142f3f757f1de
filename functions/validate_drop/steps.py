# SPDX-License-Identifier: Apache-2.0
"""Check a drop, and plan the run that follows."""

from typing import Any

from personalization.auth.hash_key import ImportedHashKey
from personalization.core import environment, observability
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import Rejected, TooManyRejects
from personalization.engine import backend, describing
from personalization.events import objections
from personalization.ingest import imports
from personalization.ingest.prepare import Preparation, Sizes
from personalization.ingest.services import Services
from personalization.shop.plan import PrepareRequest
from personalization.shop.records import dataset_groups

LOG = observability.logger()
backend.connect(clients.dynamodb, environment, describing.OPERATIONS)
OBJECTIONS = objections.fetch(clients.dynamodb, environment.table)
MADE_ON = dataset_groups.fetch(clients.dynamodb, environment.table)
HASH_KEY = ImportedHashKey(clients.secretsmanager, environment.hash_key)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Check a drop, write its import copy and return the run's plan.

    Args:
        event: `{bucket, key, versionId?, run, also?: [{key, versionId?}]}`, or for a retraining
            `{…, retrain: {shop, trainingMode, recipes}}`, which has no object.

    Returns:
        The plan, with what becomes of the object in its run and why, as `outcome` and `reason`. Of a drop that is too
        large for one function, the outcome is `divided` until the ranges in the folder `work` are checked.

    Raises:
        Rejected: the key, the settings or the data are refused; the message has the rule, or lines and the report.
    """
    request = PrepareRequest.read(event)
    variables = Environment()
    names, bucket = variables.names, variables.bucket
    sizes = Sizes(variables.incremental_bytes, variables.check_part_bytes)
    namespace = variables.namespace
    try:
        plan = Preparation(
            Services(
                s3=clients.s3(),
                personalize=clients.personalize(),
                hash_key=HASH_KEY,
                objections=OBJECTIONS,
                made_on=MADE_ON,
            ),
            names=names,
            bucket=bucket,
            request=request,
            sizes=sizes,
        ).plan()
    except TooManyRejects as refused:
        observability.count(namespace, "RejectsAboveLimit", 1)
        # The state machine knows the class name Rejected.
        raise Rejected(refused.resource, refused.reason) from None
    observability.count(namespace, "RowsAccepted", plan.rows)
    observability.count(namespace, "RowsRejected", plan.rejects)
    plan = imports.said(plan)
    LOG.info("Drop checked", run=plan.run, shop=plan.shop, kind=plan.kind, notes=plan.notes)
    return {**plan.as_json(), **imports.outcome(request, plan)}
