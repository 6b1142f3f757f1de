# SPDX-License-Identifier: Apache-2.0
"""Find what an earlier run began of the same work: jobs and solution versions by their names and ages."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from personalization.core.status import Progress, progress

LOOK_BACK = 20
"""The number of newest solution versions among which a run looks for its own."""
SKEW = timedelta(minutes=1)
"""How far Personalize's clock may be behind our functions' clock."""


def choose_name(names: Sequence[str], statuses: Mapping[str, str]) -> str:
    """Choose one of several names for the same work.

    Args:
        names: those of the runs that may have begun it, oldest first, the current run's last.
        statuses: the statuses of existing resources, by name.

    Returns:
        The newest that has not failed; else the first unused one, so that two concurrent runs request the same name and
        Personalize creates one resource; else the last, which has failed.
    """
    alive = [name for name in names if name in statuses and progress(statuses[name]) is not Progress.FAILED]
    unused = [name for name in names if name not in statuses]
    return alive[-1] if alive else [*unused, names[-1]][0]


def found_from(made: datetime | None, begun_at: str) -> str:
    """Return when Personalize made a resource, ISO 8601, if that was before a piece of work began, else "".

    A resource that is older than the work does not belong to it.

    Args:
        made: when it was made, if known.
        begun_at: when the work began, ISO 8601; empty if unknown.
    """
    if made is None or not begun_at:
        return ""
    return made.isoformat() if made < datetime.fromisoformat(begun_at) - SKEW else ""


def newest(versions: list[tuple[float, str]]) -> list[str]:
    """Return the ARNs of the newest solution versions, newest first, from creation times (epoch seconds) and ARNs."""
    return [arn for _, arn in sorted(set(versions), reverse=True)[:LOOK_BACK]]
