# SPDX-License-Identifier: Apache-2.0
"""The statistics of a history as of a time, for any pairs of its users and items.

Factors come from a truncated singular value decomposition of the users' decayed counts, by a randomised range finder
with power iterations, which needs only sparse products (Halko, Martinsson and Tropp, Finding structure with randomness,
SIAM Review 53, 2011, algorithm 4.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from personalization.likelihood.features import DAY, HALF_LIVES, RANK, RANKS, Maths, features, span
from personalization.likelihood.histories import Flags, Floats, History, Ints

ARRAYS = Maths(np.log, np.minimum, np.maximum)
_OVERSAMPLED, _ROUNDS = 8, 3
_LIFT_SHRINK = 20.0
"""Average users added to a group before its lift is taken."""
_MOST_LIFT = 3.0
_SLOW = 10


def decayed(age: Floats, days: int) -> Floats:
    """Return the weight of events by their age in days."""
    return np.exp2(-age / days)


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of items over all users as of a time, for a history that is a sample of them.

    Attributes:
        item: statistics by name, as `Tables.item`. events: the number of each item's events. users: with events.
    """

    item: Mapping[str, Floats]
    events: Floats
    users: int


@dataclass(slots=True)
class Tables:
    """Statistics as of a time; see `features` for the names.

    Attributes:
        history: their source.
        at: epoch seconds; only earlier events count.
        keys: pairs with events, as `user * items + item`, ascending; `pair` has their statistics.
        pair, user, item: arrays by name. served: those of items as features use them: see `_served_items`.
        kind: for each level, statistics of pairs of a user and a category.
        kind_keys: for each level, those pairs as `user * categories + category`, ascending.
        share: for each level, each category's share of the purchases.
        lifts: for each column of users, log lifts by value and category of the narrowest level.
        population: users with events. offered: items with events. hidden: users whose events are hidden.
        vectors: factors of the items. user_vectors: those of the users.
    """

    history: History
    at: int
    keys: Ints
    pair: Mapping[str, Floats]
    user: Mapping[str, Floats]
    item: Mapping[str, Floats]
    served: Mapping[str, Floats] = field(default_factory=dict)
    kind_keys: list[Ints] = field(default_factory=list)
    kind: list[Mapping[str, Floats]] = field(default_factory=list)
    share: list[Floats] = field(default_factory=list)
    lifts: dict[str, Floats] = field(default_factory=dict)
    population: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    offered: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    hidden: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    vectors: Floats = field(default_factory=lambda: np.zeros((0, RANK)))
    user_vectors: Floats = field(default_factory=lambda: np.zeros((0, RANK)))

    def features(self, users: Ints, items: Ints) -> dict[str, Floats]:
        stats = _look_up(self.keys, users * len(self.history.items) + items, self.pair, "pair")
        stats |= {f"user.{name}": values[users] for name, values in self.user.items()}
        stats |= {f"item.{name}": values[items] for name, values in self.served.items()}
        for level in range(self.history.levels):
            stats |= self._kinds(level, users, items)
        stats |= self._groups(users, items)
        stats["span"] = np.full(len(users), span((self.at - self.history.start) / DAY))
        nearness = np.cumsum(self.user_vectors[users] * self.vectors[items], axis=1)
        stats |= {f"near{rank}": nearness[:, rank - 1] for rank in RANKS}
        computed = features(stats, self.history.levels, ARRAYS)
        return {name: np.asarray(values, dtype=np.float64) for name, values in computed.items()}

    def _kinds(self, level: int, users: Ints, items: Ints) -> dict[str, Floats]:
        code = self.history.kinds[level][items]
        wide = len(self.share[level])
        wanted = np.where(code < 0, -1, users * wide + np.maximum(code, 0))
        values = _look_up(self.kind_keys[level], wanted, self.kind[level], f"kind{level}")
        values[f"kind{level}.share"] = np.where(code < 0, 1.0, self.share[level][np.maximum(code, 0)])
        return values

    def _groups(self, users: Ints, items: Ints) -> dict[str, Floats]:
        """Return the lift of the users' demographics for items, and whether there is one."""
        total, described = np.zeros(len(users)), np.zeros(len(users))
        code = self.history.kinds[-1][items] if self.history.levels else np.full(len(users), -1, dtype=np.int64)
        for column, lifts in self.lifts.items():
            value = self.history.groups[column][users]
            has_both = (value >= 0) & (code >= 0)
            total += np.where(has_both, lifts[np.maximum(value, 0), np.maximum(code, 0)], 0.0)
            described = np.maximum(described, has_both)
        return {"group": total, "described": described}


def tables(
    history: History,
    at: int,
    vectors: Floats | None = None,
    hidden: Flags | None = None,
    *,
    begun: Floats | None = None,
    counted: Counted | None = None,
) -> Tables:
    """Return the statistics of all events before a time, in epoch seconds.

    Args:
        vectors: factors of the items; None for new ones. begun: slightly older ones, as a warm start for new ones.
        hidden: users treated as if they had no events; the counts of items are scaled up in their place.
        counted: counts of items as of that time, where the history is a sample of the users.
    """
    before = history.time < at
    active = np.zeros(len(history.users), dtype=bool)
    active[history.user[before]] = True
    hidden = np.zeros(len(active), dtype=bool) if hidden is None else hidden & active
    if hidden.any():
        before &= ~hidden[history.user]
    share = 1.0 - hidden.sum() / max(active.sum() if counted is None else counted.users, 1)
    table = Tables(history, at, *_of_pairs(history, before, at), {}, {})
    who, what = np.divmod(table.keys, max(len(history.items), 1))
    table.user = _of_users(history, before, at, who, table.pair)
    if counted is None:
        counted = Counted(_of_items(history, what, table.pair), _sums(what, minlength=len(history.items)), 0)
    elif hidden.any():
        counted = _without(counted, history, (history.time < at) & hidden[history.user], at)
    table.item = {name: values / max(share, 1e-9) for name, values in counted.item.items()}
    table.hidden = hidden
    table.population, table.offered = np.zeros(len(history.users), dtype=bool), counted.events > 0
    table.population[who] = True
    table.served = _served_items(table.item, table.offered)
    for codes, names in zip(history.kinds, history.kind_names, strict=True):
        kind_keys, kind = _of_kinds(codes, len(names), who, what, table.pair)
        table.kind_keys.append(kind_keys)
        table.kind.append(kind)
        purchases = _sums(codes[codes >= 0], counted.item["n"][codes >= 0], len(names)) + 0.5
        table.share.append(purchases / purchases.sum())
    if history.levels:
        bought = table.pair["n"] > 0
        table.lifts = _lifts(history, who[bought], history.kinds[-1][what[bought]])
    if hidden.any():
        # Nothing is known of what hidden users bought.
        table.vectors, table.user_vectors = (np.zeros((len(ids), RANK)) for ids in (history.items, history.users))
        return table
    value = np.log1p(2.0 * table.pair["d91"]) * item_weights(table.item["buyers"])[what]
    table.vectors, table.user_vectors = _factors(history, who, what, value=value, given=vectors, begun=begun)
    return table


def _of_pairs(history: History, before: Flags, at: int) -> tuple[Ints, dict[str, Floats]]:
    """Return statistics of the pairs with events; pairs of other events only have no purchases."""
    all_keys = history.user[before] * len(history.items) + history.item[before]
    time, bought = history.time[before], history.bought[before]
    starts = np.flatnonzero(np.diff(all_keys, prepend=-1))
    if not len(starts):
        empty = np.zeros(0)
        return np.zeros(0, dtype=np.int64), dict.fromkeys(
            ("n", "first", "last", "d7", "d28", "d91", "o7", "o28"), empty
        )
    age, weight = (at - time) / DAY, bought.astype(np.float64)
    statistics = {"n": np.add.reduceat(weight, starts)}
    bought_before = statistics["n"] > 0
    purchase_age = np.where(bought, age, np.inf)
    statistics["first"] = np.where(bought_before, np.maximum.reduceat(np.where(bought, age, -np.inf), starts), 0.0)
    statistics["last"] = np.where(bought_before, np.minimum.reduceat(purchase_age, starts), 0.0)
    for days in HALF_LIVES:
        statistics[f"d{days}"] = np.add.reduceat(weight * decayed(age, days), starts)
    for days in HALF_LIVES[:2]:
        statistics[f"o{days}"] = np.add.reduceat((1.0 - weight) * decayed(age, days), starts)
    return all_keys[starts], statistics


def _of_users(history: History, before: Flags, at: int, who: Ints, pair: Mapping[str, Floats]) -> dict[str, Floats]:
    user_count = len(history.users)
    bought = pair["n"] > 0
    statistics = {name: _sums(who, pair[name], user_count) for name in ("n", "d7", "d28", "d91", "o7")}
    statistics["items"] = _sums(who[bought], minlength=user_count)
    last, first = np.full(user_count, np.inf), np.zeros(user_count)
    np.minimum.at(last, who[bought], pair["last"][bought])
    np.maximum.at(first, who[bought], pair["first"][bought])
    statistics["last"], statistics["first"] = np.where(np.isinf(last), 0.0, last), first
    for days in HALF_LIVES[1:]:
        statistics[f"w{days}"] = _sums(who[bought], decayed(pair["first"][bought], days), user_count)
    times = before & history.bought
    day = distinct(history.user[times] * (1 << 32) + history.time[times] // DAY)
    owner = day >> 32
    age: Floats = np.asarray(at / DAY - ((day & 0xFFFFFFFF) + 0.5), dtype=np.float64)
    statistics["days"] = _sums(owner, minlength=user_count)
    for days in HALF_LIVES:
        statistics[f"b{days}"] = _sums(owner, decayed(age, days), user_count)
    return statistics


def _of_items(history: History, what: Ints, pair: Mapping[str, Floats]) -> dict[str, Floats]:
    item_count = len(history.items)
    bought = pair["n"] > 0
    statistics = {name: _sums(what, pair[name], item_count) for name in ("n", "d7", "d28", "d91", "o7")}
    statistics["buyers"] = _sums(what[bought], minlength=item_count)
    for days in HALF_LIVES[1:]:
        statistics[f"w{days}"] = _sums(what[bought], decayed(pair["first"][bought], days), item_count)
    return statistics


def _without(counted: Counted, history: History, events: Flags, at: int) -> Counted:
    """Return counts of items without some events: all those of some users before a time."""
    keys, pair = _of_pairs(history, events, at)
    what = keys % max(len(history.items), 1)
    removed = _of_items(history, what, pair)
    # A difference of sums is not exactly 0.
    item = {name: np.maximum(values - removed[name], 0.0) for name, values in counted.item.items()}
    left = counted.events - _sums(history.item[events], minlength=len(history.items))
    return Counted(item, left, counted.users)


def _served_items(item: Mapping[str, Floats], offered: Flags) -> Mapping[str, Floats]:
    """Return statistics of items, where those without events get the values of the slowest tenth of the others.

    No training window has such items, so zeros would be outside of what formulas have learned.
    """
    sold = np.flatnonzero(offered)
    if len(sold) in {0, len(offered)}:
        return item
    slow = sold[np.argsort(item["d91"][sold], kind="stable")[len(sold) // _SLOW]]
    return {name: np.where(offered, values, values[slow]) for name, values in item.items()}


def _of_kinds(
    codes: Ints, wide: int, who: Ints, what: Ints, pair: Mapping[str, Floats]
) -> tuple[Ints, dict[str, Floats]]:
    code = codes[what]
    bought = (code >= 0) & (pair["n"] > 0)
    every = who[bought] * wide + code[bought]
    keys = distinct(every)
    inverse = np.searchsorted(keys, every)
    statistics = {name: _sums(inverse, pair[name][bought], len(keys)) for name in ("n", "d91")}
    last = np.full(len(keys), np.inf)
    np.minimum.at(last, inverse, pair["last"][bought])
    statistics["last"] = last
    return keys, statistics


def _lifts(history: History, who: Ints, code: Ints) -> dict[str, Floats]:
    """Return the log ratio of a group's and all users' probability to have bought in a category."""
    wide = len(history.kind_names[-1])
    categorised = code >= 0
    pairs = distinct(who[categorised] * wide + code[categorised])
    user, kind = np.divmod(pairs, wide)
    average = (_sums(kind, minlength=wide) + 0.5) / max(len(distinct(user)), 1)
    lifts = {}
    for column, values in history.groups.items():
        value_count = len(history.group_names[column])
        value = values[user]
        has_value = value >= 0
        counts = _sums(value[has_value] * wide + kind[has_value], minlength=value_count * wide).reshape(
            value_count, wide
        )
        active = values[distinct(user)]
        size = _sums(active[active >= 0], minlength=value_count)[:, None]
        lift = np.log((counts + _LIFT_SHRINK * average) / ((size + _LIFT_SHRINK) * average))
        lifts[column] = np.clip(lift, -_MOST_LIFT, _MOST_LIFT)
    return lifts


def item_weights(buyers: npt.ArrayLike) -> Floats:
    """Return the weight of an item's purchase in a user's vector: it falls with the number of buyers."""
    return 1.0 / np.sqrt(np.asarray(buyers, dtype=np.float64) + 5.0)


def _factors(
    history: History, who: Ints, what: Ints, value: Floats, given: Floats | None, begun: Floats | None
) -> tuple[Floats, Floats]:
    """Return orthonormal factors of the items, and those of the users relative to the norm of their purchases.

    The matrix of users and items is never built: `times` multiplies its non-zero entries with a narrow matrix. `basis`
    spans the items' leading factors ever better, and `turn` puts them into the order of their weight.

    Args:
        who, what, value: the entries: number of the user, number of the item, value.
        given: factors of the items to keep. begun: slightly older ones, from which a single round is enough.
    """
    users, items = len(history.users), len(history.items)
    length = np.sqrt(_sums(who, value * value, users))
    value = value / np.maximum(length, 1e-9)[who]

    def times(index: Ints, other: Ints, matrix: Floats, rows: int) -> Floats:
        return np.stack([_sums(index, value * matrix[other, factor], rows) for factor in range(matrix.shape[1])], 1)

    if given is not None:
        return given, times(who, what, given, users)
    width = min(RANK + _OVERSAMPLED, users, items)
    if not len(value) or width < 1:
        return np.zeros((items, RANK)), np.zeros((users, RANK))
    basis = np.random.default_rng(0).standard_normal((items, width))
    if begun is not None:
        basis[:, : min(RANK, width)] = begun[:, : min(RANK, width)]
    for _ in range(_ROUNDS if begun is None else 1):
        basis, _ = np.linalg.qr(times(what, who, times(who, what, basis, users), items))
    left = times(who, what, basis, users)
    _, _, turn = np.linalg.svd(left, full_matrices=False)
    vectors, user_vectors = np.zeros((items, RANK)), np.zeros((users, RANK))
    rank = min(RANK, width)
    vectors[:, :rank] = basis @ turn.T[:, :rank]
    user_vectors[:, :rank] = left @ turn.T[:, :rank]
    return vectors, user_vectors


def distinct(values: Ints) -> Ints:
    """Return the distinct values, ascending.

    Pairs come nearly in order, which a stable sort uses: it takes a fraction of the time of np.unique.
    """
    ordered = np.sort(values, kind="stable")
    values_once: Ints = ordered[np.diff(ordered, prepend=-1) != 0]
    return values_once


def present(keys: Ints, wanted: Ints) -> Flags:
    """Tell which of the wanted numbers are among ascending keys."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=bool)
    is_present: Flags = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted
    return is_present


def _sums(index: Ints, weights: Floats | None = None, minlength: int = 0) -> Floats:
    """Return sums of weights, or numbers of rows, by index."""
    return np.asarray(np.bincount(index, weights, minlength), dtype=np.float64)


def _look_up(keys: Ints, wanted: Ints, values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    """Return values of keys; 0 for a missing key."""
    if not len(keys):
        return {f"{prefix}.{name}": np.zeros(len(wanted)) for name in values}
    position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_present = keys[position] == wanted
    return {f"{prefix}.{name}": np.where(is_present, column[position], 0.0) for name, column in values.items()}
