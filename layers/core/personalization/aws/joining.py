# SPDX-License-Identifier: Apache-2.0
"""One plan out of several objects that are imported together, or out of none for a retraining."""

from typing import TYPE_CHECKING

from personalization import imports
from personalization.arns import Names
from personalization.aws import control, preparing
from personalization.aws.settings_file import shop_settings
from personalization.errors import Rejected
from personalization.plans import Nothing, Plan, PrepareRequest, Retraining

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client


def prepare_all(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, request: PrepareRequest
) -> Plan | Nothing:
    """Check the object and those that are imported with it, each into a part of its own; or plan a retraining.

    Raises:
        Rejected: one of them is refused; or there is nothing to train on.
        RetryLater, LimitReached, Broken: as `failures.about` says.
    """
    if request.retrain is not None:
        return retraining(s3, personalize, names, bucket, request.run, request.retrain)
    plan = preparing.prepare(s3, personalize, names, request)
    if not isinstance(plan, Plan):
        return plan
    for part, other in enumerate(request.also, 1):
        alone = request.model_copy(update={"key": other.key, "version_id": other.version_id, "also": ()})
        joined = preparing.prepare(s3, personalize, names, alone, part)
        if not isinstance(joined, Plan) or joined.schema_ != plan.schema_:
            raise Rejected(request.key, f"cannot be imported together with {other.key}: their columns differ")
        plan = imports.joined(plan, joined, other.key)
    return plan


def retraining(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, run: str, wish: Retraining
) -> Plan:
    """The plan of a run that trains on the data that is there.

    Raises:
        Rejected: the shop has no interactions, or the recipes or the training mode do not fit its settings.
    """
    settings = shop_settings(s3, bucket, wish.shop)
    arn = names.dataset(wish.shop, "interactions").arn
    schema = control.dataset_schema(personalize, "interactions", arn)
    if schema is None:
        raise Rejected(wish.shop, "there are no interactions to train on: drop them first")
    return imports.retraining(names, bucket, wish, run, settings, schema)
