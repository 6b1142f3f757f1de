# SPDX-License-Identifier: Apache-2.0
"""What Personalize's status words mean. Nothing else in the project compares them."""

from dataclasses import dataclass
from enum import StrEnum

ACTIVE = "ACTIVE"
"""The status of a resource that can be used."""

UPDATED = "UPDATE PENDING"
"""The status of what was just changed."""
WAITING = "WAITING"
"""Our own word, for a job that was not started because as many run as may."""


class Progress(StrEnum):
    """The four situations that the status words come down to."""

    READY = "ready"
    UNDER_WAY = "under way"
    FAILED = "failed"
    LEAVING = "leaving"


_READY = {ACTIVE, "COMPLETED"}
_FAILED = {"CREATE FAILED", "UPDATE FAILED", "FAILED", "CREATE STOPPED"}
_LEAVING = {"DELETE PENDING", "DELETE IN_PROGRESS"}


def progress(status: str) -> Progress:
    """What `status` means; a word that we do not know counts as under way, so that the time budget decides."""
    if status in _READY:
        return Progress.READY
    if status in _FAILED:
        return Progress.FAILED
    return Progress.LEAVING if status in _LEAVING else Progress.UNDER_WAY


def is_stopped(status: str) -> bool:
    """Whether somebody has stopped a recommender: it answers nothing and bills nothing until it is started again."""
    return status == "INACTIVE"


def failed_to_create(status: str) -> bool:
    """Whether a resource has never been usable: its creation failed, and nothing but its name is there."""
    return status == "CREATE FAILED"


def is_being_deleted(status: str) -> bool:
    """Whether a resource is being deleted."""
    return progress(status) is Progress.LEAVING


@dataclass(frozen=True, slots=True)
class Deployment:
    """A campaign's own status and version, and those of its latest update if it was ever updated."""

    status: str
    version: str
    """ARN of the solution version that the campaign was created with or serves."""
    update_status: str | None = None
    update_version: str | None = None

    @property
    def latest(self) -> tuple[str, str]:
        """Status and solution version ARN of what was asked for last."""
        if self.update_status is None:
            return self.status, self.version
        return self.update_status, self.update_version or self.version


def is_promoted(deployment: Deployment, version: str) -> bool:
    """Whether the latest thing asked of the campaign was to serve `version` (an ARN), and it does."""
    status, latest = deployment.latest
    return latest == version and progress(status) is Progress.READY and is_serving(deployment)


def is_serving(deployment: Deployment) -> bool:
    """Whether the campaign answers: also while an update runs, or after one failed."""
    return progress(deployment.status) is Progress.READY
