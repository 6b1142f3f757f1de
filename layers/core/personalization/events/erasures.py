# SPDX-License-Identifier: Apache-2.0
"""Users who are to be deleted: requests as they wait, and the file that a data deletion job reads.

Personalize has no call that deletes one user. A data deletion job takes a list of them, at most five of a dataset
group's jobs wait at a time, and one may take a day: so requests are gathered, and a shop has one job under way.
Personalize guarantees nothing where it imports or trains meanwhile, and advises another job after it: so the erasure
leads the shop during its job, as a run would. From the request to the end nothing is taken of the user.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from personalization.core import csv_dialect

MOST = 10_000
"""Users of one job; the others wait for the next. Far below what a job reads."""
KEPT_SECONDS = 365 * 86_400
"""How long a receipt is kept after its user is gone, and a request whose shop does not come back."""
SETTLED_SECONDS = 120
"""How old a request must be for a job: by then nobody streams the user's events any more."""
PATIENCE_SECONDS = 3 * 86_400
"""How long a request waits for an hour in which no run leads its shop; after that it has the next turn."""
JOB_SECONDS = 2 * 86_400
"""How long a job keeps a shop's runs waiting; Personalize says that one may take a day."""
RECORD = "erasure"
"""The sort key, in the table of shops, of what a shop's models still know of erased users."""
DAY = 86_400

Progress = Literal["under way", "done", "failed"]
Step = Literal["waiting", "underWay", "deletedFromPersonalize", "deletedHere", "retrained"]
"""What a receipt says of its request."""


@dataclass(frozen=True, slots=True)
class Request:
    """A user who is to be deleted."""

    user: str
    receipt: str
    asked: int
    """Epoch seconds of the last time that it was asked for."""
    job: str = ""
    """ARN of the data deletion job that has it, or "" while it waits."""
    led: str = ""
    """The owner of the shop's lease under which the job was started."""
    sent: int = 0
    """Epoch seconds from which on a new wish is not the job's any more."""
    deleted: int = 0
    """Epoch seconds at which its job was seen to have deleted the user, and no other job is needed."""
    tries: int = 0
    """Jobs that failed."""
    jobs: int = 0
    """Jobs that are through, where another one was needed."""

    @property
    def again(self) -> bool:
        """Whether it was asked for again since the job has it: what came meanwhile needs another one."""
        return self.asked > self.sent


def progress(status: str | None) -> Progress:
    """What a job's status means; one that is not there has failed."""
    if status == "COMPLETED":
        return "done"
    return "failed" if status in {None, "FAILED"} else "under way"


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop that serves."""

    name: str
    group: str
    """ARN of its dataset group."""
    versions: tuple[str, ...] = ()
    """ARNs of the solution versions that serve."""
    erasing: bool = False
    """Whether an erasure leads it."""
    since: int = 0
    """Epoch seconds at which the first user was erased of whom models that serve may have learned; 0 without any."""


def needs_another(request: Request, leader: str) -> bool:
    """Whether a request whose job is through needs another one: a run may have been at work during the job.

    Nobody needs a third: what the first job left of users in datasets, the second finds.

    Args:
        request: the request.
        leader: the erasure that leads the shop now, or "".
    """
    return not request.jobs and (not request.led or request.led != leader)


def next_batch(waiting: Iterable[Request], now: int) -> list[Request]:
    """The requests of the next job, oldest first; one that was just made waits until the API knows of it.

    Args:
        waiting: requests that no job has. now: epoch seconds.
    """
    settled = (each for each in waiting if now - each.asked >= SETTLED_SECONDS)
    return sorted(settled, key=lambda each: (each.asked, each.user))[:MOST]


def has_waited(batch: Sequence[Request], now: int) -> bool:
    """Whether the oldest request of a batch has waited so long that it has the next turn."""
    return now - batch[0].asked >= PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Version:
    """A solution version that serves."""

    made: int
    """Epoch seconds at which its training was asked for."""
    whole: bool
    """Whether it was trained anew, on all data."""


def trained(serving: Iterable[Version | None]) -> int:
    """Epoch seconds before which an erased user is in no model that serves; 0 if that is not known."""
    found = list(serving)
    made = [each.made for each in found if each is not None and each.whole]
    return min(made) if made and len(made) == len(found) else 0


def retraining(shop: str, since: int, now: int, within_days: int) -> str | None:
    """The name of the run that is to train without erased users; None while there is time for a run of another cause.

    A release that the gate refuses leaves the old models serving: as many days later the next one is asked for.

    Args:
        shop: its name.
        since: epoch seconds at which the first of them was erased.
        now: epoch seconds.
        within_days: the shop's setting.
    """
    times = (now - since) // (within_days * DAY)
    return f"erasure-{shop}-{since}-{times}" if times > 0 else None


def digest(batch: Sequence[Request], leader: str) -> str:
    """Twelve hexadecimal digits that name a batch: the same one is sent once under a lease, and again if it failed."""
    content = "\n".join([leader, *(f"{each.receipt} {each.asked} {each.tries} {each.jobs}" for each in batch)])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def key(shop: str, name: str) -> str:
    """The key of a batch's file."""
    return f"erasures/{shop}/{name}.csv"


def text(batch: Iterable[Request]) -> str:
    """The file: one column, USER_ID."""
    return "".join(map(csv_dialect.record, [["USER_ID"], *([each.user] for each in batch)]))
