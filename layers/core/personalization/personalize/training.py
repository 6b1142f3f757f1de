# SPDX-License-Identifier: Apache-2.0
"""Ensure solutions, solution versions and campaigns; every step can be repeated."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from table_intake import DataKind

from personalization.core.aws.errors import code, none_if_missing
from personalization.core.aws.pagination import paginate
from personalization.core.errors import PersonalizationError, RetryLater
from personalization.core.names import Names, backend_of, dataset_arn
from personalization.core.status import UPDATED, Progress, is_being_deleted, progress
from personalization.personalize import campaigns, ensure, solution_names, solution_updates
from personalization.personalize.campaigns import Wish
from personalization.personalize.ensure import CREATED, created, usable
from personalization.personalize.readiness import Stage, advance
from personalization.personalize.removal import gone_or_busy
from personalization.shop.plan import Plan, RecipePart, Resource, Step, TrainingMode, TrainRequest
from personalization.shop.records.release import BASELINE
from personalization.shop.settings.recipes import NEXT_BEST_ACTION, TRAINABLE
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize.type_defs import CampaignTypeDef

_TRAINED: tuple[DataKind, ...] = ("items", "users")
"""The datasets whose columns a solution trains on; those of interactions never change."""
_TRAINED_ON_ACTIONS: tuple[DataKind, ...] = ("actions", "users")
"""The same of Next-Best-Action."""
LOOK_BACK = 20
"""The number of newest solution versions among which a run looks for its own."""
MOST_SOLUTIONS = 10
"""Personalize's quota of solutions in a dataset group, which can only be raised."""


def train_step(client: "PersonalizeClient", request: TrainRequest) -> Step:
    """Ensure the solution, and the solution version of this run."""
    recipe = request.recipe
    plan = request.plan.on(backend_of(recipe.solution.arn))
    stages = {
        "solution": Stage(
            recipe.solution.name,
            lambda _: ensure_solution(client, plan, recipe),
            lambda arn: solution_updates.progress_of(client.describe_solution(solutionArn=arn)["solution"]),
        ),
        "solutionVersion": Stage(
            recipe.solution_version_name,
            lambda solution: ensure_solution_version(client, plan, recipe, solution),
            lambda arn: client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"],
        ),
    }
    return advance([stages[word] for word in request.steps], request.made)


def ensure_solution(client: "PersonalizeClient", plan: Plan, recipe: RecipePart) -> Step:
    """Ensure the shop's solution for a recipe and the current columns, without automatic training, because runs train.

    Weights of event types change in the solution that is there; other members make another one.

    Raises:
        RetryLater: the quota of solutions is used up, and an unused one is being deleted; or Personalize is working on
            another change of the solution.
    """
    base = recipe.solution
    kinds = _TRAINED_ON_ACTIONS if recipe.alias == NEXT_BEST_ACTION else _TRAINED
    existing = {kind: ensure.dataset(client, dataset_arn(plan.dataset_group.arn, kind.upper())) for kind in kinds}
    schemas = [ensure.schema_of(client, kind, dataset) for kind, dataset in existing.items() if dataset]
    members = recipe.solution_members
    name = solution_names.name(base.name, recipe.recipe_arn, schemas, members)
    of_columns = Resource(name=name, arn=f"{base.arn.removesuffix(base.name)}{name}")
    described = none_if_missing(lambda: client.describe_solution(solutionArn=of_columns.arn)["solution"])
    if described:
        step = usable(of_columns.arn, described["status"], lambda: client.delete_solution(solutionArn=of_columns.arn))
        changes = solution_updates.decide(of_columns.arn, described, members)
        if not changes:
            return step
        client.update_solution(solutionArn=of_columns.arn, **changes)
        return step.replaced(status=UPDATED)
    created(lambda: _create_solution(client, plan, recipe, of_columns))
    return Step(arn=of_columns.arn, status=CREATED)


def _create_solution(client: "PersonalizeClient", plan: Plan, recipe: RecipePart, solution: Resource) -> None:
    try:
        client.create_solution(
            name=solution.name,
            datasetGroupArn=plan.dataset_group.arn,
            recipeArn=recipe.recipe_arn,
            performAutoTraining=False,
            **recipe.solution_members,
        )
    except PersonalizationError as error:
        if code(error) != "LimitExceededException" or not _make_room(client, plan, recipe):
            raise
        raise RetryLater(solution.arn, "there were too many solutions: an old one is being deleted") from error


def _make_room(client: "PersonalizeClient", plan: Plan, recipe: RecipePart) -> bool:
    """Delete the oldest of the recipe's solutions that no campaign serves from.

    Returns False if there is none, or if the group has fewer than MOST_SOLUTIONS, so that a rate was refused.
    """
    solutions = list(paginate(client.list_solutions, "solutions", datasetGroupArn=plan.dataset_group.arn))
    if len(solutions) < MOST_SOLUTIONS:
        return False
    ours = [solution for solution in solutions if solution_names.is_of(solution["name"], recipe.solution.name)]
    if any(is_being_deleted(solution["status"]) for solution in ours):
        return True
    oldest_first = sorted(ours, key=lambda solution: solution["creationDateTime"])
    # Popularity may have no campaign, and its newest solution is the baseline of the next release.
    for solution in oldest_first[:-1] if recipe.alias == BASELINE else oldest_first:
        if gone_or_busy(partial(client.delete_solution, solutionArn=solution["solutionArn"])):
            return True
    return False


def ensure_solution_version(client: "PersonalizeClient", plan: Plan, recipe: RecipePart, solution: str) -> Step:
    """Ensure the solution version of this run, or find that of an earlier run whose work it continues.

    Versions are found by name among the newest ones. The result of one that is older than the work has its creation
    time.
    """
    names, begun_at = (*recipe.earlier_versions, recipe.solution_version_name), plan.begun_at
    existing = _versions_called(client, solution, names, begun_at)
    name = ensure.choose_name(names, {existing_name: step.status for existing_name, step in existing.items()})
    if name in existing:
        return existing[name]
    try:
        # An update needs an earlier training, which a new solution lacks.
        update = plan.training_mode == "UPDATE" and _newest_versions(client, solution)
        mode: TrainingMode = "UPDATE" if update else "FULL"
        version = client.create_solution_version(name=name, solutionArn=solution, trainingMode=mode)
    except PersonalizationError as error:
        if code(error) != "ResourceAlreadyExistsException":
            raise
    else:
        return Step(arn=version["solutionVersionArn"], status=CREATED)
    existing = _versions_called(client, solution, (name,), begun_at)
    if name not in existing:
        raise RetryLater(solution, f"solution version {name} exists and is not listed yet")
    return existing[name]


def _versions_called(
    client: "PersonalizeClient", solution_arn: str, names: Collection[str], begun_at: str
) -> dict[str, Step]:
    """Return existing versions of these names, up to the first that has not failed: there is one at most."""
    steps: dict[str, Step] = {}
    for arn in _newest_versions(client, solution_arn):
        version = client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        if version.get("name") in names:
            old = ensure.found_from(version.get("creationDateTime"), begun_at)
            steps[version["name"]] = Step(arn=arn, status=version["status"], found_from=old)
            if len(steps) == len(names) or progress(version["status"]) is not Progress.FAILED:
                break
    return steps


def _newest_versions(client: "PersonalizeClient", solution_arn: str) -> list[str]:
    ask = client.list_solution_versions
    versions = list(paginate(ask, "solutionVersions", solutionArn=solution_arn, maxResults=100))
    # The solution's own latest version may be visible sooner than the list has it.
    solution = none_if_missing(lambda: client.describe_solution(solutionArn=solution_arn)["solution"])
    latest = solution.get("latestSolutionVersion") if solution else None
    versions += [latest] if latest else []
    return _newest([(version["creationDateTime"].timestamp(), version["solutionVersionArn"]) for version in versions])


def ensure_campaign(client: "PersonalizeClient", campaign: Resource, wish: Wish) -> Step:
    """Create or update a campaign, so that it serves a solution version; ACTIVE means that it does.

    Members that the wish leaves open stay unchanged.

    Raises:
        RetryLater: Personalize is working on another change of this campaign.
    """
    described = campaign_as_it_is(client, campaign.arn)
    action = campaigns.decide(described, wish)
    if action == "busy":
        raise RetryLater(campaign.arn, "Personalize is at work on another version of this campaign")
    merged = campaigns.merged(described, wish)
    # An empty configuration takes members away that the next recipe lacks; where there are none it says nothing.
    clears = described is not None and campaigns.configuration(described)
    config: dict[str, Any] = {"campaignConfig": merged} if merged or clears else {}
    if action == "create":
        created(
            lambda: client.create_campaign(
                name=campaign.name,
                solutionVersionArn=wish.version,
                minProvisionedTPS=wish.tps or 1,
                **config,
            )
        )
    if action == "update":
        # Throughput that no setting names is left out, so that a concurrent change is not undone.
        throughput: dict[str, Any] = {"minProvisionedTPS": wish.tps} if wish.tps else {}
        client.update_campaign(campaignArn=campaign.arn, solutionVersionArn=wish.version, **config, **throughput)
    done = described is not None and action in {"nothing", "wait"}
    status = campaigns.described(described).latest[0] if described and done else CREATED
    return Step(arn=campaign.arn, status=status, notes=campaigns.remarks(described))


def campaign_as_it_is(client: "PersonalizeClient", arn: str) -> "CampaignTypeDef | None":
    """Return a campaign, or None if it does not exist."""
    return none_if_missing(lambda: client.describe_campaign(campaignArn=arn)["campaign"])


def retire_campaigns(client: "PersonalizeClient", campaigns: Iterable[Resource]) -> dict[str, object]:
    """Delete campaigns that the settings no longer name; the next run retries busy ones."""
    wanted = [*campaigns]
    deleted = retired(client, wanted)
    return {"deleted": list(deleted), "busy": [campaign.name for campaign in wanted if campaign.name not in deleted]}


def retired(client: "PersonalizeClient", campaigns: Iterable[Resource]) -> tuple[str, ...]:
    """Delete campaigns; return the names of those that were not busy."""
    return tuple(
        campaign.name
        for campaign in campaigns
        if gone_or_busy(partial(client.delete_campaign, campaignArn=campaign.arn))
    )


def unused_campaigns(
    client: "PersonalizeClient", names: Names, shop: str, settings: ShopSettings
) -> tuple[Resource, ...]:
    """Return the existing campaigns of a shop's recipes that its settings do not name on the backend of `names`."""
    deployed = settings.deployed_on(names.backend)
    return existing_campaigns(client, names, shop, [alias for alias in TRAINABLE if alias not in deployed])


def existing_campaigns(
    client: "PersonalizeClient", names: Names, shop: str, aliases: Iterable[str]
) -> tuple[Resource, ...]:
    """Return the campaigns of some recipes of a shop that exist and are not being deleted."""
    named = [names.campaign(shop, alias) for alias in aliases]
    campaigns = [Resource(name=resource.name, arn=resource.arn) for resource in named]
    return tuple(campaign for campaign in campaigns if is_there(client, campaign))


def is_there(client: "PersonalizeClient", campaign: Resource) -> bool:
    """Return whether a campaign exists and is not being deleted."""
    described = campaign_as_it_is(client, campaign.arn)
    return described is not None and progress(described["status"]) is not Progress.LEAVING


def solution_metrics(client: "PersonalizeClient", versions: Collection[str]) -> dict[str, dict[str, float]]:
    """Return GetSolutionMetrics of solution versions by ARN, without deleted ones."""
    metrics: dict[str, dict[str, float]] = {}
    for version in versions:
        answer = none_if_missing(client.get_solution_metrics, solutionVersionArn=version)
        if answer is not None:
            metrics[version] = dict(answer.get("metrics") or {})
    return metrics


def same_events(client: "PersonalizeClient", *versions: str) -> bool:
    """Return whether solution versions trained on the same types of events with the same weights; a deleted one is
    taken to have."""
    described = [
        none_if_missing(lambda arn: client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"], arn)
        for arn in versions
    ]
    events = [solution_updates.trained_on(version) for version in described if version]
    return all(other == events[0] for other in events)


def throughput(client: "PersonalizeClient", campaign_arn: str) -> float:
    """Return a campaign's provisioned requests a second; 1 if they are missing or unknown."""
    with suppress(PersonalizationError):
        campaign = campaign_as_it_is(client, campaign_arn)
        return float((campaign or {}).get("minProvisionedTPS") or 1)
    return 1.0


def _newest(versions: list[tuple[float, str]]) -> list[str]:
    """Return the ARNs of the newest solution versions, newest first, from creation times (epoch seconds) and ARNs."""
    return [arn for _, arn in sorted(set(versions), reverse=True)[:LOOK_BACK]]
