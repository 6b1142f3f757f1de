# SPDX-License-Identifier: Apache-2.0
"""``python -m local experiment plan``: from files to what an experiment could see, as tables, sentences and JSON."""

import math
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from personalization.experiments.statistics.planning import Moments, Sight, sight
from table_intake import DataKind
from table_intake.wording import Text

from local.evaluation.command import settings_of
from local.evaluation.files import BadInput, Tables, read
from local.experiments import screen
from local.experiments.history import history
from local.terminal.output import Terminal

WEEKS = (2, 4, 8)
SHARES: Mapping[str, float] = {"half": 0.5, "holdout": 0.05}
"""The part of the users in the smaller arm, which is the control, by the name of the weights."""
_SEED = 7
CLICKS = Text(
    "experiment.no-clicks",
    "Clicks per list are unknown: files say what users did, and not which lists they were shown.",
)


def main(options: Namespace, terminal: Terminal) -> None:
    """Plan with the files that were named. Raises BadInput."""
    settings = settings_of(options.settings)
    terminal.language = options.language or settings.language
    stated: list[tuple[Path, DataKind]] = [(path, "interactions") for path in options.interactions]
    if not options.files and not stated:
        raise BadInput(Text("experiment.no-files", "name your files: experiment plan FILE…, or --interactions FILE"))
    with terminal.bar() as tell, tempfile.TemporaryDirectory(prefix="experiment-") as scratch:
        tell(Text("experiment.reading", "reading the files"), 0.0)
        shop = read(options.files, settings, Path(scratch), _SEED, stated)
        document = plan(shop, options.event_type or settings.event_type)
    sentences = screen.sentences(document)
    terminal.result({**document, "sentences": sentences}, lambda: screen.show(document, sentences, terminal))


def plan(shop: Tables, event_type: str) -> dict[str, Any]:
    """Return what an experiment of this shop could see. Raises BadInput."""
    if shop.positions:
        text = "TIMESTAMP holds positions, not times, and weeks need times: export them and map their column"
        raise BadInput(Text("experiment.positions", text))
    past = history(shop.interactions, event_type)
    windows = {weeks: [*past.exposed(weeks)] for weeks in WEEKS if weeks <= past.weeks}
    first, last = past.days
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "weeks": past.weeks,
        "eventType": event_type,
        "usersAWeek": past.users_a_week,
        "onlyOrders": past.only_orders,
        "cap": past.cap,
        "leftOut": [{"user": user, "reason": reason} for user, reason in past.robots.items()],
        "goals": [_goal(goal, windows) for goal in past.goals],
        "unknown": [text for text in (past.no_revenue, CLICKS) if text],
    }


def _goal(goal: str, windows: Mapping[int, list[dict[str, Moments]]]) -> dict[str, Any]:
    plans = []
    for weeks, weekly in windows.items():
        moments = [of_week[goal] for of_week in weekly]
        last = moments[-1]
        plans.append(
            {
                "weeks": weeks,
                "users": last.users,
                "buyers": last.buyers,
                "mean": last.mean,
                "spread": math.sqrt(last.variance),
                "withPast": last.with_past / last.users,
                "pastExplains": last.reduction,
                "sights": [
                    {"weights": name, "control": share, **_sight(sight(moments, share))}
                    for name, share in SHARES.items()
                ],
            }
        )
    return {"goal": goal, "plans": plans}


def _sight(seen: Sight) -> dict[str, Any]:
    return {
        "leastLift": seen.lift,
        "controlBuyers": seen.buyers,
        "singleLookPower": seen.single,
        "looks": [
            {"information": time, "z": bound} for time, bound in zip(seen.looks.times, seen.looks.bounds, strict=True)
        ],
    }
