# SPDX-License-Identifier: Apache-2.0
"""Ramps between the releases, and experiments that show another release: their second campaign, and their end.

A ramp begins with a release that keeps the version before, and ends with any release that serves another one, with a
return to an earlier one, or with harm. An experiment of the file waits for its campaign, and ends when the version that
it shows comes to all users. The second campaign is deleted when nobody can be asking it any more.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from personalization.core.aws.errors import false_on
from personalization.core.errors import NoRoom, PersonalizationError, RetryLater
from personalization.core.names import Names, backend_of
from personalization.experiments import following, ramps
from personalization.experiments.experiment import Experiment
from personalization.experiments.ramps import Begun
from personalization.personalize import campaigns, training
from personalization.personalize.campaigns import Wish
from personalization.releases.verdicts import Target
from personalization.runs import leases
from personalization.shop.plan import Resource
from personalization.shop.records import release_store
from personalization.shop.records.release import ReleaseRecord
from personalization.shop.settings.gate import Ramp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_stepfunctions import SFNClient

FORGOTTEN = timedelta(minutes=15)
"""How long after a ramp's end containers may still ask its campaign: they know a shop's experiments for a minute."""


def running(dynamodb: "DynamoDBClient", table: str, shop: str, now: datetime) -> list[Experiment]:
    """Return the ramps of a shop that run."""
    stored = following.get(dynamodb, table, shop).experiments
    return [experiment for experiment in stored if experiment.ramp and experiment.runs(now.timestamp())]


def ramping_run(dynamodb: "DynamoDBClient", table: str, shop: str, run: str, now: datetime) -> str:
    """Return the other run whose version is being ramped; empty if there is none."""
    runs = (ramp.ramp.run for ramp in running(dynamodb, table, shop, now) if ramp.ramp)
    return next((other for other in runs if other != run), "")


def compared(dynamodb: "DynamoDBClient", table: str, shop: str, recipe: str, now: datetime) -> str:
    """Return the experiment of the shop's file that has the second campaign of a recipe; empty without one."""
    stored = following.get(dynamodb, table, shop).experiments
    live = (
        experiment for experiment in stored if experiment.release_variant and not experiment.is_over(now.timestamp())
    )
    return next((experiment.name for experiment in live if experiment.second_campaign_of == recipe), "")


def prepare(
    client: "PersonalizeClient", dynamodb: "DynamoDBClient", table: str, names: Names, *, shop: str, now: datetime
) -> tuple[str, ...]:
    """Make the second campaigns that experiments wait for, and begin those whose campaign is there; return these.

    An experiment says why its campaign cannot be made, such as for a quota, and waits on. So it does while a ramp has
    the campaign, or a run that may begin one.

    Raises:
        RetryLater: somebody else changed the shop's experiments meanwhile.
    """
    stored = following.get(dynamodb, table, shop).experiments
    waiting = [experiment for experiment in stored if experiment.waits and experiment.stopped_at is None]
    release = release_store.release_record(dynamodb, table, shop) if waiting else None
    ramped = _ramped(dynamodb, table, shop, now) if waiting else frozenset[str]()
    begun: list[str] = []
    for experiment in waiting:
        other = experiment.release_variant
        serving = release.campaigns.get(other.recipe) if release and other else None
        if other is None or serving is None or other.recipe in ramped:
            continue
        second = names.on(backend_of(other.version)).second_campaign(shop, other.recipe)
        wish = Wish(version=other.version, recipe=serving.recipe, earlier=serving.config)
        try:
            training.ensure_campaign(client, Resource(name=second.name, arn=second.arn), wish)
        except PersonalizationError as error:
            if isinstance(error, RetryLater) and not isinstance(error, NoRoom):
                # It is being changed or deleted for another experiment: the next round asks again.
                continue
            after = replace(experiment, waits=f"for a second campaign, which Personalize refuses: {error.reason}")
            following.change(dynamodb, table, shop, before=experiment, after=after)
            continue
        described = training.campaign_as_it_is(client, second.arn)
        if described is None or campaigns.decide(described, wish) != "nothing":
            continue
        metadata = campaigns.shows(serving.recipe, described)
        after = experiment.begun(int(now.timestamp()), second.arn, metadata=metadata)
        following.change(dynamodb, table, shop, before=experiment, after=after)
        begun.append(experiment.name)
    return tuple(begun)


def _ramped(dynamodb: "DynamoDBClient", table: str, shop: str, now: datetime) -> frozenset[str]:
    """Return the recipes whose second campaign a ramp has, or may get by the run that leads the shop."""
    recipes = {ramp.second_campaign_of for ramp in running(dynamodb, table, shop, now)}
    if release_store.get(dynamodb, table, shop, leases.RECORD) is not None:
        recipes |= {run.ramped for run in release_store.judged_runs(dynamodb, table, shop)}
    return frozenset(recipes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """The second campaign of a recipe, whose version is to be ramped."""

    target: Target
    settings: Ramp
    metadata: bool
    """Whether it shows columns of Items."""


def begin(dynamodb: "DynamoDBClient", table: str, release: ReleaseRecord, second: Second, now: datetime) -> None:
    """Show a second campaign's version to the users of the first step, unless this was done before.

    Raises:
        RetryLater: somebody else changed the shop's experiments meanwhile.
    """
    target = second.target
    shown = tuple(name for name, entry in release.placements.items() if entry.get("recipe") == target.alias)
    begun = following.get(dynamodb, table, release.shop).named(ramps.name_of(target.run))
    if begun is not None or not shown:
        return
    what = Begun(
        recipe=target.alias,
        run=target.run,
        version=target.solution_version_arn,
        control=release.versions[target.alias],
        campaign=target.campaign.arn,
        metadata=second.metadata,
        placements=shown,
    )
    experiment = ramps.begin(what, second.settings, int(now.timestamp()))
    following.change(dynamodb, table, release.shop, before=None, after=experiment)


def end(dynamodb: "DynamoDBClient", table: str, release: ReleaseRecord, now: datetime, why: str = "") -> None:
    """End the ramps that a new release leaves nothing to compare with, or for a reason all of them.

    Raises:
        RetryLater: somebody else changed the shop's experiments meanwhile.
    """
    for experiment in running(dynamodb, table, release.shop, now):
        ramp = experiment.ramp
        serves = release.versions.get(ramp.recipe) if ramp else None
        if ramp is None or (serves == ramp.control and not why):
            continue
        through = "every user gets the new version" if serves == ramp.version else "another version serves"
        after = experiment.stopped(int(now.timestamp()), why or through)
        following.change(dynamodb, table, release.shop, before=experiment, after=after)
    for experiment in following.get(dynamodb, table, release.shop).experiments:
        other = experiment.release_variant
        if other and not experiment.is_over(now.timestamp()) and release.versions.get(other.recipe) == other.version:
            after = experiment.stopped(int(now.timestamp()), "every user gets its release")
            following.change(dynamodb, table, release.shop, before=experiment, after=after)


def promote(client: "SFNClient", machine: str, *, shop: str, experiment: Experiment, now: datetime) -> None:
    """Start the run that gives a ramp's version to all users: once a day, until one has succeeded."""
    if experiment.ramp is not None:
        wish = {"action": "promote", "shop": shop, "run": experiment.ramp.run}
        name = f"{shop}-{experiment.name}-{now:%Y%m%d}"
        false_on(
            "ExecutionAlreadyExists",
            lambda: client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(wish)),
        )


def tidy(
    client: "PersonalizeClient", dynamodb: "DynamoDBClient", table: str, names: Names, *, shop: str, now: datetime
) -> tuple[str, ...]:
    """Delete second campaigns whose ramp or experiment is over, or was never begun by a run that failed.

    Returns their names.

    A run that leads the shop may be making one, and one of a ramp that just ended may still be asked. Of a shop that
    never was on Amazon Personalize, that is not asked.
    """
    every = following.get(dynamodb, table, shop).experiments
    stored = [experiment for experiment in every if experiment.second_campaign_of]
    latest = now.timestamp() - FORGOTTEN.total_seconds()
    if any(not experiment.is_over(latest) for experiment in stored):
        return ()
    judged = release_store.judged_runs(dynamodb, table, shop)
    shown = {(experiment.second_campaign_of, backend_of(experiment.second_version)) for experiment in stored}
    shown |= {(run.ramped, backend_of(run.versions.get(run.ramped, ""))) for run in judged if run.ramped}
    if not shown or release_store.get(dynamodb, table, shop, leases.RECORD) is not None:
        return ()
    named = [names.on(backend).second_campaign(shop, recipe) for recipe, backend in sorted(shown)]
    campaigns = [Resource(name=campaign.name, arn=campaign.arn) for campaign in named]
    return training.retired(client, [campaign for campaign in campaigns if training.is_there(client, campaign)])
