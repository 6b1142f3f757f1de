# SPDX-License-Identifier: Apache-2.0
"""Solutions, solution versions and campaigns, safe to repeat as everything in `control` is."""

from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from personalization import campaigns, training
from personalization.arns import Names
from personalization.aws.control import CREATED, created, ensured
from personalization.aws.failures import about, code, found, unless
from personalization.aws.listing import everything
from personalization.campaigns import Wish
from personalization.errors import RetryLater
from personalization.plans import Plan, RecipePart, Resource, Step, TrainingMode
from personalization.settings import RECIPES, ShopSettings
from personalization.statuses import Progress, progress

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize.type_defs import CampaignTypeDef


def ensure_solution(client: "PersonalizeClient", plan: Plan, recipe: RecipePart) -> Step:
    """The shop's solution for a recipe; automatic training is off, because our machine decides."""
    solution = recipe.solution
    return ensured(
        solution.arn,
        lambda: client.describe_solution(solutionArn=solution.arn)["solution"],
        lambda: client.create_solution(
            name=solution.name,
            datasetGroupArn=plan.dataset_group.arn,
            recipeArn=recipe.recipe_arn,
            performAutoTraining=False,
        ),
        lambda: client.delete_solution(solutionArn=solution.arn),
    )


def ensure_solution_version(
    client: "PersonalizeClient", recipe: RecipePart, mode: TrainingMode = "FULL", begun_at: str = ""
) -> Step:
    """The solution version that this run trains, or that an earlier one did whose work it goes on with.

    Versions are found by their names among the newest ones. One that is older than the work itself is answered with
    the time when it was made.

    Args:
        client: the control plane.
        recipe: the recipe with all names.
        mode: how it is trained.
        begun_at: when the work began, ISO 8601.
    """
    names, solution = (*recipe.earlier_versions, recipe.solution_version_name), recipe.solution.arn
    with about(solution):
        there = _versions_called(client, solution, (*recipe.once_named, *names), begun_at)
        once = [each for each in recipe.once_named if each in there and not there[each].found_from]
        name = training.wanted([*once, *names], {each: step.status for each, step in there.items()})
        if name in there:
            return there[name]
        try:
            arn = client.create_solution_version(name=name, solutionArn=solution, trainingMode=mode)[
                "solutionVersionArn"
            ]
        except ClientError as error:
            if code(error) != "ResourceAlreadyExistsException":
                raise
        else:
            return Step(arn=arn, status=CREATED)
        there = _versions_called(client, solution, (name,), begun_at)
    if name not in there:
        raise RetryLater(solution, f"solution version {name} exists and is not listed yet")
    return there[name]


def _versions_called(
    client: "PersonalizeClient", solution_arn: str, names: Collection[str], begun_at: str
) -> dict[str, Step]:
    """Those of the names that exist. Stops at the first that has not failed: there is one at most."""
    found: dict[str, Step] = {}
    for arn in _newest_versions(client, solution_arn):
        version = client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        if version.get("name") in names:
            made = version.get("creationDateTime")
            old = made.isoformat() if made and training.is_older(made, begun_at) else ""
            found[version["name"]] = Step(arn=arn, status=version["status"], found_from=old)
            if len(found) == len(names) or progress(version["status"]) is not Progress.FAILED:
                break
    return found


def _newest_versions(client: "PersonalizeClient", solution_arn: str) -> list[str]:
    ask = client.list_solution_versions
    versions = list(everything(ask, "solutionVersions", solutionArn=solution_arn, maxResults=100))
    # The solution tells of its latest version by itself, which may be sooner than the list does.
    solution = found(lambda: client.describe_solution(solutionArn=solution_arn)["solution"])
    latest = solution.get("latestSolutionVersion") if solution else None
    versions += [latest] if latest else []
    return training.newest([(each["creationDateTime"].timestamp(), each["solutionVersionArn"]) for each in versions])


def ensure_campaign(client: "PersonalizeClient", campaign: Resource, wish: Wish) -> Step:
    """Have a campaign serve a solution version, by creating or updating it.

    What the wish leaves open stays as the campaign has it.

    Args:
        client: the control plane.
        campaign: name and ARN.
        wish: the version, and what of the configuration is decided.

    Returns:
        The status of what was asked for last: ACTIVE means promoted.

    Raises:
        RetryLater: Personalize is at work on something else of this campaign.
    """
    with about(campaign.arn):
        described = describe_campaign(client, campaign.arn)
        action = campaigns.decide(described, wish)
        if action == "busy":
            raise RetryLater(campaign.arn, "Personalize is at work on another version of this campaign")
        config: Any = campaigns.merged(described, wish)
        if action == "create":
            created(
                lambda: client.create_campaign(
                    name=campaign.name,
                    solutionVersionArn=wish.version,
                    minProvisionedTPS=wish.tps or 1,
                    campaignConfig=config,
                )
            )
        if action == "update":
            # Throughput that no setting names is left out, so that a change in this moment isn't undone.
            throughput: dict[str, Any] = {"minProvisionedTPS": wish.tps} if wish.tps else {}
            client.update_campaign(
                campaignArn=campaign.arn, solutionVersionArn=wish.version, campaignConfig=config, **throughput
            )
    done = described is not None and action in {"nothing", "wait"}
    status = campaigns.described(described).latest[0] if described and done else CREATED
    return Step(arn=campaign.arn, status=status, notes=campaigns.remarks(described))


def describe_campaign(client: "PersonalizeClient", arn: str) -> "CampaignTypeDef | None":
    """A campaign, or None where there is none."""
    with about(arn):
        return found(lambda: client.describe_campaign(campaignArn=arn)["campaign"])


def retire_campaigns(client: "PersonalizeClient", campaigns: Iterable[Resource]) -> dict[str, object]:
    """Delete campaigns that settings no longer ask for.

    Returns:
        The names of those that are gone, and of those that Personalize is at work on: the next run names them again.
    """
    deleted: list[str] = []
    busy: list[str] = []
    for each in campaigns:
        with about(each.arn):
            delete = partial(client.delete_campaign, campaignArn=each.arn)
            gone = unless("ResourceInUseException", partial(found, delete))
        (deleted if gone else busy).append(each.name)
    return {"deleted": deleted, "busy": busy}


def unused_campaigns(
    client: "PersonalizeClient", names: Names, shop: str, settings: ShopSettings
) -> tuple[Resource, ...]:
    """The campaigns of a shop's recipes that its settings don't ask for, and that are there all the same."""
    named = [names.campaign(shop, alias) for alias in RECIPES if alias not in settings.deployed]
    return tuple(Resource(name=each.name, arn=each.arn) for each in named if _is_there(client, each.arn))


def _is_there(client: "PersonalizeClient", arn: str) -> bool:
    with about(arn):
        described = found(lambda: client.describe_campaign(campaignArn=arn)["campaign"])
    return described is not None and progress(described["status"]) is not Progress.LEAVING
