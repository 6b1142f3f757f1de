# SPDX-License-Identifier: Apache-2.0
"""One plan out of several objects that are imported together, or out of none for a retraining."""

from typing import TYPE_CHECKING

from personalization import drops, imports, recommenders
from personalization.arns import Names
from personalization.aws import control, files, preparing, training
from personalization.aws.recommenders import statuses
from personalization.aws.settings_file import settings_that_hold
from personalization.drops import DataKind
from personalization.errors import Rejected
from personalization.imports import Whose
from personalization.plans import Joined, LeftOut, Nothing, Plan, PrepareRequest, Retraining

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

KIND: DataKind = "interactions"
"""The one kind of which several objects are imported together."""


def prepare_all(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, request: PrepareRequest
) -> Plan | Nothing:
    """Check the object and those that are imported with it, each into a part of its own; or plan a retraining.

    One of several that is refused is left out, and so is one that has other columns: the others are imported.

    Raises:
        Rejected: the object is refused, or every one of them; or there is nothing to train on.
        RetryLater, LimitReached, Broken: as `failures.about` says.
    """
    if request.retrain is not None:
        whose = Whose(request.run, request.imported_by, request.trained_by, request.begun_at)
        return retraining(s3, personalize, names, bucket, whose, request.retrain)
    plan: Plan | None = None
    left_out: list[LeftOut] = []
    for part, each in enumerate((Joined(id=request.id, key=request.key, version_id=request.version_id), *request.also)):
        alone = request.model_copy(update={"key": each.key, "version_id": each.version_id, "also": ()})
        try:
            made = preparing.prepare(s3, personalize, names, alone, part)
        except Rejected as refused:
            if not request.also:
                raise
            left_out.append(LeftOut(id=each.id, key=each.key, outcome="refused", reason=refused.reason))
        else:
            if not isinstance(made, Plan):
                return made
            if plan is None or made.schema_ == plan.schema_:
                plan = imports.joined(plan, made, each.key) if plan else made
                continue
            told = f"has other columns than {request.key}: the run that follows imports it"
            left_out.append(LeftOut(id=each.id, key=each.key, outcome="later", reason=told))
        # The whole folder is imported: also what an attempt before this one may have left there.
        files.remove(s3, request.bucket, imports.copy_key(drops.recognise(each.key).shop, request.run, KIND, part))
    if plan is None:
        raise Rejected(request.key, "; ".join(f"{each.key}: {each.reason}" for each in left_out))
    return plan.model_copy(update={"left_out": tuple(left_out)})


def retraining(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, whose: Whose, wish: Retraining
) -> Plan:
    """The plan of a run that trains on the data that is there.

    Raises:
        Rejected: the shop has no interactions, or the recipes or the training mode do not fit its settings.
    """
    settings, remark = settings_that_hold(s3, bucket, wish.shop)
    arn = names.dataset(wish.shop, "interactions").arn
    schema = control.dataset_schema(personalize, "interactions", arn)
    if schema is None:
        raise Rejected(wish.shop, "there are no interactions to train on: drop them first")
    plan = imports.retraining(names, bucket, wish, whose, settings, schema)
    unnamed = recommenders.unnamed(settings.recommenders, statuses(personalize, plan.dataset_group.arn))
    plan = plan.model_copy(update={"notes": (*([remark] if remark else []), *plan.notes, *unnamed)})
    return imports.retiring(plan, settings, training.unused_campaigns(personalize, names, wish.shop, settings))
