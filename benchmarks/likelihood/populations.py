# SPDX-License-Identifier: Apache-2.0
"""Cut a past out of a whole history, and find the populations that a purchase likelihood is judged on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints


@dataclass(frozen=True, slots=True)
class Past:
    """What a shop knew at a moment (epoch seconds): the events before it, whose users and items are numbered anew.

    `users` and `items` are their numbers in the whole history, ascending.
    """

    history: History
    at: int
    users: Ints
    items: Ints


def past(whole: History, at: int, included: Flags) -> Past:
    """Return the past of a moment as if only the `kept` users had ever been there."""
    rows = (whole.time < at) & included[whole.user]
    users, items = np.unique(whole.user[rows]), np.unique(whole.item[rows])
    history = replace(
        whole,
        users=[whole.users[user] for user in users],
        items=[whole.items[item] for item in items],
        user=np.searchsorted(users, whole.user[rows]),
        item=np.searchsorted(items, whole.item[rows]),
        time=whole.time[rows],
        bought=whole.bought[rows],
        value=None if whole.value is None else whole.value[rows],
        kinds=[level[items] for level in whole.kinds],
        groups={column: values[users] for column, values in whole.groups.items()},
    )
    return Past(history, at, users, items)


def starts(whole: History, horizon_days: int, windows: int, later: int = 0) -> list[int]:
    """Return the starts of the newest windows, the oldest first; `later` windows after them are left alone."""
    end = whole.end + 1 - later * horizon_days * DAY
    return [end - step * horizon_days * DAY for step in range(windows, 0, -1)]


def taken_out(whole: History, share: float, seed: int) -> Flags:
    """Draw a share of the users at random."""
    drawn = np.random.default_rng(seed).permutation(len(whole.users))[: round(share * len(whole.users))]
    flags = np.zeros(len(whole.users), dtype=bool)
    flags[drawn] = True
    return flags


def seen_before(whole: History, at: int) -> Flags:
    """Return which users have an event before a moment."""
    flags = np.zeros(len(whole.users), dtype=bool)
    flags[whole.user[whole.time < at]] = True
    return flags


def newcomers(whole: History, start: int, horizon_days: int) -> Ints:
    """Return the users whose first event lies in a window and is no purchase, if the horizon after it has passed."""
    never = np.iinfo(np.int64).max
    first, purchase = (np.full(len(whole.users), never) for _ in range(2))
    np.minimum.at(first, whole.user, whole.time)
    np.minimum.at(purchase, whole.user[whole.bought], whole.time[whole.bought])
    horizon, end = horizon_days * DAY, int(whole.time.max())
    inside = (first >= start) & (first < start + horizon) & (first + horizon <= end)
    return np.flatnonzero(inside & (purchase > first))


def bought(whole: History, users: Ints, items: Ints, start: int, until: int) -> Flags:
    """Tell whether users (rows, by numbers of the whole history) purchase items (columns) in a window."""
    inside = whole.bought & (whole.time >= start) & (whole.time < until)
    row, column = _places(users, whole.user[inside]), _places(items, whole.item[inside])
    both = (row >= 0) & (column >= 0)
    flags = np.zeros((len(users), len(items)), dtype=bool)
    flags[row[both], column[both]] = True
    return flags


def pairs_bought(whole: History, start: int, until: int) -> int:
    """Count the pairs of a user and an item, known or new, with a purchase in a window."""
    inside = whole.bought & (whole.time >= start) & (whole.time < until)
    return len(np.unique(whole.user[inside] * len(whole.items) + whole.item[inside]))


def with_strangers(history: History, count: int, groups: Mapping[str, Ints] | None = None) -> History:
    """Return a history with more users at its end, without events, perhaps with attributes."""
    added = {column: np.full(count, -1, dtype=np.int64) for column in history.groups} | dict(groups or {})
    return replace(
        history,
        users=[*history.users, *(f"\0stranger {number}" for number in range(count))],
        groups={column: np.concatenate([values, added[column]]) for column, values in history.groups.items()},
    )


def recent_share(whole: History, given: Past, horizon_days: int, windows: int) -> Floats:
    """Return the plain rule for strangers: the share of the users seen before who bought each item in the last windows.

    The average item's share is added as that of 200 users, so that no item has none.
    """
    sums, users = np.zeros(len(given.items)), 0
    of_user = np.zeros(len(whole.users), dtype=bool)
    of_user[given.users] = True
    for step in range(1, windows + 1):
        start = given.at - step * horizon_days * DAY
        there = np.flatnonzero(seen_before(whole, start) & of_user)
        sums += bought(whole, there, given.items, start, start + horizon_days * DAY).sum(0)
        users += len(there)
    rate, added = sums.mean() / max(users, 1), 200.0
    shares: Floats = (sums + rate * added) / (users + added)
    return shares


def lifts(history: History, prior: float) -> dict[str, Floats]:
    """Return for each column how much more often than others the users of a value (rows) bought an item (columns).

    Naive Bayes: the ratio of the share of its users who ever bought the item to that of all users, both with `prior`
    average users more. Users without a value have a row of ones at the end.
    """
    pairs = np.unique(history.user[history.bought] * len(history.items) + history.item[history.bought])
    user, item = np.divmod(pairs, max(len(history.items), 1))
    users, wide = len(history.users), len(history.items)
    average = (np.bincount(item, minlength=wide) + 0.5) / users
    ratios = {}
    for column, values in history.groups.items():
        group_count = len(history.group_names[column])
        valued = values[user] >= 0
        counts = np.bincount(values[user[valued]] * wide + item[valued], minlength=group_count * wide).reshape(
            group_count, wide
        )
        size = np.bincount(values[values >= 0], minlength=group_count)[:, None]
        ratio = (counts + prior * average) / ((size + prior) * average)
        ratios[column] = np.vstack([ratio, np.ones(wide)])
    return ratios


def _places(wanted: Ints, values: Ints) -> Ints:
    """Return the positions of values in an ascending array; -1 for missing ones."""
    position = np.minimum(np.searchsorted(wanted, values), max(len(wanted) - 1, 0))
    return np.where(wanted[position] == values, position, -1) if len(wanted) else np.full(len(values), -1)
