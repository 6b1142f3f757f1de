# SPDX-License-Identifier: Apache-2.0
"""Plan a run from an accepted drop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from table_intake import OF_ACTIONS, DataKind
from table_intake.check.findings import MINIMUM_INTERACTIONS
from table_intake.columns.schema import Schema
from table_intake.wording import Language, Text

from personalization.core.errors import Rejected
from personalization.core.names import Backend, Named, Names, dataset_type, is_of_engine
from personalization.ingest.report import ramp_price
from personalization.personalize import ensure, solution_names, training
from personalization.reports import pages
from personalization.shop.keys import Drop
from personalization.shop.plan import (
    Dataset,
    DatasetGroup,
    Evaluation,
    EventTracker,
    FilterPart,
    ImportJob,
    LatestFull,
    MetricAttributionPart,
    Nothing,
    Plan,
    PrepareRequest,
    RecipePart,
    RecommenderPart,
    Resource,
    SchemaPart,
)
from personalization.shop.records.dataset_groups import MadeOn
from personalization.shop.records.release import recipe_of
from personalization.shop.settings import attribution, recommenders
from personalization.shop.settings.actions import CUSTOM
from personalization.shop.settings.gate import FOR_USERS, Ramp
from personalization.shop.settings.prices import Billed, campaign_month
from personalization.shop.settings.recipes import TRAINABLE, Generation, RecipeAlias, recipe
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient

_resource = partial(Resource.model_validate, from_attributes=True)
MOST_JOBS: Mapping[DataKind, int] = {
    "interactions": 10,
    "users": 3,
    "items": 3,
    "actions": 1,
    "action-interactions": 3,
}
"""Import jobs of one kind in a run, one after the other: they share its time and its execution's history."""


def already_handled(drop: Drop, run: str, last_import: LatestFull, language: Language) -> Nothing:
    """Return the plan of a run whose drop was imported last."""
    text = (
        "{key} has the bytes of {other}, which run {run} imported under the same settings: it is not imported again, "
        'and nothing is trained on it. To train all the same, ask for {{"action": "retrain"}}'
    )
    note = Text("note.handled", text, key=drop.key, other=last_import.key, run=last_import.run)
    return Nothing(run=run, shop=drop.shop, kind=drop.kind, notes=(note,), outcome="alreadyHandled", language=language)


def divided(drop: Drop, run: str, work: str) -> Nothing:
    """Return the answer for a drop whose ranges must be checked before it can be planned."""
    note = f"{drop.key} is too large for one function: its ranges are checked first"
    return Nothing(run=run, shop=drop.shop, kind=drop.kind, notes=(note,), outcome="divided", work=work)


def said(plan: Plan | Nothing) -> Plan | Nothing:
    """Return a plan with its notes and reasons in the language of the shop."""
    plan = plan.replaced(notes=tuple(pages.said(plan.notes, plan.language)))
    if isinstance(plan, Nothing):
        return plan
    reasons = pages.said([drop.reason for drop in plan.left_out], plan.language)
    left_out = [drop.replaced(reason=reason) for drop, reason in zip(plan.left_out, reasons, strict=True)]
    return plan.replaced(left_out=tuple(left_out))


def outcome(request: PrepareRequest, plan: Plan | Nothing) -> dict[str, str]:
    """Return the outcome of an object in its run, with the reason."""
    if isinstance(plan, Nothing):
        return {"outcome": plan.outcome or "settings", "reason": "; ".join(plan.notes)}
    few = plan.kind == "interactions" and plan.mode == "INCREMENTAL" and plan.rows < MINIMUM_INTERACTIONS
    if few and request.retrain is None:
        text = "held until the next drop: Personalize imports no fewer than {least:,} interactions"
        reason = Text("note.held", text, least=MINIMUM_INTERACTIONS)
        return {"outcome": "held", "reason": pages.said(reason, plan.language)}
    return {"outcome": "imported" if request.retrain is None else "retrained", "reason": ""}


def copy_folder(shop: str, run: str, kind: DataKind, job: int = 0) -> str:
    """Return the folder of the copies for an import job, with its slash."""
    return f"imports/{shop}/{run}/{kind}{f'-{job + 1}' if job else ''}/"


def copy_key(shop: str, run: str, kind: DataKind, part: int = 0, job: int = 0) -> str:
    """Return the key of an import copy: of the objects imported together, `part` is one, and `job` its import job."""
    return f"{copy_folder(shop, run, kind, job)}part-{part}.csv"


def choices_key(shop: str, run: str, part: int) -> str:
    """Return the key of what one of a run's objects says about personal lists."""
    return f"imports/{shop}/{run}/choices/part-{part}.gz"


def cuts_key(shop: str, run: str, kind: DataKind) -> str:
    """Return the key of a run's record of where its import jobs begin and what it postponed."""
    return f"reports/{shop}/{run}/import-{kind}.json"


def job_names(names: Names, shop: str, kind: DataKind, run: str, jobs: int) -> list[Named]:
    """Return the names of a run's incremental import jobs of a kind, numbered if there are several."""
    numbers = [f"p{number + 1}" for number in range(jobs)] if jobs > 1 else [""]
    return [names.import_job(shop, kind, run, number) for number in numbers]


def split_into_jobs(plan: Plan, names: Names, bucket: str, jobs: int, followed: Sequence[str]) -> Plan:
    """Return a plan with several import jobs, one after the other; `followed` are earlier runs with the same jobs."""
    jobs_of_run = job_names(names, plan.shop, plan.kind, plan.run, jobs)
    before = [job_names(names, plan.shop, plan.kind, run, jobs) for run in followed]
    first, *further = (
        ImportJob(
            name=job.name,
            arn=job.arn,
            mode=plan.mode,
            data_location=f"s3://{bucket}/{copy_folder(plan.shop, plan.run, plan.kind, number)}",
            earlier=tuple([_resource(earlier_jobs[number]) for earlier_jobs in before]),
        )
        for number, job in enumerate(jobs_of_run)
    )
    text = "imported by {jobs} jobs, one after the other: together the data exceed one incremental job"
    note = Text("note.jobs", text, jobs=jobs)
    return plan.replaced(import_job=first, further=tuple(further), notes=(*plan.notes, note))


def check_existing(drop: Drop, settings: ShopSettings, domain: str | None, *, group: bool, dataset: bool) -> None:
    """Check a drop against existing resources: the dataset group and its domain, and the dataset of the drop's kind.

    Raises:
        Rejected: the settings name another domain than the shop's; or the first drop of a kind is incremental.
    """
    if group and domain != settings.personalize_domain:
        current = "ecommerce" if domain == "ECOMMERCE" else "custom" if domain is None else domain
        text = "the shop was first dropped with domain: {domain}, and a domain never changes"
        raise Rejected(drop.key, Text("import.domain", text, domain=current))
    if drop.kind in OF_ACTIONS and settings.personalize_domain:
        raise Rejected(drop.key, CUSTOM)
    if drop.mode == "INCREMENTAL" and not dataset:
        text = f"the first {drop.kind} of a shop must be its whole history, not incremental"
        raise Rejected(drop.key, Text(f"import.first-{drop.kind}", text))


def check_engine(client: "PersonalizeClient", names: Names, shop: str, kind: DataKind, resource: str) -> None:
    """Check that the engine has a shop's data of a kind, before more of it comes or models are trained on it.

    Raises:
        Rejected: it does not; `resource` is what is refused.
    """
    if ensure.dataset(client, names.on("engine").dataset(shop, kind).arn) is None:
        text = "the engine does not have the shop's {kind} yet: drop all files once more, interactions last"
        raise Rejected(resource, Text("import.engine", text, kind=kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted drop."""

    schema: Schema
    rows: int
    notes: tuple[str, ...]
    changed: bool = False
    """Whether the dataset gets a new schema."""
    report: str = ""
    """The key of the report's page."""
    rejects: int = 0
    """Rows left out."""
    events: Mapping[str, int] | None = None
    """Interactions by event type, of a whole history of interactions."""
    content: str = ""
    """The identity of a whole history's content; see `Source.content`."""
    hashed: tuple[str, ...] = ()
    """The shop's columns that have hashes, by Personalize's names."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A run, and the earlier runs whose work it continues."""

    run: str
    imported_by: tuple[str, ...] = ()
    trained_by: tuple[str, ...] = ()
    begun_at: str = ""
    """When the first of them claimed its drops, ISO 8601."""


def plan(names: Names, bucket: str, drop: Drop, lineage: Lineage, settings: ShopSettings, checked: Accepted) -> Plan:
    """Name everything that a run creates or reuses."""
    kind, trains = checked.schema.kind, checked.schema.kind == "interactions"
    domain, digest = settings.personalize_domain, settings.digest
    columns, text = checked.schema.digest(domain), checked.schema.text()
    group, dataset, schema = names.dataset_group(drop.shop), names.dataset(drop.shop, kind), names.schema(kind, columns)
    tracker = EventTracker(name=names.event_tracker(drop.shop))
    made, remarks = _recommenders(names, drop.shop, settings, checked) if trains and settings.recommenders else ((), ())
    if trains and (settings.events or settings.training):
        remarks = (*remarks, *_of_the_gate(settings))
    return Plan(
        run=lineage.run,
        shop=drop.shop,
        engine=settings.home == "engine",
        kind=kind,
        mode=drop.mode,
        dataset_group=DatasetGroup(name=group.name, arn=group.arn, domain=domain),
        dataset=Dataset.model_validate(
            {"name": dataset.name, "arn": dataset.arn, "type": dataset_type(kind), "changes": checked.changed}
        ),
        schema_=SchemaPart(name=schema.name, arn=schema.arn, kind=kind, text=text, domain=domain),
        event_tracker=tracker,
        # Rows of an incremental job stay: under other settings they would be added again.
        import_job=_import_job(
            names, bucket, drop, lineage=lineage, kind=kind, digest=digest if drop.mode == "FULL" else ""
        ),
        filters=_filters(names, drop.shop, settings) if trains else (),
        is_on_both=settings.is_on_both,
        is_spare_engine=settings.is_spare_engine,
        recipes=_recipes(names, drop.shop, lineage, settings=settings, digest=digest) if trains else (),
        begun_at=lineage.begun_at,
        rows=checked.rows,
        notes=(*checked.notes, *remarks),
        report=checked.report,
        rejects=checked.rejects,
        content=checked.content,
        hashed=checked.hashed,
        gate=settings.gate,
        probe=settings.probe,
        language=settings.language,
        serves=settings.trained if trains else (),
        deploys=settings.campaign_aliases if trains else (),
        batches=trains and any(job.after for job in settings.batch.values()),
        evaluation=_evaluation(drop.shop, lineage, settings) if trains else None,
        placements=settings.placements if trains else {},
        lists=settings.lists,
        diversity=settings.diversity,
        recommenders=made,
        metric_attribution=_metric_attribution(names, drop.shop, settings) if trains else None,
    )


def with_existing(client: "PersonalizeClient", names: Names, plan: Plan, settings: ShopSettings) -> Plan:
    """Return the plan with notes on recommenders and campaigns that exist, and which the settings don't name.

    Raises:
        Rejected: there is no room for the campaigns that they name.
    """
    if plan.dataset_group.domain:
        unnamed = recommenders.unnamed(
            settings.recommenders, ensure.recommender_statuses(client, plan.dataset_group.arn)
        )
        plan = plan.replaced(notes=(*plan.notes, *unnamed))
    unused = training.unused_campaigns(client, names, plan.shop, settings)
    ramp = settings.gate.ramp
    ramps = ramp if ramp and _ramps(client, names, plan, ramp) else None
    if names.backend == "personalize":
        needs_room = ramps is not None and ramps.recipe in settings.deployed_on("personalize")
        _check_quota(client, names, plan.shop, settings, unused, ramps=needs_room)
    plan = _with_unused_campaigns(plan, settings, unused)
    return plan.replaced(notes=(*plan.notes, ramp_price(settings, ramps))) if ramps else plan


def with_left_behind(
    client: "PersonalizeClient", names: Names, plan: Plan, settings: ShopSettings, *, made_on: MadeOn
) -> Plan:
    """Return the plan with the campaigns on Amazon Personalize that a shop of the engine still has, which bill.

    Of a shop that never was there, Amazon Personalize is not asked: it need not be in the region.
    """
    if settings.home == "personalize" or not made_on(plan.shop, "personalize"):
        return plan
    left = training.existing_campaigns(client, names.on("personalize"), plan.shop, TRAINABLE)
    return _with_unused_campaigns(plan, settings, left)


def _ramps(client: "PersonalizeClient", names: Names, plan: Plan, ramp: Ramp) -> bool:
    """Return whether a run may ramp a version: it trains the recipe, which a campaign of either backend serves.

    Of a shop on the engine, Amazon Personalize is not asked.
    """
    if all(recipe.alias != ramp.recipe for recipe in plan.recipes):
        return False
    named = names.everywhere() if names.backend == "personalize" else (names,)
    return any(training.existing_campaigns(client, backend, plan.shop, [ramp.recipe]) for backend in named)


def _check_quota(
    client: "PersonalizeClient",
    names: Names,
    shop: str,
    settings: ShopSettings,
    unused: Sequence[Resource],
    *,
    ramps: bool,
) -> None:
    """Check that there is room for the campaigns that the settings name, beside those that go after the promotion.

    Raises:
        Rejected: Personalize would refuse one of them when its training is paid for.
    """
    deployed = settings.deployed_on(names.backend)
    count = len(deployed) + len(unused) + ramps
    if not unused or count <= settings.most_campaigns:
        return
    if not ramps and len(training.existing_campaigns(client, names, shop, deployed)) == len(deployed):
        return
    text = (
        "the settings name {count} campaigns, and {unused} are there besides: Personalize allows {quota}. Delete what "
        "you can do without (aws personalize delete-campaign --campaign-arn {arn}), or have AWS raise the quota and "
        "write it as most_campaigns"
    )
    name = "import.campaigns"
    if ramps:
        name, text = (
            "import.ramp",
            "the settings name {count} campaigns and a ramp that needs one more, and {unused} are there besides: "
            "Personalize allows {quota}. Delete what you can do without (aws personalize delete-campaign "
            "--campaign-arn {arn}), leave gate.ramp out, or have AWS raise the quota and write it as most_campaigns",
        )
    campaigns = Text.all_of([campaign.name for campaign in unused])
    values = {"count": len(deployed), "unused": campaigns, "quota": settings.most_campaigns}
    raise Rejected(shop, Text(name, text, arn=unused[0].arn, **values))


def _with_unused_campaigns(plan: Plan, settings: ShopSettings, unused: Sequence[Resource]) -> Plan:
    """Return the plan with the campaigns that the settings don't name: their costs, and whether they are deleted."""
    if not unused:
        return plan
    keeps = settings.unused_campaigns == "keep"
    text = "it is deleted after the next promotion, unless the settings say unused_campaigns: keep"
    after = Text("note.campaign-deleted", text)
    if keeps:
        after = Text("note.campaign-kept", "it is kept, as unused_campaigns: keep says")
    text = (
        "the settings do not ask for the campaign {name}, which costs about ${dollars:,.0f} a month when idle: {after}"
    )
    notes = [
        Text("note.campaign", text, name=campaign.name, dollars=_idle_month(settings, campaign), after=after)
        for campaign in unused
    ]
    gone = () if keeps else tuple(unused)
    return plan.replaced(unused=(*plan.unused, *gone), notes=(*plan.notes, *notes))


def _idle_month(settings: ShopSettings, campaign: Resource) -> float:
    return campaign_month(settings.prices, Billed(alias=campaign.name, engine=is_of_engine(campaign.arn)))


def merged(plans: Sequence[tuple[str, Plan]]) -> Plan:
    """Return the plan of the first object, extended by the rows of the others; each comes with its key."""
    (_, first), *others = plans
    if not others:
        return first
    text = "{key} is imported together with it: {rows:,} {rows:row|rows} more"
    notes = [Text("note.together", text, key=key, rows=plan.rows) for key, plan in others]
    rows, rejects = sum(plan.rows for _, plan in plans), sum(plan.rejects for _, plan in plans)
    choices = [choice for _, plan in plans for choice in plan.choices]
    return first.replaced(
        rows=rows,
        rejects=rejects,
        notes=(*first.notes, *notes),
        choices=tuple(sorted(choices, key=lambda choice: choice.at)),
    )


def _of_the_gate(settings: ShopSettings) -> list[Text]:
    """Return a note where the gate's metrics and the shop's weights of event types are about different things."""
    decided = (settings.solution_members(alias) for alias in settings.trained if alias in FOR_USERS)
    weighs = any("eventType" in members or "eventsConfig" in members.get("solutionConfig", {}) for members in decided)
    if not weighs or not settings.gate.enabled or settings.gate.held_out:
        return []
    text = (
        "the gate compares Personalize's metrics, in which the events that train are all alike; gate: {{held_out: "
        "{{days: 14}}}} also tests the lists on what follows of type {type}, for the price of a second training"
    )
    return [Text("note.gate-of-weights", text, type=settings.event_type)]


def _filters(names: Names, shop: str, settings: ShopSettings) -> tuple[FilterPart, ...]:
    named = [(names.filter(shop, name), expression) for name, expression in settings.filters.items()]
    return tuple(
        FilterPart(name=named_filter.name, arn=named_filter.arn, expression=expression)
        for named_filter, expression in named
    )


def _metric_attribution(names: Names, shop: str, settings: ShopSettings) -> MetricAttributionPart | None:
    if not settings.metric_attribution:
        return None
    metrics = attribution.members(settings.metric_attribution)
    return MetricAttributionPart(name=names.metric_attribution(shop), metrics=tuple(metrics))


def _recommenders(
    names: Names, shop: str, settings: ShopSettings, checked: Accepted
) -> tuple[tuple[RecommenderPart, ...], tuple[str, ...]]:
    """Return the recommenders of a run, and remarks."""
    creatable, remarks = recommenders.possible(settings.recommenders, checked.events)
    placed = [placement.recommender for placement in settings.placements.values() if placement.recommender]
    remarks += recommenders.unmade(settings.recommenders, placed)
    named = [(names.recommender(shop, name), recommender) for name, recommender in creatable.items()]
    parts = tuple(
        RecommenderPart(
            name=resource.name,
            arn=resource.arn,
            recipe_arn=names.recipe_arn(recommender.recipe),
            config=recommender.config,
        )
        for resource, recommender in named
    )
    return parts, tuple(remarks)


def _import_job(names: Names, bucket: str, drop: Drop, lineage: Lineage, kind: DataKind, digest: str) -> ImportJob:
    of_run, *earlier = [names.import_job(drop.shop, kind, run, digest) for run in (lineage.run, *lineage.imported_by)]
    return ImportJob(
        name=of_run.name,
        arn=of_run.arn,
        mode=drop.mode,
        data_location=f"s3://{bucket}/{copy_folder(drop.shop, lineage.run, kind)}",
        earlier=tuple([_resource(job) for job in earlier]),
    )


def recipes(
    names: Names,
    shop: str,
    lineage: Lineage,
    members: Mapping[RecipeAlias, Mapping[str, Any]],
    settings: str = "",
    generation: Generation = "v1",
) -> tuple[RecipePart, ...]:
    """Return the parts of a plan for the recipes of a shop.

    Args:
        names, shop, lineage: those of the run that trains.
        members: the recipes' aliases, each with the members of its solution in the settings. A version that was trained
            under others has another name.
        settings: the digest of the shop's settings, which is part of the names of solution versions.
        generation: that of recipes that have two.
    """
    parts = []
    for alias, decided in members.items():
        digest = f"{settings}{solution_names.digest(decided)}" if decided else settings
        earlier = [names.solution_version(shop, alias, run, digest) for run in lineage.trained_by]
        part = RecipePart(
            alias=alias,
            recipe_arn=names.recipe_arn(recipe(alias, generation)),
            solution=_resource(names.solution(shop, alias)),
            campaign=_resource(names.campaign(shop, alias)),
            solution_version_name=names.solution_version(shop, alias, lineage.run, digest),
            earlier_versions=tuple(earlier),
            solution_members=dict(decided),
        )
        parts.append(part)
    return tuple(parts)


def _recipes(names: Names, shop: str, lineage: Lineage, settings: ShopSettings, digest: str) -> tuple[RecipePart, ...]:
    """Return the parts for each recipe on its backend, with the settings of its campaign."""
    made = recipes(names, shop, lineage, settings.solutions(), settings=digest, generation=settings.generation)
    parts = []
    for part, (alias, backend) in zip(made, settings.backends.items(), strict=True):
        decided: dict[str, object] = {"deployed": alias in settings.deployed}
        if campaign := settings.campaigns.get(alias):
            decided |= {"min_provisioned_tps": campaign.min_provisioned_tps, "campaign_config": campaign.config}
        parts.append(part.on(backend).replaced(**decided))
    of_shop = {part.alias: part for part in parts}
    for further_alias in settings.further_aliases:
        further = of_shop[recipe_of(further_alias)]
        other: Backend = "personalize" if is_of_engine(further.campaign.arn) else "engine"
        deployed = further_alias in settings.campaign_aliases
        is_spare = further_alias in settings.spare_aliases
        its = {"alias": further_alias, "deployed": deployed, "min_provisioned_tps": None, "is_spare": is_spare}
        parts.append(further.on(other).replaced(**its))
    return tuple(parts)


def _evaluation(shop: str, lineage: Lineage, settings: ShopSettings) -> Evaluation | None:
    held_out = settings.gate.held_out
    tested = tuple(alias for alias in settings.trained_on("personalize") if alias in FOR_USERS)
    if held_out is None or not settings.gate.enabled or not tested:
        return None
    return Evaluation(
        run=lineage.run,
        shop=shop,
        domain=settings.personalize_domain,
        event_type=settings.event_type,
        recipes=tested,
        held_out=held_out,
        made_by=lineage.trained_by,
        generation=settings.generation,
        begun_at=lineage.begun_at,
        solution_members={alias: members for alias in tested if (members := settings.solution_members(alias))},
    )
