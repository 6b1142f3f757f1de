# SPDX-License-Identifier: Apache-2.0
"""Deletions of users: the requests, and the file that a data deletion job reads.

Personalize has no call that deletes one user. A data deletion job takes a list of users, at most five of a dataset
group's jobs wait at a time, and one may take a day: so requests are batched, and a shop has one job in progress.
Personalize guarantees nothing during imports and trainings, and advises another job after them: so the erasure leads
the shop during its job, as a run would. From the request to the end no data of the user are accepted.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from table_intake.write import dialect

MOST = 10_000
"""The most users of one job, far below its limit."""
KEPT_SECONDS = 365 * 86_400
"""How long a receipt is kept after the deletion, and a request after its shop was removed."""
SETTLED_SECONDS = 120
"""The least age of a request in a job: by then no container accepts the user's events."""
PATIENCE_SECONDS = 3 * 86_400
"""How long a request waits for a round without a run on its shop; then it starts before any further run."""
JOB_SECONDS = 2 * 86_400
"""How long a job may keep a shop's runs waiting; according to Personalize it may take a day."""
RECORD = "erasure"
"""The sort key of the record of erased users whom serving models may know, in the table of shops."""
DAY = 86_400

Progress = Literal["under way", "done", "failed"]
Step = Literal["waiting", "underWay", "deletedFromPersonalize", "deletedHere", "retrained"]
"""The steps of a request in its receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to delete a user."""

    user: str
    receipt: str
    requested: int
    """Epoch seconds of the latest request."""
    job: str = ""
    """ARNs of its data deletion jobs, see `joined`; empty before."""
    led: str = ""
    """The owner of the shop's lease when the job started."""
    sent: int = 0
    """Epoch seconds after which a repeated request needs another job."""
    deleted: int = 0
    """Epoch seconds at which its last job was found completed."""
    tries: int = 0
    """Failed jobs."""
    jobs: int = 0
    """Completed jobs that needed another one."""

    @property
    def arns(self) -> list[str]:
        """The ARNs of its data deletion jobs."""
        return self.job.split()

    @property
    def again(self) -> bool:
        """Whether it was repeated since its job began: newer data need another job."""
        return self.requested > self.sent


def joined(jobs: Iterable[str]) -> str:
    """Return the ARNs of a batch's jobs as a request and its receipt name them: one of each backend, by spaces."""
    return " ".join(jobs)


def progress(statuses: Collection[str | None]) -> Progress:
    """Return the progress of a batch by the statuses of its jobs, None for a missing one: failed where one failed, once
    all have ended."""
    if not {None, "FAILED", "COMPLETED"}.issuperset(statuses):
        return "under way"
    return "done" if {"COMPLETED"}.issuperset(statuses) else "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A shop that serves."""

    name: str
    group: str
    """ARN of the dataset group that serves."""
    other_groups: tuple[str, ...] = ()
    """ARNs of those that it may have on another backend: what it left, or moves to."""
    tracking_ids: tuple[str, ...] = ()
    """The ids of its event trackers, by which units of experiments are digests of users."""
    versions: tuple[str, ...] = ()
    """ARNs of the solution versions that serve."""
    erasing: bool = False
    """Whether an erasure leads it."""
    since: int = 0
    """Epoch seconds of the first erasure of a user whom serving models may know; 0 without any."""


def needs_another(request: Request, leader: str) -> bool:
    """Return whether a request needs a second job after its first, because a run may have worked during that.

    Args:
        request: the request.
        leader: the erasure that leads the shop now; empty if none does.
    """
    return not request.jobs and (not request.led or request.led != leader)


def next_batch(waiting: Iterable[Request], now: int) -> list[Request]:
    """Return the requests of the next job, oldest first, without those that not every container of the API knows."""
    settled = (request for request in waiting if now - request.requested >= SETTLED_SECONDS)
    return sorted(settled, key=lambda request: (request.requested, request.user))[:MOST]


def has_waited(batch: Sequence[Request], now: int) -> bool:
    """Return whether the oldest request of a batch starts before any further run."""
    return now - batch[0].requested >= PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Version:
    """A solution version that serves."""

    made: int
    """Epoch seconds of the request for its training."""
    whole: bool
    """Whether its training was a full one, on all data."""


def trained(serving: Iterable[Version | None]) -> int:
    """Return the epoch seconds before which erased users are unknown to all serving models; 0 if that is unknown."""
    versions = list(serving)
    made = [version.made for version in versions if version is not None and version.whole]
    return min(made) if made and len(made) == len(versions) else 0


def retraining(shop: str, since: int, now: int, within_days: int) -> str | None:
    """Return the name of the run that trains without erased users; None before it is due.

    If the gate refuses its release, the next run is due after as many days again.

    Args:
        shop, within_days: the shop, and its setting.
        since, now: epoch seconds of the first erasure, and the present.
    """
    times = (now - since) // (within_days * DAY)
    return f"erasure-{shop}-{since}-{times}" if times > 0 else None


def digest(batch: Sequence[Request], leader: str) -> str:
    """Return twelve hexadecimal digits that name a batch: it is sent once under a lease, and again after a failure."""
    content = "\n".join(
        [leader, *(f"{request.receipt} {request.requested} {request.tries} {request.jobs}" for request in batch)]
    )
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def key(shop: str, name: str) -> str:
    """Return the key of a batch's file."""
    return f"erasures/{shop}/{name}.csv"


def text(batch: Iterable[Request]) -> str:
    """Return the CSV file with the column USER_ID."""
    return "".join(map(dialect.record, [["USER_ID"], *([request.user] for request in batch)]))
