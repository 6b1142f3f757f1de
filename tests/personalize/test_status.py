# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import pytest
from personalization.core.status import Deployment, Progress, is_promoted, is_serving, progress
from personalization.personalize.campaigns import Wish, decide

OLD, NEW, OTHER = "sv/old", "sv/new", "sv/other"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("ACTIVE", Progress.READY),
        ("CREATE PENDING", Progress.UNDER_WAY),
        ("CREATE IN_PROGRESS", Progress.UNDER_WAY),
        ("CREATE FAILED", Progress.FAILED),
        ("CREATE STOPPED", Progress.FAILED),
        ("DELETE PENDING", Progress.LEAVING),
        ("SOMETHING NEW", Progress.UNDER_WAY),
        ("INACTIVE", Progress.UNDER_WAY),
    ],
)
def test_what_a_status_means(status: str, meaning: Progress) -> None:
    assert progress(status) is meaning


def test_promoted_means_that_the_latest_update_serves() -> None:
    assert is_promoted(Deployment("ACTIVE", NEW), NEW)
    assert is_promoted(Deployment("ACTIVE", NEW, "ACTIVE", NEW), NEW)
    assert not is_promoted(Deployment("ACTIVE", OLD, "CREATE IN_PROGRESS", NEW), NEW)
    assert not is_promoted(Deployment("ACTIVE", OLD, "CREATE FAILED", NEW), NEW)
    assert not is_promoted(Deployment("CREATE PENDING", NEW), NEW)


def test_the_old_version_serves_on_while_an_update_runs_and_after_it_failed() -> None:
    assert is_serving(Deployment("ACTIVE", OLD, "CREATE IN_PROGRESS", NEW))
    assert is_serving(Deployment("ACTIVE", OLD, "CREATE FAILED", NEW))
    assert not is_serving(Deployment("CREATE IN_PROGRESS", NEW))


@pytest.mark.parametrize(
    ("deployment", "action"),
    [
        (None, "create"),
        (Deployment("ACTIVE", OLD), "update"),
        (Deployment("ACTIVE", NEW), "nothing"),
        (Deployment("CREATE FAILED", OLD), "update"),
        (Deployment("CREATE FAILED", NEW), "update"),
        (Deployment("CREATE PENDING", NEW), "wait"),
        (Deployment("CREATE PENDING", OLD), "busy"),
        (Deployment("ACTIVE", OLD, "CREATE IN_PROGRESS", NEW), "wait"),
        (Deployment("ACTIVE", OLD, "CREATE IN_PROGRESS", OTHER), "busy"),
        (Deployment("ACTIVE", OLD, "CREATE FAILED", NEW), "update"),
        (Deployment("ACTIVE", OLD, "ACTIVE", OLD), "update"),
        (Deployment("ACTIVE", OTHER, "ACTIVE", NEW), "nothing"),
        (Deployment("DELETE IN_PROGRESS", NEW), "busy"),
        (Deployment("DELETE PENDING", OLD, "ACTIVE", NEW), "busy"),
    ],
)
def test_what_follows_from_a_campaigns_description(deployment: Deployment | None, action: str) -> None:
    assert (
        decide(described(deployment) if deployment else None, Wish(version=NEW, recipe="aws-similar-items")) == action
    )


def described(campaign: Deployment) -> Mapping[str, object]:
    update = {"status": campaign.update_status, "solutionVersionArn": campaign.update_version}
    there = {"status": campaign.status, "solutionVersionArn": campaign.version}
    return {**there, "latestCampaignUpdate": update} if campaign.update_status else there
