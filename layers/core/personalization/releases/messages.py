# SPDX-License-Identifier: Apache-2.0
"""Messages from the state machine to the steps of a release."""

from typing import Literal

from personalization.releases.held_out.plan import Result
from personalization.releases.verdicts import Target, Trained, Verdict
from personalization.shop.plan import Made, Part, Plan, Promoted, Resource


class JudgeRequest(Part):
    """Judge what a run trained."""

    step: Literal["judge"]
    plan: Plan
    trained: tuple[Trained, ...]
    held_out: Result = Result(outcome="notAsked")
    """The result of the test on held-out time."""


class OverrideRequest(Part):
    """Find the refused versions of a run; without a run, of the latest one."""

    step: Literal["override"]
    shop: str
    wanted: str | None = None


class RollbackRequest(Part):
    """Find the release before the one that serves."""

    step: Literal["rollback"]
    shop: str


class ProbeRequest(Part):
    """Probe an updated campaign with real requests."""

    step: Literal["probe"]
    verdict: Verdict
    target: Target


class ReportRequest(Part):
    """Complete the release's report."""

    step: Literal["report"]
    verdict: Verdict


class Overridden(Part):
    """The verdict that an override promotes, and the plan of the run that trained it."""

    verdict: Verdict
    plan: Plan


class CampaignRequest(Part):
    """Have a campaign serve a solution version."""

    step: Literal["campaign"]
    dataset_group_arn: str
    campaign: Resource
    solution_version_arn: str
    target: Target | None = None
    """The target with the campaign's configuration."""
    made: Made = Made()


class ReleaseRequest(Part):
    """Record what serves now."""

    step: Literal["release"]
    plan: Plan
    campaigns: tuple[Promoted, ...]


class RetireRequest(Part):
    """Delete campaigns that the settings no longer name."""

    step: Literal["retire"]
    campaigns: tuple[Resource, ...]


class RestoreRequest(Part):
    """Record that an earlier release serves again."""

    step: Literal["restore"]
    shop: str
    restore: str
