# SPDX-License-Identifier: Apache-2.0
"""A fit on a sample of the users, with counts of all of them, as in shards; beside the fit on all users.

Both are judged on all users: in each window, on the same pairs that neither fit has seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from personalization.likelihood import logistic, training
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import History
from personalization.likelihood.logistic import Quality, quality
from personalization.likelihood.sharded import shard
from personalization.likelihood.sharded.counts import Counts, intervals
from personalization.likelihood.tables import tables

from benchmarks.likelihood import populations
from benchmarks.likelihood.models import HORIZON, Plan, Show

RATES = (1.0, 0.25, 0.125)


def samples(whole: History, plan: Plan, show: Show) -> None:
    """Show the quality of fits on samples, over some windows."""
    begins = populations.starts(whole, HORIZON, plan.windows, plan.later)
    show(f"\nfits on samples of users, over {len(begins)} windows: known users, then strangers")
    for rate in RATES:
        judged = [quality_ for begin in begins for quality_ in _judged(whole, begin, rate)]
        known_users, strangers = judged[::2], judged[1::2]
        show(f"  {rate:6.1%} of users: {_line(known_users)}; {_line(strangers)}")


def _judged(whole: History, now: int, rate: float) -> Iterator[Quality]:
    """Yield the quality for known users and for strangers, of a fit as of a time, in the window that begins then."""
    boundaries = (*reversed(training.windows(whole, HORIZON * DAY, now)), now)
    made = list(intervals(whole, boundaries))
    counts = Counts(boundaries, len(whole.items), [users for _, users in made], lambda number: [made[number][0]])
    part = replace(shard.sample(whole, rate), scale=1.0 / rate, span=(whole.start, whole.end))
    formulas = training.fit(part, HORIZON, now, counts.at).formulas
    sampled, counted = tables(part, now, counted=counts.at(now)), counts.at(now)
    # Few are hidden, so that the counts of items are nearly those that serve.
    hidden = np.equal(training.user_parts(whole, 16), 0)
    for table, rows_of in (
        (tables(whole, now, sampled.vectors, counted=counted), training.sample),
        (tables(whole, now, hidden=hidden, counted=counted), training.strangers),
    ):
        table.lifts = sampled.lifts
        rows = rows_of(table, now + HORIZON * DAY, np.random.default_rng(7))
        yield quality(logistic.sigmoid(rows.logits(formulas)), rows.label, rows.weight)


def _line(judged: Sequence[Quality]) -> str:
    predicted, observed = (
        sum(sum(bin_[column] for bin_ in judgement.bins) for judgement in judged) for column in (1, 2)
    )
    loss, area = (np.mean([getattr(judgement, name) for judgement in judged]) for name in ("log_loss", "auc"))
    return f"log-loss {loss:.6f}, AUC {area:.4f}, predicted/observed {predicted / observed:.3f}"
