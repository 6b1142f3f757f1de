# SPDX-License-Identifier: Apache-2.0
"""Judge what a run trained, and find what an override or a rollback promotes."""

import json
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Literal

from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import Rejected
from personalization.core.messages import Part
from personalization.core.names import backend_of, dataset_arn, is_of_engine, on_backend
from personalization.personalize import ensure, training
from personalization.releases import gate, probe, report, verdicts
from personalization.releases.held_out.trials import Result
from personalization.releases.probe import Clients
from personalization.releases.ramping import compared, ramping_run
from personalization.releases.report import Report
from personalization.releases.verdicts import Ramping, Trained, Untrained, Verdict
from personalization.shop.plan import Plan, Resource, RunPlan
from personalization.shop.records import release_store
from personalization.shop.records.release import (
    BASELINE,
    CANDIDATE,
    Judged,
    ReleaseRecord,
    recipe_of,
    release_before,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient


class JudgeRequest(Part):
    """Judge what a run trained."""

    step: Literal["judge"]
    plan: RunPlan
    trained: tuple[Trained, ...]
    untrained: tuple[Untrained, ...] = ()
    """The recipes of the fallback whose trainings failed."""
    held_out: Result = Result(outcome="notAsked")
    """The result of the test on held-out time."""


class OverrideRequest(Part):
    """Find the refused versions of a run; without a run, of the latest one."""

    step: Literal["override"]
    shop: str
    wanted: str | None = None


class Overridden(Part):
    """The verdict that an override promotes, and the plan of the run that trained it."""

    verdict: Verdict
    plan: Plan


class RollbackRequest(Part):
    """Find the release before the one that serves."""

    step: Literal["rollback"]
    shop: str


def judge(aws: Clients, request: JudgeRequest, environment: Environment, now: datetime) -> Verdict:
    """Judge what a run trained, store it for an override, and write the first part of the report."""
    plan, bucket, table, rate = request.plan, environment.bucket, environment.table, environment.probe_rate
    release = release_store.release_record(aws.table, table, plan.shop)
    if release:
        _check_move(aws.personalize, plan, release)
    trained = verdicts.to_judge(plan, request.trained, request.untrained)
    new_versions, serving_versions = verdicts.to_compare(plan, trained, release)
    pairs = [*zip(*new_versions.values(), strict=True), *serving_versions.values()]
    metrics = training.solution_metrics(aws.personalize, [arn for arn in dict.fromkeys(chain(*pairs)) if arn])
    others = _with_other_events(aws.personalize, plan, new_versions, serving_versions)
    new, serving = gate.measure(new_versions, metrics), gate.measure(serving_versions, metrics, others)
    judged = gate.judge_release(plan.gate, new, serving, request.held_out)
    ramping = None
    if plan.gate.ramp:
        campaigns = {recipe.alias: recipe.campaign.arn for recipe in plan.recipes}
        names = environment.names.on(backend_of(campaigns.get(plan.gate.ramp.recipe, plan.dataset_group.arn)))
        second = names.second_campaign(plan.shop, plan.gate.ramp.recipe)
        runs = ramping_run(aws.table, table, plan.shop, plan.run, now)
        rival = compared(aws.table, table, plan.shop, plan.gate.ramp.recipe, now)
        ramping = Ramping(Resource(name=second.name, arn=second.arn), runs, rival)
    verdict = verdicts.of_judgements(plan, trained, judged, release, request.held_out, ramping=ramping)
    verdict = verdict.replaced(notes=(*verdict.notes, *verdicts.without_fallback(request.untrained)))
    candidate = Judged(
        shop=plan.shop,
        record=f"{CANDIDATE}{plan.run}",
        run=plan.run,
        judged_at=now.isoformat(timespec="milliseconds"),
        plan=json.dumps(plan.as_json()),
        versions={version.alias: version.solution_version_arn for version in trained},
        # By its own way the promotion of what is ramped comes later.
        refused=tuple(refused.alias for refused in verdict.refused) + ((verdict.ramp.alias,) if verdict.ramp else ()),
        ramped=verdict.ramp.alias if verdict.ramp else "",
    )
    release_store.put(aws.table, table, candidate.as_record())
    before = probe.ask_serving(aws, plan, release, bucket, rate)
    document = report.document(verdict, judged, new, serving, now, language=plan.language)
    if request.held_out.report:
        held_out = objects.get_json(aws.s3, bucket, request.held_out.report)
        document["texts"] = held_out.pop("texts", {}) if held_out else {}
        document["heldOut"] = held_out
    Report(aws.s3, bucket, plan.shop, plan.run).start(document, before)
    return verdict.said(plan.language, document.get("texts", {}))


def _check_move(client: "PersonalizeClient", plan: Plan, release: ReleaseRecord) -> None:
    """Check that a shop has what its release was trained on, on each backend that is to answer, too.

    Raises:
        Rejected: items or users are missing.
    """
    of_shop = plan.dataset_group.arn
    for group in [of_shop, on_backend(of_shop, "engine")] if plan.is_on_both else [of_shop]:
        if group == release.dataset_group_arn:
            continue
        missing = [kind for kind in release.datasets if not ensure.dataset(client, dataset_arn(group, kind))]
        if missing:
            kinds = " and ".join(sorted(kind.lower() for kind in missing))
            which = "the engine" if is_of_engine(group) else "Amazon Personalize"
            text = f"{which} does not have the shop's {kinds}: drop them, then interactions again"
            raise Rejected(plan.shop, text)


def _with_other_events(
    client: "PersonalizeClient", plan: Plan, new: verdicts.Compared, serving: verdicts.Compared
) -> set[str]:
    """Return the recipes whose serving version trained on other events than the new one."""
    weighed = {part.alias for part in plan.recipes if part.solution_members}
    # Without such settings, the same solution trains on the same events.
    pairs = {alias: (new[alias][0], arn) for alias, (arn, _) in serving.items()}
    doubtful = {
        alias: pair
        for alias, pair in pairs.items()
        if recipe_of(alias) != BASELINE and (alias in weighed or len({arn.rpartition("/")[0] for arn in pair}) > 1)
    }
    return {alias for alias, pair in doubtful.items() if not training.same_events(client, *pair)}


def override(table: "DynamoDBClient", request: OverrideRequest, environment: Environment) -> Overridden:
    """Return the refused versions of a run, to be promoted by hand.

    Raises:
        Rejected: there is no such run, or none of its versions was refused.
    """
    shop, name = request.shop, environment.table
    if request.wanted:
        candidate = release_store.judged_run(table, name, shop, request.wanted)
        candidates = [candidate] if candidate else []
    else:
        candidates = [judged for judged in release_store.judged_runs(table, name, shop) if judged.refused]
    if not candidates:
        raise Rejected(shop, f"run {request.wanted} was not judged" if request.wanted else "no run of it was refused")
    newest = max(candidates, key=lambda judged: judged.judged_at)
    plan = Plan.read(json.loads(newest.plan))
    trained = [Trained(alias=alias, solution_version_arn=arn) for alias, arn in newest.versions.items()]
    release = release_store.release_record(table, name, shop)
    if newest.ramped and release is not None and release.run != newest.run:
        plan = _as_set_since(plan, release_store.judged_run(table, name, shop, release.run))
    verdict = verdicts.of_override(plan, trained, newest.refused, release, newest.ramped)
    # The settings may since have enabled a campaign that the run did not plan; what moves leaves its own behind.
    promoted = {target.campaign.name for target in verdict.targets}
    unused = tuple(campaign for campaign in plan.unused if campaign.name in promoted)
    return Overridden(verdict=verdict, plan=plan.replaced(unused=unused))


def _as_set_since(plan: Plan, latest: Judged | None) -> Plan:
    """Return the plan of a ramp with what later runs took from the settings, or from new columns."""
    if latest is None:
        return plan
    since = Plan.read(json.loads(latest.plan))
    return plan.replaced(
        schema_=since.schema_,
        filters=since.filters,
        placements=since.placements,
        lists=since.lists,
        diversity=since.diversity,
        recommenders=since.recommenders,
        hashed=since.hashed,
        deploys=since.deploys,
        serves=since.serves,
    )


def rollback(table: "DynamoDBClient", request: RollbackRequest, environment: Environment) -> Verdict:
    """Return to the release before the one that serves.

    Raises:
        Rejected: there is none.
    """
    release = release_store.release_record(table, environment.table, request.shop)
    earlier = release_store.history(table, environment.table, request.shop)
    if release is None:
        raise Rejected(request.shop, "nothing of this shop was ever promoted")
    return verdicts.of_rollback(request.shop, release, release_before(release, earlier, request.shop))
