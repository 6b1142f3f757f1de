# SPDX-License-Identifier: Apache-2.0
"""Derive verdicts from judgements, overrides and rollbacks: which campaign is to serve which version."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import not_
from typing import Any, Literal, Self

from pydantic import Field
from table_intake.wording import Language, Text

from personalization.core.errors import Rejected
from personalization.core.messages import Part, Sentence, is_none
from personalization.core.names import Backend, backend_of
from personalization.releases.gate import Judgement
from personalization.releases.held_out.trials import Result
from personalization.reports import pages
from personalization.shop.plan import Plan, Promoted, Resource
from personalization.shop.records.release import BASELINE, ReleaseRecord, recipe_of, restored
from personalization.shop.settings.gate import Probe

Outcome = Literal["promoted", "partly promoted", "refused", "rolled back"]


class Trained(Part):
    """The version that a run trained for a recipe."""

    alias: str
    solution_version_arn: str
    found_from: str = Field(default="", exclude_if=not_)
    """The time when the version was made, ISO 8601, if that was before the run, so that nothing was trained."""


class Untrained(Part):
    """Why a fallback gets no new versions: the engine's training of a recipe or import of a kind of data failed."""

    alias: str = Field(default="", exclude_if=not_)
    """The recipe's."""
    kind: str = Field(default="", exclude_if=not_)
    """The data's."""
    reason: Sentence


class Target(Part):
    """A campaign and the version that it is to serve."""

    alias: str
    campaign: Resource
    solution_version_arn: str
    run: str
    """The run that trained the version."""
    baseline_arn: str | None = None
    """The Popularity-Count version of that run, the baseline of later comparisons."""
    found_from: str = Field(default="", exclude_if=not_)
    """As in `Trained`."""
    recipe: str
    """Personalize's name of the version's recipe."""
    min_provisioned_tps: int | None = Field(default=None, exclude_if=is_none)
    """The throughput in the settings."""
    campaign_config: dict[str, Any] = Field(default={}, exclude_if=not_)
    """Members of the campaign's configuration that the settings determine."""
    earlier_config: dict[str, Any] = Field(default={}, exclude_if=not_)
    """The configuration when the version served, for members that the campaign has lost since."""
    returns: bool = Field(default=False, exclude_if=not_)
    """Whether the campaign returns to an earlier release, so that the settings do not determine its configuration."""


class Refused(Part):
    """A recipe whose new version is not promoted."""

    alias: str
    reason: Sentence


class Verdict(Part):
    """The state machine's next actions, and their explanation."""

    run: str
    shop: str
    dataset_group_arn: str
    outcome: Outcome
    reason: Sentence
    targets: tuple[Target, ...]
    back: tuple[Target, ...]
    """Targets to which campaigns return if one of them fails, without new campaigns."""
    unchanged: tuple[Promoted, ...] = Field(default=(), validation_alias="kept", serialization_alias="kept")
    """Campaigns that keep their version."""
    approved: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    rows: int = 0
    notes: tuple[Sentence, ...] = ()
    probe: Probe = Probe()
    restore: str | None = None
    """The `promotedAt` of the release that a rollback restores."""
    held_out: Sentence = ""
    """The result of a test on held-out time in words; empty if there was none."""
    ramp: Target | None = None
    """Among the targets, the second campaign whose version only a part of the users gets."""

    def said(self, language: Language, known_codes: Mapping[str, Any]) -> Self:
        """Return the verdict as people of the shop are told it; see `pages.said`."""
        told = {name: getattr(self, name) for name in ("reason", "notes", "held_out")}
        reasons = pages.said([recipe.reason for recipe in self.refused], language, known_codes)
        refused = [recipe.replaced(reason=reason) for recipe, reason in zip(self.refused, reasons, strict=True)]
        return self.replaced(**pages.said(told, language, known_codes), refused=tuple(refused))


def to_judge(plan: Plan, trained: Sequence[Trained], untrained: Collection[Untrained]) -> Sequence[Trained]:
    """Return the versions of a run that may come to serve: a fallback takes all of its new versions, or none."""
    spare = {recipe.alias for recipe in plan.recipes if recipe.is_spare} if untrained else {}
    return [version for version in trained if version.alias not in spare]


def without_fallback(untrained: Sequence[Untrained]) -> list[Text]:
    """Say that the fallback has no new versions."""
    of_recipe = "the fallback has no new versions, since the engine's training of {recipe} failed: {reason}"
    of_data = "the fallback has no new versions, since the engine's import of {kind} failed: {reason}"
    return [
        Text("note.no-fallback-data", of_data, kind=part.kind, reason=part.reason)
        if part.kind
        else Text("note.no-fallback", of_recipe, recipe=recipe_of(part.alias), reason=part.reason)
        for part in untrained[:1]
    ]


Compared = Mapping[str, tuple[str, str | None]]
"""Versions by recipe alias, each with the Popularity-Count version of its import."""


def to_compare(plan: Plan, trained: Sequence[Trained], release: ReleaseRecord | None) -> tuple[Compared, Compared]:
    """Return the versions that a run trained, and those that they would replace."""
    baselines, arns = _baselines(plan, trained, release), {part.alias: part.solution_version_arn for part in trained}
    new = {alias: (arn, baselines.get(backend_of(arn))) for alias, arn in arns.items()}
    if release is None:
        return new, {}
    serving = release.versions.items()
    return new, {alias: (arn, release.campaigns[alias].baseline_arn) for alias, arn in serving if alias in new}


@dataclass(frozen=True, slots=True)
class Ramping:
    """How a run's version of one recipe comes to serve."""

    second: Resource
    """The campaign beside the one that serves."""
    runs: str = ""
    """The run whose version is being ramped already, if one is."""
    compared: str = ""
    """The shop's experiment that has the campaign, if one has."""


def ramps(plan: Plan, approved: Collection[str], release: ReleaseRecord | None) -> str | None:
    """Return the recipe whose new version comes in steps: what serves nobody yet comes at once."""
    ramp = plan.gate.ramp
    deployed = {recipe.alias for recipe in plan.recipes if recipe.deployed}
    shown = {placement.recipe for placement in plan.placements.values()}
    if ramp is None or release is None or ramp.recipe not in {*approved} & deployed & shown & {*release.campaigns}:
        return None
    return ramp.recipe


def of_judgements(
    plan: Plan,
    trained: Sequence[Trained],
    judged: Sequence[Judgement],
    release: ReleaseRecord | None,
    held_out: Result,
    *,
    ramping: Ramping | None = None,
) -> Verdict:
    """Return the verdict for the judgements of a run, which include the test on held-out time."""
    refused = {judgement.alias: judgement.reason for judgement in judged if judgement.decision == "refused"}
    ramped = ramps(plan, [judgement.alias for judgement in judged if judgement.alias not in refused], release)
    if ramped and ramping and ramping.runs:
        text = (
            "the version of run {run} comes to the users step by step: this one is refused until that one is through "
            "or has gone back"
        )
        refused[ramped], ramped = Text("verdict.ramp-runs", text, run=ramping.runs), None
    if ramped and ramping and ramping.compared:
        text = "the experiment {name} has the second campaign of {recipe}: this version is refused until it ends"
        why = Text("verdict.compared", text, name=ramping.compared, recipe=ramped)
        refused[ramped], ramped = why, None
    approved = [judgement.alias for judgement in judged if judgement.alias not in refused]
    outcome: Outcome = "promoted" if not refused else "partly promoted" if approved else "refused"
    reason = Text.joined("; ", [Text.joined(": ", why) for why in refused.items()])
    verdict = _verdict(plan, trained, approved, release, outcome=outcome, reason=reason or _ALL_APPROVED)
    if ramped and ramping and release:
        verdict = _in_steps(verdict, ramped, ramping.second, release)
    update = {
        "refused": tuple(Refused(alias=alias, reason=why) for alias, why in refused.items()),
        "held_out": held_out.reason,
        "notes": (
            *plan.notes,
            *(_not_trained(version) for version in trained if version.found_from),
            *([_stepwise(plan, ramped)] if verdict.ramp and ramped else []),
            # A shop that relies on the test must learn that there was none.
            *([held_out.reason] if held_out.outcome == "tooLittle" else []),
        ),
    }
    return verdict.replaced(**update)


def _in_steps(verdict: Verdict, alias: str, second: Resource, release: ReleaseRecord) -> Verdict:
    """Return a verdict whose version of a recipe comes to a second campaign, while the first goes on."""
    target = next(target for target in verdict.targets if target.alias == alias)
    # Whatever an operator set at the campaign that serves holds for both.
    ramp = target.replaced(campaign=second, earlier_config=dict(release.campaigns[alias].config))
    return verdict.replaced(
        targets=tuple(ramp if other is target else other for other in verdict.targets),
        back=tuple(other for other in verdict.back if other.alias != alias),
        unchanged=(*verdict.unchanged, _promoted(_serving(alias, release))),
        ramp=ramp,
    )


def _stepwise(plan: Plan, alias: str) -> Text:
    text = "the new version of {recipe} is shown to {share:g}% of the users first, by a second campaign"
    share = plan.gate.ramp.steps[0] if plan.gate.ramp else 0
    return Text("note.ramped", text, recipe=alias, share=share)


_ALL_APPROVED = Text("verdict.all-approved", "every recipe is approved")


def _not_trained(version: Trained) -> Text:
    text = "{recipe} was not trained: the version of {time} has this run's name"
    return Text("note.not-trained", text, recipe=version.alias, time=version.found_from)


def of_override(
    plan: Plan, trained: Sequence[Trained], refused: Sequence[str], release: ReleaseRecord | None, through: str = ""
) -> Verdict:
    """Return the verdict that promotes refused versions, and the one that was ramped (`through`).

    Raises:
        Rejected: the run has none.
    """
    if not refused:
        raise Rejected(plan.run, "nothing of this run was refused")
    text = "promoted by hand although refused: {recipes}"
    reason = Text("verdict.by-hand", text, recipes=", ".join(refused))
    if through and {*refused} == {through}:
        reason = Text("verdict.through", "every user gets the new version of {recipe}", recipe=through)
    return _verdict(plan, trained, refused, release, outcome="promoted", reason=reason)


def of_rollback(shop: str, release: ReleaseRecord, previous: ReleaseRecord) -> Verdict:
    """Return the verdict that restores the `previous` release instead of the current one."""
    now, then = release.versions, previous.versions
    changed = [alias for alias in restored(previous, release) if then[alias] != now.get(alias)]
    run = previous.run
    return Verdict(
        run=run,
        shop=shop,
        dataset_group_arn=release.dataset_group_arn,
        outcome="rolled back",
        reason=Text("verdict.back", "back to the release of {time}, run {run}", time=previous.promoted_at, run=run),
        targets=tuple(_serving(alias, previous) for alias in changed),
        back=tuple(_serving(alias, release) for alias in changed if alias in now),
        approved=tuple(changed),
        restore=previous.promoted_at,
    )


def _verdict(
    plan: Plan,
    trained: Sequence[Trained],
    aliases: Sequence[str],
    release: ReleaseRecord | None,
    *,
    outcome: Outcome,
    reason: str,
) -> Verdict:
    made = {version.alias: version for version in trained}
    deployed = [recipe.alias for recipe in plan.recipes if recipe.deployed and recipe.alias in aliases]
    recipes = {recipe.alias: recipe for recipe in plan.recipes}
    serving = release.versions if release else {}
    baselines = _baselines(plan, trained, release)
    return Verdict(
        run=plan.run,
        shop=plan.shop,
        dataset_group_arn=plan.dataset_group.arn,
        outcome=outcome,
        reason=reason,
        targets=tuple(
            Target(
                alias=alias,
                campaign=recipes[alias].campaign,
                solution_version_arn=made[alias].solution_version_arn,
                run=plan.run,
                baseline_arn=baselines.get(backend_of(made[alias].solution_version_arn)),
                found_from=made[alias].found_from,
                recipe=recipes[alias].recipe_arn.rpartition("/")[2],
                min_provisioned_tps=recipes[alias].min_provisioned_tps,
                campaign_config=recipes[alias].campaign_config,
            )
            for alias in deployed
        ),
        back=tuple(_serving(alias, release) for alias in deployed if release and alias in serving),
        unchanged=tuple(
            _promoted(_serving(alias, release))
            for alias in plan.deploys
            if release and alias in serving and alias not in aliases
        ),
        approved=tuple(aliases),
        rows=plan.rows,
        notes=plan.notes,
        probe=plan.probe,
    )


def _serving(alias: str, release: ReleaseRecord) -> Target:
    served = release.campaigns[alias]
    return Target(
        alias=alias,
        campaign=Resource(name=served.arn.rpartition("/")[2], arn=served.arn),
        solution_version_arn=served.solution_version_arn,
        run=served.run,
        baseline_arn=served.baseline_arn,
        found_from=served.found_from,
        recipe=served.recipe,
        earlier_config=dict(served.config),
        returns=True,
    )


def _baselines(plan: Plan, trained: Sequence[Trained], release: ReleaseRecord | None) -> dict[Backend, str]:
    """Return the Popularity-Count version of each backend that is the baseline of a run's versions there.

    A run that trains only some recipes on existing data takes the one that serves.
    """
    new = [version.solution_version_arn for version in trained if recipe_of(version.alias) == BASELINE]
    serving = release.baselines if release and BASELINE in plan.serves else {}
    return {**serving, **{backend_of(version): version for version in new}}


def _promoted(target: Target) -> Promoted:
    return Promoted(
        alias=target.alias,
        campaign_arn=target.campaign.arn,
        solution_version_arn=target.solution_version_arn,
        run=target.run,
        baseline_arn=target.baseline_arn,
        found_from=target.found_from,
        recipe=target.recipe,
    )
