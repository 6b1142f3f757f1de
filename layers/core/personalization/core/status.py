# SPDX-License-Identifier: Apache-2.0
"""The meaning of Personalize's status words, which no other module compares."""

from dataclasses import dataclass
from enum import StrEnum

ACTIVE = "ACTIVE"
"""The status of a usable resource."""

FAILED = "CREATE FAILED"
"""The status of what could not be made: only its name exists."""
UPDATED = "UPDATE PENDING"
"""The status of a just updated resource."""
WAITING = "WAITING"
"""Our own status of what waits for a quota, or for users to be deleted."""


class Progress(StrEnum):
    """The four meanings of status words."""

    READY = "ready"
    UNDER_WAY = "under way"
    FAILED = "failed"
    LEAVING = "leaving"


_READY = {ACTIVE, "COMPLETED"}
_FAILED = {FAILED, "UPDATE FAILED", "FAILED", "CREATE STOPPED"}
_LEAVING = {"DELETE PENDING", "DELETE IN_PROGRESS"}


def progress(status: str) -> Progress:
    """Return the meaning of `status`; unknown words count as in progress, so that the time budget decides."""
    if status in _READY:
        return Progress.READY
    if status in _FAILED:
        return Progress.FAILED
    return Progress.LEAVING if status in _LEAVING else Progress.UNDER_WAY


def is_at_work(status: str) -> bool:
    """Return whether Personalize is at work on a resource; on a recommender that was stopped it is not."""
    return progress(status) is Progress.UNDER_WAY and not is_stopped(status)


def is_stopped(status: str) -> bool:
    """Return whether a recommender was stopped by hand: it neither answers nor bills until it is started again."""
    return status == "INACTIVE"


def failed_to_create(status: str) -> bool:
    """Return whether a resource's creation failed, so that only its name exists."""
    return status == FAILED


def is_being_deleted(status: str) -> bool:
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
        """Status and solution version ARN of the latest request."""
        if self.update_status is None:
            return self.status, self.version
        return self.update_status, self.update_version or self.version


def is_promoted(deployment: Deployment, version: str) -> bool:
    """Return whether the campaign's latest request was to serve `version` (an ARN), and it does."""
    status, latest = deployment.latest
    return latest == version and progress(status) is Progress.READY and is_serving(deployment)


def is_serving(deployment: Deployment) -> bool:
    """Return whether the campaign answers: also during an update, or after a failed one."""
    return progress(deployment.status) is Progress.READY
