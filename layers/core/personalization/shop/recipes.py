# SPDX-License-Identifier: Apache-2.0
"""The recipes that a shop can train, and how a run finds the solution version that it started."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from personalization.core.status import Progress, progress
from personalization.shop.campaigns import SECOND_GENERATION, Generation

LOOK_BACK = 20
"""The newest solution versions among which a run looks for its own."""
SKEW = timedelta(minutes=1)
"""How far Personalize's clock may be behind that of our functions."""


def recipe(alias: str, generation: Generation = "v1") -> str:
    """Personalize's name of a recipe; one that has a single generation is the same in both."""
    return f"aws-{alias}-v2" if generation == "v2" and alias in SECOND_GENERATION else f"aws-{alias}"


def wanted(names: Sequence[str], there: Mapping[str, str]) -> str:
    """Which of several names for one piece of work is the one to use.

    Args:
        names: those of the runs that may have begun it, the first one first and that of the run that asks last.
        there: the statuses of those that exist.

    Returns:
        The newest that has not failed; else the first that was never used, so that two runs which begin at the same
        time ask Personalize for the same name, and it makes one; else the last, which has failed.
    """
    alive = [name for name in names if name in there and progress(there[name]) is not Progress.FAILED]
    unused = [name for name in names if name not in there]
    return alive[-1] if alive else [*unused, names[-1]][0]


def is_older(made: datetime | None, begun_at: str) -> bool:
    """Whether Personalize made something before a piece of work began, so that it cannot be part of that work.

    Args:
        made: when it was made, if Personalize tells.
        begun_at: when the work began, ISO 8601; empty where that is not known.
    """
    if made is None or not begun_at:
        return False
    return made < datetime.fromisoformat(begun_at) - SKEW


def newest(versions: list[tuple[float, str]]) -> list[str]:
    """The ARNs of the newest solution versions, newest first, from creation times (epoch seconds) and ARNs."""
    return [arn for _, arn in sorted(set(versions), reverse=True)[:LOOK_BACK]]
