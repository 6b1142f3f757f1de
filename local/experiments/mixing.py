# SPDX-License-Identifier: Apache-2.0
"""What is said of interleaved experiments before they start: what both rankers cost, and which preference is found."""

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl
from personalization.experiments import interleaving
from personalization.experiments.days.files import DayFiles
from personalization.experiments.document import ExperimentsFile
from personalization.experiments.experiment import Experiments
from personalization.experiments.statistics import signs
from personalization.shop.settings.settings import ShopSettings

_WEEK = 7 * 86_400
_WEEKS = 4
"""The weeks before, of which users are counted."""
_DOES = {"clicks": "click in lists", "orders": "order"}


def notes(
    file: ExperimentsFile, accepted: Experiments, settings: ShopSettings, files: DayFiles, today: date
) -> Iterator[str]:
    """Yield sentences on each interleaved experiment of a file.

    Args:
        file, accepted: the file, and what follows from it.
        settings, files: the shop's settings and its days.
        today: the day after the last one that counts.
    """
    for name, wanted in file.experiments.items():
        experiment = accepted.named(name)
        if experiment is None or not experiment.interleaved:
            continue
        versions = {variant.name: variant.version for variant in experiment.variants}
        dollars, whole = interleaving.price(wanted, settings, versions)
        parts = ", ".join(f"{variant} {_price(value)}" for variant, value in dollars.items())
        least = "at least " if None in dollars.values() else ""
        yield f"{name}: each list asks both rankers: {least}{_price(whole)} for a thousand lists ({parts})"
        weeks = max(round((experiment.ends_at - experiment.starts_at) / _WEEK), 1)
        users, does = _users(files, today, wanted.goal), _DOES[wanted.goal]
        if users is None:
            yield f"{name}: how many users {does} is not known yet, so nobody can say which preference is found"
            continue
        by_end = users * weeks / _WEEKS
        least_share = signs.least(by_end, weeks)
        seen = (
            "that is too few for any preference"
            if least_share is None
            else f"at best it finds {least_share:.0%} for one ranker"
        )
        yield f"{name}: some {by_end:,.0f} users of the shop {does} in {weeks} weeks: {seen}"


def _price(dollars: float | None) -> str:
    return "at a price that is not known" if dollars is None else f"${dollars:.4f}"


def _users(files: DayFiles, today: date, goal: str) -> int | None:
    """Return how many users did in the last weeks what decides; None where no day of the shop was made."""
    days = [today - timedelta(days=number) for number in range(1, 7 * _WEEKS + 1)]
    made = [rows.filter(pl.col(goal) > 0)["unit"] for rows, _ in files.tables("days", days).values()]
    return pl.concat(made).n_unique() if made else None
