# SPDX-License-Identifier: Apache-2.0
"""Users who are to be deleted: requests as they wait, and the file that a data deletion job reads.

Personalize has no call that deletes one user. A data deletion job takes a list of them, at most five of a dataset
group's jobs wait at a time, and one may take a day: so requests are gathered, and a shop has one job under way.
Personalize promises nothing where it imports or trains meanwhile, and advises another job after it.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

MOST = 10_000
"""Users of one job; the others wait for the next. Far below the 100 MB that a job reads."""
KEPT_SECONDS = 365 * 86_400
"""How long a receipt is kept after its user is gone, and a request whose shop does not come back."""
PATIENCE_SECONDS = 3 * 86_400
"""How long a request waits for an hour in which no run is at work on its shop."""

Progress = Literal["under way", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Request:
    """A user who is to be deleted."""

    user: str
    receipt: str
    asked: int
    """Epoch seconds of the last time that it was asked for."""
    job: str = ""
    """ARN of the data deletion job that has it, or "" while it waits."""
    sent: int = 0
    """Epoch seconds from which on a new wish is not the job's any more."""
    tries: int = 0
    """Jobs that failed."""
    jobs: int = 0
    """Jobs that are through, where another one was needed."""
    met: bool = False
    """Whether a run was seen at work during the job."""

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
    led: bool = False
    """Whether a run is at work on it."""
    ran: int = 0
    """Epoch seconds at which a run last judged or promoted."""

    def needs_another(self, request: Request, batch: Iterable[Request]) -> bool:
        """Whether a request whose job is through needs another one, as a run was at work during the job.

        Nobody needs a third: what the first job left of users in datasets, the second finds, and no training after it.

        Args:
            request: one of them.
            batch: all that the job had.
        """
        return not request.jobs and (self.led or any(each.met or each.sent <= self.ran for each in batch))


def next_batch(waiting: Iterable[Request], now: int, *, led: bool) -> list[Request]:
    """The requests of the next job, oldest first; none yet while a run is at work, unless the oldest waited for long.

    Args:
        waiting: requests that no job has. now: epoch seconds. led: whether a run is at work on the shop.
    """
    oldest = sorted(waiting, key=lambda each: (each.asked, each.user))[:MOST]
    return [] if led and oldest and now - oldest[0].asked < PATIENCE_SECONDS else oldest


def digest(batch: Sequence[Request]) -> str:
    """Twelve hexadecimal digits that name a batch: the same one is not sent twice, and one that failed is."""
    told = "\n".join(f"{each.receipt} {each.asked} {each.tries} {each.jobs}" for each in batch)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def key(shop: str, name: str) -> str:
    """The key of a batch's file."""
    return f"erasures/{shop}/{name}.csv"


def text(batch: Iterable[Request]) -> str:
    """The file: one column, USER_ID."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([["USER_ID"], *([each.user] for each in batch)])
    return written.getvalue()
