# SPDX-License-Identifier: Apache-2.0
"""One plan out of several objects that are imported together, or out of none for a retraining."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from personalization.core.errors import Rejected
from personalization.core.names import Names
from personalization.ingest import copies, prepare
from personalization.ingest import plan as imports
from personalization.ingest.plan import Whose
from personalization.personalize import ensure, training
from personalization.personalize.ensure_recommenders import statuses
from personalization.shop import keys, recommenders
from personalization.shop.plan import Joined, LeftOut, Nothing, Plan, PrepareRequest, Retraining
from personalization.shop.settings_file import settings_that_hold

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

_TOO_FEW = (
    "is too few rows for an import job of its own, which the others leave no room for: the run that follows imports it"
)


def prepare_all(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, request: PrepareRequest, most: int
) -> Plan | Nothing:
    """Check the object and those that are imported with it, each into a part of its own; or plan a retraining.

    One of several that is refused is left out, and so is one that has other columns: the others are imported. What is
    larger than one incremental import job, of `most` bytes, is imported by several.

    Raises:
        Rejected: the object is refused, or every one of them; or there is nothing to train on.
        RetryLater, LimitReached, Broken: as `translate_errors` says.
    """
    if request.retrain is not None:
        whose = Whose(request.run, request.imported_by, request.trained_by, request.begun_at)
        return retraining(s3, personalize, names, bucket, whose, request.retrain)
    first = Joined(id=request.id, key=request.key, version_id=request.version_id)
    objects = (first, *request.also)
    drop = keys.recognise(request.key)
    written = copies.of(s3, personalize, names, request, drop, most)
    plans: dict[int, Plan] = {}
    left_out: dict[int, LeftOut] = {}
    for part, each in enumerate(objects):
        if written.before is not None and each.id in written.before.left:
            left_out[part] = _later(each, _TOO_FEW)
            continue
        alone = request.model_copy(update={"id": each.id, "key": each.key, "version_id": each.version_id, "also": ()})
        check = partial(prepare.prepare, s3, personalize, names, alone, written, part)
        made = _outcome(check, each, next(iter(plans.values()), None), request)
        if isinstance(made, Nothing):
            return made
        if isinstance(made, LeftOut):
            left_out[part] = made
        else:
            plans[part] = made
    for part in written.cutter.leave_rest():
        if plans.pop(part, None) is not None:
            left_out[part] = _later(objects[part], _TOO_FEW)
    left = [each.id for each in left_out.values() if each.reason == _TOO_FEW]
    written.finish(len(objects), left_out.keys(), left)
    prepare.uncount(
        s3, bucket, drop.shop, [objects[part] for part, each in left_out.items() if each.outcome == "later"]
    )
    if not plans:
        raise Rejected(request.key, "; ".join(f"{each.key}: {each.reason}" for each in left_out.values()))
    (_, plan), *others = plans.items()
    for part, other in others:
        plan = imports.joined(plan, other, objects[part].key)
    if jobs := len(written.cutter.cuts):
        plan = imports.in_jobs(plan, names, bucket, jobs + 1, written.before.runs if written.before else ())
    return plan.model_copy(update={"left_out": tuple(left_out[part] for part in sorted(left_out))})


def _outcome(
    check: Callable[[], Plan | Nothing], each: Joined, first: Plan | None, request: PrepareRequest
) -> Plan | Nothing | LeftOut:
    """What came of one of the objects; `first` is the plan of the first one that is imported."""
    try:
        made = check()
    except Rejected as refused:
        if not request.also:
            raise
        return LeftOut(id=each.id, key=each.key, outcome="refused", reason=refused.reason)
    if first is not None and isinstance(made, Plan) and made.schema_ != first.schema_:
        return _later(each, f"has other columns than {request.key}: the run that follows imports it")
    return made


def _later(each: Joined, reason: str) -> LeftOut:
    return LeftOut(id=each.id, key=each.key, outcome="later", reason=reason)


def retraining(
    s3: "S3Client", personalize: "PersonalizeClient", names: Names, bucket: str, whose: Whose, wish: Retraining
) -> Plan:
    """The plan of a run that trains on the data that is there.

    Raises:
        Rejected: the shop has no interactions, or the recipes or the training mode do not fit its settings.
    """
    settings, remarks = settings_that_hold(s3, bucket, wish.shop)
    arn = names.dataset(wish.shop, "interactions").arn
    schema = ensure.dataset_schema(personalize, "interactions", arn)
    if schema is None:
        raise Rejected(wish.shop, "there are no interactions to train on: drop them first")
    plan = imports.retraining(names, bucket, wish, whose, settings, schema)
    unnamed = recommenders.unnamed(settings.recommenders, statuses(personalize, plan.dataset_group.arn))
    plan = plan.model_copy(update={"notes": (*remarks, *plan.notes, *unnamed)})
    return imports.retiring(plan, settings, training.unused_campaigns(personalize, names, wish.shop, settings))
