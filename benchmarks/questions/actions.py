# SPDX-License-Identifier: Apache-2.0
"""Whether a user takes an action: log-loss of the probability before it is known, and its skill over the average rate.

Users are known (their older actions train, and are their history), or new: a quarter that trains nothing and has only
the columns of Users. A unit is a user, who weighs as many actions as they were offered.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from personalize_local.data.frames import pl
from personalize_local.data.records import Interaction
from personalize_local.recipes.actions import ActionModel

from benchmarks.questions.answers import Chosen, Judged
from benchmarks.questions.cases import REMOVED
from benchmarks.questions.figures import Sums
from benchmarks.questions.shop import Shop, number, without
from local.evaluation import splitting

Offers = Mapping[str, Sequence[tuple[str, bool]]]
"""By user: actions and whether they were taken."""
Told = tuple[Sequence[Interaction], Mapping[str, object]]
"""What an answer knows of a user: history and columns."""
Chances = Callable[[str, Told], Mapping[str, float]]
"""(user, what is known of them) → probability by action."""
LEAST = 1e-4


class Trial:
    """One cut: the offers before it, and those after it."""

    def __init__(self, shop: Shop, question: str, back: int) -> None:
        at = shop.first + back
        split = shop.window(at, shop.spec.days)
        rows = shop.tables.interactions
        new = question == "new-action"
        if new:
            gone = [user for user in rows["USER_ID"].unique() if number("removed", user) % REMOVED == 0]
            split = without(split, "USER_ID", gone)
        self.name = f"cut {back} of {question}"
        self.before: pl.DataFrame = split.training
        self.past = shop.past(self.name, split)
        until = split.cut + split.days * splitting.DAY
        after = rows.filter(pl.col("TIMESTAMP").is_between(split.cut, until, closed="right"))
        users = set(gone) if new else set(self.past.active)
        self.offers: dict[str, list[tuple[str, bool]]] = {}
        for user, action, kind in (
            after.sort("USER_ID", "TIMESTAMP").select("USER_ID", "ITEM_ID", "EVENT_TYPE").iter_rows()
        ):
            if user in users and shop.half.has(user):
                self.offers.setdefault(user, []).append((action, kind == "TAKEN"))
        columns = self.past.snapshot.user_columns
        self.told: dict[str, Told] = {}
        for user in self.offers:
            history = () if new else self.past.question(user, frozenset()).query.history
            row = self.past.numbers[user]
            self.told[user] = history, {name: column[row] for name, column in columns.items()}

    def sums(self, chances: Chances) -> Sums:
        losses, weights, hits = [], [], []
        for user, offers in self.offers.items():
            predicted = chances(user, self.told[user])
            chance = np.clip([predicted[action] for action, _ in offers], LEAST, 1 - LEAST)
            took = np.array([took for _, took in offers])
            losses.append(float(-np.log(np.where(took, chance, 1 - chance)).sum()))
            weights.append(float(len(offers)))
            hits.append(float(((chance > 0.5) == took).sum()))
        return Sums(np.array(losses), np.array(weights), np.array(hits))


class Rates:
    """Takings and offers before a cut, by action and by value of a column."""

    def __init__(self, trial: Trial) -> None:
        rows = trial.before.with_columns((pl.col("EVENT_TYPE") == "TAKEN").cast(pl.Float64).alias("took"))
        counted = rows.group_by("ITEM_ID").agg(pl.col("took").sum(), pl.len()).sort("ITEM_ID")
        self.actions: list[str] = counted["ITEM_ID"].to_list()
        self.usual = float(rows["took"].mean())  # type: ignore[arg-type]
        self.took, self.offered = counted["took"].to_numpy(), counted["len"].to_numpy()
        self.rate = (self.took + 10 * self.usual) / (self.offered + 10)
        positions = {action: at for at, action in enumerate(self.actions)}
        self.positions = positions
        self.by_value: dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = {}
        snapshot = trial.past.snapshot
        for name, column in snapshot.user_columns.items():
            values = column[[trial.past.numbers[user] for user in rows["USER_ID"].to_list()]]
            action = np.array([positions[action_id] for action_id in rows["ITEM_ID"].to_list()])
            for value in sorted(set(values.tolist())):
                chosen = values == value
                self.by_value[f"{name}={value}"] = (
                    np.bincount(action[chosen], rows["took"].to_numpy()[chosen], len(positions)).astype(np.float64),
                    np.bincount(action[chosen], minlength=len(positions)).astype(np.float64),
                )


def own_rate(rates: Rates) -> Chances:
    """Tell the action's own rate."""
    rate_by_action = dict(zip(rates.actions, rates.rate.tolist(), strict=True))
    return lambda _user, _told: rate_by_action


def two_rates(rates: Rates, prior: float) -> Chances:
    """Move the action's odds by how much more often than expected the user takes what is offered."""
    odds = _odds(rates.rate)

    def chances(_user: str, told: Told) -> Mapping[str, float]:
        history, _ = told
        expected = sum(rates.rate[rates.positions[row.item_id]] for row in history if row.item_id in rates.positions)
        took = sum(row.event_type == "TAKEN" for row in history)
        moved = (
            odds
            + np.log((took + prior) / (expected + prior))
            - np.log((len(history) - took + prior) / (len(history) - expected + prior))
        )
        return dict(zip(rates.actions, _chance(moved).tolist(), strict=True))

    return chances


def by_group(rates: Rates, shrinkage: float, prior: float) -> Chances:
    """Move them by the odds of each of the user's values too, shrunk towards the action's (naive Bayes)."""
    odds = _odds(rates.rate)
    tilts = {
        value: _odds((took + shrinkage * rates.rate) / (offered + shrinkage)) - odds
        for value, (took, offered) in rates.by_value.items()
    }
    two = two_rates(rates, prior)

    def chances(user: str, told: Told) -> Mapping[str, float]:
        two_chances = np.array(list(two(user, told).values()))
        moved = _odds(two_chances) + sum(
            (tilts[key] for name, value in told[1].items() if (key := f"{name}={value}") in tilts), np.zeros(len(odds))
        )
        return dict(zip(rates.actions, _chance(moved).tolist(), strict=True))

    return chances


RULES = (
    ("the action's rate", own_rate, ((),)),
    ("two rates", two_rates, ((0.5,), (1.0,), (2.0,), (5.0,))),
    ("rates by group", by_group, tuple((s, p) for s in (20.0, 100.0, 500.0) for p in (1.0, 2.0, 5.0))),
)


def rules(shop: Shop, question: str) -> list[Judged]:
    """Return every rule's figures; parameters and the best one are chosen on the window before."""
    earlier, tested = (Trial(shop, question, back) for back in (1, 0))
    before, rates = Rates(earlier), Rates(tested)
    chosen = []
    for name, rule, grid in RULES:
        tried = [(earlier.sums(rule(before, *options)).mean(), options) for options in grid]
        value, options = min(tried, key=itemgetter(0))
        chosen.append((value, name, rule, options))
    best = min(chosen, key=itemgetter(0))[1]
    return [
        Judged(Chosen(name, options), tested.sums(rule(rates, *options)), best=name == best)
        for _, name, rule, options in chosen
    ]


def recipe(shop: Shop, question: str, name: str, tier: str) -> tuple[Sums, float]:
    trial = Trial(shop, question, 0)
    model, seconds = shop.model(trial.name, trial.past, name, tier)
    assert isinstance(model, ActionModel)  # noqa: S101

    def chances(_user: str, told: Told) -> Mapping[str, float]:
        return dict(zip(model.item_ids.tolist(), model.probabilities(*told).tolist(), strict=True))

    return trial.sums(chances), seconds


def _odds(chance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.log(chance / (1 - chance)))


def _chance(odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))
