# SPDX-License-Identifier: Apache-2.0
"""The statistics of a history as of a moment, and of any pairs of users and items in it.

Factors are those of a truncated singular value decomposition of the users' decayed counts, found by a randomised
range finder with power iterations (Halko, Martinsson and Tropp, 2011, algorithm 4.4), so that a sparse product is all
that it takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from personalization.likelihood.features import DAY, HALF_LIVES, RANKS, Maths, features, span
from personalization.likelihood.histories import Flags, Floats, History, Ints

ARRAYS = Maths(np.log, np.minimum, np.maximum)
RANK = max(RANKS)
_OVERSAMPLED, _ROUNDS = 8, 3
_LIFT_SHRINK = 20.0
"""Users of the average group that are added to a group before its lift is taken."""
_MOST_LIFT = 3.0
_SLOW = 10


def decayed(age: Floats, days: int) -> Floats:
    """What an event of an age in days counts."""
    result: Floats = np.exp2(-age / days)
    return result


@dataclass(slots=True)
class Tables:
    """Statistics as of a moment; see `features` for the names.

    Attributes:
        history: what they are of.
        at: epoch seconds; only earlier events count.
        keys: pairs with events, as `user * items + item`, ascending; `pair` has their statistics.
        pair, user, item: arrays by name. asked: those of items as they are asked about: see `_asked`.
        kind: for each level, of pairs of a user and a category.
        kind_keys: for each level, those pairs as `user * categories + category`, ascending.
        share: for each level, each category's share of the purchases.
        lifts: for each column of users, log lifts by value and category of the narrowest level.
        population: users with an event. offered: items with one. hidden: users with an event that is hidden.
        vectors: factors of the items; taste: those of the users.
    """

    history: History
    at: int
    keys: Ints
    pair: Mapping[str, Floats]
    user: Mapping[str, Floats]
    item: Mapping[str, Floats]
    asked: Mapping[str, Floats] = field(default_factory=dict)
    kind_keys: list[Ints] = field(default_factory=list)
    kind: list[Mapping[str, Floats]] = field(default_factory=list)
    share: list[Floats] = field(default_factory=list)
    lifts: dict[str, Floats] = field(default_factory=dict)
    population: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    offered: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    hidden: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    vectors: Floats = field(default_factory=lambda: np.zeros((0, RANK)))
    taste: Floats = field(default_factory=lambda: np.zeros((0, RANK)))

    def seen(self, users: Ints, items: Ints) -> Flags:
        """Which pairs have a purchase before the moment."""
        found: Flags = self._pairs(users, items)["pair.n"] > 0
        return found

    def features(self, users: Ints, items: Ints) -> dict[str, Floats]:
        """The features of pairs."""
        stats: dict[str, Floats] = self._pairs(users, items)
        stats |= {f"user.{name}": values[users] for name, values in self.user.items()}
        stats |= {f"item.{name}": values[items] for name, values in self.asked.items()}
        for level in range(self.history.levels):
            stats |= self._kinds(level, users, items)
        stats |= self._groups(users, items)
        stats["span"] = np.full(len(users), span((self.at - self.history.start) / DAY))
        close = np.cumsum(self.taste[users] * self.vectors[items], axis=1)
        stats |= {f"near{rank}": close[:, rank - 1] for rank in RANKS}
        found = features(stats, self.history.levels, ARRAYS)
        return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}

    def _pairs(self, users: Ints, items: Ints) -> dict[str, Floats]:
        return _looked_up(self.keys, users * len(self.history.items) + items, self.pair, "pair")

    def _kinds(self, level: int, users: Ints, items: Ints) -> dict[str, Floats]:
        code = self.history.kinds[level][items]
        wide = len(self.share[level])
        wanted = np.where(code < 0, -1, users * wide + np.maximum(code, 0))
        found = _looked_up(self.kind_keys[level], wanted, self.kind[level], f"kind{level}")
        found[f"kind{level}.share"] = np.where(code < 0, 1.0, self.share[level][np.maximum(code, 0)])
        return found

    def _groups(self, users: Ints, items: Ints) -> dict[str, Floats]:
        """What the demographics of users say of items, and whether they say anything."""
        total, described = np.zeros(len(users)), np.zeros(len(users))
        code = self.history.kinds[-1][items] if self.history.levels else np.full(len(users), -1, dtype=np.int64)
        for column, lifts in self.lifts.items():
            value = self.history.groups[column][users]
            known = (value >= 0) & (code >= 0)
            total += np.where(known, lifts[np.maximum(value, 0), np.maximum(code, 0)], 0.0)
            described = np.maximum(described, known)
        return {"group": total, "described": described}


def tables(
    history: History,
    at: int,
    vectors: Floats | None = None,
    hidden: Flags | None = None,
    *,
    begun: Floats | None = None,
) -> Tables:
    """The statistics of everything before a moment.

    Args:
        history: all events. at: the moment, epoch seconds. vectors: factors of the items; None: new ones.
        begun: factors of not long before, from which new ones are found sooner.
        hidden: users as if they had no events. What the others did stands for them in the counts of items.
    """
    before = history.time < at
    there = np.zeros(len(history.users), dtype=bool)
    there[history.user[before]] = True
    hidden = np.zeros(len(there), dtype=bool) if hidden is None else hidden & there
    if hidden.any():
        before &= ~hidden[history.user]
    share = 1.0 - hidden.sum() / max(there.sum(), 1)
    mine = Tables(history, at, *_of_pairs(history, before, at), {}, {})
    n = mine.pair["n"]
    who, what = np.divmod(mine.keys, max(len(history.items), 1))
    mine.user = _of_users(history, before, at, who, mine.pair)
    mine.item = {name: values / max(share, 1e-9) for name, values in _of_items(history, what, mine.pair).items()}
    mine.hidden = hidden
    mine.population, mine.offered = (np.zeros(len(each), dtype=bool) for each in (history.users, history.items))
    mine.population[who], mine.offered[what] = True, True
    mine.asked = _asked(mine.item, mine.offered)
    for codes, names in zip(history.kinds, history.kind_names, strict=True):
        kind_keys, kind, share = _of_kinds(codes, len(names), who, what, mine.pair)
        mine.kind_keys.append(kind_keys)
        mine.kind.append(kind)
        mine.share.append(share)
    if history.levels:
        bought = n > 0
        mine.lifts = _lifts(history, who[bought], history.kinds[-1][what[bought]])
    if hidden.any():
        # Whoever is asked about here has no taste that is known.
        mine.vectors, mine.taste = (np.zeros((len(each), RANK)) for each in (history.items, history.users))
        return mine
    value = np.log1p(2.0 * mine.pair["d91"]) * item_weights(mine.item["buyers"])[what]
    mine.vectors, mine.taste = _factors(history, who, what, value, vectors, begun)
    return mine


def _of_pairs(history: History, before: Flags, at: int) -> tuple[Ints, dict[str, Floats]]:
    """Statistics of the pairs with any event; a pair of other events only has no purchases."""
    all_keys = history.user[before] * len(history.items) + history.item[before]
    time, bought = history.time[before], history.bought[before]
    starts = np.flatnonzero(np.diff(all_keys, prepend=-1))
    if not len(starts):
        empty = np.zeros(0)
        return np.zeros(0, dtype=np.int64), dict.fromkeys(
            ("n", "first", "last", "d7", "d28", "d91", "o7", "o28"), empty
        )
    age, weight = (at - time) / DAY, bought.astype(np.float64)
    found = {"n": np.add.reduceat(weight, starts)}
    some = found["n"] > 0
    never = np.where(bought, age, np.inf)
    found["first"] = np.where(some, np.maximum.reduceat(np.where(bought, age, -np.inf), starts), 0.0)
    found["last"] = np.where(some, np.minimum.reduceat(never, starts), 0.0)
    for days in HALF_LIVES:
        found[f"d{days}"] = np.add.reduceat(weight * decayed(age, days), starts)
    for days in HALF_LIVES[:2]:
        found[f"o{days}"] = np.add.reduceat((1.0 - weight) * decayed(age, days), starts)
    return all_keys[starts], found


def _of_users(history: History, before: Flags, at: int, who: Ints, pair: Mapping[str, Floats]) -> dict[str, Floats]:
    many = len(history.users)
    bought = pair["n"] > 0
    found = {name: _sums(who, pair[name], many) for name in ("n", "d7", "d28", "d91", "o7")}
    found["items"] = _sums(who[bought], minlength=many)
    last, first = np.full(many, np.inf), np.zeros(many)
    np.minimum.at(last, who[bought], pair["last"][bought])
    np.maximum.at(first, who[bought], pair["first"][bought])
    found["last"], found["first"] = np.where(np.isinf(last), 0.0, last), first
    for days in HALF_LIVES[1:]:
        found[f"w{days}"] = _sums(who[bought], decayed(pair["first"][bought], days), many)
    times = before & history.bought
    day = _distinct(history.user[times] * (1 << 32) + history.time[times] // DAY)
    owner = day >> 32
    age: Floats = np.asarray(at / DAY - ((day & 0xFFFFFFFF) + 0.5), dtype=np.float64)
    found["days"] = _sums(owner, minlength=many)
    for days in HALF_LIVES:
        found[f"b{days}"] = _sums(owner, decayed(age, days), many)
    return found


def _of_items(history: History, what: Ints, pair: Mapping[str, Floats]) -> dict[str, Floats]:
    many = len(history.items)
    bought = pair["n"] > 0
    found = {name: _sums(what, pair[name], many) for name in ("n", "d7", "d28", "d91", "o7")}
    found["buyers"] = _sums(what[bought], minlength=many)
    for days in HALF_LIVES[1:]:
        found[f"w{days}"] = _sums(what[bought], decayed(pair["first"][bought], days), many)
    return found


def _asked(item: Mapping[str, Floats], offered: Flags) -> Mapping[str, Floats]:
    """Statistics of items where those without an event have those of an item in the slowest tenth of the others.

    No window has such items, so no formula knows what their zeros mean.
    """
    sold = np.flatnonzero(offered)
    if len(sold) in {0, len(offered)}:
        return item
    slow = sold[np.argsort(item["d91"][sold], kind="stable")[len(sold) // _SLOW]]
    return {name: np.where(offered, values, values[slow]) for name, values in item.items()}


def _of_kinds(
    codes: Ints, wide: int, who: Ints, what: Ints, pair: Mapping[str, Floats]
) -> tuple[Ints, dict[str, Floats], Floats]:
    code = codes[what]
    some = (code >= 0) & (pair["n"] > 0)
    every = who[some] * wide + code[some]
    keys = _distinct(every)
    inverse = np.searchsorted(keys, every)
    found = {name: _sums(inverse, pair[name][some], len(keys)) for name in ("n", "d91")}
    last = np.full(len(keys), np.inf)
    np.minimum.at(last, inverse, pair["last"][some])
    found["last"] = last
    counts = _sums(code[some], pair["n"][some], wide) + 0.5
    return keys, found, counts / counts.sum()


def _lifts(history: History, who: Ints, code: Ints) -> dict[str, Floats]:
    """How much likelier a group's users are to have bought of a category than all users are, as a log."""
    wide = len(history.kind_names[-1])
    some = code >= 0
    once = _distinct(who[some] * wide + code[some])
    shopper, kind = np.divmod(once, wide)
    average = (_sums(kind, minlength=wide) + 0.5) / max(len(np.unique(shopper)), 1)
    found = {}
    for column, values in history.groups.items():
        many = len(history.group_names[column])
        value = values[shopper]
        known = value >= 0
        counts = _sums(value[known] * wide + kind[known], minlength=many * wide).reshape(many, wide)
        active = values[np.unique(shopper)]
        size = _sums(active[active >= 0], minlength=many)[:, None]
        lift = np.log((counts + _LIFT_SHRINK * average) / ((size + _LIFT_SHRINK) * average))
        found[column] = np.clip(lift, -_MOST_LIFT, _MOST_LIFT)
    return found


def item_weights(buyers: npt.ArrayLike) -> Floats:
    """What a purchase of an item says about taste: the less, the more users buy it."""
    weights: Floats = 1.0 / np.sqrt(np.asarray(buyers, dtype=np.float64) + 5.0)
    return weights


def _factors(
    history: History,
    who: Ints,
    what: Ints,
    value: Floats,
    given: Floats | None,
    begun: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Factors of the items, orthonormal, and of the users, each relative to the length of what was bought."""
    users, items = len(history.users), len(history.items)
    length = np.sqrt(_sums(who, value * value, users))
    value = value / np.maximum(length, 1e-9)[who]

    def times(index: Ints, other: Ints, matrix: Floats, rows: int) -> Floats:
        return np.stack([_sums(index, value * matrix[other, each], rows) for each in range(matrix.shape[1])], 1)

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
    vectors, taste = np.zeros((items, RANK)), np.zeros((users, RANK))
    rank = min(RANK, width)
    vectors[:, :rank] = basis @ turn.T[:, :rank]
    taste[:, :rank] = left @ turn.T[:, :rank]
    return vectors, taste


def _distinct(values: Ints) -> Ints:
    """The different values, ascending; by sorting, since that is several times as fast here as numpy's own."""
    ordered = np.sort(values)
    found: Ints = ordered[np.diff(ordered, prepend=-1) != 0]
    return found


def _sums(index: Ints, weights: Floats | None = None, minlength: int = 0) -> Floats:
    """Sums of weights, or numbers of rows, by index."""
    found: Floats = np.asarray(np.bincount(index, weights, minlength), dtype=np.float64)
    return found


def _looked_up(keys: Ints, wanted: Ints, values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    """Values of keys; 0 where a key is not there."""
    if not len(keys):
        return {f"{prefix}.{name}": np.zeros(len(wanted)) for name in values}
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = keys[place] == wanted
    return {f"{prefix}.{name}": np.where(there, column[place], 0.0) for name, column in values.items()}
