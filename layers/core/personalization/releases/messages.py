# SPDX-License-Identifier: Apache-2.0
"""What the state machine asks of the steps around a release: to judge, to promote, to go back, to report."""

from typing import Literal

from personalization.releases.held_out.plan import Result
from personalization.releases.verdicts import Target, Trained, Verdict
from personalization.shop.plan import Made, Part, Plan, Promoted, Resource


class JudgeRequest(Part):
    """The step that judges what a run trained."""

    step: Literal["judge"]
    plan: Plan
    trained: tuple[Trained, ...]
    held_out: Result = Result(outcome="notAsked")
    """What a test on held-out time said."""


class OverrideRequest(Part):
    """The step that finds what a run was refused; without a run, what was refused last."""

    step: Literal["override"]
    shop: str
    wanted: str | None = None


class RollbackRequest(Part):
    """The step that finds the release before the one that serves."""

    step: Literal["rollback"]
    shop: str


class ProbeRequest(Part):
    """The step that asks an updated campaign real questions."""

    step: Literal["probe"]
    verdict: Verdict
    target: Target


class ReportRequest(Part):
    """The step that completes the release's report."""

    step: Literal["report"]
    verdict: Verdict


class Overridden(Part):
    """What an override promotes, and the plan of the run that trained it."""

    verdict: Verdict
    plan: Plan


class CampaignRequest(Part):
    """The step that has a campaign serve a solution version."""

    step: Literal["campaign"]
    dataset_group_arn: str
    campaign: Resource
    solution_version_arn: str
    target: Target | None = None
    """The whole target, which tells how the campaign is to serve."""
    made: Made = Made()


class ReleaseRequest(Part):
    """The step that records what serves now."""

    step: Literal["release"]
    plan: Plan
    campaigns: tuple[Promoted, ...]


class RetireRequest(Part):
    """The step that deletes campaigns which the settings no longer ask for."""

    step: Literal["retire"]
    campaigns: tuple[Resource, ...]


class RestoreRequest(Part):
    """The step that records that an earlier release serves again."""

    step: Literal["restore"]
    shop: str
    restore: str
