# SPDX-License-Identifier: Apache-2.0
"""What moves the log odds of an action: a user's metadata, the user, and the user's own past with the action.

Effects of metadata are those of a ridge-regularised logistic regression, first shared by all actions, then those of
each action beside them; the penalty is the one that predicted held-out users best. What a user does
beyond that has two normal effects, one on all actions and one on each (a random-intercept model: Gelman, Hill, "Data
Analysis Using Regression and Multilevel/Hierarchical Models", 2006, chapter 14). Their spreads maximise the likelihood
of the data, so that little data moves little. Both are integrated over by Gauss-Hermite quadrature, in training and in
each answer.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from personalize_local.recipes.common.rows import Floats, Ints, Mask

PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
"""Inverse variances of the effects of metadata that are tried, beside none."""
SPREADS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0)
"""Standard deviations of users' effects, in log odds, that are tried: never none, so that a user's own past tells."""
MOST_PAIRS, MOST_ROWS = 30_000, 300_000
"""Pairs of users and actions that the spreads, and interactions that the regressions, are fitted to."""
_STEPS = 8
_Matrix = Any  # scipy has no types


def _nodes(count: int) -> tuple[Floats, Floats]:
    """Return nodes and log weights of Gauss-Hermite quadrature, by which a standard normal effect is averaged over."""
    node, weight = np.polynomial.hermite_e.hermegauss(count)
    return np.asarray(node, np.float64), np.log(weight / weight.sum())


_OF_USER, _USER_WEIGHT = _nodes(11)
_OF_PAIR, _PAIR_WEIGHT = _nodes(7)


@dataclass(frozen=True, slots=True)
class Effects:
    """Standard deviations, in log odds, of what users do beyond what their metadata tell."""

    user: float
    """Of a user's effect on all actions."""
    pair: float
    """Of a user's effect on one action."""

    def moved(self, odds: Floats, action: Ints, took: Floats) -> Floats:
        """[actions] probabilities for a user who was offered the actions of a history [rows], and `took` some.

        `odds` are those of people with the user's metadata; without a history they are the answer.
        """
        if not len(action):
            return sigmoid(odds)
        pairs, pair = np.unique(action, return_inverse=True)
        takes = np.bincount(pair, took).astype(np.float64)
        whole = self._given(odds)
        seen = self._log_likelihood(whole[pairs], takes, np.bincount(pair).astype(np.float64) - takes)
        of_pair = np.logaddexp.reduce(seen, axis=2)
        user = _normalised(_USER_WEIGHT + of_pair.sum(axis=0))
        chance = sigmoid(self._at_nodes(whole))
        of_user = chance @ np.exp(_PAIR_WEIGHT)
        weight = np.exp(seen - of_pair[:, :, None])
        of_user[pairs] = (chance[pairs] * weight).sum(axis=2)
        return np.asarray(of_user @ user, np.float64)

    def evidence(self, odds: Floats, takes: Floats, misses: Floats, user: Ints) -> float:
        """Return the log likelihood of pairs of users and actions, sorted by user; `odds` are each pair's."""
        of_pair = np.logaddexp.reduce(self._log_likelihood(self._given(odds), takes, misses), axis=2)
        starts = np.flatnonzero(np.diff(user, prepend=-1))
        of_user = np.add.reduceat(of_pair, starts, axis=0)
        return float(np.logaddexp.reduce(_USER_WEIGHT + of_user, axis=1).sum())

    def _given(self, odds: Floats) -> Floats:
        """Return the log odds of a user without effects of their own, from average ones, which lie nearer to even.

        The factor is that of the logistic function averaged over a normal (MacKay, The Evidence Framework Applied to
        Classification Networks, 1992).
        """
        return odds * math.sqrt(1.0 + math.pi / 8.0 * (self.user**2 + self.pair**2))

    def _at_nodes(self, odds: Floats) -> Floats:
        """[…, user nodes, pair nodes] log odds."""
        return np.asarray(odds[:, None, None] + self.user * _OF_USER[:, None] + self.pair * _OF_PAIR)

    def _log_likelihood(self, odds: Floats, takes: Floats, misses: Floats) -> Floats:
        at = self._at_nodes(odds)
        missed = np.logaddexp(0.0, at)
        return np.asarray(takes[:, None, None] * (at - missed) - misses[:, None, None] * missed + _PAIR_WEIGHT)


def fit_effects(odds: Floats, action: Ints, user: Ints, took: Floats) -> Effects:
    """Return the spreads that are most likely; `odds` [rows] are those by action and metadata, rows sorted by user."""
    _, first, pair = np.unique(user * (int(action.max()) + 1) + action, return_index=True, return_inverse=True)
    takes = np.bincount(pair, took).astype(np.float64)
    misses, owner = np.bincount(pair).astype(np.float64) - takes, user[first]
    some = drawn(owner, MOST_PAIRS)
    pairs = odds[first][some], takes[some], misses[some], owner[some]

    def best(tried: Iterable[Effects]) -> Effects:
        return max(tried, key=lambda effects: effects.evidence(*pairs))

    alone = best(Effects(spread, SPREADS[0]) for spread in SPREADS)
    both = best(Effects(alone.user, spread) for spread in SPREADS)
    return best(Effects(spread, both.pair) for spread in SPREADS)


def drawn(user: Ints, most: int) -> Mask:
    """[rows] those of as many users, drawn by their number, as have about `most` rows together."""
    return np.asarray(user * 2_654_435_761 % 2**32 < 2**32 * most / max(len(user), 1), np.bool_)


@dataclass(frozen=True, slots=True)
class Offers:
    """Interactions with actions, and one column for each value of metadata."""

    action: Ints
    took: Floats
    columns: _Matrix
    """[rows, values] 1 where the user has the value, sparse."""

    def where(self, mask: Mask) -> "Offers":
        return Offers(self.action[mask], self.took[mask], self.columns[np.flatnonzero(mask)])

    def odds(self, base: Floats, tilts: Floats) -> Floats:
        """[rows] log odds by action and metadata."""
        cells = self.columns.tocoo()
        moved = np.bincount(cells.row, tilts[cells.col, self.action[cells.row]], len(self.action))
        return np.asarray(base[self.action] + moved, np.float64)


def fit_tilts(offers: Offers, base: Floats, fitted_actions: Ints, held: Mask) -> Floats:
    """[values, actions] what each value adds to an action's log odds; `held` [rows] are those of held-out users.

    `base` [actions] are the actions' log odds, `fitted_actions` those with enough data for effects of their own.
    """
    shape = (offers.columns.shape[1], len(base))
    train, test = offers.where(~held), offers.where(held)
    tilts = np.zeros(shape)
    if not shape[0] or not len(test.took) or not len(train.took):
        return tilts
    for fit in (_shared, _of_actions):
        best, chosen = _loss(test, base, tilts), None
        for penalty in PENALTIES:
            loss = _loss(test, base, tilts + fit(train, base, tilts, fitted_actions, penalty))
            if loss < best:
                best, chosen = loss, penalty
        if chosen is not None:
            tilts = tilts + fit(offers, base, tilts, fitted_actions, chosen)
    return tilts


def _shared(offers: Offers, base: Floats, tilts: Floats, _fitted_actions: Ints, penalty: float) -> Floats:
    """[values, actions] effects that are the same for all actions."""
    effects = _ridge(offers.columns, offers.took, offers.odds(base, tilts), penalty)
    return np.broadcast_to(effects[:, None], tilts.shape)


def _of_actions(offers: Offers, base: Floats, tilts: Floats, fitted_actions: Ints, penalty: float) -> Floats:
    """[values, actions] effects of each action by itself."""
    effects, odds = np.zeros(tilts.shape), offers.odds(base, tilts)
    order = np.argsort(offers.action, kind="stable")
    starts = np.searchsorted(offers.action[order], np.arange(len(base) + 1))
    for action in fitted_actions.tolist():
        rows = order[starts[action] : starts[action + 1]]
        effects[:, action] = _ridge(offers.columns[rows], offers.took[rows], odds[rows], penalty)
    return effects


def _ridge(columns: _Matrix, took: Floats, odds: Floats, penalty: float) -> Floats:
    """[values] effects beside given log odds, by Newton's steps."""
    effects = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        chance = sigmoid(odds + columns @ effects)
        slope = columns.T @ (took - chance) - penalty * effects
        bend = (columns.T @ columns.multiply((chance * (1.0 - chance))[:, None]).tocsr()).toarray()
        step = np.linalg.solve(bend + penalty * np.eye(len(effects)), slope)
        effects = effects + step
        if float(np.abs(step).max()) < 1e-6:
            break
    return effects


def _loss(offers: Offers, base: Floats, tilts: Floats) -> float:
    odds = offers.odds(base, tilts)
    return float((np.logaddexp(0.0, odds) - offers.took * odds).mean())


def sigmoid(odds: Floats) -> Floats:
    chance = np.asarray(np.clip(odds, -30.0, 30.0), np.float64)
    np.exp(np.negative(chance, out=chance), out=chance)
    chance += 1.0
    return np.reciprocal(chance, out=chance)


def _normalised(logs: Floats) -> Floats:
    weight = np.exp(logs - logs.max())
    return np.asarray(weight / weight.sum(), np.float64)
